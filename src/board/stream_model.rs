//! Readers with cursors, beside prunes and restored backups: each gets each event once, or is told why not. For tests.

use proptest::prelude::*;

use super::mutation::{Answer, Outcome};
use super::notices::Given;
use super::stage::{Guards, Stage, parse, person};
use super::streams::{Reading, StreamFilter};
use crate::domain::cursor::Stream;
use crate::domain::id::CursorId;
use crate::domain::profile::Profile;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::retention::Retention;
use crate::domain::time::Millis;
use crate::store::contract::Archive;
use crate::store::{Access, Store as _};

#[derive(Clone, Debug)]
enum Step {
    /// Something happens: so many events.
    Happen(usize),
    /// A reader reads a page of this length, and may die before it acknowledges it.
    Read {
        reader: usize,
        limit: usize,
        dies: bool,
    },
    Prune(u64),
    /// Keeps a copy of the board.
    Backup,
    /// Puts the copy back, as another generation.
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..4usize).prop_map(Step::Happen),
        6 => (0..3usize, 1..5usize, any::<bool>())
            .prop_map(|(reader, limit, dies)| Step::Read { reader, limit, dies }),
        2 => (0..6u64).prop_map(Step::Prune),
        1 => Just(Step::Backup),
        1 => Just(Step::Restore),
    ]
}

/// A reader: the name of its cursor, which changes when it begins anew, and what it has read since.
struct Reader {
    number: usize,
    begun: usize,
    /// The last event it has dealt with, and what it read before it died.
    last: Option<u64>,
    unacknowledged: Vec<u64>,
}

impl Reader {
    fn cursor(&self) -> CursorId {
        parse(&format!("reader-{}-{}", self.number, self.begun))
    }
}

struct Play {
    stage: Stage,
    backup: Option<Stage>,
    generation: usize,
    readers: Vec<Reader>,
}

