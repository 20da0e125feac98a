//! Where tasks come from: a plan that somebody wrote, or a look at the project.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Changer;
use super::texts::PlanText;
use super::values::Limit;
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::imports::{Imported, Known, PlannedTask, check_plan};
use crate::board::intake::Seeding;
use crate::board::mutation::{Answer, Refused};
use crate::board::turn::Turn;
use crate::domain::id::Module;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::domain::word::words;
use crate::intake;
use crate::intake::commands::ProjectCommand;
use crate::intake::drafts::Draft;
use crate::intake::named_paths::Proposals;
use crate::intake::scan::{Bounds, PATIENCE, Scan};
use crate::platform::deadline::Deadline;

words! {
    /// How a plan is written.
    PlanFormat, "plan format" {
        /// A markdown checklist; nesting gives parents.
        Markdown = "markdown",
        /// One JSON object a line, with the keys of a task.
        Jsonl = "jsonl",
        /// An issue export of beads.
        Beads = "beads",
    }
}

/// Propose tasks from a look at the project, or import a plan.
///
/// Without --from it looks at the project: what is not committed, plans and checklists in markdown, TODO and FIXME,
/// tests that are switched off, stubs. Each proposal names where it was seen. --seed-tasks adds them as drafts, which
/// nobody is offered until `confirm-task`; a second run adds nothing twice. Nothing is run, and what git ignores is left
/// out.
///
/// With --from a plan is imported, all or nothing: a bad line is named with its number. Its tasks are open, its
/// dependencies and paths confirmed as written; paths that titles and bodies name are candidates. Known modules are left and counted; --update changes draft, open and
/// waiting ones to match, dependencies included.
///
/// A checklist has lines such as `- [ ] Sign in {module=auth priority=1 specialty=backend depends=db,mail paths=src/auth/**
/// review=required reviewer=ID estimate=30 label=area:web}`; everything in braces is optional. A parent depends on its
/// children, a checked item is done, indented text is the body. JSON lines have the keys that `show --json` has in `task`.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    /// Add what was found as drafts.
    #[arg(long)]
    #[serde(default)]
    pub seed_tasks: bool,
    /// How many to propose.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub limit: Option<Limit>,
    /// Import this file instead; - is standard input.
    #[arg(long, value_name = "FILE")]
    #[serde(default)]
    pub from: Option<PlanText>,
    /// markdown, jsonl or beads; told from what is in it when not given.
    #[arg(long, value_name = "FORMAT")]
    #[serde(default)]
    pub format: Option<PlanFormat>,
    /// Change draft, open and waiting tasks to match the plan.
    #[arg(long)]
    #[serde(default)]
    pub update: bool,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
}

/// What a look at the project found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Looked {
    /// Files that were found.
    pub files: u64,
    /// Files that were read for marks and plans.
    pub files_read: u64,
    /// What was left out, and why.
    pub left_out: Vec<String>,
    /// Files in which programs begin.
    pub entry_files: Vec<String>,
    /// How the project is built and tested.
    pub commands: Vec<ProjectCommand>,
    /// How many drafts were found in all.
    pub found: u64,
    /// How many of them the board has already, in whatever state.
    pub known: u64,
    /// The best of the others.
    pub drafts: Vec<Draft>,
    /// What to do next.
    pub next_command: String,
}

/// What was done, or would be.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct IntakeReply {
    /// True when nothing was done.
    pub dry_run: bool,
    /// How many tasks were added.
    pub added: u64,
    /// How many were changed to match.
    pub updated: u64,
    /// How many existed and were left as they are.
    pub unchanged: u64,
    /// The first of the added modules.
    pub modules: Vec<Module>,
    /// The first of the modules that were changed to match.
    #[serde(default)]
    pub updated_modules: Vec<Module>,
    /// What was found, for a look at the project.
    #[serde(default)]
    pub looked: Option<Looked>,
}

/// How many names a reply holds.
const NAMES_SHOWN: usize = 20;
/// So many drafts are proposed unless told otherwise.
const PROPOSED: usize = 50;

