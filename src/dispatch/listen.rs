//! Taking connections, and leaving in order.
//!
//! **Invariants.** Once the process is to stop, it first takes back what says that this address is its own, so that no
//! process that listens there next is taken for it. Then nothing new is taken, what was asked is answered, and waits end with what
//! there is. A client that sends nothing, or takes nothing, holds one connection for a bounded time and nothing else.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections::{Guarded, Slot, Slots};
use super::head::MAX_HEAD;
use crate::app::servers::Registered;
use crate::board::mutation::Refused;
use crate::domain::refusal::{Code, Refusal};
use crate::ops::envelope;

/// How long a client may take for its request line and headers, and a connection may sit idle.
const HEADERS_TAKE: Duration = Duration::from_secs(20);
/// How long a TLS handshake may take.
const HANDSHAKE_TAKES: Duration = Duration::from_secs(10);
/// Maximum number of headers.
const MAX_HEADERS: usize = 64;
/// How long what was asked may take to be answered once the process is to stop.
const DRAIN: Duration = Duration::from_secs(20);
/// How long nothing is taken after the system had no room for another connection.
const BREATH: Duration = Duration::from_millis(50);

/// Takes connections until `stop`, then ends the registration of this address, answers what was asked and returns.
pub(super) async fn take(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    connections: Arc<Slots>,
    stop: CancellationToken,
    registered: Option<Registered>,
) {
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => continue,
            // No room for another file: those that are open must go first.
            Err(_) => {
                sleep(BREATH).await;
                continue;
            }
        };
        let Some(slot) = connections.accept() else {
            tasks.spawn(turn_away(stream));
            continue;
        };
        // A stream of small events must not be held back to be sent together.
        let _ = stream.set_nodelay(true);
        let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
        tasks.spawn(async move {
            match tls {
                None => serve(stream, router, slot, stop).await,
                Some(tls) => {
                    if let Ok(Ok(stream)) = timeout(HANDSHAKE_TAKES, tls.accept(stream)).await {
                        serve(stream, router, slot, stop).await;
                    }
                }
            }
        });
    }
    drop(registered);
    drop(listener);
    tasks.close();
    // Whoever does not take its answer by then has lost it; the board has what was done.
    let _ = timeout(DRAIN, tasks.wait()).await;
}

async fn turn_away(mut stream: TcpStream) {
    let refusal = Refusal::new(Code::Overloaded, "there are as many connections as the server takes");
    let body = envelope::line(&envelope::denied(&Refused { refusal, revision: None })) + "\n";
    let head =
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close";
    let text = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let said = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    };
    let _ = timeout(Duration::from_secs(1), said).await;
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    slot: Slot,
    stop: CancellationToken,
) {
    let close = slot.close.clone();
    let slot = Arc::new(slot);
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let busy = slot.busy();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Arc::clone(&slot));
        let answer = inner.call(request);
        async move { answer.await.map(|response| response.map(|body| Body::new(Guarded { body, _busy: busy }))) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_TAKE);
    // A head of the longest size still fits with what comes behind it.
    builder.max_buf_size(MAX_HEAD + 1024).max_headers(MAX_HEADERS);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // A client that broke the connection is no error of ours.
        _ = serving.as_mut() => return,
        () = close.cancelled() => return,
        () = stop.cancelled() => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}
