//! What the commands print, word for word, in an environment with a fixed clock and names that count.

use expect_test::{Expect, expect};

use crate::project::{Project, Run};

fn shown(project: &Project, run: &Run) -> String {
    let text = format!("exit {}\n{}{}{}", run.code, run.out, if run.err.is_empty() { "" } else { "--\n" }, run.err);
    text.replace(&*project.root.to_string_lossy(), "[ROOT]")
}

fn check(project: &Project, line: &str, expected: &Expect) {
    let words: Vec<&str> = line.split(' ').collect();
    expected.assert_eq(&shown(project, &project.run(&words)));
}

/// A board in the middle of its work: one task held, one in review, one paused, one that waits.
fn playing() -> Project {
    let project = Project::fixed();
    std::fs::write(
        project.root.join("plan.md"),
        "# Plan\n\
         - [ ] Write the parser {module=parser priority=1 specialty=core paths=src/parser/** review=required}\n\
         - [ ] Describe the format {module=manual specialty=docs depends=parser}\n\
         - [ ] Pick a licence {module=licence}\n\
         - [ ] Try it {module=try priority=0 depends=parser,manual}\n",
    )
    .unwrap();
    project.ok(&["intake", "--from", "plan.md"]);
    for key in ["ann", "ben"] {
        project.ok(&[
            "init-agent",
            "--thread-key",
            key,
            "--confirm-workspace",
            "--confirm-branch",
            "--window-id",
            "w1",
        ]);
    }
    project
}

