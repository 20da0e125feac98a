//! The rules of the design as short plays on a real board. For tests.

use serde_json::json;

use super::agents::Registration;
use super::caller::Caller;
use super::claims::Wish;
use super::graph::Force;
use super::leases::Beat;
use super::mutation::Answer;
use super::stage::{
    Guards, Stage, claim, claim_next, code, finish, new_task, parse, person, registration, sleep_past_a_lease,
};
use super::tasks::{Hints, NewTask};
use super::views::ClaimView;
use super::work::Free;
use crate::domain::agent::Role;
use crate::domain::event::EventKind;
use crate::domain::profile::{Profile, Review};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::submission::SubmittedWork;
use crate::domain::task::{Candidates, Task, TaskState, WaitFor};
use crate::domain::workspace::Workspace;

fn heartbeat(stage: &Stage, caller: &Caller, module: &str) -> Result<(), Refusal> {
    stage.act(caller, |turn| turn.heartbeat(&parse(module), &Beat::default()).map(drop))
}

/// The caller without its window, showing the token that it was given.
fn with_token(caller: &Caller, view: &ClaimView) -> Caller {
    let lease = view.lease.as_ref().expect("a lease");
    Caller { session: None, token: lease.token.clone(), ..caller.clone() }
}

fn kinds(stage: &Stage) -> Vec<EventKind> {
    stage.snapshot().events.iter().map(|event| event.kind).collect()
}

#[test]
fn a_lease_that_ran_out_is_had_back_until_somebody_claims() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    stage.add(new_task("a"));
    let first = claim(&stage, &ann, "a").expect("claimed");
    sleep_past_a_lease(&stage);
    assert!(stage.task("a").offered, "others may have it");
    heartbeat(&stage, &with_token(&ann, &first), "a").expect("had back");
    assert!(kinds(&stage).contains(&EventKind::LeaseRegained));
    assert_eq!(code(claim(&stage, &ben, "a")), Code::Held);
    sleep_past_a_lease(&stage);
    finish(&stage, &with_token(&ann, &first), "a").expect("slow work that nobody took is not lost");
    assert_eq!((stage.task("a").state, stage.task("a").attempts), (TaskState::Done, 1));
}

#[test]
fn whoever_was_taken_over_is_refused_and_told_by_whom() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    stage.add(new_task("a"));
    let first = claim(&stage, &ann, "a").expect("claimed");
    sleep_past_a_lease(&stage);
    let second = claim(&stage, &ben, "a").expect("taken over");
    assert!(second.lease.as_ref().expect("a lease").epoch > first.lease.as_ref().expect("a lease").epoch);
    let late = with_token(&ann, &first);
    for caller in [&late, &ann] {
        let refusal = heartbeat(&stage, caller, "a").expect_err("it is ben's");
        assert_eq!((refusal.code, &refusal.details["holder"]["agent_id"]), (Code::StaleLease, &json!("ben")));
        assert_eq!(code(finish(&stage, caller, "a")), Code::StaleLease);
        assert_eq!(code(stage.act(caller, |t| t.release(&parse("a"), "no").map(drop))), Code::StaleLease);
        assert_eq!(code(stage.act(caller, |t| t.fail_task(&parse("a"), "no").map(drop))), Code::StaleLease);
    }
    // What came too late is kept, and changes nothing.
    let before = stage.snapshot();
    let guards = Guards { late: Some(parse("a")), ..Guards::default() };
    let came = stage.act_guarded(&late, &guards, |t| {
        t.finish_task(&parse("a"), "late", SubmittedWork::default()).map(|_| Answer::done(()))
    });
    assert_eq!(came.expect_err("late").refusal.code, Code::StaleLease);
    let now = stage.snapshot();
    assert_eq!((&now.tasks, &now.leases, now.board.revision), (&before.tasks, &before.leases, before.board.revision));
    assert_eq!(now.events.last().map(|event| event.kind), Some(EventKind::LateResult));
    finish(&stage, &ben, "a").expect("ben's is the present one");
}

