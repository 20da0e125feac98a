//! The skill and the prompts: what an agent reads that has never seen callboard. They come with the program.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};

use super::out::Out;
use crate::board::mutation::Refused;
use crate::domain::id::ThreadKey;
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::domain::text::quoted;
use crate::platform::entropy::jitter;
use crate::platform::error::PlatformError;
use crate::platform::file;

macro_rules! manual {
    ($($name:literal),+ $(,)?) => {
        /// The pages that the skill points at.
        const MANUAL: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../references/", $name)))),+];
    };
}

manual! {
    "coordination-files.md",
    "states.md",
    "ranking.md",
    "modes.md",
    "server.md",
    "mcp.md",
    "codes.md",
    "json.md",
    "storage.md",
    "signals.md",
    "troubleshooting.md",
    "example-walkthrough.md",
    "example-snapshots.md",
}

/// The skill itself.
const SKILL: &str = include_str!("../../SKILL.md");
/// Its file.
const NAME: &str = "SKILL.md";
/// By this line a skill is known as ours.
const MARK: &str = "name: callboard";
/// The longest page that is compared, in bytes.
const PAGE_MOST: u64 = 1024 * 1024;

/// The prompts, by role.
const PROMPTS: &[(&str, &str)] = &[
    ("worker", include_str!("../../templates/prompts/worker.md")),
    ("reviewer", include_str!("../../templates/prompts/reviewer.md")),
    ("planner", include_str!("../../templates/prompts/planner.md")),
];

/// These commands for the parser.
pub(super) fn commands() -> [Command; 2] {
    let dir = Arg::new("install").long("install").value_name("DIR").value_parser(value_parser!(PathBuf));
    let role = Arg::new("role").value_name("ROLE").required(true).value_parser(["worker", "reviewer", "planner"]);
    let key = Arg::new("thread_key").long("thread-key").value_name("KEY").value_parser(value_parser!(ThreadKey));
    [
        Command::new("prompt")
            .about("Print the prompt to paste into a window")
            .arg(role.help("worker, reviewer or planner"))
            .arg(key.help("The key of the window; a new one when none is given"))
            .after_help("Example:\n  callboard prompt worker --thread-key anns-worker\n\nExit codes: 0 done, 2 usage"),
        Command::new("skill")
            .about("Print the skill for agents, or install it with its manual")
            .arg(dir.help("Where, such as .claude/skills/callboard; it is made if need be"))
            .after_help(
                "Example:\n  callboard skill --install .claude/skills/callboard\n\nExit codes: 0 done, 2 usage, 4 another skill is \
                 there, 9 no permission",
            ),
    ]
}

/// Prints a prompt.
pub(super) fn prompt(matches: &ArgMatches, out: &mut Out) -> Exit {
    let role: &String = matches.get_one("role").expect("it is required");
    // Two windows that are given the same prompt would be one agent.
    let new = || format!("{role}-{:05x}", jitter(1 << 20));
    let key = matches.get_one::<ThreadKey>("thread_key").map_or_else(new, ToString::to_string);
    let (_, text) = PROMPTS.iter().find(|(name, _)| name == role).expect("the parser knows the roles");
    out.text(&text.replace("{{ thread_key }}", &plain(&key)));
    out.ended(Exit::Done)
}

/// A key as a shell takes it: in quotes only where it needs them.
fn plain(key: &str) -> String {
    let is_plain = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if is_plain { key.to_owned() } else { quoted(key) }
}

/// Prints the skill, or installs it.
pub(super) fn skill(matches: &ArgMatches, out: &mut Out) -> Exit {
    let Some(dir) = matches.get_one::<PathBuf>("install") else {
        out.text(SKILL);
        return out.ended(Exit::Done);
    };
    match install(dir) {
        Ok(count) => {
            out.text(&format!("installed: {} and {count} pages of the manual\n", dir.join(NAME).display()));
            out.ended(Exit::Done)
        }
        Err(refusal) => out.refuse(&Refused { refusal, revision: None }),
    }
}

fn install(dir: &Path) -> Result<usize, Refusal> {
    let failed = |error: PlatformError| {
        Refusal::new(Code::NoPermission, error.to_string()).hint("callboard skill --install DIR of your own")
    };
    let page = dir.join(NAME);
    let there = file::read(&page, PAGE_MOST).map_err(failed)?;
    if there.is_some_and(|there| !String::from_utf8_lossy(&there).contains(MARK)) {
        let message = format!("{} is another skill", page.display());
        return Err(Refusal::new(Code::FileExists, message).hint("callboard skill --install another DIR"));
    }
    let manual = dir.join("references");
    std::fs::create_dir_all(&manual)
        .map_err(|error| failed(PlatformError::File { action: "create", path: manual.clone(), source: error }))?;
    for (name, text) in MANUAL {
        file::overwrite(&manual.join(name), text.as_bytes()).map_err(failed)?;
    }
    file::overwrite(&page, SKILL.as_bytes()).map_err(failed)?;
    Ok(MANUAL.len())
}
