//! The rules of notices, questions and handoffs as short plays on a real board. For tests.

use super::agents::Registration;
use super::caller::Caller;
use super::next_action::Action;
use super::notices::Given;
use super::questions::{NewQuestion, Reply};
use super::stage::{
    Stage, claim, claim_next, code, finish, new_task, next, parse, person, registration, reviewer, sleep_past_a_lease,
};
use super::tasks::NewTask;
use crate::domain::cursor::Stream;
use crate::domain::event::{Audience, EventKind};
use crate::domain::notice::Resolution;
use crate::domain::profile::{Profile, Review};
use crate::domain::question::QuestionId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::TaskState;
use crate::domain::time::Millis;
use crate::store::contract::Archive;

/// The kinds of what still calls somebody, oldest first.
fn calls(stage: &Stage) -> Vec<EventKind> {
    let open = stage.snapshot().notices.into_iter().filter(|notice| notice.resolved.is_none());
    open.map(|notice| notice.event.kind).collect()
}

fn ask(stage: &Stage, caller: &Caller, module: Option<&str>, to: &str) -> Result<QuestionId, Refusal> {
    let new = NewQuestion {
        module: module.map(parse),
        to: parse(to),
        text: "cookies or headers?".to_owned(),
        options: vec!["cookies".to_owned(), "headers".to_owned()],
        priority: 2,
    };
    let mut id = None;
    stage.act(caller, |turn| turn.ask(new).map(|asked| id = Some(asked.question.id)))?;
    Ok(id.expect("it was asked"))
}

fn answer(stage: &Stage, caller: &Caller, id: QuestionId, reply: &Reply) -> Result<(), Refusal> {
    stage.act(caller, |turn| turn.answer(id, reply).map(drop))
}

#[test]
fn a_review_calls_until_it_starts_and_again_when_it_is_given_back() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, rita) = (stage.aboard("ann", "main"), stage.register(reviewer("rita", &[])).1);
    stage.add(NewTask { review: Some(Review::Required), ..new_task("a") });
    claim(&stage, &ann, "a").expect("claimed");
    finish(&stage, &ann, "a").expect("handed in");
    assert_eq!(calls(&stage), [EventKind::ReviewReady]);
    stage.act(&rita, |turn| turn.start_review(&parse("a"), None).map(drop)).expect("started");
    assert_eq!(calls(&stage), [], "somebody is at it");
    let settled = stage.snapshot().notices[0].resolved.expect("it says so");
    let started = stage.snapshot().events.into_iter().find(|event| event.kind == EventKind::ReviewStarted);
    assert_eq!((settled.why, settled.by), (Resolution::Settled, started.map(|event| event.seq)));
    stage.act(&rita, |turn| turn.release(&parse("a"), "no time").map(drop)).expect("given back");
    assert_eq!(calls(&stage), [EventKind::ReviewReady]);
    stage.act(&rita, |turn| turn.start_review(&parse("a"), None).map(drop)).expect("started");
    sleep_past_a_lease(&stage);
    assert_eq!(calls(&stage), [EventKind::LeaseExpired, EventKind::ReviewReady], "it ran out");
    stage.act(&person(), |turn| turn.approve(&parse("a"), None, "good").map(drop)).expect("approved");
    assert_eq!(calls(&stage), [EventKind::LeaseLost, EventKind::Approved, EventKind::BoardComplete]);
}

#[test]
fn what_was_only_to_be_read_is_resolved_by_its_readers() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    let say = |to: &str| stage.act(&person(), |turn| turn.send_message(parse(to), "hello", 2).map(drop));
    let acknowledge = |caller: &Caller| {
        let newest = stage.snapshot().board.event_seq;
        stage.act(caller, |turn| turn.acknowledge(Stream::Notifications, None, Some(newest)).map(drop)).expect("read");
    };
    say("agent:ann").expect("said");
    say("workers").expect("said");
    say("humans").expect("said");
    assert_eq!(code(say("agent:nobody")), Code::UnknownAgent);
    acknowledge(&ben);
    assert_eq!(calls(&stage).len(), 3, "ann has read nothing, and nobody but people reads what is for people");
    acknowledge(&ann);
    assert_eq!(calls(&stage).len(), 1, "both workers have read it");
    acknowledge(&person());
    assert_eq!(calls(&stage).len(), 0);
    assert_eq!(stage.snapshot().board.revision, 3, "words and receipts are no state");
}

