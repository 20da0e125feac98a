//! Topics: what a change of the board may concern. Whoever waits names the topics that its answer hangs on, and is left
//! alone by changes of others.
//!
//! **Invariants.** Naming a topic too many wakes somebody in vain; leaving one out may leave somebody asleep. So a change
//! rings whatever it may concern.

use std::fmt;

use super::event::{Audience, Source};
use super::id::{Module, Specialty};

/// What a change may concern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Some task may be claimed that could not be before.
    Offered,
    /// The same, of one specialty or of none.
    OfferedOf(Option<Specialty>),
    /// A lease ended: its paths are free, and its agent may hold one more.
    Freed,
    /// Some task may be reviewed that could not be before.
    Review,
    /// The same, of one specialty or of none.
    ReviewOf(Option<Specialty>),
    /// A window came or went.
    Crew,
    /// What only a person or a planner moves changed: drafts, pauses, failures.
    Plan,
    /// Every task is in a final state.
    Complete,
    /// Something happened.
    Event,
    /// From this source.
    Source(Source),
    /// To this task.
    Task(Module),
    /// Somebody was notified.
    Notified,
    /// These were.
    Audience(Audience),
    /// A question was asked, answered or withdrawn.
    Questions,
    /// A handoff was left, taken, acknowledged or withdrawn.
    Handoffs,
}

impl Topic {
    /// One of `count` bells, always the same for a topic. Topics that share a bell wake each other in vain, which is
    /// only work; those that many wait for have a bell of their own.
    pub fn bell(&self, count: usize) -> usize {
        match self {
            Self::Offered => 0,
            Self::OfferedOf(None) => 1,
            Self::Freed => 2,
            Self::Review => 3,
            Self::ReviewOf(None) => 4,
            Self::Crew => 5,
            Self::Plan => 6,
            Self::Complete => 7,
            Self::Event => 8,
            Self::Notified => 9,
            Self::Questions => 10,
            Self::Handoffs => 11,
            Self::Audience(Audience::Humans) => 12,
            Self::Audience(Audience::Workers(None)) => 13,
            Self::Audience(Audience::Reviewers(None)) => 14,
            Self::Source(_) | Self::OfferedOf(_) | Self::ReviewOf(_) | Self::Task(_) | Self::Audience(_) => {
                OWN_BELLS + self.hash(count - OWN_BELLS)
            }
        }
    }

    fn hash(&self, count: usize) -> usize {
        // FNV-1a: short texts, no enemies, and the same on every host.
        let hash = self
            .to_string()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        usize::try_from(hash % count as u64).expect("a count of bells fits")
    }
}

/// So many bells belong to one topic each.
const OWN_BELLS: usize = 16;

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |specialty: &Option<Specialty>| specialty.as_ref().map(ToString::to_string).unwrap_or_default();
        match self {
            Self::Offered => f.write_str("offered"),
            Self::OfferedOf(specialty) => write!(f, "offered:{}", of(specialty)),
            Self::Freed => f.write_str("freed"),
            Self::Review => f.write_str("review"),
            Self::ReviewOf(specialty) => write!(f, "review:{}", of(specialty)),
            Self::Crew => f.write_str("crew"),
            Self::Plan => f.write_str("plan"),
            Self::Complete => f.write_str("complete"),
            Self::Event => f.write_str("event"),
            Self::Source(source) => write!(f, "source:{source}"),
            Self::Task(module) => write!(f, "task:{module}"),
            Self::Notified => f.write_str("notified"),
            Self::Audience(audience) => write!(f, "audience:{audience}"),
            Self::Questions => f.write_str("questions"),
            Self::Handoffs => f.write_str("handoffs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_its_own_text_and_a_bell_in_range() {
        let docs: Specialty = "docs".parse().expect("a specialty");
        let topics = [
            Topic::Offered,
            Topic::OfferedOf(None),
            Topic::OfferedOf(Some(docs.clone())),
            Topic::ReviewOf(Some(docs.clone())),
            Topic::Audience(Audience::Workers(Some(docs))),
            Topic::Audience(Audience::Workers(None)),
        ];
        let texts: std::collections::BTreeSet<String> = topics.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), topics.len());
        assert!(topics.iter().all(|topic| topic.bell(40) < 40));
        let own = topics.iter().filter(|topic| topic.bell(512) < OWN_BELLS).count();
        assert_eq!(own, 3, "what is about one field shares its bell");
        assert_eq!(Topic::Crew.bell(512), Topic::Crew.bell(512));
    }
}
