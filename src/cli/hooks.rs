//! Hooks: git asks before a commit, agent tools before an edit and at their start.
//!
//! **Compatibility.** A hook never keeps anybody from working because callboard itself cannot answer: only a path that may
//! not be changed, or an agent that the board does not know, ends it with an error; everything else is said and passes.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value;

use super::command;
use super::out::Out;
use crate::app::{App, Settings};
use crate::board::mutation::Refused;
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::platform::file;
use crate::workspace::git::Checkout;

/// What git runs. A file that is this and nothing else is ours.
const SCRIPT: &str = include_str!("../../templates/hooks/pre-commit");
/// Where a hook that was there before is kept.
const BEFORE: &str = "pre-commit.before-callboard";
/// Settings for agent tools.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("claude", ".claude/settings.json", include_str!("../../templates/hooks/claude-settings.json")),
    ("cursor", ".cursor/hooks.json", include_str!("../../templates/hooks/cursor-hooks.json")),
    ("codex", "AGENTS.md, which Codex and others read", include_str!("../../templates/hooks/agents-snippet.md")),
];
/// More than a file has that says where a git directory is, in bytes.
const MAX_GIT_FILE: u64 = 64 * 1024;
/// The longest hook that is read, in bytes.
const HOOK_MOST: u64 = 256 * 1024;
/// What an agent tool says of an edit is shorter, in bytes.
const INPUT_MOST: u64 = 8 * 1024 * 1024;
/// How long a hook waits for the board.
const PATIENCE: Duration = Duration::from_secs(3);
/// The exit with which a commit or an edit is stopped: agent tools know this one.
const STOPPED: Exit = Exit::Usage;

/// The command for the parser.
pub(super) fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let moment =
        Arg::new("moment").value_name("MOMENT").required(true).value_parser(["pre-commit", "before-edit", "start"]);
    let tool = Arg::new("tool")
        .value_name("TOOL")
        .value_parser(["claude", "cursor", "codex"])
        .help("claude, cursor or codex; all when none is given");
    Command::new("hooks")
        .about("Have git and agent tools ask before paths are changed")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("install")
                .about("Write a git pre-commit hook that checks what is staged")
                .arg(flag("chain", "Keep a hook that is there, and run it first"))
                .arg(flag("outside", "Write it although git keeps hooks outside of this checkout, for other repositories too")),
        )
        .subcommand(Command::new("uninstall").about("Take it out again; what was there before comes back"))
        .subcommand(Command::new("print").about("Print settings for agent tools that run a command at start and before edits").arg(tool))
        .subcommand(Command::new("run").about("What the hooks run").arg(moment))
        .after_help(
            "Example:\n  callboard hooks install\n\nA hook that is there is never touched unless --chain is given. \
             Only a path that may not be changed, or an agent that the board does not know, stops a commit or an edit; when \
             callboard cannot answer, it says so and lets it pass.\n\nExit codes: 0 done, 2 (run) a path may not be changed, 4 refused, 9 wrong place",
        )
}

/// Runs it.
pub(super) fn run(matches: &ArgMatches, app: &App, out: &mut Out) -> Exit {
    let done = match matches.subcommand() {
        Some(("install", sub)) => install(app, sub.get_flag("chain"), sub.get_flag("outside"), out),
        Some(("uninstall", _)) => uninstall(app),
        Some(("print", sub)) => Ok(settings(sub.get_one::<String>("tool").map(String::as_str))),
        Some(("run", sub)) => return at_moment(sub.get_one::<String>("moment").expect("it is required"), app, out),
        _ => Ok(String::new()),
    };
    match done {
        Ok(text) => {
            out.text(&text);
            out.ended(Exit::Done)
        }
        Err(refusal) => out.refuse(&Refused { refusal, revision: None }),
    }
}

/// Where git runs a hook from.
struct Hook {
    path: PathBuf,
    /// True where the directory is not this checkout's own: other repositories may use it as well.
    is_outside: bool,
}

fn hook(app: &App) -> Result<Hook, Refusal> {
    let settings = &app.settings;
    let begin = settings.project_root.as_ref().unwrap_or(&settings.directory);
    let checkout = begin.canonicalize().ok().and_then(|begin| Checkout::around(&begin));
    let found = checkout.and_then(|checkout| Some((checkout.hooks()?, checkout.top)));
    let Some((hooks, top)) = found else {
        let refusal = Refusal::new(Code::WrongPlace, "this is no git checkout");
        return Err(refusal.hint("cd into one, then callboard hooks install"));
    };
    let is_outside = !own_directories(&top).iter().any(|own| real(&hooks).starts_with(own));
    Ok(Hook { path: hooks.join("pre-commit"), is_outside })
}

/// The checkout, its git directory, and the one that it shares with the other worktrees of its repository.
fn own_directories(top: &Path) -> Vec<PathBuf> {
    let text = |path: &Path| {
        let content = file::read_named(path, MAX_GIT_FILE).ok()?;
        Some(String::from_utf8(content).ok()?.trim().to_owned())
    };
    let mut own = vec![real(top)];
    if let Some(git) = text(&top.join(".git")).as_deref().and_then(|text| text.strip_prefix("gitdir:")) {
        let git = real(&top.join(git.trim()));
        own.extend(text(&git.join("commondir")).map(|common| real(&git.join(common))));
        own.push(git);
    }
    own
}

/// The path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match there {
        Some((above, real)) => real.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        None => path.to_owned(),
    }
}

