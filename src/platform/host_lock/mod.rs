//! The lock between hosts: a directory on the shared storage that holds the file of its holder.
//!
//! `protocol` is the pure state machine that decides every step, `model` and `exploration` play all of its interleavings,
//! `directory` drives it against a real directory, `holder` keeps the lock while it is held, and `leftovers` removes what dead
//! processes left behind.

mod directory;
#[cfg(test)]
mod exploration;
pub mod holder;
mod leftovers;
pub mod lock_dir;
#[cfg(test)]
mod model;
mod protocol;
