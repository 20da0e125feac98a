//! Whether rows are as every mutation leaves them: one query a rule, each an independent second opinion.

use rusqlite::Row;

use super::columns::limit;
use super::open::SqliteTransaction;
use crate::domain::audit::{Finding, Mended, Rule};
use crate::domain::graph;
use crate::domain::rank;
use crate::domain::task::TaskKey;
use crate::store::contract::{Audits, Boards as _, Kept, TaskFilter, Tasks as _};

/// Queries that answer with the subject and what is wrong with it; none when all is well.
const QUERIES: &[(Rule, &str)] = &[
    (
        Rule::Counts,
        "WITH counted (state, n) AS (SELECT state, count(*) FROM tasks GROUP BY state), \
         kept (state, n) AS (SELECT 'draft', draft FROM board UNION ALL SELECT 'open', open FROM board \
         UNION ALL SELECT 'active', active FROM board UNION ALL SELECT 'waiting', waiting FROM board \
         UNION ALL SELECT 'review', review FROM board UNION ALL SELECT 'done', done FROM board \
         UNION ALL SELECT 'failed', failed FROM board UNION ALL SELECT 'cancelled', cancelled FROM board) \
         SELECT kept.state, 'kept ' || kept.n || ', counted ' || coalesce(counted.n, 0) \
         FROM kept LEFT JOIN counted USING (state) WHERE kept.n <> coalesce(counted.n, 0) LIMIT ?1",
    ),
    (
        Rule::Counts,
        "WITH counted (what, kept, n) AS (\
         SELECT 'offered', offered, (SELECT count(*) FROM tasks WHERE offered = 1) FROM board UNION ALL \
         SELECT 'unready', unready, (SELECT count(*) FROM tasks WHERE state = 'open' AND unmet > 0) FROM board) \
         SELECT what, 'kept ' || kept || ', counted ' || n FROM counted WHERE kept <> n LIMIT ?1",
    ),
    (
        Rule::Pending,
        "WITH counted (what, kept, n) AS (\
         SELECT 'notifications', open_notifications, (SELECT count(*) FROM notifications WHERE resolved_at IS NULL) FROM board \
         UNION ALL SELECT 'questions', open_questions, (SELECT count(*) FROM questions WHERE status = 'open') FROM board \
         UNION ALL SELECT 'handoffs', live_handoffs, (SELECT count(*) FROM handoffs WHERE status IN ('ready', 'claimed')) FROM board \
         UNION ALL SELECT 'asked', questions_asked, (SELECT count(*) FROM questions) FROM board \
         UNION ALL SELECT 'left', handoffs_left, (SELECT count(*) FROM handoffs) FROM board) \
         SELECT what, 'kept ' || kept || ', counted ' || n FROM counted WHERE kept <> n LIMIT ?1",
    ),
    (
        Rule::Unmet,
        "SELECT t.module, 'kept ' || t.unmet || ', counted ' || count(n.key) FROM tasks t \
         LEFT JOIN dependencies d ON d.task = t.key LEFT JOIN tasks n ON n.key = d.needs AND n.state <> 'done' \
         GROUP BY t.key HAVING t.unmet <> count(n.key) LIMIT ?1",
    ),
    (
        Rule::HeldUp,
        "SELECT t.module, 'kept ' || t.held_up || ', counted ' || count(n.key) FROM tasks t \
         LEFT JOIN dependencies d ON d.needs = t.key \
         LEFT JOIN tasks n ON n.key = d.task AND n.state NOT IN ('done', 'failed', 'cancelled') \
         WHERE t.state <> 'done' GROUP BY t.key HAVING t.held_up <> count(n.key) LIMIT ?1",
    ),
    (
        Rule::CriticalPath,
        "SELECT t.module, 'kept ' || t.critical_path || ', below it ' || coalesce(max(n.critical_path), -1) FROM tasks t \
         LEFT JOIN dependencies d ON d.needs = t.key \
         LEFT JOIN tasks n ON n.key = d.task AND n.state NOT IN ('done', 'failed', 'cancelled') \
         WHERE t.state <> 'done' GROUP BY t.key HAVING t.critical_path <> min(coalesce(max(n.critical_path), -1) + 1, 50) LIMIT ?1",
    ),
    (
        Rule::Offered,
        "SELECT t.module, 'it is ' || t.state || ' and offered is ' || t.offered FROM tasks t \
         LEFT JOIN leases l ON l.task = t.key AND l.kind = 'work' \
         WHERE t.offered <> CASE t.state WHEN 'open' THEN t.unmet = 0 \
         WHEN 'active' THEN coalesce(l.lapsed = 1 OR l.handed = 1, 0) ELSE 0 END LIMIT ?1",
    ),
    (
        Rule::Labels,
        "SELECT t.module, t.labels FROM tasks t WHERE json_valid(t.labels) AND (\
         (SELECT count(*) FROM task_labels l WHERE l.task = t.key) <> (SELECT count(*) FROM json_each(t.labels)) \
         OR EXISTS (SELECT 1 FROM json_each(t.labels) j WHERE NOT EXISTS (\
         SELECT 1 FROM task_labels l WHERE l.name = j.key AND l.value = j.value AND l.task = t.key))) LIMIT ?1",
    ),
    (
        Rule::Lease,
        "SELECT t.module, 'a ' || l.kind || ' lease of ' || l.agent || ', and the task is ' || t.state || CASE \
         WHEN s.ended_at IS NOT NULL THEN ', its window has ended' WHEN l.epoch > t.epoch THEN ', its epoch is ahead' \
         WHEN l.module <> t.module THEN ', it names ' || l.module ELSE '' END \
         FROM leases l JOIN tasks t ON t.key = l.task LEFT JOIN sessions s ON s.id = l.session \
         LEFT JOIN attempts a ON a.key = l.attempt \
         WHERE (t.state <> CASE l.kind WHEN 'work' THEN 'active' ELSE 'review' END) OR s.ended_at IS NOT NULL \
         OR s.agent <> l.agent OR l.epoch > t.epoch OR l.module <> t.module OR a.task <> l.task LIMIT ?1",
    ),
    (
        Rule::NoHolder,
        "SELECT module, 'active without a lease' FROM tasks t WHERE state = 'active' \
         AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.task = t.key AND l.kind = 'work') LIMIT ?1",
    ),
    (
        Rule::Attempts,
        "SELECT t.module, 'kept ' || t.attempts || ', counted ' || count(a.key) || ', under way ' || \
         coalesce(sum(a.key IS NOT NULL AND a.ended_at IS NULL), 0) || ', and it is ' || t.state \
         FROM tasks t LEFT JOIN attempts a ON a.task = t.key GROUP BY t.key \
         HAVING t.attempts <> count(a.key) OR coalesce(sum(a.key IS NOT NULL AND a.ended_at IS NULL), 0) <> (t.state = 'active') LIMIT ?1",
    ),
    (
        Rule::Attempts,
        "SELECT t.module, 'in review, and no attempt submitted it' FROM tasks t WHERE t.state = 'review' \
         AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.task = t.key) LIMIT ?1",
    ),
    (
        Rule::Handoff,
        "SELECT t.module, 'its handoff names ' || h.module FROM handoffs h JOIN tasks t ON t.key = h.task \
         WHERE h.module <> t.module LIMIT ?1",
    ),
    (
        Rule::Question,
        "SELECT t.module, 'it is ' || t.state || CASE WHEN count(q.key) > 0 THEN ' and a question about it is open' \
         ELSE ' for an answer that nobody is asked for' END FROM tasks t \
         LEFT JOIN questions q ON q.task = t.key AND q.status = 'open' \
         GROUP BY t.key HAVING (t.wait_for IS 'answer') <> (count(q.key) > 0) LIMIT ?1",
    ),
    (
        Rule::Handoff,
        "SELECT t.module, 'its handoff is ' || h.status || ' and it is ' || t.state FROM handoffs h JOIN tasks t ON t.key = h.task \
         WHERE h.status IN ('ready', 'claimed') AND (t.state IN ('done', 'failed', 'cancelled') \
         OR (h.status = 'claimed') <> (h.claimed_by IS NOT NULL)) LIMIT ?1",
    ),
    (
        Rule::Handoff,
        "SELECT l.module, 'it was handed and no handoff says so' FROM leases l WHERE l.handed = 1 AND NOT EXISTS (\
         SELECT 1 FROM handoffs h WHERE h.task = l.task AND h.status = 'ready' AND h.agreed = 1) LIMIT ?1",
    ),
    (
        Rule::Events,
        "SELECT 'events', 'kept ' || (b.event_seq - b.pruned_through) || ' up to ' || b.event_seq || ', there are ' || e.n || \
         ' up to ' || e.last FROM board b, (SELECT count(*) AS n, coalesce(max(seq), 0) AS last, coalesce(min(seq), 0) AS first \
         FROM events) e WHERE e.n <> b.event_seq - b.pruned_through OR (e.n > 0 AND (e.last <> b.event_seq \
         OR e.first <> b.pruned_through + 1)) LIMIT ?1",
    ),
    (
        Rule::Notices,
        "SELECT 'event ' || n.seq, 'a notification without an event' FROM notifications n, board b \
         WHERE n.seq > b.pruned_through AND NOT EXISTS (SELECT 1 FROM events e WHERE e.seq = n.seq) LIMIT ?1",
    ),
    (
        Rule::Notices,
        "SELECT 'event ' || e.seq, 'it is for ' || e.audience || ' and there is no notification' FROM events e \
         WHERE e.audience IS NOT NULL AND NOT EXISTS (SELECT 1 FROM notifications n WHERE n.seq = e.seq) LIMIT ?1",
    ),
    (
        Rule::Archives,
        "SELECT a.name, 'nothing goes up to ' || (a.first - 1) FROM archives a WHERE a.first > 1 \
         AND NOT EXISTS (SELECT 1 FROM archives b WHERE b.last = a.first - 1) \
         AND EXISTS (SELECT 1 FROM archives b WHERE b.last < a.first) LIMIT ?1",
    ),
];

