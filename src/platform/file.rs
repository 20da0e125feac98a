//! Files that several users and several processes share.
//!
//! **Invariants.** A name that may be a link somebody planted is never followed. A file that others read appears under
//! its name complete or not at all. `open.rs` has the rules of opening: what is not a regular file is refused, and which
//! rights a new file gets.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, fchmod, fchown};

use super::error::PlatformError;
use super::open::{self, Readers, is_shared_by_group, only_name, options, options_for, share};
use super::temporary;

/// Opens a file to lock it, creating it if need be. Where the directory is read-only an existing file is opened for
/// reading, which is enough to lock.
pub fn open_lock(path: &Path) -> Result<File, PlatformError> {
    // A writer of a lock file notes who it is, in place.
    let existing = options().read(true).write(true).open(path).and_then(only_name);
    match existing {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let created = options().read(true).write(true).create(true).truncate(false).open(path).and_then(only_name);
            let file = created.map_err(PlatformError::file("create", path))?;
            share(&file, path);
            Ok(file)
        }
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            open_to_read(path)
        }
        other => other.map_err(PlatformError::file("open", path)),
    }
}

/// Makes an empty file for a database, which only its owner and its group may read, where there is none.
pub fn prepare_database(path: &Path) -> Result<(), PlatformError> {
    match options_for(Readers::Group).write(true).create_new(true).open(path) {
        Ok(file) => {
            share(&file, path);
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(PlatformError::file("create", path)(error)),
    }
}

/// Writes `content` over the beginning of a file that exists. What lies behind stays: for content of one length, which
/// needs no new blocks. A reader may see a part of it.
pub fn write_over(path: &Path, content: &[u8]) -> Result<(), PlatformError> {
    let opened = options().write(true).open(path).and_then(only_name);
    let written = opened.and_then(|mut file| file.write_all(content));
    written.map_err(PlatformError::file("write", path))
}

/// The same, creating the file if need be.
pub fn touch(path: &Path, content: &[u8]) -> Result<(), PlatformError> {
    match write_over(path, content) {
        Err(error) if error.io_kind() == Some(ErrorKind::NotFound) => overwrite(path, content),
        other => other,
    }
}

/// Sets both times of a file to now, without opening it: whoever watches it is told once.
pub fn set_times_now(path: &Path) -> Result<(), PlatformError> {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    let set = utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW);
    set.map_err(|error| PlatformError::file("set the times of", path)(error.into()))
}

/// Opens a file to read it again and again.
pub fn open_to_read(path: &Path) -> Result<File, PlatformError> {
    open::to_read(path).map_err(PlatformError::file("open", path))
}

/// Writes over a file in place, creating it if need be.
pub fn overwrite(path: &Path, content: &[u8]) -> Result<(), PlatformError> {
    let mut file = match options().write(true).open(path).and_then(only_name) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let created = options().write(true).create(true).truncate(false).open(path).and_then(only_name);
            let file = created.map_err(PlatformError::file("create", path))?;
            share(&file, path);
            file
        }
        other => other.map_err(PlatformError::file("write", path))?,
    };
    // Emptied only now that it is known to be the file that is meant.
    file.set_len(0).and_then(|()| file.write_all(content)).map_err(PlatformError::file("write", path))
}

/// Creates a file that must not exist yet, complete and synced: it appears with its content or not at all, whatever
/// dies. `writer` tells temporary files apart. Fails with `AlreadyExists` if it does.
pub fn create_new(path: &Path, content: &[u8], writer: &str) -> Result<(), PlatformError> {
    let (mut file, beside) = temporary::create(path, writer)?;
    share(&file, path);
    let named = file.write_all(content).and_then(|()| file.sync_all()).and_then(|()| name_new(&beside, path));
    if let Err(error) = named {
        let _ = fs::remove_file(&beside);
        return Err(PlatformError::file("create", path)(error));
    }
    sync_directory_of(path)
}

/// Gives a file a name that nobody has yet.
fn name_new(beside: &Path, path: &Path) -> std::io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, beside, CWD, path, RenameFlags::NOREPLACE) {
            // Some file systems cannot; a second name does the same in two steps.
            Err(Errno::INVAL | Errno::NOSYS) => {}
            done => return done.map_err(Into::into),
        }
    }
    match fs::hard_link(beside, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => move_content(beside, path),
        linked => linked.and_then(|()| fs::remove_file(beside)),
    }
}

