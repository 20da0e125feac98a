//! Databases that a killed backup, restore or repair has left behind.
//!
//! **Invariants.** Nothing is removed because it is old. What lies in `.callboard` is made and removed by holders of the
//! board's lock as a writer, so whoever has that lock knows that nobody uses it. A draft of a backup lies beside its target,
//! has the board in its name, is filled under the board's lock, and is locked by itself before that is released: whoever
//! has the board's lock as a writer, and gets the draft's own, knows the same.

use std::path::{Path, PathBuf};

use super::locks::Held;
use super::order::digest;
use super::place::Place;
use crate::platform::{file, file_lock};
use crate::store::sqlite::companions::{COMPANIONS, beside};

/// What restores and repairs make in `.callboard`: each is followed by eight hexadecimal digits.
const WORK: [&str; 3] = ["restore-", "repair-", "damaged-"];

/// Removes a database that nobody uses, with what SQLite keeps beside it. What cannot be removed is left for the next time.
pub(super) fn remove_database(path: &Path) {
    for end in all_parts() {
        let _ = file::remove(&beside(path, end));
    }
}

/// How the names of drafts end.
const DRAFT: &str = ".tmp";

/// The name under which a backup is made before it gets its own.
pub(super) fn draft_of(target: &Path, place: &Place, nonce: &str) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}-{nonce}{DRAFT}", board_digest(place)))
}

/// Removes what killed restores and repairs left in `.callboard`. The board's lock is held as a writer.
pub(super) fn sweep_work(place: &Place, _writer: &Held) {
    let is_work = |name: &str| {
        let stem = all_parts().find_map(|part| name.strip_suffix(part)?.strip_suffix(".db"));
        stem.is_some_and(|stem| WORK.iter().any(|kind| stem.strip_prefix(kind).is_some_and(is_nonce)))
    };
    for path in names(&place.internal()).into_iter().filter(|name| is_work(name)) {
        let _ = file::remove(&place.internal().join(path));
    }
}

/// True where drafts of this board, or journals of them, lie in a directory.
pub(super) fn has_drafts(directory: &Path, place: &Place) -> bool {
    names(directory).iter().any(|name| draft_in(name, place).is_some() || is_stray_journal(directory, name))
}

/// Removes drafts of this board's backups from a directory, where nobody uses them. The board's lock is held as a writer.
pub(super) fn sweep_drafts(directory: &Path, place: &Place, _writer: &Held) {
    for name in names(directory) {
        if let Some(draft) = draft_in(&name, place) {
            let draft = directory.join(draft);
            if !draft.exists() || file_lock::is_free(&draft) {
                remove_database(&draft);
            }
        } else if is_stray_journal(directory, &name) {
            let _ = file::remove(&directory.join(&name));
        }
    }
}

/// The draft that a name belongs to: `.NAME.BOARD-NONCE.tmp`, or a part of it.
fn draft_in<'a>(name: &'a str, place: &Place) -> Option<&'a str> {
    let stem = all_parts().find_map(|part| name.strip_suffix(part)?.strip_suffix(DRAFT))?;
    let (_, made) = stem.strip_prefix('.')?.rsplit_once('.')?;
    let (board, nonce) = made.split_once('-')?;
    (board == board_digest(place) && is_nonce(nonce)).then(|| &name[..stem.len() + DRAFT.len()])
}

/// The empty journal that the backup NAME of an earlier version left as `.NAME.NONCE.tmp-journal`: its database has become
/// NAME, so nobody uses it.
fn is_stray_journal(directory: &Path, name: &str) -> bool {
    let parts = name.strip_suffix("-journal").and_then(|draft| draft.strip_prefix('.')?.strip_suffix(".tmp"));
    let Some((target, nonce)) = parts.and_then(|made| made.rsplit_once('.')) else { return false };
    let is_empty = std::fs::symlink_metadata(directory.join(name)).is_ok_and(|meta| meta.is_file() && meta.len() == 0);
    is_nonce(nonce)
        && is_empty
        && directory.join(target).is_file()
        && !directory.join(format!(".{target}.{nonce}.tmp")).exists()
}

/// Endings of a database and of what SQLite keeps beside it.
fn all_parts() -> impl Iterator<Item = &'static str> {
    [""].into_iter().chain(COMPANIONS)
}

fn board_digest(place: &Place) -> String {
    digest(&[&place.key])[..8].to_owned()
}

fn is_nonce(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}
