//! Streams: page after page of events or notifications, and then what comes.
//!
//! Readers with the same filter at the same place share each page: it is read once for every change of the board, however
//! many follow. A reader that is slow reads for itself later; nothing is kept for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::catalogue::Entry;
use super::guest::Guest;
use super::hub::Heard;
use super::request::Request;
use super::waiting::Bridge;
use crate::board::mutation::Refused;
use crate::domain::refusal::Refusal;
use crate::domain::topic::Topic;
use crate::ops::envelope;

/// The keys of a stream operation that are a reader's own place, and no part of its filter.
const PLACE: &str = "since";

/// A page as readers get it.
#[derive(Debug)]
pub struct Page {
    /// The entries, each with its place after it, as text.
    pub entries: Vec<(String, String)>,
    /// Where the next page begins.
    pub next: String,
    /// True when there is more already.
    pub more: bool,
    topics: Vec<Topic>,
}

type Shared = Arc<OnceCell<Result<Arc<Page>, Refused>>>;

/// Pages that several readers want at once: those of one version of the board.
#[derive(Default)]
pub(super) struct Pages(Mutex<(u64, HashMap<String, Shared>)>);

impl Pages {
    /// The page of this key at this version: for the first that asks an empty one, which it fills.
    fn of(&self, key: String, version: u64) -> Shared {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.0 != version {
            // What was read for an older version may lack what its reader was woken for.
            *pages = (version, HashMap::new());
        }
        Arc::clone(pages.1.entry(key).or_default())
    }
}

/// A reader of a stream.
pub struct Reader {
    entry: &'static Entry,
    body: Map<String, Value>,
    guest: Guest,
    heard: Option<Heard>,
    topics: Vec<Topic>,
}

impl Reader {
    /// A reader whose filter and first place are the fields of the stream's operation. Refuses what a call of it is
    /// refused for.
    pub fn new(entry: &'static Entry, body: Map<String, Value>, guest: Guest) -> Result<Self, Refusal> {
        let body = guest.admitted(entry, body)?;
        Ok(Self { entry, body, guest, heard: None, topics: Vec::new() })
    }

    /// The next page; an empty one when there is nothing new.
    pub async fn page(&mut self, bridge: &Bridge) -> Result<Arc<Page>, Refused> {
        self.guest.demand_known().map_err(|refusal| Refused { refusal, revision: None })?;
        let heard = bridge.hub.heard();
        let is_own = self.body.get("cursor_id").is_some_and(|id| !id.is_null());
        let page = if is_own {
            // What a named reader is given is recorded, so it reads for itself.
            self.read(bridge).await?
        } else {
            let credential = self.guest.credential().map_err(|refusal| Refused { refusal, revision: None })?;
            let (name, body) = (&self.guest.name, Value::Object(self.body.clone()));
            let key = format!("{} {credential:?} {name} {body}", self.entry.name);
            let shared = bridge.pages.of(key, heard.version);
            shared.get_or_init(|| self.read(bridge)).await.clone()?
        };
        self.body.insert(PLACE.to_owned(), Value::String(page.next.clone()));
        self.topics.clone_from(&page.topics);
        self.heard = Some(heard);
        Ok(page)
    }

    /// How long nothing may come until the reader has enough; none for one that follows for ever.
    pub fn silence(&self) -> Option<Duration> {
        self.body.get("watch_seconds").and_then(Value::as_u64).map(Duration::from_secs)
    }

    /// True while what the reader showed still opens the door.
    pub fn is_known(&self) -> bool {
        self.guest.demand_known().is_ok()
    }

    /// Waits for something that may be news after the last page, for so long at most. False when nothing came.
    pub async fn news(&self, bridge: &Bridge, patience: Duration) -> bool {
        match &self.heard {
            Some(heard) => timeout(patience, bridge.hub.news(heard, &self.topics)).await.is_ok(),
            None => true,
        }
    }

    async fn read(&self, bridge: &Bridge) -> Result<Arc<Page>, Refused> {
        let unread = |refusal| Refused { refusal, revision: None };
        let credential = self.guest.credential().map_err(unread)?;
        let request: Arc<dyn Request> = self.entry.request(self.body.clone(), credential).map_err(unread)?.into();
        // The topics first: who is meant may change between the two, and then there is one look too many.
        let topics = bridge.outlook(&request).await?.topics;
        let done = bridge.run(&request).await?;
        let place = |seq: &Value, next: &str| match next.split_once(':') {
            Some((generation, _)) => format!("{generation}:{seq}"),
            None => seq.to_string(),
        };
        let next = done.reply["next_since"].as_str().unwrap_or_default().to_owned();
        let entries = done.reply[self.entry.name].as_array().into_iter().flatten();
        let entries = entries.map(|entry| (place(&entry["seq"], &next), envelope::line(entry))).collect();
        Ok(Arc::new(Page { entries, more: done.reply["more"] == Value::Bool(true), next, topics }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_of_one_version_share_a_page_and_a_later_version_has_another() {
        let pages = Pages::default();
        let page = |key: &str, version| pages.of(key.to_owned(), version);
        let first = page("events", 1);
        assert!(Arc::ptr_eq(&first, &page("events", 1)));
        assert!(!Arc::ptr_eq(&first, &page("notifications", 1)));
        assert!(!Arc::ptr_eq(&first, &page("events", 2)), "what it was woken for may be missing in the old one");
    }
}
