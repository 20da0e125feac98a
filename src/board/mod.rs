//! Use-cases and read models: one call is one transaction.
//!
//! A mutation is a [`turn::Turn`]: it reads, asks the rules of `domain`, writes rows and appends events. A read is a
//! [`look::Look`]: it has no way to write. [`mutation`] is the frame around every turn, in the order of the contract.

pub mod agents;
pub mod boards;
pub mod bundles;
pub mod caller;
pub mod claims;
#[cfg(test)]
mod deeds;
pub mod explain;
#[cfg(test)]
mod faults;
pub mod graph;
pub mod guard;
#[cfg(test)]
mod handoff_plays;
pub mod handoffs;
pub mod hindrances;
pub mod history;
pub mod imports;
pub mod inbox;
pub mod intake;
#[cfg(test)]
mod invariants;
pub mod leases;
pub mod lists;
#[cfg(test)]
mod long_lists;
pub mod look;
#[cfg(test)]
mod model;
pub mod mutation;
pub mod next_action;
#[cfg(test)]
mod nothing;
pub mod notices;
pub mod outlook;
pub mod pages;
mod paging;
#[cfg(test)]
mod plays;
pub mod preflight;
#[cfg(test)]
mod profile_plays;
pub mod questions;
pub mod queues;
mod replay;
pub mod restore;
pub mod retention;
pub mod reviews;
pub mod sessions;
#[cfg(test)]
mod signal_plays;
#[cfg(test)]
pub(crate) mod stage;
pub mod stalled;
#[cfg(test)]
mod stream_model;
pub mod streams;
pub mod submissions;
pub mod tasks;
pub mod turn;
pub mod unread;
pub mod views;
mod windows;
pub mod work;
