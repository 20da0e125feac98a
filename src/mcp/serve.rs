//! Serving clients: one over standard input and output, or many over HTTP.

use std::path::PathBuf;
use std::sync::Arc;

use rmcp::ServiceExt as _;
use rmcp::service::ServerInitializeError;
use rmcp::transport::stdio;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use tokio_util::sync::CancellationToken;

use super::handler::{Client, Connection};
use super::house::{House, Open};
use super::presence::Identity;
use super::room::Room;
use super::toolset::Toolset;
use crate::app::App;
use crate::app::error::refusal_of;
use crate::board::mutation::Refused;
use crate::bridge::Bridge;
use crate::bridge::guest::Guest;
use crate::domain::refusal::{Code, Refusal};
use crate::platform::signals;

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which tools are listed.
    pub toolset: Toolset,
    /// Who the client is.
    pub identity: Identity,
}

/// Serves one client over standard input and output until it leaves or a signal comes; then its window is closed. Refuses
/// what a look at the board is refused for.
pub fn serve(app: &App, options: &Options) -> Result<(), Refused> {
    let unread = |refusal| Refused { refusal, revision: None };
    let failed = |error: &dyn std::fmt::Display| {
        unread(Refusal::new(Code::Internal, format!("the client cannot be served: {error}")))
    };
    let plan = app.place().map_err(unread)?.plan;
    let bridge = Arc::new(Bridge::begin(&app.settings)?);
    let Options { toolset, identity } = options.clone();
    let house = House { bridge: Arc::clone(&bridge), plan, toolset, identity, open: Open::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| unread(refusal_of("start", &error)))?;
    let done = runtime.block_on(async {
        let stop = CancellationToken::new();
        let (stopping, waits) = (stop.clone(), bridge.stopping.clone());
        signals::tell_first(move || {
            stopping.cancel();
            waits.cancel();
        });
        // Whoever started this process may do what its account may, but is no person.
        let guest = Guest::account(app.settings.user.clone());
        let client = Client::new(&house, Connection::Process, Some(guest));
        let presence = Arc::clone(&client.presence);
        let served = async {
            let running = match client.serve(stdio()).await {
                Ok(running) => running,
                // A client that has left before it said who it is wanted nothing.
                Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
                Err(error) => return Err(failed(&error)),
            };
            // The client has left, or nothing is heard of it any more.
            let _ = running.waiting().await;
            Ok(())
        };
        let ended = tokio::select! {
            ended = served => ended,
            () = stop.cancelled() => Ok(()),
        };
        presence.leave().await;
        ended
    });
    // A thread that still reads standard input must not keep the process.
    runtime.shutdown_background();
    done
}

/// A room for clients that come over HTTP, and what closes the windows of those that are in it. Who they are is said by the
/// [`Guest`] that the door has put into their requests; the door has also seen to their Host and Origin.
pub fn room(bridge: &Arc<Bridge>, plan: PathBuf, options: Options) -> (Room, impl Future<Output = ()> + use<>) {
    let Options { toolset, identity } = options;
    let open = Open::default();
    let house = House { bridge: Arc::clone(bridge), plan, toolset, identity, open: open.clone() };
    let config =
        StreamableHttpServerConfig::default().disable_allowed_hosts().with_cancellation_token(bridge.stopping.clone());
    let client = move || Ok(Client::new(&house, Connection::Session, None));
    (Room::new(client, config), async move { open.leave().await })
}
