//! An issue export of beads: JSON lines with one issue each, its dependencies and its state.
//!
//! A closed issue is done. One that somebody had begun is open: whoever held it there holds nothing here. `blocks` is a
//! dependency and `parent-child` gives the parent; other relations are named in the body. Deleted issues (tombstones) are
//! left out, and with them what points at them. What is deferred, blocked by nothing that is in the export, or blocked by an
//! issue that is not, is a draft: a person knows more.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::board::imports::PlannedTask;
use crate::board::tasks::NewTask;
use crate::domain::id::Module;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Candidates, TaskState, TaskTexts};
use crate::domain::text;

/// An issue, as far as a task has a place for it. Newer exports have more keys.
#[derive(Deserialize)]
struct Issue {
    id: String,
    title: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    design: Option<String>,
    #[serde(default)]
    notes: Option<String>,
    #[serde(default)]
    acceptance_criteria: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    priority: Option<i64>,
    #[serde(default, rename = "issue_type")]
    kind: Option<String>,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    estimated_minutes: Option<u32>,
    #[serde(default)]
    labels: Option<Vec<String>>,
    #[serde(default)]
    close_reason: Option<String>,
    #[serde(default)]
    dependencies: Option<Vec<Relation>>,
}

#[derive(Deserialize)]
struct Relation {
    #[serde(default)]
    issue_id: Option<String>,
    depends_on_id: String,
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

/// True for text that looks like such an export: a line with an `id`, a `title` and a `status` or type, and no `module`.
pub fn is_export(text: &str) -> bool {
    let first = text.trim_start_matches('\u{feff}').lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let Ok(keys) = serde_json::from_str::<Map<String, Value>>(first) else { return false };
    let has = |key: &str| keys.contains_key(key);
    has("id") && has("title") && (has("status") || has("issue_type")) && !has("module")
}

/// The tasks of an export. Refuses with `import_line` a line that is no issue.
pub fn plan(text: &str) -> Result<Vec<PlannedTask>, Refusal> {
    let (mut issues, mut gone) = (Vec::new(), HashSet::new());
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let issue: Issue = serde_json::from_str(line).map_err(|error| bad(at + 1, &error.to_string()))?;
        if issue.status.as_deref() == Some("tombstone") {
            gone.insert(issue.id);
        } else {
            issues.push((at + 1, issue));
        }
    }
    let known: HashSet<String> = issues.iter().map(|(_, issue)| issue.id.clone()).collect();
    issues.into_iter().map(|(line, issue)| Ok(PlannedTask { line, task: task(line, issue, &known, &gone)? })).collect()
}

fn task(line: usize, issue: Issue, known: &HashSet<String>, gone: &HashSet<String>) -> Result<NewTask, Refusal> {
    let said = |refusal: Refusal| bad(line, &refusal.message);
    let (mut depends_on, mut parent, mut related) = (Vec::new(), None, Vec::new());
    // Something that nobody here knows is in its way.
    let mut is_held = false;
    for relation in issue.dependencies.iter().flatten() {
        if relation.issue_id.as_ref().is_some_and(|own| *own != issue.id) || gone.contains(&relation.depends_on_id) {
            continue;
        }
        if !known.contains(&relation.depends_on_id) {
            let kind = relation.kind.as_deref().unwrap_or("blocks");
            is_held |= kind == "blocks";
            related.push(format!("{kind} {}, which is not in the export", relation.depends_on_id));
            continue;
        }
        let other = module(line, &relation.depends_on_id)?;
        match relation.kind.as_deref() {
            Some("blocks") | None => depends_on.push(other),
            Some("parent-child") => parent = Some(other),
            Some(kind) => related.push(format!("{kind}: {other}")),
        }
    }
    let waits = !depends_on.is_empty();
    // A task cannot wait for its parent, which waits for it: what was said of waiting counts.
    if let Some(other) = parent.take_if(|parent| depends_on.contains(parent)) {
        related.push(format!("parent-child: {other}"));
    }
    let mut labels = BTreeMap::new();
    let mut label = |key: &str, value: Option<&String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            labels.insert(key.to_owned(), text::cut(&text::one_line(value), LABEL_MOST));
        }
    };
    label("type", issue.kind.as_ref());
    label("assignee", issue.assignee.as_ref());
    // What is closed says so by its state, and what is open too.
    label("status", issue.status.as_ref().filter(|status| !matches!(status.as_str(), "open" | "closed")));
    label("closed", issue.close_reason.as_ref());
    label("labels", issue.labels.map(|labels| labels.join(",")).as_ref());
    let parts = [("", issue.description), ("Design:\n", issue.design), ("Notes:\n", issue.notes)];
    let parts = parts.into_iter().filter_map(|(heading, part)| {
        let part = part.filter(|part| !part.trim().is_empty())?;
        Some(format!("{heading}{}", part.trim()))
    });
    let related = Some(related.join("\n")).filter(|related| !related.is_empty());
    let body = parts.chain(related).collect::<Vec<_>>().join("\n\n");
    let criteria = issue.acceptance_criteria.unwrap_or_default();
    let criteria =
        criteria.lines().map(|line| line.trim().trim_start_matches(['-', '*', ' '])).filter(|line| !line.is_empty());
    let acceptance = criteria.map(|one| text::bounded("a criterion", one)).collect::<Result<_, _>>().map_err(said)?;
    Ok(NewTask {
        module: module(line, &issue.id)?,
        title: text::title(&issue.title).map_err(said)?,
        texts: TaskTexts { body: text::bounded("the body", &body).map_err(said)?, acceptance },
        priority: u8::try_from(issue.priority.unwrap_or(2).clamp(0, 4)).unwrap_or(2),
        specialty: None,
        depends_on,
        owned_paths: Vec::new(),
        candidates: Candidates::default(),
        estimate_minutes: issue.estimated_minutes.filter(|minutes| *minutes > 0),
        review: None,
        reviewer: None,
        labels,
        parent,
        state: match issue.status.as_deref() {
            Some("closed") => TaskState::Done,
            Some("deferred") => TaskState::Draft,
            Some("blocked") if !waits => TaskState::Draft,
            _ if is_held => TaskState::Draft,
            _ => TaskState::Open,
        },
    })
}

