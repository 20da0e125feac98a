//! Every "no" of the board: a stable code, what happened, the command that helps, and facts for programs.
//!
//! A code never changes its meaning and never disappears; its exit code is part of it. Doors render refusals, they do
//! not invent them.

use std::any::Any;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use super::exit::Exit;
use super::time::Millis;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal => $exit:ident,)+) => {
        /// The stable code of a refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// All codes, in the order of the manual.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as programs see it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The exit code that goes with it.
            pub fn exit(self) -> Exit {
                match self { $(Self::$name => Exit::$exit),+ }
            }

            /// What it means, in a line.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

codes! {
    /// callboard itself failed; nothing was changed
    Internal = "internal" => Internal,
    /// the command line or the JSON body is wrong
    Usage = "usage" => Usage,
    /// a server was asked for an operation that it does not have
    UnknownOperation = "unknown_operation" => Usage,
    /// the request has more bytes than the server takes
    TooLarge = "too_large" => Usage,
    /// a value is out of range or badly formed
    InvalidValue = "invalid_value" => Usage,
    /// a line of an imported file cannot be taken; nothing of it was imported
    ImportLine = "import_line" => Refused,
    /// no task has this module name
    UnknownModule = "unknown_module" => Refused,
    /// no agent has this id
    UnknownAgent = "unknown_agent" => Refused,
    /// no session has this id
    UnknownSession = "unknown_session" => Refused,
    /// a task with this module name exists
    ModuleExists = "module_exists" => Refused,
    /// the dependency would close a circle
    Cycle = "cycle" => Refused,
    /// the task's state does not allow this
    WrongState = "wrong_state" => Refused,
    /// the task waits for other tasks
    NotReady = "not_ready" => Refused,
    /// the task is kept for another agent for a while
    Reserved = "reserved" => Refused,
    /// the paths overlap with those of a live lease
    ScopeOverlap = "scope_overlap" => Refused,
    /// a path is outside of what the agent's leases allow
    OutsideScope = "outside_scope" => Refused,
    /// the agent holds as many tasks as it may
    LimitReached = "limit_reached" => Refused,
    /// the task was lost three times and waits for a person
    LostTooOften = "lost_too_often" => Refused,
    /// a message of priority 0 is unread; nothing is claimed before it was read
    MessageUnread = "message_unread" => Refused,
    /// only an agent can hold a lease
    AgentRequired = "agent_required" => Refused,
    /// the agent has no live session, or several and none was named
    SessionRequired = "session_required" => Refused,
    /// the change needs the lease token or an explicit session id
    ProofRequired = "proof_required" => Refused,
    /// the profile wants workspace and branch confirmed first
    ConfirmationRequired = "confirmation_required" => Refused,
    /// without a terminal this needs `--as-human`, or an agent's name
    HumanRequired = "human_required" => Refused,
    /// nobody approves their own work
    OwnWork = "own_work" => Refused,
    /// no question has this name
    UnknownQuestion = "unknown_question" => Refused,
    /// no cursor has this name
    UnknownCursor = "unknown_cursor" => Refused,
    /// no archive has this name
    UnknownArchive = "unknown_archive" => Refused,
    /// nothing was handed off
    NoHandoff = "no_handoff" => Refused,
    /// the question was answered or withdrawn before
    AlreadyAnswered = "already_answered" => Refused,
    /// it is for somebody else
    NotAddressed = "not_addressed" => Refused,
    /// the handoff must be acknowledged first
    HandoffUnread = "handoff_unread" => Refused,
    /// the events before this place are in an archive
    EventsPruned = "events_pruned" => Refused,
    /// the place in the stream is ahead of the board
    CursorAhead = "cursor_ahead" => Refused,
    /// the place in the stream is of another generation of the board
    OtherGeneration = "other_generation" => Refused,
    /// the cursor was first used with another filter
    CursorDiffers = "cursor_differs" => Refused,
    /// the request id was used with other arguments
    RequestIdReused = "request_id_reused" => Refused,
    /// the thread key would give an agent id that another key has
    ThreadKeyTaken = "thread_key_taken" => Refused,
    /// the board exists and differs from what was asked for
    Differs = "differs" => Refused,
    /// the check found something that is not as it must be
    Unsound = "unsound" => Refused,
    /// a file of that name exists, and is not written over
    FileExists = "file_exists" => Refused,
    /// the change touches work that is under way and needs `--force`
    ForceRequired = "force_required" => Refused,
    /// the server wants a token, or this one is not known
    Unauthorized = "unauthorized" => Refused,
    /// the token is not good for this
    Forbidden = "forbidden" => Refused,
    /// the request comes from another site's page, or means another host
    CrossSite = "cross_site" => Refused,
    /// another holder's lease covers the path
    PathHeld = "path_held" => Taken,
    /// another holder has it
    Held = "held" => Taken,
    /// the window holds a live lease or was seen within ten minutes, and the caller did not say that it is that window
    WindowInUse = "window_in_use" => Taken,
    /// the lease is not the caller's any more
    StaleLease = "stale_lease" => Stale,
    /// the session was closed, reaped or replaced
    StaleSession = "stale_session" => Stale,
    /// the board moved on
    StaleRevision = "stale_revision" => Stale,
    /// the task moved on
    StaleTaskRevision = "stale_task_revision" => Stale,
    /// the lock of the board was not free before the deadline
    Busy = "busy" => Busy,
    /// the server has as many requests as it takes, or is stopping
    Overloaded = "overloaded" => Busy,
    /// the board was written by a newer callboard
    BoardTooNew = "board_too_new" => Version,
    /// the board was written by an older callboard and waits for its first write by this one
    BoardTooOld = "board_too_old" => Version,
    /// there is no board here
    NoBoard = "no_board" => Place,
    /// the board's database is gone
    BoardLost = "board_lost" => Place,
    /// the database is damaged or is not a board
    Damaged = "damaged" => Place,
    /// the file system or the permissions do not let callboard in
    NoPermission = "no_permission" => Place,
    /// the disk is full
    DiskFull = "disk_full" => Place,
    /// a limit of the system is reached: memory, open files, processes, or the length of a file
    SystemLimit = "system_limit" => Place,
    /// the storage failed
    StorageFailed = "storage_failed" => Place,
    /// the database is a backup, and no board until it was restored
    IsBackup = "is_backup" => Place,
    /// the database is older than what its pages show: somebody put an old copy there
    RolledBack = "rolled_back" => Place,
    /// the server does not answer
    Unreachable = "unreachable" => Place,
    /// what answers there did not prove that it knows the token, which was not sent
    ServerUnproven = "server_unproven" => Place,
    /// the port is in use, or may not be used
    PortTaken = "port_taken" => Place,
    /// a board must not be used from this place
    WrongPlace = "wrong_place" => Place,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A "no", with everything that a program or a person needs to go on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// What happened: a lower-case fragment that names the id or the path.
    pub message: String,
    /// A command to run, or null where none helps.
    pub hint: Option<String>,
    /// Facts for programs: who holds it, until when, which revision.
    pub details: Map<String, Value>,
}

impl Refusal {
    /// A refusal without hint and details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, details: Map::new() }
    }

    /// The refusal of whatever panicked, with where it happened, for whoever fixes it.
    pub fn internal_error(panic: &(dyn Any + Send), location: Option<&str>) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message");
        let location = location.unwrap_or("an unknown place");
        Self::new(Code::Internal, format!("internal error: {text} (at {location})"))
            .hint("please report this, with the command and what callboard --version prints")
            .detail("location", location)
            .detail("version", env!("CARGO_PKG_VERSION"))
    }

    /// The refusal of rows that no program wrote so, with the command that repairs them.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(Code::Damaged, message)
            .hint("callboard validate --repair keeps the file and makes a board of what still reads")
    }

    /// The same for a row that others point at and that is not there.
    pub fn missing_row(what: impl fmt::Display) -> Self {
        Self::damaged(format!("the database is damaged: {what} is gone"))
    }

    /// The same with the command that helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with one more fact.
    #[must_use]
    pub fn detail(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.details.insert(key.to_owned(), value.into());
        self
    }

    /// The same with who holds it and until when.
    #[must_use]
    pub fn holder(self, holder: &Holder) -> Self {
        let value = json!(holder);
        self.detail("holder", value)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

/// Who holds a task, where, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// The agent.
    pub agent_id: super::id::AgentId,
    /// The host of its window: what people call it, else its id.
    pub host: Option<String>,
    /// Its window on that host.
    pub window: Option<super::id::WindowId>,
    /// Its session, for that session itself, people and operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<super::id::SessionId>,
    /// When the lease runs out.
    pub expires_at: Millis,
}

impl Holder {
    /// Its window and host, for a sentence.
    pub fn place(&self) -> String {
        match (&self.window, &self.host) {
            (Some(window), Some(host)) => format!("window {window} on {host}"),
            _ => "a window that is not known".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_as_it_is_named() {
        for code in Code::ALL {
            assert_eq!(json!(code), json!(code.as_str()), "serde and the manual agree");
            assert!(!code.meaning().is_empty());
        }
    }
}
