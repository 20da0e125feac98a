//! The manual: what can be generated is, and every command line in it is one that callboard takes.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use callboard::domain::refusal::{Code, Exit};
use callboard::ops::{Kind, Operation};
use expect_test::ExpectFile;
use schemars::schema_for;
use serde_json::Value;

use crate::aboard::git;
use crate::project::Project;

/// A file of the repository that a test writes when it is asked to.
pub fn generated(path: &str) -> ExpectFile {
    expect_test::expect_file![Path::new(env!("CARGO_MANIFEST_DIR")).join(path)]
}

const NOTE: &str = "<!-- generated: UPDATE_EXPECT=1 cargo test --test process manual -->\n";

#[test]
fn codes_are_those_of_the_program() {
    let mut page = format!("# Exit codes and refusal codes\n\n{NOTE}\n| exit | means |\n| --- | --- |\n");
    for exit in Exit::ALL {
        let _ = writeln!(page, "| {} | {} |", *exit as i32, exit.meaning());
    }
    page.push_str(
        "\nA refusal has a stable code, a message, a hint that is a command, and details:\n\
         `{\"ok\":false,\"revision\":N,\"error\":{\"code\",\"message\",\"hint\",\"details\"}}`. A code never changes its meaning and\n\
         never goes away. `details.holder` says who holds it and until when. In a loop: 0 work, 3, 5 and 7 go on, everything\n\
         else ends it.\n\n| code | exit | means |\n| --- | --- | --- |\n",
    );
    for code in Code::ALL {
        let _ = writeln!(page, "| `{code}` | {} | {} |", code.exit() as i32, code.meaning());
    }
    generated("references/codes.md").assert_eq(&page);
}

/// What a schema says a value is.
fn kind_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap().to_owned();
    }
    for many in ["anyOf", "allOf", "oneOf"] {
        if let Some(list) = schema[many].as_array() {
            let list: Vec<String> = list.iter().map(kind_of).collect();
            return list.join(" or ");
        }
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", kind_of(&schema["items"])),
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let kinds: Vec<String> = kinds.iter().map(|kind| kind.as_str().unwrap().to_owned()).collect();
            let items =
                if schema["items"].is_null() { String::new() } else { format!(" of {}", kind_of(&schema["items"])) };
            kinds.join(" or ").replace("array", &format!("list{items}"))
        }
        _ => "any".to_owned(),
    }
}

fn fields(page: &mut String, schema: &Value) {
    page.push_str("| field | type | what it is |\n| --- | --- | --- |\n");
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let said = field["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(page, "| `{name}` | {} | {said} |", kind_of(field));
    }
    page.push('\n');
}

fn operation<O: Operation>(page: &mut String, shapes: &mut std::collections::BTreeMap<String, Value>) {
    let kind = match O::KIND {
        Kind::Read => "reads",
        Kind::Presence => "records presence",
        Kind::Mutation => "changes the board",
    };
    let own = schema_for!(O).to_value();
    let about = own["description"].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    let reply = schema_for!(O::Reply).to_value();
    for schema in [&own, &reply] {
        for (name, shape) in schema["$defs"].as_object().into_iter().flatten() {
            shapes.insert(name.clone(), shape.clone());
        }
    }
    let _ = writeln!(page, "### {}\n\n{about} ({kind})\n", O::NAME);
    fields(page, &reply);
}

macro_rules! all {
    ($($operation:ty),+ $(,)?) => {
        fn operations(page: &mut String, shapes: &mut std::collections::BTreeMap<String, Value>) {
            $(operation::<$operation>(page, shapes);)+
        }
    };
}

callboard::catalogue!(all);

