//! What decides is found however many rows stand before it. For tests.

use super::caller::Caller;
use super::claims::Wish;
use super::mutation::Answer;
use super::next_action::Action;
use super::questions::NewQuestion;
use super::stage::{Guards, Stage, claim, claim_next, finish, new_task, parse, person, registration, reviewer};
use super::tasks::NewTask;
use super::views::ClaimView;
use crate::domain::agent::Role;
use crate::domain::id::Module;
use crate::domain::profile::{Profile, Review};
use crate::domain::task::WaitFor;

/// More than any list reads at once.
const MANY: usize = 600;

fn hand_in(stage: &Stage, caller: &Caller, module: &str, priority: u8) {
    stage.add(NewTask { review: Some(Review::Required), priority, ..new_task(module) });
    claim(stage, caller, module).expect("claimed");
    finish(stage, caller, module).expect("submitted");
}

fn claim_review(stage: &Stage, caller: &Caller) -> Option<Module> {
    let mut found = None;
    let claim = |answer: Answer<ClaimView>| found = answer.reply.task.map(|task| task.module);
    stage.act(caller, |turn| turn.claim_review_next(None, None).map(claim)).expect("answered");
    found
}

fn recommended(stage: &Stage, caller: &Caller) -> (Action, Option<Module>) {
    let next = stage.look(caller, |look| look.next_action(None)).reply;
    (next.action, next.module)
}

#[test]
fn a_review_behind_hundreds_of_ones_own_is_found_and_the_most_urgent_is_first() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.register(registration("ann", "main")).1;
    let rita = stage.register(reviewer("rita", &[])).1;
    for n in 0..MANY {
        hand_in(&stage, &rita, &format!("own{n}"), 2);
    }
    assert_eq!(claim_review(&stage, &rita), None, "nobody reviews its own work");
    hand_in(&stage, &ann, "last", 2);
    assert_eq!(recommended(&stage, &rita), (Action::Review, Some(parse("last"))));
    hand_in(&stage, &ann, "urgent", 0);
    assert_eq!(recommended(&stage, &rita), (Action::Review, Some(parse("urgent"))));
    assert_eq!(claim_review(&stage, &rita), Some(parse("urgent")));
}

#[test]
fn an_urgent_message_behind_hundreds_is_on_the_pages() {
    let stage = Stage::new(Profile::Balanced);
    for n in 0..MANY {
        stage.act(&person(), |turn| turn.send_message(parse("humans"), &format!("{n}"), 2).map(drop)).expect("said");
    }
    stage.act(&person(), |turn| turn.send_message(parse("humans"), "fire", 0).map(drop)).expect("said");
    let picture = stage.look(&person(), |look| look.picture_now());
    assert_eq!(picture.notifications[0].data["message"], "fire");
    assert_eq!(picture.notifications[1].data["message"], "0", "of equals the oldest first");
}

#[test]
fn a_pause_behind_many_questions_is_told_to_a_planner() {
    let stage = Stage::new(Profile::Balanced);
    let ann = stage.register(registration("ann", "main")).1;
    let mut wanted = registration("plan", "main");
    wanted.roles = vec![Role::Planner];
    let planner = stage.register(wanted).1;
    for n in 0..8 {
        let module = format!("asks{n}");
        stage.add(new_task(&module));
        claim(&stage, &ann, &module).expect("claimed");
        let text = "which one?".to_owned();
        let new =
            NewQuestion { module: Some(parse(&module)), to: parse("humans"), text, options: Vec::new(), priority: 2 };
        stage.act(&ann, |turn| turn.ask(new).map(drop)).expect("asked");
    }
    stage.add(new_task("paused"));
    stage.act(&person(), |turn| turn.block(&parse("paused"), WaitFor::Pause, "later").map(drop)).expect("paused");
    assert_eq!(recommended(&stage, &planner), (Action::Plan, Some(parse("paused"))));
    let stalled = stage.look(&person(), |look| look.stalled());
    assert!(stalled.iter().any(|line| line.what.starts_with("paused waits for pause")), "{stalled:?}");
}

#[test]
fn a_review_that_only_its_author_could_take_is_told() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.register(registration("ann", "main")).1, stage.register(registration("ben", "main")).1);
    hand_in(&stage, &ben, "of-ben", 2);
    for n in 0..30 {
        hand_in(&stage, &ann, &format!("of-ann{n}"), 2);
    }
    let is_told = || {
        let stalled = stage.look(&person(), |look| look.stalled());
        stalled.into_iter().find(|line| line.what.contains("is in review and nobody"))
    };
    assert!(is_told().is_none(), "each could review the other's");
    stage.act(&ben, |turn| turn.close_session(None).map(drop)).expect("closed");
    let told = is_told().expect("nobody is left for the work of ann");
    assert!(told.what.starts_with("of-ann0 "), "{told:?}");
    assert!(!stage.look(&person(), |look| look.is_stalled()), "she can review the work of ben");
}

#[test]
fn what_an_agent_has_just_released_it_gets_last() {
    let stage = Stage::new(Profile::Balanced);
    let (ann, ben) = (stage.register(registration("ann", "main")).1, stage.register(registration("ben", "main")).1);
    for (module, priority) in [("first", 0), ("second", 2)] {
        stage.add(NewTask { priority, ..new_task(module) });
    }
    let release = |caller: &Caller, module: &str| {
        stage.act(caller, |turn| turn.release(&parse(module), "not mine").map(drop)).expect("released");
    };
    assert_eq!(claim_next(&stage, &ann).expect("claimed"), Some("first".to_owned()));
    release(&ann, "first");
    assert_eq!(recommended(&stage, &ann), (Action::Claim, Some(parse("second"))));
    assert_eq!(claim_next(&stage, &ann).expect("claimed"), Some("second".to_owned()));
    release(&ann, "second");
    let claimed = stage
        .act_guarded(&ann, &Guards::default(), |turn| turn.claim_next(&Wish::default()).map(|_| Answer::done(())))
        .expect("claimed");
    assert!(claimed.warnings.iter().any(|line| line.contains("was released by ann itself")), "there is nothing else");
    release(&ann, "first");
    assert_eq!(claim_next(&stage, &ben).expect("claimed"), Some("first".to_owned()), "others are not kept from it");
    stage.pass(199);
    stage.pass(199);
    stage.pass(199);
    stage.pass(199);
    stage.pass(199);
    release(&ben, "first");
    assert_eq!(recommended(&stage, &ann), (Action::Claim, Some(parse("first"))), "one lease length later by rank");
}
