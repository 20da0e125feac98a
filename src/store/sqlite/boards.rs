//! The board's own row, and the clocks of hosts.

use rusqlite::params;

use super::columns::{clock, count, maybe_count, number, word};
use super::open::SqliteTransaction;
use crate::domain::board::{Board, Counts, Pending};
use crate::domain::id::HostId;
use crate::domain::lease_clock::HostRecord;
use crate::domain::retention::Retention;
use crate::domain::time::{Dial, LeaseTime, Millis};
use crate::store::contract::{Boards, Kept};
use crate::store::error::StoreError;

const BOARD: &str = "SELECT generation, name, revision, presence, event_seq, mode, profile, journal, created_at, wall, \
     lease_clock, draft, open, active, waiting, review, done, failed, cancelled, offered, unready, pruned_through, \
     keep_rows, keep_days, stalled_by, open_notifications, open_questions, live_handoffs, \
     questions_asked, handoffs_left, preflighted, copied_at FROM board";

const PUT_BOARD: &str = "INSERT OR REPLACE INTO board (one, generation, name, revision, presence, event_seq, mode, \
     profile, journal, created_at, wall, lease_clock, draft, open, active, waiting, review, done, failed, cancelled, \
     offered, unready, pruned_through, keep_rows, keep_days, stalled_by, open_notifications, open_questions, \
     live_handoffs, questions_asked, handoffs_left, preflighted, copied_at) \
     VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, \
     ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32)";

const HOST_RECORD: &str = "SELECT boot_clock, lease_clock FROM hosts WHERE host = ?1 AND boot = ?2";

const PUT_HOST_RECORD: &str =
    "INSERT OR REPLACE INTO hosts (host, boot, boot_clock, lease_clock) VALUES (?1, ?2, ?3, ?4)";

impl Boards for SqliteTransaction<'_> {
    fn board(&self) -> Kept<Board> {
        let board = self.one(BOARD, [], |row| {
            let mut by_state = [0; 8];
            for (at, slot) in by_state.iter_mut().enumerate() {
                *slot = count(row, 11 + at)?;
            }
            Ok(Board {
                generation: row.get(0)?,
                name: row.get(1)?,
                revision: count(row, 2)?,
                presence: count(row, 3)?,
                event_seq: count(row, 4)?,
                mode: word(row, 5)?,
                profile: word(row, 6)?,
                journal: word(row, 7)?,
                created_at: Millis(clock(row, 8)?),
                dial: Dial { wall: Millis(clock(row, 9)?), lease: LeaseTime(clock(row, 10)?) },
                counts: Counts::new(by_state, count(row, 19)?, count(row, 20)?),
                pruned_through: count(row, 21)?,
                retention: Retention { max_rows: maybe_count(row, 22)?, max_age_days: maybe_count(row, 23)? },
                stalled_by: maybe_count(row, 24)?,
                pending: Pending {
                    notifications: count(row, 25)?,
                    questions: count(row, 26)?,
                    handoffs: count(row, 27)?,
                    asked: count(row, 28)?,
                    left: count(row, 29)?,
                },
                preflighted: row.get(30)?,
                copied_at: row.get::<_, Option<i64>>(31)?.map(Millis),
            })
        })?;
        board.ok_or_else(|| StoreError::Damaged("the board's row is missing".into()))
    }

    fn put_board(&mut self, board: &Board) -> Kept<()> {
        let [draft, open, active, waiting, review, done, failed, cancelled] = board.counts.by_state().map(number);
        let values = params![
            board.generation,
            board.name,
            number(board.revision),
            number(board.presence),
            number(board.event_seq),
            board.mode.as_str(),
            board.profile.as_str(),
            board.journal.as_str(),
            board.created_at.0,
            board.dial.wall.0,
            board.dial.lease.0,
            draft,
            open,
            active,
            waiting,
            review,
            done,
            failed,
            cancelled,
            number(board.counts.offered),
            number(board.counts.unready),
            number(board.pruned_through),
            board.retention.max_rows.map(number),
            board.retention.max_age_days,
            board.stalled_by.map(number),
            number(board.pending.notifications),
            number(board.pending.questions),
            number(board.pending.handoffs),
            number(board.pending.asked),
            number(board.pending.left),
            board.preflighted,
            board.copied_at.map(|at| at.0),
        ];
        self.change_one("the board", PUT_BOARD, values)
    }

    fn host_record(&self, host: &HostId, boot: &str) -> Kept<Option<HostRecord>> {
        self.one(HOST_RECORD, params![host.as_str(), boot], |row| {
            Ok(HostRecord { boot_clock: row.get(0)?, lease: LeaseTime(row.get(1)?) })
        })
    }

    fn put_host_record(&mut self, host: &HostId, boot: &str, record: HostRecord) -> Kept<()> {
        let values = params![host.as_str(), boot, record.boot_clock, record.lease.0];
        self.change_one("the host's record", PUT_HOST_RECORD, values)
    }
}
