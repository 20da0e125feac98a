//! What every implementer of the store must do: the contract as checks. A new backend runs [`CHECKS`], each on a store of
//! its own that has no board yet.

use std::collections::BTreeMap;

use super::conformance_signals as signals;
use super::conformance_work as work;
use super::contract::{
    Access, Kept, LeasesOf, Neighbour, OfferPlace, Offers, Request, ReviewFilter, ReviewPlace, SessionsOf, Store,
    TaskFilter, WorkOf,
};
use super::error::StoreError;
use super::samples::{agent, attempt, begun, board, event, full_task, parse, put_lease, read, session, stored, write};
use crate::domain::agent::Agent;
use crate::domain::attempt::{Attempt, AttemptKey, Outcome};
use crate::domain::board::Board;
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::lease_clock::HostRecord;
use crate::domain::profile::Profile;
use crate::domain::rank;
use crate::domain::session::{Ending, Session};
use crate::domain::submission::Submission;
use crate::domain::task::tests::open_task;
use crate::domain::task::{Reservation, Returned, Task, TaskKey, TaskState, TaskTexts, WaitFor, Waiting};
use crate::domain::time::{LeaseTime, Millis};
use crate::domain::verdict::{Decision, Verdict};

/// A check; its name says what holds.
pub(crate) type Check = fn(&mut dyn Store);

/// All of them.
pub(crate) const CHECKS: &[Check] = &[
    what_is_not_there_is_none,
    a_commit_keeps_all_a_drop_keeps_nothing,
    the_board_comes_back,
    a_hosts_record_is_of_one_boot,
    agents,
    sessions,
    a_task_comes_back_whole,
    a_stale_task_is_in_conflict,
    filters,
    offers,
    queues,
    reviews,
    edges,
    leases,
    attempts,
    work::scopes_of_others,
    events,
    requests,
    signals::notices,
    signals::audiences,
    signals::removed_events,
    signals::cursors,
    signals::archives,
    signals::questions,
    signals::handoffs,
    signals::preflights,
];

fn what_is_not_there_is_none(store: &mut dyn Store) {
    let nobody = parse("nobody");
    read(begun(store), |t| {
        assert_eq!((t.agent(&nobody)?, t.agent_by_key(&parse("k"))?, t.agent_count()?), (None, None, 0));
        assert_eq!((t.session(&parse("s-1"))?, t.window(&nobody, "h", &parse("w"))?), (None, None));
        assert_eq!((t.task(&parse("m"))?, t.task_by_key(TaskKey(1))?), (None, None));
        assert_eq!(t.texts(TaskKey(1))?, TaskTexts::default());
        assert_eq!((t.lease(TaskKey(1), LeaseKind::Work)?, t.next_deadline()?), (None, None));
        assert_eq!((t.attempt(AttemptKey(1))?, t.request(&parse("r"))?), (None, None));
        assert!(t.agents(None, 9)?.is_empty() && t.sessions(SessionsOf::Live, 9)?.is_empty());
        assert!(t.tasks(&TaskFilter::default(), None, 9)?.is_empty() && t.offers(Offers::All, None, 9)?.is_empty());
        assert!(t.dependencies(TaskKey(1))?.is_empty() && t.dependents(TaskKey(1))?.is_empty());
        assert!(t.leases(LeasesOf::All, 9)?.is_empty() && t.held_scopes()?.is_empty() && t.events(0, 9)?.is_empty());
        Ok(())
    });
}

fn a_commit_keeps_all_a_drop_keeps_nothing(store: &mut dyn Store) {
    let store = begun(store);
    let mut dropped = store.begin(Access::Write).expect("a transaction");
    dropped.put_agent(&agent("ann")).expect("put");
    dropped.append_event(&event(1, None)).expect("appended");
    assert!(dropped.agent(&parse("ann")).expect("read").is_some(), "a transaction sees what it wrote");
    drop(dropped);
    read(store, |t| {
        assert_eq!((t.agent_count()?, t.events(0, 9)?.len()), (0, 0));
        Ok(())
    });
    write(store, |t| t.put_agent(&agent("ann")).and_then(|()| t.append_event(&event(1, None))));
    read(store, |t| {
        assert_eq!((t.agent_count()?, t.events(0, 9)?.len()), (1, 1));
        Ok(())
    });
}

