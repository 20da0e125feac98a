//! A random play of several agents in several windows, with a clock that jumps, checked after every step. For tests.
//!
//! What each step must not do is said once, in [`Play::step`]; what must always hold is in [`super::invariants`].

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::caller::Caller;
use super::claims::{Overlapping, Wish};
use super::deeds::{self, Deed, Signal, Word};
use super::graph::Force;
use super::invariants;
use super::mutation::{Answer, Committed, Outcome, Refused};
use super::nothing::must_be_true;
use super::stage::{Guards, Snapshot, Stage, new_task, parse, person, registration};
use super::tasks::NewTask;
use super::turn::Touched;
use crate::domain::agent::Role;
use crate::domain::event::EventKind;
use crate::domain::id::{LeaseToken, Module};
use crate::domain::lease::LeaseKind;
use crate::domain::profile::{Profile, Review};
use crate::domain::refusal::{Code, Refusal};

/// A step of the play. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Add {
        needs: Vec<usize>,
        priority: u8,
        path: Option<usize>,
        specialty: Option<usize>,
        review: bool,
    },
    Depend(usize, usize),
    Undepend(usize, usize),
    Register(usize),
    ClaimNext(usize),
    Claim(usize, usize, bool),
    ReviewNext(usize),
    StartReview(usize, usize),
    /// With the token of a lease that was granted at some time.
    Hold(usize, Deed),
    /// In a window, without a token.
    Try(usize, usize, Deed),
    Person(usize, Word),
    /// In a window, or by a person.
    Signal(Option<usize>, usize, Signal),
    Close(usize),
    Reap,
    Pass(i64),
    /// The last step that was done, with the same request id.
    Repeat,
}

const PATHS: [&str; 4] = ["src/**", "src/a.rs", "docs/**", "**/*.md"];
const SPECIALTIES: [&str; 2] = ["rust", "docs"];
const WINDOWS: [(&str, &str); 6] =
    [("ann", "main"), ("ann", "two"), ("ben", "main"), ("carl", "main"), ("dora", "main"), ("paula", "main")];
/// What the board says is compared with what could be done after every so many steps.
const COMPARED_EVERY: usize = 7;

/// Any step.
pub(super) fn step() -> impl Strategy<Value = Step> {
    let at = || 0..8usize;
    let add = (
        prop::collection::vec(at(), 0..3),
        0..5u8,
        prop::option::of(0..4usize),
        prop::option::of(0..2usize),
        any::<bool>(),
    )
        .prop_map(|(needs, priority, path, specialty, review)| Step::Add {
            needs,
            priority,
            path,
            specialty,
            review,
        });
    prop_oneof![
        4 => add,
        1 => (at(), at()).prop_map(|(a, b)| Step::Depend(a, b)),
        1 => (at(), at()).prop_map(|(a, b)| Step::Undepend(a, b)),
        2 => at().prop_map(Step::Register),
        6 => at().prop_map(Step::ClaimNext),
        3 => (at(), at(), any::<bool>()).prop_map(|(w, t, force)| Step::Claim(w, t, force)),
        3 => at().prop_map(Step::ReviewNext),
        1 => (at(), at()).prop_map(|(w, t)| Step::StartReview(w, t)),
        8 => (0..40usize, deeds::deed()).prop_map(|(grant, deed)| Step::Hold(grant, deed)),
        3 => (at(), at(), deeds::deed()).prop_map(|(w, t, deed)| Step::Try(w, t, deed)),
        3 => (at(), deeds::word()).prop_map(|(t, word)| Step::Person(t, word)),
        6 => (prop::option::of(at()), at(), deeds::signal()).prop_map(|(w, t, signal)| Step::Signal(w, t, signal)),
        1 => at().prop_map(Step::Close),
        1 => Just(Step::Reap),
        4 => prop_oneof![0..30i64, 50..70i64, 100..400i64].prop_map(Step::Pass),
        2 => Just(Step::Repeat),
    ]
}

/// The right to write, as it was granted once.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Grant {
    module: Module,
    kind: LeaseKind,
    token: LeaseToken,
}