#[test]
fn a_board_is_made_and_looked_at() {
    let project = Project::bare();
    let made = project.run(&["init", "--name", "play"]);
    expect![[r#"
        exit 0
        made a board
        project_root: [ROOT]
        name: play
        storage: local
        journal: truncate
        safety_profile: balanced
        next: callboard preflight, then callboard intake; or callboard add-task --module NAME --title TEXT
    "#]]
    .assert_eq(&shown(&project, &made));
    let project = playing();
    check(
        &project,
        "tasks",
        &expect![[r#"
        exit 0
        MODULE   STATE            PRIO  SPECIALTY  TITLE
        parser   open, ready      1     core       Write the parser
        manual   open, not ready  2     docs       Describe the format
        licence  open, ready      2     -          Pick a licence
        try      open, not ready  0     -          Try it
    "#]],
    );
    check(
        &project,
        "summary",
        &expect![[r#"
            exit 0
            board: play ([ROOT])
            revision: 4, profile balanced
            tasks: 0 of 4 done; 4 open (2 ready)
        "#]],
    );
    check(
        &project,
        "explain parser --agent-id ann",
        &expect![[r#"
            exit 0
            module: parser
            state: open
            for: ann
            offered: yes
            score: 30240
            priority: 30000 (priority 1)
            critical_path: 200 (2 tasks long below it)
            held_up: 40 (2 tasks wait for it directly)
            specialty: 0 (core, which ann has not)
        "#]],
    );
    check(
        &project,
        "graph",
        &expect![[r#"
        exit 0
        parser (open)
        manual (open) <- parser
        licence (open)
        try (open) <- parser, manual
    "#]],
    );
}

#[test]
fn work_goes_round() {
    let project = playing();
    check(
        &project,
        "next-action --agent-id ann",
        &expect![[r#"
            exit 0
            action: claim
            reason: it ranks first: Write the parser
            module: parser
            command: callboard claim-next --agent-id ann
        "#]],
    );
    check(
        &project,
        "claim-next --agent-id ann",
        &expect![[r#"
            exit 0
            module: parser
            title: Write the parser
            state: active, ann until 2027-01-15T08:15:00Z
            priority: 1
            specialty: core
            owned_paths: src/parser/**
            review: required
            lease_token: lt-00000000000000000008
            session_id: s-000000000005
            expires_at: 2027-01-15T08:15:00Z (in 900 s; any of your commands on it renews it)
            finish: callboard finish parser --agent-id ann --lease-token lt-00000000000000000008 --summary TEXT
        "#]],
    );
    check(
        &project,
        "next-action --agent-id ann",
        &expect![[r#"
            exit 0
            action: continue
            reason: you hold it until 2027-01-15T08:15:00.000Z; the command shows it whole
            module: parser
            command: callboard claim parser --agent-id ann
            finish: callboard finish parser --agent-id ann --lease-token lt-00000000000000000008 --summary TEXT
        "#]],
    );
    check(
        &project,
        "claim parser --agent-id ben",
        &expect![[r#"
            exit 5
            --
            error[held]: parser is held by ann until 2027-01-15T08:15:00.000Z (work)
            hint: callboard claim-next --agent-id ben
        "#]],
    );
    check(
        &project,
        "next-action --agent-id ben",
        &expect![[r#"
            exit 0
            action: claim
            reason: it ranks first: Pick a licence
            module: licence
            command: callboard claim-next --agent-id ben
        "#]],
    );
    let token = project.db().query_row("SELECT token FROM leases", [], |row| row.get::<_, String>(0)).unwrap();
    let finish =
        format!("finish parser --agent-id ann --lease-token {token} --summary done --changed-path src/parser/a.rs");
    check(
        &project,
        &finish,
        &expect![[r#"
            exit 0
            module: parser
            title: Write the parser
            state: review
            priority: 1
            specialty: core
            owned_paths: src/parser/**
            review: required
            attempts: 1
            changed_paths: src/parser/a.rs
        "#]],
    );
    check(
        &project,
        "claim-review-next --agent-id ben",
        &expect![[r#"
            exit 0
            module: parser
            title: Write the parser
            state: review, ben until 2027-01-15T08:15:00Z
            priority: 1
            specialty: core
            owned_paths: src/parser/**
            review: required
            attempts: 1
            lease_token: lt-0000000000000000000d
            session_id: s-000000000006
            expires_at: 2027-01-15T08:15:00Z (in 900 s; any of your commands on it renews it)
            handed in by: ann
            attempt: 1
            summary: done
            changed_paths: src/parser/a.rs
            workspace: stagehand:[ROOT]
            approve: callboard approve parser --agent-id ben --lease-token lt-0000000000000000000d --notes TEXT
            request_changes: callboard request-changes parser --agent-id ben --lease-token lt-0000000000000000000d --notes TEXT
        "#]],
    );
    let token = project.db().query_row("SELECT token FROM leases", [], |row| row.get::<_, String>(0)).unwrap();
    check(
        &project,
        &format!("request-changes parser --agent-id ben --lease-token {token} --notes tests"),
        &expect![[r#"
        exit 0
        module: parser
        title: Write the parser
        state: open, kept for ann
        priority: 1
        specialty: core
        owned_paths: src/parser/**
        review: required
        attempts: 1
    "#]],
    );
    check(
        &project,
        "next-action --agent-id ann",
        &expect![[r#"
            exit 0
            action: rework
            reason: ben requested changes: tests
            module: parser
            command: callboard claim parser --agent-id ann
        "#]],
    );
    check(
        &project,
        "claim-next --agent-id ann --json",
        &expect![[r#"
            exit 0
            {"ok":true,"revision":9,"request_id":"r-000000000000000f","task":{"module":"parser","title":"Write the parser","state":"active","wait_for":null,"wait_reason":null,"wait_since":null,"priority":1,"specialty":"core","ready":false,"depends_on":[],"unmet_dependencies":[],"owned_paths":["src/parser/**"],"candidate_depends_on":[],"candidate_owned_paths":[],"review":"required","reviewer_id":null,"holder":{"agent_id":"ann","host":"stagehand","window":"w1","session_id":"s-000000000005","expires_at":"2027-01-15T08:15:00.000Z"},"last_agent_id":"ann","reserved_for":null,"reserved_until":null,"returned":null,"attempts":1,"task_revision":7,"labels":{},"estimate_minutes":null,"parent":null,"created_at":"2027-01-15T08:00:00.000Z","changed_at":"2027-01-15T08:00:00.000Z"},"lease":{"module":"parser","kind":"work","token":"lt-00000000000000000010","epoch":5,"agent_id":"ann","host":"stagehand","window":"w1","session_id":"s-000000000005","expires_at":"2027-01-15T08:15:00.000Z","expires_in_seconds":900,"ttl_seconds":900,"lapsed":false},"resumed":false,"handoff":null,"acknowledge_command":null,"dependencies":[],"verdicts":[{"attempt":1,"by":"ben","verdict":"changes_requested","notes":"tests","at":"2027-01-15T08:00:00.000Z"}],"answers":[],"workspace":{"host":"stagehand","path":"[ROOT]","branch":null,"head":null},"earlier":[{"attempt":1,"agent_id":"ann","session_id":"s-000000000005","started_at":"2027-01-15T08:00:00.000Z","ended_at":"2027-01-15T08:00:00.000Z","outcome":"finished","summary":"done","changed_paths":["src/parser/a.rs"],"unattributed_paths":[],"workspace":{"host":"stagehand","path":"[ROOT]","branch":null,"head":null},"submitted":{"base":null,"branch":null,"head":null,"dirty":null,"uncommitted_paths":[],"since_last":null}}],"submission":null,"finish_command":"callboard finish parser --agent-id ann --lease-token lt-00000000000000000010 --summary TEXT","approve_command":null,"request_changes_command":null,"waiting_on":[]}
        "#]],
    );
    check(
        &project,
        "history parser",
        &expect![[r#"
            exit 0
            module: parser
            attempt 2: ann from 2027-01-15T08:00:00Z, not ended
            attempt 1: ann from 2027-01-15T08:00:00Z, finished 2027-01-15T08:00:00Z: done
            changed_paths: src/parser/a.rs
            verdict: attempt 1, changes_requested by ben: tests
            SEQ  AT                    EVENT              BY   DATA
            9    2027-01-15T08:00:00Z  claimed            ann  {"attempt":2,"epoch":5,"taken_over_from":null}
            8    2027-01-15T08:00:00Z  changes_requested  ben  {"attempt":1,"notes":"tests"}
            7    2027-01-15T08:00:00Z  review_started     ben  {"attempt":1}
            6    2027-01-15T08:00:00Z  review_ready       ann  {"agent_id":"ann","attempt":1}
            5    2027-01-15T08:00:00Z  claimed            ann  {"attempt":1,"epoch":1,"taken_over_from":null}
        "#]],
    );
}

#[test]
fn refusals_name_what_helps() {
    let project = playing();
    check(
        &project,
        "claim manual --agent-id ann",
        &expect![[r#"
        exit 4
        --
        error[not_ready]: manual waits for parser (open)
        hint: callboard explain manual
    "#]],
    );
    check(
        &project,
        "claim-next",
        &expect![[r#"
        exit 4
        --
        error[agent_required]: a lease is held by an agent, not by a person
        hint: callboard init-agent --thread-key KEY, then give --agent-id
    "#]],
    );
    check(
        &project,
        "depend parser --on try --json",
        &expect![[r#"
        exit 4
        {"ok":false,"revision":4,"error":{"code":"cycle","message":"that would close a circle: parser -> try -> parser","hint":"callboard graph parser","details":{"circle":["parser","try","parser"]}}}
    "#]],
    );
    check(
        &project,
        "claim-next --agent-id ann --no-such",
        &expect![[r#"
        exit 2
        --
        error[usage]: unexpected argument '--no-such' found
        hint: callboard claim-next --help
    "#]],
    );
    check(
        &project,
        "cancel-task licence --reason no",
        &expect![[r#"
            exit 4
            --
            error[human_required]: cancelling a task without an agent id and without a terminal
            hint: repeat it with --agent-id ID; a person runs it at a terminal
        "#]],
    );
}

#[test]
fn pages_are_for_people() {
    let project = playing();
    let claimed = project.json(&["claim-next", "--agent-id", "ann"]);
    let token = claimed["lease"]["token"].as_str().unwrap();
    let half = ["--progress", "grammar done", "--percent", "40"];
    project.ok(&[&["heartbeat", "parser", "--agent-id", "ann", "--lease-token", token][..], &half].concat());
    project.ok(&["block", "licence", "--on", "external", "--reason", "the lawyers | think"]);
    expect![[r#"
        # play

        **0 of 4 tasks done.** 1 active, 0 in review, 1 waiting, 0 ready, 2 not ready yet, 0 drafts, 0 failed, 0 cancelled.

        Revision 6.1 · 2027-01-15 08:00 UTC · profile balanced · mode shared_board · default lease 900 s · keeps all events.

        ## Needs a hand

        - licence waits for external: the lawyers \| think: `callboard unblock licence`

        ## Who works on what

        | task | title | by | progress | lease until (UTC) | tries before |
        | --- | --- | --- | --- | --- | --- |
        | `parser` | Write the parser | `ann` | 40 %: grammar done | 2027-01-15 08:15 | 0 |

        ## In review

        Nothing.

        ## Waiting

        | task | title | for | since (UTC) | why |
        | --- | --- | --- | --- | --- |
        | `licence` | Pick a licence | external | 2027-01-15 08:00 | the lawyers \| think |

        ## Next up

        Nothing.

        ## Recently finished

        Nothing.

        ## Policy

        Profile balanced (the rules: `callboard preflight --help`), mode shared_board.

        | what | rule |
        | --- | --- |
        | paths that overlap with another holder's | passed over by claim-next; claim needs --allow-overlap |
        | review, never by a task's own worker | tasks that ask for it |
        | confirmation of workspace and branch | once for a working tree and branch; a warning without |
        | lease that names no length | 900 s |
        | active tasks of an agent | its own --max-tasks, else 1 |
        | taking over a lease that ran out | a bundle is written |
        | a task lost 3 times, each time to another | waits for a person |
    "#]].assert_eq(&project.page("STATUS.md"));
    expect![[r#"
        # Agents of play

        This directory is a coordination board. To take part: `callboard init-agent --thread-key KEY` with a name of your own, keep the `agent_id` and `session_id` it prints, then ask `callboard next-action --agent-id ID` and do what it says. `callboard --help` shows the rest. Never edit these files: they are made from the database.

        Revision 6.1 · 2027-01-15 08:00 UTC

        | agent | roles | specialties | holds | last came aboard (UTC) |
        | --- | --- | --- | --- | --- |
        | `ann` | worker |  | `parser` | 2027-01-15 08:00 |
        | `ben` | worker |  |  | 2027-01-15 08:00 |
    "#]].assert_eq(&project.page("AGENTS.md"));
    expect![[r#"
        # Sessions of play

        Revision 6.1 · 2027-01-15 08:00 UTC

        ## Windows

        | agent | host | window | status | last seen (UTC) | branch |
        | --- | --- | --- | --- | --- | --- |
        | `ann` | stagehand `h-test` | `w1` | active | 2027-01-15 08:00 |  |
        | `ben` | stagehand `h-test` | `w1` | active | 2027-01-15 08:00 |  |

        ## Leases

        | task | kind | agent | host | window | until (UTC) |
        | --- | --- | --- | --- | --- | --- |
        | `parser` | work | `ann` | stagehand | `w1` | 2027-01-15 08:15 |
    "#]]
    .assert_eq(&project.page("SESSIONS.md"));
}

#[test]
fn a_command_helps() {
    let project = Project::fixed();
    check(
        &project,
        "claim-next --help",
        &expect![[r#"
            exit 0
            Take the best task there is.

            First what came back to this agent, then by rank. The answer holds everything needed to start, and the command that hands it in. At its limit the agent gets what it holds. Nothing to do is exit 3, a complete board exit 10; with --watch-seconds it waits until it can claim.

            Usage: callboard claim-next [OPTIONS]

            Options:
                  --project-root <DIR>
                      The project whose board is meant

                  --server-url <URL>
                      The server to ask instead of the directory

                  --json
                      One JSON object on standard output, also for refusals

                  --quiet
                      No warnings and hints on standard error

                  --color <WHEN>
                      auto, always or never

                  --specialty <S>
                      Only this specialty, or none

                  --reviewer-id <ID>
                      Who is to review it

                  --ttl-seconds <SECONDS>
                      The length of the lease: 1 to 86400

              -h, --help
                      Print help (see a summary with '-h')

            Who:
                  --agent-id <ID>
                      Who acts

                  --thread-key <KEY>
                      Who acts, by thread key

                  --session-id <ID>
                      In which registered window

                  --lease-token <TOKEN>
                      Proof of the lease

                  --while-session
                      Reuse the confirmation of workspace and branch that another window gave for the same place

                  --as-human
                      A person acts, and there is no terminal

            Guards:
                  --request-id <ID>
                      Name this request: repeated, it is answered with the first reply and changes nothing

                  --expected-revision <N>
                      Refuse unless the board is exactly at this revision

            Waiting:
                  --watch-seconds <SECONDS>
                      Wait so long for an answer that is not "nothing"

            Example:
              callboard claim-next --agent-id anns-worker --watch-seconds 90

            Exit codes: 0 done, 2 usage, 3 nothing now, 4 refused, 5 taken by another, 6 yours no longer, 7 busy, 9 wrong place, 10 the board is complete
        "#]],
    );
}
