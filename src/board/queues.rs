//! The order in which tasks are offered to an agent, and what stands in their way.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};

use super::look::Look;
use super::paging::first_of;
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, Specialty};
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::profile::Overlap;
use crate::domain::rank;
use crate::domain::refusal::Refusal;
use crate::domain::scope::{Scope, first_overlap};
use crate::domain::task::{Task, TaskKey, TaskState};
use crate::domain::time::LeaseTime;
use crate::store::Transaction;
use crate::store::contract::{HeldScopes, LeasesOf, OfferPlace, Offers, ReviewFilter, ReviewPlace, WorkOf};

/// How many rows a stream reads first; usually the first is taken.
const FIRST_BATCH: usize = 4;
/// How many it reads later.
const NEXT_BATCH: usize = 64;
/// What came back to one agent at once is little; this only bounds the reading.
const RETURNED_MOST: usize = 100;

/// The tasks that an agent may claim, best first, read as far as they are asked for.
///
/// The ranking adds a bonus for the agent's specialties to the score that is kept with each task. So the order is the
/// merge of a few orders that the store has: one for each specialty of the agent, one for tasks that ask for none, one
/// for all. A task comes from the stream that ranks it highest, and is skipped in the others.
#[derive(Debug)]
pub struct Candidates {
    agent: Agent,
    now: LeaseTime,
    returned: Option<VecDeque<Task>>,
    /// What the agent has just released: offered when there is nothing else.
    released: VecDeque<Task>,
    streams: Vec<Stream>,
    seen: HashSet<TaskKey>,
    only: Option<Specialty>,
}

/// Which offers a stream has: the owned form of [`Offers`].
#[derive(Debug)]
enum Of {
    All,
    Free,
    One(Specialty),
}

#[derive(Debug)]
struct Stream {
    of: Of,
    bonus: i64,
    waiting: VecDeque<Task>,
    place: Option<OfferPlace>,
    batch: usize,
    dry: bool,
}

impl Stream {
    fn new(of: Of, bonus: i64) -> Self {
        Self { of, bonus, waiting: VecDeque::new(), place: None, batch: FIRST_BATCH, dry: false }
    }

    fn fill(&mut self, store: &dyn Transaction) -> Result<(), Refusal> {
        if !self.waiting.is_empty() || self.dry {
            return Ok(());
        }
        let offers = match &self.of {
            Of::All => Offers::All,
            Of::Free => Offers::Free,
            Of::One(specialty) => Offers::Of(specialty),
        };
        let batch = store.offers(offers, self.place, self.batch)?;
        self.dry = batch.len() < self.batch;
        self.batch = NEXT_BATCH;
        if let Some(last) = batch.last() {
            self.place = Some(OfferPlace { score: rank::score(last), key: last.key });
        }
        self.waiting = batch.into();
        Ok(())
    }

    fn rank(&self) -> Option<(i64, Reverse<TaskKey>)> {
        self.waiting.front().map(|task| (rank::score(task) + self.bonus, Reverse(task.key)))
    }
}

impl Candidates {
    /// The candidates of `agent`; with `only`, those of that specialty or none.
    pub fn new(agent: Agent, only: Option<Specialty>, now: LeaseTime) -> Self {
        let bonus = |specialty: &Specialty| rank::bonus(Some(specialty), &agent.specialties);
        let free = || Stream::new(Of::Free, rank::bonus(None, &agent.specialties));
        let of = |one: &Specialty| Stream::new(Of::One(one.clone()), bonus(one));
        let mut streams = match &only {
            Some(one) => vec![free(), of(one)],
            None if agent.specialties.is_empty() => Vec::new(),
            None => agent.specialties.iter().map(of).chain([free()]).collect(),
        };
        if only.is_none() {
            streams.push(Stream::new(Of::All, 0));
        }
        Self { agent, now, returned: None, released: VecDeque::new(), streams, seen: HashSet::new(), only }
    }

