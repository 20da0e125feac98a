//! The one JSON object that every door answers with, and reading it again at the other end.
//!
//! **Compatibility.** It only grows. Who reads it ignores keys that it does not know: the server may be newer.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Done;
use crate::board::mutation::{Outcome, Refused};
use crate::domain::id::RequestId;
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::domain::text;

/// An answer as JSON: the envelope, and the fields of the reply beside it.
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the envelope")]
#[derive(Debug, Serialize)]
pub struct Answered<'a, T> {
    ok: bool,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a RequestId>,
    #[serde(skip_serializing_if = "is_false")]
    replayed: bool,
    #[serde(skip_serializing_if = "is_false")]
    nothing: bool,
    #[serde(skip_serializing_if = "is_false")]
    complete: bool,
    #[serde(skip_serializing_if = "is_false")]
    projection_behind: bool,
    #[serde(skip_serializing_if = "no_warnings")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Refusal>,
    #[serde(flatten)]
    reply: &'a T,
}

/// A refusal as JSON.
#[derive(Debug, Serialize)]
pub struct Denied<'a> {
    ok: bool,
    revision: Option<u64>,
    error: &'a Refusal,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

fn no_warnings(warnings: &&[String]) -> bool {
    warnings.is_empty()
}

impl<T> Done<T> {
    /// The answer as JSON.
    pub fn answered(&self) -> Answered<'_, T> {
        Answered {
            ok: self.complaint.is_none(),
            revision: self.revision,
            request_id: self.request_id.as_ref(),
            replayed: self.replayed,
            nothing: self.outcome != Outcome::Done,
            complete: self.outcome == Outcome::Complete,
            projection_behind: self.projection_behind,
            warnings: &self.warnings,
            error: self.complaint.as_ref(),
            reply: &self.reply,
        }
    }

    /// The exit code that goes with it.
    pub fn exit(&self) -> Exit {
        match (&self.complaint, self.outcome) {
            (Some(complaint), _) => complaint.code.exit(),
            (None, Outcome::Done) => Exit::Done,
            (None, Outcome::Nothing) => Exit::Nothing,
            (None, Outcome::Complete) => Exit::Complete,
        }
    }
}

impl<T: Serialize> Done<T> {
    /// The same with its reply as JSON.
    pub fn erased(self) -> Done<Value> {
        let outcome = self.outcome;
        self.with(|reply| (outcome, serde_json::to_value(reply).expect("replies have a JSON form")))
    }
}

/// The refusal as JSON.
pub fn denied(refused: &Refused) -> Denied<'_> {
    Denied { ok: false, revision: refused.revision, error: &refused.refusal }
}

/// What every answer has beside the fields of its reply.
#[derive(Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the envelope")]
#[derive(Default)]
struct Envelope {
    revision: Option<u64>,
    request_id: Option<RequestId>,
    replayed: bool,
    nothing: bool,
    complete: bool,
    projection_behind: bool,
    warnings: Vec<String>,
    error: Option<Refusal>,
    #[serde(flatten)]
    reply: Map<String, Value>,
}

/// Reads an answer that another door gave. Refuses as it does, and with `internal` what is no answer.
pub fn read<T: DeserializeOwned>(answer: Value) -> Result<Done<T>, Refused> {
    let strange = |error: serde_json::Error| {
        let message = format!("the server's answer is none that this callboard understands: {error}");
        Refused { refusal: Refusal::new(Code::Internal, message), revision: None }
    };
    let mut envelope: Envelope = serde_json::from_value(answer).map_err(strange)?;
    envelope.reply.remove("ok");
    if let Some(refusal) = envelope.error.take_if(|_| envelope.reply.is_empty()) {
        return Err(Refused { refusal, revision: envelope.revision });
    }
    let reply = serde_json::from_value(Value::Object(envelope.reply)).map_err(strange)?;
    Ok(Done {
        reply,
        outcome: match (envelope.complete, envelope.nothing) {
            (true, _) => Outcome::Complete,
            (false, true) => Outcome::Nothing,
            (false, false) => Outcome::Done,
        },
        revision: envelope.revision.unwrap_or_default(),
        request_id: envelope.request_id,
        replayed: envelope.replayed,
        projection_behind: envelope.projection_behind,
        session: None,
        warnings: envelope.warnings,
        complaint: envelope.error,
        said_once: false,
    })
}

/// A value as one line of JSON whose strings have no character that could steer a terminal. Outside of strings there is
/// none.
pub fn line<T: Serialize>(value: &T) -> String {
    text::for_json(serde_json::to_string(value).expect("replies have a JSON form"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Reply {
        task: Option<String>,
    }

    #[test]
    fn what_one_door_answers_another_reads() {
        let mut done = Done::plain(Reply { task: None }, 7);
        done.outcome = Outcome::Nothing;
        done.warnings.push("old".to_owned());
        let json = serde_json::to_value(done.answered()).expect("JSON");
        assert_eq!(json, json!({"ok": true, "revision": 7, "nothing": true, "warnings": ["old"], "task": null}));
        let again: Done<Reply> = read(json).expect("an answer");
        assert_eq!((again.reply, again.outcome, again.revision), (Reply { task: None }, Outcome::Nothing, 7));
        let refused = Refused { refusal: Refusal::new(Code::Held, "taken").hint("wait"), revision: Some(3) };
        let json = serde_json::to_value(denied(&refused)).expect("JSON");
        let again = read::<Reply>(json).expect_err("a refusal");
        assert_eq!((again.refusal.code, again.revision), (Code::Held, Some(3)));
    }

    #[test]
    fn a_complaint_keeps_its_reply_and_a_newer_servers_fields_are_ignored() {
        let complaint = Refusal::new(Code::Unsound, "a hole");
        let done = Done { complaint: Some(complaint), ..Done::plain(Reply { task: Some("a".into()) }, 1) };
        let mut json = serde_json::to_value(done.answered()).expect("JSON");
        json["newer"] = json!(1);
        let again: Done<Reply> = read(json).expect("an answer");
        assert_eq!(again.complaint.map(|refusal| refusal.code), Some(Code::Unsound));
        assert_eq!(again.reply.task.as_deref(), Some("a"));
        assert_eq!(read::<Reply>(json!("hello")).expect_err("none").refusal.code, Code::Internal);
    }

    #[test]
    fn no_line_steers_a_terminal() {
        assert_eq!(line(&json!({"a": "\u{9b}x"})), "{\"a\":\"\\u009bx\"}");
    }
}
