//! One ear for everybody who waits: a thread listens to the board's pulse and wakes those whom a change may concern.
//!
//! **Invariants.** A [`Heard`] is taken before the board is looked at, and was never newer than what the look saw: what
//! the look missed is news to it, and [`Hub::news`] then returns at once. Whatever the pulse says, the board is looked at
//! every so often for all of them: a process that died between its commit and its pulse told nobody.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::error::refusal_of;
use crate::app::{App, Settings};
use crate::board::caller::Caller;
use crate::board::mutation::{Answer, Refused};
use crate::board::outlook::Outlook;
use crate::domain::topic::Topic;
use crate::platform::deadline::Deadline;
use crate::platform::entropy::jitter;
use crate::watch::pulse::Pulse;
use crate::watch::watcher::{Ear, Mark, Watcher, Woken};

/// The board is looked at this often without being told, while somebody waits,
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// and up to so many milliseconds later.
const LOOK_SPREAD_MS: u64 = 5_000;
/// After something has run out, it is marked within so many milliseconds.
const DUE_SPREAD_MS: u64 = 50;
/// The clock is recorded at most this often.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// How long the thread sleeps at most, so that it ends soon after nobody needs it.
const TURN: Duration = Duration::from_secs(1);

/// One ear for everybody.
pub struct Hub {
    state: Mutex<State>,
}

struct State {
    heard: Heard,
    waiters: BTreeMap<u64, Waiter>,
    next: u64,
}

struct Waiter {
    heard: Heard,
    ear: Ear,
    wake: oneshot::Sender<()>,
}

/// What was known of the board at one moment.
#[derive(Clone)]
pub struct Heard {
    mark: Arc<Mark>,
    /// How often everybody was woken whatever they listen to.
    alarms: u64,
    /// Counts what was heard.
    pub version: u64,
}

/// A place among those who wait. It is given up when this is dropped.
struct Waiting<'a> {
    hub: &'a Hub,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.hub.state().waiters.remove(&self.number);
    }
}

impl Hub {
    /// Begins to listen to the board that these settings mean.
    pub fn begin(settings: &Settings) -> Result<Arc<Self>, Refused> {
        let unread = |refusal| Refused { refusal, revision: None };
        let app = App::new(settings.again().map_err(unread)?, |_| {});
        let mut watcher = app.watcher()?;
        let heard = Heard { mark: Arc::new(watcher.mark()), alarms: 0, version: 0 };
        let hub = Arc::new(Self { state: Mutex::new(State { heard, waiters: BTreeMap::new(), next: 0 }) });
        let weak = Arc::downgrade(&hub);
        let thread = std::thread::Builder::new().name("hub".to_owned());
        let started = thread.spawn(move || Ears { app, watcher }.listen(&weak));
        started.map_err(|error| unread(refusal_of("start a thread", &error)))?;
        Ok(hub)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known now.
    pub fn heard(&self) -> Heard {
        self.state().heard.clone()
    }

    /// Waits for news after `heard` that may concern whoever hangs on these topics.
    pub async fn news(&self, heard: &Heard, topics: &[Topic]) {
        let ear = Ear::of(topics);
        let (wake, woken) = oneshot::channel();
        let waiting = {
            let mut state = self.state();
            if state.heard.is_news(heard, &ear) {
                return;
            }
            let number = state.next;
            state.next += 1;
            state.waiters.insert(number, Waiter { heard: heard.clone(), ear, wake });
            Waiting { hub: self, number }
        };
        // The hub never drops a waiter without waking it.
        let _ = woken.await;
        drop(waiting);
    }

    fn is_needed(&self) -> bool {
        !self.state().waiters.is_empty()
    }

    fn publish(&self, mark: Mark, alarm: Alarm) {
        let mut state = self.state();
        let before = &state.heard;
        let alarms = before.alarms + u64::from(alarm == Alarm::Everybody);
        state.heard = Heard { mark: Arc::new(mark), alarms, version: before.version + 1 };
        let State { heard, waiters, .. } = &mut *state;
        let is_concerned = |waiter: &Waiter| heard.is_news(&waiter.heard, &waiter.ear);
        let concerned: Vec<u64> =
            waiters.iter().filter(|(_, waiter)| is_concerned(waiter)).map(|(number, _)| *number).collect();
        tracing::debug!(version = heard.version, waiters = waiters.len(), woken = concerned.len(), "the board changed");
        for waiter in concerned.iter().filter_map(|number| waiters.remove(number)) {
            // Whoever waited may have left.
            let _ = waiter.wake.send(());
        }
    }
}

/// Whom something concerns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alarm {
    /// Those whose bells were rung.
    Concerned,
    /// Everybody.
    Everybody,
}