/// A play.
pub(super) struct Play {
    pub(super) stage: Stage,
    pub(super) windows: Vec<Option<Caller>>,
    grants: Vec<(Caller, Grant)>,
    tasks: usize,
    steps: usize,
    last: Option<(Step, Guards, Caller)>,
}

impl Play {
    /// A play on this board, in which everybody comes aboard first.
    pub(super) fn on(stage: Stage) -> Self {
        let mut play = Self::empty(stage);
        for window in 0..WINDOWS.len() {
            play.try_step(&Step::Register(window));
        }
        play
    }

    fn empty(stage: Stage) -> Self {
        Self { stage, windows: vec![None; WINDOWS.len()], grants: Vec::new(), tasks: 0, steps: 0, last: None }
    }

    /// Everybody who is aboard, and a person.
    fn everybody(&self) -> impl Iterator<Item = Caller> {
        self.windows.clone().into_iter().flatten().chain([person()])
    }

    /// Checks every "nothing" that the board would say now.
    pub(super) fn compare(&self, others: &[Module]) {
        let mut modules: Vec<Module> = (0..self.tasks).map(|at| self.module(at)).collect();
        modules.extend_from_slice(others);
        self.everybody().for_each(|caller| must_be_true(&self.stage, &caller, &modules));
    }

    /// Does one step, and looks at nothing else.
    pub(super) fn try_step(&mut self, step: &Step) {
        self.steps += 1;
        match step {
            Step::Pass(seconds) => return self.stage.pass(*seconds),
            Step::Repeat => return,
            _ => {}
        }
        let Some(caller) = self.caller(step) else { return };
        let request = Some(format!("r{}", self.steps));
        let guards = Guards { request, asked: format!("{step:?}"), ..Guards::default() };
        if let Ok(done) = self.perform(step, &caller, &guards) {
            self.remember(step, &caller, &guards, &done.answer.reply);
        }
    }

    fn module(&self, at: usize) -> Module {
        parse(&format!("m{}", at % self.tasks.max(1)))
    }

    /// Does one step and checks all that it may and may not have changed.
    fn step(&mut self, step: &Step) {
        self.steps += 1;
        match step {
            Step::Pass(seconds) => return self.stage.pass(*seconds),
            Step::Repeat => return self.repeat(),
            _ => {}
        }
        let Some(caller) = self.caller(step) else { return };
        let late = matches!(step, Step::Hold(..)).then(|| self.target(step)).flatten();
        let asked = format!("{step:?}");
        let guards = Guards { request: Some(format!("r{}", self.steps)), asked, expected_revision: None, late };
        let before = self.stage.snapshot();
        let came = self.perform(step, &caller, &guards);
        let now = self.stage.snapshot();
        invariants::check(&now);
        match &came {
            Err(refused) => Self::nothing_changed(&before, &now, &refused.refusal),
            Ok(done) if done.touched == Touched::Nothing && done.pulse.is_none() => assert_eq!(before, now),
            Ok(done) => {
                invariants::check_step(&before, &now);
                self.fencing(step, &before, &now, &done.answer.reply);
                self.remember(step, &caller, &guards, &done.answer.reply);
                if done.answer.outcome != Outcome::Done {
                    // Nothing was done, so there is nothing to repeat.
                    self.last = None;
                }
            }
        }
    }

    fn caller(&self, step: &Step) -> Option<Caller> {
        match step {
            Step::ClaimNext(w)
            | Step::Claim(w, ..)
            | Step::ReviewNext(w)
            | Step::StartReview(w, _)
            | Step::Try(w, ..)
            | Step::Signal(Some(w), ..)
            | Step::Close(w) => self.windows[w % WINDOWS.len()].clone(),
            Step::Hold(at, _) => {
                let (caller, grant) = self.grants.get(at % self.grants.len().max(1))?;
                Some(Caller { session: None, token: Some(grant.token.clone()), ..caller.clone() })
            }
            _ => Some(person()),
        }
    }

