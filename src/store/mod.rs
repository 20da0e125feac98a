//! Where a board is kept: a trait that speaks of tasks and leases, and its implementers.
//!
//! [`contract`] is the trait; [`conformance`] is its definition as tests; [`sqlite`] keeps a board in a file;
//! [`faulty`] is a store that fails or dies at a chosen call.

pub mod contract;
pub mod error;
pub mod sqlite;

pub use contract::{Access, Store, Transaction};
pub use error::StoreError;
