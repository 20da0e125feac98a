//! Making a board.

use serde_json::json;

use super::look::Moment;
use crate::domain::board::{Board, Counts, Journal, Mode, Pending};
use crate::domain::event::{Event, EventKind, Source};
use crate::domain::lease_clock::HostRecord;
use crate::domain::profile::Profile;
use crate::domain::retention::Retention;
use crate::domain::time::{Dial, LeaseTime};
use crate::store::{Access, Store, StoreError};

/// What a new board is made with.
#[derive(Clone, Debug)]
pub struct NewBoard {
    /// Its generation: random.
    pub generation: String,
    /// What people call it.
    pub name: String,
    /// How careful it is.
    pub profile: Profile,
    /// How its journal is kept.
    pub journal: Journal,
    /// Who makes it.
    pub creator: String,
}

/// Makes a board in an empty store, in one transaction.
pub fn create(store: &mut dyn Store, new: NewBoard, moment: &Moment) -> Result<Board, StoreError> {
    let mut transaction = store.begin(Access::Write)?;
    let board = Board { event_seq: 1, ..blank(&new, moment, 1) };
    transaction.put_board(&board)?;
    let record = HostRecord { boot_clock: moment.boot_clock, lease: board.dial.lease };
    transaction.put_host_record(&moment.host, &moment.boot, record)?;
    let data = json!({"name": board.name, "safety_profile": board.profile});
    transaction.append_event(&Event {
        seq: 1,
        at: moment.wall,
        kind: EventKind::BoardCreated,
        source: Source::Mutation,
        module: None,
        actor: Some(new.creator),
        session: None,
        board_revision: 1,
        audience: None,
        priority: 2,
        data: data.as_object().cloned().unwrap_or_default(),
    })?;
    transaction.commit()?;
    Ok(board)
}

/// The row of a board that has nothing yet, at this revision.
pub fn blank(new: &NewBoard, moment: &Moment, revision: u64) -> Board {
    Board {
        generation: new.generation.clone(),
        name: new.name.clone(),
        revision,
        presence: 0,
        event_seq: 0,
        mode: Mode::SharedBoard,
        profile: new.profile,
        journal: new.journal,
        created_at: moment.wall,
        dial: Dial { wall: moment.wall, lease: LeaseTime(moment.wall.0) },
        counts: Counts::default(),
        pruned_through: 0,
        retention: Retention::default(),
        stalled_by: None,
        pending: Pending::default(),
        preflighted: false,
        copied_at: None,
    }
}
