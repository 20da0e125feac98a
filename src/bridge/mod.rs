//! The one place where asynchronous doors meet the synchronous core.
//!
//! A door hands over a [`request::Request`] and awaits its answer. Behind it a few threads do the work, each with an
//! [`App`](crate::app::App) of its own: changes that arrive together are committed together, looks are taken together, and
//! one watcher of the board's pulse serves everybody who waits.

pub mod catalogue;
pub mod guest;
pub mod hub;
pub mod lanes;
pub mod meter;
pub mod panics;
pub mod request;
pub mod stream;
pub mod waiting;

pub use waiting::Bridge;
