//! The health of a board: trying its place, checking its rows, mending what is wrong.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Caller, Changer};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::app::archives::FileState;
use crate::app::doctor::{BOARD, Check, Checks, Health};
use crate::app::obstacles::Moved;
use crate::app::place::Place;
use crate::app::repair::Repaired;
use crate::app::validate::Audit;
use crate::board::mutation::{Answer, Outcome, Refused};
use crate::domain::audit::Finding;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::platform::probe::within;
use crate::projection::drift::Drift;

/// Try everything that a board needs: its place, locks, rows, pages.
///
/// Each line is ok, warn or fail, with the command that mends it. Locks are tried with a second process, a durable write
/// and the storage's clock are measured, rows are read and checked. Nothing of the board is changed, and every probe has
/// a deadline. Exits 4 when the board is not sound, 9 when its place is wrong.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Doctor {}

/// What was tried.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct DoctorReply {
    /// The project whose board it is; null where none was found.
    pub project_root: Option<String>,
    /// This host's id.
    pub host_id: Option<String>,
    /// What was tried, in order.
    pub checks: Vec<Check>,
    /// How many came to warn.
    pub warnings_found: u64,
    /// How many came to fail.
    pub failures_found: u64,
}

impl Operation for Doctor {
    const NAME: &'static str = "doctor";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Health;
    const EXAMPLE: &'static str = "callboard doctor";
    // It starts programs and tries the disk.
    const RIGHT: Right = Right::Worker;
    type Call = Caller;
    type Reply = DoctorReply;

    fn is_alone(&self, _: &Self::Call) -> bool {
        true
    }

    fn run(&self, _: &Caller, app: &App) -> Result<Done<DoctorReply>, Refused> {
        let mut checks = Checks::default();
        let version = env!("CARGO_PKG_VERSION");
        checks.say("program", "version", Health::Ok, format!("callboard {version}"), None);
        let place = app.examine_place(&app.settings.program, &mut checks);
        let mut revision = 0;
        if let Some(place) = &place {
            App::examine_journal(place, &mut checks);
            revision = examine_board(app, place, &mut checks);
        }
        let Checks(checks) = checks;
        let count = |status| checks.iter().filter(|check| check.status == status).count() as u64;
        let (warnings_found, failures_found) = (count(Health::Warn), count(Health::Fail));
        let first = checks.iter().find(|check| check.status == Health::Fail);
        let complaint = first.map(|check| {
            let code = if check.area == "place" { Code::WrongPlace } else { Code::Unsound };
            let refusal = Refusal::new(code, format!("{} failed: {}", check.name, check.message));
            Refusal { hint: check.command.clone(), ..refusal }
        });
        let reply = DoctorReply {
            project_root: place.map(|place| place.project.to_string_lossy().into_owned()),
            host_id: app.host().ok().map(|host| host.id),
            checks,
            warnings_found,
            failures_found,
        };
        Ok(Done { complaint, ..Done::plain(reply, revision) })
    }
}

/// Rows, retention, pages. They are read under the board's lock, which a healthy board gives at once; the reading itself
/// has a deadline.
fn examine_board(app: &App, place: &Place, checks: &mut Checks) -> u64 {
    let mut say = |area: &str, name: &str, status, message: String, command: Option<&str>| {
        checks.say(area, name, status, message, command.map(ToOwned::to_owned));
    };
    let Ok(settings) = app.settings.again() else { return 0 };
    let progress = app.progress;
    let audited = within(BOARD, move || App::new(settings, progress).audit());
    let repair = Some("callboard validate --repair");
    let audit: Audit = match audited {
        Some(Ok(audit)) => audit,
        Some(Err(refused)) => {
            checks.refused("board", "rows", &refused.refusal);
            return 0;
        }
        None => {
            say(
                "board",
                "rows",
                Health::Warn,
                format!("they took longer than {} s to read", BOARD.as_secs()),
                Some("callboard validate"),
            );
            return 0;
        }
    };
    if let Some(first) = audit.obstacles.first() {
        let more = and_more(audit.obstacles.len());
        say("place", "files", Health::Fail, format!("{}: {}{more}", first.subject, first.detail), repair);
    }
    match audit.findings.first() {
        None => say("board", "rows", Health::Ok, "SQLite and every rule find them sound".to_owned(), None),
        Some(first) => {
            let more = and_more(audit.findings.len());
            let message = format!("{} {}: {}{more}", first.rule, first.subject, first.detail);
            say("board", "rows", Health::Fail, message, repair);
        }
    }
    if let Ok(seen) = app
        .look(&Caller::default().for_board(), |look| Ok(Answer::done((look.board_view(), look.is_over_retention()?))))
    {
        let (board, is_over) = seen.answer.reply;
        say(
            "board",
            "board",
            Health::Ok,
            format!(
                "{}, revision {}, profile {}, mode {}",
                board.name, board.revision, board.safety_profile, board.mode
            ),
            None,
        );
        let policy = board.retention;
        let kept = board.event_seq.saturating_sub(board.pruned_through);
        let rows = policy.max_rows.map_or("all events".to_owned(), |rows| format!("about {rows} events"));
        let days = policy.max_age_days.map(|days| format!(" of {days} days")).unwrap_or_default();
        let message = format!("keeps {rows}{days}; {kept} are there, {} archived", board.pruned_through);
        match is_over.then(|| app.archive_obstacle(place)) {
            None => say("retention", "policy", Health::Ok, message, Some("callboard retention --max-rows 10000")),
            Some(Some(obstacle)) => {
                let list = format!("ls -la '{}'", place.plan.join("archive").display());
                let message = format!("{message}: more than that, because no archive can be written: {obstacle}");
                say("retention", "policy", Health::Warn, message, Some(&list));
            }
            Some(None) => {
                let flag =
                    |name, limit: Option<u64>| limit.map(|limit| format!(" --{name} {limit}")).unwrap_or_default();
                let (rows, days) =
                    (flag("max-rows", policy.max_rows), flag("max-age-days", policy.max_age_days.map(u64::from)));
                let message = format!("{message}: more than that, because no change has pruned them yet");
                say("retention", "policy", Health::Warn, message, Some(&format!("callboard prune-events{rows}{days}")));
            }
        }
    }
    match audit.archives.first() {
        None => say("retention", "archives", Health::Ok, "they are as they were written".to_owned(), None),
        Some((archive, state)) => {
            let what = if *state == FileState::Missing { "is gone" } else { "was changed" };
            say(
                "retention",
                "archives",
                Health::Warn,
                format!("{} {what}", archive.name),
                Some("callboard event-archives"),
            );
        }
    }
    match audit.drifts.first() {
        None => say("pages", "pages", Health::Ok, "they show the board".to_owned(), None),
        Some(drift) => {
            let more = and_more(audit.drifts.len());
            say("pages", "pages", Health::Warn, format!("{} is {}{more}", drift.page, drift.kind), repair);
        }
    }
    audit.revision.unwrap_or(0)
}