    /// The next one, or none. Tasks that are reserved for another agent are passed over; what came back to this agent is
    /// first, and what it has just released is last.
    pub fn next(&mut self, store: &dyn Transaction) -> Result<Option<Task>, Refusal> {
        if self.returned.is_none() {
            let back = store.reserved_for(&self.agent.id, RETURNED_MOST)?;
            self.returned = Some(back.into_iter().filter(|task| task.offered && self.fits(task)).collect());
        }
        while let Some(task) = self.returned.as_mut().and_then(VecDeque::pop_front) {
            if self.seen.insert(task.key) {
                return Ok(Some(task));
            }
        }
        loop {
            for stream in &mut self.streams {
                stream.fill(store)?;
            }
            let best =
                self.streams.iter_mut().filter(|stream| !stream.waiting.is_empty()).max_by_key(|stream| stream.rank());
            let Some(task) = best.and_then(|stream| stream.waiting.pop_front()) else {
                return Ok(self.released.pop_front());
            };
            let reservation = task.reservation.as_ref();
            if reservation.is_some_and(|kept| kept.excludes(Some(&self.agent.id), self.now))
                || !self.seen.insert(task.key)
            {
                continue;
            }
            if reservation.is_some_and(|kept| kept.is_released_by(&self.agent.id, self.now)) {
                self.released.push_back(task);
                continue;
            }
            return Ok(Some(task));
        }
    }

    fn fits(&self, task: &Task) -> bool {
        match (&self.only, &task.specialty) {
            (Some(only), Some(specialty)) => only == specialty,
            _ => true,
        }
    }
}

/// A lease whose paths overlap with a task's.
#[derive(Clone, Copy, Debug)]
pub struct Conflict<'a> {
    /// The lease.
    pub lease: &'a Lease,
    /// The path of the task.
    pub ours: &'a Scope,
    /// The path that is held.
    pub theirs: &'a Scope,
}

/// The first of the `held` paths that overlaps with the task's.
pub fn conflict_with<'a>(held: &'a [HeldScopes], task: &'a Task) -> Option<Conflict<'a>> {
    if task.owned_paths.is_empty() {
        return None;
    }
    held.iter().filter(|held| held.lease.task != task.key).find_map(|held| {
        let (ours, theirs) = first_overlap(&task.owned_paths, &held.scopes)?;
        Some(Conflict { lease: &held.lease, ours, theirs })
    })
}

impl Look<'_> {
    /// What others than the acting session hold now.
    pub fn others_scopes(&self) -> Result<Vec<HeldScopes>, Refusal> {
        let own = self.actor.session_id();
        let held = self.store.held_scopes()?;
        let live = |held: &HeldScopes| held.lease.is_live(self.dial.lease);
        Ok(held.into_iter().filter(|held| Some(&held.lease.session) != own && live(held)).collect())
    }

    /// The tasks that `claim-next` would try for the agent, best first. Those whose lease ran out and was not noticed
    /// yet come last, because only a mutation moves them into the order.
    pub fn claimable(&self, agent: &Agent, only: Option<&Specialty>, limit: usize) -> Result<Vec<Task>, Refusal> {
        let held = self.others_scopes()?;
        let mut candidates = Candidates::new(agent.clone(), only.cloned(), self.dial.lease);
        let skips = self.board.profile.overlap() != Overlap::Warned;
        let in_the_way = |task: &Task| skips && conflict_with(&held, task).is_some();
        let mut conflicts = 0;
        let mut list: Vec<Task> = Vec::new();
        while list.len() < limit && conflicts < rank::CONFLICTS_MOST {
            let Some(task) = candidates.next(self.store)? else { break };
            if is_handed_by(self.store, &task, &agent.id)? {
                continue;
            }
            if in_the_way(&task) {
                conflicts += 1;
            } else {
                list.push(task);
            }
        }
        if list.len() == limit {
            return Ok(list);
        }
        // All of them: which of them fit is only seen here, and the next mutation leaves none.
        for lease in self.store.leases(LeasesOf::Overdue(self.dial.lease), usize::MAX)? {
            if list.len() < limit
                && lease.kind == LeaseKind::Work
                && let Some(task) = self.store.task_by_key(lease.task)?
                && candidates.fits(&task)
                && list.iter().all(|listed| listed.key != task.key)
                && (lease.agent != agent.id || !lease.handed)
                && !in_the_way(&task)
            {
                list.push(task);
            }
        }
        Ok(list)
    }

    /// The tasks in review that the agent could take, most urgent first, of equals the one handed in first.
    pub fn reviewable(
        &self,
        agent: Option<&AgentId>,
        only: Option<&Specialty>,
        limit: usize,
    ) -> Result<Vec<Task>, Refusal> {
        let filter = ReviewFilter { work_of: agent.map_or(WorkOf::Anybody, WorkOf::AllBut), specialty: only };
        if self.board.counts.of(TaskState::Review) == 0 {
            return Ok(Vec::new());
        }
        first_of(
            None,
            (NEXT_BATCH, limit),
            |after, size| self.store.reviews(filter, after, size),
            |task| Some(ReviewPlace { priority: task.priority, changed_at: task.changed_at, key: task.key }),
            |task| Ok(self.hindrance_to_review(&task, agent)?.is_none().then_some(task)),
        )
    }
}

