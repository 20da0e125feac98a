//! The table of the safety profiles, each cell of it played on a board; and preflight.

use super::agents::Registration;
use super::claims::{Overlapping, Wish};
use super::preflight::{Confirming, PreflightView, Said};
use super::stage::{
    Guards, Stage, claim, claim_next, code, finish, new_task, parse, person, registration, sleep_past_a_lease,
};
use super::tasks::NewTask;
use crate::board::caller::Caller;
use crate::domain::board::Mode;
use crate::domain::event::EventKind;
use crate::domain::preflight::{ModeChoice, OptimizeFor, SessionKind};
use crate::domain::profile::Profile::{self, Balanced, Safe, Throughput};
use crate::domain::profile::Review;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{TaskState, WaitFor};
use crate::domain::workspace::Workspace;

/// What a claim says: the warnings of one that works, the code of one that does not.
fn claim_with(stage: &Stage, caller: &Caller, module: &str, overlapping: Overlapping) -> Result<Vec<String>, Code> {
    let work = |t: &mut super::turn::Turn<'_>| t.claim(&parse(module), &Wish::default(), overlapping);
    let came = stage.act_guarded(caller, &Guards::default(), work);
    came.map(|committed| committed.warnings).map_err(|refused| refused.refusal.code)
}

#[test]
fn overlapping_paths() {
    for (profile, plain, allowed, next) in [
        (Safe, Err(Code::ScopeOverlap), Err(Code::ScopeOverlap), None),
        (Balanced, Err(Code::ScopeOverlap), Ok(()), None),
        (Throughput, Ok(()), Ok(()), Some("b".to_owned())),
    ] {
        let stage = Stage::new(profile);
        let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
        for (module, path) in [("a", "src/**"), ("b", "src/x.rs")] {
            stage.add(NewTask { owned_paths: vec![parse(path)], ..new_task(module) });
        }
        claim(&stage, &ann, "a").expect("nobody is in its way");
        let told = |stage: &Stage| stage.snapshot().events.iter().any(|event| event.kind == EventKind::ScopeOverlap);
        let tried = |overlapping| {
            let stage = stage.copy();
            let came = claim_with(&stage, &ben, "b", overlapping).map(drop);
            assert_eq!(told(&stage), came.is_ok(), "{profile}: an event warns where it is allowed");
            came
        };
        assert_eq!(tried(Overlapping::Refuse), plain, "{profile}: claim");
        assert_eq!(tried(Overlapping::Allow), allowed, "{profile}: claim --allow-overlap");
        assert_eq!(claim_next(&stage, &ben).expect("answered"), next, "{profile}: claim-next");
        assert_eq!(told(&stage), profile == Throughput, "{profile}");
    }
}

#[test]
fn reviews() {
    for (profile, unasked) in [(Safe, TaskState::Review), (Balanced, TaskState::Done), (Throughput, TaskState::Done)] {
        let stage = Stage::new(profile);
        let ann = stage.aboard("ann", "main");
        stage.add(NewTask { review: None, ..new_task("a") });
        stage.add(NewTask { review: Some(Review::Required), ..new_task("b") });
        for (module, state) in [("a", unasked), ("b", TaskState::Review)] {
            claim(&stage, &ann, module).expect("claimed");
            finish(&stage, &ann, module).expect("finished");
            assert_eq!(stage.task(module).state, state, "{profile}: {module}");
        }
        let own = stage.act(&ann, |t| t.start_review(&parse("b"), None).map(drop));
        assert_eq!(code(own), Code::OwnWork, "{profile}: never by its own worker");
    }
}

fn somewhere(branch: &str) -> Workspace {
    Workspace { host: "h".parse().ok(), path: "/p".parse().ok(), branch: branch.parse().ok(), head: None }
}

fn unconfirmed(key: &str) -> Registration {
    Registration { confirmed: false, workspace: somewhere("main"), ..registration(key, "main") }
}

fn preflight(stage: &Stage, branch: &str, said: Said, confirming: Confirming) -> Result<PreflightView, Refusal> {
    let caller = Caller { workspace: somewhere(branch), ..person() };
    stage.act(&caller, |t| t.preflight(said, None, confirming, false))
}

