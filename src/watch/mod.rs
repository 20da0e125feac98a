//! Waiting without spinning: what every commit leaves for whoever waits, and how that is noticed.
//!
//! A commit writes two small files in place: [`pulse`], which says that something changed, and [`bells`], which says whom
//! it may concern. A [`watcher`] sleeps until the file system tells of a change or an interval is over, reads both, and
//! only then says that it pays to open the board.

pub mod bells;
pub mod ear;
pub mod pace;
pub mod pulse;
pub mod watcher;
