//! Whatever has the name of a file or a directory of callboard's own and is something else: a link, a directory, a pipe.
//!
//! **Invariants.** It is never followed, opened or deleted. It is only moved aside, under a name that nothing has.

use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::path::Path;
use std::time::Duration;

use fs2::FileExt;

use super::deadline::Deadline;
use super::error::PlatformError;
use super::file_kind::{self, FileKind};

/// What belongs under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongs {
    /// A file that is locked or written in place.
    File,
    /// A file that is replaced as a whole: whatever has its name goes with the next write, unless it is a directory.
    Page,
    /// A file that other programs read or copy too: a second name of it is no obstacle.
    Data,
    /// A directory.
    Directory,
}

/// What is in the way at `path`; none where nothing is there, or what belongs there.
pub fn in_the_way(path: &Path, belongs: Belongs) -> Option<FileKind> {
    let kind = file_kind::of(path)?;
    let fits = match belongs {
        Belongs::File => kind == FileKind::File,
        Belongs::Page => kind != FileKind::Directory,
        Belongs::Data => matches!(kind, FileKind::File | FileKind::SecondName),
        Belongs::Directory => kind == FileKind::Directory,
    };
    (!fits).then_some(kind)
}

/// Moves what is in the way at `path` to `to`, a name on the same file system that nothing has. Says what it was; none where
/// nothing was in the way any more.
pub fn move_aside(path: &Path, belongs: Belongs, to: &Path) -> Result<Option<FileKind>, PlatformError> {
    let Some(what) = in_the_way(path, belongs) else { return Ok(None) };
    let moved = rename_new(path, to).and_then(|()| match in_the_way(to, belongs) {
        // Somebody was faster, and what came meanwhile belongs there.
        None => rename_new(to, path).map(|()| None),
        Some(_) => Ok(Some(what)),
    });
    match moved {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        moved => moved.map_err(|source| PlatformError::File { action: "move", path: path.to_owned(), source }),
    }
}

/// Moves whatever has the name `path` to `to`, a name on the same file system that nothing has. Nothing there is no error.
pub fn keep(path: &Path, to: &Path) -> Result<(), PlatformError> {
    match rename_new(path, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        moved => moved.map_err(|source| PlatformError::File { action: "move", path: path.to_owned(), source }),
    }
}

/// Gives whatever has a name another one that nothing has.
fn rename_new(from: &Path, to: &Path) -> Result<(), Error> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some file systems cannot.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            done => return done.map_err(Into::into),
        }
    }
    match fs::symlink_metadata(to) {
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// Keeps other callers of this function away from `directory` until the file is dropped. Where directories cannot be locked,
/// or somebody keeps the lock past the deadline, it is gone on without.
pub fn alone_in(directory: &Path, deadline: Deadline) -> Option<File> {
    let held = File::open(directory).ok()?;
    loop {
        match FileExt::try_lock_exclusive(&held) {
            Ok(()) => return Some(held),
            Err(error) if error.raw_os_error() != fs2::lock_contended_error().raw_os_error() => return None,
            Err(_) if deadline.is_over() => return None,
            Err(_) => deadline.nap(Duration::from_millis(20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::file;

    #[test]
    fn what_is_in_the_way_is_named_and_moved_and_never_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        file::overwrite(&at("precious"), b"x").expect("written");
        std::os::unix::fs::symlink(at("precious"), at("link")).expect("a link");
        fs::create_dir_all(at("full/of")).expect("made");
        fs::hard_link(at("precious"), at("second")).expect("a second name");
        for (name, belongs, what) in [
            ("link", Belongs::File, Some(FileKind::Link)),
            ("link", Belongs::Page, None),
            ("link", Belongs::Directory, Some(FileKind::Link)),
            ("full", Belongs::File, Some(FileKind::Directory)),
            ("full", Belongs::Page, Some(FileKind::Directory)),
            ("full", Belongs::Directory, None),
            ("second", Belongs::File, Some(FileKind::SecondName)),
            ("nothing", Belongs::File, None),
        ] {
            assert_eq!(in_the_way(&at(name), belongs), what, "{name} {belongs:?}");
        }
        fs::create_dir(at("taken")).expect("made");
        assert!(move_aside(&at("full"), Belongs::File, &at("taken")).is_err(), "never over something else");
        assert_eq!(move_aside(&at("full"), Belongs::File, &at("aside")).expect("moved"), Some(FileKind::Directory));
        assert_eq!(move_aside(&at("link"), Belongs::File, &at("other")).expect("moved"), Some(FileKind::Link));
        assert!(at("aside/of").is_dir() && at("other").is_symlink() && at("precious").is_file());
        assert_eq!(move_aside(&at("full"), Belongs::File, &at("more")).expect("nothing to do"), None);
    }
}
