//! Every use-case with a fault at every one of its calls to the store: it fails or dies, before or after the call.
//!
//! Whatever happens, the board is as it was before or as it is after, never between; and the same request, repeated by
//! another process, is answered as if there had been no fault. For tests.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde_json::{Value, json};

use super::caller::Caller;
use super::claims::{Overlapping, Wish};
use super::graph::Force;
use super::handoffs::NewHandoff;
use super::imports::{Known, PlannedTask};
use super::intake::Seeding;
use super::invariants;
use super::leases::Beat;
use super::mutation::Answer;
use super::notices::Given;
use super::preflight::{Confirming, Said};
use super::questions::{NewQuestion, Reply};
use super::stage::{Guards, Snapshot, Stage, new_task, parse, person, registration};
use super::tasks::{Edit, Hints, NewTask};
use super::turn::Turn;
use super::work::Free;
use crate::domain::cursor::Stream;
use crate::domain::event::Audience;
use crate::domain::handoff::HandoffKind;
use crate::domain::id::Module;
use crate::domain::profile::{Profile, Review};
use crate::domain::question::QuestionId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::submission::{ChangedPaths, SubmittedWork};
use crate::domain::task::{Candidates, TaskState, WaitFor};
use crate::domain::time::Millis;
use crate::domain::workspace::{WorkingTree, Workspace};
use crate::store::contract::Archive;
use crate::store::faulty::{Died, Fault, Faulty};

fn changed(path: &str) -> SubmittedWork {
    SubmittedWork { changed: ChangedPaths::Named(vec![path.to_owned()]), ..SubmittedWork::default() }
}

