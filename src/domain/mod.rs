//! The rules of a board, without I/O: what may happen to a task, who may hold it, and what it is worth.
//!
//! Everything here is a function from (state, request, now) to a result. Clocks, ids and randomness come in as
//! arguments; nothing here knows that a database, a file or a process exists.

pub mod actor;
pub mod agent;
pub mod attempt;
pub mod audit;
pub mod board;
pub mod credential;
pub mod cursor;
pub mod event;
pub mod exit;
pub mod for_people;
pub mod graph;
pub mod handoff;
pub mod id;
pub mod lease;
pub mod lease_clock;
pub mod notice;
pub mod preflight;
pub mod profile;
pub mod question;
pub mod rank;
pub mod refusal;
pub mod retention;
pub mod right;
pub mod scope;
pub mod session;
pub mod session_ids;
pub mod submission;
pub mod system_limit;
pub mod task;
pub mod text;
pub mod time;
pub mod topic;
pub mod verdict;
pub mod word;
pub mod workspace;
