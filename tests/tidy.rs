//! The structure of the source, checked on its text: floors, what may appear where, length, names, forgotten files.
//!
//! It depends on nothing of the crate, so that it says what is wrong even when the crate does not compile. Each rule is
//! a function from a file to complaints, and `every_rule_bites` shows that each of them complains.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::Path;

/// The floors of the design. Imports go down, never up and never sideways.
const FLOORS: &[(&str, u32)] = &[
    ("domain", 0),
    ("platform", 0),
    ("store", 1),
    ("workspace", 1),
    ("board", 2),
    ("projection", 3),
    ("watch", 3),
    ("intake", 3),
    ("workflow", 3),
    ("app", 4),
    ("ops", 5),
    ("bridge", 6),
    ("dispatch", 7),
    ("mcp", 7),
    ("worker", 7),
    ("cli", 8),
    ("main", 9),
];

/// What may appear only in these places: the beginning of a path, after `src/`.
const ONLY_HERE: &[(&[&str], &[&str])] = &[
    (&["rusqlite", "\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE ", "\"PRAGMA "], &["store/sqlite/"]),
    (&["axum::", "tower::", "hyper::", "rustls::"], &["dispatch/"]),
    (&["ureq::"], &["cli/client.rs", "cli/proven.rs"]),
    (&["rmcp::"], &["mcp/"]),
    (&["notify::"], &["watch/"]),
    (&["signal_hook"], &["platform/"]),
    (&["tokio::"], &["bridge", "dispatch/", "mcp/", "worker/"]),
    (&["clap::"], &["ops/", "cli/"]),
    (&["clap_complete", "clap_mangen", "comfy_table", "clap::Command", "ExitCode"], &["cli/", "main.rs"]),
    (&["stdout().lock()", "stderr().lock()", "print!(", "println!("], &["cli/out.rs"]),
    (&["SystemTime", "Instant", "getrandom", "fs2::", "rustix::"], &["platform/"]),
    (&["process::Command", "process::{Child, Command"], &["platform/program.rs"]),
    (&["std::env", "use std::{env"], &["cli/", "app/", "platform/program.rs"]),
    (&["fs::rename", "fs::remove_", "fs::set_permissions", "fs::copy"], &["platform/"]),
];

/// Names that say nothing about what is inside.
const HUBS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "manager"];

/// The longest file, in lines.
const LINES_MOST: usize = 500;

struct Source {
    /// With `/`, from the top of the repository.
    path: String,
    text: String,
    /// Declared under `#[cfg(test)]`: no part of the product.
    is_test: bool,
}

impl Source {
    /// The room: `domain` of `src/domain/task.rs`. None for tests and benches, which stand outside of the floors.
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        Some(inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs"))
    }

    fn stem(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path).trim_end_matches(".rs")
    }

    /// Lines that are code, with their numbers; a file's tests are read from on outside.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| {
            let line = line.trim_start();
            !line.starts_with("//")
        })
    }

    /// The same without the tests at its end.
    fn product(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
    }
}

fn floor_of(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

fn imports_go_down(source: &Source) -> Vec<String> {
    let Some(room) = source.room().filter(|room| *room != "lib") else { return Vec::new() };
    let Some(own) = floor_of(room) else { return vec![format!("{}: no floor has the room {room}", source.path)] };
    let mut wrong = Vec::new();
    for (at, line) in source.code() {
        for word in ["crate::", "callboard::"] {
            for (begin, _) in line.match_indices(word) {
                let before = line[..begin].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let rest = &line[begin + word.len()..];
                let other: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                // A list of rooms in braces hides what is imported.
                let known = if other == "catalogue" { Some(5) } else { floor_of(&other) };
                match known {
                    Some(_) if other == room => {}
                    Some(floor) if floor < own => {}
                    _ => wrong.push(format!("{}:{at}: {room} may not use {word}{other}", source.path)),
                }
            }
        }
    }
    wrong
}

fn stays_where_it_belongs(source: &Source) -> Vec<String> {
    let Some(inside) = source.path.strip_prefix("src/").filter(|_| !source.is_test) else { return Vec::new() };
    let mut wrong = Vec::new();
    for (words, places) in ONLY_HERE {
        if places.iter().any(|place| inside.starts_with(place)) {
            continue;
        }
        for (at, line) in source.product() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{at}: {word} belongs into {}", source.path, places.join(", ")));
            }
        }
    }
    wrong
}

