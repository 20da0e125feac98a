//! What killed backups, restores and repairs leave behind, and who takes it away.

use std::fs::{File, read_dir};
use std::path::Path;

use crate::project::Project;

/// Names in a directory that these words are in.
fn names(directory: &Path, words: &[&str]) -> Vec<String> {
    let names = read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| words.iter().any(|word| name.contains(word))).collect()
}

/// A board with a backup `good.db`, and a copy in which this line was killed where it left something with these words.
fn killed(line: &[&str], prepare: impl Fn(&Project), words: &[&str], inside: &str) -> Project {
    let whole = Project::new();
    whole.import(5);
    whole.ok(&["backup", "good.db"]);
    prepare(&whole);
    for at in 1..40 {
        let project = whole.copy().with_fault("FAULT_KILL_AT", at);
        let run = project.run(line);
        if run.code == 0 {
            break;
        }
        let project = project.without_faults();
        if names(&project.root.join(inside), words).iter().any(|name| !name.ends_with("-journal")) {
            return project;
        }
    }
    panic!("{line:?} never left anything that has {words:?} in its name");
}

const WORK: [&str; 3] = ["restore-", "repair-", "damaged-"];

#[test]
fn a_backup_leaves_nothing_beside_itself() {
    let project = Project::new();
    std::fs::write(project.root.join("old.db"), "a backup").unwrap();
    for name in [".old.db.0a1b2c3d.tmp-journal", ".other.db.0a1b2c3d.tmp-journal"] {
        File::create(project.root.join(name)).unwrap();
    }
    project.ok(&["backup", "board.db"]);
    assert_eq!(names(&project.root, &["board.db"]), ["board.db"]);
    let left = names(&project.root, &[".tmp"]);
    assert_eq!(
        left,
        [".other.db.0a1b2c3d.tmp-journal"],
        "one of an earlier version goes too, where its backup is there"
    );
}

#[test]
fn what_a_killed_backup_left_goes_with_the_next_one_unless_somebody_uses_it() {
    let project = killed(&["backup", "board.db"], |_| {}, &[".board.db."], "");
    let draft = names(&project.root, &[".board.db."]).into_iter().find(|name| !name.contains("-journal")).unwrap();
    let user = File::open(project.root.join(&draft)).unwrap();
    user.lock().unwrap();
    project.ok(&["backup", "second.db"]);
    assert!(project.root.join(&draft).exists(), "somebody uses it");
    drop(user);
    std::fs::write(project.root.join(".board.db.00000000-0a1b2c3d.tmp"), "of another board").unwrap();
    project.ok(&["backup", "third.db"]);
    assert_eq!(names(&project.root, &[".tmp"]), [".board.db.00000000-0a1b2c3d.tmp"], "another board's is not touched");
    project.must_be_sound();
}

#[test]
fn what_a_killed_restore_left_goes_with_the_next_one() {
    let line = ["restore", "good.db", "--as-human"];
    let project = killed(&line, |_| {}, &WORK, "project-plan/.callboard");
    project.ok(&["restore", "good.db", "--as-human"]);
    assert_eq!(names(&project.plan(".callboard"), &WORK), [""; 0]);
    project.must_be_sound();
}

#[test]
fn what_a_killed_repair_left_goes_with_the_next_one_and_with_one_that_has_nothing_to_do() {
    let damage = |project: &Project| {
        let mut bytes = std::fs::read(project.plan("coordination.db")).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 8192].fill(0xa5);
        std::fs::write(project.plan("coordination.db"), bytes).unwrap();
    };
    let project = killed(&["validate", "--repair"], damage, &WORK, "project-plan/.callboard");
    let run = project.run(&["validate", "--repair"]);
    assert!(matches!(run.code, 0 | 4), "{run:?}");
    assert_eq!(names(&project.plan(".callboard"), &WORK), [""; 0]);

    let project = killed(&["restore", "good.db", "--as-human"], |_| {}, &WORK, "project-plan/.callboard");
    project.ok(&["validate", "--repair"]);
    assert_eq!(names(&project.plan(".callboard"), &WORK), [""; 0]);
}
