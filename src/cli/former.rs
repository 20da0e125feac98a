//! Command lines as users of the scripts before callboard wrote them: `update X` and `dispatch X` mean `X`, and
//! `name=value` means `--name value`.
//!
//! A line is only read like this when it is none as it stands, so that nothing that means something changes its meaning.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

use super::command;

/// The names of scripts that could do everything.
const PREFIXES: [&str; 2] = ["update", "dispatch"];

/// The line as callboard writes it; none where there is nothing to change.
pub(super) fn read(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let mut words: Vec<OsString> = arguments.to_vec();
    let root = command::lazy(std::iter::empty());
    let at = 1 + words
        .iter()
        .skip(1)
        .scan(false, |value, word| Some(is_option(word, &root, value)))
        .take_while(|is| *is)
        .count();
    let is_prefix = words.get(at).and_then(|word| word.to_str()).is_some_and(|word| PREFIXES.contains(&word));
    let has_name =
        |at: usize| words.get(at).and_then(|word| word.to_str()).is_some_and(|name| command::find(name).is_some());
    if is_prefix && has_name(at + 1) {
        words.remove(at);
    }
    let name = words.get(at)?.to_str()?.to_owned();
    let operation = (command::find(&name)?.augment)(Command::new("operation"));
    let mut line: Vec<OsString> = words.drain(..=at).collect();
    let mut value = false;
    for word in words {
        let was_value = value;
        let is_flag = is_option(&word, &operation, &mut value) && !was_value;
        match word.to_str().and_then(|word| word.split_once('=')) {
            Some((name, text)) if !is_flag && !was_value && has(&operation, name) => {
                line.push(format!("--{}={text}", name.replace('_', "-")).into());
            }
            _ => line.push(word),
        }
    }
    (line != arguments).then_some(line)
}

/// True for a flag, and for the word after one that takes a value; `value` says that the next word is one.
fn is_option(word: &OsStr, command: &Command, value: &mut bool) -> bool {
    if std::mem::take(value) {
        return true;
    }
    let Some(flag) = word.to_str().and_then(|word| word.strip_prefix("--")) else { return false };
    let found = command.get_arguments().find(|arg| names(arg, flag));
    *value = !flag.contains('=') && found.is_none_or(|arg| arg.get_action().takes_values());
    // A global flag of the root that takes none.
    if found.is_none() && matches!(flag, "json" | "quiet" | "help" | "version") {
        *value = false;
    }
    true
}

fn has(command: &Command, name: &str) -> bool {
    let name = name.replace('_', "-");
    command.get_arguments().any(|arg| names(arg, &name))
}

fn names(arg: &Arg, flag: &str) -> bool {
    let also = arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&flag));
    arg.get_long() == Some(flag) || also
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_read(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let read = read(&words).unwrap_or(words);
        read.iter().map(|word| word.to_str().expect("text")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lines_of_before_mean_what_they_meant() {
        for (line, means) in [
            ("callboard --server-url U update summary", "callboard --server-url U summary"),
            (
                "callboard --server-url U dispatch claim-next --agent-id a",
                "callboard --server-url U claim-next --agent-id a",
            ),
            ("callboard state format=summary", "callboard state --format=summary"),
            ("callboard events since=0 limit=50 --json", "callboard events --since=0 --limit=50 --json"),
            ("callboard events-stream since=0 timeout=5", "callboard events-stream --since=0 --timeout=5"),
            ("callboard notifications target=reviewers:backend", "callboard notifications --target=reviewers:backend"),
            ("callboard notify --message a=b target=humans", "callboard notify --message a=b --target=humans"),
            ("callboard show unknown=1", "callboard show unknown=1"),
            ("callboard update", "callboard update"),
        ] {
            assert_eq!(as_read(line), means);
        }
    }
}
