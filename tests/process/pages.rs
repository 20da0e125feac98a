//! The pages: shown before a command returns, restored byte for byte, bounded, and overridable.

use std::os::unix::fs::{MetadataExt as _, symlink};

use crate::project::Project;

const PAGES: [&str; 4] = ["STATUS.md", "AGENTS.md", "SESSIONS.md", "state.json"];

fn with_tasks(count: usize) -> Project {
    let project = Project::new();
    project.import(count);
    project.ok(&["init-agent", "--thread-key", "w"]);
    project.ok(&["claim-next", "--agent-id", "w"]);
    project
}

/// The times of the next change are others, so a board whose pages are made anew at the same revision is needed.
fn all_pages(project: &Project) -> Vec<String> {
    PAGES.iter().map(|page| project.page(page)).collect()
}

#[test]
fn deleted_and_edited_pages_are_restored_byte_for_byte() {
    let project = with_tasks(3);
    let copy = project.copy();
    for page in PAGES {
        std::fs::remove_file(copy.plan(page)).unwrap();
        std::fs::write(project.plan(page), "edited by hand\n").unwrap();
    }
    // The same change of the same board at the same moment, once over missing pages and once over edited ones.
    for project in [&copy, &project] {
        let mut command = project.command(&["add-task", "t9", "--title", "Task 9"]);
        let status = command.env("CALLBOARD_TEST_CLOCK", "1900000000000").output().unwrap().status;
        assert!(status.success());
    }
    assert_eq!(all_pages(&project), all_pages(&copy));
    assert!(project.page("STATUS.md").contains("| `t9` | Task 9 |"));
    assert!(!project.page("STATUS.md").contains("edited by hand"));
}

#[test]
fn a_page_that_shows_the_same_is_left_alone_and_comes_back_when_it_is_not_there() {
    let project = with_tasks(1);
    std::fs::create_dir(project.plan("templates")).unwrap();
    std::fs::write(project.plan("templates/AGENTS.md.j2"), "always the same\n").unwrap();
    let change = |at: u32| project.ok(&["add-task", &format!("new{at}"), "--title", "New"]);
    let inode = || std::fs::metadata(project.plan("AGENTS.md")).unwrap().ino();
    change(1);
    let first = inode();
    change(2);
    assert_eq!(inode(), first, "nobody who watches it is woken");
    std::fs::write(project.plan("AGENTS.md"), "edited").unwrap();
    change(3);
    assert_eq!(project.page("AGENTS.md"), "always the same\n");
    std::fs::remove_file(project.plan("AGENTS.md")).unwrap();
    change(4);
    assert_eq!(project.page("AGENTS.md"), "always the same\n");
}

#[test]
fn a_read_changes_not_a_byte() {
    let project = with_tasks(3);
    let stamp = |project: &Project| {
        let names = PAGES.iter().copied().chain(["coordination.db", ".callboard/projected", ".callboard/pulse"]);
        let of = |name| {
            let meta = std::fs::metadata(project.plan(name)).unwrap();
            (meta.ino(), meta.mtime_nsec(), meta.len())
        };
        names.map(of).collect::<Vec<_>>()
    };
    let before = stamp(&project);
    for line in [
        "summary",
        "tasks",
        "show t0",
        "graph",
        "explain t1 --agent-id w",
        "history t0",
        "state",
        "state --format full",
        "next-action --agent-id w",
        "next-claimable --agent-id w",
        "next-reviewable --agent-id w",
        "agents",
        "sessions",
        "leases",
    ] {
        let run = project.run(&line.split(' ').collect::<Vec<_>>());
        assert!(matches!(run.code, 0 | 3), "{run:?}");
    }
    assert_eq!(stamp(&project), before);
    // A read does not miss a page either: only a change brings it back.
    std::fs::remove_file(project.plan("STATUS.md")).unwrap();
    project.ok(&["summary"]);
    assert!(!project.plan("STATUS.md").exists());
}

#[test]
fn pages_have_the_same_size_for_many_tasks() {
    let (few, many) = (with_tasks(100), with_tasks(5_000));
    for page in PAGES {
        let (few, many) = (few.page(page).len(), many.page(page).len());
        assert!(many < few + few / 4 + 400, "{page}: {few} bytes at 100 tasks, {many} at 5,000");
    }
    assert!(many.page("STATUS.md").contains("… and 4979 more."));
    assert!(many.page("state.json").contains("\"omitted\""));
}

