//! Every "nothing to do" is true: where the board says it to an agent, no command of that agent would have succeeded. For
//! tests.
//!
//! Excepted, and said in the answer: what a role steers (a planner may claim, but is not told to), what the agent holds
//! already, what it left for others itself, and what waits for an answer: the answer moves it, not a planner.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::caller::Caller;
use super::claims::{Overlapping, Wish};
use super::handoffs::NewHandoff;
use super::look::Look;
use super::mutation::{Answer, Outcome};
use super::questions::NewQuestion;
use super::stage::{Stage, claim, finish, new_task, parse, person};
use super::tasks::{Hints, NewTask};
use super::turn::Turn;
use super::views::ClaimView;
use crate::domain::agent::Role;
use crate::domain::handoff::HandoffKind;
use crate::domain::id::Module;
use crate::domain::profile::{Profile, Review};
use crate::domain::refusal::Refusal;
use crate::domain::task::{TaskState, WaitFor};
use crate::domain::workspace::WorkingTree;

/// More of a kind than any list reads at once.
pub(super) const MANY: usize = 600;

/// Checks what the board says to this caller against what the caller could do with these tasks.
pub(super) fn must_be_true(stage: &Stage, caller: &Caller, modules: &[Module]) {
    let is_nothing = |outcome: Result<Outcome, Refusal>| matches!(outcome, Ok(Outcome::Nothing));
    let says =
        |look: &dyn Fn(&Look<'_>) -> Result<Outcome, Refusal>| is_nothing(stage.try_look(caller, |seen| look(seen)));
    let next = says(&|look| look.next_action(None).map(|answer| answer.outcome));
    let is_worker = stage.try_look(caller, |look| Ok(look.is_worker())).unwrap_or(false);
    let would = |work: &dyn Fn(&mut Turn<'_>) -> Result<Answer<ClaimView>, Refusal>| {
        stage.rehearse(caller, |turn| work(turn)).map(|answer| answer.outcome)
    };
    let no_claim = says(&|look| look.claim_outlook(None).map(|outlook| found(outlook.found)))
        || is_nothing(would(&|turn| turn.claim_next(&Wish::default())));
    let no_review = says(&|look| look.review_claim_outlook(None).map(|outlook| found(outlook.found)))
        || is_nothing(would(&|turn| turn.claim_review_next(None, None)));
    let who = format!("{:?}", caller.agent);
    for module in modules {
        // What it holds already is answered again, and is nothing new.
        let succeeds = |work: &dyn Fn(&mut Turn<'_>) -> Result<Answer<ClaimView>, Refusal>| {
            stage
                .rehearse(caller, |turn| work(turn))
                .is_ok_and(|answer| !answer.reply.resumed && answer.reply.task.is_some())
        };
        if no_claim || (next && is_worker) {
            let claims = succeeds(&|turn| turn.claim(module, &Wish::default(), Overlapping::Refuse));
            assert!(!claims, "{who} was told of nothing to claim and could have claimed {module}");
        }
        if no_review || (next && is_worker) {
            let reviews = succeeds(&|turn| turn.start_review(module, None));
            assert!(!reviews, "{who} was told of nothing to review and could have reviewed {module}");
        }
        if next && is_worker && !stage.look(&person(), |look| look.is_left_by(module, caller)) {
            let takes = succeeds(&|turn| turn.claim_handoff(module, &Wish::default()));
            assert!(!takes, "{who} was told of nothing and could have taken the handoff of {module}");
        }
        if next && !is_worker {
            let frees = |work: &dyn Fn(&mut Turn<'_>) -> Result<(), Refusal>| {
                stage.rehearse(caller, |turn| work(turn).map(Answer::done)).is_ok()
            };
            let unblocks = frees(&|turn| turn.unblock(module).map(drop));
            let is_asked = stage.look(&person(), |look| look.waits_for_answer(module));
            assert!(is_asked || !unblocks, "{who} could have unblocked {module}");
            let one = std::slice::from_ref(module);
            let confirmed = stage.rehearse(caller, |turn| turn.confirm_tasks(one, Hints::Keep).map(Answer::done));
            assert!(!confirmed.is_ok_and(|answer| !answer.reply.is_empty()), "{who} could have confirmed {module}");
            for lost in stage.look(&person(), |look| look.lost_dependencies(module)) {
                let frees = frees(&|turn| turn.undepend(module, std::slice::from_ref(&lost)).map(drop));
                assert!(!frees, "{who} could have freed {module} of {lost}, which will not come");
            }
        }
    }
}

fn found(found: bool) -> Outcome {
    if found { Outcome::Done } else { Outcome::Nothing }
}

impl Look<'_> {
    fn is_worker(&self) -> bool {
        self.actor.acting().is_ok_and(|acting| acting.agent.roles.contains(&Role::Worker))
    }

    fn is_left_by(&self, module: &Module, caller: &Caller) -> Result<bool, Refusal> {
        let handoff = self.store.live_handoff(self.task(module)?.key)?;
        Ok(handoff.is_some_and(|handoff| caller.agent.as_ref().is_some_and(|agent| handoff.left_by == agent.as_str())))
    }

    fn waits_for_answer(&self, module: &Module) -> Result<bool, Refusal> {
        Ok(self.task(module)?.waiting.is_some_and(|waiting| waiting.what == WaitFor::Answer))
    }

    fn lost_dependencies(&self, module: &Module) -> Result<Vec<Module>, Refusal> {
        let task = self.task(module)?;
        if task.state.is_final() {
            return Ok(Vec::new());
        }
        let lost = |state| matches!(state, TaskState::Failed | TaskState::Cancelled);
        let needed = self.store.dependencies(task.key)?;
        Ok(needed.into_iter().filter(|needed| lost(needed.state)).map(|needed| needed.module).collect())
    }
}

