//! The service of clients over HTTP: each session answers only to the caller that opened it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tower_service::Service;

use super::handler::Client;
use super::sessions::{Owner, Sessions};
use crate::board::mutation::Refused;
use crate::bridge::guest::Guest;
use crate::domain::refusal::{Code, Refusal};
use crate::ops::envelope;

type Inner = StreamableHttpService<Client, Sessions>;
type Answer = <Inner as Service<Request<String>>>::Response;

/// Names the session of a request.
const SESSION_HEADER: &str = "mcp-session-id";
/// When a client that found no room may try again, in seconds.
const RETRY_AFTER: &str = "1";

/// What serves MCP clients that come over HTTP.
#[derive(Clone)]
pub struct Room {
    inner: Inner,
    sessions: Arc<Sessions>,
}

impl Room {
    pub(super) fn new(
        client: impl Fn() -> std::io::Result<Client> + Send + Sync + 'static,
        config: StreamableHttpServerConfig,
    ) -> Self {
        let sessions = Arc::new(Sessions::new());
        Self { inner: StreamableHttpService::new(client, Arc::clone(&sessions), config), sessions }
    }
}

impl<B: Send + 'static> Service<Request<B>> for Room
where
    Inner: Service<Request<B>, Response = Answer, Error = Infallible, Future: Send>,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { mut inner, sessions } = self.clone();
        Box::pin(async move {
            let owner = Owner::of(&request.extensions().get::<Guest>().cloned().unwrap_or_else(Guest::stranger));
            let Some(id) = request.headers().get(SESSION_HEADER).map(|id| id.to_str().unwrap_or_default()) else {
                let answer = sessions.opened_by(owner, inner.call(request)).await;
                return answer.unwrap_or_else(|| Ok(full()));
            };
            let Some(running) = sessions.call(id, &owner) else { return Ok(unknown()) };
            // A stream of what happens is open as long as its client; only calls keep a session from making room.
            let running = (request.method() == Method::POST).then_some(running);
            let answer = inner.call(request).await?;
            Ok(answer.map(|body| {
                let frames = body.map_frame(move |frame| {
                    let _ = &running;
                    frame
                });
                frames.boxed()
            }))
        })
    }
}

fn full() -> Answer {
    let refusal = Refusal::new(Code::Overloaded, "there are as many MCP sessions as the server takes");
    let refusal = refusal.hint("close a session that is not used any more, or try again later");
    let mut answer = refused(StatusCode::SERVICE_UNAVAILABLE, refusal);
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    answer
}

fn unknown() -> Answer {
    let refusal = Refusal::new(Code::UnknownSession, "this token has no MCP session of that id");
    refused(StatusCode::NOT_FOUND, refusal.hint("begin another one: initialize"))
}

fn refused(status: StatusCode, refusal: Refusal) -> Answer {
    let line = envelope::line(&envelope::denied(&Refused { refusal, revision: None })) + "\n";
    let mut answer = Response::new(Full::from(line).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
