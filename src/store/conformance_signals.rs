//! What every implementer of the store must do with signals: notices, cursors, archives, questions, handoffs.

use super::contract::{Access, Archive, NoticeFilter, QuestionFilter, Store};
use super::error::StoreError;
use super::samples::{begun, event, parse, read, stored, write};
use crate::domain::cursor::{Cursor, Stream};
use crate::domain::event::{Audience, Event, EventKind, Source};
use crate::domain::handoff::{Handoff, HandoffKey, HandoffKind, HandoffStatus};
use crate::domain::notice::{Notice, Resolution, Resolved};
use crate::domain::preflight::{Confirmed, ModeChoice, OptimizeFor, Preflight, SessionKind, Topology};
use crate::domain::question::{Question, QuestionEnd, QuestionId, QuestionStatus};
use crate::domain::task::TaskKey;
use crate::domain::task::tests::open_task;
use crate::domain::time::Millis;

fn audience(text: &str) -> Audience {
    parse(text)
}

fn posted(seq: u64, kind: EventKind, to: &str) -> Event {
    Event { kind, audience: Some(audience(to)), priority: 1, ..event(seq, Some("a")) }
}

fn plain(seq: u64, module: Option<&str>) -> Event {
    Event { audience: None, priority: 2, ..event(seq, module) }
}

fn seqs(notices: Vec<Notice>) -> Vec<u64> {
    notices.into_iter().map(|notice| notice.event.seq).collect()
}

/// Seven events: 2, 4, 5 and 6 call somebody; 4 is resolved.
fn board_with_notices(store: &mut dyn Store) -> &mut dyn Store {
    let settled = Resolved { at: Millis(8), by: Some(7), why: Resolution::Settled };
    write(begun(store), |t| {
        for event in [
            plain(1, Some("a")),
            posted(2, EventKind::ReviewReady, "reviewers:rust"),
            Event { source: Source::Validate, ..plain(3, None) },
            posted(4, EventKind::Blocked, "humans"),
            Event { priority: 3, module: None, ..posted(5, EventKind::Message, "humans") },
            Event { source: Source::Message, ..posted(6, EventKind::Message, "reviewers") },
            plain(7, Some("b")),
        ] {
            t.append_event(&event)?;
        }
        assert!(t.resolve(4, settled)?);
        assert!(!t.resolve(4, Resolved { at: Millis(9), ..settled })?, "it was resolved before");
        assert!(!t.resolve(3, settled)?, "it calls nobody");
        Ok(())
    });
    read(store, |t| {
        let notice = t.notices(&NoticeFilter::default(), 3, 1)?.pop().expect("the fourth");
        assert_eq!(notice, Notice { event: posted(4, EventKind::Blocked, "humans"), resolved: Some(settled) });
        Ok(())
    });
    store
}

