//! Resources: the pages beside the board, and the bundles of handoffs. Reading one reads its file; a page is as new as the
//! last change that was answered.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{Resource, ResourceContents, ResourceTemplate};
use tokio::time::sleep;

use crate::app::published::{self, Published};
use crate::bridge::Bridge;
use crate::domain::topic::Topic;
use crate::platform::file;
use crate::projection::pages::PAGES;

const PAGE_SCHEME: &str = "callboard://pages/";
const BUNDLE_SCHEME: &str = "callboard://handoffs/";
/// The most bundles of a list.
const BUNDLES_MOST: usize = 200;
/// Pages are drawn a moment after the change that they show.
const DRAWN_AFTER: Duration = Duration::from_millis(200);
/// While nothing is heard pages are looked at this often: one may have been drawn late.
const LOOKED_EVERY: Duration = Duration::from_secs(5);

type Version = Option<file::Version>;

/// The pages of one board, and those that a client wants to hear of.
pub(super) struct Resources {
    published: Published,
    wanted: Mutex<BTreeSet<String>>,
}

impl Resources {
    pub(super) fn new(plan: PathBuf) -> Self {
        Self { published: Published::new(plan), wanted: Mutex::default() }
    }

    /// Those that exist.
    pub(super) fn list(&self) -> Vec<Resource> {
        let is_there = |name: &str| self.published.page(name).is_some_and(|path| path.is_file());
        let pages = PAGES.iter().filter(|page| is_there(page.name)).map(|page| {
            let resource = Resource::new(format!("{PAGE_SCHEME}{}", page.name), page.name);
            resource.with_description(page.about).with_mime_type(kind(page.name))
        });
        let bundles = self.published.bundles(BUNDLES_MOST).into_iter().map(|module| {
            Resource::new(format!("{BUNDLE_SCHEME}{module}"), module)
                .with_description("A handoff bundle")
                .with_mime_type("text/markdown")
        });
        pages.chain(bundles).collect()
    }

    pub(super) fn templates() -> Vec<ResourceTemplate> {
        let bundle = ResourceTemplate::new(format!("{BUNDLE_SCHEME}{{module}}"), "bundle");
        vec![bundle.with_description("The handoff bundle of a task").with_mime_type("text/markdown")]
    }

    /// Its file; none for what is no resource.
    fn path(&self, uri: &str) -> Option<PathBuf> {
        match uri.strip_prefix(PAGE_SCHEME) {
            Some(name) => self.published.page(name),
            None => self.published.bundle(uri.strip_prefix(BUNDLE_SCHEME)?),
        }
    }

    /// Its content.
    pub(super) fn read(&self, uri: &str) -> Option<ResourceContents> {
        let text = published::text(&self.path(uri)?)?;
        Some(ResourceContents::text(text, uri).with_mime_type(kind(uri)))
    }

    /// Has the client hear of a resource; false for what is none.
    pub(super) fn want(&self, uri: &str) -> bool {
        let is_one = self.path(uri).is_some();
        if is_one {
            self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(uri.to_owned());
        }
        is_one
    }

    pub(super) fn forget(&self, uri: &str) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
    }

    /// Those that the client wants to hear of.
    pub(super) fn wanted(&self) -> BTreeSet<String> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn versions(&self, uris: &BTreeSet<String>) -> BTreeMap<String, Version> {
        let version = |uri: &String| self.path(uri).and_then(|path| file::version(&path));
        uris.iter().map(|uri| (uri.clone(), version(uri))).collect()
    }

    /// Waits until some of `uris()` have changed since `known`, and returns which; what is known then is kept in `known`.
    pub(super) async fn changed(
        &self,
        bridge: &Bridge,
        known: &mut BTreeMap<String, Version>,
        uris: impl Fn() -> BTreeSet<String>,
    ) -> Vec<String> {
        loop {
            let heard = bridge.hub.heard();
            let now = self.versions(&uris());
            // What was not wanted before is news only from now on.
            let changed: Vec<String> = now
                .iter()
                .filter(|(uri, version)| known.get(*uri).is_some_and(|before| before != *version))
                .map(|(uri, _)| uri.clone())
                .collect();
            *known = now;
            if !changed.is_empty() {
                return changed;
            }
            let news = bridge.hub.news(&heard, &[Topic::Event]);
            if tokio::time::timeout(LOOKED_EVERY, news).await.is_ok() {
                sleep(DRAWN_AFTER).await;
            }
        }
    }
}

fn kind(name: &str) -> &'static str {
    if name.to_ascii_lowercase().ends_with(".json") { "application/json" } else { "text/markdown" }
}
