//! The rules of handoffs as short plays on a real board. For tests.

use super::caller::Caller;
use super::claims::Wish;
use super::handoffs::NewHandoff;
use super::leases::Beat;
use super::next_action::Action;
use super::stage::{
    Stage, claim, claim_next, code, finish, new_task, next, parse, person, reviewer, sleep_past_a_lease,
};
use super::tasks::NewTask;
use super::views::ClaimView;
use crate::domain::attempt::Outcome;
use crate::domain::handoff::{HandoffKind, HandoffStatus};
use crate::domain::profile::{Profile, Review};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::TaskTexts;
use crate::domain::workspace::WorkingTree;

fn leave(stage: &Stage, caller: &Caller, module: &str, to: Option<&str>, kind: HandoffKind) -> Result<bool, Refusal> {
    let notes = "two tests are left".to_owned();
    let new = NewHandoff { module: parse(module), to: to.map(parse), kind, notes, tree: WorkingTree::default() };
    let mut agreed = false;
    stage.act(caller, |turn| turn.leave_handoff(new).map(|(view, _)| agreed = view.agreed))?;
    Ok(agreed)
}

fn take(stage: &Stage, caller: &Caller, module: &str) -> Result<ClaimView, Refusal> {
    stage.act(caller, |turn| turn.claim_handoff(&parse(module), &Wish::default()).map(|came| came.reply))
}

#[test]
fn a_holder_hands_over_and_is_fenced_when_somebody_takes_it() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    for module in ["a", "b"] {
        stage.add(new_task(module));
    }
    claim(&stage, &ann, "a").expect("claimed");
    let unproven = Caller { session: None, ..ann.clone() };
    assert!(!leave(&stage, &unproven, "a", None, HandoffKind::Takeover).expect("left"), "information only");
    assert_eq!(code(take(&stage, &ben, "a")), Code::Held);
    assert!(leave(&stage, &ann, "a", None, HandoffKind::Takeover).expect("left"));
    assert_eq!(
        claim_next(&stage, &ann).expect("no refusal").as_deref(),
        Some("b"),
        "it counts for no limit, and is not offered to ann"
    );
    assert_eq!(next(&stage, &ben).0, Action::Handoff);
    let view = take(&stage, &ben, "a").expect("taken");
    assert_eq!(view.handoff.as_deref(), Some("project-plan/handoffs/a.handoff.md"));
    assert_eq!(view.earlier[0].outcome, Some(Outcome::HandedOver));
    let beat = stage.act(&ann, |turn| turn.heartbeat(&parse("a"), &Beat::default()).map(drop));
    assert_eq!(code(beat), Code::StaleLease);
    assert_eq!((stage.task("a").losses, stage.snapshot().handoffs[0].status), (0, HandoffStatus::Claimed));
    finish(&stage, &ben, "a").expect("done");
    assert_eq!(stage.snapshot().handoffs[0].status, HandoffStatus::Acknowledged, "handing in says that it was read");
    assert_eq!(code(take(&stage, &ben, "b")), Code::NoHandoff);
}

#[test]
fn a_handoff_for_one_agent_is_kept_for_it_and_can_be_taken_back() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben, carl) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"), stage.aboard("carl", "main"));
    stage.add(new_task("a"));
    claim(&stage, &ann, "a").expect("claimed");
    leave(&stage, &ann, "a", Some("agent:ben"), HandoffKind::Takeover).expect("left");
    assert_eq!(code(take(&stage, &carl, "a")), Code::NotAddressed);
    assert_eq!(claim_next(&stage, &carl).expect("no refusal"), None);
    assert_eq!(code(stage.act(&carl, |turn| turn.withdraw_handoff(&parse("a")).map(drop))), Code::NotAddressed);
    stage.act(&ann, |turn| turn.withdraw_handoff(&parse("a")).map(drop)).expect("taken back");
    assert_eq!(claim_next(&stage, &ben).expect("no refusal"), None, "it is ann's again");
    leave(&stage, &ann, "a", Some("agent:ben"), HandoffKind::Takeover).expect("left");
    assert_eq!(
        claim_next(&stage, &ben).expect("no refusal").as_deref(),
        Some("a"),
        "claim-next takes it with the task"
    );
    assert_eq!(code(stage.act(&ann, |turn| turn.acknowledge_handoff(&parse("a")).map(drop))), Code::NotAddressed);
    stage.act(&ben, |turn| turn.acknowledge_handoff(&parse("a")).map(drop)).expect("read");
    stage.act(&ben, |turn| turn.acknowledge_handoff(&parse("a")).map(drop)).expect("a receipt is given once");
}

/// Each cell of the line "takeover of an expired lease" in the table of profiles.
#[test]
fn taking_over_an_expired_lease_leaves_a_bundle_by_profile() {
    for profile in [Profile::Safe, Profile::Balanced, Profile::Throughput] {
        let stage = Stage::new(profile);
        let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
        stage.add(new_task("a"));
        claim(&stage, &ann, "a").expect("claimed");
        sleep_past_a_lease(&stage);
        let view = claim(&stage, &ben, "a").expect("taken over");
        assert_eq!(view.handoff.is_some(), profile != Profile::Throughput, "{profile}");
        if profile == Profile::Safe {
            assert_eq!(code(finish(&stage, &ben, "a")), Code::HandoffUnread);
            stage.act(&ben, |turn| turn.acknowledge_handoff(&parse("a")).map(drop)).expect("read");
        }
        finish(&stage, &ben, "a").expect("handed in");
    }
}

