//! The threads that do the work: one for changes, a few for looks and for what must be done alone.
//!
//! What waits in the lane of changes when its thread comes back is done in one group: one lock, one durable transaction.
//! Each is answered after the commit, and a storage that fails takes all of them along: none was done.
//!
//! **Invariants.** A job whose caller has gone before it began is not done.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::meter::Meter;
use super::request::Request;
use crate::app::error::{internal_error, refusal_of};
use crate::app::together::Ended;
use crate::app::{App, Settings};
use crate::board::mutation::Refused;
use crate::board::outlook::Outlook;
use crate::domain::refusal::{Code, Refusal};
use crate::platform::deadline::Deadline;
use crate::store::Access;

/// How many threads look, and how many do what must be done alone.
const THREADS: usize = 2;
/// A group has at most so many parts, because what goes wrong with the commit goes wrong for all,
const GROUP_MOST: usize = 256;
/// and takes in more for so long at most, because others wait for the lock.
const GROUP_TAKES: Duration = Duration::from_millis(25);
/// Whether another process waits is asked after every so many parts: it costs as much as one.
const OTHERS_ASKED_EVERY: usize = 16;

/// What a lane does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Looks, together.
    Looks,
    /// Changes, together.
    Changes,
    /// One thing at a time.
    Alone,
}

/// Work whose answer somebody awaits.
trait Job: Send {
    /// True while somebody awaits it.
    fn is_wanted(&self) -> bool;
    /// Does it; what comes back answers it.
    fn run(self: Box<Self>, app: &App) -> Box<dyn Answer>;
    /// Answers it with a refusal.
    fn refuse(self: Box<Self>, refused: Refused);
}

/// Work that was done, and not answered yet.
trait Answer {
    fn answer(self: Box<Self>, ended: &Result<Ended, Refused>);
}

/// A reply that says what came of the group that it was a part of.
pub trait Part: Send + 'static {
    /// Takes in what is known after the commit.
    fn ended(&mut self, ended: &Ended);
}

impl Part for crate::ops::Done<serde_json::Value> {
    fn ended(&mut self, ended: &Ended) {
        // A look says nothing of pages.
        if self.request_id.is_some() {
            self.projection_behind |= ended.projection_behind;
            self.warnings.extend(ended.warnings.iter().cloned());
        }
    }
}

impl Part for Outlook {
    fn ended(&mut self, _: &Ended) {}
}

impl Part for Box<dyn Request> {
    fn ended(&mut self, _: &Ended) {}
}

impl Part for Arc<dyn Request> {
    fn ended(&mut self, _: &Ended) {}
}

impl Part for () {
    fn ended(&mut self, _: &Ended) {}
}

struct Task<T, W> {
    work: W,
    reply: oneshot::Sender<Result<T, Refused>>,
}

struct Finished<T> {
    result: Result<T, Refused>,
    reply: oneshot::Sender<Result<T, Refused>>,
}

impl<T: Part, W: FnOnce(&App) -> Result<T, Refused> + Send> Job for Task<T, W> {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(self: Box<Self>, app: &App) -> Box<dyn Answer> {
        let Self { work, reply } = *self;
        let result = catch_unwind(AssertUnwindSafe(|| work(app))).unwrap_or_else(|panic| Err(mistake(&*panic)));
        Box::new(Finished { result, reply })
    }

    fn refuse(self: Box<Self>, refused: Refused) {
        // Whoever asked may have left.
        let _ = self.reply.send(Err(refused));
    }
}

impl<T: Part> Answer for Finished<T> {
    fn answer(self: Box<Self>, ended: &Result<Ended, Refused>) {
        let result = match ended {
            Ok(ended) => self.result.map(|mut reply| {
                reply.ended(ended);
                reply
            }),
            Err(refused) => Err(refused.clone()),
        };
        let _ = self.reply.send(result);
    }
}

fn mistake(panic: &(dyn Any + Send)) -> Refused {
    Refused { refusal: internal_error(panic), revision: None }
}

