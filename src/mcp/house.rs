//! What all clients of a server share, and who of them is there.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::presence::{Identity, Presence};
use super::toolset::Toolset;
use crate::bridge::Bridge;

/// What all clients of a server share.
#[derive(Clone)]
pub(super) struct House {
    pub bridge: Arc<Bridge>,
    pub plan: PathBuf,
    pub toolset: Toolset,
    pub identity: Identity,
    pub open: Open,
}

/// The clients that are there.
#[derive(Clone, Default)]
pub(super) struct Open(Arc<Mutex<Vec<Weak<Presence>>>>);

impl Open {
    fn list(&self) -> MutexGuard<'_, Vec<Weak<Presence>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more came.
    pub(super) fn enter(&self, presence: &Arc<Presence>) {
        let mut list = self.list();
        // Those that have gone would be listed for ever.
        list.retain(|presence| presence.strong_count() > 0);
        list.push(Arc::downgrade(presence));
    }

    /// Closes the windows of all of them.
    pub(super) async fn leave(&self) {
        let open: Vec<Arc<Presence>> = self.list().iter().filter_map(Weak::upgrade).collect();
        for presence in open {
            presence.leave().await;
        }
    }
}