const ORPHANS: &str = "SELECT \"table\" || ' row ' || coalesce(rowid, '?'), 'nothing in ' || parent FROM pragma_foreign_key_check LIMIT ?1";

const NAMES: &str = "SELECT name FROM sqlite_schema";

const INTEGRITY: &str = "PRAGMA integrity_check";

const SCORES: &str = "SELECT score FROM tasks WHERE key = ?1";

const EDGES: &str = "SELECT task, needs FROM dependencies";

/// Tasks whose score is compared are read so many at a time.
const PAGE: usize = 500;

fn found(rule: Rule) -> impl Fn(&Row<'_>) -> rusqlite::Result<Finding> {
    move |row| Ok(Finding { rule, subject: row.get(0)?, detail: row.get(1)? })
}

impl SqliteTransaction<'_> {
    /// The tasks whose score is not what their numbers give.
    pub(super) fn wrong_scores(&self, most: usize) -> Kept<Vec<(TaskKey, i64, Finding)>> {
        let (mut wrong, mut after) = (Vec::new(), None);
        loop {
            let page = self.tasks(&TaskFilter::default(), after, PAGE)?;
            let Some(last) = page.last() else { return Ok(wrong) };
            after = Some(last.key);
            for task in &page {
                let (kept, right) = (self.one(SCORES, [task.key.0], |row| row.get::<_, i64>(0))?, rank::score(task));
                if kept != Some(right) && wrong.len() < most {
                    let detail = format!("kept {}, computed {right}", kept.unwrap_or_default());
                    wrong.push((task.key, right, Finding::new(Rule::Score, task.module.as_str(), detail)));
                }
            }
        }
    }

    /// A circle of dependencies, if there is one.
    pub(super) fn circle(&self) -> Kept<Option<Vec<TaskKey>>> {
        let pairs: Vec<(i64, i64)> = self.all(EDGES, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut places = std::collections::HashMap::new();
        let mut keys = Vec::new();
        for key in pairs.iter().flat_map(|(task, needs)| [*task, *needs]) {
            places.entry(key).or_insert_with(|| {
                keys.push(TaskKey(key));
                keys.len() - 1
            });
        }
        let mut edges = vec![Vec::new(); keys.len()];
        for (task, needs) in &pairs {
            edges[places[task]].push(places[needs]);
        }
        Ok(graph::circle(&edges).map(|circle| circle.into_iter().map(|at| keys[at]).collect()))
    }
}

