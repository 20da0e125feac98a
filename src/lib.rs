//! callboard: a coordination board that lives in a directory.
//!
//! The floors, from the ground up; imports only go down, and `tests/tidy.rs` enforces it:
//!
//! | floor | rooms |
//! | --- | --- |
//! | 0 | [`domain`]: rules without I/O. [`platform`]: the operating system without rules |
//! | 1 | [`store`]: the board's rows. [`workspace`]: git |
//! | 2 | [`board`]: use-cases, one transaction each, and read models |
//! | 3 | [`projection`]: the pages. [`watch`]: waiting. [`intake`]: plans, and looks at a project |
//! | 4 | [`app`]: finding a board, its place and its locks, one operation on it |
//! | 5 | [`ops`]: the catalogue of operations, the same for every door |
//! | 6 | [`bridge`]: where asynchronous doors meet the synchronous core
//! | 7 | [`dispatch`]: HTTP, streams and the live page. [`mcp`]: the Model Context Protocol
//! | 8 | [`cli`]: parse, call one operation, render |

pub mod app;
pub mod board;
pub mod bridge;
pub mod cli;
pub mod dispatch;
pub mod domain;
pub mod intake;
pub mod mcp;
pub mod ops;
pub mod platform;
pub mod projection;
pub mod store;
pub mod watch;
pub mod workspace;
