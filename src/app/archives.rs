//! Archives of events: JSON lines beside the board, written before the rows go.
//!
//! **Invariants.** An archive is durable under its name before the transaction that removes its rows; that transaction
//! records its name, range and hash. A kill in between leaves a file without a record, which is no archive and is removed
//! by the next prune. Nobody writes over an archive: each has a name of its own.
//!
//! **Locks.** One process of a host prunes at a time. The board's lock is not held while the archive is written: events are
//! never changed, and what is resolved stays so.

use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::access::{App, unread};
use super::error::refusal;
use super::locks;
use super::order::{Order, hexadecimal};
use super::place::Place;
use crate::board::caller::Caller;
use crate::board::history::EventView;
use crate::board::mutation::{Answer, Outcome, Refused};
use crate::board::retention::{ArchiveView, PrunePlan};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::retention::Retention;
use crate::domain::time::Millis;
use crate::platform::deadline::Deadline;
use crate::platform::error::PlatformError;
use crate::platform::file::{self, Draft};
use crate::platform::file_lock;
use crate::platform::probe;
use crate::store::contract::Archive;

/// Where archives are, in the plan directory.
const DIRECTORY: [&str; 2] = ["archive", "events"];
/// A line longer than this is no event, in bytes.
const LINE_MOST: u64 = 4 * 1024 * 1024;
/// Archives up to this length are checked whole when they are listed, in bytes.
const CHECKED_MOST: u64 = 32 * 1024 * 1024;
/// A half-written archive is removed after this time.
const DRAFT_KEPT: Duration = Duration::from_secs(3600);
/// So many bad lines are named.
const BAD_LINES_NAMED: usize = 20;

/// An archive that is written and not yet recorded.
#[derive(Debug)]
pub struct Written {
    /// What to record.
    pub archive: Archive,
    path: PathBuf,
    // Nobody else of this host prunes until this is dropped.
    _alone: std::fs::File,
}

/// What a prune is about to do.
#[derive(Debug)]
pub struct Prepared {
    /// What was planned.
    pub plan: PrunePlan,
    /// The archive; none when nothing is to go.
    pub written: Option<Written>,
}

/// What is known of an archive's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It has the length and the hash that were recorded.
    Whole,
    /// It has the length; it is too long to be read for a list.
    Unchecked,
    /// It is another than the one that was written.
    Changed,
    /// It is not there.
    Missing,
}

/// A line of an archive that is no event, or the wrong one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

/// A part of an archive.
#[derive(Debug, Default)]
pub struct ArchivePart {
    /// The events, in order.
    pub events: Vec<EventView>,
    /// Lines that cannot be read.
    pub bad: Vec<BadLine>,
    /// True when there are more events after these.
    pub more: bool,
}

impl Place {
    /// Where the archives are.
    pub fn archives(&self) -> PathBuf {
        DIRECTORY.iter().fold(self.plan.clone(), |path, name| path.join(name))
    }
}

impl App {
    /// Plans a prune by `policy` and writes its archive. Waits for another prune of this host until `deadline`.
    pub fn prepare_prune(&self, caller: &Caller, policy: Retention, deadline: Deadline) -> Result<Prepared, Refused> {
        let host = self.host().map_err(unread)?;
        let place = self.place().map_err(unread)?;
        let queue = locks::queue_directory(&place, &self.settings).map_err(unread)?;
        let alone = file_lock::acquire_alone(&queue.join("prune"), deadline);
        let alone = alone.map_err(|error| unread(refusal(&error)))?;
        // Nobody else of this host writes an archive now: what is there of one is what a killed prune left.
        let draft = |name: &str| name.starts_with(".events-") && name.ends_with(&format!(".{}.tmp", host.id));
        for name in names_in(&place.archives()).into_iter().filter(|name| draft(name)) {
            file::remove(&place.archives().join(name)).map_err(|error| unread(refusal(&error)))?;
        }
        let plan = self.look(caller, |look| look.prune_plan(policy).map(Answer::done))?.answer.reply;
        if plan.is_empty() {
            return Ok(Prepared { plan, written: None });
        }
        let (archive, path) = self.write_archive(caller, &place, &plan, &host.id)?;
        Ok(Prepared { plan, written: Some(Written { archive, path, _alone: alone }) })
    }

