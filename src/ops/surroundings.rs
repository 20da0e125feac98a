//! What an operation asks before it runs, of the machine that it was called on and of a board that may be elsewhere.

use std::path::PathBuf;

use crate::app::{App, Settings};
use crate::board::mutation::Answer;
use crate::domain::id::{HostId, Module};
use crate::domain::refusal::Refusal;
use crate::domain::submission::WorkBase;
use crate::ops::call::Caller;

/// Where a command was called.
pub trait Surroundings {
    /// What the process has from its environment.
    fn settings(&self) -> &Settings;
    /// The random id of this host; none where the board is here and asks for it itself.
    fn host(&self) -> Option<HostId>;
    /// The top of the project, here. Refuses where there is none.
    fn project(&self) -> Result<PathBuf, Refusal>;
    /// The commits that the changes of a task's present holder are measured from, as far as the board tells the caller.
    fn work_base(&self, caller: &Caller, module: &Module) -> WorkBase;
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

    fn work_base(&self, caller: &Caller, module: &Module) -> WorkBase {
        let seen = self.look(&caller.for_board(), |look| look.work_base(module).map(Answer::done));
        seen.map(|seen| seen.answer.reply).unwrap_or_default()
    }
}
