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
            .arg(
                file("A backup, or an old copy of coordination.db").required(false).required_unless_present("in_place"),
            )
            .arg(
                Arg::new("in_place")
                    .long("in-place")
                    .action(clap::ArgAction::SetTrue)
                    .conflicts_with("file")
                    .help("The database that lies there becomes the board again, also where .callboard/place.json is lost"),
            )
            .arg(person)
            .after_help("All windows and leases end, cursors begin again, and no token of before is ever current.\nWhat was there is kept in project-plan/backups.\n\nExamples:\n  callboard restore ~/board.db\n  callboard restore --in-place\n\nExit codes: 0 done, 4 refused, 7 busy, 9 wrong place or no good copy"),
    ]
}

/// Runs one of them.
pub(super) fn run(name: &str, matches: &ArgMatches, app: &App, out: &mut Out) -> Exit {
    if name == "hooks" {
        return hooks::run(matches, app, out);
    }
    let file = matches.get_one::<PathBuf>("file");
    let done = match (name, file) {
        ("backup", Some(file)) => app.back_up(file).map(|backup| {
            let revision = backup.board_revision;
            out.answer(&Done::plain(backup, revision))
        }),
        _ => restore(file.map(PathBuf::as_path), matches.get_flag("as_human"), app, out)
            .map(|(restored, revision)| out.answer(&Done::plain(restored, revision))),
    };
    done.unwrap_or_else(|refused| out.refuse(&refused))
}

/// A restore takes everything away that was granted since: an agent that lost its name must not do it by mistake. Without a
/// file it is the database that lies there.
fn restore(file: Option<&Path>, as_human: bool, app: &App, out: &mut Out) -> Result<(Restored, u64), Refused> {
    let facts = facts::gather(app);
    let refused = |message: &str, hint: &str| {
        let refusal = Refusal::new(Code::HumanRequired, message).hint(hint);
        Err(Refused { refusal, revision: None })
    };
    if !as_human && !facts.terminal {
        let hint = match file {
            Some(_) => "callboard restore FILE, at a terminal",
            None => "callboard restore --in-place, at a terminal",
        };
        return refused("a restore ends every lease and window, and there is no terminal", hint);
    }
    let question =
        "the database in project-plan becomes the board as it is: every lease and window ends, and cursors begin again";
    if file.is_none() && !as_human && !out.confirm(question) {
        return refused("nothing was restored: it was not confirmed", "callboard restore --in-place, and answer y");
    }
    let person = Caller { user: facts.user, surely_human: true, ..Caller::default() };
    let restored = match file {
        Some(file) => app.restore(file, &person)?,
        None => app.restore_in_place(&person)?,
    };
    // Whatever keeps the pages from being drawn is said by whoever draws them next.
    let _ = app.show_pages();
    Ok(restored)
}