#[test]
fn coming_back_in_the_same_window_moves_the_leases_and_fences_the_old_session() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    stage.add(new_task("a"));
    let first = claim(&stage, &ann, "a").expect("claimed");
    let again =
        |resume| stage.act(&person(), |t| t.register(Registration { resume, ..registration("ann", "main") }).map(drop));
    assert_eq!(code(again(false)), Code::WindowInUse, "nobody said that it is that window");
    let (aboard, again) = stage.register(Registration { resume: true, ..registration("ann", "main") });
    let moved = &aboard.resumed[0];
    assert_eq!((aboard.session.epoch, moved.module.as_str()), (2, "a"));
    let old = first.lease.as_ref().expect("a lease");
    assert!(moved.epoch > old.epoch && Some(&moved.token) != old.token.as_ref(), "a new epoch and token");
    assert_eq!(code(finish(&stage, &ann, "a")), Code::StaleSession);
    assert_eq!(code(finish(&stage, &with_token(&ann, &first), "a")), Code::StaleLease);
    finish(&stage, &again, "a").expect("the new window goes on");
    assert_eq!(stage.task("a").attempts, 1, "it is the same attempt");
}

#[test]
fn a_holder_of_a_cancelled_task_is_refused() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    stage.add(new_task("a"));
    let view = claim(&stage, &ann, "a").expect("claimed");
    stage.act(&person(), |t| t.cancel(&[parse("a")], "no", Free::Nobody).map(drop)).expect("cancelled");
    assert_eq!(code(heartbeat(&stage, &with_token(&ann, &view), "a")), Code::StaleLease);
    assert_eq!(code(finish(&stage, &ann, "a")), Code::StaleLease);
    assert_eq!(stage.task("a").state, TaskState::Cancelled);
}

#[test]
fn what_comes_back_is_kept_for_its_author_for_one_lease_length() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    stage.add(NewTask { review: Some(Review::Required), ..new_task("a") });
    stage.add(NewTask { priority: 0, ..new_task("urgent") });
    claim(&stage, &ann, "a").expect("claimed");
    finish(&stage, &ann, "a").expect("handed in");
    stage.act(&ben, |t| t.start_review(&parse("a"), None).map(drop)).expect("reviewing");
    stage.act(&ben, |t| t.request_changes(&parse("a"), None, "more").map(drop)).expect("sent back");
    assert_eq!(code(claim(&stage, &ben, "a")), Code::Reserved);
    assert_eq!(claim_next(&stage, &ann).expect("found"), Some("a".to_owned()), "before what is more urgent");
    stage.act(&ann, |t| t.block(&parse("a"), WaitFor::External, "later").map(drop)).expect("paused");
    stage.act(&person(), |t| t.unblock(&parse("a")).map(drop)).expect("on again");
    sleep_past_a_lease(&stage);
    claim(&stage, &ben, "a").expect("after one lease length everybody may");
}

#[test]
fn nobody_approves_their_own_work_in_any_profile() {
    for profile in [Profile::Safe, Profile::Balanced, Profile::Throughput] {
        let stage = Stage::new(profile);
        let ann = stage.aboard("ann", "main");
        stage.add(NewTask { review: Some(Review::Required), ..new_task("a") });
        claim(&stage, &ann, "a").expect("claimed");
        finish(&stage, &ann, "a").expect("handed in");
        assert_eq!(code(stage.act(&ann, |t| t.start_review(&parse("a"), None).map(drop))), Code::OwnWork);
        assert_eq!(code(stage.act(&ann, |t| t.approve(&parse("a"), None, "good").map(drop))), Code::OwnWork);
        let unsure = Caller { surely_human: false, ..person() };
        assert_eq!(code(stage.act(&unsure, |t| t.approve(&parse("a"), None, "good").map(drop))), Code::HumanRequired);
        assert_eq!(
            code(stage.act(&person(), |t| t.approve(&parse("a"), Some(2), "good").map(drop))),
            Code::StaleTaskRevision
        );
        stage.act(&person(), |t| t.approve(&parse("a"), Some(1), "good").map(drop)).expect("a person may");
    }
}

