//! Answering a request, and waiting for an answer that is not "nothing".
//!
//! As the command line does it: the mark before the look, a look before each claim. What hangs on time alone (a task that
//! is kept for its last agent) is woken by a timer of its own; what runs out is marked by the hub for everybody.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use super::lanes::{Lane, Way};
use super::meter::{Counted, Meter};
use super::request::{Request, Settled};
use super::stream::Pages;
use crate::app::Settings;
use crate::board::caller::Caller;
use crate::board::mutation::Refused;
use crate::board::outlook::Outlook;
use crate::domain::id::{AgentId, SessionId};
use crate::domain::refusal::Exit;
use crate::ops::Done;
use crate::platform::clock;
use crate::platform::deadline::Deadline;
use crate::platform::entropy::jitter;
use crate::watch::pace::Pace;

/// When something is no longer kept, waiters come within so many milliseconds.
const DUE_SPREAD_MS: u64 = 50;

/// Whoever waits looks this often by itself: a window that waits must be heard of before it counts as stale.
const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// The way from asynchronous doors to one board.
pub struct Bridge {
    looks: Lane,
    changes: Lane,
    alone: Lane,
    /// Who wakes those that wait.
    pub hub: Arc<Hub>,
    /// What is counted.
    pub meter: Arc<Meter>,
    /// Pages of streams that several readers want at once.
    pub(super) pages: Pages,
    /// Cancelled when the process is about to end: waits end with what there is.
    pub stopping: CancellationToken,
}

impl Bridge {
    /// A bridge to the board that these settings mean. Refuses what a look at the board is refused for.
    pub fn begin(settings: &Settings) -> Result<Self, Refused> {
        let unread = |refusal| Refused { refusal, revision: None };
        let meter = Arc::new(Meter::default());
        let lane = |way| Lane::begin(way, settings, &meter).map_err(unread);
        Ok(Self {
            looks: lane(Way::Looks)?,
            changes: lane(Way::Changes)?,
            alone: lane(Way::Alone)?,
            hub: Hub::begin(settings)?,
            pages: Pages::default(),
            stopping: CancellationToken::new(),
            meter,
        })
    }

    /// Answers a request. One that has patience is answered when there is something, when its time is over, or when the
    /// process is about to end.
    pub async fn call(&self, request: Arc<dyn Request>) -> Settled {
        let watch = clock::stopwatch();
        let settled = self.run(&request).await;
        let took = watch.elapsed();
        let patience = request.patience().filter(|patience| !patience.is_zero());
        let settled = match (settled, patience) {
            (Ok(done), Some(patience)) if !done.ends_wait() => {
                let _one = Counted::one(&self.meter.waiting);
                self.wait(&request, done, Deadline::after(patience)).await
            }
            (settled, _) => settled,
        };
        self.meter.answered(request.entry().name, exit_of(&settled), took);
        let (operation, exit) = (request.entry().name, exit_of(&settled) as u8);
        let code = settled.as_ref().err().map_or("", |refused| refused.refusal.code.as_str());
        let (work_ms, total_ms) = (took.as_millis(), watch.elapsed().as_millis());
        tracing::info!(operation, exit, code, work_ms, total_ms, "answered");
        settled
    }

    pub(super) async fn run(&self, request: &Arc<dyn Request>) -> Settled {
        let request = Arc::clone(request);
        let lane = match request.way() {
            Way::Looks => &self.looks,
            Way::Changes => &self.changes,
            Way::Alone => &self.alone,
        };
        lane.run(move |app| request.run(app)).await
    }

    /// Adds to a request what this machine knows, where it is the caller's. It may ask git, so nobody waits behind it.
    pub async fn prepare(&self, mut request: Box<dyn Request>) -> Result<Box<dyn Request>, Refused> {
        self.alone.run(move |app| request.prepare(app).map(|()| request)).await
    }

    /// Records that a window is there, and renews its leases.
    pub async fn be_heard_of(&self, agent: AgentId, session: SessionId) -> Result<(), Refused> {
        let caller = Caller { agent: Some(agent), session: Some(session), ..Caller::default() };
        self.changes.run(move |app| app.be_heard_of(&caller)).await
    }

    pub(super) async fn outlook(&self, request: &Arc<dyn Request>) -> Result<Outlook, Refused> {
        let request = Arc::clone(request);
        self.looks.run(move |app| request.outlook(app)).await
    }

    /// Waits after an answer that was "nothing".
    async fn wait(&self, request: &Arc<dyn Request>, nothing: Done<Value>, until: Deadline) -> Settled {
        let mut pace = Pace::default();
        let operation = request.entry().name;
        tracing::debug!(operation, for_ms = until.left().as_millis(), "waits");
        loop {
            let heard = self.hub.heard();
            let outlook = self.outlook(request).await?;
            let over = || until.is_over() || self.stopping.is_cancelled();
            if outlook.found && request.asks_again() {
                return Ok(nothing);
            }
            if outlook.found || over() {
                let done = self.run(&self.measured(request).await?).await?;
                if done.ends_wait() || over() {
                    return Ok(done);
                }
                // Somebody else was faster.
            }
            if outlook.silent {
                let request = Arc::clone(request);
                let told = outlook.clone();
                self.changes.run(move |app| request.tick(app, &told)).await?;
            }
            self.rest(pace.rest().min(until.left())).await;
            let news = self.hub.news(&heard, &outlook.topics);
            let left = until_kept(&outlook).map_or(LOOK_EVERY, |kept| kept.min(LOOK_EVERY)).min(until.left());
            tokio::select! {
                // Time is as good a reason to look as news.
                news = timeout(left, news) => tracing::debug!(operation, changed = news.is_ok(), "wakes"),
                () = self.stopping.cancelled() => {}
            }
        }
    }

    /// The request with where its caller works now. It may ask git, so nobody waits behind it.
    async fn measured(&self, request: &Arc<dyn Request>) -> Result<Arc<dyn Request>, Refused> {
        if !request.is_measured_here() {
            return Ok(Arc::clone(request));
        }
        let again = Arc::clone(request);
        self.alone.run(move |app| Ok(again.measured(&app.settings))).await
    }

    async fn rest(&self, rest: Duration) {
        if !rest.is_zero() {
            tokio::select! {
                () = sleep(rest) => {}
                () = self.stopping.cancelled() => {}
            }
        }
    }
}

/// In how long the next task is no longer kept for its last agent.
pub(super) fn until_kept(outlook: &Outlook) -> Option<Duration> {
    let left = u64::try_from(outlook.next_reservation?.0 - outlook.lease.0).ok().filter(|left| *left > 0)?;
    Some(Duration::from_millis(left + jitter(DUE_SPREAD_MS)))
}

/// The exit code that an answer stands for.
pub fn exit_of(settled: &Settled) -> Exit {
    settled.as_ref().map_or_else(|refused| refused.refusal.code.exit(), |done| done.exit())
}