    fn target(&self, step: &Step) -> Option<Module> {
        match step {
            Step::Hold(at, _) => Some(self.grants.get(at % self.grants.len().max(1))?.1.module.clone()),
            Step::Claim(_, at, _)
            | Step::StartReview(_, at)
            | Step::Try(_, at, _)
            | Step::Person(at, _)
            | Step::Signal(_, at, _) => Some(self.module(*at)),
            _ => None,
        }
    }

    fn perform(&self, step: &Step, caller: &Caller, guards: &Guards) -> Result<Committed<Value>, Refused> {
        let target = self.target(step);
        self.stage.act_guarded(caller, guards, |turn| {
            let module = target.as_ref();
            let reply = match step {
                Step::Add { needs, priority, path, specialty, review } => {
                    let task = NewTask {
                        depends_on: if self.tasks == 0 {
                            vec![]
                        } else {
                            needs.iter().map(|at| self.module(*at)).collect()
                        },
                        priority: *priority,
                        owned_paths: path.iter().map(|at| parse(PATHS[*at])).collect(),
                        specialty: specialty.map(|at| parse(SPECIALTIES[at])),
                        review: review.then_some(Review::Required),
                        ..new_task(&format!("m{}", self.tasks))
                    };
                    turn.add_task(task).map(|_| json!({}))?
                }
                Step::Depend(a, b) => {
                    turn.depend(&self.module(*a), &[self.module(*b)], Force::No).map(|_| json!({}))?
                }
                Step::Undepend(a, b) => turn.undepend(&self.module(*a), &[self.module(*b)]).map(|_| json!({}))?,
                Step::Register(w) => {
                    let (key, window) = WINDOWS[w % WINDOWS.len()];
                    let wanted = super::agents::Registration {
                        roles: if key == "paula" { vec![Role::Planner] } else { Vec::new() },
                        resume: true,
                        specialties: if key == "ben" { vec![parse("docs")] } else { Vec::new() },
                        max_tasks: Some(if key == "ann" { 2 } else { 1 }),
                        ttl: Some(60u32.try_into().expect("a length")),
                        ..registration(key, window)
                    };
                    let aboard = turn.register(wanted)?;
                    json!({"agent": aboard.agent.id, "session": aboard.session.id})
                }
                Step::ClaimNext(_) => return Ok(reply(turn.claim_next(&Wish::default())?)),
                Step::Claim(_, _, force) => {
                    let overlapping = if *force && turn.board.profile == Profile::Throughput {
                        Overlapping::Allow
                    } else {
                        Overlapping::Refuse
                    };
                    return Ok(reply(turn.claim(module.expect("a task"), &Wish::default(), overlapping)?));
                }
                Step::ReviewNext(_) => return Ok(reply(turn.claim_review_next(None, None)?)),
                Step::StartReview(..) => return Ok(reply(turn.start_review(module.expect("a task"), None)?)),
                Step::Hold(_, deed) | Step::Try(_, _, deed) => deeds::done(turn, module.expect("a task"), *deed)?,
                Step::Person(_, word) => deeds::said(turn, module.expect("a task"), *word)?,
                Step::Signal(_, _, signal) => return deeds::signalled(turn, module.expect("a task"), *signal),
                Step::Close(_) => turn.close_session(None).map(|_| json!({}))?,
                Step::Reap => turn.reap_sessions(300).map(|_| json!({}))?,
                Step::Pass(_) | Step::Repeat => unreachable!("they change no board"),
            };
            Ok(Answer::done(reply))
        })
    }

    /// A refusal changes nothing, but a result that came too late is kept as an event.
    fn nothing_changed(before: &Snapshot, now: &Snapshot, refusal: &Refusal) {
        let same = without_records(before, now);
        let added = &now.events[before.events.len()..];
        let may_be_late = matches!(refusal.code, Code::StaleLease | Code::StaleSession);
        assert!(may_be_late || added.iter().all(|event| event.kind == EventKind::ClockCut), "{refusal}: {added:?}");
        assert_eq!(&same, before, "{refusal} changed something");
        assert_ne!(refusal.code, Code::Internal, "{refusal}");
        assert_ne!(refusal.code, Code::Damaged, "{refusal}");
    }

