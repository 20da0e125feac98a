//! The invariants of the design, checked on all rows of a board, against naive models. For tests.

use std::collections::{HashMap, HashSet};

use super::stage::Snapshot;
use crate::domain::board::Counts;
use crate::domain::event::{Audience, EventKind};
use crate::domain::graph::CRITICAL_PATH_MOST;
use crate::domain::handoff::{Handoff, HandoffStatus};
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::notice::{Notice, is_settled};
use crate::domain::profile::Overlap;
use crate::domain::scope::first_overlap;
use crate::domain::task::{Task, TaskKey, TaskState, WaitFor};

/// Checks everything that one state of a board can show.
pub(crate) fn check(now: &Snapshot) {
    counts(now);
    graph(now);
    leases(now);
    attempts(now);
    sessions(now);
    events(now);
    notices(now);
    questions(now);
    handoffs(now);
}

/// Checks what only two states can show: what may never go back.
pub(crate) fn check_step(before: &Snapshot, now: &Snapshot) {
    assert!(now.board.revision >= before.board.revision && now.board.presence >= before.board.presence);
    assert!(now.board.dial.lease >= before.board.dial.lease, "the lease clock never runs back");
    assert_eq!(now.events[..before.events.len()], before.events, "an event is never changed");
    for old in &before.tasks {
        let new = now.tasks.iter().find(|task| task.key == old.key).expect("a task is never deleted");
        assert!(new.epoch >= old.epoch && new.attempts >= old.attempts && new.revision >= old.revision, "{new:?}");
    }
    let taken_over = before.leases.iter().filter(|old| {
        let same = |new: &&Lease| new.task == old.task && new.kind == old.kind;
        now.leases.iter().find(same).is_none_or(|new| new.token != old.token)
    });
    for old in taken_over {
        let task = now.tasks.iter().find(|task| task.key == old.task).expect("it is there");
        assert!(task.epoch > old.epoch, "the end of a lease raises the epoch: {}", task.module);
    }
    // The revision means that a state row changed; presence means that only presence did.
    let state = |s: &Snapshot| {
        let tasks = s.tasks.clone();
        let holders: Vec<_> = s.leases.iter().map(|l| (l.task, l.kind, l.token.clone(), l.lapsed, l.handed)).collect();
        let windows: HashSet<_> = s.live.iter().map(|session| session.id.clone()).collect();
        let holders = holders.into_iter().collect::<HashSet<_>>();
        (tasks, holders, windows, s.edges.clone(), s.verdicts.clone(), s.questions.clone(), s.handoffs.clone())
    };
    let changed = state(before) != state(now);
    assert_eq!(changed, now.board.revision != before.board.revision, "{:?}\n{:?}", before.board, now.board);
}

fn counts(now: &Snapshot) {
    let mut counts = Counts::default();
    now.tasks.iter().for_each(|task| counts.add(task));
    assert_eq!(now.board.counts, counts);
}

fn graph(now: &Snapshot) {
    let tasks: HashMap<TaskKey, &Task> = now.tasks.iter().map(|task| (task.key, task)).collect();
    let mut below: HashMap<TaskKey, Vec<TaskKey>> = HashMap::new();
    for (task, needed) in now.tasks.iter().zip(&now.edges) {
        for neighbour in needed {
            below.entry(neighbour.key).or_default().push(task.key);
        }
        let unmet = needed.iter().filter(|needed| needed.state != TaskState::Done).count();
        assert_eq!(task.unmet as usize, unmet, "unmet of {}", task.module);
        let held = now.leases.iter().find(|lease| lease.task == task.key && lease.kind == LeaseKind::Work);
        let offered = match task.state {
            TaskState::Open => unmet == 0,
            TaskState::Active => held.is_some_and(|lease| lease.lapsed || lease.handed),
            _ => false,
        };
        assert_eq!(task.offered, offered, "offered of {}", task.module);
        assert_eq!(task.waiting.is_some(), task.state == TaskState::Waiting);
    }
    for task in now.tasks.iter().filter(|task| task.state != TaskState::Done) {
        let open = |key: &&TaskKey| !tasks[*key].state.is_final();
        let held_up = below.get(&task.key).map_or(0, |list| list.iter().filter(open).count());
        assert_eq!(task.held_up as usize, held_up, "held_up of {}", task.module);
        assert_eq!(task.critical_path, depth(task.key, &below, &tasks, 0), "critical path of {}", task.module);
    }
}

