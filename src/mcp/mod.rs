//! The board as a Model Context Protocol server: over standard input and output for one agent, and as a room of the dispatch
//! server for many.
//!
//! A third door to the same catalogue. Tools take their schemas from it, resources are the pages, and a connection is a
//! window: it is registered when it opens, its calls renew its leases, and it is closed with it.

mod calls;
mod handler;
mod house;
mod presence;
mod prompts;
mod resources;
mod room;
mod serve;
mod sessions;
mod toolset;

pub use presence::Identity;
pub use room::Room;
pub use serve::{Options, room, serve};
pub use toolset::Toolset;