/// A queue with threads that work it off. The threads end when it is dropped and everything in it is done.
#[derive(Clone)]
pub struct Lane {
    queue: Sender<Box<dyn Job>>,
    way: Way,
    meter: Arc<Meter>,
}

impl Lane {
    /// A lane on the board that these settings mean.
    pub fn begin(way: Way, settings: &Settings, meter: &Arc<Meter>) -> Result<Self, Refusal> {
        let (queue, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let threads = if way == Way::Changes { 1 } else { THREADS };
        for _ in 0..threads {
            let (jobs, meter, settings) = (Arc::clone(&jobs), Arc::clone(meter), settings.again()?);
            // Clocks and randomness belong to one thread.
            let work = move || work(way, &App::new(settings, |_| {}), &jobs, &meter);
            let started = std::thread::Builder::new().name(format!("{way:?}").to_lowercase()).spawn(work);
            started.map_err(|error| refusal_of("start a thread", &error))?;
        }
        Ok(Self { queue, way, meter: Arc::clone(meter) })
    }

    /// Has `work` done.
    pub async fn run<T: Part>(
        &self,
        work: impl FnOnce(&App) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        self.meter.queued(self.way, 1);
        // The threads live as long as there is a queue; if one has died, its answer never comes.
        let _ = self.queue.send(Box::new(Task { work, reply }));
        answer.await.unwrap_or_else(|_| {
            let refusal = Refusal::new(Code::Internal, "the thread that was to do it has ended");
            Err(Refused { refusal, revision: None })
        })
    }
}

fn work(way: Way, app: &App, jobs: &Mutex<Receiver<Box<dyn Job>>>, meter: &Meter) {
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(first) = next() {
        meter.queued(way, -1);
        match way {
            Way::Alone if !first.is_wanted() => {}
            Way::Alone => first.run(app).answer(&Ok(Ended::default())),
            Way::Looks => group(way, Access::Read, first, app, jobs, meter),
            Way::Changes => group(way, Access::Write, first, app, jobs, meter),
        }
    }
}

fn group(
    way: Way,
    access: Access,
    first: Box<dyn Job>,
    app: &App,
    jobs: &Mutex<Receiver<Box<dyn Job>>>,
    meter: &Meter,
) {
    let another = || {
        let job = jobs.try_lock().ok()?.try_recv().ok()?;
        meter.queued(way, -1);
        Some(job)
    };
    if !first.is_wanted() {
        return;
    }
    let begun = catch_unwind(AssertUnwindSafe(|| app.begin_together(access)));
    if let Err(refused) = begun.unwrap_or_else(|panic| Err(mistake(&*panic))) {
        tracing::warn!(queue = ?way, code = %refused.refusal.code, "a batch was refused");
        // Whoever waits behind it would wait as long for the same.
        std::iter::successors(Some(first), |_| another()).for_each(|job| job.refuse(refused.clone()));
        return;
    }
    let enough = Deadline::after(GROUP_TAKES);
    let mut finished = Vec::new();
    let mut next = Some(first);
    while let Some(job) = next {
        if job.is_wanted() {
            finished.push(job.run(app));
        }
        let parts = finished.len();
        let full = parts >= GROUP_MOST || enough.is_over();
        let yields = parts.is_multiple_of(OTHERS_ASKED_EVERY) && app.others_wait();
        next = if full || yields { None } else { another() };
    }
    meter.grouped(way, finished.len());
    tracing::debug!(queue = ?way, requests = finished.len(), "a batch ends");
    let ended = catch_unwind(AssertUnwindSafe(|| app.end_together()));
    let ended = ended.unwrap_or_else(|panic| Err(mistake(&*panic)));
    if let Err(refused) = &ended {
        tracing::warn!(queue = ?way, code = %refused.refusal.code, "a batch was undone");
    }
    for job in finished {
        job.answer(&ended);
    }
}
