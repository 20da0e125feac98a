//! Files that only their owner may read: secrets, and what only this account's processes tell each other.
//!
//! **Invariants.** Nobody else can read one at any moment, not even while it is made.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use fs2::FileExt;

use super::error::PlatformError;
use super::file;

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NOFOLLOW).mode(0o600);
    options
}

/// Makes a directory that only its owner may enter, and those above it.
pub fn make_directory(path: &Path) -> Result<(), PlatformError> {
    fs::create_dir_all(path).map_err(PlatformError::file("create", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(PlatformError::file("lock up", path))
}

/// Replaces a file durably. `nonce` must be new.
pub fn replace(path: &Path, content: &[u8], nonce: &str) -> Result<(), PlatformError> {
    let beside = path.with_extension(format!("{nonce}.tmp"));
    let written = options().write(true).create_new(true).open(&beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    if let Err(error) = written {
        // Nothing may be there.
        let _ = fs::remove_file(&beside);
        return Err(PlatformError::file("write", path)(error));
    }
    file::sync_directory_of(path)
}

/// Takes an exclusive lock on a file at once, creating it if need be; none where somebody has it.
pub fn try_lock(path: &Path) -> Result<Option<File>, PlatformError> {
    let opened = options().read(true).write(true).create(true).truncate(false).open(path);
    let file = opened.map_err(PlatformError::file("open", path))?;
    match FileExt::try_lock_exclusive(&file) {
        Ok(()) => Ok(Some(file)),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Ok(None),
        Err(error) => Err(PlatformError::file("lock", path)(error)),
    }
}

/// True for a file that exists and that a process has locked with [`try_lock`].
pub fn is_locked(path: &Path) -> bool {
    let Ok(file) = options().read(true).open(path) else { return false };
    FileExt::try_lock_shared(&file).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_reads_it_and_a_lock_shows_that_somebody_lives() {
        let top = tempfile::tempdir().expect("a directory");
        let directory = top.path().join("a/b");
        make_directory(&directory).expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        let path = directory.join("secret");
        for content in ["one", "two"] {
            replace(&path, content.as_bytes(), content).expect("written");
            assert_eq!((fs::read_to_string(&path).expect("text").as_str(), mode(&path)), (content, 0o600));
        }
        assert_eq!(fs::read_dir(&directory).expect("a list").count(), 1, "nothing is left beside it");
        assert!(!is_locked(&path));
        let held = try_lock(&path).expect("a file").expect("free");
        assert!(is_locked(&path) && try_lock(&path).expect("a file").is_none());
        drop(held);
        assert!(!is_locked(&path));
    }
}
