//! From a picture of the board to the text of its pages.
//!
//! **Invariants.** The same picture gives the same bytes. Whatever is printed is escaped for markdown, so that no
//! template, built in or a board's own, can let an agent's words open a table cell or a link. Templates run with fuel
//! and into a bounded output; a board's own template runs in a child besides.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::thread::JoinHandle;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value};
use serde::Serialize;

use super::bundles;
use super::error::ProjectionError;
use super::marker::{Marker, hash};
use super::own_templates::OwnTemplates;
use super::pages::{Made, PAGES, Page};
use crate::board::inbox::HandoffView;
use crate::board::pages::{AgentView, BoardView, Picture, SessionView};
use crate::board::preflight::PreflightView;
use crate::board::stalled::Stalled;
use crate::board::views::{LeaseView, TaskView};
use crate::domain::handoff::HandoffKey;
use crate::domain::session_ids::ShownSessions;
use crate::domain::text;

/// How many steps a template may take.
const FUEL: u64 = 200_000;
/// How long a page may be, in bytes; the built-in ones stay far below.
const PAGE_MOST: usize = 256 * 1024;

/// A page with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The name of its file in the plan directory.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The pages of one state of the board, ready to be written.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The state that they show.
    pub marker: Marker,
    /// The pages.
    pub pages: Vec<Rendered>,
    /// The bundles that belong beside them, made now or before: the name of the file, and which handoff it shows.
    pub bundles: BTreeMap<String, HandoffKey>,
    /// What is worth saying.
    pub warnings: Vec<String>,
}

/// Pages that are being drawn while the state that they show is being committed: it is mostly waiting for the disk.
pub struct Drawing(JoinHandle<Result<Drawn, ProjectionError>>);

impl Drawing {
    /// Begins to draw. None where no thread can be had.
    pub fn begin(picture: Picture, templates: OwnTemplates) -> Option<Self> {
        std::thread::Builder::new().spawn(move || draw(&picture, &templates)).ok().map(Self)
    }

