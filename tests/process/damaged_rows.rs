//! Every operation of the catalogue on every damaged board: none fails as if callboard itself were to blame.

use callboard::ops::Operation;

use crate::damage::{Damage, WAYS, board, sql};
use crate::project::{Project, Run};

macro_rules! all {
    ($($operation:ty),+ $(,)?) => {
        /// The example of every operation: a line that works on some board.
        const EXAMPLES: &[&str] = &[$(<$operation as Operation>::EXAMPLE),+];
    };
}

callboard::catalogue!(all);

/// What no rule minds, and what an operation could stumble over all the same.
const MINOR: &[(&str, Damage)] = &[
    ("nobody knows who submitted a review", |p| sql(p, "UPDATE tasks SET last_agent = NULL")),
    ("a bundle that is none", |p| sql(p, "UPDATE handoffs SET bundle = '{'")),
    ("times that never were", |p| sql(p, "UPDATE tasks SET created_at = 9223372036854775807, changed_at = -1 << 62")),
];

/// A task that is worked on, one in review, one that waits for an answer, and one that is left for somebody.
const TASKS: [&str; 4] = ["t0", "t3", "t4", "t5"];

/// The words of a line, as a shell takes it apart.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == ' ' => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.into_iter().filter(|word| !word.is_empty()).skip(1).collect()
}

/// The lines of all operations about the board of [`board`].
fn lines(project: &Project) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for example in EXAMPLES {
        let example = example.replace("worker-a", "ann").replace("worker-b", "ben").replace("reviewer-a", "ben");
        let example = example.replace("q-3", "q-1").replace("event-feed", "feed").replace("web-login", "t2");
        let example = example.replace("--watch-seconds 60", "").replace("--watch-seconds 90", "");
        let about = if example.contains("core-auth") && !example.contains("add-task") { &TASKS[..] } else { &["new"] };
        for task in about {
            let token = format!("SELECT token FROM leases WHERE module = '{task}'");
            let token = project.db().query_row(&token, [], |row| row.get(0)).unwrap_or_else(|_| "lt-none".to_owned());
            let line = example.replace("core-auth", task).replace("TOKEN", &token);
            lines.push([words(&line), vec!["--json".to_owned()]].concat());
        }
    }
    lines
}

/// What is wrong with an answer of a damaged board; `Run::of` has seen that it is no panic and no 1.
fn complaint(run: &Run) -> Option<String> {
    if run.code != 9 {
        return None;
    }
    let (code, hint) = (run.refusal(), run.json()["error"]["hint"].to_string());
    // `doctor` says of a database that is gone that the place is wrong.
    let fits = matches!(code.as_str(), "damaged" | "board_lost" | "wrong_place")
        && hint.contains("callboard validate --repair");
    (!fits).then(|| format!("{code} -> {hint}"))
}

fn every_operation_on(whole: &Project, (name, damage): (&str, Damage)) -> Vec<String> {
    let mut lines = lines(whole);
    let mut complaints = Vec::new();
    let damaged = whole.copy();
    damage(&damaged);
    if damaged.run(&["tasks"]).code == 9 {
        // It is met by whoever opens the database: one task is as good as all.
        lines.retain(|line| !TASKS[1..].iter().any(|task| line.iter().any(|word| word == task)));
    }
    let mut project = damaged.copy();
    for line in &lines {
        let run = project.run(line);
        complaints.extend(complaint(&run).map(|said| format!("{name}: {line:?}: {said}")));
        if matches!(run.code, 0 | 3 | 10) {
            project = damaged.copy();
        }
    }
    complaints
}

#[test]
fn every_operation_meets_every_damage_and_none_takes_the_blame() {
    let whole = board();
    assert!(lines(&whole).len() > EXAMPLES.len() + 50, "tasks were put in");
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        let mut complaints = Vec::new();
        while let Some(way) = WAYS.iter().chain(MINOR).nth(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            complaints.extend(every_operation_on(&whole, *way));
        }
        complaints
    };
    let complaints: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
