//! Leases: the right to write, for a while.
//!
//! **Invariants.** A lease is proven by its token or by an explicit session, never by the agent's name alone. Running
//! out takes nothing away by itself: until somebody else claims, the last holder can have it back. Every other end
//! raises the epoch of the task, so that a late holder is refused for good.

use super::actor::Proof;
use super::attempt::AttemptKey;
use super::id::{AgentId, LeaseToken, Module, SessionId};
use super::refusal::{Code, Holder, Refusal};
use super::session::Session;
use super::task::{TaskKey, TaskState};
use super::time::{Dial, LeaseTime, Millis};
use super::word::words;

words! {
    /// What a lease allows.
    LeaseKind, "kind of lease" {
        /// Working on the task.
        Work = "work",
        /// Reviewing it.
        Review = "review",
    }
}

/// The longest lease, in seconds. A deadline further away counts as this far.
pub const LONGEST_SECONDS: u32 = 86_400;

/// The length of a lease in seconds: 1 to [`LONGEST_SECONDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
#[schemars(extend("minimum" = 1, "maximum" = 86_400))]
pub struct Ttl(u32);

/// Why a number is not the length of a lease.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a lease lasts 1 to 86400 seconds")]
pub struct InvalidTtl;

impl Ttl {
    /// In seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Ttl {
    type Error = InvalidTtl;

    fn try_from(seconds: u32) -> Result<Self, InvalidTtl> {
        if (1..=LONGEST_SECONDS).contains(&seconds) { Ok(Self(seconds)) } else { Err(InvalidTtl) }
    }
}

impl From<Ttl> for u32 {
    fn from(ttl: Ttl) -> Self {
        ttl.0
    }
}

impl std::str::FromStr for Ttl {
    type Err = InvalidTtl;

    fn from_str(text: &str) -> Result<Self, InvalidTtl> {
        text.parse::<u32>().map_err(|_| InvalidTtl)?.try_into()
    }
}

/// The right of a session to work on a task, or to review it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The task.
    pub task: TaskKey,
    /// Its name.
    pub module: Module,
    /// What it allows.
    pub kind: LeaseKind,
    /// The attempt it belongs to: the one that works, or the one that is reviewed.
    pub attempt: AttemptKey,
    /// Who holds it.
    pub agent: AgentId,
    /// In which window.
    pub session: SessionId,
    /// The epoch of the task when it was granted.
    pub epoch: u64,
    /// Its proof.
    pub token: LeaseToken,
    /// Its length: each renewal is for as long.
    pub ttl: Ttl,
    /// When it was granted.
    pub acquired_at: Millis,
    /// When it runs out.
    pub deadline: LeaseTime,
    /// True once it was found to have run out.
    pub lapsed: bool,
    /// True once its holder agreed that somebody else takes the task over: it then counts for no limit.
    pub handed: bool,
}

impl Lease {
    /// True while nobody else may have the task.
    pub fn is_live(&self, now: LeaseTime) -> bool {
        !self.lapsed && self.effective_deadline(now) > now
    }

    /// True for what counts for the limit of its holder: work that it has, and has not handed over.
    pub fn counts_for_limit(&self, now: LeaseTime) -> bool {
        self.kind == LeaseKind::Work && self.is_live(now) && !self.handed
    }

    /// The deadline, never further away than the longest lease: a clock that was once far ahead blocks nobody for ever.
    pub fn effective_deadline(&self, now: LeaseTime) -> LeaseTime {
        self.deadline.min(now.plus_seconds(LONGEST_SECONDS))
    }

    /// The same lease from now on for its whole length.
    pub fn renew(&mut self, now: LeaseTime) {
        self.deadline = now.plus_seconds(self.ttl.seconds());
        self.lapsed = false;
    }

    /// When it runs out, as people read it.
    pub fn expires_at(&self, dial: Dial) -> Millis {
        dial.shown(self.effective_deadline(dial.lease))
    }

    /// Who holds it, in the window of `session`: that of the lease, if it is still known.
    pub fn holder(&self, dial: Dial, session: Option<&Session>) -> Holder {
        Holder {
            agent_id: self.agent.clone(),
            host: session.map(Session::host_shown),
            window: session.map(|session| session.window.clone()),
            session_id: Some(self.session.clone()),
            expires_at: self.expires_at(dial),
        }
    }

    /// Whether `proof` shows this lease. Tokens are compared whole; a wrong token is refused even when the session is
    /// right, because whoever gives one means that very lease.
    pub fn is_shown_by(&self, proof: &Proof) -> bool {
        match &proof.token {
            Some(token) => *token == self.token && proof.agent.as_ref() == Some(&self.agent),
            None => proof.session.as_ref() == Some(&self.session),
        }
    }

