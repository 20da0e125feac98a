//! Plans that somebody wrote, read into tasks. Text in, tasks out: nothing here opens a file or a board.

pub mod jsonl;
pub mod markdown;