/// The most that a label says, in characters.
const LABEL_MOST: usize = 100;

/// Ids of beads are slugs; what is not is made one.
fn module(line: usize, id: &str) -> Result<Module, Refusal> {
    let module = id.parse().ok().or_else(|| Module::from_words(id));
    module.ok_or_else(|| bad(line, &format!("no name can be made from the id {id:?}")))
}

fn bad(line: usize, message: &str) -> Refusal {
    Refusal::new(Code::ImportLine, format!("line {line}: {message}")).detail("line", line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORT: &str = concat!(
        r#"{"id":"bd-1","title":"Sign in","description":"With a key.","design":"PKCE","acceptance_criteria":"- it works\n- it is fast","status":"in_progress","priority":1,"issue_type":"feature","assignee":"ann","labels":["web","auth"],"created_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-01T00:00:00Z"}"#,
        "\n",
        r#"{"id":"bd-2","title":"Schema","status":"closed","priority":0,"issue_type":"task","close_reason":"done","dependencies":[{"issue_id":"bd-2","depends_on_id":"bd-1","type":"discovered-from","created_at":"x","created_by":"y"}]}"#,
        "\n",
        r#"{"id":"bd-3.1","title":"Form","status":"open","priority":9,"dependencies":[{"issue_id":"bd-3.1","depends_on_id":"bd-2","type":"blocks"},{"issue_id":"bd-3.1","depends_on_id":"bd-1","type":"parent-child"},{"issue_id":"bd-3.1","depends_on_id":"bd-9","type":"blocks"}]}"#,
        "\n",
        r#"{"id":"bd-4","title":"Held","status":"open","dependencies":[{"issue_id":"bd-4","depends_on_id":"xx-1","type":"blocks"}]}"#,
        "\n",
        r#"{"id":"bd-6","title":"Stuck","status":"blocked"}"#,
        "\n",
        r#"{"id":"bd-9","title":"Gone","status":"tombstone"}"#,
        "\n",
        r#"{"id":"bd-5","title":"Later","status":"deferred"}"#,
        "\n",
    );

    #[test]
    fn an_export_keeps_its_dependencies_and_states() {
        assert!(is_export(EXPORT) && !is_export("{\"module\":\"a\",\"title\":\"A\",\"id\":\"x\",\"status\":\"open\"}"));
        let plan = plan(EXPORT).expect("a plan");
        let said: Vec<_> =
            plan.iter().map(|one| (one.task.module.as_str(), one.task.state, one.task.priority)).collect();
        let (open, done, draft) = (TaskState::Open, TaskState::Done, TaskState::Draft);
        assert_eq!(
            said,
            [
                ("bd-1", open, 1),
                ("bd-2", done, 0),
                ("bd-3.1", open, 4),
                ("bd-4", draft, 2),
                ("bd-6", draft, 2),
                ("bd-5", draft, 2)
            ]
        );
        let (first, form) = (&plan[0].task, &plan[2].task);
        assert_eq!(first.texts.body, "With a key.\n\nDesign:\nPKCE");
        assert_eq!(first.texts.acceptance, ["it works", "it is fast"]);
        assert_eq!((first.labels["status"].as_str(), first.labels["labels"].as_str()), ("in_progress", "web,auth"));
        assert_eq!((form.depends_on[0].as_str(), form.depends_on.len()), ("bd-2", 1), "what is gone is no dependency");
        assert_eq!(form.parent.as_ref().map(Module::as_str), Some("bd-1"));
        assert_eq!(plan[1].task.texts.body, "discovered-from: bd-1");
        assert_eq!(plan[3].task.texts.body, "blocks xx-1, which is not in the export");
    }

    #[test]
    fn a_line_that_is_no_issue_is_named() {
        let refusal = plan("{\"id\":\"a\",\"title\":\"A\"}\n{\"id\":\"b\"}").expect_err("no title");
        assert_eq!((refusal.code, &refusal.details["line"]), (Code::ImportLine, &2.into()));
    }
}
