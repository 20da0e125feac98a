//! Starting the server: what may be listened on, who may come in, and what is at which address.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{any_service, get, post};
use axum::{Extension, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::answers::json;
use super::connections::Slots;
use super::door::{Anonymous, Porter, keep};
use super::tls::{Certificate, acceptor};
use super::{listen, metrics, openapi, operations, page, streams};
use crate::app::App;
use crate::app::error::refusal_of;
use crate::app::place::Place;
use crate::app::proof::PATH;
use crate::app::published::Published;
use crate::app::tokens::Tokens;
use crate::board::mutation::Refused;
use crate::bridge::Bridge;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::system_limit::SystemLimit;
use crate::platform::{limits, signals};

/// Maximum number of open connections.
const MAX_CONNECTIONS: usize = 8_192;
/// Number of files that are kept for everything else.
const FILES_KEPT: usize = 128;
/// Threads that answer; the work is done by others.
const THREADS: usize = 2;

/// How long the windows of MCP clients may take to be closed at the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// Names that clients may use for this host, beside its addresses.
    pub allowed_hosts: Vec<String>,
    /// What to encrypt with.
    pub certificate: Option<Certificate>,
    /// Serve other hosts without encryption.
    pub insecure: bool,
    /// What callers without a token may do.
    pub anonymous: Anonymous,
    /// The operator's token, instead of the one that is kept.
    pub token: Option<String>,
}

/// A server that listens.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Where.
    pub url: String,
    /// The token of its owner.
    pub token: Option<String>,
}

/// Serves the board of `app` until a signal comes; then answers what was asked and returns. `ready` is told where it
/// listens; `mcp` makes what answers at `/mcp`, and what closes its windows at the end. Refuses what a look at the board is refused for, a port that is taken, and to serve other hosts in the clear.
pub fn serve<R, F>(
    app: App,
    options: &Options,
    mcp: impl FnOnce(&Arc<Bridge>, &Place) -> (R, F),
    ready: impl FnOnce(&Ready),
) -> Result<(), Refused>
where
    R: Service<Request, Error = Infallible, Response: IntoResponse, Future: Send> + Clone + Send + Sync + 'static,
    F: Future<Output = ()>,
{
    let unread = |refusal| Refused { refusal, revision: None };
    let loopback = options.host.is_loopback();
    if !loopback && !options.insecure && options.certificate.is_none() {
        let message = format!("{} is reached from other hosts, and nothing would be encrypted", options.host);
        let refusal = Refusal::new(Code::Usage, message)
            .hint("--tls-cert FILE --tls-key FILE; or --insecure behind a proxy or in a network of your own");
        return Err(unread(refusal));
    }
    let tls = options.certificate.as_ref().map(acceptor).transpose().map_err(unread)?;
    let place = app.place().map_err(unread)?;
    let tokens = match &options.token {
        Some(secret) => Tokens::of_environment(secret).map_err(unread)?,
        None => app.tokens(&place).map_err(unread)?,
    };
    let bridge = Arc::new(Bridge::begin(&app.settings)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| unread(refusal_of("start", &error)))?;
    runtime.block_on(async {
        let address = SocketAddr::new(options.host, options.port);
        let listener = TcpListener::bind(address).await.map_err(|error| unread(taken(address, &error)))?;
        let address = listener.local_addr().map_err(|error| unread(taken(address, &error)))?;
        let registered = match options.token {
            None => Some(app.register_server(&place, address).map_err(unread)?),
            Some(_) => None,
        };
        let url = format!("{}://{address}", if tls.is_some() { "https" } else { "http" });
        let stop = CancellationToken::new();
        let (stopping, waits) = (stop.clone(), bridge.stopping.clone());
        signals::tell_first(move || {
            stopping.cancel();
            waits.cancel();
        });
        tracing::info!(%address, encrypted = tls.is_some(), "listens");
        ready(&Ready { url, token: tokens.owner().map(str::to_owned) });
        let mut hosts = options.allowed_hosts.clone();
        hosts.push(app.settings.host_name.clone());
        let board = options.token.is_none().then(|| place.key.clone());
        let anonymous = options.anonymous;
        let porter = Porter { hosts, address, anonymous, board, tokens: Mutex::new((tokens, app)) };
        let files = limits::raise_open_files().saturating_sub(FILES_KEPT).max(16);
        let connections = Slots::new(MAX_CONNECTIONS.min(files), Arc::clone(&bridge.meter), |meter| &meter.connections);
        let (mcp, farewell) = mcp(&bridge, &place);
        let router = router(&bridge, mcp, Published::new(place.plan.clone()), Arc::new(porter));
        listen::take(listener, tls, router, connections, stop, registered).await;
        tracing::info!("stops");
        // Windows that could not be closed run out by themselves.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
        Ok(())
    })
}

fn taken(address: SocketAddr, error: &std::io::Error) -> Refusal {
    if let Some(limit) = SystemLimit::reached_by(error) {
        return limit.refusal(format!("cannot listen on {address}: {error}"));
    }
    Refusal::new(Code::PortTaken, format!("cannot listen on {address}: {error}"))
        .hint("callboard serve --port 0 takes one that is free")
}

fn router<R>(bridge: &Arc<Bridge>, mcp: R, published: Published, porter: Arc<Porter>) -> Router
where
    R: Service<Request, Error = Infallible, Response: IntoResponse, Future: Send> + Clone + Send + Sync + 'static,
{
    let document = Arc::new(openapi::document());
    let streams = Slots::new(streams::MAX_STREAMS, Arc::clone(&bridge.meter), |meter| &meter.streams);
    let prover = Arc::clone(&porter);
    let healthy = || async { json(StatusCode::OK, &json!({"ok": true, "version": env!("CARGO_PKG_VERSION")})) };
    Router::new()
        .route("/", get(page::index))
        .route("/assets/{name}", get(page::asset))
        .route("/pages/{name}", get(page::published))
        .route("/bundles/{module}", get(page::bundle))
        .route("/healthz", get(healthy))
        .route(PATH, get(move |headers: HeaderMap| async move { prover.proof(&headers) }))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(move || async move { json(StatusCode::OK, &*document) }))
        .route("/events/stream", get(streams::events))
        .route("/notifications/stream", get(streams::notifications))
        .route("/v1/{operation}", post(operations::post).get(operations::get))
        .route("/{operation}", get(operations::get))
        .route("/mcp", any_service(mcp))
        .fallback(operations::nowhere)
        .method_not_allowed_fallback(operations::wrong_method)
        .layer(Extension(published))
        .layer(Extension(streams))
        .layer(axum::middleware::from_fn_with_state(porter, keep))
        .with_state(Arc::clone(bridge))
}