pub(super) fn notices(store: &mut dyn Store) {
    let store = board_with_notices(store);
    read(store, |t| {
        let all = NoticeFilter::default;
        let list = |filter: NoticeFilter| t.notices(&filter, 0, 9).map(seqs);
        let to = |list: &[&str]| Some(list.iter().map(|one| audience(one)).collect::<Vec<_>>());
        assert_eq!((list(all())?, seqs(t.notices(&all(), 2, 2)?)), (vec![1, 2, 3, 4, 5, 6, 7], vec![3, 4]));
        assert_eq!(list(NoticeFilter { notified: true, ..all() })?, [2, 4, 5, 6]);
        assert_eq!(list(NoticeFilter { unresolved: true, ..all() })?, [2, 5, 6]);
        assert_eq!(list(NoticeFilter { source: Some(Source::Validate), ..all() })?, [3]);
        assert_eq!(list(NoticeFilter { source: Some(Source::Mutation), ..all() })?, [1, 2, 4, 5, 7]);
        assert_eq!(list(NoticeFilter { module: Some(parse("a")), ..all() })?, [1, 2, 4, 6]);
        let both = NoticeFilter { module: Some(parse("a")), source: Some(Source::Message), ..all() };
        assert_eq!(list(NoticeFilter { notified: true, ..both.clone() })?, [6]);
        assert_eq!(list(NoticeFilter { unresolved: true, ..both })?, [6]);
        assert_eq!(list(NoticeFilter { kind: Some(EventKind::Message), ..all() })?, [5, 6]);
        assert_eq!(list(NoticeFilter { kind: Some(EventKind::Message), priority: Some(2), ..all() })?, [6]);
        let wanted = NoticeFilter { audiences: to(&["reviewers", "humans"]), ..all() };
        assert_eq!((list(wanted.clone())?, seqs(t.notices(&wanted, 4, 1)?)), (vec![4, 5, 6], vec![5]));
        assert_eq!(list(NoticeFilter { unresolved: true, ..wanted })?, [5, 6]);
        assert_eq!(list(NoticeFilter { audiences: to(&[]), ..all() })?, [0; 0]);
        assert_eq!(t.unresolved_about(&parse("a"), 9)?, [(2, EventKind::ReviewReady), (6, EventKind::Message)]);
        assert_eq!(t.unresolved_about(&parse("a"), 1)?.len(), 1);
        let reserved = NoticeFilter { reserved_reviews: vec![audience("reviewers:rust")], ..all() };
        let reserved = NoticeFilter { audiences: to(&["humans"]), ..reserved };
        assert_eq!(list(reserved.clone())?, [2, 4, 5], "reviews of others are listed with what is asked for");
        assert_eq!(list(NoticeFilter { kind: Some(EventKind::Message), ..reserved })?, [5]);
        Ok(())
    });
}

pub(super) fn audiences(store: &mut dyn Store) {
    read(board_with_notices(store), |t| {
        assert_eq!(t.audiences("reviewers", 9)?, [audience("reviewers"), audience("reviewers:rust")]);
        assert_eq!(t.audiences("reviewers", 1)?, [audience("reviewers")]);
        assert!(t.audiences("workers", 9)?.is_empty());
        Ok(())
    });
}

pub(super) fn removed_events(store: &mut dyn Store) {
    let store = board_with_notices(store);
    assert_eq!(write(store, |t| t.remove_events(4)), 4);
    read(store, |t| {
        assert_eq!(seqs(t.notices(&NoticeFilter::default(), 0, 9)?), [5, 6, 7]);
        let notified = NoticeFilter { notified: true, ..NoticeFilter::default() };
        assert_eq!(seqs(t.notices(&notified, 0, 9)?), [2, 5, 6], "what was resolved has gone");
        let unresolved = NoticeFilter { unresolved: true, ..NoticeFilter::default() };
        let notice = t.notices(&unresolved, 0, 1)?.pop().expect("it outlives its event");
        assert_eq!(notice, Notice { event: posted(2, EventKind::ReviewReady, "reviewers:rust"), resolved: None });
        Ok(())
    });
    let settled = Resolved { at: Millis(8), by: None, why: Resolution::Settled };
    assert!(write(store, |t| t.resolve(2, settled)));
    assert_eq!(write(store, |t| t.remove_events(4)), 0);
    read(store, |t| {
        assert_eq!(seqs(t.notices(&NoticeFilter { notified: true, ..NoticeFilter::default() }, 0, 9)?), [5, 6]);
        Ok(())
    });
}

pub(super) fn cursors(store: &mut dyn Store) {
    let cursor = |id: &str, at| Cursor {
        id: parse(id),
        stream: Stream::Notifications,
        filter: "{\"kind\":\"message\"}".to_owned(),
        generation: "g".to_owned(),
        delivered: 7,
        acknowledged: 5,
        moved_at: Millis(at),
    };
    write(begun(store), |t| t.put_cursor(&cursor("a", 1)).and_then(|()| t.put_cursor(&cursor("b", 2))));
    let moved = Cursor { acknowledged: 7, ..cursor("a", 3) };
    write(store, |t| t.put_cursor(&moved));
    read(store, |t| {
        assert_eq!((t.cursor(&parse("a"))?, t.cursor(&parse("c"))?), (Some(moved.clone()), None));
        assert_eq!(t.cursors(9)?, [moved, cursor("b", 2)], "last moved first");
        assert_eq!(t.cursors(1)?.len(), 1);
        Ok(())
    });
}