fn the_board_comes_back(store: &mut dyn Store) {
    let store = begun(store);
    assert_eq!(read(store, |t| t.board()), board());
    let changed = Board { revision: 70, event_seq: 90, profile: Profile::Balanced, ..board() };
    write(store, |t| t.put_board(&changed));
    assert_eq!(read(store, |t| t.board()), changed);
}

fn a_hosts_record_is_of_one_boot(store: &mut dyn Store) {
    let (host, record) = (parse("h-1"), HostRecord { boot_clock: 5, lease: LeaseTime(6) });
    write(begun(store), |t| t.put_host_record(&host, "boot-1", record));
    read(store, |t| {
        assert_eq!((t.host_record(&host, "boot-1")?, t.host_record(&host, "boot-2")?), (Some(record), None));
        Ok(())
    });
    write(store, |t| t.put_host_record(&host, "boot-2", record));
    read(store, |t| {
        assert_eq!(t.host_record(&host, "boot-1")?, None);
        Ok(())
    });
}

fn agents(store: &mut dyn Store) {
    let names = ["carl", "ann", "ben"];
    write(begun(store), |t| names.iter().try_for_each(|name| t.put_agent(&agent(name))));
    let changed = Agent { specialties: vec![], max_tasks: None, seen_at: Millis(9), ..agent("ann") };
    write(store, |t| t.put_agent(&changed));
    read(store, |t| {
        assert_eq!(t.agent(&parse("ann"))?.as_ref(), Some(&changed));
        assert_eq!(t.agent_by_key(&parse("key of ben"))?, Some(agent("ben")));
        let page = t.agents(Some(&parse("ann")), 1)?;
        assert_eq!((page, t.agent_count()?), (vec![agent("ben")], 3));
        Ok(())
    });
}

fn sessions(store: &mut dyn Store) {
    let ended = |at| Some((Millis(at), Ending::Reaped));
    let old = Session { ended: ended(5), ..session("s-1", "ann", "main", 1, 5) };
    let (live, other) = (session("s-2", "ann", "main", 2, 30), session("s-3", "ben", "main", 1, 20));
    write(begun(store), |t| {
        t.put_agent(&agent("ann"))?;
        t.put_agent(&agent("ben"))?;
        [&old, &live, &other].into_iter().try_for_each(|one| t.put_session(one))
    });
    read(store, |t| {
        assert_eq!(t.session(&parse("s-1"))?.as_ref(), Some(&old));
        assert_eq!(t.window(&parse("ann"), "h", &parse("main"))?.as_ref(), Some(&live), "the newest of a window");
        assert_eq!((t.session_before(&live)?.as_ref(), t.session_before(&other)?), (Some(&old), None));
        assert_eq!(t.sessions(SessionsOf::Live, 9)?, [live.clone(), other.clone()], "last heard of first");
        assert_eq!(t.sessions(SessionsOf::Live, 1)?, std::slice::from_ref(&live));
        assert_eq!(t.sessions(SessionsOf::Ended, 9)?, std::slice::from_ref(&old));
        assert_eq!(t.sessions(SessionsOf::Agent(&parse("ann")), 9)?, std::slice::from_ref(&live));
        assert_eq!(t.sessions(SessionsOf::SilentSince(Millis(30)), 9)?, std::slice::from_ref(&other));
        assert_eq!(t.live_session_count()?, 2);
        Ok(())
    });
    let mut twice = store.begin(Access::Write).expect("a transaction");
    assert!(twice.put_session(&session("s-4", "ann", "main", 3, 40)).is_err(), "two live ones in one window");
}

fn a_task_comes_back_whole(store: &mut dyn Store) {
    let texts = TaskTexts { body: "a\nb\u{7}".to_owned(), acceptance: vec!["one".to_owned(), "two".to_owned()] };
    let key = write(begun(store), |t| t.insert_task(&full_task("m"), &texts));
    let whole = Task { key, ..full_task("m") };
    read(store, |t| {
        assert_eq!((t.task(&whole.module)?, t.task_by_key(key)?), (Some(whole.clone()), Some(whole.clone())));
        assert_eq!(t.texts(key)?, texts);
        Ok(())
    });
    let plain = Task { key, revision: 2, epoch: 5, ..open_task(0, "m") };
    write(store, |t| t.update_task(&plain).and_then(|()| t.put_texts(key, &TaskTexts::default())));
    read(store, |t| {
        assert_eq!(t.task_by_key(key)?, Some(plain.clone()));
        assert_eq!(t.texts(key)?, TaskTexts::default());
        Ok(())
    });
}