#[test]
fn confirmations() {
    let in_branch = |caller: &Caller, branch| Caller { workspace: somewhere(branch), ..caller.clone() };
    for (profile, without, once) in [
        (Safe, Err(Code::ConfirmationRequired), Err(Code::ConfirmationRequired)),
        (Balanced, Ok(0), Ok(0)),
        (Throughput, Ok(0), Ok(0)),
    ] {
        let stage = Stage::new(profile);
        stage.add(new_task("a"));
        let ann = in_branch(&stage.register(unconfirmed("ann")).1, "main");
        let tried = |stage: &Stage, caller: &Caller| {
            claim_with(&stage.copy(), caller, "a", Overlapping::Refuse).map(|warnings| warnings.len())
        };
        assert_eq!(tried(&stage, &ann), without, "{profile}: nobody confirmed anything");
        preflight(&stage, "main", Said::default(), Confirming::Both).expect("confirmed");
        assert_eq!(tried(&stage, &ann), once, "{profile}: the place was confirmed once");
        let reusing = Caller { while_session: true, ..ann.clone() };
        assert_eq!(tried(&stage, &reusing), Ok(0), "{profile}: --while-session reuses it");
        let moved = in_branch(&reusing, "other");
        assert_eq!(tried(&stage, &moved), without, "{profile}: it is lost on another branch");
        preflight(&stage, "other", Said::default(), Confirming::Both).expect("confirmed");
        assert_eq!(tried(&stage, &reusing), without, "{profile}: the working tree is on another branch now");
        assert_eq!(tried(&stage, &moved), Ok(0), "{profile}");
    }
    // A warning comes once: at the registration, or when a confirmed window moved.
    let stage = Stage::new(Balanced);
    for module in ["a", "b", "c"] {
        stage.add(new_task(module));
    }
    let ann = stage.register(Registration { max_tasks: Some(9), confirmed: true, ..unconfirmed("ann") }).1;
    for (module, branch, warnings) in [("a", "main", 0), ("b", "other", 1), ("c", "other", 0)] {
        let claimed = claim_with(&stage, &in_branch(&ann, branch), module, Overlapping::Refuse).expect("claimed");
        assert_eq!(claimed.len(), warnings, "{module} on {branch}: {claimed:?}");
    }
    let stage = Stage::new(Safe);
    stage.add(new_task("a"));
    let ann = in_branch(&stage.aboard("ann", "main"), "main");
    let ann = Caller { while_session: true, ..ann };
    preflight(&stage, "main", Said::default(), Confirming::Both).expect("confirmed");
    claim(&stage, &ann, "a").expect("claimed");
    let moved = Caller { while_session: true, ..in_branch(&ann, "other") };
    assert_eq!(code(finish(&stage, &moved, "a")), Code::ConfirmationRequired, "finish asks for it too");
    finish(&stage, &ann, "a").expect("it is confirmed here");
}

/// More than any profile lets an agent hold.
const MODULES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn default_leases_and_limits() {
    for (profile, seconds, limit, chosen) in [(Safe, 600, 1, 1), (Balanced, 900, 1, 3), (Throughput, 1800, 4, 3)] {
        let stage = Stage::new(profile);
        for module in MODULES {
            stage.add(new_task(module));
        }
        let fill = |stage: &Stage, caller: &Caller| {
            let mut held = 0;
            while claim_with(stage, caller, MODULES[held], Overlapping::Refuse).is_ok() {
                held += 1;
            }
            held
        };
        let ann = stage.aboard("ann", "main");
        let lease = claim(&stage.copy(), &ann, "a").expect("claimed").lease.expect("a lease");
        assert_eq!(lease.ttl_seconds, seconds, "{profile}");
        assert_eq!(fill(&stage.copy(), &ann), limit, "{profile}: an agent that says nothing");
        let ben = stage.register(Registration { max_tasks: Some(3), ..registration("ben", "main") }).1;
        assert_eq!(fill(&stage, &ben), chosen, "{profile}: --max-tasks 3");
    }
}

