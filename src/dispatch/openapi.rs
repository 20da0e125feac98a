//! `/openapi.json`: what there is, made from the catalogue.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::operations::takes_get;
use crate::app::proof::{NONCE_HEADER, PATH};
use crate::bridge::catalogue::{ENTRIES, Entry};

/// Statuses of refusals that any operation can have.
const REFUSALS: [&str; 13] =
    ["400", "401", "403", "404", "405", "409", "410", "412", "413", "431", "500", "503", "507"];

/// The document.
pub(super) fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for entry in ENTRIES.iter() {
        let post = post(entry, &mut generator);
        let mut item = json!({"post": post});
        if takes_get(entry) {
            item["get"] = get(entry, &mut generator);
        }
        paths.insert(format!("/v1/{}", entry.name), item);
    }
    for (path, of) in [("/events/stream", "events"), ("/notifications/stream", "notifications")] {
        paths.insert(path.to_owned(), json!({"get": stream(of, &mut generator)}));
    }
    let text = |about: &str, kind: &str| {
        let content = Map::from_iter([(kind.to_owned(), json!({"schema": {"type": "string"}}))]);
        json!({"get": {"summary": about, "security": [{}], "responses": {"200": {"description": about, "content": content}}}})
    };
    paths.insert("/metrics".to_owned(), text("Counters, as Prometheus reads them.", "text/plain"));
    paths.insert("/healthz".to_owned(), json!({"get": {
        "summary": "Whether the server lives.",
        "security": [{}],
        "responses": {"200": {"description": "It does.", "content": {"application/json": {"schema": {
            "type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}, "version": {"type": "string"}},
        }}}}},
    }}));
    paths.insert(PATH.to_owned(), json!({"get": {
        "summary": "Proves that the server knows its tokens, before one is sent to it.",
        "description": "HMAC-SHA256 for each token. The key is the token's SHA-256 as 64 hexadecimal digits; the message is `callboard-proof-1`, `address` and the nonce, each with a line feed after it.",
        "security": [{}],
        "parameters": [{"name": NONCE_HEADER, "in": "header", "required": true, "schema": {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}}],
        "responses": proof_responses(),
    }}));
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Refusal".to_owned(), refusal());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "callboard",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A coordination board for agents and people. The same operations as the command line, with the same JSON.",
        },
        "security": [{"bearer": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn proof_responses() -> Value {
    let mut responses = refusals();
    responses["200"] = json!({"description": "The proofs.", "content": {"application/json": {"schema": {
        "type": "object", "required": ["ok", "address", "proofs"], "properties": {
            "ok": {"type": "boolean"},
            "address": {"type": "string", "description": "Where the server listens, as IP:PORT."},
            "proofs": {"type": "array", "items": {"type": "string"}},
        },
    }}}});
    responses
}

fn refusal() -> Value {
    json!({
        "type": "object",
        "required": ["ok", "revision", "error"],
        "properties": {
            "ok": {"const": false},
            "revision": {"type": ["integer", "null"]},
            "error": {
                "type": "object",
                "required": ["code", "message", "hint", "details"],
                "properties": {
                    "code": {"type": "string", "description": "Stable; the manual lists them."},
                    "message": {"type": "string"},
                    "hint": {"type": ["string", "null"], "description": "A command that helps."},
                    "details": {"type": "object"},
                },
            },
        },
    })
}

/// The fields of an operation, its own and the shared ones.
fn fields(entry: &Entry, generator: &mut SchemaGenerator) -> (Map<String, Value>, Vec<Value>) {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for schema in [entry.own_schema, entry.shared_schema] {
        let schema = whole(schema(generator).to_value(), generator);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            properties.insert(name.clone(), property.clone());
        }
        required.extend(schema["required"].as_array().into_iter().flatten().cloned());
    }
    (properties, required)
}

/// What a schema refers to, if it only refers.
fn whole(schema: Value, generator: &SchemaGenerator) -> Value {
    let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    name.and_then(|name| generator.definitions().get(name)).cloned().unwrap_or(schema)
}

fn responses(entry: &Entry, generator: &mut SchemaGenerator) -> Value {
    let reply = (entry.reply_schema)(generator).to_value();
    let envelope = json!({
        "type": "object",
        "required": ["ok", "revision"],
        "properties": {
            "ok": {"type": "boolean"},
            "revision": {"type": "integer"},
            "request_id": {"type": "string"},
            "replayed": {"type": "boolean"},
            "nothing": {"type": "boolean"},
            "complete": {"type": "boolean"},
            "projection_behind": {"type": "boolean"},
            "warnings": {"type": "array", "items": {"type": "string"}},
        },
    });
    let mut responses = refusals();
    responses["200"] = json!({
        "description": "Done, or nothing to do now (`nothing`).",
        "content": {"application/json": {"schema": {"allOf": [envelope, reply]}}},
    });
    responses
}

fn refusals() -> Value {
    let refused = json!({
        "description": "Refused; the code says why.",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
    });
    Value::Object(REFUSALS.iter().map(|status| ((*status).to_owned(), refused.clone())).collect())
}

fn post(entry: &Entry, generator: &mut SchemaGenerator) -> Value {
    let (properties, required) = fields(entry, generator);
    let mut body = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        body["required"] = Value::Array(required.clone());
    }
    json!({
        "operationId": entry.name,
        "summary": entry.about.lines().next().unwrap_or_default(),
        "description": entry.about,
        "tags": [format!("{:?}", entry.group).to_lowercase()],
        "requestBody": {"required": !required.is_empty(), "content": {"application/json": {"schema": body}}},
        "responses": responses(entry, generator),
    })
}

fn get(entry: &Entry, generator: &mut SchemaGenerator) -> Value {
    json!({
        "operationId": format!("get-{}", entry.name),
        "summary": entry.about.lines().next().unwrap_or_default(),
        "tags": [format!("{:?}", entry.group).to_lowercase()],
        "parameters": parameters(entry, generator),
        "responses": responses(entry, generator),
    })
}

fn parameters(entry: &Entry, generator: &mut SchemaGenerator) -> Vec<Value> {
    let (properties, required) = fields(entry, generator);
    let plain = properties.into_iter().filter(|(name, _)| name != "facts");
    plain
        .map(|(name, schema)| {
            let required = required.contains(&Value::String(name.clone()));
            json!({"name": name, "in": "query", "required": required, "schema": schema})
        })
        .collect()
}

fn stream(of: &str, generator: &mut SchemaGenerator) -> Value {
    let entry = ENTRIES.iter().find(|entry| entry.name == of).expect("streams are operations");
    let mut parameters = parameters(entry, generator);
    parameters.push(json!({
        "name": "Last-Event-ID", "in": "header", "required": false, "schema": {"type": "string"},
        "description": "The id of the last entry that was read: instead of `since`.",
    }));
    let mut responses = refusals();
    responses["200"] = json!({
        "description": "Entries since the place, the marker `replay_complete`, and then what comes; comments while nothing does.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    });
    json!({
        "operationId": format!("{of}-stream"),
        "summary": format!("Follow {of} as server-sent events."),
        "parameters": parameters,
        "responses": responses,
    })
}
