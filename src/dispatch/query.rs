//! The fields of an operation in a query string: each is read as its schema says.

use axum::http::Uri;
use serde_json::{Map, Value};

use crate::bridge::catalogue::{Entry, Form};
use crate::domain::refusal::{Code, Refusal};

/// The fields as a JSON body would have them. Names that the operation does not have are left for it to refuse.
pub(super) fn fields(uri: &Uri, entry: &Entry) -> Result<Map<String, Value>, Refusal> {
    let mut fields = Map::new();
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    for (name, text) in pairs {
        let name = entry.field(&name.replace('-', "_")).to_owned();
        let value = match entry.form(&name) {
            Form::Text => Value::String(text.clone().into_owned()),
            Form::Number => number(&name, &text)?,
            Form::Flag => flag(&name, &text)?,
            Form::List => {
                let more = text.split(',').filter(|one| !one.is_empty()).map(|one| Value::String(one.to_owned()));
                let mut list = match fields.remove(&name) {
                    Some(Value::Array(list)) => list,
                    _ => Vec::new(),
                };
                list.extend(more);
                Value::Array(list)
            }
            Form::Other => serde_json::from_str(&text).map_err(|error| bad(&name, &text, &error.to_string()))?,
        };
        if fields.insert(name.clone(), value).is_some() {
            return Err(bad(&name, &text, "it was given twice"));
        }
    }
    Ok(fields)
}

fn number(name: &str, text: &str) -> Result<Value, Refusal> {
    let number = text.parse::<i64>().map_err(|_| bad(name, text, "it is a number"))?;
    Ok(Value::from(number))
}

fn flag(name: &str, text: &str) -> Result<Value, Refusal> {
    match text {
        "" | "true" | "1" => Ok(Value::Bool(true)),
        "false" | "0" => Ok(Value::Bool(false)),
        _ => Err(bad(name, text, "it is true or false")),
    }
}

fn bad(name: &str, text: &str, why: &str) -> Refusal {
    Refusal::new(Code::Usage, format!("{name}={text}: {why}"))
}