/// Check the board, its archives and its pages; with --repair mend them.
///
/// Every rule that the rows can show is checked, and every page against what it would show; a page that was edited by
/// hand is shown as a diff, and written again by a repair. A repair keeps the database as it was in project-plan/backups,
/// mends in place what it can, and makes a new database from what still reads, the newest backup and the archives of events
/// where it cannot be opened. Links and directories in place of locks and pages are moved there too. It says what is lost,
/// and what a check afterwards found. Exits 4 when something is wrong, or still wrong.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Validate {
    /// Mend what is wrong.
    #[arg(long)]
    #[serde(default)]
    pub repair: bool,
    /// Fill what is lost from this backup instead of the newest that is known.
    #[arg(long, value_name = "FILE", requires = "repair")]
    #[serde(default)]
    pub backup: Option<String>,
    /// Record no event. A database that cannot be opened has none in any case.
    #[arg(long)]
    #[serde(default)]
    pub no_event: bool,
}

/// A rule that is broken, and what a repair does about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Broken {
    /// The rule, and what breaks it.
    #[serde(flatten)]
    pub finding: Finding,
    /// What a repair does.
    pub remedy: String,
}

/// An archive of events that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BadArchive {
    /// Its file.
    pub name: String,
    /// changed or missing.
    pub status: super::retention::ArchiveStatus,
}

/// What was found, and what was done about it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ValidateReply {
    /// True when nothing is wrong, or nothing any more.
    pub sound: bool,
    /// Rules that were broken, each with what a repair does: the plan.
    pub findings: Vec<Broken>,
    /// Pages that were not what the board says. A repair draws them.
    pub pages: Vec<Drift>,
    /// Archives that are not what was written. Nothing mends them.
    pub archives: Vec<BadArchive>,
    /// What a repair did; null where none was asked for.
    pub repair: Option<RepairReply>,
}

/// What a repair did.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct RepairReply {
    /// Where the database of before is kept; null where it was not touched.
    pub kept: Option<String>,
    /// True when a new database was made.
    pub rebuilt: bool,
    /// The backup that rows came from.
    pub backup: Option<String>,
    /// How many events told something that the rows did not.
    pub replayed_events: u64,
    /// True when leases, windows and cursors of before count no more.
    pub new_generation: bool,
    /// What was in the way of a file of the board, and where it is now.
    #[serde(default)]
    pub moved: Vec<String>,
    /// What is gone, in words.
    pub lost: Vec<String>,
    /// What is still wrong, as it was seen after the repair.
    pub still_wrong: Vec<Finding>,
}

impl From<Repaired> for RepairReply {
    fn from(done: Repaired) -> Self {
        let shown = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        Self {
            kept: done.kept.map(shown),
            rebuilt: done.rebuilt,
            backup: done.backup.map(shown),
            replayed_events: done.replayed,
            new_generation: done.came_back,
            moved: Vec::new(),
            lost: done.lost,
            still_wrong: done.left,
        }
    }
}

impl Operation for Validate {
    const NAME: &'static str = "validate";
    const KIND: Kind = Kind::Presence;
    const GROUP: Group = Group::Health;
    const EXAMPLE: &'static str = "callboard validate --repair";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = ValidateReply;

