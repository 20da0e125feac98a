//! The parser, made from the catalogue: one table entry for each operation, with a renderer that cannot be missing.

use std::ffi::OsStr;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as _, Command, FromArgMatches as _, value_parser};

use super::client::{Address, Client, Naming};
use super::facts;
use super::help;
use super::out::{Color, Out};
use super::render::Render;
use super::waiting::Board;
use super::{completions, files, pages, serve, skill, streaming};
use crate::app::App;
use crate::board::mutation::Refused;
use crate::domain::id::{AgentId, SessionId};
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::ops::call::Shared as _;
use crate::ops::events::{Events, Notifications};
use crate::ops::texts::json_of;
use crate::ops::{Group, Kind, Operation};

/// The way of a command line to a board.
#[derive(Clone, Copy)]
pub(super) struct Door<'a> {
    /// This machine, and its directory.
    pub app: &'a App,
    /// The server that was named.
    pub server: Option<&'a Address>,
}

/// An operation at this door.
pub(super) struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// Where the help lists it.
    pub group: Group,
    /// Adds its arguments to a command.
    pub augment: fn(Command) -> Command,
    /// Runs it.
    pub run: fn(&ArgMatches, Door<'_>, &mut Out) -> Exit,
}

macro_rules! table {
    ($($operation:ty),+ $(,)?) => {
        /// Every operation, in the order of the help.
        pub(super) const TABLE: &[Entry] = &[$(entry::<$operation>()),+];
    };
}

crate::catalogue!(table);

/// Streams under names of their own: the same operations with `--follow`.
pub(super) const STREAMS: &[Entry] = &[
    Entry { name: "events-stream", run: run_stream::<Events>, ..entry::<Events>() },
    Entry { name: "notifications-stream", run: run_stream::<Notifications>, ..entry::<Notifications>() },
];

const fn entry<O: Operation<Reply: Render>>() -> Entry {
    Entry { name: O::NAME, aliases: O::ALIASES, group: O::GROUP, augment: augment::<O>, run: run::<O> }
}

/// Every command that is an operation.
fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLE.iter().chain(STREAMS)
}

/// The entry of a name or alias.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.name == name || entry.aliases.contains(&name))
}

/// The parser of one command line: it has only the subcommands that a word of the line names, and they get their arguments
/// when they are meant. A subcommand that no word names cannot be meant, so a line means the same to it as to the whole
/// parser, which takes a millisecond to build.
pub(super) fn lazy<'a>(words: impl Iterator<Item = &'a OsStr>) -> Command {
    let words: Vec<&str> = words.filter_map(OsStr::to_str).collect();
    let is_named = |entry: &&Entry| words.iter().any(|word| *word == entry.name || entry.aliases.contains(word));
    let subcommands = entries().filter(is_named).map(|entry| named(entry).defer(entry.augment));
    let root = root().subcommands(subcommands);
    let others = OUTSIDE.iter().any(|name| words.contains(name));
    if others { root.subcommands(outside()) } else { root }
}

/// The parser with everything.
pub(super) fn whole() -> Command {
    let subcommands = entries().map(|entry| (entry.augment)(named(entry)));
    root().after_help(help::groups()).subcommands(subcommands).subcommands(outside())
}

/// Their names.
const OUTSIDE: [&str; 11] =
    ["backup", "restore", "hooks", "serve", "mcp", "token", "skill", "prompt", "completions", "man", "names"];

/// Commands that are no operations: they are about files of this machine, or this manual.
fn outside() -> impl Iterator<Item = Command> {
    let names = std::iter::once(completions::names_command());
    files::commands()
        .into_iter()
        .chain(serve::commands())
        .chain(skill::commands())
        .chain(pages::commands())
        .chain(names)
}

fn named(entry: &Entry) -> Command {
    Command::new(entry.name).visible_aliases(entry.aliases.iter().copied())
}

fn root() -> Command {
    let root =
        Arg::new("project_root").long("project-root").value_name("DIR").value_parser(value_parser!(std::path::PathBuf));
    let root = from_environment(root, "CALLBOARD_PROJECT_ROOT");
    let server_url = Arg::new("server_url").long("server-url").value_name("URL");
    Command::new("callboard")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A coordination board that lives in a directory")
        .help_template("{about}\n\n{usage-heading} {usage}{after-help}\n\nOptions:\n{options}\n")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(root.global(true).help("The project whose board is meant"))
        .arg(
            from_environment(server_url, "CALLBOARD_SERVER_URL")
                .global(true)
                .help("The server to ask instead of the directory"),
        )
        .arg(flag("json", "One JSON object on standard output, also for refusals"))
        .arg(flag("quiet", "No warnings and hints on standard error"))
        .arg(
            Arg::new("color")
                .long("color")
                .value_name("WHEN")
                .value_parser(value_parser!(Color))
                .global(true)
                .help("auto, always or never"),
        )
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).global(true).help(help)
}

