//! Commands that need a person, and what stands in their place where an agent reads.
//!
//! **Invariants.** An agent is shown no command that only a person may run, and is never told how to pass for one. What it
//! reads instead is true: a person was told where the board told one; elsewhere it is the command that tells people.

use std::borrow::Cow;

use super::text::replace_parts;

/// What an agent reads where people have a notification of it.
pub const TOLD: &str = "a person was told";
/// The command with which an agent tells people itself.
pub const TELL: &str = "callboard notify --target humans --message TEXT";
/// How every command begins.
const PROGRAM: &str = "callboard ";
/// The flag with which a person says so.
const AS_HUMAN: &str = "--as-human";
/// Flags by which a command is the agent's own, or only explains itself.
const OWN: [&str; 4] = ["--agent-id ", "--session-id ", "--lease-token ", "--help"];
/// Commands of people, and what agents read instead.
const COMMANDS: [(&str, &str); 8] = [
    ("answer", TOLD),
    ("approve", TOLD),
    ("unblock", TOLD),
    ("cancel-task", TELL),
    ("confirm-task", TELL),
    ("lease-reclaim", TELL),
    ("reopen-task", TELL),
    // The board that would tell them is what is lost.
    ("restore", "tell a person"),
];

/// What stands in the place of this command for an agent; none where the agent may run it.
fn instead(command: &str) -> Option<&'static str> {
    let name = command[PROGRAM.len()..].split(|c: char| c.is_whitespace() || c == ',').next()?;
    let listed = COMMANDS.iter().find(|(listed, _)| *listed == name);
    let is_own =
        OWN.iter().any(|flag| command.contains(flag)) || name == "lease-reclaim" && !command.contains("--force");
    match listed {
        _ if command.contains(AS_HUMAN) => Some(listed.map_or(TELL, |(_, words)| words)),
        Some((_, words)) if !is_own => Some(words),
        _ => None,
    }
}

/// True if some command in the text needs a person.
pub fn needs_person(text: &str) -> bool {
    matches!(for_agent(text), Cow::Owned(_))
}

/// The text as an agent reads it: a command that needs a person is replaced.
pub fn for_agent(text: &str) -> Cow<'_, str> {
    let command = |(begin, _): (usize, &str)| {
        let rest = &text[begin..];
        let next = rest[PROGRAM.len()..].find(PROGRAM).map_or(rest.len(), |at| at + PROGRAM.len());
        let ends = [", or ", "; ", "\n"].iter().filter_map(|end| rest.find(end)).chain([next]);
        let end = begin + ends.min().unwrap_or(rest.len());
        instead(&text[begin..end]).map(|words| (begin..end, words))
    };
    replace_parts(text, text.match_indices(PROGRAM).filter_map(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_reads_no_command_that_needs_a_person() {
        for (text, read) in [
            ("callboard approve a --as-human", TOLD),
            ("callboard answer q-1 --option N", TOLD),
            ("nobody could review it: callboard approve a --as-human", "nobody could review it: a person was told"),
            ("callboard unblock a", TOLD),
            ("callboard reopen-task a --reason TEXT --as-human", TELL),
            ("callboard lease-reclaim a --force --reason TEXT", TELL),
            ("callboard preflight --as-human", TELL),
            ("callboard restore FILE, or callboard validate --repair", "tell a person, or callboard validate --repair"),
        ] {
            assert_eq!(for_agent(text), read);
            assert!(needs_person(text) && !needs_person(&for_agent(text)), "{text}");
        }
    }

    #[test]
    fn an_agents_own_commands_stay() {
        for own in [
            "callboard approve a --agent-id ann --lease-token lt-1 --notes TEXT",
            "callboard answer q-1 --text TEXT --agent-id ann",
            "callboard unblock a --agent-id planner",
            "callboard lease-reclaim brings it up to date",
            "callboard answer --help",
            "callboard claim-next",
            "answer it",
        ] {
            assert_eq!(for_agent(own), own);
        }
    }
}
