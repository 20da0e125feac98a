//! A board to play on in tests: real SQLite, a clock that only the test moves, names that count.

use std::cell::Cell;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

use super::agents::{Aboard, Registration};
use super::boards::{self, NewBoard};
use super::caller::Caller;
use super::claims::{Overlapping, Wish};
use super::look::{Look, Moment};
use super::mutation::{self, Answer, Committed, Digest, LateResult, Naming, Order, Refused};
use super::next_action::Action;
use super::tasks::NewTask;
use super::turn::{Names, Turn};
use super::views::ClaimView;
use crate::domain::agent::{Agent, Role};
use crate::domain::board::{Board, Journal, StorageKind};
use crate::domain::cursor::Cursor;
use crate::domain::event::Event;
use crate::domain::handoff::Handoff;
use crate::domain::id::{LeaseToken, Module, SessionId, Specialty};
use crate::domain::lease::Lease;
use crate::domain::notice::Notice;
use crate::domain::preflight::{Confirmed, Preflight};
use crate::domain::profile::{Profile, Review};
use crate::domain::question::Question;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::Session;
use crate::domain::submission::SubmittedWork;
use crate::domain::task::{Candidates, Task, TaskState, TaskTexts};
use crate::domain::time::Millis;
use crate::domain::verdict::Verdict;
use crate::domain::workspace::Workspace;
use crate::platform::deadline::Deadline;
use crate::store::contract::{Archive, LeasesOf, Neighbour, NoticeFilter, QuestionFilter, SessionsOf, TaskFilter};
use crate::store::sqlite::{OpenOptions, SqliteStore};
use crate::store::{Access, Store};

/// A name that is known to be good.
pub(crate) fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a good name")
}

/// A board to play on.
pub(crate) struct Stage {
    directory: TempDir,
    /// Milliseconds since the play began.
    pub(crate) clock: Cell<i64>,
    names: Count,
}

/// Names in the order in which they were asked for.
#[derive(Default)]
struct Count(Cell<u64>);

impl Count {
    fn next(&self) -> u64 {
        self.0.set(self.0.get() + 1);
        self.0.get()
    }
}

impl Names for Count {
    fn session_id(&self) -> Result<SessionId, Refusal> {
        Ok(parse(&format!("s-{}", self.next())))
    }

    fn lease_token(&self) -> Result<LeaseToken, Refusal> {
        Ok(parse(&format!("t-{}", self.next())))
    }

    fn fingerprint(&self, text: &str) -> String {
        format!("{:08x}", text.len())
    }
}

/// What was asked, in the test's own words.
#[derive(Debug)]
struct Asked(String);

impl Digest for Asked {
    fn of(&self, identity: &str) -> String {
        format!("{} by {identity}", self.0)
    }
}

/// What a play is called with besides the caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    /// The request id, if it has one.
    pub(crate) request: Option<String>,
    /// What is asked, for comparing requests.
    pub(crate) asked: String,
    /// The revision that the board must have.
    pub(crate) expected_revision: Option<u64>,
    /// The task that a late result is about.
    pub(crate) late: Option<Module>,
}

impl Stage {
    /// A new board of this profile.
    pub(crate) fn new(profile: Profile) -> Self {
        let directory = in_memory();
        let stage = Self { directory, clock: Cell::new(0), names: Count::default() };
        let path = stage.directory.path().join("coordination.db");
        let mut store = SqliteStore::create(&path, Self::options(), None).expect("a database");
        let (generation, name, creator) = ("g".to_owned(), "play".to_owned(), "human:test".to_owned());
        let new = NewBoard { generation, name, profile, journal: Journal::Truncate, creator };
        boards::create(&mut store, new, &stage.moment()).expect("a board");
        stage
    }

    fn options() -> OpenOptions {
        let deadline = Deadline::after(Duration::from_secs(5));
        OpenOptions { deadline, journal: Journal::Truncate, storage: StorageKind::Local }
    }