impl Heard {
    fn is_news(&self, before: &Self, ear: &Ear) -> bool {
        self.alarms != before.alarms || self.mark.concerns(&before.mark, ear)
    }
}

/// The thread's own.
struct Ears {
    app: App,
    watcher: Watcher,
}

/// When the board is looked at next, and when the clock may be recorded again.
struct Times {
    look: Deadline,
    tick: Deadline,
}

impl Ears {
    fn listen(mut self, hub: &Weak<Hub>) {
        let now = Deadline::after(Duration::ZERO);
        let mut times = Times { look: now, tick: now };
        while let Some(here) = hub.upgrade() {
            let turn = catch_unwind(AssertUnwindSafe(|| self.turn(here, &mut times)));
            if turn.is_err() {
                tracing::error!("the thread that watches the board begins again");
                // Whoever waits looks for itself, and the ear begins anew.
                Deadline::after(TURN).nap(TURN);
                if let (Ok(watcher), Some(here)) = (self.app.watcher(), hub.upgrade()) {
                    self.watcher = watcher;
                    here.publish(self.watcher.mark(), Alarm::Everybody);
                }
            }
        }
    }

    fn turn(&mut self, here: Arc<Hub>, times: &mut Times) {
        let mut mark = self.watcher.mark();
        here.publish(mark.clone(), Alarm::Concerned);
        if times.look.is_over() && here.is_needed() {
            times.look = self.look(&here, &mark, &mut times.tick);
        }
        // It ends soon after nobody else has it.
        drop(here);
        let turn = Deadline::after(TURN);
        let until = if times.look.is_over() { turn } else { times.look.or_sooner(turn) };
        if let Woken::Deadline(_) = self.watcher.wait(&mut mark, &Ear::all(), until) {
            times.look = Deadline::after(Duration::ZERO);
        }
    }

    /// Looks at the board for everybody: whether it is as its pulse says, and whether something has run out. Returns when
    /// to look again.
    fn look(&self, hub: &Hub, mark: &Mark, tick: &mut Deadline) -> Deadline {
        let later = Deadline::after(LOOK_EVERY + Duration::from_millis(jitter(LOOK_SPREAD_MS)));
        let nobody = Caller::default();
        let seen = self.app.look(&nobody, |look| {
            let board = look.board();
            let head = Pulse {
                generation: board.generation.clone(),
                revision: board.revision,
                presence: board.presence,
                event_seq: board.event_seq,
                next_deadline: 0,
            };
            Ok(Answer::done((head, look.outlook(false, Vec::new())?)))
        });
        if let Err(refused) = &seen {
            tracing::warn!(code = %refused.refusal.code, "the board cannot be read");
        }
        let Ok((head, outlook)) = seen.map(|seen| seen.answer.reply) else {
            // Whoever waits is to be told why the board cannot be read.
            hub.publish(mark.clone(), Alarm::Everybody);
            return later;
        };
        tracing::trace!(revision = head.revision, presence = head.presence, "the board was read for those who wait");
        let place = |pulse: &Pulse| (pulse.revision, pulse.presence, pulse.event_seq);
        let told = mark.pulse().filter(|told| told.generation == head.generation);
        if told.is_none_or(|told| place(told) < place(&head)) {
            hub.publish(mark.clone(), Alarm::Everybody);
        }
        if outlook.tick && tick.is_over() {
            *tick = Deadline::after(TICK_EVERY);
            // What this process cannot record another one does, or the next look tries again.
            let _ = self.app.tick(&nobody, &outlook);
            return Deadline::after(TICK_EVERY);
        }
        next_due(&outlook).map_or(later, |due| Deadline::after(due).or_sooner(later))
    }
}

/// In how long something runs out.
fn next_due(outlook: &Outlook) -> Option<Duration> {
    let left = u64::try_from(outlook.next_deadline?.0 - outlook.lease.0).unwrap_or(0);
    Some(Duration::from_millis(left + jitter(DUE_SPREAD_MS)))
}
