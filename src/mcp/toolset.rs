//! Which tools a client sees. Their schemas come from the catalogue, without what the connection knows by itself: a client
//! pays for every byte of the list with its context.

use serde_json::{Map, Value, json};

use crate::bridge::catalogue::{ENTRIES, Entry, find};
use crate::domain::refusal::Refusal;
use crate::domain::word::words;
use crate::ops::Kind;

words! {
    /// Which tools a client sees.
    Toolset, "toolset" {
        /// The twelve that reach everything.
        Default = "default",
        /// One tool for each step of a worker's loop.
        Worker = "worker",
        /// One tool for each step of a reviewer's loop.
        Reviewer = "reviewer",
        /// One tool for each step of a planner's loop.
        Planner = "planner",
        /// One tool for every operation, beside the twelve.
        Full = "full",
    }
}

const WORKER: &[&str] = &[
    "next-action",
    "claim-next",
    "show",
    "heartbeat",
    "finish",
    "release",
    "block",
    "ask",
    "handoff-bundle",
    "notify",
    "notifications",
    "check-paths",
];
const REVIEWER: &[&str] =
    &["next-action", "claim-review-next", "show", "history", "approve", "request-changes", "release", "ask", "notify"];
const PLANNER: &[&str] = &[
    "summary",
    "tasks",
    "show",
    "graph",
    "add-task",
    "edit-task",
    "depend",
    "confirm-task",
    "cancel-task",
    "questions",
    "answer",
    "notify",
    "events",
];

/// What a tool calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calls {
    /// One operation.
    One(&'static str),
    /// One of these, named in `operation`.
    Of(&'static [&'static str]),
    /// Any, named in `operation`, with its fields in `arguments`.
    Any,
}

/// One of the twelve.
struct Seat {
    name: &'static str,
    about: &'static str,
    calls: Calls,
    /// The fields that are shown; others are taken too.
    fields: &'static [&'static str],
}

/// Fields whose names say it all: among the twelve they have no description.
const PLAIN: &[&str] = &[
    "limit",
    "after",
    "module",
    "specialty",
    "session_id",
    "lease_token",
    "expected_revision",
    "ttl_seconds",
    "percent",
    "priority",
    "agent_count",
    "machine_count",
    "window_count",
    "shared_storage",
    "max_age_seconds",
    "force",
    "role",
    "max_tasks",
    "reason",
];

const DISPATCHED: &[&str] =
    &["next-action", "claim-next", "claim-review-next", "next-claimable", "next-reviewable", "next-handoff"];

const TWELVE: &[Seat] = &[
    Seat {
        name: "coordination_state",
        about: "The board: counts, tasks, leases, what stalls.",
        calls: Calls::One("state"),
        fields: &["format", "limit", "after"],
    },
    Seat {
        name: "coordination_events",
        about: "Events in order.",
        calls: Calls::One("events"),
        fields: &["since", "limit", "source", "module", "target", "cursor_id", "watch_seconds"],
    },
    Seat {
        name: "coordination_notifications",
        about: "What calls somebody.",
        calls: Calls::One("notifications"),
        fields: &["target", "kind", "priority", "since", "limit", "cursor_id", "watch_seconds"],
    },
    Seat {
        name: "coordination_handoffs",
        about: "The handoff inbox.",
        calls: Calls::One("handoffs"),
        fields: &["status", "target", "limit"],
    },
    Seat {
        name: "coordination_sessions",
        about: "Windows and their leases.",
        calls: Calls::One("sessions"),
        fields: &["status", "limit"],
    },
    Seat {
        name: "coordination_mode_advisor",
        about: "Which mode suits the team, and why.",
        calls: Calls::One("mode-advisor"),
        fields: &["optimize_for", "agent_count", "machine_count", "window_count", "shared_storage"],
    },
    Seat {
        name: "coordination_session_register",
        about: "Be another agent or window on this connection.",
        calls: Calls::One("register-session"),
        fields: &[
            "thread_key",
            "role",
            "specialty",
            "window_id",
            "max_tasks",
            "resume",
            "confirm_workspace",
            "confirm_branch",
        ],
    },
    Seat {
        name: "coordination_session_reap",
        about: "Close windows that are long silent and hold no lease.",
        calls: Calls::One("reap-sessions"),
        fields: &["max_age_seconds"],
    },
    Seat {
        name: "coordination_lease_heartbeat",
        about: "Renew a lease and say how far you are.",
        calls: Calls::One("heartbeat"),
        fields: &["module", "session_id", "lease_token", "ttl_seconds", "progress", "percent"],
    },
    Seat {
        name: "coordination_lease_reclaim",
        about: "Expire what is overdue; force takes a live lease away.",
        calls: Calls::One("lease-reclaim"),
        fields: &["module", "force", "reason"],
    },
    Seat {
        name: "coordination_dispatch",
        about: "Get work. claim-next and claim-review-next answer with the task, its lease and the command that hands it in; next-action says what to do.",
        calls: Calls::Of(DISPATCHED),
        fields: &[
            "specialty",
            "reviewer_id",
            "ttl_seconds",
            "session_id",
            "lease_token",
            "expected_revision",
            "watch_seconds",
        ],
    },
    Seat {
        name: "coordination_command",
        about: "Any operation by its name on the command line: finish {module, lease_token, summary}, release, ask {question, module}, approve, request-changes, add-task, handoff-bundle, show, help {operation}. Fields are the flags with underscores.",
        calls: Calls::Any,
        fields: &[],
    },
];

