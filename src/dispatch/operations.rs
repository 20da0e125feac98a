//! `POST /v1/OPERATION` for every operation, `GET` for those that only look.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use serde_json::Value;
use tokio::time::timeout;

use super::answers::{refuse, settled};
use super::body::{discard, object};
use super::query;
use crate::bridge::Bridge;
use crate::bridge::catalogue::{self, Entry};
use crate::bridge::guest::Guest;
use crate::bridge::request::Request;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::ops::Kind;

/// While a request waits, whether its token still holds is asked this often.
const TOKEN_ASKED_EVERY: Duration = Duration::from_secs(5);
/// The header in which other programs name a request.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// `POST /v1/OPERATION`.
pub(super) async fn post(
    State(bridge): State<Arc<Bridge>>,
    Extension(guest): Extension<Guest>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let entry = match catalogue::find(&name).and_then(|entry| guest.check_operation(entry).map(|()| entry)) {
        Ok(entry) => entry,
        Err(refusal) => {
            discard(body).await;
            return refuse(refusal);
        }
    };
    let request = async {
        let mut fields = object(entry, &guest, &headers, body).await?;
        if let Some(key) = headers.get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok())
            && entry.shared.contains("request_id")
        {
            fields.entry("request_id").or_insert_with(|| Value::String(key.to_owned()));
        }
        guest.request(entry, fields)
    };
    answer(&bridge, &guest, request.await).await
}

/// `GET /v1/OPERATION`, and `GET /OPERATION` for short.
pub(super) async fn get(
    State(bridge): State<Arc<Bridge>>,
    Extension(guest): Extension<Guest>,
    Path(name): Path<String>,
    uri: Uri,
) -> Response {
    answer(&bridge, &guest, by_query(&name, &guest, &uri)).await
}

/// What is at no address that the server has.
pub(super) async fn nowhere(method: Method, uri: Uri) -> Response {
    let message = format!("there is nothing at {method} {}", uri.path());
    let refusal = Refusal::new(Code::UnknownOperation, message);
    refuse(refusal.hint("GET /openapi.json lists what there is"))
}

/// What an address does not take.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("{} does not take {method}", uri.path());
    let refusal = Refusal::new(Code::Usage, message).hint("GET /openapi.json lists what there is");
    let mut response = refuse(refusal);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

async fn answer(bridge: &Bridge, guest: &Guest, request: Result<Box<dyn Request>, Refusal>) -> Response {
    let request = match request {
        Ok(request) => request,
        Err(refusal) => return refuse(refusal),
    };
    let mut call = std::pin::pin!(bridge.call(request.into()));
    loop {
        match timeout(TOKEN_ASKED_EVERY, &mut call).await {
            Ok(done) => return settled(&done),
            Err(_) => {
                if let Err(refusal) = guest.demand_known() {
                    return refuse(refusal);
                }
            }
        }
    }
}

/// Whether an operation can be called with `GET`: it reads, and is not reserved for operators.
pub(super) fn takes_get(entry: &Entry) -> bool {
    entry.kind == Kind::Read && entry.right <= Right::Worker
}

fn by_query(name: &str, guest: &Guest, uri: &Uri) -> Result<Box<dyn Request>, Refusal> {
    let entry = catalogue::find(name)?;
    if !takes_get(entry) {
        let message = format!("{} changes the board: it takes POST", entry.name);
        return Err(Refusal::new(Code::Usage, message).hint(format!("POST /v1/{}", entry.name)));
    }
    guest.request(entry, query::fields(uri, entry)?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn a_caller_without_a_token_waits_for_a_minute_at_most() {
        let entry = catalogue::find("notifications").expect("an operation");
        for (seconds, stranger) in [(5, 5), (60, 60), (86_400, 60)] {
            let wait = |guest: Guest, name: &str| {
                let fields =
                    Map::from_iter([("target".to_owned(), json!("humans")), (name.to_owned(), json!(seconds))]);
                guest.request(entry, fields).expect("it may read").patience()
            };
            for name in ["watch_seconds", "timeout"] {
                assert_eq!(wait(Guest::stranger(), name), Some(Duration::from_secs(stranger)));
                assert_eq!(wait(Guest::known("ci", Right::Read), name), Some(Duration::from_secs(seconds)));
            }
        }
    }
}
