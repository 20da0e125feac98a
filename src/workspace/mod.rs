//! The project around a board: git.
//!
//! Branch and head are read from git's own files, because a claim has no time to start a process. Everything else asks
//! the `git` command. The index is never touched.

pub mod git;
