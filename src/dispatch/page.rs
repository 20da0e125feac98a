//! The live page: files that are a part of the program, and hold nothing of the board; and the published files of the board,
//! as text.

use axum::Extension;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::answers::refuse;
use crate::app::published::{Published, text};
use crate::domain::refusal::{Code, Refusal};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const PLAIN: &str = "text/plain; charset=utf-8";

macro_rules! assets {
    ($($kind:ident $name:literal),+ $(,)?) => {
        /// The files by their name under `/assets`.
        const ASSETS: &[(&str, &str, &str)] = &[$(($name, $kind, include_str!(concat!("page/", $name)))),+];
    };
}

assets! {
    CSS "style.css",
    SVG "icon.svg",
    SCRIPT "app.js",
    SCRIPT "api.js",
    SCRIPT "dom.js",
    SCRIPT "columns.js",
    SCRIPT "people.js",
    SCRIPT "feed.js",
    SCRIPT "graph.js",
    SCRIPT "task.js",
}

/// `GET /`.
pub(super) async fn index() -> Response {
    ([(header::CONTENT_TYPE, HTML)], include_str!("page/index.html")).into_response()
}

/// `GET /assets/NAME`.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(known, _, _)| *known == name) {
        Some((_, kind, content)) => ([(header::CONTENT_TYPE, *kind)], *content).into_response(),
        None => nothing(&format!("the page has no file {name:?}")),
    }
}

/// `GET /pages/NAME`.
pub(super) async fn published(Extension(board): Extension<Published>, Path(name): Path<String>) -> Response {
    match board.page(&name).and_then(|path| text(&path)) {
        Some(text) => ([(header::CONTENT_TYPE, PLAIN)], text).into_response(),
        None => nothing(&format!("there is no page {name:?}")),
    }
}

/// `GET /bundles/MODULE`.
pub(super) async fn bundle(Extension(board): Extension<Published>, Path(module): Path<String>) -> Response {
    match board.bundle(&module).and_then(|path| text(&path)) {
        Some(text) => ([(header::CONTENT_TYPE, PLAIN)], text).into_response(),
        None => nothing(&format!("there is no bundle of {module:?}")),
    }
}

fn nothing(message: &str) -> Response {
    refuse(Refusal::new(Code::UnknownOperation, message))
}
