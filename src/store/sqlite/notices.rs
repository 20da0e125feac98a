//! Events with their status: each list comes from the index that leads to it.

use rusqlite::{Row, params};

use super::columns::{count, limit, maybe_count, maybe_word, number, word};
use super::events::event;
use super::open::SqliteTransaction;
use crate::domain::event::{Audience, EventKind, Source};
use crate::domain::id::Module;
use crate::domain::notice::{Notice, Resolution, Resolved};
use crate::domain::time::Millis;
use crate::store::contract::{Kept, NoticeFilter, Notices};

/// A list of notices whose content is in the rows of `$row`, found by `$from`, which has `?1` for the number after which it
/// begins and `?8` for an audience; then what the index does not know. A notification has all of its event in its own row,
/// because the event may be in an archive by now.
macro_rules! list {
    ($row:literal, $from:literal) => {
        concat!(
            "SELECT ",
            $row,
            ".seq, ",
            $row,
            ".at, ",
            $row,
            ".kind, ",
            $row,
            ".source, ",
            $row,
            ".module, ",
            $row,
            ".actor, ",
            $row,
            ".session, ",
            $row,
            ".board_revision, ",
            $row,
            ".audience, ",
            $row,
            ".priority, ",
            $row,
            ".data, n.resolved_at, n.resolved_by, n.resolution FROM ",
            $from,
            " AND (?3 IS NULL OR ",
            $row,
            ".source = ?3) AND (?4 IS NULL OR ",
            $row,
            ".module = ?4) \
             AND (?5 IS NULL OR ",
            $row,
            ".kind = ?5) AND (?6 IS NULL OR ",
            $row,
            ".priority <= ?6) \
             AND (?7 = 0 OR n.seq IS NOT NULL) AND (?8 IS NULL OR n.audience = ?8) ORDER BY ",
            $row,
            ".seq LIMIT ?2"
        )
    };
}

const ALL: &str = list!("e", "events e LEFT JOIN notifications n ON n.seq = e.seq WHERE e.seq > ?1");

const OF_TASK: &str = list!(
    "e",
    "events e INDEXED BY events_by_module LEFT JOIN notifications n ON n.seq = e.seq \
     WHERE e.module = ?4 AND e.module IS NOT NULL AND e.seq > ?1"
);

const OF_SOURCE: &str = list!(
    "e",
    "events e INDEXED BY events_by_source LEFT JOIN notifications n ON n.seq = e.seq \
     WHERE e.source = ?3 AND e.source <> 'mutation' AND e.seq > ?1"
);

const NOTIFIED: &str = list!("n", "notifications n WHERE n.seq > ?1");

const OF_AUDIENCE: &str =
    list!("n", "notifications n INDEXED BY notifications_by_audience WHERE n.audience = ?8 AND n.seq > ?1");

const UNRESOLVED: &str =
    list!("n", "notifications n INDEXED BY open_notifications WHERE n.resolved_at IS NULL AND n.seq > ?1");

const UNRESOLVED_OF_AUDIENCE: &str = list!(
    "n",
    "notifications n INDEXED BY open_by_audience WHERE n.resolved_at IS NULL AND n.audience = ?8 AND n.seq > ?1"
);

const URGENT: &str = "SELECT seq, at, kind, source, module, actor, session, board_revision, audience, priority, data, \
     resolved_at, resolved_by, resolution FROM notifications INDEXED BY open_by_priority \
     WHERE resolved_at IS NULL ORDER BY priority, seq LIMIT ?1";

/// One audience at a time: there are few, and many notices of each.
const NEXT_AUDIENCE: &str = "SELECT audience FROM notifications INDEXED BY notifications_by_audience \
     WHERE audience > ?1 ORDER BY audience LIMIT 1";

const ABOUT: &str = "SELECT seq, kind FROM notifications INDEXED BY open_by_module \
     WHERE module = ?1 AND module IS NOT NULL AND resolved_at IS NULL ORDER BY seq LIMIT ?2";

