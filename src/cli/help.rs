//! The parts of the help that clap does not write.

use std::fmt::Write as _;

use clap::Command;

use super::command::TABLE;
use super::{files, pages, serve, skill};
use crate::domain::refusal::Exit;
use crate::ops::Group;

/// The operations, the ten of the loop first, then by what they are about.
pub(super) fn groups() -> String {
    let headings = [
        (Group::Loop, "The loop of an agent"),
        (Group::Aboard, "Boards, agents, windows"),
        (Group::Tasks, "The plan"),
        (Group::Work, "More about work and reviews"),
        (Group::Status, "Looking around"),
        (Group::Signals, "Events, messages, questions"),
        (Group::Handoffs, "Handing over"),
        (Group::Health, "Health"),
    ];
    let mut text = String::new();
    for (group, heading) in headings {
        let _ = writeln!(text, "{heading}:");
        for entry in TABLE.iter().filter(|entry| entry.group == group) {
            line(&mut text, entry.name, &(entry.augment)(Command::new(entry.name)));
        }
        if group == Group::Health {
            for command in files::commands() {
                line(&mut text, command.get_name(), &command);
            }
        }
        text.push('\n');
    }
    text.push_str("More doors:\n");
    for command in serve::commands() {
        line(&mut text, command.get_name(), &command);
    }
    text.push('\n');
    text.push_str("This manual:\n");
    for command in skill::commands().into_iter().chain(pages::commands()) {
        line(&mut text, command.get_name(), &command);
    }
    let (some, others) = Exit::ALL.split_at(7);
    let _ = write!(
        text,
        "\nA task may be given as M or --module M. A TEXT may be - (standard input) or @FILE.\nExit codes: {},\n{}.",
        Exit::list(some),
        Exit::list(others)
    );
    text
}

fn line(text: &mut String, name: &str, command: &Command) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(text, "  {name:<18} {}", about.lines().next().unwrap_or_default());
}

/// The end of a command's help: a line that works, and its exit codes.
pub(super) fn ending(example: &str, read: bool) -> String {
    let can_come = |exit: &Exit| match exit {
        // Nobody expects them, or they are of another callboard.
        Exit::Internal | Exit::Version => false,
        Exit::Taken => !read,
        _ => true,
    };
    let exits: Vec<Exit> = Exit::ALL.iter().copied().filter(can_come).collect();
    format!("Example:\n  {example}\n\nExit codes: {}", Exit::list(&exits))
}