#[test]
fn takeovers() {
    for (profile, bundle, first) in
        [(Safe, true, Some(Code::HandoffUnread)), (Balanced, true, None), (Throughput, false, None)]
    {
        let stage = Stage::new(profile);
        let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
        stage.add(new_task("a"));
        claim(&stage, &ann, "a").expect("claimed");
        sleep_past_a_lease(&stage);
        let view = claim(&stage, &ben, "a").expect("it ran out");
        assert_eq!(view.handoff.is_some(), bundle, "{profile}: a bundle");
        let finished = finish(&stage, &ben, "a").map_err(|refusal| refusal.code);
        assert_eq!(finished.err(), first, "{profile}: the first finish");
        if first.is_some() {
            stage.act(&ben, |t| t.acknowledge_handoff(&parse("a")).map(drop)).expect("read");
            finish(&stage, &ben, "a").expect("it was acknowledged");
        }
    }
}

#[test]
fn a_task_lost_three_times_waits_for_a_person_under_every_profile() {
    for profile in [Safe, Balanced, Throughput] {
        let stage = Stage::new(profile);
        stage.add(new_task("a"));
        let agents = ["ann", "ben", "carl", "dora"].map(|key| stage.aboard(key, "main"));
        for agent in &agents[..3] {
            claim(&stage, agent, "a").expect("claimed");
            sleep_past_a_lease(&stage);
        }
        assert!(claim(&stage.copy(), &agents[3], "a").expect("answered").task.is_none(), "{profile}");
        assert_eq!(claim_next(&stage, &agents[3]).expect("answered"), None, "{profile}");
        let task = stage.task("a");
        assert_eq!(task.waiting.map(|waiting| waiting.what), Some(WaitFor::Pause), "{profile}");
        let told = stage.snapshot().notices.iter().any(|notice| notice.event.kind == EventKind::Blocked);
        assert!(told, "{profile}: humans are told");
        stage.act(&person(), |t| t.unblock(&parse("a")).map(drop)).expect("a person moves it");
    }
}

#[test]
fn preflight_keeps_what_is_not_said_and_raises_the_revision_only_for_news() {
    let stage = Stage::new(Balanced);
    let said = Said { agent_count: Some(9), session_kind: Some(SessionKind::Single), ..Said::default() };
    assert_eq!(code(preflight(&stage, "main", said, Confirming::No)), Code::ConfirmationRequired);
    assert!(
        stage.snapshot().events.len() == 1 && stage.snapshot().board.mode == Mode::SharedBoard,
        "nothing was recorded"
    );
    let first = preflight(&stage, "main", said, Confirming::Both).expect("confirmed");
    assert_eq!((first.mode, first.said.topology.window_count), (Mode::CentralizedDispatch, 9));
    let revision = stage.snapshot().board.revision;
    let same = preflight(&stage, "main", Said::default(), Confirming::Both).expect("confirmed");
    assert_eq!((same.said.clone(), stage.snapshot().board.revision), (first.said, revision));
    let aim = Said { optimize_for: Some(OptimizeFor::Token), ..Said::default() };
    let turned = preflight(&stage, "main", aim, Confirming::Both).expect("confirmed");
    assert_eq!((turned.mode, turned.said.session_kind), (Mode::SharedBoard, SessionKind::Single));
    let asked = Said { mode: Some(ModeChoice::CentralizedDispatch), ..Said::default() };
    let asked = preflight(&stage, "main", asked, Confirming::Both).expect("confirmed");
    assert_eq!((asked.mode, asked.advice.mode), (Mode::CentralizedDispatch, Mode::SharedBoard), "who asks gets it");
    assert_eq!(stage.snapshot().board.mode, Mode::CentralizedDispatch);
}

#[test]
fn numbers_that_contradict_each_other_are_refused() {
    let stage = Stage::new(Profile::Balanced);
    for said in [
        Said { agent_count: Some(0), ..Said::default() },
        Said { window_count: Some(10_001), ..Said::default() },
        Said { cross_machine: true, machine_count: Some(1), ..Said::default() },
    ] {
        assert_eq!(code(preflight(&stage, "main", said, Confirming::Both)), Code::InvalidValue, "{said:?}");
    }
}
