//! A board in one SQLite file. The only room that knows SQL.

mod agents;
mod archives;
mod attempts;
mod audit;
mod boards;
mod columns;
pub mod companions;
pub mod copies;
mod cursors;
mod error;
mod events;
mod graph;
mod group;
mod handoffs;
mod leases;
mod leaves;
mod mend;
mod notices;
mod open;
mod preflights;
mod questions;
mod requests;
pub mod salvage;
mod schema;
mod sessions;
mod tasks;
mod transplant;
mod unreadable;

pub use open::{Guarded, OpenOptions, SqliteStore, is_wal};
