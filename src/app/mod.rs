//! Composition: finding a board, judging its place, taking its locks, and running one transaction on it.
//!
//! The order of every change: gate, lock, open, one transaction, close, unlock, pages, answer.

pub mod access;
pub mod archives;
pub mod backup;
mod damage;
pub mod doctor;
pub mod error;
pub mod host_config;
pub mod in_place;
pub mod init;
mod leftovers;
pub mod locate;
pub mod lock_messages;
pub mod locks;
pub mod obstacles;
pub mod order;
pub mod pages;
pub mod place;
pub mod proof;
pub mod published;
pub mod pulse;
pub mod repair;
pub mod servers;
pub mod settings;
mod sightings;
pub mod stored_sessions;
pub mod together;
pub mod tokens;
pub mod validate;
pub mod watching;

pub use access::App;
pub use order::{Changed, Order, Seen};
pub use settings::Settings;
