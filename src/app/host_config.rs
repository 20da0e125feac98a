//! The entries by which the programs that agents run in start `callboard mcp` for this project.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::access::App;
use super::error::refusal;
use super::order::digest;
use super::place::Place;
use crate::domain::refusal::Refusal;
use crate::domain::word::words;
use crate::platform::file::{self, Durability};

words! {
    /// A program that starts MCP servers.
    Host, "host" {
        /// Claude Code: `.mcp.json` in the project.
        ClaudeCode = "claude_code",
        /// Codex: `~/.codex/config.toml`.
        Codex = "codex",
        /// Cursor: `.cursor/mcp.json` in the project.
        Cursor = "cursor",
        /// VS Code: `.vscode/mcp.json` in the project.
        Vscode = "vscode",
    }
}

/// Maximum length of the name of an entry, in characters: a tool's whole name has at most 64, and the longest of ours has 29
/// beside what programs put around both.
const MAX_NAME: usize = 28;

/// The name of a project's entry: two projects in one configuration do not overwrite each other. Programs take letters,
/// digits, `-` and `_`; a folder whose name has to be shortened, or has none of them, is told from others by its path.
fn name(project: &Path) -> String {
    let folder = project.file_name().unwrap_or_default().to_string_lossy();
    let mut safe = String::new();
    for c in folder.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '_' => safe.push(c),
            _ if safe.is_empty() || safe.ends_with('-') => {}
            _ => safe.push('-'),
        }
    }
    let safe = safe.trim_matches('-');
    let whole = format!("callboard-{safe}");
    if !safe.is_empty() && whole.len() <= MAX_NAME {
        return whole;
    }
    let digest = digest(&[&project.to_string_lossy()]);
    let room = MAX_NAME - "callboard-".len() - 1 - DIGITS;
    let begin = safe[..safe.len().min(room)].trim_end_matches('-');
    let dash = if begin.is_empty() { "" } else { "-" };
    format!("callboard-{begin}{dash}{}", &digest[..DIGITS])
}

/// Digits of a path's digest in a name.
const DIGITS: usize = 6;

fn command(program: &Path, project: &Path) -> (String, Vec<String>) {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    (text(program), vec!["mcp".to_owned(), "--project-root".to_owned(), text(project)])
}

/// The name of the file with the entry that most programs take.
const FILE: &str = "mcp-host-config.json";

impl App {
    /// Writes the entry that most programs take beside the board; says where.
    pub fn write_host_config(&self, place: &Place) -> Result<PathBuf, Refusal> {
        let path = place.plan.join(FILE);
        let text = pretty(&servers(&self.settings.program, &place.project));
        let writer = self.host()?.id;
        file::replace(&path, text.as_bytes(), &writer, Durability::Disposable).map_err(|error| refusal(&error))?;
        Ok(path)
    }

    /// The text for the file of a program, and the name of that file.
    pub fn host_config(&self, host: Host) -> Result<(&'static str, String), Refusal> {
        Ok(entry(host, &self.settings.program, &self.place()?.project))
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("texts have a JSON form") + "\n"
}

fn servers(program: &Path, project: &Path) -> Value {
    let (command, args) = command(program, project);
    json!({"mcpServers": {name(project): {"command": command, "args": args}}})
}

fn entry(host: Host, program: &Path, project: &Path) -> (&'static str, String) {
    let (command, args) = command(program, project);
    let name = name(project);
    match host {
        Host::ClaudeCode => {
            (".mcp.json", pretty(&json!({"mcpServers": {name: {"type": "stdio", "command": command, "args": args}}})))
        }
        Host::Cursor => (".cursor/mcp.json", pretty(&servers(program, project))),
        Host::Vscode => (
            ".vscode/mcp.json",
            pretty(&json!({"servers": {name: {"type": "stdio", "command": command, "args": args}}})),
        ),
        Host::Codex => {
            // A JSON string is a basic string of TOML.
            let args = args.iter().map(|arg| json!(arg).to_string()).collect::<Vec<_>>().join(", ");
            let text = format!("[mcp_servers.{name}]\ncommand = {}\nargs = [{args}]\n", json!(command));
            ("~/.codex/config.toml", text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_projects_have_two_names_that_programs_take() {
        let names = [
            "/w/shop",
            "/w/my shop!",
            "/w/プロ",
            "/x/プロ",
            "/w/a-very-long-folder-name-1",
            "/w/a-very-long-folder-name-2",
        ]
        .map(|path| name(Path::new(path)));
        assert_eq!((names[0].as_str(), names[1].as_str()), ("callboard-shop", "callboard-my-shop"));
        for (at, name) in names.iter().enumerate() {
            let is_safe = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            assert!(is_safe && name.len() <= MAX_NAME && !names[..at].contains(name), "{names:?}");
        }
    }

    #[test]
    fn every_program_gets_an_entry_that_it_reads() {
        let (program, project) = (Path::new("/opt/call \"board\""), Path::new("/work/a b"));
        for host in Host::ALL {
            let (_, text) = entry(*host, program, project);
            if *host == Host::Codex {
                let command = r#"command = "/opt/call \"board\"""#;
                let expected = format!(
                    "[mcp_servers.callboard-a-b]\n{command}\nargs = [\"mcp\", \"--project-root\", \"/work/a b\"]\n"
                );
                assert_eq!(text, expected);
            } else {
                let value: Value = serde_json::from_str(&text).expect("JSON");
                let top = if *host == Host::Vscode { "servers" } else { "mcpServers" };
                assert_eq!(
                    value[top]["callboard-a-b"]["args"],
                    json!(["mcp", "--project-root", "/work/a b"]),
                    "{host}"
                );
            }
        }
    }
}
