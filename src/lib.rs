//! callboard: a coordination board that lives in a directory.
//!
//! The floors, from the ground up; imports only go down, and `tests/tidy.rs` enforces it:
//!
//! | floor | rooms |
//! | --- | --- |
//! | 0 | [`domain`]: rules without I/O |
//! | 0 | [`platform`]: the operating system without rules |

pub mod app;
pub mod board;
pub mod cli;
pub mod domain;
pub mod intake;
pub mod ops;
pub mod platform;
pub mod projection;
pub mod store;
pub mod workspace;
