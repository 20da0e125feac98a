//! Commands that print callboard's own manual: man pages, and where completions are listed.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, value_parser};

use super::completions;
use super::out::Out;
use super::run::parser;
use crate::board::mutation::Refused;
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::platform::file;

/// These commands for the parser.
pub(super) fn commands() -> [Command; 2] {
    let dir = Arg::new("dir").value_name("DIR").required(true).value_parser(value_parser!(PathBuf));
    [
        completions::command(),
        Command::new("man").about("Write manual pages into a directory").arg(dir.help("Where; it is made if need be")),
    ]
}

/// Writes manual pages: one for callboard, one for each command.
pub(super) fn man(matches: &ArgMatches, out: &mut Out) -> Exit {
    let dir: &PathBuf = matches.get_one("dir").expect("it is required");
    match write_pages(dir) {
        Ok(count) => {
            out.text(&format!("wrote {count} pages into {}\n", dir.display()));
            Exit::Done
        }
        Err(message) => {
            let refusal = Refusal::new(Code::NoPermission, message).hint("callboard man DIR of your own");
            out.refuse(&Refused { refusal, revision: None })
        }
    }
}

fn write_pages(dir: &PathBuf) -> Result<usize, String> {
    std::fs::create_dir_all(dir).map_err(|error| format!("cannot create {}: {error}", dir.display()))?;
    let mut root = parser();
    root.build();
    let mut count = 0;
    let subcommands = root.get_subcommands().cloned().collect::<Vec<_>>();
    for command in std::iter::once(root).chain(subcommands) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(|error| error.to_string())?;
        file::overwrite(&dir.join(format!("{name}.1")), &page).map_err(|error| error.to_string())?;
        count += 1;
    }
    Ok(count)
}
