//! Temporary names: where a file is written that gets its name when it is whole.
//!
//! **Invariants.** What has such a name is never written over: it may be the second name of another file. What a killed writer
//! left is taken away by the next one. What cannot be taken away, a directory, stands in nobody's way.

use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use super::error::PlatformError;
use super::open::options;

/// Maximum number of names tried.
const MAX_NAMES: usize = 100;

/// Creates a file beside `path`, under the first name that is free or that a killed writer left. `writer` tells the files of
/// different hosts apart; writers of one host must hold a lock, so that what has the name is what a killed one left.
pub fn create(path: &Path, writer: &str) -> Result<(File, PathBuf), PlatformError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for number in 0..MAX_NAMES {
        let beside = path.with_file_name(match number {
            0 => format!(".{name}.{writer}.tmp"),
            _ => format!(".{name}.{writer}.{number}.tmp"),
        });
        let create = || options().write(true).create_new(true).open(&beside);
        let created = match create() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match fs::remove_file(&beside) {
                Ok(()) => create(),
                // Somebody's directory, or another account's file in a directory of both.
                Err(_) => continue,
            },
            other => other,
        };
        return match created {
            Ok(file) => Ok((file, beside)),
            Err(error) => Err(PlatformError::file("write", &beside)(error)),
        };
    }
    Err(PlatformError::file("write beside", path)(Error::from(ErrorKind::AlreadyExists)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_directory_under_a_temporary_name_is_gone_around_and_a_leftover_is_replaced() {
        let dir = tempfile::tempdir().expect("a directory");
        let page = dir.path().join("page");
        fs::create_dir_all(dir.path().join(".page.h.tmp/full")).expect("made");
        let (mut left, _) = create(&page, "h").expect("a free name");
        left.write_all(b"a killed writer left this").expect("written");
        let (_, next) = create(&page, "h").expect("the same name");
        assert_eq!((next.file_name(), fs::read(&next).expect("readable")), (Some(".page.h.1.tmp".as_ref()), vec![]));
        assert!(dir.path().join(".page.h.tmp/full").is_dir());
    }
}
