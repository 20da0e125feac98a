//! Telling whoever waits: the pulse and the bells, after each commit.
//!
//! **Locks.** Written under the board's lock. On a shared board also in the host's own directory, where its processes
//! hear of it at once: nobody is told of a change of the shared file by the system, and reading it over and over is for
//! what other hosts do.

use std::path::{Path, PathBuf};

use super::locks;
use super::place::Place;
use super::settings::Settings;
use crate::board::mutation::Pulse;
use crate::board::turn::Rung;
use crate::domain::refusal::Refusal;
use crate::platform::error::PlatformError;
use crate::projection::refresh::Target;
use crate::watch::bells::Bells;
use crate::watch::pulse;
use crate::watch::watcher::Places;

/// Tells whoever waits. `writer` is this host.
pub fn ring(place: &Place, settings: &Settings, pulse: &Pulse, writer: &str) -> Result<(), PlatformError> {
    let near = locks::queue_directory(place, settings).ok();
    let internal = place.internal();
    let elsewhere = near.filter(|near| *near != internal);
    for directory in [Some(internal), elsewhere].into_iter().flatten() {
        write(&directory, pulse, writer)?;
    }
    Ok(())
}

/// The first pulse of a board: with it, the board is made.
pub fn begin(place: &Place, pulse: &Pulse, writer: &str) -> Result<(), PlatformError> {
    write(&place.internal(), pulse, writer)
}

fn write(directory: &Path, told: &Pulse, writer: &str) -> Result<(), PlatformError> {
    let Pulse { generation, revision, presence, event_seq, next_deadline, rung } = told;
    let mut bells = Bells::read(directory);
    // Each commit that is told of raises one of them.
    let mark = revision + presence + event_seq;
    match rung {
        Rung::These(topics) => bells.ring(Some(topics.iter()), mark),
        Rung::All => bells.ring(None::<std::iter::Empty<_>>, mark),
    }
    bells.write(directory, writer)?;
    let pulse = pulse::Pulse {
        generation: generation.clone(),
        revision: *revision,
        presence: *presence,
        event_seq: *event_seq,
        next_deadline: next_deadline.map_or(0, |deadline| deadline.0),
    };
    pulse.write(directory, writer)?;
    Bells::pull(directory, writer)
}

/// What the pulse says that pages must show; none where there is none or it is not whole.
pub fn target(internal: &Path) -> Option<Target> {
    let pulse::Pulse { generation, revision, presence, .. } = pulse::Pulse::read(internal)?;
    Some(Target { generation, revision, presence })
}

/// Where a process of this host listens.
pub fn places(place: &Place, settings: &Settings) -> Result<Places, Refusal> {
    let near: PathBuf = locks::queue_directory(place, settings)?;
    let internal = place.internal();
    let far = (near != internal).then_some(internal);
    Ok(Places { near, far })
}
