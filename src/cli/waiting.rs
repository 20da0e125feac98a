//! Waiting for an answer that is not "nothing": sleep until the board says that it may have changed, look, and only then
//! run the operation again.
//!
//! **Invariants.** The mark is taken before each look, so nothing that comes between the look and the sleep is missed.
//! Whatever the ear says, the board is looked at every so often: a process that died between its commit and its pulse told
//! nobody.

use std::time::Duration;

use super::client::Client;
use super::out::Out;
use crate::app::App;
use crate::board::mutation::Refused;
use crate::board::outlook::Outlook;
use crate::domain::time::LeaseTime;
use crate::ops::call::Shared as _;
use crate::ops::surroundings::Surroundings;
use crate::ops::{Done, Kind, Operation};
use crate::platform::deadline::Deadline;
use crate::platform::entropy::jitter;
use crate::platform::{clock, signals};
use crate::watch::pace::Pace;
use crate::watch::watcher::{Ear, Mark, Watcher, Woken};
use crate::workspace::git;

/// The board is looked at this often without being told,
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// and up to so many milliseconds later, so that many waiters do not come together.
const LOOK_SPREAD_MS: u64 = 5_000;
/// When something runs out, waiters come within so many milliseconds.
const DUE_SPREAD_MS: u64 = 50;
/// The clock is recorded by one process at most this often.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// Where an operation is done.
#[derive(Clone, Copy)]
pub(super) enum Board<'a> {
    /// In the directory.
    Here(&'a App),
    /// On a server.
    There(&'a Client<'a>),
}

impl Board<'_> {
    /// What operations ask before they run.
    pub(super) fn surroundings(&self) -> &dyn Surroundings {
        match self {
            Self::Here(app) => *app,
            Self::There(client) => *client,
        }
    }

    /// Runs `operation`, without waiting for the board to change.
    pub(super) fn look<O: Operation>(&self, operation: &O, call: &O::Call) -> Result<Done<O::Reply>, Refused> {
        match self {
            Self::Here(app) => operation.answer(call, app),
            Self::There(client) => client.run(operation, call),
        }
    }

    /// Runs `operation`, and as long as its answer is "nothing" and its call has patience, again when that may have
    /// changed.
    pub(super) fn run<O: Operation>(
        &self,
        operation: &O,
        call: &O::Call,
        out: &mut Out,
    ) -> Result<Done<O::Reply>, Refused> {
        let done = self.look(operation, call)?;
        match call.patience() {
            Some(patience) if !done.ends_wait() && !patience.is_zero() => {
                self.wait(operation, call, Deadline::after(patience), out)
            }
            _ => Ok(done),
        }
    }

    /// Waits for an answer that is not "nothing", or until the time is over.
    pub(super) fn wait<O: Operation>(
        &self,
        operation: &O,
        call: &O::Call,
        until: Deadline,
        out: &mut Out,
    ) -> Result<Done<O::Reply>, Refused> {
        signals::heed();
        match self {
            Self::Here(app) => wait(operation, call, app, until, out),
            Self::There(client) => client.wait(operation, call, until),
        }
    }
}

fn wait<O: Operation>(
    operation: &O,
    call: &O::Call,
    app: &App,
    until: Deadline,
    out: &mut Out,
) -> Result<Done<O::Reply>, Refused> {
    let mut watcher = app.watcher()?;
    if let Some(why) = &watcher.deaf {
        out.note(&format!("changes are found by reading, because the system does not tell of them: {why}"));
    }
    let mut pace = Pace::default();
    let mut next_tick = Deadline::after(Duration::ZERO);
    tracing::debug!(operation = O::NAME, for_ms = until.left().as_millis(), "waits");
    loop {
        let mut mark = watcher.mark();
        let looked = clock::stopwatch();
        let outlook = operation.outlook(call, app)?;
        tracing::trace!(operation = O::NAME, found = outlook.found, "the board was read");
        if outlook.found || until.is_over() {
            let done = operation.answer(&measured::<O>(call, app), app)?;
            if done.ends_wait() || until.is_over() {
                tracing::debug!(operation = O::NAME, exit = done.exit() as u8, "the wait ends");
                return Ok(done);
            }
            // Somebody else was faster.
        }
        if outlook.tick && next_tick.is_over() {
            next_tick = Deadline::after(TICK_EVERY);
            app.tick(&call.who(), &outlook)?;
            continue;
        }
        until.nap(pace.rest());
        sleep(&mut watcher, &mut mark, &outlook, looked.elapsed(), until);
    }
}

/// The call with where its caller works now: what is granted after a wait begins there, not where the wait began.
fn measured<O: Operation>(call: &O::Call, app: &App) -> O::Call {
    let mut call = call.clone();
    if let Some(facts) = call.facts().filter(|_| O::KIND == Kind::Mutation) {
        facts.workspace = git::workspace(&app.settings.directory, &app.settings.host_name);
    }
    call
}

/// Sleeps until it pays to look; `ago` is how long ago the last look was.
fn sleep(watcher: &mut Watcher, mark: &mut Mark, outlook: &Outlook, ago: Duration, until: Deadline) {
    let ear = Ear::of(&outlook.topics);
    let look = Deadline::after(LOOK_EVERY + Duration::from_millis(jitter(LOOK_SPREAD_MS))).or_sooner(until);
    let spread = Duration::from_millis(jitter(DUE_SPREAD_MS));
    let looked = clock::stopwatch();
    // A time on the lease clock as a time to wake up at. What has passed was looked at.
    let due = |at: Option<LeaseTime>| {
        let left = u64::try_from(at?.0 - outlook.lease.0).ok().filter(|left| *left > 0)?;
        let left = Duration::from_millis(left).saturating_sub(ago + looked.elapsed());
        Some(Deadline::after(left + spread))
    };
    let kept = due(outlook.next_reservation).map_or(look, |due| due.or_sooner(look));
    let mut end = due(outlook.next_deadline).map_or(kept, |due| due.or_sooner(kept));
    while let Woken::Deadline(at) = watcher.wait(mark, &ear, end) {
        end = due(Some(LeaseTime(at))).map_or(kept, |due| due.or_sooner(kept));
    }
}
