//! What a look at the project comes to on the board: drafts that are not there yet.

use serde_json::json;

use super::imports::{Imported, Known, PlannedTask};
use super::turn::{Touched, Turn};
use crate::domain::event::{EventKind, Source};
use crate::domain::id::Module;
use crate::domain::refusal::Refusal;

/// What is to become of what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeding {
    /// It is shown.
    Show,
    /// It becomes drafts.
    Seed,
}

impl Turn<'_> {
    /// Which of these names no task has, in their order and at most `limit`; and how many tasks have one.
    pub fn unknown_among(&self, names: &[Module], limit: usize) -> Result<(Vec<Module>, u64), Refusal> {
        let (mut unknown, mut known) = (Vec::new(), 0);
        for name in names {
            if self.store.task(name)?.is_some() {
                known += 1;
            } else if unknown.len() < limit {
                unknown.push(name.clone());
            }
        }
        Ok((unknown, known))
    }

    /// Records that somebody looked at the project, and adds the drafts if they are wanted.
    pub fn seed(
        &mut self,
        files: u64,
        found: u64,
        drafts: Vec<PlannedTask>,
        seeding: Seeding,
    ) -> Result<Imported, Refusal> {
        self.comes_from(Source::Intake);
        let proposed = drafts.len();
        let done = match seeding {
            Seeding::Seed => self.import(drafts, Known::Keep)?,
            Seeding::Show => Imported::default(),
        };
        let data = json!({"files": files, "found": found, "proposed": proposed, "added": done.added.len()});
        self.board_event(EventKind::IntakeScanned, None, data);
        self.touched = self.touched.max(Touched::Notes);
        Ok(done)
    }
}
