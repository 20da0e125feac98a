//! The dispatch server: the catalogue over HTTP, streams as server-sent events, and a live page.
//!
//! It is a door like the command line and nothing more: the board is the same directory, and both can be used at once.

mod answers;
mod body;
mod connections;
mod door;
mod head;
mod listen;
mod metrics;
mod openapi;
mod operations;
mod page;
mod query;
mod serve;
mod streams;
mod tls;

pub use door::Anonymous;
pub use serve::{Options, Ready, serve};
pub use tls::Certificate;