pub(super) fn archives(store: &mut dyn Store) {
    let archive = |first, last| Archive {
        first,
        last,
        name: format!("events-{first}-{last}.jsonl"),
        sha256: "aa".to_owned(),
        bytes: 12,
        at: Millis(3),
    };
    write(begun(store), |t| t.add_archive(&archive(5, 9)).and_then(|()| t.add_archive(&archive(1, 4))));
    read(store, |t| {
        assert_eq!(t.archives(0, 9)?, [archive(1, 4), archive(5, 9)], "in order");
        assert_eq!((t.archives(4, 9)?, t.archives(0, 1)?), (vec![archive(5, 9)], vec![archive(1, 4)]));
        assert_eq!((t.archive("events-5-9.jsonl")?, t.archive("other")?), (Some(archive(5, 9)), None));
        Ok(())
    });
    let mut twice = store.begin(Access::Write).expect("a transaction");
    assert!(twice.add_archive(&archive(5, 9)).is_err(), "a range is archived once");
}

fn question(task: Option<TaskKey>, to: &str) -> Question {
    Question {
        id: QuestionId(0),
        task: task.map(|task| (task, parse("a"))),
        asked_by: "ann".to_owned(),
        asker: Some(parse("ann")),
        audience: audience(to),
        text: "which?\nreally".to_owned(),
        options: vec!["this".to_owned(), "that".to_owned()],
        priority: 1,
        asked_at: Millis(4),
        event: 9,
        end: None,
    }
}

pub(super) fn questions(store: &mut dyn Store) {
    let (first, second, third) = write(begun(store), |t| {
        let task = stored(t, open_task(0, "a"))?.key;
        let mut add = |question: Question| t.insert_question(&question).map(|id| Question { id, ..question });
        Ok((add(question(Some(task), "humans"))?, add(question(None, "agent:ben"))?, add(question(None, "humans"))?))
    });
    assert!(first.id < second.id && second.id < third.id);
    let end = |answer: Option<&str>| QuestionEnd {
        at: Millis(7),
        by: "human:pat".to_owned(),
        answer: answer.map(ToOwned::to_owned),
    };
    write(store, |t| t.end_question(second.id, &end(Some("this"))).and_then(|()| t.end_question(third.id, &end(None))));
    read(store, |t| {
        assert_eq!((t.question(first.id)?, t.question(QuestionId(99))?), (Some(first.clone()), None));
        let answered = t.question(second.id)?.expect("it is there");
        assert_eq!((answered.status(), answered.end), (QuestionStatus::Answered, Some(end(Some("this")))));
        let ids = |filter: QuestionFilter, after, most| {
            t.questions(&filter, after, most).map(|list| list.into_iter().map(|one| one.id).collect::<Vec<_>>())
        };
        let all = QuestionFilter::default;
        let of = |status| QuestionFilter { status: Some(status), ..all() };
        assert_eq!(ids(all(), None, 2)?, [first.id, second.id], "oldest first");
        assert_eq!(ids(all(), Some(second.id), 9)?, [third.id]);
        assert_eq!(ids(of(QuestionStatus::Open), None, 9)?, [first.id]);
        assert_eq!(ids(of(QuestionStatus::Withdrawn), None, 9)?, [third.id]);
        let to_people = QuestionFilter { audience: Some(Audience::Humans), ..all() };
        assert_eq!(ids(to_people, None, 9)?, [first.id, third.id]);
        let task = first.task.as_ref().map(|(task, _)| *task);
        assert_eq!(ids(QuestionFilter { task, ..of(QuestionStatus::Open) }, None, 9)?, [first.id]);
        assert_eq!(ids(QuestionFilter { task, ..of(QuestionStatus::Answered) }, None, 9)?, []);
        Ok(())
    });
    let mut again = store.begin(Access::Write).expect("a transaction");
    assert!(matches!(again.end_question(second.id, &end(None)), Err(StoreError::Conflict(_))), "a question ends once");
}

