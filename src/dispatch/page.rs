//! The live page: files that are a part of the program. They hold nothing of the board.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::answers::refuse;
use crate::domain::refusal::{Code, Refusal};

const HTML: &str = "text/html; charset=utf-8";

/// The files by their name under `/assets`.
const ASSETS: &[(&str, &str, &str)] = &[];

/// `GET /`.
pub(super) async fn index() -> Response {
    ([(header::CONTENT_TYPE, HTML)], include_str!("page/index.html")).into_response()
}

/// `GET /assets/NAME`.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(known, _, _)| *known == name) {
        Some((_, kind, content)) => ([(header::CONTENT_TYPE, *kind)], *content).into_response(),
        None => refuse(Refusal::new(Code::UnknownOperation, format!("the page has no file {name:?}"))),
    }
}
