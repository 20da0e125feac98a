//! Comfort: completions that know the board's names, the skill and the prompts, manual pages.

use std::process::Command;

use crate::project::{Project, may_run};

fn board() -> Project {
    let project = Project::new();
    project.import(3);
    project.ok(&["init-agent", "--thread-key", "worker-a"]);
    project
}

#[test]
fn bash_completes_modules_agents_and_commands() {
    let project = board();
    let script = project.root.join("complete.sh");
    std::fs::write(&script, project.ok(&["completions", "bash"])).unwrap();
    let complete = |words: &str| {
        let line = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _callboard_named callboard \
             \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[*]}}\"",
            script.display()
        );
        let mut shell = Command::new("bash");
        project.closed(shell.args(["-c", &line]));
        let output = shell.output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("callboard claim ''"), "t0 t1 t2");
    assert_eq!(complete("callboard show t1"), "t1");
    assert_eq!(complete("callboard claim-next --agent-id w"), "worker-a");
    assert_eq!(complete("callboard add-task --depends-on t"), "t0 t1 t2");
    assert_eq!(complete("callboard claim-n"), "claim-next");
    assert!(complete("callboard claim --allow").contains("--allow-overlap"));
    let nowhere = Project::bare();
    assert_eq!((nowhere.ok(&["names", "modules"]).as_str(), nowhere.ok(&["names", "agents"]).as_str()), ("", ""));
}

#[test]
fn zsh_and_fish_can_read_their_scripts() {
    let project = board();
    for (shell, words) in [("zsh", "_callboard_modules()"), ("fish", "(callboard names agents 2>/dev/null)")] {
        let script = project.ok(&["completions", shell]);
        assert!(script.contains(words), "{shell}");
        if may_run(shell, Command::new(shell).arg("--version").output().is_ok()) {
            let path = project.root.join(shell);
            std::fs::write(&path, &script).unwrap();
            let checked = Command::new(shell).arg("-n").arg(&path).output().unwrap();
            assert!(checked.status.success(), "{checked:?}");
        }
    }
    assert!(project.ok(&["completions", "zsh"]).contains(":M:_callboard_modules"));
}

#[test]
fn the_skill_installs_with_its_manual_and_over_nothing_else() {
    let project = Project::bare();
    let skill = project.ok(&["skill"]);
    assert!(skill.starts_with("---\nname: callboard\ndescription: ") && skill.len() < 6_000, "{} bytes", skill.len());
    project.ok(&["skill", "--install", ".claude/skills/callboard"]);
    project.ok(&["skill", "--install", ".claude/skills/callboard"]);
    let dir = project.root.join(".claude/skills/callboard");
    assert_eq!(std::fs::read_to_string(dir.join("SKILL.md")).unwrap(), skill);
    for page in ["states.md", "codes.md", "json.md", "troubleshooting.md"] {
        assert!(std::fs::metadata(dir.join("references").join(page)).unwrap().len() > 500, "{page}");
    }
    std::fs::create_dir(project.root.join("other")).unwrap();
    std::fs::write(project.root.join("other/SKILL.md"), "---\nname: theirs\n---\n").unwrap();
    let refused = project.run(&["skill", "--install", "other"]);
    assert!(refused.code == 4 && refused.err.contains("is another skill"), "{refused:?}");
}

#[test]
fn prompts_carry_the_key_in_a_form_that_a_shell_takes() {
    let project = Project::new();
    for role in ["worker", "reviewer", "planner"] {
        let prompt = project.ok(&["prompt", role, "--thread-key", "it's me"]);
        let line = prompt.split('`').find(|part| part.starts_with("callboard init-agent")).unwrap();
        let mut shell = Command::new("bash");
        project.closed(shell.args(["-c", &format!("{line} --window-id {role}")]));
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    }
    assert_eq!(project.json(&["agents"])["agents"].as_array().unwrap().len(), 1, "the same key is the same agent");
    let [one, other] = [(); 2].map(|()| project.ok(&["prompt", "worker"]));
    assert!(one.contains("--thread-key worker-") && one != other, "two windows with the same prompt are two agents");
    let wrong = project.run(&["prompt", "boss"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

#[test]
fn commands_for_planners_carry_the_agents_id() {
    let project = Project::bare();
    let skill = project.ok(&["skill"]);
    let section = skill.split("## Planner").nth(1).unwrap().split("## ").next().unwrap();
    let changes = ["--seed-tasks", "confirm-task", "cancel-task", "add-task", "--from", "notify", "ask "];
    for (page, least) in [(section, 5), (&project.ok(&["prompt", "planner"]), 6)] {
        let spans: Vec<&str> = page.split('`').skip(1).step_by(2).filter(|span| span.contains(' ')).collect();
        let changing: Vec<&&str> = spans.iter().filter(|span| changes.iter().any(|name| span.contains(name))).collect();
        assert!(changing.len() >= least, "{changing:?}");
        for command in changing {
            assert!(command.contains("--agent-id ID"), "it would be recorded as a person's: {command}");
        }
    }
}