fn a_stale_task_is_in_conflict(store: &mut dyn Store) {
    let task = write(begun(store), |t| stored(t, Task { epoch: 4, ..open_task(0, "m") }));
    let second = write(store, |t| stored(t, open_task(0, "n")));
    assert!(second.key > task.key, "keys grow with age");
    let refused = |store: &mut dyn Store, stale: &Task| {
        let mut t = store.begin(Access::Write).expect("a transaction");
        assert!(matches!(t.update_task(stale), Err(StoreError::Conflict(_))), "{stale:?}");
    };
    refused(store, &Task { revision: 1, ..task.clone() });
    refused(store, &Task { revision: 3, ..task.clone() });
    refused(store, &Task { revision: 2, epoch: 3, ..task.clone() });
    refused(store, &Task { revision: 2, key: TaskKey(999), ..task.clone() });
    write(store, |t| t.update_task(&Task { revision: 2, epoch: 5, ..task.clone() }));
    let mut t = store.begin(Access::Write).expect("a transaction");
    let taken = t.insert_task(&open_task(0, "m"), &TaskTexts::default());
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "a name that exists");
}

fn filters(store: &mut dyn Store) {
    let labels = BTreeMap::from([("area".to_owned(), "core".to_owned())]);
    let (a, b, c) = write(begun(store), |t| {
        let a = stored(t, Task { specialty: Some(parse("rust")), labels: labels.clone(), ..open_task(0, "a") })?;
        let b = stored(t, Task { specialty: Some(parse("rust")), unmet: 1, ..open_task(0, "b") })?;
        let c = stored(t, Task { state: TaskState::Active, ..open_task(0, "c") })?;
        put_lease(t, c.key, LeaseKind::Work, 5, false).map(|_| (a, b, c))
    });
    let keys = |store: &mut dyn Store, filter: &TaskFilter, after: Option<TaskKey>, limit| {
        let names = |tasks: Vec<Task>| tasks.iter().map(|task| task.module.to_string()).collect::<String>();
        read(store, |t| t.tasks(filter, after, limit).map(names))
    };
    let all = TaskFilter::default();
    let of = |state| TaskFilter { state: Some(state), ..TaskFilter::default() };
    let rust = TaskFilter { specialty: Some(parse("rust")), ..TaskFilter::default() };
    let ready = TaskFilter { ready: true, ..TaskFilter::default() };
    let core = TaskFilter { label: Some(("area".to_owned(), "core".to_owned())), ..TaskFilter::default() };
    let held = TaskFilter { held_by: Some(parse("ann")), ..TaskFilter::default() };
    assert_eq!(keys(store, &all, None, 9), "abc");
    assert_eq!((keys(store, &all, Some(a.key), 1), keys(store, &all, Some(c.key), 9)), ("b".into(), String::new()));
    assert_eq!(
        (keys(store, &of(TaskState::Open), None, 9), keys(store, &of(TaskState::Done), None, 9)),
        ("ab".into(), String::new())
    );
    assert_eq!((keys(store, &rust, None, 9), keys(store, &ready, None, 9)), ("ab".into(), "a".into()));
    assert_eq!((keys(store, &core, None, 9), keys(store, &held, None, 9)), ("a".into(), "c".into()));
    let every = |filter: TaskFilter| TaskFilter { state: Some(TaskState::Open), ready: true, ..filter };
    assert_eq!(
        (keys(store, &every(rust.clone()), None, 9), keys(store, &every(core), None, 9)),
        ("a".into(), "a".into())
    );
    assert_eq!((keys(store, &every(held), None, 9), keys(store, &rust, Some(a.key), 9)), (String::new(), "b".into()));
    let other = BTreeMap::from([("area".to_owned(), "docs".to_owned())]);
    write(store, |t| t.relabel(b.key, &BTreeMap::new(), &other).and_then(|()| t.relabel(a.key, &labels, &other)));
    let docs = TaskFilter { label: Some(("area".to_owned(), "docs".to_owned())), ..TaskFilter::default() };
    assert_eq!(keys(store, &docs, None, 9), "ab");
}

