//! Guarding the work before the review.

use std::path::{Component, Path, PathBuf};

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Caller;
use super::surroundings::Surroundings;
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::guard::{CheckedPath, OwnScope, PathVerdict};
use crate::board::mutation::{Answer, Refused};
use crate::domain::refusal::{Code, Refusal};
use crate::workspace::git::Checkout;

/// Ask whether paths may be edited or committed.
///
/// A path is good inside the scopes of the leases that the agent holds and outside everyone else's. A lease whose task
/// names no paths allows every path that nobody else holds. Exits 4 (`outside_scope`) or 5 (`path_held`, with who holds it
/// until when). A person is only kept off what others hold.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckPaths {
    /// The paths, from the working directory.
    #[arg(value_name = "PATH")]
    #[serde(default)]
    pub paths: Vec<String>,
    /// The paths that git has staged for the next commit.
    #[arg(long)]
    #[serde(default)]
    pub staged: bool,
}

/// What holds for each path.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckPathsReply {
    /// The paths, from the top of the project.
    pub paths: Vec<CheckedPath>,
    /// What the agent's leases allow.
    pub own: Vec<OwnScope>,
}

impl Operation for CheckPaths {
    const NAME: &'static str = "check-paths";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Work;
    const EXAMPLE: &'static str = "callboard check-paths --staged --agent-id anns-worker";
    type Call = Caller;
    type Reply = CheckPathsReply;

    fn prepare(&self, call: &mut Caller, from: &dyn Surroundings) -> Result<(), Refused> {
        let unread = |refusal| Refused { refusal, revision: None };
        let project = from.project().map_err(unread)?;
        let directory = &from.settings().directory;
        let here = directory.canonicalize().unwrap_or_else(|_| directory.clone());
        let checkout = Checkout::around(&here);
        // A worktree has the paths of its main checkout under another top.
        let elsewhere = checkout.as_ref().and_then(|checkout| {
            let inside = project.strip_prefix(checkout.main_top()).ok()?;
            // Joined with nothing, a path would end with a slash.
            Some(if inside.as_os_str().is_empty() { checkout.top.clone() } else { checkout.top.join(inside) })
        });
        let tops: Vec<PathBuf> = elsewhere.into_iter().chain([project]).collect();
        let mut paths: Vec<String> = self.paths.iter().filter_map(|path| below(&tops, &here, path)).collect();
        if self.staged {
            let index = from.settings().git_index.as_ref().map(|index| directory.join(index));
            let staged =
                checkout.as_ref().and_then(|checkout| Some((checkout.top.clone(), checkout.staged(index.as_deref())?)));
            let Some((base, staged)) = staged else {
                let refusal = Refusal::new(Code::Usage, "git cannot say what is staged here");
                return Err(unread(refusal.hint("callboard check-paths PATH...")));
            };
            paths.extend(staged.iter().filter_map(|path| below(&tops, &base, path)));
        }
        call.facts.changed_paths = paths;
        Ok(())
    }

    fn run(&self, call: &Caller, app: &App) -> Result<Done<CheckPathsReply>, Refused> {
        if self.paths.is_empty() && !self.staged {
            let refusal = Refusal::new(Code::Usage, "no path was given").hint("callboard check-paths --staged");
            return Err(Refused { refusal, revision: None });
        }
        let done = call.look(app, |look| {
            let own = look.own_scopes()?;
            let paths = look.check_paths(&call.facts.changed_paths, &own)?;
            Ok(Answer::done(CheckPathsReply { paths, own }))
        })?;
        let is_person = call.agent_id.is_none() && call.thread_key.is_none() && call.session_id.is_none();
        let complaint = complaint(&done.reply, is_person);
        Ok(Done { complaint, ..done })
    }
}

/// What is wrong with these paths, the worst first.
fn complaint(reply: &CheckPathsReply, is_person: bool) -> Option<Refusal> {
    let with = |verdict| reply.paths.iter().filter(move |checked| checked.verdict == verdict);
    if let Some(checked) = with(PathVerdict::Held).next() {
        let (module, holder) = (checked.module.as_ref()?, checked.holder.as_ref()?);
        let message = format!(
            "{} belongs to {module}, which {} holds until {}",
            checked.path, holder.agent_id, holder.expires_at
        );
        let to = &holder.agent_id;
        let hint = match is_person {
            true => format!(
                "if that is you: export CALLBOARD_AGENT_ID={to}; else leave it, or ask: callboard notify --target agent:{to} --message TEXT"
            ),
            false => format!("leave it, or ask: callboard notify --target agent:{to} --message TEXT"),
        };
        return Some(Refusal::new(Code::PathHeld, message).hint(hint).holder(holder));
    }
    let checked = with(PathVerdict::Outside).next()?;
    let (message, hint) = match reply.own.first() {
        None => (format!("{} is in no lease: you hold none", checked.path), "callboard claim-next".to_owned()),
        Some(own) => (
            format!("{} is outside of the paths of {}", checked.path, own.module),
            // Never the way round the guard: who plans decides what belongs to a task.
            "leave it, or ask for it: callboard notify --target humans --message TEXT".to_owned(),
        ),
    };
    Some(Refusal::new(Code::OutsideScope, message).hint(hint))
}

/// The path as it is below the first of these tops that it is below, with slashes; none for one that is elsewhere: it is no
/// business of this board. One that leads there by a link is below it too.
fn below(tops: &[PathBuf], from: &Path, path: &str) -> Option<String> {
    let mut whole = PathBuf::new();
    for part in from.join(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::CurDir => {}
            other => whole.push(other),
        }
    }
    let under = |path: &Path| tops.iter().find_map(|top| path.strip_prefix(top).ok().map(Path::to_owned));
    let below = under(&whole).or_else(|| under(&real(&whole)?))?.to_str()?.to_owned();
    (!below.is_empty()).then_some(below)
}

/// The path without the links in what of it exists.
fn real(path: &Path) -> Option<PathBuf> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists())?;
    Some(existing.canonicalize().ok()?.join(path.strip_prefix(existing).ok()?))
}
