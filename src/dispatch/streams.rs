//! Events and notifications as server-sent events.
//!
//! First what there is since the place that the reader names, then the marker `replay_complete`, then what comes. Each entry
//! carries its place as `id`, so that a reader that lost the connection goes on where it was.
//!
//! **Invariants.** A slow reader holds one page and a few entries, no more: pages are read when there is room for them, and a
//! reader that takes nothing for a while is let go.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use super::answers::{denied, refuse};
use super::connections::{Class, Slot, Slots};
use super::query;
use crate::board::mutation::Refused;
use crate::bridge::Bridge;
use crate::bridge::catalogue;
use crate::bridge::guest::{Guest, Standing};
use crate::bridge::stream::{Page, Reader};
use crate::domain::refusal::{Code, Refusal};
use crate::ops::envelope;
use crate::platform::deadline::Deadline;

/// While nothing comes, a comment is sent this often, so that both ends know of each other.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A reader that takes nothing for so long is let go.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a reader that lost the connection waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);
/// Maximum number of open streams.
pub(super) const MAX_STREAMS: usize = 2_048;
/// Entries that are ready to be sent before the reader takes the one before.
const ENTRIES_AHEAD: usize = 16;

/// `GET /events/stream`.
pub(super) async fn events(
    bridge: State<Arc<Bridge>>,
    slots: Extension<Arc<Slots>>,
    guest: Extension<Guest>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    open("events", "event", bridge.0, &slots.0, guest.0, &headers, &uri).await
}

/// `GET /notifications/stream`.
pub(super) async fn notifications(
    bridge: State<Arc<Bridge>>,
    slots: Extension<Arc<Slots>>,
    guest: Extension<Guest>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    open("notifications", "notification", bridge.0, &slots.0, guest.0, &headers, &uri).await
}

async fn open(
    name: &str,
    kind: &'static str,
    bridge: Arc<Bridge>,
    slots: &Arc<Slots>,
    guest: Guest,
    headers: &HeaderMap,
    uri: &Uri,
) -> Response {
    let class = if guest.standing == Standing::Stranger { Class::Anonymous } else { Class::Token };
    let mut reader = match reader(name, guest, headers, uri) {
        Ok(reader) => reader,
        Err(refusal) => return refuse(refusal),
    };
    let Some(slot) = slots.open(class) else {
        let message = "there are as many open streams as the server takes from callers of this kind";
        return refuse(Refusal::new(Code::Overloaded, message).hint("read pages instead: GET /v1/events"));
    };
    // A place that cannot be read from is refused before the stream begins.
    let first = match reader.page(&bridge).await {
        Ok(page) => page,
        Err(refused) => return denied(&refused),
    };
    let (sender, receiver) = channel(ENTRIES_AHEAD);
    tokio::spawn(async move {
        Stream { bridge: &bridge, sender, slot, kind }.send_all(reader, first).await;
    });
    Sse::new(ReceiverStream::new(receiver).map(Ok::<Event, Infallible>)).into_response()
}

fn reader(name: &str, guest: Guest, headers: &HeaderMap, uri: &Uri) -> Result<Reader, Refusal> {
    let entry = catalogue::find(name)?;
    let mut fields = query::fields(uri, entry)?;
    if let Some(last) = headers.get("last-event-id").and_then(|last| last.to_str().ok()).filter(|last| !last.is_empty())
    {
        fields.insert("since".to_owned(), Value::String(last.to_owned()));
    }
    Reader::new(entry, fields, guest)
}

struct Stream<'a> {
    bridge: &'a Bridge,
    sender: Sender<Event>,
    slot: Slot,
    kind: &'static str,
}

/// The reader has gone, or has enough.
struct Gone;

impl Stream<'_> {
    async fn send_all(&self, mut reader: Reader, first: Arc<Page>) {
        let refused = match self.follow(&mut reader, first).await {
            Ok(refused) => refused,
            Err(Gone) => return,
        };
        let data = envelope::line(&envelope::denied(&refused));
        let _ = self.send(Event::default().event("refused").data(data)).await;
    }

    /// Sends until the reader has gone or something is refused.
    async fn follow(&self, reader: &mut Reader, first: Arc<Page>) -> Result<Refused, Gone> {
        self.send(Event::default().retry(RETRY)).await?;
        let mut page = first;
        let mut replays = true;
        loop {
            for (place, entry) in &page.entries {
                self.send(Event::default().id(place).event(self.kind).data(entry)).await?;
            }
            if replays && !page.more {
                replays = false;
                let marker = json!({"next_since": page.next}).to_string();
                self.send(Event::default().id(&page.next).event("replay_complete").data(marker)).await?;
            }
            if !page.more {
                self.wait(reader).await?;
            }
            page = match reader.page(self.bridge).await {
                Ok(page) => page,
                Err(refused) => return Ok(refused),
            };
        }
    }

    /// Waits for news; comments tell the reader that the stream lives. It ends after the silence that the reader named.
    async fn wait(&self, reader: &Reader) -> Result<(), Gone> {
        let enough = reader.silence().map(Deadline::after);
        loop {
            let beat = enough.map_or(HEARTBEAT, |enough| enough.left().min(HEARTBEAT));
            let came = tokio::select! {
                came = reader.news(self.bridge, beat) => came,
                () = self.sender.closed() => return Err(Gone),
                () = self.bridge.stopping.cancelled() => return Err(Gone),
                () = self.slot.close.cancelled() => return Err(Gone),
            };
            // A token that was removed ends the stream: the next page says why.
            if came || !reader.is_known() {
                return Ok(());
            }
            if enough.is_some_and(Deadline::is_over) {
                return Err(Gone);
            }
            self.send(Event::default().comment("nothing new")).await?;
        }
    }

    async fn send(&self, event: Event) -> Result<(), Gone> {
        let sent = timeout(PATIENCE, self.sender.send(event)).await;
        sent.map_err(|_| Gone)?.map_err(|_| Gone)
    }
}
