//! How many events are kept, and archives of the others.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Anyone, Caller, Changer};
use super::since::Since;
use super::values::Limit;
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::app::archives::{FileState, Prepared};
use crate::board::history::EventView;
use crate::board::mutation::{Answer, Refused};
use crate::board::retention::ArchiveView;
use crate::domain::cursor::Place;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::retention::Retention as Policy;
use crate::domain::right::Right;
use crate::domain::word::words;
use crate::platform::deadline::Deadline;

/// So many archives are named to whoever asks for one that is not there.
const ARCHIVES_NAMED: usize = 10;

/// Move old events to an archive.
///
/// The archive is JSON lines in project-plan/archive/events. Notifications that are not resolved stay on the board.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PruneEvents {
    /// Keep at most so many events; 0 keeps none.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub max_rows: Option<u64>,
    /// Keep events for so many days; 0 keeps none.
    #[arg(long, value_name = "D")]
    #[serde(default)]
    pub max_age_days: Option<u32>,
}

/// What was pruned.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct PruneReply {
    /// How many events went.
    pub pruned: u64,
    /// Where they are; null when none went.
    pub archive: Option<ArchiveView>,
    /// Events up to this one are in archives.
    pub pruned_through: u64,
}

impl Operation for PruneEvents {
    const NAME: &'static str = "prune-events";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard prune-events --max-rows 2000";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = PruneReply;

    fn is_alone(&self, _: &Self::Call) -> bool {
        true
    }

    fn run(&self, call: &Changer, app: &App) -> Result<Done<PruneReply>, Refused> {
        let policy = Policy { max_rows: self.max_rows, max_age_days: self.max_age_days };
        if policy == Policy::default() {
            let refusal = Refusal::new(Code::Usage, "say how many events to keep, or for how long")
                .hint("callboard prune-events --max-rows 2000");
            return Err(Refused { refusal, revision: None });
        }
        let caller = call.caller.for_board();
        if let Some(request) = &call.request_id
            && app.look(&caller, |look| look.is_done(request).map(Answer::done))?.answer.reply
        {
            return call.commit(self, app, |_| unreachable!("a request that was done is answered with its reply"));
        }
        let Prepared { plan, written } =
            app.prepare_prune(&caller, policy, Deadline::after(app.settings.lock_timeout))?;
        let archive = written.as_ref().map(|written| written.archive.clone());
        let done = call.commit(self, app, |turn| {
            let archive = archive.map(|archive| turn.prune(archive, &plan.generation)).transpose()?;
            let pruned = archive.as_ref().map_or(0, |archive| archive.last - archive.first + 1);
            let pruned_through = turn.look().board().pruned_through;
            Ok(Answer::done(PruneReply { pruned, archive: archive.map(Into::into), pruned_through }))
        });
        match (&done, &written) {
            (Err(_), Some(written)) => app.forget_unrecorded(&caller, written)?,
            _ => app.sweep_unrecorded(&caller)?,
        }
        done
    }
}

words! {
    /// What is known of an archive's file.
    ArchiveStatus, "archive status" {
        /// It is as it was written.
        Whole = "whole",
        /// It has the right length, and is too long to be read for a list.
        Unchecked = "unchecked",
        /// It was edited or cut.
        Changed = "changed",
        /// It is gone.
        Missing = "missing",
    }
}

impl From<FileState> for ArchiveStatus {
    fn from(state: FileState) -> Self {
        match state {
            FileState::Whole => Self::Whole,
            FileState::Unchecked => Self::Unchecked,
            FileState::Changed => Self::Changed,
            FileState::Missing => Self::Missing,
        }
    }
}

/// List the archives of events, or read one.
///
/// A line of an archive that was edited or cut is named, and the rest is read.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventArchives {
    /// Read this one: the name of its file.
    #[arg(long, value_name = "FILE")]
    #[serde(default)]
    pub read: Option<String>,
    /// After this event.
    #[arg(long, value_name = "SEQ")]
    #[serde(default)]
    pub since: Option<Since>,
    /// How many archives to list, or events to read.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
}

/// An archive with the state of its file.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ListedArchive {
    /// The archive.
    #[serde(flatten)]
    pub archive: ArchiveView,
    /// What is known of its file.
    pub status: ArchiveStatus,
}

/// A line that cannot be read.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

