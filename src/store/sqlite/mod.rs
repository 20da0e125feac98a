//! A board in one SQLite file. The only room that knows SQL.

mod agents;
mod attempts;
mod boards;
mod columns;
mod error;
mod events;
mod graph;
mod leases;
mod open;
mod requests;
mod schema;
mod sessions;
mod tasks;

pub use open::{Guarded, OpenOptions, SqliteStore, is_wal};