    fn is_alone(&self, _: &Self::Call) -> bool {
        true
    }

    fn run(&self, call: &Changer, app: &App) -> Result<Done<ValidateReply>, Refused> {
        // A lock that cannot be taken keeps everything else from being looked at.
        let cleared = if self.repair { app.clear_the_way() } else { Ok(Vec::new()) };
        let cleared = cleared.map_err(|refusal| Refused { refusal, revision: None })?;
        let audit = app.audit()?;
        if let (Some(expected), Some(revision)) = (call.expected_revision, audit.revision)
            && expected != revision
        {
            let message = format!("the board is at revision {revision}, not {expected}");
            let refusal = Refusal::new(Code::StaleRevision, message).hint("callboard state");
            return Err(Refused { refusal, revision: Some(revision) });
        }
        if self.repair {
            return self.mend(call, app, &audit, &cleared);
        }
        let reply = reply(&audit);
        let complaint = (!audit.is_sound()).then(|| {
            let count = reply.findings.len() + reply.pages.len() + reply.archives.len();
            Refusal::new(Code::Unsound, format!("not as it must be: {count}")).hint("callboard validate --repair")
        });
        let (findings, drifted) = (reply.findings.len() as u64, reply.pages.len() as u64);
        if self.no_event || audit.is_broken {
            return Ok(Done { complaint, ..Done::plain(reply, audit.revision.unwrap_or(0)) });
        }
        let unguarded = Changer { expected_revision: None, ..call.clone() };
        // Pages that were edited stay to be looked at.
        let done = unguarded.commit_unrendered(self, app, |turn| {
            turn.note_validation(findings, drifted);
            Ok(Answer { outcome: Outcome::Done, reply })
        });
        match done {
            Ok(done) => Ok(Done { complaint, ..done }),
            // Rows can be so unsound that no event can be recorded among them.
            Err(refused) if !audit.is_sound() => {
                let warnings = vec![format!("no event of this could be recorded: {}", refused.refusal)];
                Ok(Done { warnings, complaint, ..Done::plain(self::reply(&audit), audit.revision.unwrap_or(0)) })
            }
            Err(refused) => Err(refused),
        }
    }
}

impl Validate {
    fn mend(
        &self,
        call: &Changer,
        app: &App,
        audit: &Audit,
        cleared: &[Moved],
    ) -> Result<Done<ValidateReply>, Refused> {
        let caller = call.caller.for_board();
        let backup = self.backup.as_ref().map(std::path::Path::new);
        let repaired = app.repair(audit, backup, &caller)?;
        // A template that cannot be drawn or a directory that cannot be written leaves pages behind: that is said.
        let mut warnings = match app.restore_pages() {
            Ok(warnings) => warnings,
            Err(refused) => vec![format!("the pages are behind: {}", refused.refusal)],
        };
        // What the repair says of itself is what is there now, not what it meant to do.
        let after = app.audit()?;
        if let Err(refused) = app.record_rendered_pages(audit, &after, &caller) {
            warnings.push(format!("no event of the pages could be recorded: {}", refused.refusal));
        }
        if !repaired.lost.is_empty() {
            warnings.push("some of the board is lost; the file of before is kept".to_owned());
        }
        if repaired.came_back {
            warnings.push("every window has to come aboard again: callboard init-agent --thread-key KEY".to_owned());
        }
        let is_sound = after.is_sound();
        let complaint = (!is_sound).then(|| {
            Refusal::new(Code::Unsound, "not everything could be mended").hint("callboard validate says what is left")
        });
        let mut repair = RepairReply::from(repaired);
        for Moved { finding, to } in cleared {
            match to {
                Ok(to) => repair.moved.push(format!("{} to {}", finding.subject, to.display())),
                Err(why) => warnings.push(why.clone()),
            }
        }
        for problem in after.problems() {
            if !repair.still_wrong.contains(&problem) {
                repair.still_wrong.push(problem);
            }
        }
        let mut reply = ValidateReply { sound: is_sound, repair: Some(repair), ..reply(audit) };
        let in_the_way = cleared.iter().filter(|moved| moved.to.is_ok()).map(|moved| broken(&moved.finding));
        reply.findings.extend(in_the_way);
        let revision = after.revision.or(audit.revision).unwrap_or(0);
        Ok(Done { warnings, complaint, ..Done::plain(reply, revision) })
    }
}

/// How many there are beside the first, where there are.
fn and_more(many: usize) -> String {
    if many > 1 { format!(", and {} more", many - 1) } else { String::new() }
}

fn broken(finding: &Finding) -> Broken {
    Broken { remedy: finding.rule.remedy().to_owned(), finding: finding.clone() }
}

fn reply(audit: &Audit) -> ValidateReply {
    ValidateReply {
        sound: audit.is_sound(),
        findings: audit.findings.iter().chain(&audit.obstacles).map(broken).collect(),
        pages: audit.drifts.clone(),
        archives: audit
            .archives
            .iter()
            .map(|(archive, state)| BadArchive { name: archive.name.clone(), status: (*state).into() })
            .collect(),
        repair: None,
    }
}
