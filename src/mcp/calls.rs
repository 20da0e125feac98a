//! Tools as the protocol has them: what a call means, and how it is answered.

use std::sync::Arc;

use rmcp::model::{CallToolResult, ContentBlock, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::toolset::{Calls, Listed};
use crate::bridge::catalogue::{ENTRIES, Entry, find};
use crate::domain::refusal::{Code, Refusal};
use crate::ops::{Kind, envelope};

/// The operation that a tool means, with its fields.
pub(super) fn meant(
    tool: &Listed,
    mut arguments: Map<String, Value>,
) -> Result<(&'static Entry, Map<String, Value>), Refusal> {
    let mut named = || match arguments.remove("operation") {
        Some(Value::String(name)) => Ok(name),
        _ => Err(Refusal::new(Code::Usage, format!("{} wants an operation", tool.name))),
    };
    match tool.calls {
        Calls::One(name) => Ok((find(name)?, arguments)),
        Calls::Of(operations) => {
            let name = named()?.replace('_', "-");
            if !operations.contains(&name.as_str()) {
                let refusal = Refusal::new(Code::UnknownOperation, format!("{} does not do {name:?}", tool.name));
                return Err(refusal.hint(format!("one of: {}", operations.join(", "))));
            }
            Ok((find(&name)?, arguments))
        }
        Calls::Any => {
            let entry = find(&named()?)?;
            match arguments.remove("arguments") {
                Some(Value::Object(fields)) => Ok((entry, fields)),
                None | Some(Value::Null) => Ok((entry, arguments)),
                Some(_) => Err(Refusal::new(Code::Usage, "arguments is an object")),
            }
        }
    }
}

/// What `help` of the tool that reaches everything answers: the fields of an operation.
pub(super) fn help(tool: &Listed, arguments: &Map<String, Value>) -> Option<Value> {
    if tool.calls != Calls::Any || arguments.get("operation")?.as_str()? != "help" {
        return None;
    }
    let of = arguments.get("arguments").and_then(|fields| fields["operation"].as_str()).unwrap_or_default();
    Some(match find(of) {
        Ok(entry) => {
            let fields = entry.own.iter().filter_map(|field| Some((field.clone(), entry.schema_of(field)?.clone())));
            let required: Vec<&String> = entry.own.iter().filter(|field| entry.requires(field)).collect();
            json!({"ok": true, "operation": entry.name, "about": entry.about, "fields": fields.collect::<Map<_, _>>(), "required": required})
        }
        Err(_) => {
            let names: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
            json!({"ok": true, "operations": names})
        }
    })
}

/// An answer as the result of a tool: structured, and the same as text.
pub(super) fn result(answer: &impl serde::Serialize, is_error: bool) -> CallToolResult {
    let content = vec![ContentBlock::text(envelope::line(answer))];
    let mut result = if is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    result.structured_content = serde_json::to_value(answer).ok();
    result
}

/// A tool as the protocol has it.
pub(super) fn tool(listed: &Listed) -> Tool {
    let reads = listed.kind() == Kind::Read;
    let mut hints = ToolAnnotations::new().read_only(reads);
    if !reads {
        hints = hints.destructive(listed.is_destructive());
    }
    // Renewing twice is renewing once.
    if listed.kind() == Kind::Presence {
        hints = hints.idempotent(true);
    }
    Tool::new(listed.name.clone(), listed.about.clone(), Arc::new(listed.input.clone())).with_annotations(hints)
}

#[cfg(test)]
mod tests {
    use rmcp::model::ListToolsResult;

    use super::super::toolset::Toolset;
    use super::*;

    #[test]
    fn the_default_list_is_small() {
        let list = |set: Toolset| ListToolsResult::with_all_items(set.tools().iter().map(tool).collect());
        let length = |set| serde_json::to_string(&list(set)).expect("JSON").len();
        // Its readers pay for every byte with their context.
        assert!(length(Toolset::Default) <= 6_000, "{}", length(Toolset::Default));
        for set in [Toolset::Worker, Toolset::Reviewer, Toolset::Planner] {
            assert!(length(set) <= 10_000, "{set}: {}", length(set));
        }
    }
}
