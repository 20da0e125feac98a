//! What kind of file system a directory is on, and so whether its locks can be trusted.
//!
//! Only listed file systems count as local. Everything else may be seen by other hosts, so it is treated as shared:
//! a list of dangerous ones would be one entry short.

use std::path::Path;

use super::error::PlatformError;

/// What a directory may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// A disk of this host: advisory locks work among all who can see it.
    Local,
    /// Perhaps seen by other hosts.
    Shared,
    /// No atomic create or rename: no lock can work there.
    Unusable,
}

/// A file system: its name as people know it, and its trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its name.
    pub name: String,
    /// What it may be used for.
    pub trust: Trust,
}

impl FileSystem {
    /// The file system of a name as the kernel gives it.
    pub fn named(name: &str) -> Self {
        let trust = match name {
            "ext2/ext3/ext4" | "xfs" | "btrfs" | "zfs" | "f2fs" | "tmpfs" | "overlay" | "apfs" | "hfs" | "ntfs"
            | "ntfs3" => Trust::Local,
            bad if ["s3fs", "gcsfuse", "rclone", "goofys"].iter().any(|word| bad.contains(word)) => Trust::Unusable,
            _ => Trust::Shared,
        };
        Self { name: name.to_owned(), trust }
    }
}

/// Directories that a cloud client keeps in step by copying files behind everybody's back.
const SYNCED: [&str; 7] =
    ["Dropbox", "OneDrive", "Google Drive", "GoogleDrive", "Mobile Documents", "CloudStorage", "Nextcloud"];

/// The name of the cloud-sync folder that `path` is in, if it is in one.
pub fn synced_folder(path: &Path) -> Option<String> {
    let names = path.components().map(|part| part.as_os_str().to_string_lossy());
    names.into_iter().find_map(|name| {
        let hit = SYNCED.iter().any(|known| name == *known || name.starts_with(&format!("{known} - ")));
        hit.then(|| name.into_owned())
    })
}

/// The file system that `path` is on.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn of(path: &Path) -> Result<FileSystem, PlatformError> {
    const FUSE: i64 = 0x6573_5546;
    let stat = rustix::fs::statfs(path).map_err(|error| PlatformError::file("look at", path)(error.into()))?;
    // Its width and sign differ between targets; the low 32 bits are the number of the manual page.
    let magic = stat.f_type & 0xFFFF_FFFF;
    let name = match magic {
        0xEF53 => "ext2/ext3/ext4",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0x2FC1_2FC1 => "zfs",
        0xF2F5_2010 => "f2fs",
        0x0102_1994 => "tmpfs",
        0x794C_7630 => "overlay",
        0x5346_544E => "ntfs",
        0x7366_746E => "ntfs3",
        0x6969 => "nfs",
        0x517B | 0xFE53_4D42 | 0xFF53_4D42 => "smb",
        0x0102_1997 => "9p",
        FUSE => return Ok(FileSystem::named(&mounted_type(path).unwrap_or_else(|| "fuse".to_owned()))),
        other => return Ok(FileSystem { name: format!("type {other:#x}"), trust: Trust::Shared }),
    };
    Ok(FileSystem::named(name))
}

/// The type of a mount as the mount table names it, such as `fuse.sshfs`: the last mount of the longest matching path.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn mounted_type(path: &Path) -> Option<String> {
    let table = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let path = path.canonicalize().ok()?;
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let point = fields.nth(1)?.replace("\\040", " ");
            let kind = fields.next()?;
            path.starts_with(&point).then(|| (point.len(), kind.to_owned()))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind)
}

/// The file system that `path` is on.
#[cfg(any(target_os = "macos", target_os = "ios"))]
pub fn of(path: &Path) -> Result<FileSystem, PlatformError> {
    let stat = rustix::fs::statfs(path).map_err(|error| PlatformError::file("look at", path)(error.into()))?;
    let name: String =
        stat.f_fstypename.iter().map(|c| c.cast_unsigned()).take_while(|c| *c != 0).map(char::from).collect();
    Ok(FileSystem::named(&name))
}

/// The file system that `path` is on: unknown here, so it counts as shared.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos", target_os = "ios")))]
pub fn of(path: &Path) -> Result<FileSystem, PlatformError> {
    std::fs::metadata(path).map_err(PlatformError::file("look at", path))?;
    Ok(FileSystem { name: "unknown".to_owned(), trust: Trust::Shared })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_shared() {
        assert_eq!(FileSystem::named("xfs").trust, Trust::Local);
        assert_eq!(FileSystem::named("nfs").trust, Trust::Shared);
        assert_eq!(FileSystem::named("fuse.sshfs").trust, Trust::Shared);
        assert_eq!(FileSystem::named("something new").trust, Trust::Shared);
        assert_eq!(FileSystem::named("fuse.s3fs").trust, Trust::Unusable);
    }

    #[test]
    fn a_folder_that_a_cloud_client_copies_is_known() {
        assert_eq!(synced_folder(Path::new("/srv/a/Dropbox/p")).as_deref(), Some("Dropbox"));
        assert_eq!(synced_folder(Path::new("/Users/a/OneDrive - Firm/p")).as_deref(), Some("OneDrive - Firm"));
        assert_eq!(synced_folder(Path::new("/srv/a/dropbox-clone/p")), None);
    }

    #[test]
    fn this_machine_is_looked_at() {
        assert!(!of(Path::new("/")).expect("the root is there").name.is_empty());
        assert!(of(Path::new("/does/not/exist")).is_err());
    }
}
