//! A plan as JSON lines: one task a line, with the keys that the board itself uses for a task.
//!
//! What a board says of a task but nobody plans, such as its holder, may stand there and is left out. A key that no
//! task has is refused: it is a typing mistake, and what it meant would be lost.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::board::imports::PlannedTask;
use crate::board::tasks::NewTask;
use crate::domain::id::{AgentId, Module, Specialty};
use crate::domain::profile::Review;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::scope::Scope;
use crate::domain::task::{Candidates, TaskState, TaskTexts};
use crate::domain::text;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    module: Module,
    title: String,
    #[serde(default)]
    state: Option<TaskState>,
    #[serde(default)]
    priority: Option<u8>,
    #[serde(default)]
    specialty: Option<Specialty>,
    #[serde(default)]
    depends_on: Vec<Module>,
    #[serde(default)]
    owned_paths: Vec<Scope>,
    #[serde(default)]
    candidate_depends_on: Vec<Module>,
    #[serde(default)]
    candidate_owned_paths: Vec<Scope>,
    #[serde(default)]
    review: Option<Review>,
    #[serde(default)]
    reviewer_id: Option<AgentId>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    estimate_minutes: Option<u32>,
    #[serde(default)]
    parent: Option<Module>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    acceptance: Vec<String>,
    #[serde(default, rename = "wait_for")]
    _wait_for: IgnoredAny,
    #[serde(default, rename = "wait_reason")]
    _wait_reason: IgnoredAny,
    #[serde(default, rename = "wait_since")]
    _wait_since: IgnoredAny,
    #[serde(default, rename = "ready")]
    _ready: IgnoredAny,
    #[serde(default, rename = "unmet_dependencies")]
    _unmet: IgnoredAny,
    #[serde(default, rename = "holder")]
    _holder: IgnoredAny,
    #[serde(default, rename = "progress")]
    _progress: IgnoredAny,
    #[serde(default, rename = "last_agent_id")]
    _last_agent_id: IgnoredAny,
    #[serde(default, rename = "reserved_for")]
    _reserved_for: IgnoredAny,
    #[serde(default, rename = "reserved_until")]
    _reserved_until: IgnoredAny,
    #[serde(default, rename = "returned")]
    _returned: IgnoredAny,
    #[serde(default, rename = "attempts")]
    _attempts: IgnoredAny,
    #[serde(default, rename = "task_revision")]
    _task_revision: IgnoredAny,
    #[serde(default, rename = "created_at")]
    _created_at: IgnoredAny,
    #[serde(default, rename = "changed_at")]
    _changed_at: IgnoredAny,
}

/// The tasks of a file of JSON lines. Refuses with `import_line` a line that is no task.
pub fn plan(text: &str) -> Result<Vec<PlannedTask>, Refusal> {
    let mut plan = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if !line.trim().is_empty() {
            plan.push(PlannedTask { line: at + 1, task: task(at + 1, line)? });
        }
    }
    Ok(plan)
}

fn task(number: usize, line: &str) -> Result<NewTask, Refusal> {
    let bad =
        |message: String| Refusal::new(Code::ImportLine, format!("line {number}: {message}")).detail("line", number);
    let line: Line = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
    let priority = line.priority.unwrap_or(2);
    if priority > 4 {
        return Err(bad("a priority is 0 (most urgent) to 4".to_owned()));
    }
    let state = match line.state {
        Some(state) if state == TaskState::Draft || state.is_final() => state,
        // Who held it, reviewed it or waited is not part of a plan.
        _ => TaskState::Open,
    };
    let said = |refusal: Refusal| bad(refusal.message);
    let acceptance = line.acceptance.iter().map(|one| text::bounded("a criterion", one)).collect::<Result<_, _>>();
    Ok(NewTask {
        module: line.module,
        title: text::title(&line.title).map_err(said)?,
        texts: TaskTexts {
            body: text::bounded("the body", &line.body).map_err(said)?,
            acceptance: acceptance.map_err(said)?,
        },
        priority,
        specialty: line.specialty,
        depends_on: line.depends_on,
        owned_paths: line.owned_paths,
        candidates: Candidates { depends_on: line.candidate_depends_on, owned_paths: line.candidate_owned_paths },
        estimate_minutes: line.estimate_minutes,
        review: line.review,
        reviewer: line.reviewer_id,
        labels: line.labels,
        parent: line.parent,
        state,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_task_and_a_bad_one_is_named() {
        let plan = plan(
            "{\"module\":\"a\",\"title\":\"A\",\"holder\":null}\n\n{\"module\":\"b\",\"title\":\"B\",\"depends_on\":[\"a\"]}\n",
        );
        let plan = plan.expect("a plan");
        assert_eq!((plan.len(), plan[1].line), (2, 3));
        for bad in ["{\"module\":\"a\"}", "{\"module\":\"a\",\"title\":\"A\",\"prio\":1}", "nonsense"] {
            let refusal = super::plan(&format!("{{\"module\":\"x\",\"title\":\"X\"}}\n{bad}")).expect_err(bad);
            assert_eq!(refusal.details["line"], 2, "{bad}");
        }
    }
}
