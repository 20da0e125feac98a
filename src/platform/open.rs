//! Opening files that other accounts may have put there, and the rights of those that are made here.
//!
//! **Invariants.** A link is not followed. A pipe, a socket or a device in place of a file is refused at once instead of
//! being waited for. A file with a second name is not written in place: the other name may be somebody's document. A new
//! file has the rights that the umask leaves; where a group shares its directory, the group reads and writes it as well.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{Gid, Mode, fchmod, fchown};
use rustix::process::getegid;

/// Who may read a file besides its owner, as far as the umask lets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Everybody: pages, locks, what watchers look at.
    Everybody,
    /// The group alone: the database and its copies, which hold the tokens of leases.
    Group,
}

impl Readers {
    fn mode(self) -> u32 {
        match self {
            Self::Everybody => 0o666,
            Self::Group => 0o660,
        }
    }
}

/// The options with which every file of a board is opened.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).mode(Readers::Everybody.mode());
    options
}

/// The same for a file that only some may read.
pub(super) fn options_for(readers: Readers) -> OpenOptions {
    let mut options = options();
    options.mode(readers.mode());
    options
}

fn unfit(why: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

fn regular_metadata(file: &File) -> Result<Metadata> {
    let meta = file.metadata()?;
    if meta.is_file() { Ok(meta) } else { Err(unfit("it is not a regular file")) }
}

/// The file, if it is a regular one.
pub(super) fn regular(file: File) -> Result<File> {
    regular_metadata(&file).map(|_| file)
}

/// The file, if it is a regular one that has no second name: only such a file is written in place.
pub(super) fn only_name(file: File) -> Result<File> {
    // One that was removed since has no name at all.
    if regular_metadata(&file)?.nlink() > 1 { Err(unfit("it has a second name")) } else { Ok(file) }
}

/// Opens a file to read it. A link is not followed.
pub(super) fn to_read(path: &Path) -> Result<File> {
    options().read(true).open(path).and_then(regular)
}

/// The same for a file that a person named: links are followed.
pub(super) fn named_to_read(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path).and_then(regular)
}

/// True where a group shares a directory: it hands its group on, or its group is not the one of this process.
pub(super) fn is_shared_by_group(directory: &Metadata) -> bool {
    directory.mode() & 0o2000 != 0 || directory.gid() != getegid().as_raw()
}

/// Gives a new file the group of its directory, with the right to read and write, where a group shares the directory. What
/// the system refuses (a group that the user is not in) is left as it is: the file still works for its owner.
pub fn share(file: &File, path: &Path) {
    let Some(dir) = path.parent().and_then(|dir| fs::metadata(dir).ok()) else { return };
    let Ok(own) = file.metadata() else { return };
    if !is_shared_by_group(&dir) {
        return;
    }
    if own.gid() != dir.gid() && fchown(file, None, Some(Gid::from_raw(dir.gid()))).is_err() {
        return;
    }
    let wanted = (own.mode() & 0o7777) | 0o060;
    if own.mode() & 0o7777 != wanted {
        let _ = fchmod(file, Mode::from_raw_mode(wanted));
    }
}

/// Keeps everybody but owner and group from a file that another program made.
pub(super) fn keep_others_out(file: &File) {
    if let Ok(own) = file.metadata()
        && own.mode() & 0o007 != 0
    {
        let _ = fchmod(file, Mode::from_raw_mode(own.mode() & 0o7770));
    }
}
