//! What a waiting process needs to know before it sleeps: whether asking again would find something, what the answer
//! hangs on, and when time alone may change it.

use super::look::Look;
use super::mutation::Outcome;
use super::streams::agent_topics;
use crate::domain::actor::Actor;
use crate::domain::id::Specialty;
use crate::domain::lease_clock::GAP_MOST_MS;
use crate::domain::refusal::Refusal;
use crate::domain::session::IN_USE_SECONDS;
use crate::domain::time::LeaseTime;
use crate::domain::topic::Topic;
use crate::store::contract::LeasesOf;

/// While something can run out, the clock is recorded this often, in milliseconds.
const TICK_EVERY_MS: i64 = 60_000;
/// A window that waits is recorded as seen this often, in milliseconds: a server looks every five minutes, and until the next
/// look it must stay in use.
const SIGHT_EVERY_MS: i64 = IN_USE_SECONDS * 1000 * 2 / 5;

/// What a waiting process needs to know.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// True when asking again would find something.
    pub found: bool,
    /// What the answer hangs on.
    pub topics: Vec<Topic>,
    /// The reading of the lease clock at this look.
    pub lease: LeaseTime,
    /// When the next lease runs out.
    pub next_deadline: Option<LeaseTime>,
    /// When the next task is no longer kept for its last agent.
    pub next_reservation: Option<LeaseTime>,
    /// True when somebody has to record the clock, because something has run out or will, or this window was not heard
    /// of for long.
    pub tick: bool,
    /// True when the window was not heard of for long.
    pub silent: bool,
}

impl Look<'_> {
    /// The outlook of an answer that hangs on `topics`.
    pub fn outlook(&self, found: bool, topics: Vec<Topic>) -> Result<Outlook, Refusal> {
        let now = self.dial.lease;
        let next_deadline = self.store.next_deadline()?;
        let next_reservation = self.store.next_reservation(now)?;
        let overdue = !self.store.leases(LeasesOf::Overdue(now), 1)?.is_empty();
        let is_old = self.dial.wall.since(self.board.dial.wall) >= TICK_EVERY_MS;
        let seen_at =
            self.actor.acting().ok().and_then(|acting| acting.session.as_ref()).map(|session| session.seen_at);
        // On a board that nobody changes the dial goes no further than a gap; then this host's time says how long that is.
        let stands = self.dial.wall.since(self.board.dial.wall) >= GAP_MOST_MS
            && self.host_wall.since(self.board.dial.wall) >= SIGHT_EVERY_MS;
        let silent = seen_at.is_some_and(|seen_at| stands || self.dial.wall.since(seen_at) >= SIGHT_EVERY_MS);
        let pending = next_deadline.is_some() || next_reservation.is_some();
        let tick = overdue || (is_old && pending) || silent;
        Ok(Outlook { found, topics, lease: now, next_deadline, next_reservation, tick, silent })
    }

    /// The outlook of `claim-next`.
    pub fn claim_outlook(&self, only: Option<&Specialty>) -> Result<Outlook, Refusal> {
        let (agent, _) = self.actor.window()?;
        let found = self.board.counts.is_complete()
            || self.is_at_limit(agent)?
            || self.stop(agent)?.is_some()
            || !self.claimable(agent, only, 1)?.is_empty();
        let topics = [self.offer_topics(only), agent_topics(agent)].concat();
        self.outlook(found, topics)
    }

    /// The outlook of `next-claimable`.
    pub fn claimable_outlook(&self, only: Option<&Specialty>) -> Result<Outlook, Refusal> {
        let found = self.board.counts.is_complete() || !self.claimable_views(only, 1)?.is_empty();
        self.outlook(found, self.offer_topics(only))
    }

    /// The outlook of `claim-review-next`: that of the list of reviews, and a message that comes before them.
    pub fn review_claim_outlook(&self, only: Option<&Specialty>) -> Result<Outlook, Refusal> {
        let (agent, _) = self.actor.window()?;
        let mut outlook = self.review_outlook(only)?;
        outlook.found |= self.stop(agent)?.is_some();
        outlook.topics.extend(agent_topics(agent));
        Ok(outlook)
    }

    /// The outlook of `next-reviewable`.
    pub fn review_outlook(&self, only: Option<&Specialty>) -> Result<Outlook, Refusal> {
        let found = self.board.counts.is_complete() || !self.reviewable(self.actor.agent_id(), only, 1)?.is_empty();
        self.outlook(found, review_topics(only))
    }

    /// The outlook of `next-action`.
    pub fn next_action_outlook(&self, only: Option<&Specialty>) -> Result<Outlook, Refusal> {
        let found = self.next_action(only)?.outcome != Outcome::Nothing;
        let mut topics = self.offer_topics(only);
        topics.extend(review_topics(only));
        topics.extend([Topic::Handoffs, Topic::Plan, Topic::Questions]);
        if let Actor::Agent(acting) = &self.actor {
            topics.extend(agent_topics(&acting.agent));
        }
        self.outlook(found, topics)
    }

    pub(super) fn offer_topics(&self, only: Option<&Specialty>) -> Vec<Topic> {
        let mut topics = vec![Topic::Complete];
        match only {
            Some(one) => topics.extend([Topic::OfferedOf(None), Topic::OfferedOf(Some(one.clone()))]),
            None => topics.push(Topic::Offered),
        }
        // What is offered and not for this agent hangs on what others hold.
        if self.board.counts.offered > 0 {
            topics.push(Topic::Freed);
        }
        topics
    }
}

pub(super) fn review_topics(only: Option<&Specialty>) -> Vec<Topic> {
    let review = only.map_or(Topic::Review, |one| Topic::ReviewOf(Some(one.clone())));
    // A review that is kept for a reviewer is free once that one has left.
    vec![Topic::Complete, Topic::Crew, review]
}