    fn write_archive(
        &self,
        caller: &Caller,
        place: &Place,
        plan: &PrunePlan,
        writer: &str,
    ) -> Result<(Archive, PathBuf), Refused> {
        let platform = |error: PlatformError| unread(refusal(&error));
        let mut directory = place.plan.clone();
        for name in DIRECTORY {
            directory.push(name);
            file::make_own_directory(&directory).map_err(platform)?;
        }
        let PrunePlan { first, last, generation, .. } = plan;
        // Two hosts may prune at once: each writes a file of its own, and one of them is recorded.
        let nonce = self.settings.entropy.hex(4).map_err(platform)?;
        let name = format!("events-{generation}-{first:010}-{last:010}-{nonce}.jsonl");
        let path = directory.join(&name);
        let mut draft = Draft::begin(&path, writer).map_err(platform)?;
        let (mut sha, mut bytes, mut after) = (Sha256::new(), 0, first - 1);
        while after < *last {
            let page = self.look(caller, |look| look.archive_page(after, *last).map(Answer::done))?.answer.reply;
            let newest = after + page.len() as u64;
            if page.is_empty() || page.iter().zip(after + 1..).any(|(event, due)| event.seq != due) {
                let message = format!("events after {after} were pruned meanwhile");
                return Err(unread(Refusal::new(Code::StaleRevision, message).hint("repeat the command")));
            }
            for event in &page {
                let mut line = serde_json::to_vec(event).expect("an event has a JSON form");
                line.push(b'\n');
                sha.update(&line);
                bytes += line.len() as u64;
                draft.write(&line).map_err(platform)?;
            }
            after = newest;
        }
        draft.finish().map_err(platform)?;
        let sha256 = hexadecimal(&sha.finalize());
        let archive = Archive { first: *first, last: *last, name, sha256, bytes, at: Millis(0) };
        Ok((archive, path))
    }

    /// Archives old events where so many more than the policy keeps are there that it is time to; a failure is a warning.
    pub(super) fn prune_if_overfull(&self, policy: Option<Retention>, warnings: &mut Vec<String>) {
        if let Some(policy) = policy
            && let Err(refused) = self.prune_by_policy(policy)
        {
            warnings.push(format!("old events could not be archived: {}", refused.refusal));
        }
    }

    /// Prunes by the board's own policy, after a mutation that found that it is time. Another process may be at it.
    pub(super) fn prune_by_policy(&self, policy: Retention) -> Result<(), Refused> {
        let caller = Caller { user: "retention".to_owned(), ..Caller::default() };
        let prepared = match self.prepare_prune(&caller, policy, Deadline::after(Duration::ZERO)) {
            Err(refused) if refused.refusal.code == Code::Busy => return Ok(()),
            prepared => prepared?,
        };
        let Some(written) = prepared.written else { return Ok(()) };
        let archive = written.archive.clone();
        let done = self.commit(&Order::presence("prune-events", &caller), |turn| {
            turn.prune(archive, &prepared.plan.generation)?;
            Ok(Answer { outcome: Outcome::Nothing, reply: () })
        });
        match done {
            Err(refused) if refused.refusal.code == Code::StaleRevision => self.forget_unrecorded(&caller, &written),
            Err(refused) => Err(refused),
            Ok(_) => self.sweep_unrecorded(&caller),
        }
    }

    /// What keeps archives from being written, as far as that shows; none where nothing does.
    pub fn archive_obstacle(&self, place: &Place) -> Option<String> {
        let mut directory = place.plan.clone();
        for name in DIRECTORY {
            directory.push(name);
            match std::fs::symlink_metadata(&directory) {
                Ok(meta) if !meta.is_dir() => return Some(format!("{} is no directory", directory.display())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    directory.pop();
                    break;
                }
                Ok(_) => {}
                Err(error) => return Some(format!("{}: {error}", directory.display())),
            }
        }
        let written = self.nonce().map_err(|refusal| refusal.to_string()).and_then(|nonce| {
            probe::sync_micros(&directory, &nonce).map_err(|error| format!("{}: {error}", directory.display()))
        });
        written.err()
    }

    /// Removes an archive that was not recorded, because others were faster.
    pub fn forget_unrecorded(&self, caller: &Caller, written: &Written) -> Result<(), Refused> {
        let name = &written.archive.name;
        let recorded = self.look(caller, |look| look.archive(name).map(Answer::done))?.answer.reply;
        if recorded.is_none() {
            file::remove(&written.path).map_err(|error| unread(refusal(&error)))?;
        }
        Ok(())
    }

    /// Removes what killed prunes left: files without a record, of events that have gone by now.
    pub fn sweep_unrecorded(&self, caller: &Caller) -> Result<(), Refused> {
        let (place, unrecorded) = self.unrecorded(caller)?;
        for name in unrecorded {
            file::remove(&place.archives().join(name)).map_err(|error| unread(refusal(&error)))?;
        }
        Ok(())
    }

    /// Files that look like archives of this generation's events and are none, and what is left of writing one.
    fn unrecorded(&self, caller: &Caller) -> Result<(Place, Vec<String>), Refused> {
        let place = self.place().map_err(unread)?;
        let names = names_in(&place.archives());
        let unrecorded = self.look(caller, |look| {
            let (generation, pruned) = (&look.board().generation, look.board().pruned_through);
            let mut found = Vec::new();
            for name in names {
                let range = name.strip_prefix(&format!("events-{generation}-")).and_then(|rest| rest.split('-').next());
                let first: Option<u64> = range.and_then(|first| first.parse().ok());
                let is_left = first.is_some_and(|first| first <= pruned) && look.archive(&name)?.is_none();
                let is_draft = name.starts_with(".events-") && is_old(&place.archives().join(&name));
                if is_left || is_draft {
                    found.push(name);
                }
            }
            Ok(Answer::done(found))
        })?;
        Ok((place, unrecorded.answer.reply))
    }

