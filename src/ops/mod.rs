//! The catalogue: every operation once, the same for every door.
//!
//! An operation is a struct whose doc comments are at once the help of the command line and the descriptions of the
//! schemas. Doors are generic over [`Operation`]; [`catalogue!`](crate::catalogue) lists them all.

pub mod agents;
pub mod aliases;
pub mod boards;
pub mod call;
mod catalogue;
pub mod claims;
pub mod envelope;
pub mod events;
pub mod graph;
pub mod guard;
pub mod handoffs;
pub mod health;
pub mod intake;
pub mod labels;
pub mod leases;
pub mod lists;
mod operation;
pub mod preflight;
pub mod questions;
pub mod retention;
pub mod reviews;
pub mod sessions;
pub mod since;
pub mod status;
pub mod surroundings;
pub mod tasks;
pub mod texts;
pub mod values;
pub mod work;

pub use operation::{Done, Group, Kind, Operation, for_reader, refusal_for_reader};