#[test]
fn a_board_may_have_templates_of_its_own() {
    let project = with_tasks(2);
    std::fs::create_dir(project.plan("templates")).unwrap();
    let template = project.plan("templates/STATUS.md.j2");
    std::fs::write(&template, "{{ counts.total }} tasks; {% for task in active %}{{ task.title }}{% endfor %}\n")
        .unwrap();
    project.ok(&["add-task", "new", "--title", "<b>|New</b>"]);
    assert_eq!(project.page("STATUS.md"), "3 tasks; Task 0");
    // A broken one, and one that would never end, are told, and the built-in one is used.
    for broken in ["{% for x in %}", "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"] {
        std::fs::write(&template, broken).unwrap();
        let run = project.run(&["add-task", &format!("t-{}", broken.len()), "--title", "T"]);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.err.contains("the built-in template is used"), "{run:?}");
        assert!(project.page("STATUS.md").starts_with("# "), "{}", project.page("STATUS.md"));
    }
}

#[test]
fn a_link_in_the_place_of_a_page_is_replaced_and_not_followed() {
    let project = with_tasks(1);
    let victim = project.root.join("victim");
    std::fs::write(&victim, "precious").unwrap();
    for page in ["STATUS.md", ".callboard/projected"] {
        std::fs::remove_file(project.plan(page)).unwrap();
        symlink(&victim, project.plan(page)).unwrap();
    }
    project.ok(&["add-task", "new", "--title", "New"]);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    assert!(project.page("STATUS.md").contains("New"));
}

#[test]
fn what_agents_say_stays_data() {
    let project = Project::new();
    let evil = "a | b\n# c [x](http://y) <script> `d` \u{1b}[31mred\u{7} \u{202e}end";
    project.ok(&["add-task", "evil", "--title", evil, "--body", evil]);
    let status = project.page("STATUS.md");
    let row = status.lines().find(|line| line.contains("`evil`")).unwrap();
    assert_eq!(row.matches(" | ").count(), 4, "no cell was opened: {row}");
    assert!(!status.contains('\u{1b}') && !status.contains('\u{7}') && !status.contains('\u{202e}'));
    assert!(!row.contains("<script>") && !row.contains("[x](http"), "{row}");
    for line in [&["tasks"][..], &["show", "evil"], &["summary"], &["graph"]] {
        let out = project.ok(line);
        assert!(!out.contains('\u{1b}') && !out.contains('\u{7}'), "{out:?}");
    }
    // Whoever parses gets the body whole.
    assert_eq!(project.json(&["show", "evil"])["task"]["body"].as_str(), Some(evil));
}

/// Overflowed the stack of every process that changed the board, or took 200 MB; and their kin.
#[test]
fn a_template_that_attacks_costs_its_page_and_nothing_else() {
    let project = with_tasks(2);
    std::fs::create_dir(project.plan("templates")).unwrap();
    let template = project.plan("templates/STATUS.md.j2");
    let repeated = |part: &str, times: usize| part.repeat(times);
    let doubled = repeated("{% set a = a ~ a %}", 60);
    let captured = repeated("{% set a %}{{ a }}{{ a }}{% endset %}", 60);
    let nested = format!("{}{}", repeated("{% for a in [1] * 99999 %}", 20), repeated("{% endfor %}", 20));
    let attacks = [
        format!("{{{{ a{} }}}}", repeated(".a", 12_000)),
        "{{ \"a\" * 100000000 }}".to_owned(),
        format!("{{{{ {}1 }}}}", repeated("-", 60_000)),
        format!("{{{{ {}1 }}}}", repeated("not ", 15_000)),
        format!("{{{{ 1{} }}}}", repeated("+1", 30_000)),
        format!("{{{{ {}1{} }}}}", repeated("(", 30_000), repeated(")", 30_000)),
        format!("{{{{ {}1{} }}}}", repeated("[", 30_000), repeated("]", 30_000)),
        format!("{{{{ a{} }}}}", repeated("|length", 9_000)),
        format!("{{% if a %}}{}{{% endif %}}", repeated("{% elif a %}", 5_000)),
        format!("{{% set a = \"aaaa\" %}}{doubled}{{{{ a }}}}"),
        format!("{{% set a = \"aaaa\" %}}{captured}{{{{ a }}}}"),
        "{% for a in [\"aa\"] recursive %}{{ loop([a ~ a]) }}{% endfor %}".to_owned(),
        "{{ ([\"aaaaaaaaaa\"] * 90000)|join(\"a\" * 90000) }}".to_owned(),
        "{{ \"\"|center(100000000) }}".to_owned(),
        "{% for a in range(100000000) %}{% endfor %}".to_owned(),
        nested,
    ];
    for (at, attack) in attacks.iter().enumerate() {
        std::fs::write(&template, attack).unwrap();
        let run = project.run(&["add-task", &format!("n{at}"), "--title", "New"]);
        assert_eq!(run.code, 0, "{at}: {run:?}");
        assert!(run.err.contains("the built-in template is used"), "{at}: {run:?}");
        assert!(project.page("STATUS.md").contains(&format!("| `n{at}` |")), "{at}");
    }
}