/// The longest chain of tasks that are not final below this one; panics on a circle.
fn depth(key: TaskKey, below: &HashMap<TaskKey, Vec<TaskKey>>, tasks: &HashMap<TaskKey, &Task>, level: usize) -> u32 {
    assert!(level <= tasks.len(), "the graph has a circle");
    let open = below.get(&key).into_iter().flatten().filter(|key| !tasks[key].state.is_final());
    open.map(|key| (depth(*key, below, tasks, level + 1) + 1).min(CRITICAL_PATH_MOST)).max().unwrap_or(0)
}

fn leases(now: &Snapshot) {
    let mut seen = HashSet::new();
    for lease in &now.leases {
        assert!(seen.insert((lease.task, lease.kind)), "one lease of a kind for a task");
        let task = now.tasks.iter().find(|task| task.key == lease.task).expect("a lease of a task");
        let state = if lease.kind == LeaseKind::Work { TaskState::Active } else { TaskState::Review };
        assert_eq!(task.state, state, "{} has a {} lease", task.module, lease.kind);
        assert!(lease.epoch <= task.epoch, "{}", task.module);
        assert!(now.live.iter().any(|session| session.id == lease.session), "the window of a lease lives");
    }
    for task in now.tasks.iter().filter(|task| task.state == TaskState::Active) {
        assert!(seen.contains(&(task.key, LeaseKind::Work)), "{} is active and nobody holds or held it", task.module);
    }
    let live: Vec<&Lease> = now.leases.iter().filter(|lease| lease.is_live(now.board.dial.lease)).collect();
    let counts = |lease: &Lease| lease.kind == LeaseKind::Work && !lease.handed;
    for agent in &now.agents {
        let held = live.iter().filter(|lease| counts(lease) && lease.agent == agent.id).count();
        assert!(held <= now.board.profile.task_limit(agent.max_tasks) as usize, "{} holds {held}", agent.id);
    }
    if now.board.profile.overlap() == Overlap::Warned {
        return;
    }
    let paths = |lease: &Lease| &now.tasks.iter().find(|task| task.key == lease.task).expect("it is there").owned_paths;
    let working: Vec<_> = live.iter().filter(|lease| lease.kind == LeaseKind::Work).collect();
    for (at, one) in working.iter().enumerate() {
        for other in working[at + 1..].iter().filter(|other| other.session != one.session) {
            let overlap = first_overlap(paths(one), paths(other));
            assert!(overlap.is_none(), "{} and {} overlap: {overlap:?}", one.module, other.module);
        }
    }
}

fn attempts(now: &Snapshot) {
    for (task, attempts) in now.tasks.iter().zip(&now.attempts) {
        assert_eq!(attempts.len(), task.attempts as usize, "attempts of {}", task.module);
        let under_way = attempts.iter().filter(|attempt| attempt.ended.is_none()).count();
        assert_eq!(under_way, usize::from(task.state == TaskState::Active), "attempts under way of {}", task.module);
    }
    for (task, verdicts) in now.tasks.iter().zip(&now.verdicts) {
        let attempts = &now.attempts[now.tasks.iter().position(|other| other.key == task.key).expect("it is there")];
        for verdict in verdicts.iter().filter(|v| v.verdict == crate::domain::verdict::Decision::Approved) {
            let author = attempts.iter().find(|attempt| attempt.number == verdict.attempt).expect("it was reviewed");
            assert_ne!(verdict.by, author.agent.as_str(), "nobody approves their own work: {}", task.module);
        }
    }
}

fn sessions(now: &Snapshot) {
    let mut windows = HashSet::new();
    for session in &now.live {
        assert!(windows.insert((&session.agent, &session.host, &session.window)), "one live session a window");
    }
    for live in &now.live {
        let window = |old: &&crate::domain::session::Session| {
            (&old.agent, &old.host, &old.window) == (&live.agent, &live.host, &live.window)
        };
        assert!(now.ended.iter().filter(window).all(|old| old.epoch < live.epoch), "epochs of a window only grow");
    }
}

fn events(now: &Snapshot) {
    for (at, event) in now.events.iter().enumerate() {
        assert_eq!(event.seq, now.board.pruned_through + at as u64 + 1, "events have no holes");
        assert!(event.board_revision <= now.board.revision);
    }
    assert_eq!(now.board.event_seq, now.board.pruned_through + now.events.len() as u64);
    let revisions: Vec<u64> = now.events.iter().map(|event| event.board_revision).collect();
    assert!(revisions.is_sorted(), "a later number was committed later");
    let claims = now.events.iter().filter(|event| event.kind == EventKind::Claimed).count();
    if now.board.pruned_through == 0 {
        assert_eq!(claims, now.attempts.iter().map(Vec::len).sum::<usize>(), "each claim is told once");
    }
}