impl Audits for SqliteTransaction<'_> {
    fn integrity(&self, most: usize) -> Kept<Vec<Finding>> {
        let missing = super::schema::missing(&self.all(NAMES, [], |row| row.get(0))?)?;
        if !missing.is_empty() {
            let gone =
                missing.into_iter().take(most).map(|name| Finding::new(Rule::Integrity, name, "it is not there"));
            return Ok(gone.collect());
        }
        let foreign = super::schema::foreign(&super::schema::objects(self.connection())?)?;
        if !foreign.is_empty() {
            let found = foreign.into_iter().take(most).map(|object| {
                let detail = format!("this {} is not as callboard makes it; triggers and views never run", object.kind);
                Finding::new(Rule::Integrity, object.name, detail)
            });
            return Ok(found.collect());
        }
        let said: Vec<String> = self.all(INTEGRITY, [], |row| row.get(0))?;
        let bad = said.into_iter().filter(|line| line != "ok").take(most);
        Ok(bad.map(|line| Finding::new(Rule::Integrity, "coordination.db", line)).collect())
    }

    fn findings(&self, most: usize) -> Kept<Vec<Finding>> {
        let mut findings = self.unreadable(most)?;
        if !findings.is_empty() {
            // What the other rules would say of rows that cannot be read is worth little.
            return Ok(findings);
        }
        self.board()?;
        findings.extend(self.all(ORPHANS, [limit(most)], found(Rule::Orphan))?);
        for (rule, query) in QUERIES {
            findings.extend(self.all(query, [limit(most)], found(*rule))?);
        }
        findings.extend(self.wrong_scores(most)?.into_iter().map(|(.., finding)| finding));
        if let Some(circle) = self.circle()? {
            let mut names = Vec::new();
            for key in &circle {
                names.extend(self.task_by_key(*key)?.map(|task| task.module.to_string()));
            }
            findings.push(Finding::new(Rule::Circle, names.first().cloned().unwrap_or_default(), names.join(" -> ")));
        }
        Ok(findings)
    }

    fn mend(&mut self) -> Kept<Mended> {
        self.mend_all()
    }
}
