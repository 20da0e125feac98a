//! Following a stream: page after page, each entry a line, until it is stopped.

use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::command::Name;
use super::out::Out;
use super::render;
use super::waiting::Board;
use crate::board::history::EventView;
use crate::board::mutation::{Outcome, Refused};
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::ops::Operation;
use crate::ops::values::Limit;
use crate::platform::deadline::Deadline;
use crate::platform::signals;

/// How long one wait of a stream without an end lasts. After it the place of a stream that leaves most out is moved on, so
/// that pruned events that it did not want are not missing.
const FOR_LONG: Duration = Duration::from_secs(60);

/// How a stream is printed, and when it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Following {
    jsonl: bool,
    most: Option<usize>,
    silence: Option<Duration>,
}

/// The flags of a stream.
pub(super) fn flags(command: Command) -> Command {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    command
        .arg(flag("follow", "Go on with what comes, until stopped; ends after --watch-seconds of silence, if given"))
        .arg(flag("jsonl", "With --follow: one JSON object a line"))
}

/// How a command line wants to follow, if it does. Refuses `--jsonl` without `--follow`.
pub(super) fn wanted(
    matches: &ArgMatches,
    name: Name,
    patience: Option<Duration>,
) -> Result<Option<Following>, Refusal> {
    let flag = |name| matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or(false);
    let jsonl = flag("jsonl") || flag("json");
    if name == Name::Operation && !flag("follow") {
        return match flag("jsonl") {
            true => Err(Refusal::new(Code::Usage, "--jsonl goes with --follow").hint("--json prints one page")),
            false => Ok(None),
        };
    }
    let given = matches.value_source("limit") == Some(clap::parser::ValueSource::CommandLine);
    let most = given.then(|| matches.get_one::<Limit>("limit").copied().map(Limit::get)).flatten();
    Ok(Some(Following { jsonl, most, silence: patience }))
}

/// Prints what there is and what comes. Ends when as much was printed as was asked for, or after a silence.
pub(super) fn follow<O: Operation>(
    mut operation: O,
    call: &O::Call,
    board: Board<'_>,
    following: Following,
    out: &mut Out,
) -> Result<Exit, Refused> {
    signals::heed();
    let mut printed = 0;
    loop {
        let until = Deadline::after(following.silence.unwrap_or(FOR_LONG));
        let mut done = board.look(&operation, call)?;
        out.warn(&done.warnings);
        let mut entries = operation.follow(done.reply);
        if entries.is_empty() {
            done = board.wait(&operation, call, until, out)?;
            if done.outcome == Outcome::Nothing && following.silence.is_some() {
                return Ok(if printed > 0 { Exit::Done } else { Exit::Nothing });
            }
            entries = operation.follow(done.reply);
        }
        for entry in entries {
            if following.most.is_some_and(|most| printed >= most) {
                return Ok(Exit::Done);
            }
            print(&entry, following.jsonl, out);
            printed += 1;
        }
        if out.has_failed() || following.most.is_some_and(|most| printed >= most) {
            return Ok(Exit::Done);
        }
    }
}

fn print(entry: &EventView, jsonl: bool, out: &mut Out) {
    if jsonl {
        out.print_json(entry);
    } else {
        out.print(&(render::events::line(entry) + "\n"));
    }
}
