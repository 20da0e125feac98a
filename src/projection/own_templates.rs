//! A board's own templates: written by anybody who may write into its directory, so they are filled in a confined child.
//!
//! **Invariants.** No template can end, fill or hold up the process that needs its page: a template that recurses, that
//! multiplies text or that never ends costs its child, and the built-in template is used.

use std::cell::Cell;
use std::io::Read;
use std::path::{Path, PathBuf};

use minijinja::Value;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};

use super::pages::{BUNDLE, PAGES, Page};
use super::render::fill;
use crate::platform::{file, sandbox};

/// The only argument of the confined child.
pub const FILL_TEMPLATE: &str = "--fill-this-template";
/// Maximum bytes of a template.
const MAX_TEMPLATE: u64 = 64 * 1024;

/// Where a board keeps its own templates, and the program that fills them.
#[derive(Debug)]
pub struct OwnTemplates {
    directory: PathBuf,
    program: PathBuf,
    /// True once a child did not answer: the pages that are left are not worth the same wait again.
    failed: Cell<bool>,
}

/// What the child is asked.
#[derive(Deserialize)]
struct Asked {
    page: String,
    source: String,
    value: serde_json::Value,
}

/// What the child answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answered {
    Text(String),
    Failed(String),
}

impl OwnTemplates {
    /// The templates in the plan directory `plan`. `program` is this program.
    pub fn new(plan: &Path, program: &Path) -> Self {
        Self { directory: plan.join("templates"), program: program.to_owned(), failed: Cell::new(false) }
    }

    /// Fills the board's own template of a page. Returns none, with a warning, where it cannot be used, and none without one
    /// where there is no such template.
    pub(super) fn fill(&self, page: Page, value: &Value, warnings: &mut Vec<String>) -> Option<String> {
        let path = self.directory.join(format!("{}.j2", page.name));
        let mut used_instead = |reason: &str| {
            warnings.push(format!("{reason}; the built-in template is used"));
            None
        };
        let source = match file::read(&path, MAX_TEMPLATE + 1) {
            Ok(source) => source?,
            Err(error) => return used_instead(&error.to_string()),
        };
        let path = path.display();
        if source.len() as u64 > MAX_TEMPLATE {
            return used_instead(&format!("{path} is longer than {MAX_TEMPLATE} bytes"));
        }
        let Ok(source) = String::from_utf8(source) else {
            return used_instead(&format!("{path} is not UTF-8"));
        };
        if self.failed.get() {
            return used_instead(&format!("{path} was not tried after another template failed"));
        }
        let asked = serde_json::json!({"page": page.name, "source": source, "value": value});
        let answer = sandbox::run(&self.program, FILL_TEMPLATE, asked.to_string().into_bytes());
        match answer.and_then(|answer| serde_json::from_slice(&answer).ok()) {
            Some(Answered::Text(text)) => Some(text),
            Some(Answered::Failed(reason)) => used_instead(&format!("{path}: {reason}")),
            None => {
                self.failed.set(true);
                used_instead(&format!("{path} needs more stack, memory or time than a page may take"))
            }
        }
    }
}

/// The work of the confined child: fills the template that it reads, and returns its answer. Returns none where it cannot be
/// confined or was asked for nothing.
pub fn fill_confined(input: impl Read) -> Option<String> {
    if !sandbox::confine() {
        return None;
    }
    let asked: Asked = serde_json::from_reader(input.take(sandbox::MAX_INPUT)).ok()?;
    let page = PAGES.into_iter().chain([BUNDLE]).find(|page| page.name == asked.page)?;
    let answer = match fill(page, &asked.source, &Value::from(Serde(&asked.value))) {
        Ok(text) => Answered::Text(text),
        Err(reason) => Answered::Failed(reason.into_string()),
    };
    serde_json::to_string(&answer).ok()
}