fn is_short_and_introduces_itself(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines = source.text.lines().count();
    if lines > LINES_MOST {
        wrong.push(format!("{}: {lines} lines, {LINES_MOST} are the most", source.path));
    }
    if !source.text.starts_with("//!") {
        wrong.push(format!("{}: the first line does not say what the file is for (//!)", source.path));
    }
    wrong
}

fn has_a_name_that_says_something(source: &Source) -> Vec<String> {
    let mut parts = source.path.trim_end_matches(".rs").split('/');
    let hub = parts.find(|part| HUBS.contains(part) || HUBS.iter().any(|hub| part.ends_with(&format!("_{hub}"))));
    hub.map(|hub| format!("{}: {hub} says nothing about what is inside", source.path)).into_iter().collect()
}

fn mod_files_have_no_logic(source: &Source) -> Vec<String> {
    if !matches!(source.stem(), "mod" | "lib") || !source.path.starts_with("src/") {
        return Vec::new();
    }
    let logic = ["fn ", "struct ", "enum ", "trait ", "impl ", "impl<", "static "];
    let is_logic = |line: &str| {
        let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        logic.iter().any(|word| line.starts_with(word))
    };
    let lines = source.code().filter(|(_, line)| is_logic(line));
    lines.map(|(at, line)| format!("{}:{at}: a mod file has no logic: {}", source.path, line.trim())).collect()
}

/// What looks for such marks in other people's projects has to name them.
const NAMES_MARKS: &str = "intake";

fn leaves_nothing_unfinished(source: &Source) -> Vec<String> {
    if source.path.contains(NAMES_MARKS) {
        return Vec::new();
    }
    // In parts, so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    let attributes = [concat!("#[", "ignore"), concat!("#[", "allow("), concat!("#![", "allow(")];
    let mut wrong = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        for word in marks.iter().chain(&attributes).filter(|word| line.contains(**word)) {
            wrong.push(format!("{}:{}: {word}", source.path, at + 1));
        }
    }
    wrong
}

/// A file that no `mod` line names is never compiled, and its tests never run.
fn forgotten(all: &[Source]) -> Vec<String> {
    let declares = |path: &str, name: &str| {
        let has = |source: &Source| source.code().any(|(_, line)| line.trim_end().ends_with(&format!("mod {name};")));
        all.iter().any(|source| source.path == path && has(source))
    };
    let is_root = |path: &str| {
        matches!(path, "src/lib.rs" | "src/main.rs")
            || path.strip_prefix("tests/").or(path.strip_prefix("benches/")).is_some_and(|name| !name.contains('/'))
            || (path.starts_with("tests/") && path.ends_with("/main.rs"))
    };
    let mut wrong = Vec::new();
    for source in all.iter().filter(|source| !is_root(&source.path)) {
        let (directory, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
        let (directory, name) = match file {
            "mod.rs" => directory.rsplit_once('/').unwrap_or(("", directory)),
            file => (directory, file.trim_end_matches(".rs")),
        };
        let parents = ["mod", "lib", "main"].map(|parent| format!("{directory}/{parent}.rs"));
        // What several tests share is declared by each of them.
        let shared = directory == "tests" && all.iter().any(|test| declares(&test.path, name));
        if !shared && !parents.iter().chain([&format!("{directory}.rs")]).any(|parent| declares(parent, name)) {
            wrong.push(format!("{}: no mod line names it", source.path));
        }
    }
    wrong
}

/// True for `x.rs` when the `mod.rs` beside it says `#[cfg(test)]` above `mod x;`.
fn is_declared_for_tests(path: &Path) -> bool {
    let declared = fs::read_to_string(path.with_file_name("mod.rs")).unwrap_or_default();
    let name = path.file_stem().unwrap().to_string_lossy();
    let lines: Vec<&str> = declared.lines().collect();
    lines.windows(2).any(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with(&format!("mod {name};")))
}

fn sources() -> Vec<Source> {
    fn collect(directory: &Path, top: &Path, found: &mut Vec<Source>) {
        let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                collect(&path, top, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(top).unwrap().components();
                let name: Vec<_> = name.map(|part| part.as_os_str().to_string_lossy()).collect();
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path: name.join("/"), text, is_test: is_declared_for_tests(&path) });
            }
        }
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for directory in ["src", "tests", "benches"] {
        collect(&top.join(directory), top, &mut found);
    }
    found
}