fn notices(now: &Snapshot) {
    let open: Vec<_> = now.notices.iter().filter(|notice| notice.resolved.is_none()).collect();
    assert_eq!(now.board.pending.notifications, open.len() as u64, "unresolved notices are counted");
    for notice in &open {
        let (kind, seq) = (notice.event.kind, notice.event.seq);
        let task = notice.event.module.as_ref().and_then(|module| now.tasks.iter().find(|task| task.module == *module));
        if let Some(task) = task {
            assert!(!is_settled(kind, task), "{kind} {seq} outlives its cause: {} is {}", task.module, task.state);
            let reviewed = now.leases.iter().any(|l| l.task == task.key && l.kind == LeaseKind::Review && !l.lapsed);
            let calls_for_review = task.state == TaskState::Review && !reviewed;
            assert!(kind != EventKind::ReviewReady || calls_for_review, "{seq} calls for no review of {}", task.module);
            let is_paused = task.state == TaskState::Waiting;
            assert!(kind != EventKind::Blocked || is_paused, "{seq} says that {} is paused", task.module);
        }
        assert_eq!(
            kind == EventKind::Stalled,
            now.board.stalled_by == Some(seq),
            "people are told once that it stands"
        );
        let asks = now.questions.iter().any(|question| question.event == seq && question.end.is_none());
        assert_eq!(kind == EventKind::Question, asks, "a question calls as long as it is open");
        let left = now.handoffs.iter().any(|handoff| handoff.event == seq && handoff.status == HandoffStatus::Ready);
        assert_eq!(kind == EventKind::HandoffReady, left, "a handoff calls as long as nobody took it");
    }
    for task in now.tasks.iter().filter(|task| task.state == TaskState::Review) {
        let reviewed = now.leases.iter().any(|l| l.task == task.key && l.kind == LeaseKind::Review && !l.lapsed);
        let calls = open.iter().copied().filter(|notice| notice.event.kind == EventKind::ReviewReady);
        let calls = calls.filter(|notice| notice.event.module.as_ref() == Some(&task.module));
        // People are told as well where no agent that is there could review it.
        let (people, agents): (Vec<_>, Vec<_>) =
            calls.partition::<Vec<&Notice>, _>(|notice| notice.event.audience == Some(Audience::Humans));
        assert_eq!(agents.len(), usize::from(!reviewed), "{} calls for its review once", task.module);
        assert!(people.len() <= usize::from(!reviewed), "{} calls people for its review once", task.module);
    }
}

fn questions(now: &Snapshot) {
    let open =
        |key| now.questions.iter().any(|q| q.end.is_none() && q.task.as_ref().is_some_and(|(task, _)| *task == key));
    let count = now.questions.iter().filter(|question| question.end.is_none()).count();
    assert_eq!(now.board.pending.questions, count as u64, "open questions are counted");
    assert_eq!(now.board.pending.asked, now.questions.len() as u64, "questions are counted");
    for task in &now.tasks {
        let waits = task.waiting.as_ref().is_some_and(|waiting| waiting.what == WaitFor::Answer);
        assert_eq!(waits, open(task.key), "{} waits for an answer as long as a question is open", task.module);
    }
}

fn handoffs(now: &Snapshot) {
    let live: Vec<_> = now.handoffs.iter().filter(|handoff| handoff.status.is_live()).collect();
    assert_eq!(now.board.pending.handoffs, live.len() as u64, "live handoffs are counted");
    assert_eq!(now.board.pending.left, now.handoffs.len() as u64, "handoffs are counted");
    for handoff in &live {
        let task = now.tasks.iter().find(|task| task.key == handoff.task).expect("a handoff of a task");
        assert!(!task.state.is_final(), "the handoff of {} outlives it", task.module);
        assert_eq!(handoff.status == HandoffStatus::Claimed, handoff.claimed_by.is_some(), "{}", task.module);
    }
    for lease in now.leases.iter().filter(|lease| lease.handed) {
        let agreed =
            |handoff: &Handoff| handoff.task == lease.task && handoff.agreed && handoff.status == HandoffStatus::Ready;
        assert!(live.iter().any(|handoff| agreed(handoff)), "{} was handed and nothing says so", lease.module);
    }
}