#[test]
fn claim_next_passes_overlapping_work_over() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    for (module, priority, path) in [("a", 0, "src/**"), ("b", 1, "src/x.rs"), ("c", 3, "docs/**")] {
        stage.add(NewTask { priority, owned_paths: vec![parse(path)], ..new_task(module) });
    }
    assert_eq!(claim_next(&stage, &ann).expect("found"), Some("a".to_owned()));
    assert_eq!(claim_next(&stage, &ben).expect("found"), Some("c".to_owned()));
}

#[test]
fn safe_wants_workspace_and_branch_confirmed() {
    let stage = Stage::new(Profile::Safe);
    let there = Workspace { path: "/p".parse().ok(), branch: "main".parse().ok(), ..Workspace::default() };
    let elsewhere = Workspace { branch: "other".parse().ok(), ..there.clone() };
    let unconfirmed = |key: &str, workspace: &Workspace| Registration {
        confirmed: false,
        workspace: workspace.clone(),
        ..registration(key, "main")
    };
    stage.add(new_task("a"));
    stage.add(new_task("b"));
    let ann = stage.register(unconfirmed("ann", &there)).1;
    assert_eq!(code(claim(&stage, &ann, "a")), Code::ConfirmationRequired);
    assert_eq!(code(claim_next(&stage, &ann)), Code::ConfirmationRequired);
    let reusing = Caller { while_session: true, ..ann };
    assert_eq!(code(claim(&stage, &reusing, "a")), Code::ConfirmationRequired, "nobody gave one yet");
    stage.register(Registration { confirmed: true, ..unconfirmed("ben", &there) });
    claim(&stage, &reusing, "a").expect("ben confirmed the same place");
    let carl = stage.register(unconfirmed("carl", &elsewhere)).1;
    let reusing = Caller { while_session: true, ..carl };
    assert_eq!(code(claim(&stage, &reusing, "b")), Code::ConfirmationRequired, "another branch");
}

#[test]
fn a_name_alone_proves_nothing() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    stage.add(new_task("a"));
    let view = claim(&stage, &ann, "a").expect("claimed");
    let name_only = Caller { session: None, ..ann.clone() };
    assert_eq!(code(finish(&stage, &name_only, "a")), Code::ProofRequired);
    assert_eq!(code(heartbeat(&stage, &name_only, "a")), Code::ProofRequired);
    let anonymous = Caller { agent: None, ..with_token(&ann, &view) };
    assert_eq!(code(finish(&stage, &anonymous, "a")), Code::AgentRequired, "a token needs its agent");
    let several = stage.aboard("ann", "two");
    let view = claim(&stage, &Caller { session: None, ..several.clone() }, "a");
    assert_eq!(code(view), Code::SessionRequired, "which of the two windows?");
}

#[test]
fn a_request_is_done_once_and_its_answer_is_kept() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    stage.add(new_task("a"));
    stage.add(new_task("b"));
    let once = |asked: &str| Guards { request: Some("r".into()), asked: asked.into(), ..Guards::default() };
    let next =
        |caller: &Caller, asked: &str| stage.act_guarded(caller, &once(asked), |t| t.claim_next(&Wish::default()));
    let first = next(&ann, "claim").expect("claimed");
    let again = next(&ann, "claim").expect("answered");
    assert!(!first.replayed && again.replayed);
    assert_eq!(serde_json::to_value(&first.answer.reply).ok(), serde_json::to_value(&again.answer.reply).ok());
    assert_eq!(next(&ann, "claim something else").expect_err("reused").refusal.code, Code::RequestIdReused);
    assert_eq!(next(&ben, "claim").expect_err("reused").refusal.code, Code::RequestIdReused);
    sleep_past_a_lease(&stage);
    claim(&stage, &ben, "a").expect("taken over");
    let lost = next(&ann, "claim").expect_err("whoever repeats it would work on it").refusal;
    assert_eq!((lost.code, &lost.details["holder"]["agent_id"]), (Code::StaleLease, &json!("ben")));
    stage.act(&ben, |t| t.close_session(None).map(drop)).expect("closed");
    assert_eq!(next(&ann, "claim").expect_err("nobody holds it").refusal.code, Code::StaleLease);
}