/// A tool as a client sees it.
pub(super) struct Listed {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Its arguments.
    pub input: Map<String, Value>,
    /// What it calls.
    pub calls: Calls,
}

impl Listed {
    /// What it does to the board at most.
    pub(super) fn kind(&self) -> Kind {
        let of = |name: &&str| find(name).map_or(Kind::Mutation, |entry| entry.kind);
        match self.calls {
            Calls::One(name) => of(&name),
            Calls::Of(names) => names.iter().map(of).find(|kind| *kind != Kind::Read).unwrap_or(Kind::Read),
            Calls::Any => Kind::Mutation,
        }
    }

    /// True where it may take something away: a lease, a window, a task.
    pub(super) fn is_destructive(&self) -> bool {
        let takes_away =
            ["reap-sessions", "lease-reclaim", "cancel-task", "fail-task", "close-session", "prune-events", "validate"];
        match self.calls {
            Calls::One(name) => takes_away.contains(&name),
            Calls::Of(_) => false,
            Calls::Any => true,
        }
    }
}

impl Toolset {
    /// Its tools.
    pub(super) fn tools(self) -> Vec<Listed> {
        let steps = |names: &[&'static str]| {
            let command = TWELVE.iter().filter(|seat| seat.calls == Calls::Any).map(Seat::listed);
            names.iter().filter_map(|name| find(name).ok()).map(step).chain(command).collect()
        };
        match self {
            Self::Default => TWELVE.iter().map(Seat::listed).collect(),
            Self::Worker => steps(WORKER),
            Self::Reviewer => steps(REVIEWER),
            Self::Planner => steps(PLANNER),
            Self::Full => TWELVE.iter().map(Seat::listed).chain(ENTRIES.iter().map(step)).collect(),
        }
    }
}

impl Seat {
    fn listed(&self) -> Listed {
        let Self { name, about, calls, fields } = self;
        let input = match calls {
            Calls::One(operation) => find(operation).map(|entry| input(&[entry], fields, &Map::new())),
            Calls::Of(operations) => {
                let entries: Result<Vec<_>, Refusal> = operations.iter().map(|name| find(name)).collect();
                let which = Map::from_iter([("operation".to_owned(), json!({"type": "string", "enum": operations}))]);
                entries.map(|entries| input(&entries, fields, &which))
            }
            Calls::Any => {
                let which = json!({"operation": {"type": "string"}, "arguments": {"type": "object"}});
                Ok(object(which.as_object().cloned().unwrap_or_default(), vec![json!("operation")]))
            }
        };
        let mut input = input.expect("the twelve are of the catalogue");
        let properties = input.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            if let Value::Object(property) = property {
                // How far a number may go is said by whoever refuses it.
                for key in ["minimum", "maximum"] {
                    property.remove(key);
                }
                if PLAIN.contains(&name.as_str()) {
                    property.remove("description");
                }
            }
        }
        Listed { name: (*name).to_owned(), about: (*about).to_owned(), input, calls: *calls }
    }
}