    /// What was granted was free, and what a token did it had the right to.
    fn fencing(&self, step: &Step, before: &Snapshot, now: &Snapshot, reply: &Value) {
        let lease_of = |snapshot: &Snapshot, grant: &Grant| {
            let mut of =
                snapshot.leases.iter().filter(|lease| lease.module == grant.module && lease.kind == grant.kind);
            of.next().cloned()
        };
        if let Some(granted) = grant_of(reply)
            && let Some(old) = lease_of(before, &granted)
        {
            let new = lease_of(now, &granted).expect("it was granted");
            let free = old.lapsed || old.handed || old.deadline <= now.board.dial.lease;
            assert!(old.session == new.session || free, "{} was taken from a live holder", granted.module);
        }
        if let Step::Hold(at, deed) = step {
            let (_, grant) = &self.grants[at % self.grants.len()];
            let held = lease_of(before, grant).map(|lease| lease.token);
            assert_eq!(held.as_ref(), Some(&grant.token), "{deed:?} with a token that is not the present one");
        }
    }

    fn remember(&mut self, step: &Step, caller: &Caller, guards: &Guards, reply: &Value) {
        match step {
            Step::Register(w) => {
                let (agent, session) = (&reply["agent"], &reply["session"]);
                let text = |value: &Value| value.as_str().expect("an id").to_owned();
                let (agent, session) = (Some(parse(&text(agent))), Some(parse(&text(session))));
                self.windows[w % WINDOWS.len()] = Some(Caller { agent, session, ..Caller::default() });
            }
            Step::Add { .. } => self.tasks += 1,
            _ => {}
        }
        if let Some(grant) = grant_of(reply) {
            self.grants.push((caller.clone(), grant));
        }
        // What depends on how many tasks there are now would not be the same request.
        self.last = (!matches!(step, Step::Add { .. } | Step::Register(_)))
            .then(|| (step.clone(), guards.clone(), caller.clone()));
    }

    /// A repeated request is answered with the first reply, or told whose its lease is now; it changes nothing.
    fn repeat(&mut self) {
        let Some((step, guards, caller)) = self.last.take() else { return };
        let before = self.stage.snapshot();
        match self.perform(&step, &caller, &guards) {
            Ok(done) => assert!(done.replayed, "{step:?}"),
            Err(refused) => assert_eq!(refused.refusal.code, Code::StaleLease, "{step:?}: {}", refused.refusal),
        }
        let now = without_records(&before, &self.stage.snapshot());
        assert_eq!(before, now);
    }
}

/// A board after a refusal, without what a refusal may leave: the clock's record and a result that came too late.
fn without_records(before: &Snapshot, now: &Snapshot) -> Snapshot {
    let mut same = now.clone();
    same.events.truncate(before.events.len());
    same.board.event_seq = before.board.event_seq;
    same.board.dial = before.board.dial;
    let records = [EventKind::LateResult, EventKind::ClockCut];
    assert!(now.events[before.events.len()..].iter().all(|event| records.contains(&event.kind)));
    same
}

pub(super) fn reply<T: Serialize>(answer: Answer<T>) -> Answer<Value> {
    Answer { outcome: answer.outcome, reply: serde_json::to_value(answer.reply).expect("a reply is JSON") }
}

fn grant_of(reply: &Value) -> Option<Grant> {
    serde_json::from_value(reply.get("lease")?.clone()).ok()
}

/// Few plays by default; `PROPTEST_CASES=5000` makes a soak of it.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if asked.cases == 256 { 64 } else { asked.cases };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_play_breaks_an_invariant(
        profile in prop::sample::select(vec![Profile::Safe, Profile::Balanced, Profile::Balanced, Profile::Throughput]),
        steps in prop::collection::vec(step(), 20..90),
    ) {
        let mut play = Play::empty(Stage::new(profile));
        for window in 0..WINDOWS.len() {
            play.step(&Step::Register(window));
        }
        for _ in 0..3 {
            play.step(&Step::Add { needs: vec![], priority: 2, path: None, specialty: None, review: true });
        }
        for (at, step) in steps.iter().enumerate() {
            play.step(step);
            if at % COMPARED_EVERY == 0 {
                play.compare(&[]);
            }
        }
    }
}
