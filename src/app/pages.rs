//! Showing what was committed: when pages are due, and how they are brought up to date after the lock was let go.
//!
//! **Invariants.** The write is committed whatever happens here: a failure is a warning.

use super::access::{App, unread};
use super::damage::judged;
use super::error::refusal;
use super::locks;
use super::place::Place;
use super::pulse;
use crate::board::caller::Caller;
use crate::board::inbox::DIRECTORY;
use crate::board::look::Look;
use crate::board::mutation::{Committed, Pulse, Refused};
use crate::board::pages::Picture;
use crate::board::turn::Touched;
use crate::domain::refusal::{Code, Refusal};
use crate::platform::file;
use crate::platform::host::Host;
use crate::projection::error::ProjectionError;
use crate::projection::marker::Marker;
use crate::projection::own_templates::OwnTemplates;
use crate::projection::refresh::{Bundles, Desk, Shown, Target};
use crate::projection::render::Drawing;
use crate::store::{Access, Store as _, Transaction};

/// Pages may be this far behind a heartbeat, in milliseconds: nobody reads a deadline to the second.
const PAGES_BEHIND_MS: i64 = 10_000;

impl App {
    /// Makes the pages show the board as it is; says what is worth saying.
    pub fn show_pages(&self) -> Result<Vec<String>, Refused> {
        let host = self.host().map_err(unread)?;
        let place = self.place().map_err(unread)?;
        let picture = self.picture(&host, Bundles::Missing).map_err(|error| unread(shown(error)))?;
        let board = &picture.board;
        let target =
            Target { generation: board.generation.clone(), revision: board.revision, presence: board.presence };
        let mut warnings = Vec::new();
        let desk = self.desk(&place, &host).map_err(unread)?;
        let done = desk.refresh(
            &target,
            Drawing::begin(picture, desk.templates()),
            || self.picture(&host, Bundles::Missing),
            || None,
            &mut warnings,
        );
        done.map_err(|error| unread(shown(error)))?;
        Ok(warnings)
    }

    /// Writes every page that is not what the board says now, also those that the marker takes for current; says what is worth
    /// saying, and what could not be written.
    pub fn restore_pages(&self) -> Result<Vec<String>, Refused> {
        let host = self.host().map_err(unread)?;
        let place = self.place().map_err(unread)?;
        let desk = self.desk(&place, &host).map_err(unread)?;
        let mut warnings = Vec::new();
        let done = desk.restore_pages(|| self.picture(&host, Bundles::Live), &mut warnings);
        match done.map_err(|error| unread(shown(error)))? {
            Shown::Behind if warnings.is_empty() => warnings.push("the pages are behind: others write them".to_owned()),
            Shown::Behind | Shown::Yes => {}
        }
        Ok(warnings)
    }

    /// State is shown at once; presence when the pages are well behind, or show an older revision after a crash.
    pub(super) fn pages_are_due<T>(place: &Place, committed: &Committed<T>) -> bool {
        match committed.touched {
            Touched::State | Touched::Notes => true,
            Touched::Nothing if !committed.replayed => false,
            // Whoever did it the first time may have died before the pages.
            Touched::Nothing => {
                marker(place).map(|marker| marker.revision) < committed.pulse.as_ref().map(|pulse| pulse.revision)
            }
            Touched::Presence => marker(place).is_none_or(|marker| {
                marker.revision < committed.revision || committed.at.0 - marker.at > PAGES_BEHIND_MS
            }),
        }
    }

    /// Brings the pages up to date; says whether they are behind. The write is committed whatever happens here.
    pub(super) fn show<T>(
        &self,
        place: &Place,
        host: &Host,
        committed: &Committed<T>,
        first: Option<Drawing>,
        warnings: &mut Vec<String>,
    ) -> bool {
        let due = committed.pulse.as_ref().filter(|_| Self::pages_are_due(place, committed));
        due.is_some_and(|pulse| self.show_pulse(place, host, pulse, first, warnings))
    }

    /// The same for what the board was last told to be.
    pub(super) fn show_pulse(
        &self,
        place: &Place,
        host: &Host,
        pulse: &Pulse,
        first: Option<Drawing>,
        warnings: &mut Vec<String>,
    ) -> bool {
        let shown = self.desk(place, host).map_err(ProjectionError::from).and_then(|desk| {
            let target =
                Target { generation: pulse.generation.clone(), revision: pulse.revision, presence: pulse.presence };
            let internal = place.internal();
            let newest = || {
                let generation = target.generation.clone();
                pulse::target(&internal).map(|newest| Target { generation, ..newest })
            };
            desk.refresh(&target, first, || self.picture(host, Bundles::Missing), newest, warnings)
        });
        match shown {
            Ok(Shown::Yes) => false,
            Ok(Shown::Behind) => true,
            Err(error) => {
                warnings.push(format!("the pages are behind: {error}"));
                true
            }
        }
    }

    /// The newest state, read under the lock.
    fn picture(&self, host: &Host, bundles: Bundles) -> Result<Picture, ProjectionError> {
        let (place, held) = self.locked_to_read(host)?;
        let mut store = self.store(&place, &held)?;
        let read = judged(&mut store, |store| {
            let transaction = store.begin(Access::Read)?;
            self.picture_in(&*transaction, &place, host, bundles).map_err(unread)
        });
        Ok(read.map_err(|refused| refused.refusal)?)
    }

    /// What the pages show of the board as a transaction sees it.
    pub(super) fn picture_in(
        &self,
        transaction: &dyn Transaction,
        place: &Place,
        host: &Host,
        bundles: Bundles,
    ) -> Result<Picture, Refusal> {
        let look = Look::begin(transaction, &Caller::default(), &self.own_moment(host))?;
        let mut picture = look.picture()?;
        picture.board.storage = Some(place.file.storage);
        if !picture.handoffs.is_empty() {
            let wanted = self.desk(place, host)?.bundles_to_draw(&picture.handoffs, bundles);
            picture.bundles = look.bundle_pages(&wanted)?;
        }
        Ok(picture)
    }

    /// Refuses with `wrong_place` a link in place of the directory of bundles: it may lead anywhere.
    pub fn refuse_linked_handoffs(&self) -> Result<(), Refusal> {
        let path = self.place()?.plan.join(DIRECTORY);
        file::make_own_directory(&path).map_err(|error| refusal(&error))
    }

    pub(super) fn desk(&self, place: &Place, host: &Host) -> Result<Desk, Refusal> {
        let lock = locks::queue_directory(place, &self.settings)?.join("projection");
        let program = self.settings.program.clone();
        Ok(Desk { plan: place.plan.clone(), internal: place.internal(), lock, writer: host.id.clone(), program })
    }

    pub(super) fn templates(&self, place: &Place) -> OwnTemplates {
        OwnTemplates::new(&place.plan, &self.settings.program)
    }
}

fn shown(error: ProjectionError) -> Refusal {
    match error {
        ProjectionError::Board(refusal) => refusal,
        ProjectionError::Platform(error) => refusal(&error),
        ProjectionError::Template { .. } => Refusal::new(Code::Internal, error.to_string()),
    }
}

fn marker(place: &Place) -> Option<Marker> {
    Marker::read(&place.internal().join("projected"))
}
