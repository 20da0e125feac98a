//! The binary as its users meet it: whole processes, in an environment that nothing from outside reaches.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files, environments and moments by themselves")]

mod aboard;
mod checks;
mod comfort;
mod crash;
mod damage;
mod damaged_rows;
mod doctor;
mod example;
mod fields;
mod files;
mod fleet;
mod formats;
mod former;
mod guard;
mod hostile;
mod identity;
mod impostor;
mod intake;
mod leftovers;
mod limits;
mod log;
mod manual;
mod mcp;
mod mcp_sessions;
mod mounts;
mod page;
mod pages;
mod people;
mod places;
mod project;
mod proofs;
mod readme;
mod reads;
mod refusals;
mod served;
mod server;
mod shared;
mod signals;
mod snapshots;
mod stopped;
mod storm;
mod strangers;
mod submissions;
mod tokens;
mod unread;
mod waiting;
mod ways_out;
