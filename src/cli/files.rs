//! Commands about files of this machine, which no other door has: copies of the board.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};

use super::out::Out;
use super::{facts, hooks};
use crate::app::App;
use crate::app::backup::Restored;
use crate::board::caller::Caller;
use crate::board::mutation::Refused;
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::ops::Done;

/// These commands for the parser.
pub(super) fn commands() -> [Command; 3] {
    let file = |help: &'static str| {
        Arg::new("file").value_name("FILE").required(true).value_parser(value_parser!(PathBuf)).help(help)
    };
    let person = Arg::new("as_human")
        .long("as-human")
        .action(clap::ArgAction::SetTrue)
        .help("A person acts, and there is no terminal");
    [
        Command::new("backup")
            .about("Copy the board into a file, whole and as one moment has it")
            .arg(file("A name that nothing has yet"))
            .after_help("The copy says that it is one: it is refused as a board until it was restored.\n\nExample:\n  callboard backup ~/board.db\n\nExit codes: 0 done, 4 the name is taken, 7 busy, 9 wrong place"),
        hooks::command(),
        Command::new("restore")
            .about("Put a backup in the place of the board")
            .arg(file("A backup, or an old copy of coordination.db"))
            .arg(person)
            .after_help("All windows and leases end, cursors begin again, and no token of before is ever current.\nWhat was there is kept in project-plan/backups.\n\nExample:\n  callboard restore ~/board.db\n\nExit codes: 0 done, 4 refused, 7 busy, 9 wrong place or no good copy"),
    ]
}

/// Runs one of them.
pub(super) fn run(name: &str, matches: &ArgMatches, app: &App, out: &mut Out) -> Exit {
    if name == "hooks" {
        return hooks::run(matches, app, out);
    }
    let file: &PathBuf = matches.get_one("file").expect("it is required");
    let done = match name {
        "backup" => app.back_up(file).map(|backup| {
            let revision = backup.board_revision;
            out.answer(&Done::plain(backup, revision))
        }),
        _ => restore(file, matches.get_flag("as_human"), app)
            .map(|(restored, revision)| out.answer(&Done::plain(restored, revision))),
    };
    done.unwrap_or_else(|refused| out.refuse(&refused))
}

/// A restore takes everything away that was granted since: an agent that lost its name must not do it by mistake.
fn restore(file: &Path, as_human: bool, app: &App) -> Result<(Restored, u64), Refused> {
    let facts = facts::gather(app);
    if !as_human && !facts.terminal {
        let message = "a restore ends every lease and window, and there is no terminal";
        let refusal = Refusal::new(Code::HumanRequired, message).hint("callboard restore FILE, at a terminal");
        return Err(Refused { refusal, revision: None });
    }
    let person = Caller { user: facts.user, surely_human: true, ..Caller::default() };
    let restored = app.restore(file, &person)?;
    // Whatever keeps the pages from being drawn is said by whoever draws them next.
    let _ = app.show_pages();
    Ok(restored)
}
