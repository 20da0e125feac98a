//! Importing a plan that somebody wrote.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Changer;
use super::texts::PlanText;
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::imports::{Imported, Known, PlannedTask, check_plan};
use crate::board::mutation::{Answer, Refused};
use crate::domain::id::Module;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::word::words;
use crate::intake;

words! {
    /// How a plan is written.
    PlanFormat, "plan format" {
        /// A markdown checklist; nesting gives parents.
        Markdown = "markdown",
        /// One JSON object a line, with the keys of a task.
        Jsonl = "jsonl",
    }
}

/// Import a plan: a markdown checklist or JSON lines.
///
/// All or nothing: a bad line is named with its number. Its tasks are open, its dependencies and paths confirmed as
/// written. Known modules are left and counted; --update changes draft, open and waiting ones to match, dependencies
/// included.
///
/// A checklist has lines such as `- [ ] Sign in {module=auth priority=1 specialty=backend depends=db,mail paths=src/auth/**
/// review=required reviewer=ID estimate=30 label=area:web}`; everything in braces is optional. A parent depends on its
/// children, a checked item is done, indented text is the body. JSON lines have the keys that `show --json` has in `task`.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    /// The file with the plan; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub from: PlanText,
    /// markdown or jsonl; told from what is in it when not given.
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

/// What an import did, or would do.
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
}

/// How many names a reply holds.
const NAMES_SHOWN: usize = 20;

impl Intake {
    fn plan(&self) -> Result<Vec<PlannedTask>, Refusal> {
        let text = self.from.checked()?;
        let format =
            self.format.unwrap_or_else(|| match text.trim_start_matches('\u{feff}').trim_start().starts_with("{\"") {
                true => PlanFormat::Jsonl,
                false => PlanFormat::Markdown,
            });
        let plan = match format {
            PlanFormat::Markdown => intake::markdown::plan(text)?,
            PlanFormat::Jsonl => intake::jsonl::plan(text)?,
        };
        if plan.is_empty() {
            let message = format!("there is no task in it ({format})");
            return Err(Refusal::new(Code::ImportLine, message)
                .hint("a checklist has lines like '- [ ] title'; JSON lines have {\"module\":…,\"title\":…}"));
        }
        check_plan(&plan)?;
        Ok(plan)
    }
}

impl Operation for Intake {
    const NAME: &'static str = "intake";
    const ALIASES: &'static [&'static str] = &["scan-intake"];
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Tasks;
    const EXAMPLE: &'static str = "callboard intake --from plan.md";
    type Call = Changer;
    type Reply = IntakeReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<IntakeReply>, Refused> {
        let plan = self.plan().map_err(|refusal| Refused { refusal, revision: None })?;
        let known = if self.update { Known::Update } else { Known::Keep };
        if self.dry_run {
            return call.rehearse(self, app, |turn| Ok(Answer::done(reply(turn.import(plan, known)?, true))));
        }
        call.commit(self, app, |turn| Ok(Answer::done(reply(turn.import(plan, known)?, false))))
    }
}

fn reply(done: Imported, dry_run: bool) -> IntakeReply {
    let (mut modules, mut updated_modules) = (done.added, done.updated);
    let (added, updated) = (modules.len() as u64, updated_modules.len() as u64);
    modules.truncate(NAMES_SHOWN);
    updated_modules.truncate(NAMES_SHOWN);
    IntakeReply { dry_run, added, updated, unchanged: done.unchanged, modules, updated_modules }
}
