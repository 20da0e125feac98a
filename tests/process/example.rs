//! The example: a small plan from nothing to reviewed and done. It is run, and what it says is the walkthrough, the
//! snapshots and the example board of the manual.

use std::fmt::Write as _;
use std::path::Path;

use crate::manual::generated;
use crate::project::Project;

/// Where the example says that it is.
const SHOWN: &str = "/home/pat/shop";

const PLAN: &str = "\
- [ ] Sign in {module=auth priority=1 specialty=backend paths=src/auth/** review=required}
  Sessions live in a cookie.
  - [ ] Keep passwords safely {module=passwords specialty=backend paths=src/passwords/**}
- [ ] Describe the API {module=manual specialty=docs depends=auth paths=docs/**}
- [ ] Pick a licence {module=licence priority=3}
";

struct Play {
    project: Project,
    page: String,
    token: String,
}

impl Play {
    /// Words, and lines that are run; what they print stands below them. `TOKEN` is the last token that was printed.
    fn act(&mut self, words: &str, lines: &[&str]) {
        let _ = writeln!(self.page, "{words}\n");
        self.page.push_str("```text\n");
        for line in lines {
            let run = self.run(line);
            let _ = write!(self.page, "$ {}\n{run}", line.replace("TOKEN", &self.token));
            if let Some(token) = run.lines().find_map(|line| line.strip_prefix("lease_token: ")) {
                token.clone_into(&mut self.token);
            }
        }
        self.page.push_str("```\n\n");
    }

    fn run(&self, line: &str) -> String {
        let mut shell = std::process::Command::new("bash");
        self.project.closed(shell.args(["-c", &line.replace("TOKEN", &self.token)]));
        let output = shell.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(output.status.code() != Some(2), "{line}: {err}");
        self.shown(&(out + &err))
    }

    fn shown(&self, text: &str) -> String {
        text.replace(self.project.root.to_str().unwrap(), SHOWN)
    }

    fn pages(&self, heading: &str, names: &[&str]) -> String {
        let mut text = format!("## {heading}\n\n");
        for name in names {
            let page = self.shown(&self.project.page(name));
            let is_json = Path::new(name).extension().is_some_and(|end| end == "json");
            let language = if is_json { "json" } else { "markdown" };
            let _ = write!(text, "`project-plan/{name}`\n\n````{language}\n{}\n````\n\n", page.trim_end());
        }
        text
    }
}

const NOTE: &str = "<!-- generated: UPDATE_EXPECT=1 cargo test --test process example -->\n\n";

#[test]
fn the_example_is_what_really_happens() {
    let project = Project::bare_fixed();
    std::fs::write(project.root.join("PLAN.md"), PLAN).unwrap();
    let page = format!(
        "# A walkthrough\n\n{NOTE}A person makes a board, two agents work on it, one of them reviews. Everything below was really run;\n\
         the clock stands still, and ids are short because a test drew them.\n\n"
    );
    let mut play = Play { project, page, token: String::new() };
    play.act(
        "A board, and the place confirmed once:",
        &[
            "callboard init --name Shop",
            "callboard preflight --confirm-workspace --confirm-branch --agent-count 2 --window-count 2",
        ],
    );
    let _ = write!(play.page, "The plan that somebody wrote, `PLAN.md`:\n\n```markdown\n{PLAN}```\n\n");
    play.act(
        "It comes in whole. A parent depends on its children:",
        &["callboard intake --from PLAN.md", "callboard tasks"],
    );
    play.act(
        "A worker comes aboard in one window, a reviewer in another, each with a key of its own. A window that lost its context runs its line again \
         with `--resume`:",
        &[
            "callboard init-agent --thread-key ann --role worker --specialty backend --while-session",
            "callboard init-agent --thread-key rita --role reviewer --while-session",
        ],
    );
    play.act("The worker asks for the best task there is, works, and hands it in:", &[
        "callboard claim-next --agent-id ann",
        "callboard heartbeat passwords --agent-id ann --lease-token TOKEN --progress \"argon2 chosen\" --percent 40",
        "callboard finish passwords --agent-id ann --lease-token TOKEN --summary \"argon2id, 12 tests\" --changed-path src/passwords/mod.rs",
    ]);
    let mut snapshots = format!(
        "# Snapshots\n\n{NOTE}What the pages of the [walkthrough](example-walkthrough.md) show at three moments.\n\n"
    );
    play.act("What depended on it is ready now. It asks a person; the task waits, and wakes with the answer:", &[
        "callboard claim-next --agent-id ann",
        "callboard ask --question \"How long does a session live?\" --option \"a day\" --option \"a week\" --module auth --agent-id ann --lease-token TOKEN",
    ]);
    snapshots += &play.pages("While a person is asked", &["STATUS.md", "NOTIFICATIONS.md"]);
    play.act(
        "A person sees it in STATUS.md, and answers:",
        &["callboard summary", "callboard answer q-1 --option 1 --as-human", "callboard next-action --agent-id ann"],
    );
    play.act("The worker goes on, and hands in for review:", &[
        "callboard claim-next --agent-id ann",
        "callboard finish auth --agent-id ann --lease-token TOKEN --summary \"cookie of a day, 9 tests\" --changed-path src/auth/mod.rs",
    ]);
    play.act("The reviewer takes it, asks for a change, and approves the second attempt:", &[
        "callboard claim-review-next --agent-id rita",
        "callboard request-changes auth --agent-id rita --lease-token TOKEN --notes \"the cookie is not marked Secure\"",
        "callboard claim-next --agent-id ann",
        "callboard finish auth --agent-id ann --lease-token TOKEN --summary \"marked Secure and HttpOnly\"",
        "callboard claim-review-next --agent-id rita",
        "callboard approve auth --agent-id rita --lease-token TOKEN --notes \"read it, ran it\"",
    ]);
    play.act("The worker must stop in the middle of the next task, and leaves everything for whoever goes on:", &[
        "callboard claim manual --agent-id ann",
        "callboard handoff-bundle manual --agent-id ann --lease-token TOKEN --notes \"the overview stands, errors are missing\"",
        "callboard handoffs",
    ]);
    snapshots += &play
        .pages("While a handoff waits", &["STATUS.md", "HANDOFFS.md", "handoffs/manual.handoff.md", "SESSIONS.md"]);
    let names = [
        "STATUS.md",
        "AGENTS.md",
        "SESSIONS.md",
        "NOTIFICATIONS.md",
        "HANDOFFS.md",
        "state.json",
        "handoff-index.json",
        "preflight.json",
        "handoffs/manual.handoff.md",
    ];
    for name in names {
        let text = play.shown(&play.project.page(name));
        generated(&format!("project-plan-example/{name}")).assert_eq(&text);
    }
    play.act(
        "A history without holes, and a board that is sound:",
        &["callboard history auth --limit 6", "callboard validate --no-event"],
    );
    snapshots += &play.pages("What programs read", &["preflight.json"]);
    generated("references/example-walkthrough.md").assert_eq(&(play.page.trim_end().to_owned() + "\n"));
    generated("references/example-snapshots.md").assert_eq(&(snapshots.trim_end().to_owned() + "\n"));
    let there = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("project-plan-example")).unwrap();
    let there = there.filter(|entry| entry.as_ref().unwrap().path().is_file()).count();
    assert_eq!(there, names.len(), "the example has these pages, one of them in handoffs, and its README");
}