type Rule = fn(&Source) -> Vec<String>;

const RULES: &[Rule] = &[
    imports_go_down,
    stays_where_it_belongs,
    is_short_and_introduces_itself,
    has_a_name_that_says_something,
    mod_files_have_no_logic,
    leaves_nothing_unfinished,
];

#[test]
fn the_house_is_in_order() {
    let all = sources();
    assert!(all.len() > 50, "the sources were found");
    let mut wrong: Vec<String> = RULES.iter().flat_map(|rule| all.iter().flat_map(rule)).collect();
    wrong.extend(forgotten(&all));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_rule_bites() {
    let bad = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned(), is_test: false };
    let up = bad("src/domain/x.rs", "//! x\nuse crate::store::Y;\n");
    assert_eq!(imports_go_down(&up).len(), 1);
    let sideways = bad("src/intake/x.rs", "//! x\nuse crate::projection::Y;\n");
    assert_eq!(imports_go_down(&sideways).len(), 1);
    let hidden = bad("src/cli/x.rs", "//! x\nuse crate::{ops, app};\n");
    assert_eq!(imports_go_down(&hidden).len(), 1);
    assert_eq!(imports_go_down(&bad("src/attic/x.rs", "//! x\n")).len(), 1);
    assert_eq!(imports_go_down(&bad("src/board/x.rs", "//! x\nuse crate::domain::Y;\n")), Vec::<String>::new());
    for (words, _) in ONLY_HERE {
        for word in *words {
            let misplaced = bad("src/domain/x.rs", &format!("//! x\nlet a = {word};\n"));
            assert!(!stays_where_it_belongs(&misplaced).is_empty(), "{word}");
        }
    }
    let long = bad("src/domain/x.rs", &"a\n".repeat(LINES_MOST + 1));
    assert_eq!(is_short_and_introduces_itself(&long).len(), 2);
    for path in ["src/domain/util.rs", "src/misc/x.rs", "tests/test_helpers.rs"] {
        assert_eq!(has_a_name_that_says_something(&bad(path, "")).len(), 1, "{path}");
    }
    assert_eq!(mod_files_have_no_logic(&bad("src/domain/mod.rs", "//! x\npub fn f() {}\n")).len(), 1);
    let unfinished = concat!("//! x\n// TO", "DO\n#[", "allow(dead_code)]\n#[", "ignore]\n");
    assert_eq!(leaves_nothing_unfinished(&bad("src/domain/x.rs", unfinished)).len(), 3);
    let lonely = [bad("src/lib.rs", "//! x\npub mod domain;\n"), bad("src/domain/mod.rs", "//! x\n")];
    assert_eq!(forgotten(&lonely), Vec::<String>::new());
    let lonely = [lonely, [bad("src/domain/x.rs", ""), bad("tests/storm/lost.rs", "")]].into_iter().flatten();
    assert_eq!(forgotten(&lonely.collect::<Vec<_>>()).len(), 2);
}
