//! The operating system, without rules: clocks, randomness, files, locks, child processes.
//!
//! Nothing here knows what a board is. This is the only room that may read the OS clock, draw random bytes, lock files,
//! replace files or start processes.

pub mod clock;
pub mod deadline;
pub mod entropy;
pub mod error;
pub mod file;
pub mod file_kind;
pub mod file_lock;
pub mod file_system;
#[cfg(test)]
pub mod fuzz;
pub mod host;
pub mod host_lock;
pub mod limits;
pub mod obstacle;
pub mod open;
pub mod panics;
pub mod private;
pub mod probe;
pub mod process;
pub mod program;
pub mod sandbox;
pub mod signals;
pub mod temporary;
pub mod threads;
