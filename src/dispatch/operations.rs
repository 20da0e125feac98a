//! `POST /v1/OPERATION` for every operation, `GET` for those that only look.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::{Map, Value};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;

use super::answers::{refuse, settled};
use super::query;
use crate::bridge::Bridge;
use crate::bridge::catalogue::{self, Entry};
use crate::bridge::guest::Guest;
use crate::bridge::request::Request;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::ops::Kind;

/// The most bytes of a body: more than the longest texts of a task.
const BODY_MOST: usize = 4 * 1024 * 1024;
/// The same for a plan, which only an operator may bring.
const PLAN_MOST: usize = 80 * 1024 * 1024;
/// So many bytes beyond the most are read before the client is cut off.
const READ_BEYOND: usize = 64 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TAKES: Duration = Duration::from_secs(30);
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
    let request = async {
        let entry = catalogue::find(&name)?;
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

fn by_query(name: &str, guest: &Guest, uri: &Uri) -> Result<Box<dyn Request>, Refusal> {
    let entry = catalogue::find(name)?;
    if entry.kind != Kind::Read || entry.right > Right::Read {
        let message = format!("{} changes the board: it takes POST", entry.name);
        return Err(Refusal::new(Code::Usage, message).hint(format!("POST /v1/{}", entry.name)));
    }
    guest.request(entry, query::fields(uri, entry)?)
}

async fn object(entry: &Entry, guest: &Guest, headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Refusal> {
    let most = if entry.name == "intake" && guest.right == Right::Operator { PLAN_MOST } else { BODY_MOST };
    let late = |_| Refusal::new(Code::Usage, format!("the body did not arrive within {} s", BODY_TAKES.as_secs()));
    let content = timeout(BODY_TAKES, collect(body, most)).await.map_err(late)??;
    let Some(content) = content else {
        return Err(Refusal::new(Code::TooLarge, format!("{} takes at most {most} bytes", entry.name)));
    };
    if content.is_empty() {
        return Ok(Map::new());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // Pages of other sites can send everything but this without asking first.
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err(
            Refusal::new(Code::Usage, "the body is not declared as JSON").hint("Content-Type: application/json")
        );
    }
    serde_json::from_slice(&content)
        .map_err(|error| Refusal::new(Code::Usage, format!("the body is no JSON object: {error}")))
}

/// The whole body; none where it has more than `most` bytes. A client that is cut off while it sends may never see the
/// answer, so more than that is read, and thrown away.
async fn collect(body: Body, most: usize) -> Result<Option<Vec<u8>>, Refusal> {
    let broken = |error| Refusal::new(Code::Usage, format!("the body did not arrive whole: {error}"));
    let mut pieces = body.into_data_stream();
    let (mut content, mut length) = (Vec::new(), 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(broken)?;
        length += piece.len();
        if length <= most {
            content.extend_from_slice(&piece);
        } else if length > most + READ_BEYOND {
            break;
        } else {
            content = Vec::new();
        }
    }
    Ok((length <= most).then_some(content))
}
