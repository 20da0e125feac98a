//! How a project is entered, built and tested, as its files say. Nothing is run.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::drafts::{Draft, Evidence, Kind};
use crate::domain::word::words;
use crate::platform::file;

words! {
    /// What a command is for.
    Purpose, "purpose" {
        /// It builds.
        Build = "build",
        /// It tests.
        Test = "test",
        /// It checks style.
        Lint = "lint",
    }
}

/// A command that the project seems to be built or tested with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectCommand {
    /// What it is for.
    pub purpose: Purpose,
    /// The command line.
    pub command: String,
    /// What says so.
    pub evidence: Evidence,
}

/// Files in which programs begin: the end of a path, after a slash or as a whole.
const ENTRIES: &[&str] = &[
    "src/main.rs",
    "src/lib.rs",
    "main.go",
    "main.py",
    "__main__.py",
    "__init__.py",
    "app.py",
    "manage.py",
    "setup.py",
    "index.js",
    "index.ts",
    "index.mjs",
    "src/index.tsx",
    "src/main.ts",
    "src/main.tsx",
    "server.js",
    "Main.java",
    "Program.cs",
    "main.c",
    "main.cpp",
    "main.cc",
    "main.swift",
    "Main.kt",
    "config.ru",
    "index.php",
    "index.html",
    "mix.exs",
];
/// So many entry files are named, nearest to the top first.
const ENTRIES_MOST: usize = 20;
/// Manifests are read this deep below the top: a command belongs to the project, not to each of its packages.
const MANIFESTS_DEEP: usize = 1;
/// The longest manifest that is read, in bytes.
const MANIFEST_MOST: u64 = 512 * 1024;

/// The entry files among those of a project.
pub(super) fn entries(files: &[String]) -> Vec<String> {
    let is_entry = |path: &&String| {
        let last = path.rsplit('/').next().unwrap_or(path);
        ENTRIES.iter().any(|name| {
            name.ends_with(last)
                && path.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        })
    };
    let mut found: Vec<&String> = files.iter().filter(is_entry).collect();
    found.sort_by_key(|path| (depth(path), path.as_str()));
    found.into_iter().take(ENTRIES_MOST).cloned().collect()
}

pub(super) fn depth(path: &str) -> usize {
    path.matches('/').count()
}

/// What the manifests say: commands, and drafts for manifests that cannot work.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    pub(super) commands: Vec<ProjectCommand>,
    pub(super) drafts: Vec<Draft>,
}

/// Reads the manifests of a project, those of its top first.
pub(super) fn manifests(top: &Path, files: &[String]) -> Manifests {
    let mut found = Manifests::default();
    let mut near: Vec<&String> = files.iter().filter(|path| depth(path) <= MANIFESTS_DEEP).collect();
    near.sort_by_key(|path| (depth(path), path.as_str()));
    for path in near {
        let name = path.rsplit('/').next().unwrap_or(path);
        let read = || {
            let bytes = file::read(&top.join(path), MANIFEST_MOST).ok().flatten()?;
            String::from_utf8(bytes).ok()
        };
        let there = depth(path) == 0;
        match name {
            "Cargo.toml" if there => found.known(path, "cargo build", "cargo test"),
            "go.mod" if there => found.known(path, "go build ./...", "go test ./..."),
            "pom.xml" if there => found.known(path, "mvn package", "mvn test"),
            "build.gradle" | "build.gradle.kts" if there => found.known(path, "gradle build", "gradle test"),
            "CMakeLists.txt" if there => {
                found.known(path, "cmake -B build && cmake --build build", "ctest --test-dir build");
            }
            "mix.exs" if there => found.known(path, "mix compile", "mix test"),
            "Package.swift" if there => found.known(path, "swift build", "swift test"),
            "package.json" => {
                if let Some(text) = read() {
                    found.package(path, &text, files);
                }
            }
            "pyproject.toml" | "setup.py" | "setup.cfg" | "tox.ini" | "pytest.ini" if there => {
                let text = read().unwrap_or_default();
                let pytest = text.contains("pytest") || name == "pytest.ini";
                let command = if pytest { "python -m pytest" } else { "python -m unittest discover" };
                found.add(Purpose::Test, command, Evidence::file(path, "the manifest of a Python project"));
            }
            "Makefile" | "makefile" | "GNUmakefile" | "justfile" | "Justfile" if there => {
                let tool = if name.eq_ignore_ascii_case("justfile") { "just" } else { "make" };
                found.targets(path, &read().unwrap_or_default(), tool);
            }
            "test.sh" if path.as_str() == "scripts/test.sh" => {
                found.add(Purpose::Test, "scripts/test.sh", Evidence::file(path, "a script of that name"));
            }
            _ => {}
        }
    }
    found
}

impl Manifests {
    /// The first command of a purpose stays: the nearest to the top.
    fn add(&mut self, purpose: Purpose, command: &str, evidence: Evidence) {
        if !self.commands.iter().any(|known| known.purpose == purpose && known.command == command) {
            self.commands.push(ProjectCommand { purpose, command: command.to_owned(), evidence });
        }
    }