fn offers(store: &mut dyn Store) {
    let offered = |module: &str, priority, specialty: Option<&str>| Task {
        priority,
        specialty: specialty.map(parse),
        offered: true,
        ..open_task(0, module)
    };
    write(begun(store), |t| {
        let list = [("a", 2, None), ("b", 1, Some("rust")), ("c", 1, None), ("d", 3, Some("docs")), ("e", 1, None)];
        list.iter().try_for_each(|(module, priority, of)| stored(t, offered(module, *priority, *of)).map(drop))?;
        stored(t, open_task(0, "not-offered")).map(drop)
    });
    let names = |tasks: &[Task]| tasks.iter().map(|task| task.module.to_string()).collect::<String>();
    read(store, |t| {
        let all = t.offers(Offers::All, None, 9)?;
        assert_eq!(names(&all), "bcead", "best first, of equals the older one");
        for (at, last) in all.iter().enumerate() {
            let place = OfferPlace { score: rank::score(last), key: last.key };
            assert_eq!(names(&t.offers(Offers::All, Some(place), 2)?), names(&all[at + 1..all.len().min(at + 3)]));
        }
        assert_eq!(names(&t.offers(Offers::Free, None, 9)?), "cea");
        assert_eq!(names(&t.offers(Offers::Of(&parse("docs")), None, 9)?), "d");
        assert_eq!(t.offered_specialties(9)?, [parse("docs"), parse("rust")]);
        assert_eq!(t.offered_specialties(1)?, [parse("docs")]);
        Ok(())
    });
    let b = read(store, |t| t.task(&parse("b"))).expect("it is there");
    write(store, |t| t.update_task(&Task { offered: false, revision: 2, ..b }));
    read(store, |t| {
        assert_eq!(names(&t.offers(Offers::All, None, 9)?), "cead");
        Ok(())
    });
}

fn queues(store: &mut dyn Store) {
    let kept = || Some(Reservation { agent: parse("ann"), until: LeaseTime(9), why: Returned::ChangesRequested });
    write(begun(store), |t| {
        stored(t, Task { reservation: kept(), ..open_task(0, "a") })?;
        let released = kept().map(|kept| Reservation { why: Returned::Released, until: LeaseTime(5), ..kept });
        stored(t, Task { reservation: released, ..open_task(0, "e") })?;
        stored(t, Task { state: TaskState::Done, changed_at: Millis(1), ..open_task(0, "b") })?;
        stored(t, Task { state: TaskState::Failed, changed_at: Millis(3), held_up: 2, ..open_task(0, "c") })?;
        stored(t, Task { state: TaskState::Cancelled, changed_at: Millis(3), ..open_task(0, "d") }).map(drop)
    });
    let names = |tasks: Vec<Task>| tasks.iter().map(|task| task.module.to_string()).collect::<String>();
    read(store, |t| {
        assert_eq!(
            (names(t.reserved_for(&parse("ann"), 9)?), names(t.reserved_for(&parse("ben"), 9)?)),
            ("a".into(), String::new())
        );
        let until = kept().map(|kept| kept.until);
        assert_eq!(t.next_reservation(LeaseTime(i64::MIN))?, until);
        assert_eq!(until.map(|until| t.next_reservation(until)).transpose()?.flatten(), None, "it has ended by then");
        assert_eq!((names(t.finished(9)?), names(t.finished(1)?)), ("dcb".into(), "d".into()), "last changed first");
        assert_eq!(names(t.stranding(9)?), "c");
        Ok(())
    });
}