/// True for a task that the agent holds and handed over: it is offered, but not to itself.
pub(super) fn is_handed_by(store: &dyn Transaction, task: &Task, agent: &AgentId) -> Result<bool, Refusal> {
    if task.state != TaskState::Active {
        return Ok(false);
    }
    let lease = store.lease(task.key, LeaseKind::Work)?.filter(|lease| lease.handed && !lease.lapsed);
    Ok(lease.is_some_and(|lease| lease.agent == *agent))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::board::stage::{Stage, new_task, parse, person, registration};
    use crate::board::tasks::NewTask;
    use crate::domain::profile::Profile;
    use crate::store::contract::TaskFilter;

    const FIELDS: [&str; 3] = ["rust", "docs", "ops"];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        /// The streams of candidates give what sorting all tasks by the formula gives, whatever the agent's fields.
        #[test]
        fn candidates_come_as_the_formula_sorts_them(
            tasks in prop::collection::vec((0..5u8, prop::option::of(0..3usize), prop::option::of(0..30usize)), 1..40),
            fields in prop::sample::subsequence(FIELDS.to_vec(), 0..3),
            only in prop::option::of(0..3usize),
        ) {
            let stage = Stage::new(Profile::Balanced);
            for (at, (priority, field, needs)) in tasks.iter().enumerate() {
                let depends_on = needs.filter(|needs| *needs < at).map(|needs| parse(&format!("m{needs}")));
                stage.add(NewTask {
                    priority: *priority,
                    specialty: field.map(|field| parse(FIELDS[field])),
                    depends_on: depends_on.into_iter().collect(),
                    ..new_task(&format!("m{at}"))
                });
            }
            let specialties: Vec<Specialty> = fields.iter().map(|field| parse(field)).collect();
            let mut wanted = registration("ann", "main");
            wanted.specialties.clone_from(&specialties);
            let agent = stage.register(wanted).0.agent;
            let only = only.map(|field| parse::<Specialty>(FIELDS[field]));
            let found = stage.look(&person(), |look| {
                let mut candidates = Candidates::new(agent, only.clone(), look.dial.lease);
                let mut found = Vec::new();
                while let Some(task) = candidates.next(look.store)? {
                    found.push(task.module);
                }
                Ok(found)
            });
            let mut naive = stage.look(&person(), |look| Ok(look.store.tasks(&TaskFilter::default(), None, 100)?));
            naive.retain(|task| task.is_ready());
            naive.retain(|task| only.is_none() || task.specialty.is_none() || task.specialty == only);
            naive.sort_by_key(|task| (Reverse(rank::terms(task, &specialties).total()), task.key));
            let naive: Vec<_> = naive.into_iter().map(|task| task.module).collect();
            prop_assert_eq!(found, naive);
        }
    }
}
