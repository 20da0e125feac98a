//! From the arguments of a process to its exit code.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command};

use super::command::{self, Door};
use super::completions;
use super::files;
use super::former;
use super::out::{Out, Style};
use super::{log, pages, serve, skill};
use crate::app::doctor::LOCK_PROBE;
use crate::app::error::internal_error;
use crate::app::{App, Settings};
use crate::board::mutation::Refused;
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::platform::{panics, probe, signals, threads};
use crate::projection::own_templates::{self, FILL_TEMPLATE};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    panics::remember_locations();
    signals::outlive_file_size_limit();
    let exit = threads::on_fixed_stack(|| {
        std::panic::catch_unwind(|| run(&arguments)).unwrap_or_else(|panic| {
            let refusal = internal_error(&*panic);
            Out::new(style(&arguments)).refuse(&Refused { refusal, revision: None })
        })
    });
    ExitCode::from(exit as u8)
}

/// What must be known before the arguments are parsed, because they may not parse.
fn style(arguments: &[OsString]) -> Style {
    let has = |flag: &str| arguments.iter().skip(1).take_while(|one| *one != "--").any(|one| one == flag);
    Style { json: has("--json"), quiet: has("--quiet"), color: None }
}

fn run(arguments: &[OsString]) -> Exit {
    if let [_, argument, path] = arguments
        && argument == LOCK_PROBE
    {
        // The doctor's second process: whether it gets a lock.
        return if probe::is_free(Path::new(path)) { Exit::Done } else { Exit::Taken };
    }
    if let [_, argument] = arguments
        && argument == FILL_TEMPLATE
    {
        // The child that fills a board's own template.
        let Some(answer) = own_templates::fill_confined(std::io::stdin().lock()) else { return Exit::Refused };
        Out::new(style(arguments)).print(&answer);
        return Exit::Done;
    }
    // Help and errors need every subcommand, so then it is parsed again.
    let lazy = |line: &[OsString]| command::lazy(line.iter().map(OsString::as_os_str)).try_get_matches_from(line);
    let parsed = lazy(arguments).or_else(|error| match former::read(arguments) {
        Some(line) => lazy(&line),
        None => Err(error),
    });
    let parsed = parsed.or_else(|error| match error.kind() {
        ErrorKind::DisplayVersion => Err(error),
        _ => command::whole().try_get_matches_from(arguments),
    });
    match parsed {
        Ok(matches) => dispatch(&matches, arguments),
        Err(error) => stop(&error, arguments),
    }
}

/// Ends a line that asked for help or is wrong.
fn stop(error: &clap::Error, arguments: &[OsString]) -> Exit {
    let mut out = Out::new(style(arguments));
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            out.print(&error.render().to_string());
            Exit::Done
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if arguments.len() <= 1 => {
            out.print(&error.render().to_string());
            Exit::Usage
        }
        _ => {
            let text = error.render().to_string();
            let message = text.strip_prefix("error: ").unwrap_or(&text).trim();
            let (message, hint) = match message.split_once("\n\nFor more information, try '") {
                Some((message, hint)) => (message, hint.trim_end_matches(['.', '\'']).to_owned()),
                None => (message, "--help".to_owned()),
            };
            let name = arguments.get(1).and_then(|name| name.to_str()).filter(|name| command::find(name).is_some());
            let hint = name.map_or_else(|| format!("callboard {hint}"), |name| format!("callboard {name} {hint}"));
            let message = message.split("\n\nUsage:").next().unwrap_or(message).trim_end();
            out.refuse(&Refused { refusal: Refusal::new(Code::Usage, message).hint(hint), revision: None })
        }
    }
}

fn dispatch(matches: &ArgMatches, arguments: &[OsString]) -> Exit {
    let style = Style { color: matches.get_one("color").copied(), ..style(arguments) };
    let mut out = Out::new(style);
    let Some((name, sub)) = matches.subcommand() else { return Exit::Usage };
    if let Err(refusal) = log::begin() {
        return out.refuse(&Refused { refusal, revision: None });
    }
    match name {
        "completions" => completions::completions(sub, &mut out),
        "man" => pages::man(sub, &mut out),
        "prompt" => skill::prompt(sub, &mut out),
        "skill" => skill::skill(sub, &mut out),
        _ => {
            let root = matches.get_one::<PathBuf>("project_root").cloned();
            let app = match Settings::from_environment(root) {
                Ok(settings) => App::new(Settings { messages: out.lock_messages(), ..settings }, out.progress()),
                Err(refusal) => return out.refuse(&Refused { refusal, revision: None }),
            };
            let server = command::server(matches);
            match command::find(name) {
                Some(entry) => (entry.run)(sub, Door { app: &app, server: server.as_ref() }, &mut out),
                None if server.is_some() && name != "names" => {
                    let message = format!("{name} is about this host, and no operation of a server");
                    let refusal =
                        Refusal::new(Code::Usage, message).hint(format!("callboard {name}, without --server-url"));
                    out.refuse(&Refused { refusal, revision: None })
                }
                None if name == "serve" => serve::serve(sub, app, command::token(), &mut out),
                None if name == "mcp" => serve::mcp(sub, &app, &mut out),
                None if name == "token" => serve::token(sub, &app, &mut out),
                None if name == "names" => completions::names(sub, &app, &mut out),
                None => files::run(name, sub, &app, &mut out),
            }
        }
    }
}

/// The parser with every subcommand whole: for help, pages and completions.
pub(super) fn parser() -> Command {
    command::whole()
}