fn reviews(store: &mut dyn Store) {
    let handed_in = |module: &str, priority, at, by: &str| Task {
        state: TaskState::Review,
        priority,
        changed_at: Millis(at),
        last_agent: Some(parse(by)),
        ..open_task(0, module)
    };
    let waiting = |module: &str, what| Task {
        state: TaskState::Waiting,
        waiting: Some(Waiting { what, since: Millis(1), reason: String::new() }),
        ..open_task(0, module)
    };
    write(begun(store), |t| {
        stored(t, handed_in("a", 2, 7, "ann"))?;
        stored(t, handed_in("b", 0, 9, "ann"))?;
        stored(t, Task { specialty: Some(parse("docs")), ..handed_in("c", 2, 5, "ben") })?;
        stored(t, handed_in("d", 2, 7, "ben"))?;
        stored(t, waiting("e", WaitFor::Answer))?;
        stored(t, waiting("f", WaitFor::Pause))?;
        stored(t, waiting("g", WaitFor::External)).map(drop)
    });
    let names = |tasks: Vec<Task>| tasks.iter().map(|task| task.module.to_string()).collect::<String>();
    read(store, |t| {
        let all = t.reviews(ReviewFilter::default(), None, 9)?;
        assert_eq!(names(all.clone()), "bcad", "most urgent first, of equals the one that changed first");
        for (at, last) in all.iter().enumerate() {
            let place = ReviewPlace { priority: last.priority, changed_at: last.changed_at, key: last.key };
            let rest: Vec<Task> = all[at + 1..].iter().take(2).cloned().collect();
            assert_eq!(names(t.reviews(ReviewFilter::default(), Some(place), 2)?), names(rest));
        }
        let (ann, docs) = (parse("ann"), parse("docs"));
        let of = |work_of| ReviewFilter { work_of, ..ReviewFilter::default() };
        assert_eq!(names(t.reviews(of(WorkOf::Only(&ann)), None, 9)?), "ba");
        assert_eq!(names(t.reviews(of(WorkOf::AllBut(&ann)), None, 9)?), "cd");
        let of_docs = ReviewFilter { specialty: Some(&docs), ..ReviewFilter::default() };
        assert_eq!(names(t.reviews(of_docs, None, 9)?), "c");
        assert_eq!((names(t.paused(9)?), names(t.paused(1)?)), ("fg".into(), "f".into()));
        Ok(())
    });
}

fn edges(store: &mut dyn Store) {
    write(begun(store), |t| {
        let mut keys = Vec::new();
        for module in ["a", "b", "c"] {
            keys.push(stored(t, Task { critical_path: 3, ..open_task(0, module) })?.key);
        }
        let [a, b, c] = keys[..] else { unreachable!("there are three") };
        assert!(t.add_dependency(a, c)? && t.add_dependency(a, b)? && t.add_dependency(b, c)?);
        assert!(!t.add_dependency(a, b)?, "it was there");
        let names = |list: Vec<Neighbour>| list.iter().map(|n| n.module.to_string()).collect::<String>();
        assert_eq!((names(t.dependencies(a)?), names(t.dependents(c)?)), ("bc".into(), "ab".into()), "oldest first");
        assert_eq!((t.dependencies(a)?[0].state, t.dependencies(a)?[0].critical_path), (TaskState::Open, 3));
        assert!(t.remove_dependency(a, b)? && !t.remove_dependency(a, b)?);
        assert_eq!(names(t.dependencies(a)?), "c");
        Ok(())
    });
}

fn leases(store: &mut dyn Store) {
    let paths = |module| Task { owned_paths: vec![parse("src/**")], state: TaskState::Active, ..open_task(0, module) };
    let (early, review, late, lapsed) = write(begun(store), |t| {
        let (a, b, c) = (stored(t, paths("a"))?, stored(t, paths("b"))?, stored(t, paths("c"))?);
        let early = put_lease(t, a.key, LeaseKind::Work, 10, false)?;
        let review = put_lease(t, a.key, LeaseKind::Review, 15, false)?;
        let late = put_lease(t, b.key, LeaseKind::Work, 20, false)?;
        Ok((early, review, late, put_lease(t, c.key, LeaseKind::Work, 5, true)?))
    });
    read(store, |t| {
        assert_eq!(t.lease(early.task, LeaseKind::Work)?.as_ref(), Some(&early));
        assert_eq!(t.lease(early.task, LeaseKind::Review)?.as_ref(), Some(&review));
        let order = |which| t.leases(which, 9).map(|list| list.iter().map(|l| l.deadline.0).collect::<Vec<_>>());
        assert_eq!(order(LeasesOf::All)?, [5, 10, 15, 20]);
        assert_eq!(t.leases(LeasesOf::All, 1)?, std::slice::from_ref(&lapsed));
        assert_eq!(t.leases(LeasesOf::Agent(&parse("ann")), 9)?.len(), 4);
        assert_eq!(
            (
                t.leases(LeasesOf::Session(&parse("s-1")), 9)?.len(),
                t.leases(LeasesOf::Session(&parse("s-2")), 9)?.len()
            ),
            (4, 0)
        );
        assert_eq!(
            (order(LeasesOf::Overdue(LeaseTime(9)))?, order(LeasesOf::Overdue(LeaseTime(15)))?),
            (vec![], vec![10, 15])
        );
        assert_eq!((order(LeasesOf::Lapsed)?, t.next_deadline()?), (vec![5], Some(LeaseTime(10))));
        let held: Vec<_> = t.held_scopes()?.into_iter().map(|held| (held.lease.task, held.scopes.len())).collect();
        assert_eq!(held, [(early.task, 1), (late.task, 1)], "work leases that have not lapsed");
        Ok(())
    });
    let renewed = Lease { deadline: LeaseTime(30), token: parse("t-new"), epoch: 2, ..early.clone() };
    write(store, |t| t.put_lease(&renewed).and_then(|()| t.remove_lease(late.task, LeaseKind::Work)));
    read(store, |t| {
        assert_eq!(t.lease(early.task, LeaseKind::Work)?.as_ref(), Some(&renewed), "replaced, not added");
        assert_eq!(t.leases(LeasesOf::All, 9)?.len(), 3);
        Ok(())
    });
    let mut t = store.begin(Access::Write).expect("a transaction");
    assert!(matches!(t.remove_lease(late.task, LeaseKind::Work), Err(StoreError::Conflict(_))), "it must be there");
}

