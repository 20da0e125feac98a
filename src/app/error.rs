//! What an error of the system means to whoever asked for an operation.

use std::io::ErrorKind;

use crate::domain::refusal::{Code, Refusal};
use crate::platform::error::PlatformError;

/// The refusal that an error of the platform becomes.
pub fn refusal(error: &PlatformError) -> Refusal {
    let message = error.to_string();
    match error {
        PlatformError::LockHeld { path, .. } => Refusal::new(Code::Busy, format!("the board is busy: {message}"))
            .hint("repeat the command; CALLBOARD_LOCK_TIMEOUT sets how many seconds it waits")
            .detail("lock", path.display().to_string()),
        PlatformError::LockReplaced { .. } => Refusal::new(Code::WrongPlace, message)
            .hint("find what replaces files in project-plan/.callboard, such as a sync client"),
        PlatformError::NotOwn { path } => {
            Refusal::new(Code::WrongPlace, message).hint(format!("put a directory there: {}", path.display()))
        }
        PlatformError::NotPrivate { path } => Refusal::new(Code::NoPermission, message).hint(format!(
            "ls -ld '{}'; then set XDG_RUNTIME_DIR and XDG_STATE_HOME to directories of your own",
            path.display()
        )),
        PlatformError::File { source, path, .. } => match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Refusal::new(Code::DiskFull, message).hint("make space, then repeat the command")
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                let place = path.parent().unwrap_or(path).display();
                Refusal::new(Code::NoPermission, message).hint(format!("ls -ld {place}"))
            }
            ErrorKind::NotFound | ErrorKind::NotADirectory => {
                Refusal::new(Code::NoBoard, message).hint("callboard init makes a board where there is none")
            }
            ErrorKind::InvalidInput => {
                Refusal::new(Code::WrongPlace, message).hint(format!("ls -l '{}'", path.display()))
            }
            ErrorKind::Unsupported => Refusal::new(Code::WrongPlace, message)
                .hint("files cannot be locked there; callboard init --storage shared does without"),
            _ => Refusal::new(Code::StorageFailed, message).hint("df -h project-plan"),
        },
        PlatformError::ProgramTimeout { .. } | PlatformError::NoEntropy | PlatformError::Ending => {
            Refusal::new(Code::Internal, message)
        }
    }
}