pub(super) fn handoffs(store: &mut dyn Store) {
    let (a, b) = write(begun(store), |t| Ok((stored(t, open_task(0, "a"))?.key, stored(t, open_task(0, "b"))?.key)));
    let handoff = |task, module: &str| Handoff {
        key: HandoffKey(0),
        task,
        module: parse(module),
        kind: HandoffKind::Takeover,
        status: HandoffStatus::Ready,
        audience: audience("workers:rust"),
        left_by: "ann".to_owned(),
        agreed: true,
        claimed_by: None,
        event: 5,
        left_at: Millis(1),
        changed_at: Millis(2),
    };
    let (old, new, other) = write(store, |t| {
        let old = Handoff { key: t.insert_handoff(&handoff(a, "a"), "{\"n\":1}")?, ..handoff(a, "a") };
        let old = Handoff { status: HandoffStatus::Replaced, agreed: false, changed_at: Millis(9), ..old };
        t.update_handoff(&old)?;
        let new = Handoff { key: t.insert_handoff(&handoff(a, "a"), "{\"n\":2}")?, ..handoff(a, "a") };
        let new = Handoff { status: HandoffStatus::Claimed, claimed_by: Some(parse("ben")), ..new };
        t.update_handoff(&new)?;
        let other = Handoff { key: t.insert_handoff(&handoff(b, "b"), "{}")?, ..handoff(b, "b") };
        Ok((old, new, other))
    });
    read(store, |t| {
        assert_eq!((t.live_handoff(a)?, t.live_handoff(TaskKey(99))?), (Some(new.clone()), None));
        assert_eq!((t.bundle(new.key)?, t.bundle(HandoffKey(99))?), (Some("{\"n\":2}".to_owned()), None));
        assert_eq!(t.live_handoffs(9)?, [other.clone(), new.clone()], "newest first");
        assert_eq!(t.live_handoffs(1)?, std::slice::from_ref(&other));
        assert_eq!(t.oldest_handoffs(None, 9)?, [new.clone(), other.clone()], "oldest first");
        assert_eq!(t.oldest_handoffs(Some(new.key), 9)?, std::slice::from_ref(&other));
        assert_eq!(t.handoffs(None, None, 9)?, [other, new.clone(), old.clone()]);
        assert_eq!(t.handoffs(Some(a), Some(new.key), 9)?, [old]);
        assert_eq!(t.handoffs(Some(a), None, 1)?, [new]);
        Ok(())
    });
    let mut twice = store.begin(Access::Write).expect("a transaction");
    assert!(twice.insert_handoff(&handoff(b, "b"), "{}").is_err(), "one that is live for a task");
}

pub(super) fn preflights(store: &mut dyn Store) {
    let topology = Topology { agent_count: 2, machine_count: 1, window_count: 3, shared_storage: true };
    let said = Preflight {
        session_kind: SessionKind::WhileLoop,
        mode_choice: ModeChoice::Auto,
        optimize_for: OptimizeFor::Token,
        topology,
    };
    let place = |workspace: &str, branch: Option<&str>, at| Confirmed {
        host: "h".parse().expect("a name"),
        workspace: workspace.parse().expect("a path"),
        branch: branch.map(|branch| branch.parse().expect("a branch")),
        head: None,
        by: "human:pat".to_owned(),
        at: Millis(at),
    };
    let again = Preflight { optimize_for: OptimizeFor::Efficiency, ..said.clone() };
    assert_eq!(read(begun(store), |t| t.preflight()), None);
    write(store, |t| {
        t.put_preflight(&said)?;
        t.put_preflight(&again)?;
        t.put_confirmation(&place("/a", Some("main"), 1))?;
        t.put_confirmation(&place("/b", None, 2))?;
        t.put_confirmation(&place("/a", Some("other"), 3))
    });
    read(store, |t| {
        assert_eq!(t.preflight()?, Some(again.clone()));
        assert_eq!(t.confirmation("h", "/a")?, Some(place("/a", Some("other"), 3)), "one for each working tree");
        assert_eq!((t.confirmation("g", "/a")?, t.confirmation("h", "/c")?), (None, None));
        assert_eq!(t.confirmations(9)?, [place("/a", Some("other"), 3), place("/b", None, 2)], "newest first");
        assert_eq!(t.confirmations(1)?.len(), 1);
        Ok(())
    });
}