/// A board with hundreds of rows of each kind that keep nobody from anything, made by others than those who play.
fn filled() -> (Stage, Vec<Module>) {
    let stage = Stage::new(Profile::Balanced);
    let eve = stage.aboard("eve", "main");
    stage.aboard("fred", "main");
    let mut last = Vec::new();
    let mut name = |kind: &str, n: usize| {
        let module = format!("{kind}{n}");
        if n + 1 == MANY {
            last.push(parse(&module));
        }
        module
    };
    let to_fred = Some(parse("agent:fred"));
    for n in 0..MANY {
        // In review by one who plays: nobody reviews its own work. Kept for fred: nobody else may.
        let reviewed = name("review", n);
        let fred = Some(parse("fred"));
        stage.add(NewTask { review: Some(Review::Required), reviewer: fred, ..new_task(&reviewed) });
        claim(&stage, &eve, &reviewed).expect("claimed");
        finish(&stage, &eve, &reviewed).expect("handed in");
        let handed = name("handed", n);
        stage.add(new_task(&handed));
        claim(&stage, &eve, &handed).expect("claimed");
        let (module, to, notes, tree) = (parse(&handed), to_fred.clone(), String::new(), WorkingTree::default());
        let new = NewHandoff { module, to, kind: HandoffKind::Takeover, notes, tree };
        stage.act(&eve, |turn| turn.leave_handoff(new).map(drop)).expect("left");
        let asking = name("asks", n);
        stage.add(new_task(&asking));
        claim(&stage, &eve, &asking).expect("claimed");
        let (text, options) = ("which?".to_owned(), Vec::new());
        let new = NewQuestion { module: Some(parse(&asking)), to: parse("agent:fred"), text, options, priority: 2 };
        stage.act(&eve, |turn| turn.ask(new).map(drop)).expect("asked");
        stage.add(NewTask { depends_on: vec![parse(&asking)], ..new_task(&name("unready", n)) });
        stage.act(&eve, |turn| turn.send_message(parse("agent:fred"), "hello", 1).map(drop)).expect("said");
    }
    (stage, last)
}

#[test]
fn the_model_with_hundreds_of_rows_of_each_kind_is_told_nothing_in_error() {
    let (stage, others) = filled();
    let asked = ProptestConfig::default();
    let cases = if asked.cases == 256 { 4 } else { asked.cases / 10 };
    let mut runner = TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..asked });
    let steps = prop::collection::vec(super::model::step(), 20..60);
    let played = runner.run(&steps, |steps| {
        let mut play = super::model::Play::on(stage.copy());
        for (at, step) in steps.iter().enumerate() {
            play.try_step(step);
            if at % 5 == 0 {
                play.compare(&others);
            }
        }
        Ok(())
    });
    played.expect("every nothing is true");
}