    fn known(&mut self, path: &str, build: &str, test: &str) {
        self.add(Purpose::Build, build, Evidence::file(path, "the manifest of its build tool"));
        self.add(Purpose::Test, test, Evidence::file(path, "the manifest of its build tool"));
    }

    fn targets(&mut self, path: &str, text: &str, tool: &str) {
        for (at, line) in text.lines().enumerate() {
            let Some((target, _)) = line.split_once(':') else { continue };
            let purpose = match target.trim() {
                "build" => Purpose::Build,
                "test" | "check" => Purpose::Test,
                "lint" => Purpose::Lint,
                _ => continue,
            };
            self.add(purpose, &format!("{tool} {}", target.trim()), Evidence::line(path, at + 1, line));
        }
    }

    fn package(&mut self, path: &str, text: &str, files: &[String]) {
        let parsed: Result<Value, _> = serde_json::from_str(text);
        let manifest = match parsed {
            Ok(manifest) => manifest,
            Err(error) => {
                let seen =
                    Evidence { line: u32::try_from(error.line()).ok(), ..Evidence::file(path, &error.to_string()) };
                self.drafts.push(Draft::new(Kind::Broken, &format!("Mend {path}: it is no JSON"), "", vec![seen]));
                return;
            }
        };
        if depth(path) > 0 {
            return;
        }
        let has = |name: &str| files.binary_search_by(|file| file.as_str().cmp(name)).is_ok();
        let tool = match () {
            () if has("pnpm-lock.yaml") => "pnpm",
            () if has("yarn.lock") => "yarn",
            () if has("bun.lock") || has("bun.lockb") => "bun",
            () => "npm",
        };
        let line_of = |name: &str| {
            let key = format!("\"{name}\"");
            text.lines().position(|line| line.trim_start().starts_with(&key)).map_or(1, |at| at + 1)
        };
        for (name, purpose) in [("build", Purpose::Build), ("test", Purpose::Test), ("lint", Purpose::Lint)] {
            let Some(script) = manifest["scripts"][name].as_str() else { continue };
            let seen = Evidence::line(path, line_of(name), script);
            if script.contains("no test specified") {
                let title = "Give the project tests: its test script only fails";
                self.drafts.push(Draft::new(Kind::Broken, title, "test", vec![seen]));
                continue;
            }
            self.add(purpose, &format!("{tool} run {name}"), seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(files: &[(&str, &str)]) -> (tempfile::TempDir, Vec<String>) {
        let top = tempfile::tempdir().expect("a directory");
        for (name, content) in files {
            #[expect(clippy::disallowed_methods, reason = "a test prepares its files")]
            std::fs::write(top.path().join(name), content).expect("written");
        }
        let mut names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.sort();
        (top, names)
    }

    fn lines(files: &[(&str, &str)]) -> Vec<String> {
        let (top, names) = made(files);
        let found = manifests(top.path(), &names).commands;
        found.iter().map(|known| format!("{}: {} ({})", known.purpose, known.command, known.evidence.place())).collect()
    }

    #[test]
    fn manifests_say_how_a_project_is_tested() {
        assert_eq!(
            lines(&[("Cargo.toml", ""), ("Makefile", "all: x\ntest: all\n\tcargo test\n")]),
            ["build: cargo build (Cargo.toml)", "test: cargo test (Cargo.toml)", "test: make test (Makefile:2)"]
        );
        let package = "{\n \"scripts\": {\n  \"test\": \"jest\",\n  \"build\": \"tsc\"\n }\n}";
        assert_eq!(
            lines(&[("package.json", package), ("yarn.lock", "")]),
            ["build: yarn run build (package.json:4)", "test: yarn run test (package.json:3)"]
        );
        assert_eq!(lines(&[("pyproject.toml", "[tool.pytest]")]), ["test: python -m pytest (pyproject.toml)"]);
    }

    #[test]
    fn a_manifest_that_cannot_work_is_named() {
        let (top, names) = made(&[("package.json", "{\n \"name\": \n}")]);
        let drafts = manifests(top.path(), &names).drafts;
        assert_eq!((drafts[0].kind, drafts[0].evidence[0].place()), (Kind::Broken, "package.json:3".to_owned()));
        let none = "{\"scripts\": {\"test\": \"echo \\\"Error: no test specified\\\" && exit 1\"}}";
        let (top, names) = made(&[("package.json", none)]);
        let found = manifests(top.path(), &names);
        assert!(found.commands.is_empty() && found.drafts.len() == 1);
    }

    #[test]
    fn entry_files_are_named_from_the_top_down() {
        let files = ["a/b/main.go", "lib/remain.go", "main.go", "x/src/main.rs"].map(str::to_owned);
        assert_eq!(entries(&files), ["main.go", "a/b/main.go", "x/src/main.rs"]);
    }
}