#[test]
fn an_agent_sees_what_is_for_it_and_urgent_words_come_before_new_work() {
    let stage = Stage::new(Profile::Balanced);
    let wanted = Registration { specialties: vec![parse("rust")], ..registration("ann", "main") };
    let ann = stage.register(wanted).1;
    for to in ["workers", "workers:rust", "workers:docs", "reviewers", "agent:ann", "humans"] {
        stage.act(&person(), |turn| turn.send_message(parse(to), "hello", 2).map(drop)).expect("said");
    }
    let agent = stage.snapshot().agents[0].clone();
    let belongs = stage.look(&ann, |look| look.audiences_of(&agent));
    let names: Vec<String> = belongs.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["agent:ann", "workers", "workers:rust"]);
    let within = |target: &str| {
        let found = stage.look(&person(), |look| look.audiences_within(&parse::<Audience>(target)));
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(within("workers"), ["workers", "workers:docs", "workers:rust"]);
    assert_eq!(within("workers:docs"), ["workers", "workers:docs"]);
    stage.add(new_task("a"));
    assert_eq!(next(&stage, &ann).0, Action::Claim, "it can wait");
    stage.act(&person(), |turn| turn.send_message(parse("agent:ann"), "stop", 0).map(drop)).expect("said");
    let (action, command) = next(&stage, &ann);
    assert_eq!(action, Action::Read);
    let last = stage.snapshot().board.event_seq - 1;
    assert!(command.starts_with("callboard ack-notifications --agent-id ann"), "{command}");
    let acknowledge =
        |turn: &mut super::turn::Turn<'_>| turn.acknowledge(Stream::Notifications, None, Some(last + 1)).map(drop);
    stage.act(&ann, acknowledge).expect("read");
    assert_eq!(next(&stage, &ann).0, Action::Claim);
}

#[test]
fn a_task_waits_for_its_answer_and_wakes_for_whoever_asked() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    stage.add(new_task("a"));
    claim(&stage, &ann, "a").expect("claimed");
    let unproven = Caller { session: None, ..ann.clone() };
    assert_eq!(code(ask(&stage, &unproven, Some("a"), "humans")), Code::ProofRequired);
    let second = ask(&stage, &ann, Some("a"), "agent:ben").expect("asked");
    let first = ask(&stage, &ann, Some("a"), "humans").expect("asked");
    assert_eq!((stage.task("a").state, calls(&stage).len()), (TaskState::Waiting, 2), "two questions");
    let (_, command) = next(&stage, &person());
    assert!(command.starts_with(&format!("callboard answer {first} ")), "its own question, not ben's: {command}");
    assert_eq!(code(answer(&stage, &ben, first, &Reply::Option(1))), Code::HumanRequired);
    assert_eq!(code(answer(&stage, &ann, second, &Reply::Option(1))), Code::NotAddressed);
    let unsure = Caller { surely_human: false, ..person() };
    assert_eq!(code(answer(&stage, &unsure, first, &Reply::Option(1))), Code::HumanRequired);
    assert_eq!(code(answer(&stage, &person(), first, &Reply::Option(3))), Code::InvalidValue);
    let (action, command) = next(&stage, &ben);
    assert_eq!(action, Action::Read);
    assert!(command.starts_with(&format!("callboard answer {second} --option N --agent-id ben")), "{command}");
    answer(&stage, &ben, second, &Reply::Text("headers".to_owned())).expect("answered");
    assert_eq!(stage.task("a").state, TaskState::Waiting, "one is open");
    answer(&stage, &person(), first, &Reply::Option(1)).expect("answered");
    assert_eq!(stage.task("a").state, TaskState::Open);
    let refused = answer(&stage, &person(), first, &Reply::Option(2)).expect_err("answered before");
    assert_eq!((refused.code, refused.details["answer"].as_str()), (Code::AlreadyAnswered, Some("cookies")));
    assert_eq!(claim_next(&stage, &ben).expect("no refusal"), None, "it is kept for ann");
    assert_eq!(next(&stage, &ann).0, Action::Answered);
    let view = claim(&stage, &ann, "a").expect("ann goes on");
    let told: Vec<_> = view.answers.iter().filter_map(|question| question.answer.clone()).collect();
    assert_eq!(told, ["headers", "cookies"]);
    assert_eq!(calls(&stage), [], "nothing calls any more");
}

#[test]
fn a_question_that_nobody_wants_answered_wakes_its_task_too() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    for module in ["a", "b", "c"] {
        stage.add(new_task(module));
    }
    let one = ask(&stage, &ann, Some("a"), "humans").expect("asked");
    assert_eq!(code(stage.act(&ben, |turn| turn.withdraw_question(one).map(drop))), Code::NotAddressed);
    stage.act(&ann, |turn| turn.withdraw_question(one).map(drop)).expect("withdrawn");
    assert_eq!(stage.task("a").state, TaskState::Open);
    let two = ask(&stage, &ann, Some("b"), "humans").expect("asked");
    stage.act(&person(), |turn| turn.unblock(&parse("b")).map(drop)).expect("goes on without");
    assert_eq!(code(answer(&stage, &person(), two, &Reply::Option(1))), Code::AlreadyAnswered);
    ask(&stage, &ann, Some("c"), "humans").expect("asked");
    stage.act(&person(), |turn| turn.fail_task(&parse("c"), "no").map(drop)).expect("failed");
    assert_eq!(stage.snapshot().board.pending.questions, 0);
}

