//! The way back for a board whose place file is lost: the database that lies there becomes the board again.
//!
//! **Invariants.** A place file that says something is never written over. Nothing that was granted before counts afterwards,
//! as after every restore: nobody knows what happened to the directory meanwhile.

use std::path::Path;

use super::access::{App, unread};
use super::backup::{KEPT, Restored};
use super::error::refusal;
use super::locate::{self, DATABASE, INTERNAL, PLACE_FILE, PLAN};
use super::place;
use super::sightings;
use crate::board::caller::Caller;
use crate::board::mutation::Refused;
use crate::domain::board::{Journal, StorageKind};
use crate::domain::refusal::{Code, Refusal};
use crate::platform::{file, obstacle};
use crate::store::sqlite;

impl App {
    /// Makes a board of the database that lies there, and writes its place file again if that is lost. A database that is
    /// damaged keeps the new place file: without one nothing could repair it.
    pub fn restore_in_place(&self, caller: &Caller) -> Result<(Restored, u64), Refused> {
        let project = locate::project(&self.settings).map_err(unread)?;
        let database = project.join(PLAN).join(DATABASE);
        if !database.exists() {
            let message = format!("{} is gone: there is nothing to restore in place", database.display());
            return Err(unread(Refusal::new(Code::BoardLost, message).hint("callboard restore FILE")));
        }
        let is_new = self.write_lost_place(&project).map_err(unread)?;
        let restored = self.restore(&database, caller).map_err(|refused| match refused.refusal.code {
            Code::Damaged => {
                let message = match is_new {
                    true => format!("{}; its place file is there again", refused.refusal.message),
                    false => refused.refusal.message,
                };
                let refusal = Refusal { message, ..refused.refusal };
                Refused { refusal: refusal.hint("callboard validate --repair"), ..refused }
            }
            _ => refused,
        });
        let (restored, revision) = restored?;
        Ok((Restored { place_written: is_new, ..restored }, revision))
    }

    /// Writes the place file of a board that has none, or none that can be read. False where there is one.
    fn write_lost_place(&self, project: &Path) -> Result<bool, Refusal> {
        let plan = project.join(PLAN);
        if !place::is_lost(&plan)? {
            return Ok(false);
        }
        let storage = place::storage_for(&plan, &self.settings)?;
        let is_wal = storage == StorageKind::Local && sqlite::is_wal(&plan.join(DATABASE));
        let journal = if is_wal { Journal::Wal } else { Journal::Truncate };
        // Under its former name it keeps the tokens of this host, and the locks that its processes may wait for.
        let board = match sightings::board_in(&plan, &self.settings) {
            Some(board) => board,
            None => self.settings.entropy.hex(8).map_err(|error| refusal(&error))?,
        };
        self.put_aside(&plan)?;
        place::create(&plan, storage, journal, board)
    }

    /// Keeps what has the name of the place file, whatever it is.
    fn put_aside(&self, plan: &Path) -> Result<(), Refusal> {
        let path = plan.join(INTERNAL).join(PLACE_FILE);
        let kept = plan.join(KEPT);
        file::make_own_directory(&plan.join(INTERNAL)).map_err(|error| refusal(&error))?;
        file::make_own_directory(&kept).map_err(|error| refusal(&error))?;
        let to = kept.join(format!("aside-{PLACE_FILE}-{}", self.nonce()?));
        obstacle::keep(&path, &to).map_err(|error| refusal(&error))
    }
}