impl Play {
    fn happen(&self, many: usize) {
        for _ in 0..many {
            let add = |turn: &mut super::turn::Turn<'_>| {
                let task = super::stage::new_task(&format!("m{}", turn.board.event_seq));
                turn.add_task(task).map(drop)
            };
            self.stage.act(&person(), add).expect("added");
        }
    }

    fn page(&self, cursor: &CursorId, limit: usize) -> Result<(Vec<u64>, u64, u64, String), Refusal> {
        let reading = Reading {
            stream: Stream::Events,
            filter: StreamFilter::default(),
            since: None,
            own: false,
            cursor: Some(cursor.clone()),
            limit,
        };
        let page = self.stage.look(&person(), |look| Ok(look.read_stream(&reading)))?;
        let seqs = page.found.iter().map(|event| event.seq).collect();
        Ok((seqs, page.start, page.next.seq, page.filter))
    }

    fn read(&mut self, at: usize, limit: usize, dies: bool) {
        let cursor = self.readers[at].cursor();
        let (page, start, end, filter) = match self.page(&cursor, limit) {
            Ok(page) => page,
            Err(refusal) => return self.told(at, &refusal),
        };
        let delivered = if page.is_empty() { start } else { end };
        let deliver = |turn: &mut super::turn::Turn<'_>| {
            let given = if page.is_empty() { Given::Nothing } else { Given::Something };
            turn.deliver(&cursor, Stream::Events, &filter, (start, delivered), given)?;
            Ok(Answer { outcome: Outcome::Nothing, reply: () })
        };
        self.stage.act_guarded(&person(), &Guards::default(), deliver).expect("delivered");
        let reader = &mut self.readers[at];
        // Right after what it has dealt with, without a hole; a reader that is new begins where the board does.
        let due = reader.last.map_or(start, |last| last) + 1;
        let expected: Vec<u64> = (due..).take(page.len()).collect();
        assert_eq!(page, expected, "reader {at} after {:?}", reader.last);
        // Whoever died gets the same again.
        let again = reader.unacknowledged.len().min(page.len());
        assert_eq!(page[..again], reader.unacknowledged[..again], "reader {at} read something else before it died");
        if dies {
            reader.unacknowledged = page;
            return;
        }
        let up_to = page.last().copied();
        let acknowledge =
            |turn: &mut super::turn::Turn<'_>| turn.acknowledge(Stream::Events, Some(&cursor), up_to).map(drop);
        if page.is_empty() {
            return;
        }
        self.stage.act(&person(), acknowledge).expect("acknowledged");
        let reader = &mut self.readers[at];
        reader.last = up_to;
        reader.unacknowledged.clear();
    }

    /// A refusal says exactly what is missing, and the reader goes on as it says.
    fn told(&mut self, at: usize, refusal: &Refusal) {
        let reader = &mut self.readers[at];
        match refusal.code {
            Code::EventsPruned => {
                let pruned = refusal.details["pruned_through"].as_u64().expect("a number");
                assert!(reader.last.is_none_or(|last| last < pruned), "it has read all that was pruned");
                assert!(!refusal.details["archives"].as_array().expect("a list").is_empty(), "{refusal}");
                let cursor = reader.cursor();
                let skip = |turn: &mut super::turn::Turn<'_>| {
                    turn.acknowledge(Stream::Events, Some(&cursor), Some(pruned)).map(drop)
                };
                self.stage.act(&person(), skip).expect("it goes on after them");
                let reader = &mut self.readers[at];
                reader.last = Some(pruned);
                reader.unacknowledged.clear();
            }
            Code::OtherGeneration => {
                assert!(self.generation > 0, "nobody restored anything");
                reader.begun += 1;
                reader.last = None;
                reader.unacknowledged.clear();
            }
            _ => panic!("reader {at} was told {refusal}"),
        }
    }

    fn prune(&self, keep: u64) {
        let policy = Retention { max_rows: Some(keep), max_age_days: None };
        let plan = self.stage.look(&person(), |look| look.prune_plan(policy));
        if plan.is_empty() {
            return;
        }
        let name = format!("events-{}-{}-{}.jsonl", plan.generation, plan.first, plan.last);
        let archive =
            Archive { first: plan.first, last: plan.last, name, sha256: "0".to_owned(), bytes: 1, at: Millis(0) };
        self.stage
            .act_guarded(&person(), &Guards::default(), |turn| {
                turn.prune(archive, &plan.generation)?;
                Ok(Answer { outcome: Outcome::Nothing, reply: () })
            })
            .expect("pruned");
    }

    fn restore(&mut self) {
        let Some(backup) = &self.backup else { return };
        self.stage = backup.copy();
        self.generation += 1;
        let mut store = self.stage.store();
        let mut transaction = store.begin(Access::Write).expect("a transaction");
        let mut board = transaction.board().expect("a board");
        board.generation = format!("g{}", self.generation);
        transaction.put_board(&board).expect("put");
        transaction.commit().expect("committed");
        // Readers that began after the backup are not in it: their cursors begin anew.
        for reader in &mut self.readers {
            let known = self.stage.snapshot().cursors.iter().any(|cursor| cursor.id == reader.cursor());
            if !known {
                reader.last = None;
                reader.unacknowledged.clear();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_reader_gets_each_event_once_or_is_told(steps in prop::collection::vec(step(), 5..60)) {
        let readers = (0..3).map(|number| Reader { number, begun: 0, last: None, unacknowledged: Vec::new() });
        let stage = Stage::new(Profile::Balanced);
        let mut play = Play { stage, backup: None, generation: 0, readers: readers.collect() };
        for step in steps {
            match step {
                Step::Happen(many) => play.happen(many),
                Step::Read { reader, limit, dies } => play.read(reader, limit, dies),
                Step::Prune(keep) => play.prune(keep),
                Step::Backup => play.backup = Some(play.stage.copy()),
                Step::Restore => play.restore(),
            }
        }
    }
}