/// The same where neither is possible: there the file is empty for a moment.
fn move_content(beside: &Path, path: &Path) -> std::io::Result<()> {
    let mut content = Vec::new();
    open::to_read(beside)?.read_to_end(&mut content)?;
    let mut file = options().write(true).create_new(true).open(path)?;
    share(&file, path);
    if let Err(error) = file.write_all(&content).and_then(|()| file.sync_all()) {
        let _ = fs::remove_file(path);
        return Err(error);
    }
    fs::remove_file(beside)
}

/// Makes the entries of the directory that `path` is in durable.
pub fn sync_directory_of(path: &Path) -> Result<(), PlatformError> {
    let Some(dir) = path.parent() else { return Ok(()) };
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(PlatformError::file("sync", dir))
}

/// Whether a replaced file must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It can be made again.
    Disposable,
    /// It is synced before and after it gets its name.
    Durable,
}

/// Replaces a file: it is written beside its name and renamed. `writer` tells temporary files of different hosts apart;
/// writers of one host must hold a lock, so that a killed one leaves one stale file and not many.
pub fn replace(path: &Path, content: &[u8], writer: &str, durability: Durability) -> Result<(), PlatformError> {
    let (mut file, beside) = temporary::create(path, writer)?;
    share(&file, path);
    let written = file.write_all(content).and_then(|()| match durability {
        Durability::Disposable => Ok(()),
        Durability::Durable => file.sync_all(),
    });
    drop(file);
    let renamed = written.and_then(|()| match durability {
        Durability::Disposable => change_places(&beside, path),
        Durability::Durable => fs::rename(&beside, path),
    });
    if let Err(error) = renamed {
        let _ = fs::remove_file(&beside);
        return Err(PlatformError::file("write", path)(error));
    }
    match durability {
        Durability::Disposable => Ok(()),
        Durability::Durable => sync_directory_of(path),
    }
}

/// Gives the new file the name. Renaming over a name makes ext4 write the new content out before it returns, which takes
/// longer than everything else; two names that change places do not, and a page that a power cut empties is made again.
fn change_places(new: &Path, path: &Path) -> std::io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE).is_ok() {
            return fs::remove_file(new).or_else(|error| {
                // A directory is nobody's page: it gets its name back, and keeps what is in it.
                renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE)?;
                Err(error)
            });
        }
    }
    fs::rename(new, path)
}

/// Makes a directory of callboard's own, like [`make_directory`]. Fails with `NotOwn` where a link has the name.
pub fn make_own_directory(path: &Path) -> Result<(), PlatformError> {
    let is_own = || fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    if is_own() {
        return Ok(());
    }
    if fs::symlink_metadata(path).is_ok() || !make_directory(path)? && !is_own() {
        return Err(PlatformError::NotOwn { path: path.to_owned() });
    }
    Ok(())
}

/// A file that is written piece by piece, and gets its name when it is whole and durable.
#[derive(Debug)]
pub struct Draft {
    file: BufWriter<File>,
    beside: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Begins one beside `path`. `writer` tells temporary files of different hosts apart; writers of one host must hold a
    /// lock.
    pub fn begin(path: &Path, writer: &str) -> Result<Self, PlatformError> {
        let (file, beside) = temporary::create(path, writer)?;
        share(&file, path);
        Ok(Self { file: BufWriter::new(file), beside, path: path.to_owned() })
    }

