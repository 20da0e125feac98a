//! A board in one SQLite file. The only room that knows SQL.

mod agents;
mod archives;
mod attempts;
mod audit;
mod boards;
mod columns;
mod cursors;
mod error;
mod events;
mod graph;
mod handoffs;
mod leases;
mod mend;
mod notices;
mod open;
mod preflights;
mod questions;
mod requests;
mod schema;
mod sessions;
mod tasks;
mod unreadable;

pub use open::{Guarded, OpenOptions, SqliteStore, is_wal};