impl Intake {
    fn plan(&self, from: &PlanText) -> Result<Vec<PlannedTask>, Refusal> {
        if self.seed_tasks || self.limit.is_some() {
            return Err(Refusal::new(
                Code::Usage,
                "--seed-tasks and --limit go without --from: a plan is imported whole",
            )
            .hint("callboard intake --from FILE"));
        }
        let text = from.checked()?;
        let json = text.trim_start_matches('\u{feff}').trim_start().starts_with('{');
        let format = self.format.unwrap_or_else(|| match () {
            () if intake::beads::is_export(text) => PlanFormat::Beads,
            () if json => PlanFormat::Jsonl,
            () => PlanFormat::Markdown,
        });
        let plan = match format {
            PlanFormat::Markdown => intake::markdown::plan(text)?,
            PlanFormat::Jsonl => intake::jsonl::plan(text)?,
            PlanFormat::Beads => intake::beads::plan(text)?,
        };
        if plan.is_empty() {
            let message = format!("there is no task in it ({format})");
            return Err(Refusal::new(Code::ImportLine, message)
                .hint("a checklist has lines like '- [ ] title'; JSON lines have {\"module\":…,\"title\":…}"));
        }
        check_plan(&plan)?;
        Ok(plan)
    }

    fn import(&self, from: &PlanText, call: &Changer, app: &App) -> Result<Done<IntakeReply>, Refused> {
        let mut plan = self.plan(from).map_err(unread)?;
        let place = app.place().map_err(unread)?;
        let mut proposals = Proposals::of(&place.project);
        for planned in &mut plan {
            proposals.add(&mut planned.task);
        }
        let known = if self.update { Known::Update } else { Known::Keep };
        let work = |turn: &mut Turn<'_>| Ok(Answer::done(reply(turn.import(plan, known)?, self.dry_run, None)));
        if self.dry_run { call.rehearse(self, app, work) } else { call.commit(self, app, work) }
    }

    fn look(&self, call: &Changer, app: &App) -> Result<Done<IntakeReply>, Refused> {
        if self.format.is_some() || self.update {
            let refusal = Refusal::new(Code::Usage, "--format and --update go with --from");
            return Err(unread(refusal.hint("callboard intake --from FILE")));
        }
        let place = app.place().map_err(unread)?;
        let bounds = Bounds::within(Deadline::after(PATIENCE));
        let scan = intake::scan::scan(&place.project, &bounds, &app.progress);
        let work = |turn: &mut Turn<'_>| self.propose(turn, scan);
        if self.dry_run { call.rehearse(self, app, work) } else { call.commit(self, app, work) }
    }

    fn propose(&self, turn: &mut Turn<'_>, mut scan: Scan) -> Result<Answer<IntakeReply>, Refusal> {
        let names: Vec<Module> = scan.drafts.iter().map(|draft| draft.module.clone()).collect();
        let (new, known) = turn.unknown_among(&names, self.limit.map_or(PROPOSED, Limit::get))?;
        let (found, files) = (names.len() as u64, scan.files);
        scan.drafts.retain(|draft| new.contains(&draft.module));
        let test = scan.test_command();
        let tasks = scan.drafts.iter().enumerate().map(|(at, draft)| draft.task(at + 1, test)).collect();
        let seeding = if self.seed_tasks { Seeding::Seed } else { Seeding::Show };
        let done = turn.seed(files, found, tasks, seeding)?;
        let next_command = match () {
            () if scan.drafts.is_empty() && known > 0 => "callboard tasks --state draft",
            () if scan.drafts.is_empty() => "callboard intake --from PLAN.md",
            () if self.seed_tasks => "callboard confirm-task M..., or callboard confirm-task --all --accept-hints",
            () => "callboard intake --seed-tasks",
        };
        let looked = Looked {
            files,
            files_read: scan.files_read,
            left_out: scan.left_out,
            entry_files: scan.entry_files,
            commands: scan.commands,
            found,
            known,
            drafts: scan.drafts,
            next_command: next_command.to_owned(),
        };
        Ok(Answer::done(reply(done, self.dry_run, Some(looked))))
    }
}

impl Operation for Intake {
    const NAME: &'static str = "intake";
    const ALIASES: &'static [&'static str] = &["scan-intake"];
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Tasks;
    const EXAMPLE: &'static str = "callboard intake --seed-tasks";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = IntakeReply;

    fn is_alone(&self, _: &Self::Call) -> bool {
        true
    }

    fn run(&self, call: &Changer, app: &App) -> Result<Done<IntakeReply>, Refused> {
        match &self.from {
            Some(from) => self.import(from, call, app),
            None => self.look(call, app),
        }
    }
}

fn unread(refusal: Refusal) -> Refused {
    Refused { refusal, revision: None }
}

fn reply(done: Imported, dry_run: bool, looked: Option<Looked>) -> IntakeReply {
    let (mut modules, mut updated_modules) = (done.added, done.updated);
    let (added, updated) = (modules.len() as u64, updated_modules.len() as u64);
    modules.truncate(NAMES_SHOWN);
    updated_modules.truncate(NAMES_SHOWN);
    IntakeReply { dry_run, added, updated, unchanged: done.unchanged, modules, updated_modules, looked }
}
