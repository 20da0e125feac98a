//! Replies as text for people and agents: short, stable, `key: value` lines or one table.

mod agents;
mod boards;
mod claims;
mod copies;
pub(super) mod events;
mod graph;
mod guard;
mod handoffs;
mod health;
mod intake;
mod leases;
mod page;
mod preflight;
mod questions;
mod retention;
pub(super) mod serving;
mod sessions;
mod status;
mod tasks;

pub(super) use page::{Page, Render};