#[test]
fn an_expected_revision_is_exact() {
    let stage = Stage::new(Profile::Balanced);
    let revision = stage.snapshot().board.revision;
    let at = |expected| {
        let guards = Guards { expected_revision: Some(expected), ..Guards::default() };
        stage.act_guarded(&person(), &guards, |t| t.add_task(new_task("a")).map(|_| Answer::done(())))
    };
    for wrong in [revision - 1, revision + 1] {
        assert_eq!(at(wrong).expect_err("refused").refusal.code, Code::StaleRevision);
    }
    assert_eq!(at(revision).expect("done").revision, revision + 1);
}

#[test]
fn a_circle_is_refused_and_printed() {
    let stage = Stage::new(Profile::Balanced);
    stage.add(new_task("a"));
    stage.add(NewTask { depends_on: vec![parse("a")], ..new_task("b") });
    stage.add(NewTask { depends_on: vec![parse("b")], ..new_task("c") });
    let refusal =
        stage.act(&person(), |t| t.depend(&parse("a"), &[parse("c")], Force::Yes).map(drop)).expect_err("a circle");
    assert_eq!((refusal.code, &refusal.details["circle"]), (Code::Cycle, &json!(["a", "c", "b", "a"])));
}

#[test]
fn a_reopened_dependency_holds_up_what_is_open_and_leaves_what_runs() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    stage.add(new_task("base"));
    stage.add(NewTask { depends_on: vec![parse("base")], ..new_task("open") });
    stage.add(NewTask { depends_on: vec![parse("base")], ..new_task("running") });
    assert_eq!(code(claim(&stage, &ann, "open")), Code::NotReady);
    claim(&stage, &ann, "base").expect("claimed");
    finish(&stage, &ann, "base").expect("done");
    claim(&stage, &ann, "running").expect("it is ready now");
    stage.act(&person(), |t| t.reopen(&parse("base"), "wrong").map(drop)).expect("reopened");
    let ready = |task: &Task| (task.state, task.is_ready());
    assert_eq!(ready(&stage.task("open")), (TaskState::Open, false));
    assert_eq!(stage.task("running").state, TaskState::Active);
    finish(&stage, &ann, "running").expect("it goes on");
}

#[test]
fn a_dependency_that_will_not_come_is_told_with_what_resolves_it() {
    let stage = Stage::new(Profile::Balanced);
    stage.add(new_task("base"));
    stage.add(NewTask { depends_on: vec![parse("base")], ..new_task("top") });
    stage.act(&person(), |t| t.fail_task(&parse("base"), "no").map(drop)).expect("failed");
    assert!(kinds(&stage).contains(&EventKind::DependencyFailed));
    let stalled = stage.look(&person(), |look| look.stalled());
    assert_eq!(stalled[0].command, "callboard reopen-task base --reason TEXT --as-human");
    assert!(stage.look(&person(), |look| look.is_stalled()));
    stage.act(&person(), |t| t.cancel(&[parse("base")], "no", Free::Dependents).map(drop)).expect_err("it is final");
    stage.act(&person(), |t| t.undepend(&parse("top"), &[parse("base")]).map(drop)).expect("freed");
    assert!(stage.task("top").is_ready());
}

