//! A board's rows as the conformance suite stores them: every field has something in it.

use std::collections::BTreeMap;

use serde_json::json;

use super::contract::{Access, Kept, Store, Transaction};
use crate::domain::agent::{Agent, Role};
use crate::domain::attempt::{Attempt, AttemptKey};
use crate::domain::board::{Board, Counts, Journal, Mode, Pending};
use crate::domain::event::{Audience, Event, EventKind, Source};
use crate::domain::lease::{Lease, LeaseKind, Ttl};
use crate::domain::profile::{Profile, Review};
use crate::domain::retention::Retention;
use crate::domain::session::Session;
use crate::domain::task::tests::open_task;
use crate::domain::task::{Candidates, Reservation, Returned, Task, TaskKey, TaskState, TaskTexts, WaitFor, Waiting};
use crate::domain::time::{Dial, LeaseTime, Millis};
use crate::domain::workspace::Workspace;
pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a good name")
}

pub(super) fn board() -> Board {
    Board {
        generation: "g".to_owned(),
        name: "n".to_owned(),
        revision: 7,
        presence: 8,
        event_seq: 9,
        mode: Mode::SharedBoard,
        profile: Profile::Safe,
        journal: Journal::Wal,
        created_at: Millis(10),
        dial: Dial { wall: Millis(11), lease: LeaseTime(12) },
        counts: Counts::new([1, 2, 3, 4, 5, 6, 7, 8], 9, 10),
        pruned_through: 3,
        retention: Retention { max_rows: Some(13), max_age_days: Some(14) },
        stalled_by: Some(4),
        pending: Pending { notifications: 15, questions: 16, handoffs: 17, asked: 18, left: 19 },
        preflighted: true,
        copied_at: Some(Millis(20)),
    }
}

/// Runs `work` in a transaction and commits it.
pub(super) fn write<T>(store: &mut dyn Store, work: impl FnOnce(&mut dyn Transaction) -> Kept<T>) -> T {
    let mut transaction = store.begin(Access::Write).expect("a transaction");
    let done = work(&mut *transaction).expect("it is done");
    transaction.commit().expect("it is committed");
    done
}

pub(super) fn read<T>(store: &mut dyn Store, work: impl FnOnce(&dyn Transaction) -> Kept<T>) -> T {
    let transaction = store.begin(Access::Read).expect("a transaction");
    work(&*transaction).expect("it is read")
}

/// Puts the board's row, which reads need.
pub(super) fn begun(store: &mut dyn Store) -> &mut dyn Store {
    write(store, |t| t.put_board(&board()));
    store
}

pub(super) fn agent(id: &str) -> Agent {
    Agent {
        id: parse(id),
        thread_key: parse(&format!("key of {id}")),
        roles: vec![Role::Worker, Role::Planner],
        specialties: vec![parse("rust"), parse("docs")],
        labels: BTreeMap::from([("a".to_owned(), "b'c".to_owned())]),
        max_tasks: Some(3),
        ttl_seconds: Some(60),
        created_at: Millis(1),
        seen_at: Millis(2),
        registered_by: Some(parse("laptop")),
    }
}

pub(super) fn session(id: &str, agent: &str, window: &str, epoch: u64, seen_at: i64) -> Session {
    Session {
        id: parse(id),
        agent: parse(agent),
        host: "h".to_owned(),
        window: parse(window),
        epoch,
        started_at: Millis(1),
        seen_at: Millis(seen_at),
        ended: None,
        workspace: Workspace { branch: "main".parse().ok(), ..Workspace::default() },
        confirmed: true,
        registered_by: Some(parse("laptop")),
    }
}

pub(super) fn event(seq: u64, module: Option<&str>) -> Event {
    Event {
        seq,
        at: Millis(5),
        kind: EventKind::Claimed,
        source: Source::Mutation,
        module: module.map(parse),
        actor: Some("ann".to_owned()),
        session: Some(parse("s-1")),
        board_revision: 3,
        audience: Some(Audience::Workers(Some(parse("rust")))),
        priority: 1,
        data: json!({"a": [1, "two"]}).as_object().cloned().expect("an object"),
    }
}

/// A task, stored.
pub(super) fn stored(t: &mut dyn Transaction, task: Task) -> Kept<Task> {
    let key = t.insert_task(&task, &TaskTexts::default())?;
    Ok(Task { key, ..task })
}

pub(super) fn full_task(module: &str) -> Task {
    Task {
        state: TaskState::Waiting,
        waiting: Some(Waiting { what: WaitFor::External, since: Millis(4), reason: "a 'part'".to_owned() }),
        priority: 4,
        specialty: Some(parse("rust")),
        review: Some(Review::Required),
        reviewer: Some(parse("rita")),
        owned_paths: vec![parse("src/**"), parse("a b/é.txt")],
        candidates: Candidates { depends_on: vec![parse("x")], owned_paths: vec![parse("y/*")] },
        labels: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        estimate_minutes: Some(30),
        parent: Some(parse("p")),
        created_at: Millis(1),
        changed_at: Millis(2),
        epoch: 5,
        attempts: 6,
        losses: 2,
        unmet: 3,
        held_up: 4,
        critical_path: 7,
        reservation: Some(Reservation { agent: parse("ann"), until: LeaseTime(99), why: Returned::Unblocked }),
        last_agent: Some(parse("ben")),
        ..open_task(0, module)
    }
}

/// A lease of `ann` in session `s-1`, with all that it refers to.
pub(super) fn put_lease(
    t: &mut dyn Transaction,
    task: TaskKey,
    kind: LeaseKind,
    deadline: i64,
    lapsed: bool,
) -> Kept<Lease> {
    if t.agent(&parse("ann"))?.is_none() {
        t.put_agent(&agent("ann"))?;
        t.put_session(&session("s-1", "ann", "main", 1, 1))?;
    }
    let number = u32::try_from(t.attempts(task, 9)?.len()).expect("few") + 1;
    let attempt = t.insert_attempt(&attempt(task, number))?;
    let token = parse(&format!("t-{}-{kind}", task.0));
    let module = t.task_by_key(task)?.expect("it is there").module;
    let (agent, session, ttl) = (parse("ann"), parse("s-1"), Ttl::try_from(60).expect("a length"));
    let (acquired_at, deadline) = (Millis(1), LeaseTime(deadline));
    let lease = Lease {
        task,
        module,
        kind,
        attempt,
        agent,
        session,
        epoch: 1,
        token,
        ttl,
        acquired_at,
        deadline,
        lapsed,
        handed: true,
    };
    t.put_lease(&lease)?;
    Ok(lease)
}

pub(super) fn attempt(task: TaskKey, number: u32) -> Attempt {
    Attempt {
        key: AttemptKey(0),
        task,
        number,
        agent: parse("ann"),
        session: parse("s-1"),
        started_at: Millis(1),
        ended: None,
        summary: None,
        changed_paths: Vec::new(),
        workspace: Workspace { path: "/a b".parse().ok(), ..Workspace::default() },
        submitted: None,
    }
}
