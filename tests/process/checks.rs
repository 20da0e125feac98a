//! What checks and repairs leave in the events.

use serde_json::{Value, json};

use crate::project::Project;

/// The newest event of a source.
fn newest(project: &Project, source: &str) -> Value {
    let events = project.json(&["events", "--source", source, "--limit", "1000"]);
    events["events"].as_array().unwrap().last().cloned().unwrap_or(Value::Null)
}

#[test]
fn a_check_that_finds_something_leaves_an_event_and_what_it_found() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    std::fs::write(project.plan("STATUS.md"), "edited by hand\n").unwrap();
    for times in 1..=2 {
        project.refused(&["validate"], 4, "unsound");
        assert_eq!(project.page("STATUS.md"), "edited by hand\n", "it is still there to be looked at");
        let events = project.json(&["events", "--source", "validate"])["events"].as_array().unwrap().len();
        assert_eq!(events, times);
    }
    let event = newest(&project, "validate");
    assert_eq!((&event["kind"], &event["data"]), (&json!("validated"), &json!({"findings": 0, "drifted": 1})));
    project.refused(&["validate", "--no-event"], 4, "unsound");
    assert_eq!(newest(&project, "validate")["seq"], event["seq"]);

    project.db().execute("UPDATE board SET open = open + 1", []).unwrap();
    project.refused(&["validate"], 4, "unsound");
    let found = newest(&project, "validate")["data"]["findings"].as_u64().unwrap();
    assert!(found > 0, "{found}");
}

#[test]
fn a_repair_of_pages_leaves_an_event_that_names_them() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    std::fs::remove_file(project.plan("STATUS.md")).unwrap();
    project.ok(&["validate", "--repair"]);
    let event = newest(&project, "repair");
    assert_eq!((&event["kind"], &event["data"]["pages"]), (&json!("repaired"), &json!(["STATUS.md"])));
    project.ok(&["validate", "--repair"]);
    assert_eq!(newest(&project, "repair")["seq"], event["seq"], "nothing was repaired the second time");
}
