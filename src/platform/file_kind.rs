//! What has a name, found without following it.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// What a name can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file with one name.
    File,
    /// A regular file with another name beside this one.
    SecondName,
    /// A symbolic link, wherever it leads.
    Link,
    /// A directory.
    Directory,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A device.
    Device,
}

impl FileKind {
    /// It in words, with its article.
    pub fn words(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::SecondName => "a file with a second name",
            Self::Link => "a link",
            Self::Directory => "a directory",
            Self::Pipe => "a pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
        }
    }
}

/// What has the name `path`; none where nothing has it, or it cannot be looked at.
pub fn of(path: &Path) -> Option<FileKind> {
    let meta = fs::symlink_metadata(path).ok()?;
    let kind = meta.file_type();
    Some(match () {
        () if kind.is_symlink() => FileKind::Link,
        () if kind.is_dir() => FileKind::Directory,
        () if kind.is_fifo() => FileKind::Pipe,
        () if kind.is_socket() => FileKind::Socket,
        () if !kind.is_file() => FileKind::Device,
        () if meta.nlink() > 1 => FileKind::SecondName,
        () => FileKind::File,
    })
}
