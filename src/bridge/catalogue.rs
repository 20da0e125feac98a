//! The catalogue as doors see it whose callers send JSON: one table entry for each operation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use super::request::{Request, bind};
use crate::domain::credential::Credential;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::ops::aliases::field_aliases;
use crate::ops::{Group, Kind, Operation};

/// An operation at these doors.
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// What it does to the board.
    pub kind: Kind,
    /// Where manuals list it.
    pub group: Group,
    /// What a token must be good for.
    pub right: Right,
    /// True for a stream.
    pub follows: bool,
    /// The keys of its own.
    pub own: BTreeSet<String>,
    /// The keys that it shares with others: who calls, the guards of a change, waiting.
    pub shared: BTreeSet<String>,
    /// What it is for.
    pub about: String,
    /// Its own keys, as a schema.
    pub own_schema: Schema,
    /// The shared keys, as a schema.
    pub shared_schema: Schema,
    /// Its reply, as a schema.
    pub reply_schema: Schema,
    fields: BTreeMap<String, Field>,
    /// Other names of fields.
    field_aliases: BTreeMap<String, String>,
    pub(super) bind: Bind,
}

#[derive(Debug)]
struct Field {
    schema: Value,
    required: bool,
}

/// How a field is written where there is only text, as in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Text,
    /// A number.
    Number,
    /// True or false.
    Flag,
    /// Several, with commas or repeated.
    List,
    /// As JSON.
    Other,
}

/// Makes a schema; what it refers to is kept by the generator.
pub type Schema = fn(&mut SchemaGenerator) -> schemars::Schema;

/// Makes a request of the keys of its own and the shared keys.
pub(super) type Bind = fn(&'static Entry, Value, Value, Credential) -> Result<Box<dyn Request>, Refusal>;

macro_rules! table {
    ($($operation:ty),+ $(,)?) => {
        /// Every operation, in the order of the manual.
        pub static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| vec![$(entry::<$operation>()),+]);
    };
}

crate::catalogue!(table);

fn entry<O: Operation>() -> Entry {
    let own = inlined::<O>();
    let shared = inlined::<O::Call>();
    let about = own.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    Entry {
        name: O::NAME,
        aliases: O::ALIASES,
        kind: O::KIND,
        group: O::GROUP,
        right: O::RIGHT,
        follows: O::FOLLOWS,
        own: keys(&own),
        shared: keys(&shared),
        fields: fields(&own).chain(fields(&shared)).collect(),
        field_aliases: field_aliases::<O>(),
        about,
        own_schema: schema::<O>,
        shared_schema: schema::<O::Call>,
        reply_schema: schema::<O::Reply>,
        bind: bind::<O>,
    }
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> schemars::Schema {
    generator.subschema_for::<T>()
}

/// A schema that refers to nothing.
fn inlined<T: JsonSchema>() -> schemars::Schema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>()
}

fn fields(schema: &schemars::Schema) -> impl Iterator<Item = (String, Field)> {
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    properties.into_iter().map(move |(name, schema)| {
        let required = required.iter().any(|one| *one == *name);
        (name, Field { schema, required })
    })
}

fn form(property: &Value) -> Form {
    let types: Vec<&str> = match &property["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => {
            let ways = property["anyOf"].as_array().into_iter().flatten().map(form);
            return ways.rev().find(|form| *form != Form::Other).unwrap_or(Form::Other);
        }
    };
    match types.iter().find(|one| **one != "null") {
        Some(&"string") => Form::Text,
        Some(&"integer" | &"number") => Form::Number,
        Some(&"boolean") => Form::Flag,
        Some(&"array") => Form::List,
        _ => Form::Other,
    }
}

fn keys(schema: &schemars::Schema) -> BTreeSet<String> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|map| map.keys().cloned()).collect()
}

/// The entry of a name or alias; dashes and underscores are the same. Refuses with `unknown_operation`.
pub fn find(name: &str) -> Result<&'static Entry, Refusal> {
    let dashed = name.replace('_', "-");
    let found = ENTRIES.iter().find(|entry| entry.name == dashed || entry.aliases.contains(&dashed.as_str()));
    found.ok_or_else(|| {
        let similar =
            ENTRIES.iter().map(|entry| entry.name).filter(|other| dashed.len() > 2 && other.contains(&*dashed));
        let similar: Vec<&str> = similar.take(5).collect();
        let refusal = Refusal::new(Code::UnknownOperation, format!("there is no operation {name:?}"));
        match similar.is_empty() {
            true => refusal.hint("callboard --help lists them"),
            false => refusal.hint(format!("there is: {}", similar.join(", "))),
        }
    })
}

impl Entry {
    /// The field that a name means: another name of it is one too.
    pub fn field<'a>(&'a self, name: &'a str) -> &'a str {
        match self.field_aliases.get(name) {
            Some(field) if !self.fields.contains_key(name) => field,
            _ => name,
        }
    }

    /// A body in the one form that operations read: fields under their own names, and a list where a list is meant, also of
    /// a single value. Refuses a field that is given under two names.
    pub fn normalized(&self, body: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
        let mut fields = Map::new();
        for (name, value) in body {
            let field = self.field(&name);
            let value = match value {
                single @ (Value::String(_) | Value::Number(_) | Value::Bool(_)) if self.form(field) == Form::List => {
                    Value::Array(vec![single])
                }
                value => value,
            };
            if fields.insert(field.to_owned(), value).is_some() {
                let message = format!("{field:?} was given under two names: {name:?} is the same");
                return Err(Refusal::new(Code::Usage, message).hint("leave one of them out"));
            }
        }
        Ok(fields)
    }

    /// How a field is written where there is only text. One that the operation does not have is text.
    pub fn form(&self, field: &str) -> Form {
        self.fields.get(field).map_or(Form::Text, |field| form(&field.schema))
    }

    /// The schema of a field, without references.
    pub fn schema_of(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).map(|field| &field.schema)
    }

    /// True for a field that must be given.
    pub fn requires(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|field| field.required)
    }

    /// Makes a request of a body of both kinds of keys that came with this credential. Refuses keys that it does not have,
    /// and values that are none.
    pub fn request(
        &'static self,
        body: Map<String, Value>,
        credential: Credential,
    ) -> Result<Box<dyn Request>, Refusal> {
        let (mut own, mut shared) = (Map::new(), Map::new());
        for (key, value) in self.normalized(body)? {
            if self.own.contains(&key) {
                own.insert(key, value);
            } else if self.shared.contains(&key) {
                shared.insert(key, value);
            } else {
                let known: Vec<&str> =
                    self.own.iter().chain(&self.shared).map(String::as_str).filter(|key| *key != "facts").collect();
                let message = format!("{} has no field {key:?}", self.name);
                return Err(Refusal::new(Code::Usage, message).hint(format!("it has: {}", known.join(", "))));
            }
        }
        (self.bind)(self, Value::Object(own), Value::Object(shared), credential)
    }
}