    /// Writes the next piece.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), PlatformError> {
        self.file.write_all(piece).map_err(PlatformError::file("write", &self.beside))
    }

    /// Gives the file its name, over whatever has it; both are durable then.
    pub fn finish(mut self) -> Result<(), PlatformError> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        let named = synced.and_then(|()| fs::rename(&self.beside, &self.path));
        named.map_err(PlatformError::file("write", &self.path))?;
        sync_directory_of(&self.path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Nothing is there any more once it has its name.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Gives a database that was written beside its name that name, over whatever has it; content and name are durable then.
pub fn settle(written: &Path, path: &Path) -> Result<(), PlatformError> {
    let synced = open::to_read(written).and_then(|file| {
        open::keep_others_out(&file);
        share(&file, path);
        file.sync_all()
    });
    synced.map_err(PlatformError::file("sync", written))?;
    fs::rename(written, path).map_err(PlatformError::file("rename", written))?;
    sync_directory_of(path)
}

/// The same under a name that nothing has. Fails with `AlreadyExists` where something has it.
pub fn settle_new(written: &Path, path: &Path) -> Result<(), PlatformError> {
    let synced = File::open(written).and_then(|file| file.sync_all());
    synced.map_err(PlatformError::file("sync", written))?;
    // A second name fails where the first exists, on every file system that has them; elsewhere it is asked first.
    match fs::hard_link(written, path) {
        Ok(()) => remove(written)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists || path.exists() => {
            return Err(PlatformError::file("create", path)(ErrorKind::AlreadyExists.into()));
        }
        Err(_) => fs::rename(written, path).map_err(PlatformError::file("rename", written))?,
    }
    sync_directory_of(path)
}

/// Gives a file another name, over whatever has it.
pub fn rename(from: &Path, to: &Path) -> Result<(), PlatformError> {
    fs::rename(from, to).map_err(PlatformError::file("rename", from))
}

/// Opens a file that a person named, to write at its end. A new one is for its owner alone.
pub fn append_private(path: &Path) -> Result<File, PlatformError> {
    let opened = File::options().append(true).create(true).mode(0o600).custom_flags(libc::O_NOCTTY).open(path);
    opened.map_err(PlatformError::file("write", path))
}

/// Lets everybody run a file who may read it.
pub fn make_executable(path: &Path) -> Result<(), PlatformError> {
    let mode = fs::metadata(path).map_err(PlatformError::file("look at", path))?.mode();
    let mode = mode | ((mode & 0o444) >> 2);
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(PlatformError::file("allow", path))
}

/// Lets nobody but its owner read or write a file.
pub fn make_private(path: &Path) -> Result<(), PlatformError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(PlatformError::file("lock up", path))
}

/// Copies a database or a part of one, if it is there; it is durable then. Says whether it was.
pub fn copy(from: &Path, to: &Path) -> Result<bool, PlatformError> {
    let mut source = match open::to_read(from) {
        Ok(source) => source,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(PlatformError::file("copy", from)(error)),
    };
    let created = options_for(Readers::Group).write(true).create(true).truncate(false).open(to).and_then(only_name);
    let mut target = created.map_err(PlatformError::file("create", to))?;
    open::keep_others_out(&target);
    share(&target, to);
    let copied =
        target.set_len(0).and_then(|()| std::io::copy(&mut source, &mut target)).and_then(|_| target.sync_all());
    copied.map_err(PlatformError::file("copy", from)).map(|()| true)
}

/// Tells a file from the one that it replaces: its number and when it was written.
pub type Version = (u64, i64, i64);

/// The version of a file; none where there is none.
pub fn version(path: &Path) -> Option<Version> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