/// An empty variable is no value.
#[expect(clippy::disallowed_methods, reason = "app and cli own the environment")]
fn from_environment(arg: Arg, variable: &'static str) -> Arg {
    if std::env::var_os(variable).is_some_and(|value| !value.is_empty()) { arg.env(variable) } else { arg }
}

/// Runs a line of an operation, without the program's name, as this app.
pub(super) fn run_line(words: &[String], app: &App, out: &mut Out) -> Exit {
    let line = std::iter::once("callboard").chain(words.iter().map(String::as_str));
    let matches = lazy(words.iter().map(OsStr::new)).try_get_matches_from(line);
    let entry = matches.as_ref().ok().and_then(|matches| matches.subcommand());
    match entry.and_then(|(name, sub)| Some((find(name)?, sub))) {
        Some((entry, sub)) => (entry.run)(sub, Door { app, server: None }, out),
        None => Exit::Usage,
    }
}

/// The server that a command line or the environment names, with what opens its door.
#[expect(clippy::disallowed_methods, reason = "app and cli own the environment")]
pub(super) fn server(matches: &ArgMatches) -> Option<Address> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let url = matches.get_one::<String>("server_url")?.clone();
    let is_line = matches.value_source("server_url") == Some(ValueSource::CommandLine);
    let naming = if is_line { Naming::CommandLine } else { Naming::Environment };
    Some(Address { url, naming, token: token(), authority: variable("CALLBOARD_SERVER_CA").map(Into::into) })
}

/// The token that the environment gives.
#[expect(clippy::disallowed_methods, reason = "app and cli own the environment")]
pub(super) fn token() -> Option<String> {
    std::env::var("CALLBOARD_TOKEN").ok().filter(|token| !token.is_empty())
}

/// True where the environment says which agent acts.
#[expect(clippy::disallowed_methods, reason = "app and cli own the environment")]
pub(super) fn is_somebody() -> bool {
    CALLER_VARIABLES.iter().any(|(_, variable)| std::env::var_os(variable).is_some_and(|value| !value.is_empty()))
}

/// Variables that stand for flags of who calls, where an operation asks for that. Filters of the same name are others.
const CALLER_VARIABLES: [(&str, &str); 3] = [
    ("agent_id", "CALLBOARD_AGENT_ID"),
    ("thread_key", "CALLBOARD_THREAD_KEY"),
    ("session_id", "CALLBOARD_SESSION_ID"),
];

fn augment<O: Operation>(command: Command) -> Command {
    let mut command = O::Call::augment_args(command);
    for (id, variable) in CALLER_VARIABLES {
        if command.get_arguments().any(|arg| arg.get_id() == id) {
            command = command.mut_arg(id, |arg| from_environment(arg, variable));
        }
    }
    let texts = |arg: Arg| {
        let is_text = arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "TEXT"));
        // Agents write lists: a text may begin with a dash.
        if is_text { arg.allow_hyphen_values(true) } else { arg }
    };
    let command = O::augment_args(command);
    let command = if O::FOLLOWS { streaming::flags(command) } else { command };
    command.mut_args(texts).after_help(help::ending(O::EXAMPLE, O::KIND == Kind::Read))
}

/// The name that an operation was called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// Its own: it follows if it is asked to.
    Operation,
    /// Its stream's.
    Stream,
}

fn run<O: Operation<Reply: Render>>(matches: &ArgMatches, door: Door<'_>, out: &mut Out) -> Exit {
    ended(try_run::<O>(matches, door, out, Name::Operation), matches, out)
}

fn run_stream<O: Operation<Reply: Render>>(matches: &ArgMatches, door: Door<'_>, out: &mut Out) -> Exit {
    ended(try_run::<O>(matches, door, out, Name::Stream), matches, out)
}

fn ended(tried: Result<Exit, Refused>, matches: &ArgMatches, out: &mut Out) -> Exit {
    tried.unwrap_or_else(|mut refused| {
        refused.refusal.hint = refused.refusal.hint.map(|hint| as_caller(hint, matches));
        out.refuse(&refused)
    })
}

/// A hint that is one of the commands of the loop, for whoever was named on this command line: as printed it would be a
/// person's.
fn as_caller(hint: String, matches: &ArgMatches) -> String {
    if !["callboard claim-next", "callboard next-action", "callboard claim-review-next"].contains(&hint.as_str()) {
        return hint;
    }
    let named = |id: &str, value: Option<String>| {
        let given = value.filter(|_| matches.value_source(id) == Some(ValueSource::CommandLine));
        given.map(|value| format!(" --{} {value}", id.replace('_', "-"))).unwrap_or_default()
    };
    let agent = matches.try_get_one::<AgentId>("agent_id").ok().flatten().map(ToString::to_string);
    let session = matches.try_get_one::<SessionId>("session_id").ok().flatten().map(ToString::to_string);
    let (agent, session) = (named("agent_id", agent), named("session_id", session));
    format!("{hint}{agent}{session}")
}