#[test]
fn replies_are_those_of_the_catalogue() {
    let mut page = format!(
        "# JSON\n\n{NOTE}\nEvery command prints one object with `--json`, also for refusals.\n\n\
         Success: `{{\"ok\":true,\"revision\":N,...}}`, with `request_id` on changes, `replayed` when it had been done before, `nothing`\n\
         and `complete` where there is nothing to do, `projection_behind` when the pages do not show it yet, `warnings`.\n\
         A check that finds something (`doctor`, `validate`, `check-paths`) has `ok:false` and `error` beside its fields.\n\
         Refusal: [codes.md](codes.md). Times are RFC 3339 UTC with milliseconds; lengths of time end in `_seconds`; lists are never null.\n\
         Fields are added, never renamed: ignore what you do not know.\n\n## Replies\n\n"
    );
    let mut shapes = std::collections::BTreeMap::new();
    operations(&mut page, &mut shapes);
    page.push_str("## Shapes\n\nWhat the replies are made of.\n\n");
    for (name, shape) in &shapes {
        let said = shape["description"].as_str().unwrap_or_default().replace('\n', " ");
        if shape["properties"].is_object() {
            let _ = writeln!(page, "### {name}\n\n{said}\n");
            fields(&mut page, shape);
        }
    }
    generated("references/json.md").assert_eq(&page);
}

/// The lines of the `sh` blocks of a page, and the commands in its code spans.
fn lines_of(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let mut lines = Vec::new();
    for (at, block) in text.split("```").enumerate() {
        if at % 2 == 1 {
            let body = block.strip_prefix("sh\n").into_iter().flat_map(str::lines);
            lines.extend(body.filter(|line| line.contains("callboard")).map(ToOwned::to_owned));
        } else {
            let spans = block.split('`').skip(1).step_by(2);
            lines.extend(spans.filter(|span| span.starts_with("callboard ")).map(|span| span.replace('\n', " ")));
        }
    }
    lines
}

/// A line as it could be typed: placeholders stand for something.
fn typed(line: &str) -> String {
    let line = line.replace("{{ thread_key }}", "key");
    let line = line.split(" # ").next().unwrap().replace("...", "").replace("work;;", "true;;");
    let line = line.replace("workers|agent:ID|humans", "workers").replace("0..4", "1").replace("required|none", "none");
    let line = line.replace("--watch-seconds 90", "--watch-seconds 0").replace("--follow --jsonl", "");
    let line = line.replace(" N", " 5").replace(" PID", " 1");
    // What serves goes on until it is stopped: that its line is understood is seen by its help.
    let serves = line.starts_with("callboard serve") || line == "callboard mcp";
    if serves { line + " --help" } else { line.replace("--server-url http://127.0.0.1:8765", "") }
}

#[test]
fn every_command_line_of_the_manual_is_one_that_callboard_takes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("SKILL.md")];
    for directory in ["references", "templates/prompts"] {
        pages.extend(std::fs::read_dir(root.join(directory)).unwrap().map(|entry| entry.unwrap().path()));
    }
    let project = Project::bare();
    git(&project, &["init", "-q"]);
    project.ok(&["init"]);
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages {
        for line in lines_of(&page) {
            if line.contains("callboard COMMAND") || line.starts_with("callboard's") || line.contains("install --path")
            {
                continue;
            }
            count += 1;
            let mut shell = Command::new("bash");
            project.closed(shell.args(["-c", &typed(&line)]));
            let output = shell.output().unwrap();
            // Whatever the board says to it, it is no wrong usage.
            if output.status.code() == Some(2) || output.status.code() == Some(127) {
                wrong.push(format!(
                    "{}: {line}\n  {}",
                    page.file_name().unwrap().to_string_lossy(),
                    String::from_utf8_lossy(&output.stderr)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 60, "the lines were found: {count}");
}

/// Each line of the table of attackers names a test that is there.
#[test]
fn the_security_page_names_tests_that_exist() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(top.join("SECURITY.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with("| position |")).skip(2);
    let mut named = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let test = row.trim_end_matches('|').rsplit('|').next().unwrap().trim();
        if test == "(pending)" {
            continue;
        }
        let (file, name) = test.trim_matches('`').split_once("::").unwrap_or_else(|| panic!("{row}"));
        let source = std::fs::read_to_string(top.join(format!("tests/process/{file}.rs"))).unwrap();
        assert!(source.contains(&format!("#[test]\nfn {name}()")), "{row}");
        named += 1;
    }
    assert!(named > 15, "the table was found");
}
