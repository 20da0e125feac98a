//! This host: a random id that it keeps for itself, and what tells its processes from those of others.
//!
//! A name is not an identity: containers share names, and a host can be renamed. A container with a fresh home is a new
//! host and works like any other.

use std::path::Path;
use std::sync::OnceLock;

use super::entropy::Entropy;
use super::error::PlatformError;
use super::{file, private};

/// The machine this process runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Random, kept in the host's own state directory.
    pub id: String,
    /// Changes with every boot.
    pub boot: String,
    /// Tells containers of one kernel apart.
    pub pid_namespace: String,
}

impl Host {
    /// This host. Its id is `id` if one is given, else the one in `state`, made there at the first call.
    pub fn this(id: Option<&str>, state: &Path, entropy: &Entropy) -> Result<Self, PlatformError> {
        let id = match id {
            Some(id) => id.to_owned(),
            None => kept_id(state, entropy)?,
        };
        let boot = read_line(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default();
        let pid_namespace =
            std::fs::read_link("/proc/self/ns/pid").map(|name| name.display().to_string()).unwrap_or_default();
        Ok(Self { id, boot, pid_namespace })
    }
}

/// More than the file with the id ever has, in bytes.
const MAX_ID_SIZE: u64 = 4096;

fn read_line(path: &Path) -> Option<String> {
    first_line(&std::fs::read_to_string(path).ok()?)
}

fn first_line(content: &str) -> Option<String> {
    let line = content.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

fn kept_id(state: &Path, entropy: &Entropy) -> Result<String, PlatformError> {
    let path = state.join("host-id");
    let kept = || -> Result<Option<String>, PlatformError> {
        let line = file::read(&path, MAX_ID_SIZE)?.and_then(|content| String::from_utf8(content).ok());
        Ok(line.as_deref().and_then(first_line))
    };
    if let Some(id) = kept()? {
        return Ok(id);
    }
    private::make_directory(state)?;
    let id = format!("h-{}", entropy.hex(8)?);
    match file::create_new(&path, format!("{id}\n").as_bytes(), &id) {
        // Another process was faster.
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::AlreadyExists) => {
            let empty = std::io::Error::new(std::io::ErrorKind::InvalidData, "it is empty");
            kept()?.ok_or_else(|| PlatformError::file("read", &path)(empty))
        }
        other => other.map(|()| id),
    }
}

/// The name that people know this machine by.
pub fn name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        if name.is_empty() { "localhost".to_owned() } else { name }
    })
}

/// The name of the account that this process runs as, as the system knows it.
pub fn user_name() -> Option<String> {
    uzers::get_user_by_uid(user_id())?.name().to_str().map(str::to_owned)
}

/// The number of the account that this process runs as.
pub fn user_id() -> u32 {
    rustix::process::getuid().as_raw()
}