/// Archives, or the events of one.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArchivesReply {
    /// The archives, oldest first; with --read the one that was read.
    pub archives: Vec<ListedArchive>,
    /// With --read: its events.
    pub events: Vec<EventView>,
    /// With --read: lines that cannot be read.
    pub bad_lines: Vec<BadLine>,
    /// Where the next page begins, or null.
    pub next_since: Option<Since>,
}

impl Operation for EventArchives {
    const NAME: &'static str = "event-archives";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard event-archives";
    type Call = Anyone;
    type Reply = ArchivesReply;

    fn is_alone(&self, _: &Self::Call) -> bool {
        true
    }

    fn run(&self, call: &Anyone, app: &App) -> Result<Done<ArchivesReply>, Refused> {
        let since = self.since.clone().map(Place::from);
        let (after, limit) = (since.map_or(0, |place| place.seq), self.limit.get());
        let Some(name) = &self.read else {
            let listed = call.look(app, |look| {
                let generation = look.board().generation.clone();
                Ok(Answer::done((look.archives(after, limit + 1)?, generation)))
            })?;
            let mut archives = Vec::new();
            for archive in listed.reply.0.iter().take(limit) {
                let status = app.archive_state(archive)?.into();
                archives.push(ListedArchive { archive: archive.clone(), status });
            }
            let next_since = (listed.reply.0.len() > limit)
                .then(|| archives.last().map(|last| place(&listed.reply.1, last.archive.last)))
                .flatten();
            return Ok(listed.with(|_| {
                let reply = ArchivesReply { archives, events: Vec::new(), bad_lines: Vec::new(), next_since };
                (crate::board::mutation::Outcome::Done, reply)
            }));
        };
        let name = name.rsplit('/').next().unwrap_or(name);
        let found = call.look(app, |look| match look.archive(name)? {
            Some(archive) => Ok(Answer::done((archive, look.board().generation.clone()))),
            None => {
                let known = look.archives(0, ARCHIVES_NAMED)?;
                let known: Vec<String> = known.into_iter().map(|archive| archive.name).collect();
                let there = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(Refusal::new(Code::UnknownArchive, format!("there is no archive {name}; there are: {there}"))
                    .hint("callboard event-archives")
                    .detail("archives", known))
            }
        })?;
        let revision = Some(found.revision);
        let part = app.read_archive(&found.reply.0, after, limit);
        let part = part.map_err(|refusal| Refused { refusal, revision })?;
        let status = app.archive_state(&found.reply.0)?.into();
        let next_since = part.more.then(|| part.events.last().map(|event| place(&found.reply.1, event.seq))).flatten();
        let bad_lines = part.bad.into_iter().map(|bad| BadLine { line: bad.line, why: bad.why }).collect();
        Ok(found.with(|(archive, _)| {
            let archives = vec![ListedArchive { archive, status }];
            let reply = ArchivesReply { archives, events: part.events, bad_lines, next_since };
            (crate::board::mutation::Outcome::Done, reply)
        }))
    }
}

fn place(generation: &str, seq: u64) -> Since {
    Place { generation: Some(generation.to_owned()), seq }.into()
}

/// Show or set how many events the board keeps by itself.
///
/// Without flags it shows the policy. Older events go to an archive when the board is well over the limit.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Keep about so many events; 0 for no limit.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub max_rows: Option<u64>,
    /// Keep events for so many days; 0 for no limit.
    #[arg(long, value_name = "D")]
    #[serde(default)]
    pub max_age_days: Option<u32>,
}

/// The policy.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct RetentionReply {
    /// How many events are kept; null for no limit.
    pub retention: Policy,
    /// How many are there now.
    pub events: u64,
    /// Events up to this one are in archives.
    pub pruned_through: u64,
}

impl Operation for Retention {
    const NAME: &'static str = "retention";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard retention --max-rows 20000";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = RetentionReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<RetentionReply>, Refused> {
        let reply = |board: &crate::domain::board::Board| RetentionReply {
            retention: board.retention,
            events: board.event_seq.saturating_sub(board.pruned_through),
            pruned_through: board.pruned_through,
        };
        if self.max_rows.is_none() && self.max_age_days.is_none() {
            let caller: &Caller = &call.caller;
            return caller.look(app, |look| Ok(Answer::done(reply(look.board()))));
        }
        call.commit(self, app, |turn| {
            turn.set_retention(self.max_rows, self.max_age_days);
            Ok(Answer::done(reply(turn.look().board())))
        })
    }
}