#[test]
fn people_are_told_once_that_nothing_moves() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    stage.add(NewTask { state: TaskState::Draft, ..new_task("a") });
    assert_eq!(calls(&stage), [EventKind::Stalled]);
    stage.add(NewTask { state: TaskState::Draft, ..new_task("b") });
    assert_eq!(calls(&stage), [EventKind::Stalled], "once");
    let waits = stage.look(&ann, |look| look.next_action(None)).reply;
    assert!(waits.stalled && waits.action == Action::Wait);
    stage
        .act(&person(), |turn| turn.confirm_tasks(&[parse("a")], super::tasks::Hints::Keep).map(|_| ()))
        .expect("confirmed");
    assert_eq!(calls(&stage), [], "it moves again");
    claim(&stage, &ann, "a").expect("claimed");
    finish(&stage, &ann, "a").expect("done");
    assert_eq!(calls(&stage), [EventKind::Stalled], "only the draft is left");
}

#[test]
fn nobody_aboard_for_a_field_or_a_review_is_a_standstill() {
    let stage = Stage::new(Profile::Balanced);
    let wanted = Registration { specialties: vec![parse("rust")], ..registration("ann", "main") };
    let ann = stage.register(wanted).1;
    stage.add(NewTask { specialty: Some(parse("docs")), ..new_task("a") });
    assert_eq!(calls(&stage), [EventKind::Stalled], "nobody has docs");
    stage.add(NewTask { review: Some(Review::Required), ..new_task("b") });
    assert_eq!(calls(&stage), [], "ann has something to do");
    claim(&stage, &ann, "b").expect("claimed");
    finish(&stage, &ann, "b").expect("handed in");
    let ready = EventKind::ReviewReady;
    assert_eq!(
        calls(&stage),
        [ready, ready, EventKind::Stalled],
        "reviewers and people: nobody else is there to review"
    );
    stage.aboard("ben", "main");
    assert_eq!(calls(&stage), [ready, ready]);
}

#[test]
fn a_reader_that_leaves_something_out_has_not_read_it() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    stage.act(&person(), |turn| turn.send_message(parse("agent:ann"), "urgent", 0).map(drop)).expect("said");
    let newest = stage.snapshot().board.event_seq;
    for (cursor, filter, left) in
        [("narrow", "{\"kind\":\"review_ready\",\"whose\":\"ann\"}", 1), ("wide", "{\"whose\":\"ann\"}", 0)]
    {
        let id = parse(cursor);
        stage
            .act(&ann, |turn| {
                turn.deliver(&id, Stream::Notifications, filter, (0, newest), Given::Something)?;
                turn.acknowledge(Stream::Notifications, Some(&id), Some(newest)).map(drop)
            })
            .expect("read");
        assert_eq!(calls(&stage).len(), left, "{cursor}");
    }
}

#[test]
fn an_agent_reviews_in_two_windows() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    let rita = stage.register(reviewer("rita", &[])).1;
    let second = stage.register(Registration { window: parse("two"), ..reviewer("rita", &[]) }).1;
    for module in ["a", "b"] {
        stage.add(NewTask { review: Some(Review::Required), ..new_task(module) });
        claim(&stage, &ann, module).expect("claimed");
        finish(&stage, &ann, module).expect("handed in");
    }
    for (window, module) in [(&rita, "a"), (&second, "b")] {
        let came = stage.act(window, |turn| turn.claim_review_next(None, None).map(|came| came.reply)).expect("taken");
        assert_eq!(came.task.map(|task| task.module.to_string()).as_deref(), Some(module));
    }
}

#[test]
fn a_prune_that_came_too_late_changes_nothing() {
    let stage = Stage::new(Profile::Balanced);
    for module in ["a", "b", "c"] {
        stage.add(new_task(module));
    }
    stage.act(&person(), |turn| turn.send_message(parse("humans"), "look", 2).map(drop)).expect("said");
    let generation = stage.snapshot().board.generation;
    let prune = |first: u64, last: u64, generation: &str| {
        let (name, sha256) = (format!("events-{first}.jsonl"), "0".to_owned());
        let archive = Archive { first, last, name, sha256, bytes: 1, at: Millis(0) };
        stage.act(&person(), |turn| turn.prune(archive, generation).map(drop))
    };
    assert_eq!(code(prune(1, 2, "another")), Code::StaleRevision, "the board was restored");
    prune(1, 2, &generation).expect("pruned");
    assert_eq!(code(prune(1, 3, &generation)), Code::StaleRevision, "another prune was faster");
    assert_eq!(stage.snapshot().board.pruned_through, 2);
    let newest = stage.snapshot().board.event_seq;
    prune(3, newest, &generation).expect("pruned");
    let open: Vec<_> = stage.snapshot().notices.into_iter().filter(|notice| notice.resolved.is_none()).collect();
    assert_eq!(open.len(), 1, "the message outlives its event: {open:?}");
    assert_eq!(stage.snapshot().board.pending.notifications, 1);
}
