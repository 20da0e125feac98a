//! Files that only their owner may read: secrets, and what only this account's processes tell each other.
//!
//! **Invariants.** Nobody else can read one at any moment, not even while it is made. None is looked for in a directory that
//! another account may have prepared.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs2::FileExt;

use super::error::PlatformError;
use super::file;

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).mode(0o600);
    options
}

/// Makes a directory that only its owner may enter, and those above it. Fails with `NotPrivate` as [`check_path`] does, and
/// where it is a link or another account's.
pub fn make_directory(path: &Path) -> Result<(), PlatformError> {
    check_path(path)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(PlatformError::file("create", path))?;
    check_path(path)?;
    let own = fs::symlink_metadata(path).map_err(PlatformError::file("look at", path))?;
    if own.mode() & 0o777 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(PlatformError::file("lock up", path))
}

/// Fails with `NotPrivate` where another account could have made a part of `path` or could replace it: the first directory
/// below one that everybody may write into must be a directory, and no link, of this account or of root, and others may not
/// write into it. What is not there yet is no error.
pub fn check_path(path: &Path) -> Result<(), PlatformError> {
    let me = rustix::process::geteuid().as_raw();
    let mut below_a_public_one = false;
    let mut prefix = PathBuf::new();
    for part in path.components() {
        prefix.push(part);
        let Ok(own) = fs::symlink_metadata(&prefix) else { return Ok(()) };
        if below_a_public_one {
            let is_trusted = own.uid() == me || own.uid() == 0;
            if !own.is_dir() || !is_trusted || own.mode() & 0o022 != 0 {
                return Err(PlatformError::NotPrivate { path: prefix });
            }
        }
        // A link to a public directory, as `/tmp` is one on some systems, leads to it.
        let Ok(led_to) = fs::metadata(&prefix) else { return Ok(()) };
        below_a_public_one = led_to.mode() & 0o002 != 0;
    }
    Ok(())
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
#[expect(clippy::disallowed_methods, reason = "a test prepares files by itself")]
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

    #[test]
    fn what_others_may_have_made_in_a_public_directory_is_not_used() {
        let top = tempfile::tempdir().expect("a directory");
        let public = top.path().join("public");
        fs::create_dir(&public).expect("made");
        fs::set_permissions(&public, fs::Permissions::from_mode(0o1777)).expect("opened");
        make_directory(&public.join("own/deep")).expect("it is mine");
        assert_eq!(fs::metadata(public.join("own")).expect("there").mode() & 0o777, 0o700);
        let elsewhere = top.path().join("elsewhere");
        fs::create_dir(&elsewhere).expect("made");
        std::os::unix::fs::symlink(&elsewhere, public.join("link")).expect("a link");
        fs::write(public.join("file"), "").expect("written");
        fs::create_dir(public.join("open")).expect("made");
        fs::set_permissions(public.join("open"), fs::Permissions::from_mode(0o777)).expect("opened");
        for name in ["link", "file", "open"] {
            for path in [public.join(name), public.join(name).join("deep")] {
                assert!(matches!(check_path(&path), Err(PlatformError::NotPrivate { .. })), "{name}");
                assert!(make_directory(&path).is_err(), "{name}");
            }
        }
    }
}
