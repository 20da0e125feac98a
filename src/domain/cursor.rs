//! Cursors: named readers and their places in a stream.
//!
//! **Invariants.** The acknowledged place never moves back and never passes the delivered one; a reader that dies between
//! the two gets the same page again. A cursor belongs to one generation of the board and to the filter that it was first
//! used with.

use super::board::Board;
use super::id::CursorId;
use super::refusal::{Code, Refusal};
use super::time::Millis;
use super::word::words;

words! {
    /// What a cursor reads.
    Stream, "stream" {
        /// Events.
        Events = "events",
        /// Unresolved notifications.
        Notifications = "notifications",
    }
}

/// A named reader's place in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its name.
    pub id: CursorId,
    /// What it reads.
    pub stream: Stream,
    /// What it leaves out, in a form that only equal filters share.
    pub filter: String,
    /// The generation of the board that its numbers are of.
    pub generation: String,
    /// Everything up to here was given to its reader.
    pub delivered: u64,
    /// Everything up to here was read, as its reader said.
    pub acknowledged: u64,
    /// When it last moved.
    pub moved_at: Millis,
}

/// A place in the stream: `SEQ`, or `GENERATION:SEQ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The generation it is of, where that is said.
    pub generation: Option<String>,
    /// The number of the last event before it.
    pub seq: u64,
}

/// Why a text is not a place.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a place in the stream; it is a number, or GENERATION:NUMBER as next_since says")]
pub struct InvalidPlace(Box<str>);

impl std::str::FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let (generation, seq) = match text.split_once(':') {
            Some((generation, seq)) if !generation.is_empty() => (Some(generation.to_owned()), seq),
            Some(_) => return Err(InvalidPlace(text.into())),
            None => (None, text),
        };
        seq.parse().map(|seq| Self { generation, seq }).map_err(|_| InvalidPlace(text.into()))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.generation {
            Some(generation) => write!(f, "{generation}:{}", self.seq),
            None => write!(f, "{}", self.seq),
        }
    }
}

impl Board {
    /// A place of this board.
    pub fn place(&self, seq: u64) -> Place {
        Place { generation: Some(self.generation.clone()), seq }
    }

    /// Refuses a place of another generation, and one that is ahead of this board.
    pub fn refuse_foreign(&self, place: &Place) -> Result<(), Refusal> {
        if let Some(other) = place.generation.as_ref().filter(|other| **other != self.generation) {
            let message =
                format!("place {place} is of generation {other}; the board was restored and is {}", self.generation);
            return Err(Refusal::new(Code::OtherGeneration, message)
                .hint(format!("callboard events --since {}", self.place(self.pruned_through)))
                .detail("generation", self.generation.as_str()));
        }
        if place.seq > self.event_seq {
            let message =
                format!("place {} is ahead of the board, whose newest event is {}", place.seq, self.event_seq);
            return Err(Refusal::new(Code::CursorAhead, message)
                .hint(format!("callboard events --since {}", self.place(self.event_seq)))
                .detail("event_seq", self.event_seq));
        }
        Ok(())
    }
}

impl Cursor {
    /// Where its reader goes on. Refuses a cursor of another generation.
    pub fn place(&self) -> Place {
        Place { generation: Some(self.generation.clone()), seq: self.acknowledged }
    }

    /// Refuses use with another stream or filter than it was first used with.
    pub fn refuse_other_filter(&self, stream: Stream, filter: &str) -> Result<(), Refusal> {
        if self.stream == stream && self.filter == filter {
            return Ok(());
        }
        let filter = if self.filter == "{}" { "without a filter".to_owned() } else { format!("with {}", self.filter) };
        let message = format!("cursor {} reads {} {filter}", self.id, self.stream);
        let hint = if self.stream == stream {
            format!("the same filter as before, or another --cursor-id than {}", self.id)
        } else {
            format!("callboard {0} --cursor-id {1}, and callboard ack-{0}", self.stream, self.id)
        };
        Err(Refusal::new(Code::CursorDiffers, message)
            .hint(hint)
            .detail("stream", self.stream.as_str())
            .detail("filter", self.filter.as_str()))
    }

    /// Everything up to `seq` was given to its reader.
    pub fn deliver(&mut self, seq: u64, now: Millis) -> bool {
        let moved = seq > self.delivered;
        if moved {
            self.delivered = seq;
            self.moved_at = now;
        }
        moved
    }

    /// Its reader has read everything up to `seq`; without one, everything that was delivered. Never moves back.
    pub fn acknowledge(&mut self, seq: Option<u64>, now: Millis) -> bool {
        let seq = seq.unwrap_or(self.delivered);
        let moved = seq > self.acknowledged;
        if moved {
            self.acknowledged = seq;
            self.delivered = self.delivered.max(seq);
            self.moved_at = now;
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledging_never_moves_back_and_never_passes_what_was_delivered() {
        let mut cursor = Cursor {
            id: "c".parse().expect("a name"),
            stream: Stream::Events,
            filter: "{}".into(),
            generation: "g".into(),
            delivered: 0,
            acknowledged: 0,
            moved_at: Millis(0),
        };
        assert!(cursor.deliver(9, Millis(1)) && !cursor.deliver(5, Millis(2)));
        assert!(cursor.acknowledge(Some(4), Millis(3)) && !cursor.acknowledge(Some(3), Millis(4)));
        assert_eq!((cursor.delivered, cursor.acknowledged), (9, 4));
        assert!(cursor.acknowledge(None, Millis(5)));
        assert_eq!((cursor.delivered, cursor.acknowledged), (9, 9));
        assert!(cursor.acknowledge(Some(12), Millis(6)));
        assert_eq!((cursor.delivered, cursor.acknowledged), (12, 12));
    }

    #[test]
    fn a_place_is_a_number_with_or_without_its_generation() {
        for text in ["7", "ab12:7"] {
            assert_eq!(text.parse::<Place>().expect("a place").to_string(), text);
        }
        for text in ["", ":7", "ab:", "x", "-1", "a:b:1"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
