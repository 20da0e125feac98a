//! Whether the system tells of changes in a directory: what a waiting process sleeps on.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};

use crate::platform::file;

/// Makes a change in the directory and waits for being told. An error says why nobody can be told at all; false means that
/// nothing came in time. The file that it makes is removed.
pub fn hears(directory: &Path, nonce: &str, patience: Duration) -> Result<bool, String> {
    let (sender, receiver) = mpsc::channel();
    let told = move |event: notify::Result<notify::Event>| {
        // Whoever asked may have left.
        let _ = sender.send(event.is_ok());
    };
    let mut watcher = notify::recommended_watcher(told).map_err(|error| error.to_string())?;
    watcher.watch(directory, RecursiveMode::NonRecursive).map_err(|error| error.to_string())?;
    let path = directory.join(format!("probe-{nonce}"));
    file::overwrite(&path, b"callboard doctor\n").map_err(|error| error.to_string())?;
    let heard = receiver.recv_timeout(patience).unwrap_or(false);
    file::remove(&path).map_err(|error| error.to_string())?;
    Ok(heard)
}