const RESOLVE: &str = "UPDATE notifications SET resolved_at = ?2, resolved_by = ?3, resolution = ?4 \
     WHERE seq = ?1 AND resolved_at IS NULL";

fn notice(row: &Row<'_>) -> rusqlite::Result<Notice> {
    let at: Option<i64> = row.get(11)?;
    let why: Option<Resolution> = maybe_word(row, 13)?;
    let by = maybe_count(row, 12)?;
    let resolved = at.zip(why).map(|(at, why)| Resolved { at: Millis(at), by, why });
    Ok(Notice { event: event(row)?, resolved })
}

impl SqliteTransaction<'_> {
    fn list(
        &self,
        sql: &'static str,
        filter: &NoticeFilter,
        audience: Option<&Audience>,
        after: u64,
        most: usize,
    ) -> Kept<Vec<Notice>> {
        let values = params![
            number(after),
            limit(most),
            filter.source.map(Source::as_str),
            filter.module.as_ref().map(Module::as_str),
            filter.kind.map(EventKind::as_str),
            filter.priority,
            filter.notified,
            audience.map(ToString::to_string),
        ];
        self.all(sql, values, notice)
    }
}

impl Notices for SqliteTransaction<'_> {
    fn notices(&self, filter: &NoticeFilter, after: u64, most: usize) -> Kept<Vec<Notice>> {
        let Some(audiences) = &filter.audiences else {
            let sql = match filter {
                NoticeFilter { unresolved: true, .. } => UNRESOLVED,
                NoticeFilter { module: Some(_), .. } => OF_TASK,
                NoticeFilter { source: Some(source), .. } if *source != Source::Mutation => OF_SOURCE,
                NoticeFilter { notified: true, .. } => NOTIFIED,
                _ => ALL,
            };
            return self.list(sql, filter, None, after, most);
        };
        let sql = if filter.unresolved { UNRESOLVED_OF_AUDIENCE } else { OF_AUDIENCE };
        let mut found = Vec::new();
        for audience in audiences {
            found.extend(self.list(sql, filter, Some(audience), after, most)?);
        }
        if filter.kind.is_none_or(|kind| kind == EventKind::ReviewReady) {
            let reviews = NoticeFilter { kind: Some(EventKind::ReviewReady), ..filter.clone() };
            for audience in filter.reserved_reviews.iter().filter(|reserved| !audiences.contains(reserved)) {
                found.extend(self.list(sql, &reviews, Some(audience), after, most)?);
            }
        }
        found.sort_by_key(|notice| notice.event.seq);
        found.truncate(most);
        Ok(found)
    }

    fn urgent_notices(&self, most: usize) -> Kept<Vec<Notice>> {
        self.all(URGENT, [limit(most)], notice)
    }

    fn audiences(&self, prefix: &str, most: usize) -> Kept<Vec<Audience>> {
        let mut found: Vec<Audience> = Vec::new();
        // Everything that begins with a text comes right after what is just before that text.
        let mut after = prefix.to_owned();
        if let Some(last) = after.pop() {
            after.extend(char::from_u32(u32::from(last) - 1));
            after.push(char::MAX);
        }
        while found.len() < most {
            let next: Option<Audience> = self.one(NEXT_AUDIENCE, [&after], |row| word(row, 0))?;
            let Some(next) = next.filter(|next| next.to_string().starts_with(prefix)) else { break };
            after = next.to_string();
            found.push(next);
        }
        Ok(found)
    }

    fn unresolved_about(&self, module: &Module, most: usize) -> Kept<Vec<(u64, EventKind)>> {
        self.all(ABOUT, params![module.as_str(), limit(most)], |row| Ok((count(row, 0)?, word(row, 1)?)))
    }

    fn resolve(&mut self, seq: u64, resolved: Resolved) -> Kept<bool> {
        let Resolved { at, by, why } = resolved;
        Ok(self.change(RESOLVE, params![number(seq), at.0, by.map(number), why.as_str()])? == 1)
    }
}