    /// The pages.
    pub fn finish(self) -> Result<Drawn, ProjectionError> {
        self.0.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Draws every page. A board's own template in `templates` comes first; where it fails the built-in one is used, and
/// the warnings say what was wrong.
pub fn draw(picture: &Picture, templates: &OwnTemplates) -> Result<Drawn, ProjectionError> {
    let picture = &picture.clone().without_sessions();
    let value = Value::from(Serde(picture));
    let (mut pages, mut warnings) = (Vec::with_capacity(PAGES.len()), Vec::new());
    for page in PAGES {
        let text = match page.made {
            Made::State => state_json(picture),
            Made::HandoffIndex => handoff_index(picture),
            Made::Preflight => match &picture.preflight {
                Some(preflight) => preflight_json(preflight),
                None => continue,
            },
            Made::Template(built_in) => from_template(page, built_in, Some(templates), &value, &mut warnings)?,
        };
        pages.push(Rendered { name: page.name.to_owned(), text });
    }
    for bundle in &picture.bundles {
        pages.push(bundles::draw(bundle, Some(templates), &mut warnings));
    }
    for page in &mut pages {
        // What agents wrote may name a session too.
        if let Cow::Owned(text) = ShownSessions::NONE.text(&page.text) {
            page.text = text;
        }
    }
    let marker = Marker {
        generation: picture.board.generation.clone(),
        revision: picture.board.revision,
        presence: picture.board.presence,
        pages: pages.iter().map(|drawn| (drawn.name.clone(), hash(drawn.text.as_bytes()))).collect(),
        bundles: BTreeMap::new(),
        at: picture.board.changed_at.0,
    };
    let live = picture.handoffs.iter().filter(|handoff| handoff.status.is_live());
    let bundles = live.map(|handoff| (bundles::file(&handoff.module), handoff.handoff)).collect();
    Ok(Drawn { marker, pages, bundles, warnings })
}

/// Fills a template: a board's own in `own` where there is one and it works, else the built-in one.
pub(super) fn from_template(
    page: Page,
    built_in: &str,
    own: Option<&OwnTemplates>,
    value: &Value,
    warnings: &mut Vec<String>,
) -> Result<String, ProjectionError> {
    match own.and_then(|own| own.fill(page, value, warnings)) {
        Some(text) => Ok(text),
        None => fill(page, built_in, value).map_err(|reason| ProjectionError::Template { page: page.name, reason }),
    }
}

/// Fills a template. A source that is not built in is only filled in a confined child.
pub(super) fn fill(page: Page, source: &str, value: &Value) -> Result<String, Box<str>> {
    let said = |error: minijinja::Error| error.to_string().into_boxed_str();
    let mut environment = Environment::empty();
    environment.set_fuel(Some(FUEL));
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.map_err(said)?);
    environment.set_formatter(|out, _, value| match value.as_str() {
        Some(words) if !value.is_safe() => out.write_str(&text::for_markdown(words)).map_err(Into::into),
        _ if value.is_none() || value.is_undefined() => Ok(()),
        _ => write!(out, "{value}").map_err(Into::into),
    });
    environment.add_filter("code", code);
    environment.add_filter("fenced", fenced);
    environment.add_filter("lines", |list: Vec<String>| list.join("\n"));
    environment.add_filter("when", |time: &str| time.get(..16).unwrap_or(time).replace('T', " "));
    environment.add_filter("join", |list: Vec<String>, between: &str| list.join(between));
    environment.add_filter("length", |list: Value| list.len().unwrap_or(0));
    environment.add_filter("cut", |words: Option<&str>, most: usize| text::cut(words.unwrap_or_default(), most));
    environment.add_template("page", source).map_err(said)?;
    let mut out = Bounded { page: page.name, text: Vec::new() };
    environment
        .get_template("page")
        .and_then(|template| template.render_captured_to(value.clone(), &mut out).map(drop))
        .map_err(said)?;
    String::from_utf8(out.text).map_err(|error| error.to_string().into())
}

/// Somebody's words in a fence that nothing in them can close. They stay as they are, but for what steers a terminal.
fn fenced(words: &str, language: Option<&str>) -> Value {
    // Cleaned first: what is taken out may stand before what would close the fence.
    let words: String = words.chars().map(|c| if text::is_unsafe(c) { ' ' } else { c }).collect();
    let longest = words.lines().map(|line| line.trim_start().chars().take_while(|c| *c == '`').count()).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    let (language, words) = (language.unwrap_or("text"), words.trim_end());
    Value::from_safe_string(format!("{fence}{language}\n{words}\n{fence}"))
}

/// A name or command in a code span, which nothing in it can leave.
fn code(words: Option<&str>) -> Value {
    let words = text::one_line(words.unwrap_or_default()).replace('`', "'").replace('|', "\\|");
    Value::from_safe_string(if words.is_empty() { String::new() } else { format!("`{words}`") })
}

struct Bounded {
    page: &'static str,
    text: Vec<u8>,
}

impl std::io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        if self.text.len() + part.len() > PAGE_MOST {
            return Err(std::io::Error::other(format!("{} would be longer than {PAGE_MOST} bytes", self.page)));
        }
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// `handoff-index.json`: the inbox for programs.
fn handoff_index(picture: &Picture) -> String {
    #[derive(Serialize)]
    struct Index<'a> {
        handoffs: &'a [HandoffView],
    }
    let index = Index { handoffs: &picture.handoffs };
    let mut text = text::for_json(serde_json::to_string(&index).expect("handoffs have a JSON form"));
    text.push('\n');
    text
}

/// `preflight.json`: what the team said of itself, and what follows from it.
fn preflight_json(preflight: &PreflightView) -> String {
    let mut text = text::for_json(serde_json::to_string_pretty(preflight).expect("a preflight has a JSON form"));
    text.push('\n');
    text
}

/// `state.json`: the picture, with its groups of tasks joined.
pub fn state_json(picture: &Picture) -> String {
    #[derive(Serialize)]
    struct State<'a> {
        board: &'a BoardView,
        counts: &'a BTreeMap<String, u64>,
        tasks: Vec<&'a TaskView>,
        stalled: &'a [Stalled],
        agents: &'a [AgentView],
        sessions: &'a [SessionView],
        leases: &'a [LeaseView],
        omitted: &'a BTreeMap<String, u64>,
    }
    let state = State {
        board: &picture.board,
        counts: &picture.counts,
        tasks: picture.tasks().collect(),
        stalled: &picture.stalled,
        agents: &picture.agents,
        sessions: &picture.sessions,
        leases: &picture.leases,
        omitted: &picture.omitted,
    };
    let mut text = text::for_json(serde_json::to_string(&state).expect("a picture has a JSON form"));
    text.push('\n');
    text
}