#[test]
fn guesses_of_intake_never_constrain() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    let candidates = Candidates { depends_on: vec![parse("a")], owned_paths: vec![parse("src/**")] };
    stage.add(NewTask { owned_paths: vec![parse("src/**")], ..new_task("a") });
    stage.add(NewTask { state: TaskState::Draft, candidates, ..new_task("b") });
    claim(&stage, &stage.aboard("ben", "main"), "a").expect("claimed");
    assert_eq!(code(claim(&stage, &ann, "b")), Code::WrongState);
    assert_eq!(claim_next(&stage, &ann).expect("answered"), None, "a draft is never offered");
    stage.act(&person(), |t| t.confirm_tasks(&[parse("b")], Hints::Keep).map(drop)).expect("confirmed");
    assert_eq!(claim_next(&stage, &ann).expect("answered"), Some("b".to_owned()), "neither guess holds it up");
}

#[test]
fn a_heartbeat_is_presence_and_no_change() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    stage.add(new_task("a"));
    claim(&stage, &ann, "a").expect("claimed");
    let before = stage.snapshot().board;
    stage.pass(10);
    heartbeat(&stage, &ann, "a").expect("renewed");
    let now = stage.snapshot().board;
    assert_eq!((now.revision, now.presence), (before.revision, before.presence + 1));
    assert_eq!(now.event_seq, before.event_seq);
}

#[test]
fn a_night_of_silence_expires_nobody() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    stage.add(new_task("a"));
    claim(&stage, &ann, "a").expect("claimed");
    stage.pass(8 * 3600);
    assert_eq!(code(claim(&stage, &ben, "a")), Code::Held);
    assert_eq!(claim_next(&stage, &ben).expect("answered"), None);
    assert!(kinds(&stage).contains(&EventKind::ClockCut), "what was cut off is told");
}

#[test]
fn a_lease_runs_out_while_everything_is_refused() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    stage.add(new_task("a"));
    claim(&stage, &ann, "a").expect("claimed");
    let refused = (0..200).take_while(|_| {
        stage.pass(10);
        claim(&stage, &ben, "a").is_err()
    });
    assert!(refused.count() < 100, "900 s are over after 90 refusals");
}

#[test]
fn a_live_lease_is_revoked_by_people_and_planners_only() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    let planner = Registration { roles: vec![Role::Planner], ..registration("paula", "main") };
    let paula = stage.register(planner).1;
    stage.add(new_task("a"));
    claim(&stage, &ann, "a").expect("claimed");
    let revoke = |caller: &Caller| stage.act(caller, |t| t.force_reclaim(&parse("a"), "now").map(drop));
    assert_eq!(code(revoke(&ben)), Code::HumanRequired);
    revoke(&paula).expect("a planner may");
}

#[test]
fn what_was_tried_before_is_told_to_whoever_goes_on() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    stage.add(new_task("a"));
    claim(&stage, &ann, "a").expect("claimed");
    stage.act(&ann, |t| t.release(&parse("a"), "needs the schema first").map(drop)).expect("released");
    let view = claim(&stage, &ben, "a").expect("claimed");
    assert_eq!(view.earlier[0].summary.as_deref(), Some("needs the schema first"));
}

#[test]
fn a_look_changes_nothing() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    stage.add(new_task("a"));
    claim(&stage, &ann, "a").expect("claimed");
    stage.pass(5000);
    let before = stage.snapshot();
    stage.look(&ann, |look| look.picture_now().map(drop));
    stage.look(&ann, |look| look.hindrances().map(drop));
    assert_eq!(stage.snapshot(), before);
}

#[test]
fn a_window_that_waits_for_long_stays_in_use() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    stage.pass(299);
    assert!(stage.look(&ann, |look| look.claim_outlook(None)).silent, "it is recorded at the server's first look");
    stage
        .act(&ann, |turn| {
            turn.be_heard_of();
            Ok(())
        })
        .expect("seen");
    stage.pass(599);
    let again = || stage.act(&person(), |turn| turn.register(registration("ann", "main")).map(drop));
    assert_eq!(code(again()), Code::WindowInUse);
    stage.pass(1);
    again().expect("nobody has been seen there for ten minutes");
}
