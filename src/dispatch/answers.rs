//! Answers of the core as answers of HTTP.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::board::mutation::Refused;
use crate::bridge::request::Settled;
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::ops::envelope;

/// How long a client had better wait before it tries again, in seconds.
const RETRY_AFTER: &str = "1";

/// The status that goes with a refusal. The body says more: programs had better read its code.
pub(super) fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::CrossSite | Code::HumanRequired => StatusCode::FORBIDDEN,
        Code::UnknownOperation
        | Code::UnknownModule
        | Code::UnknownAgent
        | Code::UnknownSession
        | Code::UnknownQuestion
        | Code::UnknownCursor
        | Code::UnknownArchive => StatusCode::NOT_FOUND,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::EventsPruned => StatusCode::GONE,
        Code::StaleRevision | Code::StaleTaskRevision => StatusCode::PRECONDITION_FAILED,
        Code::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        code => match code.exit() {
            Exit::Usage => StatusCode::BAD_REQUEST,
            Exit::Refused | Exit::Taken | Exit::Stale => StatusCode::CONFLICT,
            Exit::Busy | Exit::Version | Exit::Place => StatusCode::SERVICE_UNAVAILABLE,
            Exit::Internal | Exit::Done | Exit::Nothing | Exit::Complete => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

/// One line of JSON.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    let line = envelope::line(value) + "\n";
    let mut response = (status, Body::from(line)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What an operation came to.
pub(super) fn settled(settled: &Settled) -> Response {
    match settled {
        Ok(done) => {
            let status = done.complaint.as_ref().map_or(StatusCode::OK, |complaint| status_of(complaint.code));
            json(status, &done.answered())
        }
        Err(refused) => denied(refused),
    }
}

/// A refusal.
pub(super) fn denied(refused: &Refused) -> Response {
    let status = status_of(refused.refusal.code);
    let mut response = json(status, &envelope::denied(refused));
    let headers = response.headers_mut();
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"callboard\""));
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        _ => {}
    }
    response
}

/// A refusal that is about no board.
pub(super) fn refuse(refusal: Refusal) -> Response {
    denied(&Refused { refusal, revision: None })
}