    /// The board, opened as a process opens it.
    pub(crate) fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.directory.path().join("coordination.db"), Self::options(), None).expect("it opens")
    }

    /// The same board as it is now, on a stage of its own.
    pub(crate) fn copy(&self) -> Self {
        let directory = in_memory();
        let name = "coordination.db";
        std::fs::copy(self.directory.path().join(name), directory.path().join(name)).expect("copied");
        Self { directory, clock: self.clock.clone(), names: Count(self.names.0.clone()) }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, seconds: i64) {
        self.clock.set(self.clock.get() + seconds * 1000);
    }

    fn moment(&self) -> Moment {
        let (now, boot) = (self.clock.get(), "boot".to_owned());
        Moment { host: parse("h-test"), boot, boot_clock: now, wall: Millis(1_700_000_000_000 + now) }
    }

    /// One mutation as a process does it.
    pub(crate) fn act<T: Serialize + DeserializeOwned>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&mut Turn<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.act_guarded(caller, &Guards::default(), |turn| work(turn).map(Answer::done))
            .map(|done| done.answer.reply)
            .map_err(|refused| refused.refusal)
    }

    /// The same with guards, and all that came of it.
    pub(crate) fn act_guarded<T: Serialize + DeserializeOwned>(
        &self,
        caller: &Caller,
        guards: &Guards,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Committed<T>, Refused> {
        self.act_on(&mut self.store(), caller, guards, work)
    }

    /// The same on a store of the test's own.
    pub(crate) fn act_on<T: Serialize + DeserializeOwned>(
        &self,
        store: &mut dyn Store,
        caller: &Caller,
        guards: &Guards,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Committed<T>, Refused> {
        let digest = Asked(guards.asked.clone());
        let drawn = format!("r-{}", self.names.next());
        let order = Order {
            operation: "test",
            digest: &digest,
            caller,
            request_id: parse(guards.request.as_deref().unwrap_or(&drawn)),
            naming: if guards.request.is_some() { Naming::Given } else { Naming::Drawn },
            expected_revision: guards.expected_revision,
            moment: self.moment(),
            late: guards.late.clone().map(|module| LateResult { module, data: serde_json::Map::new() }),
        };
        mutation::commit(store, &order, &self.names, work, |_, _| {}, |_| {})
    }

    /// What a mutation would have answered; nothing of it is done.
    pub(crate) fn rehearse<T>(
        &self,
        caller: &Caller,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Answer<T>, Refusal> {
        let digest = Asked(String::new());
        let (moment, naming) = (self.moment(), Naming::Drawn);
        let (operation, request_id, expected_revision, late) = ("test", parse("r"), None, None);
        let order = Order { operation, digest: &digest, caller, request_id, naming, expected_revision, moment, late };
        let rehearsed = mutation::rehearse(&mut self.store(), &order, &self.names, work);
        rehearsed.map(|(answer, _)| answer).map_err(|refused| refused.refusal)
    }

    /// A look as a process takes it.
    pub(crate) fn look<T>(&self, caller: &Caller, look: impl FnOnce(&Look<'_>) -> Result<T, Refusal>) -> T {
        self.try_look(caller, look).expect("it is read")
    }

    /// The same where it may be refused.
    pub(crate) fn try_look<T>(
        &self,
        caller: &Caller,
        look: impl FnOnce(&Look<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut store = self.store();
        let transaction = store.begin(Access::Read).expect("a transaction");
        look(&Look::begin(&*transaction, caller, &self.moment())?)
    }

    /// Registers a window; answers with a caller that names it.
    pub(crate) fn aboard(&self, key: &str, window: &str) -> Caller {
        self.register(registration(key, window)).1
    }

    /// The same, and all that the registration answers.
    pub(crate) fn register(&self, registration: Registration) -> (Aboard, Caller) {
        let mut aboard = None;
        self.act(&person(), |turn| turn.register(registration).map(|came| aboard = Some(came))).expect("registered");
        let aboard = aboard.expect("it ran");
        let (agent, session) = (Some(aboard.agent.id.clone()), Some(aboard.session.id.clone()));
        (aboard, Caller { agent, session, ..Caller::default() })
    }

    /// Adds a task.
    pub(crate) fn add(&self, new: NewTask) -> Task {
        let mut added = None;
        self.act(&person(), |turn| turn.add_task(new).map(|task| added = Some(task))).expect("added");
        added.expect("it ran")
    }

    /// The task of this name.
    pub(crate) fn task(&self, module: &str) -> Task {
        self.look(&person(), |look| look.task(&parse(module)))
    }

    /// Everything.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut store = self.store();
        let t = store.begin(Access::Read).expect("a transaction");
        // A second opinion, by other means than the tests have.
        assert_eq!(t.findings(9).expect("read"), [], "the audit finds nothing");
        let tasks = t.tasks(&TaskFilter::default(), None, 10_000).expect("read");
        let mut ended = t.sessions(SessionsOf::Ended, 10_000).expect("read");
        ended.sort_by(|a, b| a.id.cmp(&b.id));
        Snapshot {
            board: t.board().expect("read"),
            agents: t.agents(None, 10_000).expect("read"),
            live: t.sessions(SessionsOf::Live, 10_000).expect("read"),
            ended,
            edges: tasks.iter().map(|task| t.dependencies(task.key).expect("read")).collect(),
            attempts: tasks.iter().map(|task| t.attempts(task.key, 10_000).expect("read")).collect(),
            verdicts: tasks.iter().map(|task| t.verdicts(task.key, 10_000).expect("read")).collect(),
            leases: t.leases(LeasesOf::All, 10_000).expect("read"),
            events: t.events(0, 100_000).expect("read"),
            notices: t.notices(&NoticeFilter { notified: true, ..NoticeFilter::default() }, 0, 100_000).expect("read"),
            questions: t.questions(&QuestionFilter::default(), None, 10_000).expect("read"),
            handoffs: t.handoffs(None, None, 10_000).expect("read"),
            cursors: t.cursors(10_000).expect("read"),
            archives: t.archives(0, 10_000).expect("read"),
            preflight: t.preflight().expect("read"),
            confirmations: t.confirmations(10_000).expect("read"),
            tasks,
        }
    }
}

/// A board's rows, all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) board: Board,
    pub(crate) agents: Vec<Agent>,
    pub(crate) live: Vec<Session>,
    pub(crate) ended: Vec<Session>,
    pub(crate) tasks: Vec<Task>,
    /// What each task depends on, in the order of the tasks; the same for what follows.
    pub(crate) edges: Vec<Vec<Neighbour>>,
    pub(crate) attempts: Vec<Vec<crate::domain::attempt::Attempt>>,
    pub(crate) verdicts: Vec<Vec<Verdict>>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) events: Vec<Event>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) questions: Vec<Question>,
    pub(crate) handoffs: Vec<Handoff>,
    pub(crate) cursors: Vec<Cursor>,
    pub(crate) archives: Vec<Archive>,
    pub(crate) preflight: Option<Preflight>,
    pub(crate) confirmations: Vec<Confirmed>,
}