fn attempts(store: &mut dyn Store) {
    write(begun(store), |t| {
        let task = stored(t, open_task(0, "a"))?.key;
        let first = Attempt { key: t.insert_attempt(&attempt(task, 1))?, ..attempt(task, 1) };
        let second = Attempt { key: t.insert_attempt(&attempt(task, 2))?, ..attempt(task, 2) };
        assert_eq!(
            (t.attempt(first.key)?, t.attempts(task, 9)?),
            (Some(first.clone()), vec![second.clone(), first.clone()])
        );
        assert_eq!(t.attempts(task, 1)?, [second]);
        let ended = Some((Millis(9), Outcome::Finished));
        let submitted = Some(Submission { dirty: Some(true), ..Submission::default() });
        let done =
            Attempt { ended, summary: Some("s".to_owned()), changed_paths: vec!["p".to_owned()], submitted, ..first };
        t.update_attempt(&done)?;
        assert_eq!(t.attempt(done.key)?, Some(done));
        assert_eq!(t.tries(task)?, 1, "the other goes on");
        let said =
            |verdict, at| Verdict { attempt: 2, by: "rita".to_owned(), verdict, notes: "n".to_owned(), at: Millis(at) };
        t.add_verdict(task, &said(Decision::ChangesRequested, 1))?;
        t.add_verdict(task, &said(Decision::Approved, 2))?;
        assert_eq!(t.verdicts(task, 9)?, [said(Decision::Approved, 2), said(Decision::ChangesRequested, 1)]);
        assert_eq!(t.verdicts(task, 1)?.len(), 1);
        Ok(())
    });
}

fn events(store: &mut dyn Store) {
    write(begun(store), |t| {
        [event(1, Some("a")), event(2, None), event(3, Some("a"))].iter().try_for_each(|e| t.append_event(e))
    });
    read(store, |t| {
        assert_eq!((t.events(1, 1)?, t.events(3, 9)?), (vec![event(2, None)], vec![]));
        assert_eq!(t.events_about(&parse("a"), 9)?, [event(3, Some("a")), event(1, Some("a"))], "newest first");
        Ok(())
    });
    let mut t = store.begin(Access::Write).expect("a transaction");
    assert!(t.append_event(&event(2, Some("b"))).is_err(), "a number is given once");
}

fn requests(store: &mut dyn Store) {
    let request =
        |id: &str, at| Request { id: parse(id), digest: "d".into(), reply: "{}".into(), revision: 4, at: Millis(at) };
    write(begun(store), |t| {
        [request("a", 1), request("b", 2), request("c", 3)].iter().try_for_each(|r| t.keep_request(r))
    });
    read(store, |t| {
        assert_eq!(t.request(&parse("b"))?, Some(request("b", 2)));
        Ok(())
    });
    write(store, |t| t.forget_requests(Millis(3), 1));
    let left = read(store, |t| {
        ["a", "b", "c"].iter().map(|id| t.request(&parse(id)).map(|r| r.is_some())).collect::<Kept<Vec<_>>>()
    });
    assert_eq!(left, [false, true, true], "oldest first, no more than the limit");
    write(store, |t| t.forget_requests(Millis(3), 9));
    read(store, |t| {
        assert!(t.request(&parse("c"))?.is_some() && t.request(&parse("b"))?.is_none());
        Ok(())
    });
    let mut t = store.begin(Access::Write).expect("a transaction");
    assert!(t.keep_request(&request("c", 9)).is_err(), "an id is kept once");
}
