//! The entries by which the programs that agents run in start `callboard mcp` for this project.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::access::App;
use super::error::refusal;
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

/// The name of the server in every host.
const NAME: &str = "callboard";

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
    json!({"mcpServers": {NAME: {"command": command, "args": args}}})
}

fn entry(host: Host, program: &Path, project: &Path) -> (&'static str, String) {
    let (command, args) = command(program, project);
    match host {
        Host::ClaudeCode => {
            (".mcp.json", pretty(&json!({"mcpServers": {NAME: {"type": "stdio", "command": command, "args": args}}})))
        }
        Host::Cursor => (".cursor/mcp.json", pretty(&servers(program, project))),
        Host::Vscode => (
            ".vscode/mcp.json",
            pretty(&json!({"servers": {NAME: {"type": "stdio", "command": command, "args": args}}})),
        ),
        Host::Codex => {
            // A JSON string is a basic string of TOML.
            let args = args.iter().map(|arg| json!(arg).to_string()).collect::<Vec<_>>().join(", ");
            let text = format!("[mcp_servers.{NAME}]\ncommand = {}\nargs = [{args}]\n", json!(command));
            ("~/.codex/config.toml", text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_gets_an_entry_that_it_reads() {
        let (program, project) = (Path::new("/opt/call \"board\""), Path::new("/work/a b"));
        for host in Host::ALL {
            let (_, text) = entry(*host, program, project);
            if *host == Host::Codex {
                let command = r#"command = "/opt/call \"board\"""#;
                let expected = format!(
                    "[mcp_servers.callboard]\n{command}\nargs = [\"mcp\", \"--project-root\", \"/work/a b\"]\n"
                );
                assert_eq!(text, expected);
            } else {
                let value: Value = serde_json::from_str(&text).expect("JSON");
                let top = if *host == Host::Vscode { "servers" } else { "mcpServers" };
                assert_eq!(value[top][NAME]["args"], json!(["mcp", "--project-root", "/work/a b"]), "{host}");
            }
        }
    }
}
