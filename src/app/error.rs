//! What an error of the system, or a panic, means to whoever asked for an operation.

use std::any::Any;
use std::io;
use std::io::ErrorKind;
use std::path::Path;

use super::locate::{INTERNAL, PLACE_FILE, PLAN};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::system_limit::SystemLimit;
use crate::platform::error::PlatformError;
use crate::platform::panics;

/// The refusal that an error of the platform becomes.
pub fn refusal(error: &PlatformError) -> Refusal {
    let message = error.to_string();
    match error {
        PlatformError::LockHeld { path, .. } => Refusal::new(Code::Busy, format!("the board is busy: {message}"))
            .hint("repeat the command; CALLBOARD_LOCK_TIMEOUT sets how many seconds it waits")
            .detail("lock", path.display().to_string()),
        PlatformError::LockReplaced { .. } => Refusal::new(Code::WrongPlace, message)
            .hint("find what replaces files in project-plan/.callboard, such as a sync client"),
        PlatformError::NotOwn { path } | PlatformError::InTheWay { path, .. } => {
            Refusal::new(Code::WrongPlace, message).hint(what_clears(path))
        }
        PlatformError::NotPrivate { path } => Refusal::new(Code::NoPermission, message).hint(format!(
            "ls -ld '{}'; then set XDG_RUNTIME_DIR and XDG_STATE_HOME to directories of your own",
            path.display()
        )),
        PlatformError::File { source, path, .. } => refusal_of_file(source, path, message),
        PlatformError::ProgramTimeout { .. } | PlatformError::NoEntropy | PlatformError::Ending => {
            Refusal::new(Code::Internal, message)
        }
    }
}

/// The command that takes away what is in the way, or shows it where it is not callboard's to move.
fn what_clears(path: &Path) -> String {
    let is_in = |directory: &str| {
        path.parent().is_some_and(|parent| parent.components().any(|part| part.as_os_str() == directory))
    };
    match path.file_name() {
        Some(name) if name == PLACE_FILE && is_in(INTERNAL) => "callboard restore --in-place moves it aside".to_owned(),
        _ if is_in(PLAN) => "callboard validate --repair moves it aside".to_owned(),
        _ => format!("ls -ld '{}'", path.display()),
    }
}

/// The refusal of an action that is about no file, such as starting a thread.
pub fn refusal_of(action: &str, error: &io::Error) -> Refusal {
    let message = format!("cannot {action}: {error}");
    match SystemLimit::reached_by(error) {
        Some(limit) => limit.refusal(message),
        None => Refusal::new(Code::Internal, message),
    }
}

/// The refusal of whatever panicked on this thread.
pub fn internal_error(panic: &(dyn Any + Send)) -> Refusal {
    Refusal::internal_error(panic, panics::last_location().as_deref())
}

fn refusal_of_file(error: &io::Error, path: &Path, message: String) -> Refusal {
    let refused = |code, hint: String| Refusal::new(code, message.clone()).hint(hint);
    let place = path.parent().unwrap_or(path).display();
    if let Some(limit) = SystemLimit::reached_by(error) {
        return limit.refusal(message);
    }
    if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::EISDIR)) {
        return refused(Code::WrongPlace, what_clears(path));
    }
    match error.kind() {
        ErrorKind::StorageFull => {
            refused(Code::DiskFull, format!("df -h '{place}': make space, then repeat the command"))
        }
        ErrorKind::QuotaExceeded => {
            refused(Code::DiskFull, "quota -s: make space within the quota, then repeat the command".to_owned())
        }
        ErrorKind::ReadOnlyFilesystem => {
            refused(Code::NoPermission, format!("findmnt -T '{place}': the file system is mounted read-only"))
        }
        ErrorKind::PermissionDenied => refused(Code::NoPermission, format!("ls -ld '{place}'")),
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            refused(Code::NoBoard, "callboard init makes a board where there is none".to_owned())
        }
        ErrorKind::InvalidInput => refused(Code::WrongPlace, format!("ls -l '{}'", path.display())),
        ErrorKind::Unsupported => refused(
            Code::WrongPlace,
            "files cannot be locked there; callboard init --storage shared does without".to_owned(),
        ),
        _ => refused(Code::StorageFailed, format!("df -h '{place}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_system_has_a_refusal_and_a_hint_that_fits() {
        for (errno, code, hint) in [
            (libc::EMFILE, Code::SystemLimit, "ulimit -n"),
            (libc::ENFILE, Code::SystemLimit, "the whole system"),
            (libc::EAGAIN, Code::SystemLimit, "ulimit -u"),
            (libc::ENOMEM, Code::SystemLimit, "ulimit -d"),
            (libc::EFBIG, Code::SystemLimit, "ulimit -f"),
            (libc::ELOOP, Code::WrongPlace, "ls -ld '/p/plan/lock'"),
            (libc::EISDIR, Code::WrongPlace, "ls -ld '/p/plan/lock'"),
            (libc::ENOSPC, Code::DiskFull, "df -h '/p/plan'"),
            (libc::EDQUOT, Code::DiskFull, "quota -s"),
            (libc::EROFS, Code::NoPermission, "findmnt -T '/p/plan'"),
            (libc::EACCES, Code::NoPermission, "ls -ld '/p/plan'"),
            (libc::EIO, Code::StorageFailed, "df -h '/p/plan'"),
        ] {
            let source = io::Error::from_raw_os_error(errno);
            let error = PlatformError::file("open", Path::new("/p/plan/lock"))(source);
            let refusal = refusal(&error);
            assert_eq!(refusal.code, code, "{error}");
            assert!(refusal.hint.as_ref().is_some_and(|given| given.contains(hint)), "{refusal:?}");
        }
        let threads = refusal_of("start a thread", &io::Error::from_raw_os_error(libc::EAGAIN));
        assert_eq!((threads.code, threads.details["limit"].as_str()), (Code::SystemLimit, Some("processes")));
    }
}
