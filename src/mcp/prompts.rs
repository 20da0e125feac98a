//! Prompts: the loops of a worker, a reviewer and a planner, in the words of these tools.

use rmcp::model::{GetPromptResult, ListPromptsResult, Prompt, PromptMessage, Role};

struct Loop {
    name: &'static str,
    about: &'static str,
    text: &'static str,
}

const LOOPS: [Loop; 3] = [
    Loop {
        name: "worker",
        about: "Claim tasks and hand them in until the board is complete",
        text: include_str!("../../templates/prompts/mcp-worker.md"),
    },
    Loop {
        name: "reviewer",
        about: "Review what was handed in until the board is complete",
        text: include_str!("../../templates/prompts/mcp-reviewer.md"),
    },
    Loop {
        name: "planner",
        about: "Keep the plan true and the team moving",
        text: include_str!("../../templates/prompts/mcp-planner.md"),
    },
];

pub(super) fn list() -> ListPromptsResult {
    let prompts = LOOPS.iter().map(|one| Prompt::new(one.name, Some(one.about), None)).collect();
    ListPromptsResult::with_all_items(prompts)
}

/// The prompt of this name.
pub(super) fn get(name: &str) -> Option<GetPromptResult> {
    let found = LOOPS.iter().find(|one| one.name == name)?;
    let message = PromptMessage::new_text(Role::User, found.text);
    Some(GetPromptResult::new(vec![message]).with_description(found.about))
}