/// An operation as a tool of its own: all its own fields, and waiting.
fn step(entry: &'static Entry) -> Listed {
    let mut fields: Vec<&str> = entry.own.iter().map(String::as_str).collect();
    fields.extend(["lease_token", "watch_seconds"].into_iter().filter(|key| entry.shared.contains(*key)));
    Listed {
        name: entry.name.replace('-', "_"),
        about: entry.about.split("\n\n").next().unwrap_or_default().replace('\n', " "),
        input: input(&[entry], &fields, &Map::new()),
        calls: Calls::One(entry.name),
    }
}

/// The schema of these fields; a field that only some of the operations need is not required.
fn input(entries: &[&Entry], fields: &[&str], before: &Map<String, Value>) -> Map<String, Value> {
    let mut properties = before.clone();
    let mut required: Vec<Value> = before.keys().map(|key| json!(key)).collect();
    for field in fields {
        let Some(schema) = entries.iter().find_map(|entry| entry.schema_of(field)) else { continue };
        properties.insert((*field).to_owned(), slim(schema));
        if entries.iter().all(|entry| entry.requires(field)) {
            required.push(json!(field));
        }
    }
    object(properties, required)
}

fn object(properties: Map<String, Value>, required: Vec<Value>) -> Map<String, Value> {
    let mut schema =
        Map::from_iter([("type".to_owned(), json!("object")), ("properties".to_owned(), Value::Object(properties))]);
    if !required.is_empty() {
        schema.insert("required".to_owned(), Value::Array(required));
    }
    schema
}

/// The same without what a model does not need: null as a type, formats, defaults, titles, descriptions of items.
fn slim(schema: &Value) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    if let Some(ways) = schema.get("anyOf").and_then(Value::as_array) {
        let way = ways.iter().find(|way| way["type"] != "null").cloned().unwrap_or_default();
        let mut way = slim(&way);
        if let (Some(about), Value::Object(way)) = (schema.get("description"), &mut way) {
            way.insert("description".to_owned(), about.clone());
        }
        return way;
    }
    let mut slimmed = Map::new();
    for (key, value) in schema {
        let kept = match key.as_str() {
            "type" => {
                let types =
                    value.as_array().map(|types| types.iter().filter(|one| **one != "null").collect::<Vec<_>>());
                match types.as_deref() {
                    Some([one]) => (*one).clone(),
                    Some(several) => json!(several),
                    None => value.clone(),
                }
            }
            "items" => json!({"type": value["type"].as_str().unwrap_or("string")}),
            "description" => {
                json!(value.as_str().unwrap_or_default().split("\n\n").next().unwrap_or_default().replace('\n', " "))
            }
            "enum" | "minimum" | "maximum" | "additionalProperties" => value.clone(),
            _ => continue,
        };
        slimmed.insert(key.clone(), kept);
    }
    Value::Object(slimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_show_the_guards_that_they_take_and_both_forms_of_a_place() {
        let tools = Toolset::Default.tools();
        let property = |tool: &str, field: &str| {
            let tool = tools.iter().find(|listed| listed.name == tool).expect("one of the twelve");
            tool.input["properties"][field].clone()
        };
        for field in ["expected_revision", "lease_token"] {
            assert!(property("coordination_dispatch", field)["type"].is_string(), "{field}");
        }
        assert_eq!(property("coordination_events", "since")["type"], json!(["string", "integer"]));
    }

    #[test]
    fn the_default_list_is_small_and_every_operation_can_be_reached() {
        let names: Vec<String> = Toolset::Full.tools().into_iter().map(|tool| tool.name).collect();
        for entry in ENTRIES.iter() {
            assert!(names.contains(&entry.name.replace('-', "_")), "{} is missing", entry.name);
        }
        assert_eq!(Toolset::Default.tools().len(), 12);
        for set in [Toolset::Worker, Toolset::Reviewer, Toolset::Planner] {
            assert!(set.tools().iter().any(|tool| tool.calls == Calls::Any), "{set} reaches the rest");
        }
        for seat in TWELVE {
            let shown = seat.listed().input["properties"].as_object().map_or(0, Map::len);
            assert!(shown >= seat.fields.len(), "{} names a field that no operation has", seat.name);
        }
    }
}