/// The command line is a door like any other: its words become JSON, and the operation is made from that.
fn try_run<O: Operation<Reply: Render>>(
    matches: &ArgMatches,
    door: Door<'_>,
    out: &mut Out,
    name: Name,
) -> Result<Exit, Refused> {
    let unread = |refusal| Refused { refusal, revision: None };
    let usage = |error: &dyn std::fmt::Display| unread(Refusal::new(Code::Usage, error.to_string()));
    let mut call = O::Call::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let parsed = O::from_arg_matches(matches).map_err(|error| usage(&error))?;
    let json = json_of(&parsed).map_err(unread)?;
    let operation: O = serde_json::from_value(json).map_err(|error| usage(&error))?;
    call.fill(facts::gather(door.app));
    let client = door.server.map(|address| Client::new(door.app, address.clone())).transpose().map_err(unread)?;
    let board = client.as_ref().map_or(Board::Here(door.app), Board::There);
    operation.prepare(&mut call, board.surroundings())?;
    if O::FOLLOWS
        && let Some(following) = streaming::wanted(matches, name, call.patience()).map_err(unread)?
    {
        let exit = streaming::follow(operation, &call, board, following, out)?;
        return Ok(out.ended(exit));
    }
    let mut done = board.run(&operation, &call, out)?;
    if let Some(complaint) = &mut done.complaint {
        complaint.hint = complaint.hint.take().map(|hint| as_caller(hint, matches));
    }
    Ok(out.answer(&done))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use schemars::{JsonSchema, schema_for};

    use super::*;

    /// What the envelope of every answer has beside the reply.
    const ENVELOPE: [&str; 9] =
        ["ok", "revision", "request_id", "replayed", "nothing", "complete", "projection_behind", "warnings", "error"];

    fn keys<T: JsonSchema>() -> BTreeSet<String> {
        let schema = schema_for!(T).to_value();
        schema["properties"].as_object().into_iter().flat_map(|map| map.keys().cloned()).collect()
    }

    fn ids(command: &Command) -> BTreeSet<String> {
        command.get_arguments().map(|arg| arg.get_id().to_string()).collect()
    }

    /// The words of a command line without escapes.
    fn words_of(line: &str) -> Vec<String> {
        let (mut words, mut quote) = (vec![String::new()], None);
        for c in line.chars() {
            match quote {
                Some(open) if c == open => quote = None,
                None if matches!(c, '\'' | '"') => quote = Some(c),
                None if c == ' ' => words.push(String::new()),
                _ => words.last_mut().expect("there is one").push(c),
            }
        }
        words
    }

    fn check<O: Operation>() {
        let (own, shared) = (keys::<O>(), keys::<O::Call>());
        let mut flags = ids(&O::augment_args(Command::new(O::NAME)));
        // A module may stand without its flag.
        flags.retain(|id| !matches!(id.as_str(), "task" | "tasks") || own.contains(id));
        assert_eq!(own, flags, "{}: flags and fields are the same", O::NAME);
        let mut flags = ids(&O::Call::augment_args(Command::new(O::NAME)));
        if shared.contains("facts") {
            flags.insert("facts".to_owned());
        }
        assert_eq!(shared, flags, "{}: flags and fields of the call are the same", O::NAME);
        assert!(own.is_disjoint(&shared), "{}: {:?}", O::NAME, own.intersection(&shared));
        assert_eq!(shared.contains("request_id"), O::KIND != Kind::Read, "{}: what changes is guarded", O::NAME);
        let reply = keys::<O::Reply>();
        assert!(!reply.is_empty(), "{} answers with an object", O::NAME);
        for taken in ENVELOPE {
            assert!(!reply.contains(taken), "{}: the envelope has {taken}", O::NAME);
        }
        let line = words_of(O::EXAMPLE);
        let parsed = whole().try_get_matches_from(line).unwrap_or_else(|error| panic!("{}: {error}", O::EXAMPLE));
        assert_eq!(parsed.subcommand_name(), Some(O::NAME), "{}", O::EXAMPLE);
    }

    macro_rules! check_all {
        ($($operation:ty),+ $(,)?) => { $(check::<$operation>();)+ };
    }

    #[test]
    fn every_operation_is_the_same_at_every_door() {
        crate::catalogue!(check_all);
    }

    #[test]
    fn the_parser_is_whole_and_every_command_says_what_it_does() {
        whole().debug_assert();
        for command in whole().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
        let outside: Vec<_> = outside().map(|command| command.get_name().to_owned()).collect();
        assert_eq!(outside.iter().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(OUTSIDE));
        let names: Vec<_> = TABLE.iter().flat_map(|entry| entry.aliases.iter().chain([&entry.name])).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name means one thing");
    }
}