    /// What is known of the file of an archive.
    pub fn archive_state(&self, archive: &ArchiveView) -> Result<FileState, Refused> {
        let place = self.place().map_err(unread)?;
        let path = place.archives().join(&archive.name);
        let Ok(file) = file::open_to_read(&path) else { return Ok(FileState::Missing) };
        let long = file.metadata().map_or(0, |meta| meta.len());
        if long != archive.bytes {
            return Ok(FileState::Changed);
        }
        if long > CHECKED_MOST {
            return Ok(FileState::Unchecked);
        }
        let mut content = Vec::new();
        let read = file.take(CHECKED_MOST).read_to_end(&mut content);
        let same = read.is_ok() && hexadecimal(&Sha256::digest(&content)) == archive.sha256;
        Ok(if same { FileState::Whole } else { FileState::Changed })
    }

    /// The events of an archive after `after`. Lines that are no events are named, and the rest is read.
    pub fn read_archive(&self, archive: &ArchiveView, after: u64, limit: usize) -> Result<ArchivePart, Refusal> {
        let path = self.place()?.archives().join(&archive.name);
        let file = file::open_to_read(&path).map_err(|error| missing(archive, &path, &error))?;
        let part = events_after(BufReader::new(file), (archive.first, archive.last), after, limit);
        part.map_err(|error| refusal(&PlatformError::file("read", &path)(error)))
    }
}

/// The events of a range after `after` in the text of an archive.
fn events_after(
    mut reader: impl BufRead,
    (first, last): (u64, u64),
    after: u64,
    limit: usize,
) -> std::io::Result<ArchivePart> {
    let (mut part, mut due, mut number) = (ArchivePart::default(), first, 0);
    loop {
        let mut line = Vec::new();
        reader.by_ref().take(LINE_MOST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            break;
        }
        number += 1;
        match serde_json::from_slice::<EventView>(&line) {
            Err(error) => {
                part.bad(number, format!("it is no event: {error}"));
                // It was, before somebody edited it.
                due = due.saturating_add(1);
            }
            Ok(event) if event.seq < due => {
                part.bad(number, format!("it has event {}, and {due} was due", event.seq));
            }
            Ok(event) => {
                if event.seq > due {
                    part.bad(number, format!("{} missing before it", are(due, event.seq - 1)));
                }
                due = event.seq.saturating_add(1);
                if event.seq <= after {
                    continue;
                }
                if part.events.len() >= limit {
                    part.more = true;
                    return Ok(part);
                }
                part.events.push(event);
            }
        }
    }
    if due <= last {
        part.bad(number + 1, format!("the file ends, and {} missing", are(due, last)));
    }
    Ok(part)
}

fn are(first: u64, last: u64) -> String {
    if first == last { format!("event {first} is") } else { format!("events {first} to {last} are") }
}

impl ArchivePart {
    fn bad(&mut self, line: u64, why: String) {
        if self.bad.len() < BAD_LINES_NAMED {
            self.bad.push(BadLine { line, why });
        }
    }
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// What nobody has written to for an hour, nobody writes.
fn is_old(path: &Path) -> bool {
    let modified = std::fs::symlink_metadata(path).and_then(|meta| meta.modified()).ok();
    modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > DRAFT_KEPT)
}

fn missing(archive: &ArchiveView, path: &Path, error: &PlatformError) -> Refusal {
    let (first, last) = (archive.first, archive.last);
    Refusal::new(Code::UnknownArchive, format!("events {first} to {last} were in {}: {error}", path.display()))
        .hint("put the file back from where the directory was copied")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::fuzz;

    fn line(seq: u64) -> String {
        format!(
            "{{\"seq\":{seq},\"board_revision\":{seq},\"kind\":\"claimed\",\"actor\":\"a\",\"source\":\"mutation\",\"priority\":2,\
             \"at\":\"2026-01-01T00:00:00.000Z\",\"data\":{{}}}}\n"
        )
    }

    #[test]
    fn an_archive_is_read_from_where_it_is_asked_for() {
        let text: String = (3..=9).map(line).collect();
        let part = events_after(text.as_bytes(), (3, 9), 4, 3).expect("read");
        assert_eq!(part.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [5, 6, 7]);
        assert!(part.more && part.bad.is_empty());
    }

    proptest::proptest! {
        #![proptest_config(fuzz::config())]

        #[test]
        fn an_archive_of_any_bytes_gives_events_in_order(
            content in fuzz::hostile(vec![(3..=9).map(line).collect::<String>().into_bytes(), line(u64::MAX).into_bytes()])
        ) {
            let part = events_after(content.as_slice(), (3, 9), 4, 5).expect("memory is read");
            assert!(part.events.len() <= 5 && part.events.windows(2).all(|two| two[0].seq < two[1].seq));
        }
    }
}