/// A directory in memory where there is one: nothing here is about the disk, and an fsync is most of a step.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory")
}

/// A person who surely is one.
pub(crate) fn person() -> Caller {
    Caller { user: "pat".to_owned(), surely_human: true, ..Caller::default() }
}

/// The registration of a window that confirmed its workspace.
pub(crate) fn registration(key: &str, window: &str) -> Registration {
    Registration {
        resume: false,
        former: None,
        thread_key: parse(key),
        roles: Vec::new(),
        specialties: Vec::new(),
        labels: std::collections::BTreeMap::new(),
        max_tasks: None,
        ttl: None,
        host: "h".to_owned(),
        window: parse(window),
        workspace: Workspace::default(),
        confirmed: true,
    }
}

/// An open task with nothing special about it.
pub(crate) fn new_task(module: &str) -> NewTask {
    NewTask {
        module: parse(module),
        title: module.to_owned(),
        texts: TaskTexts::default(),
        priority: 2,
        specialty: None,
        depends_on: Vec::new(),
        owned_paths: Vec::new(),
        candidates: Candidates::default(),
        estimate_minutes: None,
        review: Some(Review::None),
        reviewer: None,
        labels: std::collections::BTreeMap::new(),
        parent: None,
        state: TaskState::Open,
    }
}

/// The code of a refusal.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> Code {
    result.expect_err("it is refused").code
}

pub(super) fn claim(stage: &Stage, caller: &Caller, module: &str) -> Result<ClaimView, Refusal> {
    stage.act(caller, |turn| turn.claim(&parse(module), &Wish::default(), Overlapping::Refuse).map(|came| came.reply))
}

/// What it was given, if anything.
pub(super) fn claim_next(stage: &Stage, caller: &Caller) -> Result<Option<String>, Refusal> {
    let view = stage.act(caller, |turn| turn.claim_next(&Wish::default()).map(|came| came.reply))?;
    Ok(view.task.map(|task| task.module.to_string()))
}

pub(super) fn finish(stage: &Stage, caller: &Caller, module: &str) -> Result<(), Refusal> {
    stage.act(caller, |turn| turn.finish_task(&parse(module), "did it", SubmittedWork::default()).map(drop))
}

pub(super) fn reviewer(key: &str, specialties: &[&str]) -> Registration {
    let specialties = specialties.iter().map(|one| parse::<Specialty>(one)).collect();
    Registration { roles: vec![Role::Reviewer], specialties, ..registration(key, "main") }
}

pub(super) fn next(stage: &Stage, caller: &Caller) -> (Action, String) {
    let next = stage.look(caller, |look| look.next_action(None)).reply;
    (next.action, next.command.unwrap_or_default())
}

/// Long enough for the longest default lease to run out: one gap counts for at most 200 s.
pub(super) fn sleep_past_a_lease(stage: &Stage) {
    for _ in 0..11 {
        stage.pass(190);
        stage.act(&person(), |turn| turn.reclaim_overdue(None).map(|_| ())).expect("the clock is recorded");
    }
}
