//! Checking a board, whatever state it is in.
//!
//! **Locks.** The board's lock is held while its rows are checked. Nothing is written.

use std::time::Duration;

use super::access::{App, unread};
use super::archives::FileState;
use super::backup::refuse_copy;
use super::damage::judged;
use super::place::Place;
use super::{locks, obstacles};
use crate::board::mutation::Refused;
use crate::board::pages::Picture;
use crate::board::retention::ArchiveView;
use crate::domain::audit::{Finding, Rule};
use crate::domain::refusal::{Code, Refusal};
use crate::platform::deadline::Deadline;
use crate::platform::file_lock::Share;
use crate::platform::host::Host;
use crate::projection::drift::Drift;
use crate::projection::refresh::Bundles;
use crate::projection::render;
use crate::store::sqlite::SqliteStore;
use crate::store::{Access, Store as _};

/// Of each rule so many that break it are told.
const TOLD_MOST: usize = 20;
/// How long a mount may show a page as it was before, and cut it to its former length: the default of sshfs, and the longest
/// that is common.
const CACHE_TIME: Duration = Duration::from_secs(21);
/// Maximum pause between two readings of a page that differs.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// So many archives are checked.
const ARCHIVES_MOST: usize = 10_000;

/// What a check found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The board's revision; none where it could not be read.
    pub revision: Option<u64>,
    /// Its generation.
    pub generation: Option<String>,
    /// Rules that are broken.
    pub findings: Vec<Finding>,
    /// Pages that are not what the board says.
    pub drifts: Vec<Drift>,
    /// What has the name of a file of the board and is something else.
    pub obstacles: Vec<Finding>,
    /// Archives that are not what was written.
    pub archives: Vec<(ArchiveView, FileState)>,
    /// True where the database must be made anew: it cannot be opened, or SQLite finds it damaged.
    pub is_broken: bool,
}

impl Audit {
    /// True when all is as it must be.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.drifts.is_empty() && self.obstacles.is_empty() && self.archives.is_empty()
    }

    /// All that is wrong, as findings.
    pub fn problems(&self) -> Vec<Finding> {
        let pages =
            self.drifts.iter().map(|drift| Finding::new(Rule::Page, &*drift.page, format!("it is {}", drift.kind)));
        let archives = self.archives.iter().map(|(archive, state)| {
            let said = if *state == FileState::Missing { "it is missing" } else { "it was changed" };
            Finding::new(Rule::Archives, &*archive.name, said)
        });
        self.findings.iter().chain(&self.obstacles).cloned().chain(pages).chain(archives).collect()
    }
}

impl App {
    /// Checks the rows, the archives and the pages. Pages that differ are read again through a mount until its cache cannot be
    /// the reason. Refuses what is in the way of checking, such as a busy lock; damage is no refusal but a finding.
    pub fn audit(&self) -> Result<Audit, Refused> {
        let until = Deadline::after(CACHE_TIME);
        let mut pause = Duration::from_secs(1);
        loop {
            let audit = self.audit_once()?;
            if audit.drifts.is_empty() || until.is_over() {
                return Ok(audit);
            }
            let place = self.place().map_err(unread)?;
            if !place.is_mounted(&self.settings).map_err(unread)? {
                return Ok(audit);
            }
            until.nap(pause);
            pause = (pause * 2).min(MAX_PAUSE);
            let desk = self.desk(&place, &self.host().map_err(unread)?).map_err(unread)?;
            desk.forget_cached(audit.drifts.iter().map(|drift| drift.page.as_str()));
        }
    }

    fn audit_once(&self) -> Result<Audit, Refused> {
        let host = self.host().map_err(unread)?;
        // Alone: a journal that a crash left is rolled back by whoever opens the database next.
        let (place, held) = self.locked(Share::Writer, &host).map_err(unread)?;
        let queue = locks::queue_directory(&place, &self.settings).ok();
        let mut audit = Audit { obstacles: obstacles::found(&place, queue.as_deref()), ..Audit::default() };
        let picture = match self.check_rows(&place, &held, &host, &mut audit) {
            Ok(picture) => picture,
            Err(refusal) if matches!(refusal.code, Code::Damaged | Code::BoardLost) => {
                audit.is_broken = true;
                audit.findings.push(Finding::new(Rule::Integrity, "coordination.db", refusal.message));
                None
            }
            Err(refusal) => return Err(Refused { refusal, revision: audit.revision }),
        };
        drop(held);
        if let Some((picture, archives)) = picture {
            let desk = self.desk(&place, &host).map_err(unread)?;
            match render::draw(&picture, &desk.templates()) {
                Ok(drawn) => audit.drifts = desk.drift(&drawn),
                Err(error) => audit.findings.push(Finding::new(Rule::UnreadableRow, "pages", error.to_string())),
            }
            for archive in archives {
                let state = self.archive_state(&archive)?;
                if matches!(state, FileState::Changed | FileState::Missing) {
                    audit.archives.push((archive, state));
                }
            }
        }
        Ok(audit)
    }

    fn check_rows(
        &self,
        place: &Place,
        held: &locks::Held,
        host: &Host,
        audit: &mut Audit,
    ) -> Result<Option<(Picture, Vec<ArchiveView>)>, Refusal> {
        let mut store = self.store(place, held)?;
        let checked = judged(&mut store, |store| Self::check_rules(store, place, audit).map_err(unread));
        let Some(archives) = checked.map_err(|refused| refused.refusal)? else { return Ok(None) };
        let read = judged(&mut store, |store| {
            let transaction = store.begin(Access::Read)?;
            self.picture_in(&*transaction, place, host, Bundles::Live).map_err(unread)
        });
        match read {
            Ok(picture) => Ok(Some((picture, archives))),
            // The rows that broke a rule are in its way, too.
            Err(_) if !audit.findings.is_empty() => Ok(None),
            Err(refused) => Err(refused.refusal),
        }
    }

    /// Checks the rows by all rules; the archives that they name, where they can be read at all.
    fn check_rules(
        store: &mut SqliteStore,
        place: &Place,
        audit: &mut Audit,
    ) -> Result<Option<Vec<ArchiveView>>, Refusal> {
        let transaction = store.begin(Access::Read)?;
        let integrity = transaction.integrity(TOLD_MOST)?;
        audit.is_broken = !integrity.is_empty();
        audit.findings = integrity;
        if audit.is_broken {
            return Ok(None);
        }
        audit.findings = transaction.findings(TOLD_MOST)?;
        if audit.findings.iter().any(|finding| finding.rule == Rule::UnreadableRow) {
            return Ok(None);
        }
        let board = transaction.board()?;
        refuse_copy(place, &board)?;
        (audit.revision, audit.generation) = (Some(board.revision), Some(board.generation));
        Ok(Some(transaction.archives(0, ARCHIVES_MOST)?.into_iter().map(Into::into).collect()))
    }
}