/// Asks at a terminal, and refuses without one.
fn check_outside(directory: &Path, out: &mut Out) -> Result<(), Refusal> {
    let directory = directory.display();
    let question =
        format!("git keeps its hooks in {directory}, outside of this checkout: other repositories may run them");
    if out.confirm(&question) {
        return Ok(());
    }
    Err(Refusal::new(Code::WrongPlace, question)
        .hint("callboard hooks install --outside, if all of them are to run it"))
}

fn content(path: &Path) -> Result<Option<String>, Refusal> {
    let read = file::read(path, HOOK_MOST).map_err(|error| unwritable(path, &error))?;
    Ok(read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

fn unwritable(path: &Path, error: &impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::NoPermission, error.to_string()).hint(format!("ls -l '{}'", path.display()))
}

fn install(app: &App, chain: bool, outside: bool, out: &mut Out) -> Result<String, Refusal> {
    let Hook { path, is_outside } = hook(app)?;
    if is_outside && !outside {
        check_outside(path.parent().unwrap_or(&path), out)?;
    }
    let failed = |error| unwritable(&path, &error);
    if let Some(directory) = path.parent() {
        file::make_directory(directory).map_err(failed)?;
    }
    let before = path.with_file_name(BEFORE);
    let mut said = String::new();
    match content(&path)? {
        Some(own) if own == SCRIPT => {}
        Some(_) if chain => {
            if before.exists() {
                let message = format!("{} exists", before.display());
                return Err(Refusal::new(Code::FileExists, message).hint("move one of the two hooks away"));
            }
            file::rename(&path, &before).map_err(failed)?;
            said = format!("kept: {} (it runs first)\n", before.display());
        }
        Some(_) => {
            let message = format!("there is another hook in {}", path.display());
            return Err(Refusal::new(Code::FileExists, message)
                .hint("callboard hooks install --chain keeps it and runs it first"));
        }
        None => {}
    }
    file::overwrite(&path, SCRIPT.as_bytes()).map_err(failed)?;
    file::make_executable(&path).map_err(failed)?;
    Ok(format!(
        "{said}installed: {}\nset CALLBOARD_AGENT_ID in an agent's window; a person is only kept off what others hold\n",
        path.display()
    ))
}

fn uninstall(app: &App) -> Result<String, Refusal> {
    let Hook { path, .. } = hook(app)?;
    let failed = |error| unwritable(&path, &error);
    let found = content(&path)?;
    if found.as_deref() != Some(SCRIPT) {
        return Ok(match found {
            None => "nothing of callboard is there\n".to_owned(),
            Some(_) => format!("{} is not what callboard wrote: it stays\n", path.display()),
        });
    }
    file::remove(&path).map_err(failed)?;
    let before = path.with_file_name(BEFORE);
    if before.exists() {
        file::rename(&before, &path).map_err(failed)?;
        return Ok(format!("removed; {} is as it was\n", path.display()));
    }
    Ok(format!("removed: {}\n", path.display()))
}

fn settings(tool: Option<&str>) -> String {
    let wanted = SETTINGS.iter().filter(|(name, ..)| tool.is_none_or(|tool| tool == *name));
    wanted.map(|(_, file, text)| format!("# into {file}\n{text}\n")).collect::<Vec<_>>().concat()
}

/// What the hooks run: a line of callboard's own, whose answer is translated for whoever asked.
fn at_moment(moment: &str, app: &App, out: &mut Out) -> Exit {
    let Ok(settings) = app.settings.again() else { return Exit::Done };
    // git makes a partial commit from an index of its own. This is the only thing of git's environment that is believed.
    #[expect(clippy::disallowed_methods, reason = "app and cli own the environment")]
    let git_index = std::env::var_os("GIT_INDEX_FILE").filter(|_| moment == "pre-commit").map(PathBuf::from);
    let app = App::new(Settings { lock_timeout: PATIENCE, git_index, ..settings }, app.progress);
    if app.place().is_err() {
        // No board, or none that this host may use: no business of a hook.
        return Exit::Done;
    }
    let words: Vec<String> = match moment {
        "pre-commit" => vec!["check-paths".to_owned(), "--staged".to_owned()],
        "before-edit" => match edited() {
            Some(path) => vec!["check-paths".to_owned(), path],
            None => {
                out.note("no path of an edit was told: nobody checked whose it is");
                return Exit::Done;
            }
        },
        _ if command::is_somebody() => vec!["next-action".to_owned()],
        _ => {
            out.text(STRANGER);
            return Exit::Done;
        }
    };
    match command::run_line(&words, &app, out) {
        Exit::Refused | Exit::Taken if moment != "start" => STOPPED,
        _ => Exit::Done,
    }
}

/// What an agent is told at its start that has no name yet.
const STRANGER: &str = "This project has a coordination board. Take part:\n  \
    callboard init-agent --thread-key KEY --while-session   (a name of your own that you will know again)\n  \
    export CALLBOARD_AGENT_ID=ID   (the agent_id that it printed; git's hook asks for it)\n  \
    callboard next-action   (then do what it says)\n";

/// The path of an edit, as agent tools tell it on standard input.
fn edited() -> Option<String> {
    let mut text = String::new();
    std::io::stdin().take(INPUT_MOST).read_to_string(&mut text).ok()?;
    let input: Value = serde_json::from_str(&text).ok()?;
    let keys = ["file_path", "path", "notebook_path"];
    let mut told = keys.iter().flat_map(|key| [&input["tool_input"][*key], &input[*key]]);
    told.find_map(Value::as_str).map(ToOwned::to_owned)
}