    /// Refuses a caller that does not show this lease: with `proof_required` one that shows nothing, with
    /// `stale_lease` and the present `holder` one whose lease is another.
    pub fn demand(&self, proof: &Proof, holder: &Holder) -> Result<(), Refusal> {
        if self.is_shown_by(proof) {
            return Ok(());
        }
        let module = &self.module;
        let shows_nothing = proof.token.is_none() && proof.session.is_none();
        if shows_nothing && proof.agent.as_ref() == Some(&self.agent) {
            return Err(Refusal::new(
                Code::ProofRequired,
                format!("{module}: show the lease token, or name your session"),
            )
            .hint("repeat it with --lease-token TOKEN or --session-id ID")
            .holder(holder));
        }
        if proof.agent.as_ref() == Some(&self.agent) {
            return Err(self.lost_to_own_agent(holder));
        }
        Err(self.lost_to_holder(holder))
    }

    /// The refusal of an agent that holds it, and shows an older token or another session. It names no session and no
    /// token: the caller may be an older window than the one that holds it.
    fn lost_to_own_agent(&self, holder: &Holder) -> Refusal {
        let (module, kind, place) = (&self.module, self.kind, holder.place());
        let message = format!("that is not the present {kind} lease of {module}: {} holds it in {place}", self.agent);
        let hint = format!(
            "callboard next-action --agent-id {} --session-id ID, with the ID that init-agent printed in this window",
            self.agent
        );
        Refusal::new(Code::StaleLease, message).hint(hint).holder(holder)
    }

    /// The refusal of a claim on what somebody else holds.
    pub fn held_by_other(&self, holder: &Holder) -> Refusal {
        let message = format!("{} is held by {} until {} ({})", self.module, self.agent, holder.expires_at, self.kind);
        Refusal::new(Code::Held, message).hint("callboard claim-next").holder(holder)
    }

    /// The refusal of a caller whose lease this is not.
    pub fn lost_to_holder(&self, holder: &Holder) -> Refusal {
        let (module, kind) = (&self.module, self.kind);
        let message = format!("the {kind} lease of {module} is held by {} in {}", self.agent, holder.place());
        Refusal::new(Code::StaleLease, message).hint("callboard next-action").holder(holder)
    }
}

/// The refusal of a caller that means a lease which nobody holds.
pub fn nobody_holds(module: &Module, kind: LeaseKind, state: TaskState) -> Refusal {
    // What nobody has can be had again, and what was done in it is not lost.
    let command = if state == TaskState::Open { "claim" } else { "show" };
    Refusal::new(Code::StaleLease, format!("nobody holds the {kind} lease of {module} now; the task is {state}"))
        .hint(format!("callboard {command} {module}"))
        .detail("holder", serde_json::Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            task: TaskKey(1),
            module: "a".parse().expect("a module"),
            kind: LeaseKind::Work,
            attempt: AttemptKey(1),
            agent: "ann".parse().expect("an agent"),
            session: "s-1".parse().expect("a session"),
            epoch: 1,
            token: "tok".parse().expect("a token"),
            ttl: Ttl(900),
            acquired_at: Millis(0),
            deadline: LeaseTime(900_000),
            lapsed: false,
            handed: false,
        }
    }

    fn proof(agent: &str, session: Option<&str>, token: Option<&str>) -> Proof {
        Proof {
            agent: agent.parse().ok(),
            session: session.map(|id| id.parse().expect("a session")),
            token: token.map(|text| text.parse().expect("a token")),
        }
    }

    #[test]
    fn only_the_token_or_the_session_proves_a_lease() {
        let lease = lease();
        let holder = lease.holder(Dial::default(), None);
        let code = |proof| lease.demand(&proof, &holder).map_err(|refusal| refusal.code);
        assert_eq!(code(proof("ann", None, Some("tok"))), Ok(()));
        assert_eq!(code(proof("ann", Some("s-1"), None)), Ok(()));
        assert_eq!(code(proof("ann", None, None)), Err(Code::ProofRequired));
        assert_eq!(code(proof("bob", None, None)), Err(Code::StaleLease));
        assert_eq!(code(proof("bob", None, Some("tok"))), Err(Code::StaleLease));
        assert_eq!(code(proof("ann", Some("s-2"), None)), Err(Code::StaleLease));
        assert_eq!(code(proof("ann", Some("s-1"), Some("old"))), Err(Code::StaleLease));
    }

    #[test]
    fn a_deadline_beyond_the_longest_lease_counts_as_that() {
        let mut lease = lease();
        lease.deadline = LeaseTime(i64::MAX);
        let now = LeaseTime(5);
        assert_eq!(lease.effective_deadline(now), now.plus_seconds(LONGEST_SECONDS));
    }

    #[test]
    fn a_lease_has_a_length_between_a_second_and_a_day() {
        assert!(Ttl::try_from(0).is_err());
        assert!(Ttl::try_from(86_401).is_err());
        assert!("86400".parse::<Ttl>().is_ok());
    }
}