/// Removes a file; one that is not there is no error.
pub fn remove(path: &Path) -> Result<(), PlatformError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(PlatformError::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The content of a file, or none if it is not there. Reads at most `most` bytes. A link is not followed, and what is not a
/// regular file is an error.
pub fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, PlatformError> {
    match open::to_read(path) {
        Ok(file) => whole(file, most).map(Some).map_err(PlatformError::file("read", path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PlatformError::file("read", path)(error)),
    }
}

/// The content of a file that a person named: links are followed, and it must be there. Reads at most `most` bytes.
pub fn read_named(path: &Path, most: u64) -> Result<Vec<u8>, PlatformError> {
    let content = open::named_to_read(path).and_then(|file| whole(file, most));
    content.map_err(PlatformError::file("read", path))
}

fn whole(file: File, most: u64) -> std::io::Result<Vec<u8>> {
    revalidate(&file);
    let long = file.metadata().map_or(0, |meta| meta.len());
    let mut content = Vec::with_capacity(usize::try_from(long.min(most)).unwrap_or(0) + 1);
    file.take(most).read_to_end(&mut content)?;
    Ok(content)
}

/// Makes a directory if it is not there, with the rights that the umask leaves; where a group shares the one it is in, the
/// group shares it as well. Says whether it was made.
pub fn make_directory(path: &Path) -> Result<bool, PlatformError> {
    match fs::create_dir(path) {
        Ok(()) => {
            if let (Ok(directory), Some(Ok(parent))) = (File::open(path), path.parent().map(fs::metadata))
                && let Ok(own) = directory.metadata()
                && is_shared_by_group(&parent)
                && (own.gid() == parent.gid() || fchown(&directory, None, Some(Gid::from_raw(parent.gid()))).is_ok())
            {
                let mode = (own.mode() & 0o7777) | (parent.mode() & 0o2000) | 0o070;
                let _ = fchmod(&directory, Mode::from_raw_mode(mode));
            }
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(PlatformError::file("create", path)(error)),
    }
}

/// Has the system ask the storage for the attributes of an open file. Through a mount it may otherwise know a length from
/// before another host changed the file, and cut to that length whatever is read. Where it cannot, nothing is lost but that.
pub fn revalidate(file: &File) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::fs::{AtFlags, StatxFlags, statx};
        let _ = statx(file, "", AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC, StatxFlags::BASIC_STATS);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = file.metadata();
}

/// Has the system forget what it has cached of a file that another host may have changed: its attributes and its content. A
/// file that is not there is left alone.
///
/// Programs that serve a mount keep attributes too (sshfs: by path, for 20 s, and what it learns by opening a file only while
/// nobody writes through the same mount), and answer the system from there even when it insists. A change of the file is what
/// all of them drop them for, so its permissions are set to what they are.
pub fn forget_cached(path: &Path) {
    let Ok(file) = options().read(true).open(path) else { return };
    let same = file.metadata().map(|meta| Mode::from_raw_mode(meta.mode() & 0o7777));
    // Whoever may write a file of somebody else may only set its times.
    if !same.is_ok_and(|same| fchmod(&file, same).is_ok()) {
        let _ = set_times_now(path);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    revalidate(&file);
}

/// True when the open file is the one that has the name now: a lock on a file that was replaced protects nothing.
pub fn is_still_named(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => open.dev() == named.dev() && open.ino() == named.ino(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_place_of_a_file_is_not_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (victim, trap) = (dir.path().join("victim"), dir.path().join("page"));
        overwrite(&victim, b"precious").expect("written");
        std::os::unix::fs::symlink(&victim, &trap).expect("a link");
        assert!(overwrite(&trap, b"x").is_err());
        replace(&trap, b"x", "t", Durability::Disposable).expect("the link itself is replaced");
        assert_eq!(read(&victim, 100).expect("readable"), Some(b"precious".to_vec()));
        assert_eq!(read(&trap, 100).expect("readable"), Some(b"x".to_vec()));
    }

    #[test]
    fn a_directory_in_place_of_a_page_keeps_its_name_and_what_is_in_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let (page, precious) = (dir.path().join("page"), dir.path().join("page/precious"));
        fs::create_dir(&page).expect("made");
        overwrite(&precious, b"x").expect("written");
        for _ in 0..2 {
            let refused = replace(&page, b"x", "t", Durability::Disposable).expect_err("a directory");
            assert!(refused.to_string().ends_with("it is a directory"), "{refused}");
            assert!(precious.is_file());
        }
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_not_a_file_is_refused_and_a_second_name_is_not_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let (pipe, victim, trap) = (dir.path().join("pipe"), dir.path().join("victim"), dir.path().join("trap"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo is part of every Unix");
        assert!(read(&pipe, 1).is_err() && read_named(&pipe, 1).is_err() && open_lock(&pipe).is_err());
        assert!(overwrite(&pipe, b"x").is_err() && copy(&pipe, &victim).is_err());
        overwrite(&victim, b"precious").expect("written");
        fs::hard_link(&victim, &trap).expect("a second name");
        assert!(overwrite(&trap, b"x").is_err() && write_over(&trap, b"x").is_err() && open_lock(&trap).is_err());
        assert_eq!(read(&victim, 100).expect("readable"), Some(b"precious".to_vec()));
    }
}
