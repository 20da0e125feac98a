//! Every command line of the README is run, in its order, in one project.

use std::path::Path;
use std::process::Command;

use crate::project::Project;
use crate::server::Server;

/// Where a server listens unless told otherwise. Another one may do so while this runs.
const DEFAULT: &str = "http://127.0.0.1:8765";

/// The lines of the `sh` blocks of a page.
fn command_lines(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).filter(|line| !line.trim().is_empty()).map(ToOwned::to_owned).collect()
}

#[test]
fn every_command_line_of_the_readme_works() {
    let project = Project::bare();
    let lines = command_lines("README.md");
    assert!(lines.len() > 12, "the blocks were found");
    let mut token = String::new();
    let mut server = None;
    for line in lines {
        match line.as_str() {
            // Run by `.ci/run` itself, because each of them builds everything anew.
            "cargo install --path . --locked" => continue,
            script if script.starts_with("scripts/") => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
                let meta = std::fs::metadata(&script).unwrap();
                assert!(std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0, "{line}");
                assert!(Command::new("bash").arg("-n").arg(&script).status().unwrap().success(), "{line}");
                continue;
            }
            "cd your-project" => continue,
            "callboard serve" => {
                server = Some(Server::start(&project, &[]));
                continue;
            }
            _ => {}
        }
        // The loop calls what its reader brings along; here it gives the task back as done.
        let brought = "work() { callboard finish manual --agent-id anns-worker --summary done --changed-path a \
                       --lease-token \"$(callboard claim manual --agent-id anns-worker | sed -n 's/^lease_token: //p')\"; }\n";
        let script =
            format!("{}{}", if line.starts_with("while") { brought } else { "" }, line.replace("TOKEN", &token));
        let url = server.as_ref().map_or(DEFAULT, |server: &Server| &server.url);
        let script = script.replace(DEFAULT, url);
        let mut shell = Command::new("bash");
        project.closed(shell.args(["-c", &script]));
        let output = shell.output().unwrap();
        let (said, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(0), "{line}\n{said}\n{err}");
        if let Some(new) = said.lines().find_map(|line| line.strip_prefix("lease_token: ")) {
            new.clone_into(&mut token);
        }
    }
    assert!(project.page("STATUS.md").contains("**Complete.**"), "the play ends with a complete board");
}