type Came = Result<Answer<Value>, Refusal>;
type Work = fn(&mut Turn<'_>) -> Came;

/// Who does it, what is done, and how.
type UseCase = (fn(&Scene) -> Caller, &'static str, Work);

/// A board with tasks in every state, an overdue lease, and somebody in every role.
struct Scene {
    stage: Stage,
    ann: Caller,
    ben: Caller,
    rita: Caller,
}

fn module(name: &str) -> Module {
    parse(name)
}

fn modules(name: &str) -> Vec<Module> {
    vec![parse(name)]
}

impl Scene {
    fn new() -> Self {
        let stage = Stage::new(Profile::Balanced);
        let many = |key| super::agents::Registration { max_tasks: Some(9), ..registration(key, "main") };
        let (ann, ben) = (stage.register(many("ann")).1, stage.register(many("ben")).1);
        let (old, rita) = (stage.register(many("old")).1, stage.aboard("rita", "main"));
        for name in ["overdue", "held", "handed", "checked", "done", "failed", "free", "asked", "parcel", "taken"] {
            let review = matches!(name, "handed" | "checked").then_some(Review::Required);
            stage.add(NewTask { review, ..new_task(name) });
        }
        for (name, needs) in [("above", "free"), ("top", "above"), ("stranded", "failed"), ("last", "held")] {
            stage.add(NewTask { depends_on: modules(needs), ..new_task(name) });
        }
        let candidates = Candidates { depends_on: modules("free"), owned_paths: vec![parse("docs/**")] };
        stage.add(NewTask { state: TaskState::Draft, candidates, ..new_task("draft") });
        stage.add(NewTask { owned_paths: vec![parse("src/**")], ..new_task("paused") });
        let claim = |caller: &Caller, name: &str| {
            let done =
                stage.act(caller, |turn| turn.claim(&parse(name), &Wish::default(), Overlapping::Refuse).map(drop));
            done.expect("claimed");
        };
        claim(&ben, "overdue");
        stage.pass(190);
        for name in ["handed", "checked", "done"] {
            claim(&old, name);
            stage
                .act(&old, |turn| turn.finish_task(&parse(name), "did it", SubmittedWork::default()).map(drop))
                .expect("finished");
        }
        stage.act(&person(), |turn| turn.fail_task(&parse("failed"), "no").map(drop)).expect("failed");
        stage.act(&person(), |turn| turn.block(&parse("paused"), WaitFor::Pause, "later").map(drop)).expect("paused");
        for _ in 0..4 {
            stage.pass(190);
            stage.act(&rita, |turn| turn.start_review(&parse("checked"), None).map(drop)).expect("reviewing");
        }
        claim(&ann, "held");
        stage.act(&person(), |turn| turn.ask(question(Some("asked"))).map(drop)).expect("asked");
        let rita_many =
            super::agents::Registration { max_tasks: Some(9), resume: true, ..registration("rita", "main") };
        let rita = stage.register(rita_many).1;
        for name in ["parcel", "taken"] {
            claim(&rita, name);
            stage.act(&rita, |turn| turn.leave_handoff(handoff(name, HandoffKind::Takeover)).map(drop)).expect("left");
        }
        let took = stage.act(&ben, |turn| turn.claim_handoff(&parse("taken"), &Wish::default()).map(drop));
        took.expect("taken");
        // The lease of `overdue` has run out, and no mutation has noticed yet.
        stage.pass(190);
        Self { stage, ann, ben, rita }
    }
}

fn done<T>(came: Result<T, Refusal>) -> Came {
    came.map(|_| Answer::done(json!({})))
}

/// A claim keeps its outcome and its lease.
fn claimed<T: Serialize>(came: Result<Answer<T>, Refusal>) -> Came {
    came.map(|answer| Answer {
        outcome: answer.outcome,
        reply: serde_json::to_value(answer.reply).expect("it is JSON"),
    })
}

fn ann(scene: &Scene) -> Caller {
    scene.ann.clone()
}

fn ben(scene: &Scene) -> Caller {
    scene.ben.clone()
}

fn rita(scene: &Scene) -> Caller {
    scene.rita.clone()
}

fn pat(_: &Scene) -> Caller {
    person()
}

const USE_CASES: &[UseCase] = &[
    (pat, "register a new window", |t| done(t.register(registration("new", "main")))),
    (pat, "register a window again", |t| {
        done(t.register(super::agents::Registration { resume: true, ..registration("ann", "main") }))
    }),
    (ann, "close a session", |t| done(t.close_session(None))),
    (pat, "reap sessions", |t| done(t.reap_sessions(1))),
    (pat, "add a task", |t| {
        done(t.add_task(NewTask { depends_on: modules("free"), parent: Some(module("top")), ..new_task("new") }))
    }),
    (pat, "edit a task", |t| {
        let edit = Edit { body: Some("more".to_owned()), priority: Some(0), ..Edit::default() };
        done(t.edit_task(&module("free"), edit, Force::No))
    }),
    (pat, "confirm a draft with its hints", |t| done(t.confirm_tasks(&modules("draft"), Hints::Accept))),
    (pat, "depend", |t| done(t.depend(&module("last"), &modules("top"), Force::No))),
    (pat, "undepend", |t| done(t.undepend(&module("above"), &modules("free")))),
    (pat, "import a plan", |t| {
        let lines = [("one", vec![]), ("two", modules("one")), ("free", vec![])];
        let plan = lines.into_iter().enumerate().map(|(at, (name, depends_on))| PlannedTask {
            line: at + 1,
            task: NewTask { depends_on, priority: 1, ..new_task(name) },
        });
        done(t.import(plan.collect(), Known::Update))
    }),
    (pat, "seed drafts", |t| {
        let draft = NewTask { state: TaskState::Draft, ..new_task("seen") };
        done(t.seed(9, 2, vec![PlannedTask { line: 1, task: draft }], Seeding::Seed))
    }),
    (ann, "claim", |t| claimed(t.claim(&module("free"), &Wish::default(), Overlapping::Refuse))),
    (ann, "take over", |t| claimed(t.claim(&module("overdue"), &Wish::default(), Overlapping::Refuse))),
    (ann, "claim next", |t| claimed(t.claim_next(&Wish::default()))),
    (ann, "claim what is held", |t| claimed(t.claim(&module("held"), &Wish::default(), Overlapping::Refuse))),
    (ann, "heartbeat", |t| {
        let beat = Beat { progress: Some("half".to_owned()), percent: Some(50), ttl: None };
        done(t.heartbeat(&module("held"), &beat))
    }),
    (ben, "regain by heartbeat", |t| done(t.heartbeat(&module("overdue"), &Beat::default()))),
    (ben, "regain by claim next", |t| claimed(t.claim_next(&Wish::default()))),
    (ben, "finish late", |t| done(t.finish_task(&module("overdue"), "late", SubmittedWork::default()))),
    (ann, "finish", |t| done(t.finish_task(&module("held"), "did it", changed("src/a")))),
    (ann, "release", |t| done(t.release(&module("held"), "no"))),
    (ann, "fail", |t| done(t.fail_task(&module("held"), "no"))),
    (ann, "block", |t| done(t.block(&module("held"), WaitFor::External, "later"))),
    (pat, "unblock", |t| done(t.unblock(&module("paused")))),
    (pat, "cancel", |t| done(t.cancel(&modules("free"), "no", Free::Nobody))),
    (pat, "cancel and free", |t| done(t.cancel(&modules("free"), "no", Free::Dependents))),
    (pat, "reopen", |t| done(t.reopen(&module("done"), "again"))),
    (ann, "start a review", |t| claimed(t.start_review(&module("handed"), None))),
    (ann, "claim a review", |t| claimed(t.claim_review_next(None, None))),
    (rita, "approve", |t| done(t.approve(&module("checked"), None, "good"))),
    (rita, "request changes", |t| done(t.request_changes(&module("checked"), None, "more"))),
    (rita, "give a review back", |t| done(t.release(&module("checked"), "no time"))),
    (pat, "approve as a person", |t| done(t.approve(&module("handed"), None, "good"))),
    (pat, "reclaim what is overdue", |t| done(t.reclaim_overdue(None))),
    (pat, "revoke a lease", |t| done(t.force_reclaim(&module("held"), "now"))),
    (ann, "ask", |t| done(t.ask(question(Some("held"))))),
    (pat, "ask about nothing", |t| done(t.ask(question(None)))),
    (pat, "answer", |t| done(t.answer(QuestionId(1), &Reply::Option(2)))),
    (pat, "withdraw a question", |t| done(t.withdraw_question(QuestionId(1)))),
    (pat, "unblock what waits for an answer", |t| done(t.unblock(&module("asked")))),
    (pat, "send a message", |t| done(t.send_message(Audience::Workers(None), "hello", 2))),
    (ann, "acknowledge", |t| done(t.acknowledge(Stream::Notifications, None, Some(5)))),
    (ann, "deliver", |t| done(t.deliver(&parse("feed"), Stream::Events, "{}", (0, 5), Given::Something))),
    (pat, "prune", |t| done(t.prune(archive(2), &t.look().board().generation.clone()))),
    (pat, "set the retention", |t| done(Ok(t.set_retention(Some(9), None)))),
    (ann, "hand over", |t| done(t.leave_handoff(handoff("held", HandoffKind::Takeover)))),
    (pat, "leave a review bundle", |t| done(t.leave_handoff(handoff("handed", HandoffKind::Review)))),
    (ann, "take a handoff", |t| claimed(t.claim_handoff(&module("parcel"), &Wish::default()))),
    (rita, "withdraw a handoff", |t| done(t.withdraw_handoff(&module("parcel")))),
    (ann, "preflight", |t| {
        t.workspace = Workspace { host: "h".parse().ok(), path: "/p".parse().ok(), ..Workspace::default() };
        done(t.preflight(Said::default(), Some(Profile::Safe), Confirming::Both, false))
    }),
    (ben, "acknowledge a handoff", |t| done(t.acknowledge_handoff(&module("taken")))),
];

fn question(about: Option<&str>) -> NewQuestion {
    let options = vec!["this".to_owned(), "that".to_owned()];
    NewQuestion { module: about.map(parse), to: Audience::Humans, text: "which?".to_owned(), options, priority: 1 }
}

fn handoff(name: &str, kind: HandoffKind) -> NewHandoff {
    NewHandoff { module: parse(name), to: None, kind, notes: "go on".to_owned(), tree: WorkingTree::default() }
}

fn archive(last: u64) -> Archive {
    let (name, sha256) = ("events-g-1.jsonl".to_owned(), "00".to_owned());
    Archive { first: 1, last, name, sha256, bytes: 9, at: Millis(0) }
}

/// One fault, and what the same request finds afterwards.
fn one_fault(scene: &Scene, use_case: &UseCase, at: usize, fault: Fault, after: &Snapshot) {
    let (who, name, work) = use_case;
    let what = format!("{name}: {fault:?} at call {at}");
    let guards = Guards { request: Some("once".to_owned()), asked: (*name).to_owned(), ..Guards::default() };
    let (caller, before, stage) = (who(scene), scene.stage.snapshot(), scene.stage.copy());
    let mut store = Faulty::at(stage.store(), at, fault);
    let came = catch_unwind(AssertUnwindSafe(|| stage.act_on(&mut store, &caller, &guards, work)));
    drop(store);
    match came {
        Ok(came) => assert_eq!(came.map_err(|refused| refused.refusal.code).err(), Some(Code::StorageFailed), "{what}"),
        Err(died) => assert!(died.is::<Died>(), "{what}"),
    }
    let between = stage.snapshot();
    let committed = between == *after;
    assert!(committed || between == before, "{what}: the board is between");
    let again =
        stage.act_guarded(&caller, &guards, work).unwrap_or_else(|refused| panic!("{what}: {}", refused.refusal));
    assert_eq!(again.replayed, committed, "{what}");
    let now = stage.snapshot();
    invariants::check(&now);
    assert_eq!((now.board.revision, now.board.counts), (after.board.revision, after.board.counts), "{what}");
    assert_eq!(now.events.len(), after.events.len(), "{what}");
}

#[test]
fn every_use_case_is_whole_or_not_at_all() {
    let scene = Scene::new();
    invariants::check(&scene.stage.snapshot());
    for use_case in USE_CASES {
        let (who, name, work) = use_case;
        let guards = Guards { request: Some("once".to_owned()), asked: (*name).to_owned(), ..Guards::default() };
        let stage = scene.stage.copy();
        let mut store = Faulty::counting(stage.store());
        let came = stage.act_on(&mut store, &who(&scene), &guards, work);
        came.unwrap_or_else(|refused| panic!("{name}: {}", refused.refusal));
        let calls = store.calls();
        drop(store);
        let after = stage.snapshot();
        invariants::check(&after);
        assert_ne!(after, scene.stage.snapshot(), "{name} changes something");
        for at in 1..=calls {
            for fault in Fault::ALL {
                one_fault(&scene, use_case, at, fault, &after);
            }
        }
    }
}
