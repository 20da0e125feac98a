//! Shell completions: the parser's own, and the names of modules, agents and windows as the board has them.
//!
//! The scripts ask the hidden command `names`, which prints one name a line and nothing when it cannot.

use std::io::IsTerminal as _;

use clap::{Arg, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use super::out::Out;
use super::run::parser;
use crate::app::App;
use crate::board::caller::Caller;
use crate::board::mutation::Answer;
use crate::domain::refusal::Exit;
use crate::domain::task::TaskState;
use crate::store::contract::TaskFilter;

/// So many names are offered.
const NAMES_MOST: usize = 500;
/// Flags that take a module.
const MODULE_FLAGS: &[&str] = &["module", "task", "depends-on", "parent", "on"];
/// Flags that take an agent.
const AGENT_FLAGS: &[&str] = &["agent-id", "reviewer-id"];
/// Flags that take a window.
const SESSION_FLAGS: &[&str] = &["session-id"];

/// The hidden command that the scripts ask.
pub(super) fn names_command() -> Command {
    let what = Arg::new("what").required(true).value_parser(["modules", "agents", "sessions"]);
    Command::new("names").hide(true).arg(what)
}

/// Prints names for a shell: never an error, never a wait.
pub(super) fn names(matches: &ArgMatches, app: &App, out: &mut Out) -> Exit {
    let what: &String = matches.get_one("what").expect("it is required");
    let found = app.look(&Caller::default(), |look| {
        let found: Vec<String> = match what.as_str() {
            "agents" => look.agents(None, NAMES_MOST)?.into_iter().map(|agent| agent.agent_id.to_string()).collect(),
            // A shell completes names for a person; an agent's program is shown no session but its own.
            "sessions" if !std::io::stdin().is_terminal() => Vec::new(),
            "sessions" => look
                .list_sessions(None, None, NAMES_MOST)?
                .into_iter()
                .filter_map(|session| session.session_id)
                .map(|id| id.to_string())
                .collect(),
            _ => {
                let (tasks, _) = look.tasks(&TaskFilter::default(), None, NAMES_MOST)?;
                // What is over is rarely meant, and shown only where nothing else is.
                let (open, over): (Vec<_>, Vec<_>) =
                    tasks.into_iter().partition(|task| !TaskState::is_final(task.state));
                let some = if open.is_empty() { over } else { open };
                some.into_iter().map(|task| task.module.to_string()).collect()
            }
        };
        Ok(Answer::done(found))
    });
    if let Ok(seen) = found {
        out.print(&seen.answer.reply.iter().map(|name| format!("{name}\n")).collect::<Vec<_>>().concat());
    }
    Exit::Done
}

/// The command for the parser.
pub(super) fn command() -> Command {
    let shell = Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell));
    Command::new("completions")
        .about("Print completions for a shell; bash, zsh and fish know the board's names")
        .arg(shell)
}

/// Prints completions.
pub(super) fn completions(matches: &ArgMatches, out: &mut Out) -> Exit {
    let shell: Shell = *matches.get_one("shell").expect("it is required");
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut parser(), "callboard", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    out.text(&match shell {
        Shell::Bash => bash(script),
        Shell::Zsh => zsh(&script),
        Shell::Fish => fish(script),
        _ => script,
    });
    Exit::Done
}

/// Commands whose first words are modules.
fn about_modules() -> Vec<String> {
    let takes = |command: &&Command| {
        command.get_arguments().any(|arg| {
            arg.is_positional() && arg.get_value_names().is_some_and(|names| names.iter().any(|name| name == "M"))
        })
    };
    parser().get_subcommands().filter(takes).map(|command| command.get_name().to_owned()).collect()
}

fn dashed(flags: &[&str]) -> String {
    flags.iter().map(|flag| format!("--{flag}")).collect::<Vec<_>>().join("|")
}

fn bash(script: String) -> String {
    let (modules, agents, sessions) = (dashed(MODULE_FLAGS), dashed(AGENT_FLAGS), dashed(SESSION_FLAGS));
    let commands = about_modules().join("|");
    script
        + &format!(
            r#"
_callboard_named() {{
    local cur="${{COMP_WORDS[COMP_CWORD]}}" prev="${{COMP_WORDS[COMP_CWORD-1]}}" what=""
    case "$prev" in
        {modules}) what=modules ;;
        {agents}) what=agents ;;
        {sessions}) what=sessions ;;
        *) case "${{COMP_WORDS[1]}}" in {commands}) [[ $cur != -* && $prev != --* ]] && what=modules ;; esac ;;
    esac
    if [[ -n $what && $COMP_CWORD -gt 1 ]]; then
        COMPREPLY=( $(compgen -W "$(callboard names "$what" 2>/dev/null)" -- "$cur") )
    else
        _callboard "$@"
    fi
}}
complete -F _callboard_named -o bashdefault -o default callboard
"#
        )
}

fn zsh(script: &str) -> String {
    let named = |line: &str| {
        let is_of = |flags: &[&str]| flags.iter().any(|flag| line.contains(&format!("--{flag}=[")));
        let function = match () {
            () if is_of(MODULE_FLAGS)
                || line.contains(":M:")
                || line.contains(":task ")
                || line.contains("::task")
                || line.contains("::tasks") =>
            {
                "_callboard_modules"
            }
            () if is_of(AGENT_FLAGS) => "_callboard_agents",
            () if is_of(SESSION_FLAGS) => "_callboard_sessions",
            () => return line.to_owned(),
        };
        line.replace(":_default", &format!(":{function}"))
    };
    let lines: Vec<String> = script.lines().map(named).collect();
    let functions = ["modules", "agents", "sessions"]
        .map(|what| format!("_callboard_{what}() {{ compadd -- ${{(f)\"$(callboard names {what} 2>/dev/null)\"}} }}\n"))
        .concat();
    let text = lines.join("\n") + "\n";
    // Before the line that runs the completion when the script is loaded by itself.
    match text.rfind("\nif [ \"$funcstack[1]\"") {
        Some(at) => format!("{}\n{functions}{}", &text[..at], &text[at..]),
        None => text + &functions,
    }
}

fn fish(script: String) -> String {
    let flag = |flags: &[&str], what: &str| {
        let line =
            |flag: &&str| format!("complete -c callboard -l {flag} -x -a '(callboard names {what} 2>/dev/null)'\n");
        flags.iter().map(line).collect::<Vec<_>>().concat()
    };
    let commands = about_modules().join(" ");
    let words = format!(
        "complete -c callboard -n '__fish_seen_subcommand_from {commands}' -f -a '(callboard names modules 2>/dev/null)'\n"
    );
    script + &flag(MODULE_FLAGS, "modules") + &flag(AGENT_FLAGS, "agents") + &flag(SESSION_FLAGS, "sessions") + &words
}
