//! Where a board is kept: a trait that speaks of tasks and leases, and its implementers.
//!
//! [`contract`] is the trait, and `conformance` its definition as tests; [`sqlite`] keeps a board in a file; `faulty` is,
//! for tests, a store that fails or dies at a chosen call.

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
mod conformance_signals;
#[cfg(test)]
mod conformance_work;
pub mod contract;
pub mod error;
#[cfg(test)]
pub(crate) mod faulty;
#[cfg(test)]
mod samples;
pub mod sqlite;

pub use contract::{Access, Store, Transaction};
pub use error::StoreError;