#[test]
fn a_review_handoff_is_taken_by_starting_the_review() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, rita) = (stage.aboard("ann", "main"), stage.register(reviewer("rita", &[])).1);
    stage.add(NewTask { review: Some(Review::Required), ..new_task("a") });
    claim(&stage, &ann, "a").expect("claimed");
    finish(&stage, &ann, "a").expect("handed in");
    leave(&stage, &ann, "a", None, HandoffKind::Review).expect("left");
    assert_eq!(code(take(&stage, &ann, "a")), Code::OwnWork);
    let view = take(&stage, &rita, "a").expect("taken");
    assert!(view.approve_command.is_some() && view.handoff.is_some());
    stage.act(&rita, |turn| turn.approve(&parse("a"), None, "good").map(drop)).expect("approved");
    assert_eq!(stage.snapshot().handoffs[0].status, HandoffStatus::Acknowledged);
}

#[test]
fn the_largest_bundle_is_bounded() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    let long = "ä".repeat(60_000);
    let texts = TaskTexts { body: long.clone(), acceptance: vec![long[..2_000].to_owned(); 200] };
    stage.add(NewTask { texts, ..new_task("a") });
    for _ in 0..6 {
        claim(&stage, &ann, "a").expect("claimed");
        stage.act(&ann, |turn| turn.release(&parse("a"), &long).map(drop)).expect("given back");
    }
    claim(&stage, &ann, "a").expect("claimed");
    let tree = WorkingTree { dirty: vec![long.clone(); 100], diff_stat: vec![long.clone(); 100], cut: false };
    for notes in ["one", "two"] {
        let notes = notes.repeat(2_000);
        let kind = HandoffKind::Takeover;
        let new = NewHandoff { module: parse("a"), to: None, kind, notes, tree: tree.clone() };
        stage.act(&ann, |turn| turn.leave_handoff(new).map(drop)).expect("left");
    }
    let key = stage.snapshot().handoffs[0].key;
    let page = stage.look(&ann, |look| look.bundle_pages(&[key])).pop().expect("a bundle");
    let json = serde_json::to_string(&page.bundle).expect("it is JSON");
    assert!(json.len() < 96 * 1024 && page.previous.is_some(), "{} bytes", json.len());
}

#[test]
fn nobody_hands_over_to_itself_or_past_its_limit() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.aboard("ann", "main");
    for module in ["a", "b"] {
        stage.add(new_task(module));
    }
    claim(&stage, &ann, "a").expect("claimed");
    assert_eq!(code(leave(&stage, &ann, "a", Some("agent:ann"), HandoffKind::Takeover)), Code::InvalidValue);
    leave(&stage, &ann, "a", None, HandoffKind::Takeover).expect("left");
    assert_eq!(code(take(&stage, &ann, "a")), Code::WrongState, "it is its own");
    claim(&stage, &ann, "b").expect("it counts for no limit");
    let back = stage.act(&ann, |turn| turn.withdraw_handoff(&parse("a")).map(drop));
    assert_eq!(code(back), Code::LimitReached);
    finish(&stage, &ann, "b").expect("done");
    stage.act(&ann, |turn| turn.withdraw_handoff(&parse("a")).map(drop)).expect("there is room again");
}

#[test]
fn whoever_takes_over_from_a_taker_gets_a_bundle_of_its_own() {
    let stage = Stage::new(Profile::Safe);
    let (ann, ben, carl) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"), stage.aboard("carl", "main"));
    stage.add(new_task("a"));
    for holder in [&ann, &ben] {
        claim(&stage, holder, "a").expect("claimed");
        sleep_past_a_lease(&stage);
    }
    // A third loss pauses the task; people let it go on.
    claim(&stage, &carl, "a").expect("taken over");
    assert_eq!(code(finish(&stage, &carl, "a")), Code::HandoffUnread);
    assert_eq!(code(leave(&stage, &carl, "a", None, HandoffKind::Takeover)), Code::HandoffUnread);
    assert_eq!(code(leave(&stage, &ben, "a", None, HandoffKind::Takeover)), Code::WrongState);
    stage.act(&carl, |turn| turn.acknowledge_handoff(&parse("a")).map(drop)).expect("read");
    finish(&stage, &carl, "a").expect("handed in");
}

#[test]
fn what_is_kept_for_an_agent_is_free_when_its_holder_is_gone() {
    for runs_out in [true, false] {
        let stage = Stage::new(Profile::Balanced);
        let (ann, _ben, carl) =
            (stage.aboard("ann", "main"), stage.aboard("ben", "main"), stage.aboard("carl", "main"));
        stage.add(new_task("a"));
        claim(&stage, &ann, "a").expect("claimed");
        leave(&stage, &ann, "a", Some("agent:ben"), HandoffKind::Takeover).expect("left");
        if runs_out {
            sleep_past_a_lease(&stage);
        } else {
            stage.act(&ann, |turn| turn.release(&parse("a"), "no time").map(drop)).expect("given back");
        }
        assert_eq!(claim_next(&stage, &carl).expect("no refusal").as_deref(), Some("a"));
    }
}

#[test]
fn what_a_holder_handed_over_outlives_its_lease() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.aboard("ann", "main"), stage.aboard("ben", "main"));
    stage.add(new_task("a"));
    claim(&stage, &ann, "a").expect("claimed");
    leave(&stage, &ann, "a", None, HandoffKind::Takeover).expect("left");
    sleep_past_a_lease(&stage);
    let other = leave(&stage, &person(), "a", None, HandoffKind::Takeover);
    assert_eq!(code(other), Code::WrongState, "it would replace what ann left");
    let view = take(&stage, &ben, "a").expect("taken");
    assert_eq!((view.earlier[0].outcome, stage.task("a").losses), (Some(Outcome::HandedOver), 0));
}
