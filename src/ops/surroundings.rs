//! What an operation asks before it runs, of the machine that it was called on and of a board that may be elsewhere.

use std::path::PathBuf;

use crate::app::{App, Settings};
use crate::domain::id::{CommitId, HostId, Module};
use crate::domain::refusal::Refusal;
use crate::ops::call::Caller;

/// Where a command was called.
pub trait Surroundings {
    /// What the process has from its environment.
    fn settings(&self) -> &Settings;
    /// The random id of this host; none where the board is here and asks for it itself.
    fn host(&self) -> Option<HostId>;
    /// The top of the project, here. Refuses where there is none.
    fn project(&self) -> Result<PathBuf, Refusal>;
    /// The commit that the present holder of the task began at, where the board knows it.
    fn head_at_claim(&self, caller: &Caller, module: &Module) -> Option<CommitId>;
}

impl Surroundings for App {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn host(&self) -> Option<HostId> {
        None
    }

    fn project(&self) -> Result<PathBuf, Refusal> {
        Ok(self.place()?.project)
    }

    fn head_at_claim(&self, caller: &Caller, module: &Module) -> Option<CommitId> {
        self.look(&caller.for_board(), |look| look.head_at_claim(module)).ok()?.answer.reply
    }
}
