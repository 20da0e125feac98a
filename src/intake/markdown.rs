//! A markdown checklist.
//!
//! Every `- [ ] title` is a task, and `- [x] title` one that is done. Nesting gives parents: a parent depends on its
//! children. The module is made from the title; attributes in braces at the end of the line say more, as in
//! `- [ ] Sign in {module=core-auth priority=1 specialty=backend depends=db,mail paths=src/auth/** review=required}`; the
//! names of the flags of `add-task` are understood too, and a label is `label=KEY:VALUE`. Indented text below an item is
//! its body. Blocks in code fences are no items.

use std::collections::HashSet;
use std::str::FromStr;

use crate::board::imports::PlannedTask;
use crate::board::tasks::NewTask;
use crate::domain::id::Module;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Candidates, TaskState, TaskTexts};
use crate::domain::text;

/// What a line may say in braces.
const ATTRIBUTES: &str = "{module=NAME priority=0..4 specialty=S depends=A,B paths=GLOB,... review=required reviewer=ID estimate=MINUTES label=K:V}";

/// The tasks of a checklist, in the order of its lines. Refuses with `import_line` what cannot be a task.
pub fn plan(text: &str) -> Result<Vec<PlannedTask>, Refusal> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut plan: Vec<PlannedTask> = Vec::new();
    let mut open: Vec<(usize, Module)> = Vec::new();
    let mut taken = HashSet::new();
    for item in text.lines().filter_map(Item::parse) {
        // A name that an attribute gives is meant; names made from titles keep out of its way.
        if let Some(module) = item.named() {
            taken.insert(module.to_owned());
        }
    }
    let mut fence: Option<(usize, &str)> = None;
    // Which task of the plan an open item became.
    let mut owners: Vec<usize> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        let was_fenced = fence.is_some();
        match (fence, mark) {
            (None, Some(mark)) => fence = Some((number, mark)),
            (Some((_, open)), Some(mark)) if open == mark => fence = None,
            _ => {}
        }
        let item = if was_fenced || fence.is_some() { None } else { Item::parse(line) };
        let Some(item) = item else {
            let is_text = !line.trim().is_empty();
            // Text belongs to the innermost item that it is indented below.
            while is_text && !was_fenced && open.last().is_some_and(|(indent, _)| indent_of(line) <= *indent) {
                open.pop();
                owners.pop();
            }
            if let (Some((indent, _)), Some(owner)) = (open.last(), owners.last()) {
                let body = &mut plan[*owner].task.texts.body;
                body.push_str(without_indent(line, indent + 2));
                body.push('\n');
            }
            continue;
        };
        while open.last().is_some_and(|(indent, _)| *indent >= item.indent) {
            open.pop();
            owners.pop();
        }
        let parent = open.last().map(|(_, module)| module.clone());
        let indent = item.indent;
        let task = item.task(number, parent, &mut taken)?;
        open.push((indent, task.module.clone()));
        owners.push(plan.len());
        plan.push(PlannedTask { line: number, task });
    }
    if let Some((line, mark)) = fence {
        return Err(bad(line, format!("the {mark} that opens here is never closed")).hint("close it, or take it out"));
    }
    for planned in &mut plan {
        let body = planned.task.texts.body.trim_matches('\n').trim_end().to_owned();
        planned.task.texts.body = text::bounded("the body", &body).map_err(|refusal| at_line(planned.line, refusal))?;
    }
    Ok(plan)
}

/// How far a line is indented; a tab counts for four.
pub(super) fn indent_of(line: &str) -> usize {
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).map(width).sum()
}

fn width(white: char) -> usize {
    if white == '\t' { 4 } else { 1 }
}

/// The line without its indent, of which at most so much is taken.
fn without_indent(line: &str, most: usize) -> &str {
    let mut taken = 0;
    let text = line.find(|c| {
        let more = matches!(c, ' ' | '\t') && taken < most;
        taken += if more { width(c) } else { 0 };
        !more
    });
    text.map_or("", |text| &line[text..])
}

/// A line of a checklist.
pub(super) struct Item<'a> {
    pub(super) indent: usize,
    pub(super) done: bool,
    pub(super) title: &'a str,
    attributes: &'a str,
}

impl<'a> Item<'a> {
    /// The item of a line, if it is one.
    pub(super) fn parse(line: &'a str) -> Option<Self> {
        let rest = line.trim_start_matches([' ', '\t']);
        let indent = indent_of(line);
        let rest = match rest.strip_prefix(['-', '*', '+']) {
            Some(rest) => rest,
            None => rest.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(['.', ')'])?,
        };
        let rest = rest.trim_start();
        let (done, rest) = match rest.get(..3)? {
            "[ ]" => (false, &rest[3..]),
            "[x]" | "[X]" => (true, &rest[3..]),
            _ => return None,
        };
        let rest = rest.trim();
        let (title, attributes) = match rest.strip_suffix('}').and_then(|rest| rest.rsplit_once('{')) {
            Some((title, attributes)) if attributes.contains('=') => (title.trim(), attributes),
            _ => (rest, ""),
        };
        Some(Self { indent, done, title, attributes })
    }

    fn named(&self) -> Option<&'a str> {
        self.attributes.split_whitespace().find_map(|pair| pair.strip_prefix("module="))
    }

    fn task(&self, line: usize, parent: Option<Module>, taken: &mut HashSet<String>) -> Result<NewTask, Refusal> {
        let mut task = NewTask {
            module: self.module(line, taken)?,
            title: text::title(&unmarked(self.title)).map_err(|refusal| at_line(line, refusal))?,
            texts: TaskTexts::default(),
            priority: 2,
            specialty: None,
            depends_on: Vec::new(),
            owned_paths: Vec::new(),
            candidates: Candidates::default(),
            estimate_minutes: None,
            review: None,
            reviewer: None,
            labels: std::collections::BTreeMap::new(),
            parent,
            state: if self.done { TaskState::Done } else { TaskState::Open },
        };
        for pair in self.attributes.split_whitespace() {
            let (key, value) = pair.split_once('=').ok_or_else(|| bad(line, format!("{pair:?} is not KEY=VALUE")))?;
            match key.replace('-', "_").as_str() {
                "module" => {}
                "priority" => {
                    task.priority = one::<u8>(line, key, value)?;
                    if task.priority > 4 {
                        return Err(bad(line, "a priority is 0 (most urgent) to 4"));
                    }
                }
                "specialty" => task.specialty = Some(one(line, key, value)?),
                "depends" | "depends_on" => task.depends_on = list(line, key, value)?,
                "paths" | "owned_paths" => task.owned_paths = list(line, key, value)?,
                "estimate" | "estimate_minutes" => task.estimate_minutes = Some(one(line, key, value)?),
                "review" => task.review = Some(one(line, key, value)?),
                "reviewer" | "reviewer_id" => task.reviewer = Some(one(line, key, value)?),
                "label" => {
                    let (name, value) = value.split_once(':').ok_or_else(|| bad(line, "a label is label=KEY:VALUE"))?;
                    task.labels.insert(name.to_owned(), value.to_owned());
                }
                // A misspelled dependency must not be lost.
                _ => return Err(bad(line, format!("there is no attribute {key:?}")).hint(ATTRIBUTES)),
            }
        }
        Ok(task)
    }

    fn module(&self, line: usize, taken: &mut HashSet<String>) -> Result<Module, Refusal> {
        if let Some(name) = self.named() {
            return one(line, "module", name);
        }
        let Some(module) = Module::from_words(self.title) else {
            return Err(bad(line, format!("no name can be made from {:?}", text::cut(self.title, 60)))
                .hint("add {module=NAME} at the end of the line"));
        };
        let free = std::iter::once(module.clone()).chain((2..).map(|number| module.numbered(number)));
        let name = free.into_iter().find(|name| !taken.contains(name.as_str())).expect("numbers do not end");
        taken.insert(name.as_str().to_owned());
        Ok(name)
    }
}

/// A title without emphasis and code marks around it.
pub(super) fn unmarked(title: &str) -> String {
    title.replace("**", "").replace('`', "")
}

fn one<T: FromStr<Err: std::fmt::Display>>(line: usize, key: &str, value: &str) -> Result<T, Refusal> {
    value.parse().map_err(|error| bad(line, format!("{key}: {error}")))
}

fn list<T: FromStr<Err: std::fmt::Display>>(line: usize, key: &str, values: &str) -> Result<Vec<T>, Refusal> {
    values.split(',').filter(|value| !value.is_empty()).map(|value| one(line, key, value)).collect()
}

fn bad(line: usize, message: impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::ImportLine, format!("line {line}: {message}")).detail("line", line)
}

fn at_line(line: usize, refusal: Refusal) -> Refusal {
    let hint = refusal.hint.clone();
    Refusal { hint, ..bad(line, refusal) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "# Shop\n\n- [ ] Sign in {priority=1 specialty=backend paths=src/auth/**}\n  Mind the *clock*.\n\n  \
        - [x] Schema\n  - [ ] Sign in {label=team:blue}\n\n1. [ ] Release {module=ship depends=sign-in}\n- not a task\n\
        ```\n- [ ] an example\n```\n";

    #[test]
    fn nesting_names_attributes_and_bodies() {
        let plan = plan(PLAN).expect("a plan");
        let names: Vec<&str> = plan.iter().map(|planned| planned.task.module.as_str()).collect();
        assert_eq!(names, ["sign-in", "schema", "sign-in-2", "ship"]);
        let first = &plan[0].task;
        assert_eq!((first.priority, first.texts.body.as_str()), (1, "Mind the *clock*."));
        assert_eq!(first.owned_paths[0].as_str(), "src/auth/**");
        assert_eq!(plan[1].task.parent.as_ref().map(Module::as_str), Some("sign-in"));
        assert_eq!(plan[1].task.state, TaskState::Done);
        assert_eq!(plan[2].task.labels["team"], "blue");
        assert_eq!((plan[3].task.depends_on[0].as_str(), plan[3].line), ("sign-in", 9));
        assert!(plan[3].task.parent.is_none());
    }

    #[test]
    fn no_text_is_lost() {
        let text = "\u{feff}- [ ] First\n- [ ] Parent\n\tbody of parent\n\t- [ ] Child\n\t\tbody\n  back to parent\n\
            - [ ] Short\n é one space\n~~~\n- [ ] an example\n~~~\n- [ ] After {depends_on=first owned-paths=a/b}\n";
        let plan = plan(text).expect("a plan");
        let bodies: Vec<_> = plan.iter().map(|one| (one.task.title.as_str(), one.task.texts.body.as_str())).collect();
        let expected = [
            ("First", ""),
            ("Parent", "body of parent\nback to parent"),
            ("Child", "body"),
            ("Short", "é one space"),
            ("After", ""),
        ];
        assert_eq!(bodies, expected);
        assert_eq!(plan[4].task.depends_on[0].as_str(), "first");
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, line) in [
            ("- [ ] a\n- [ ] b {priority=9}", 2),
            ("- [ ] ???", 1),
            ("- [ ] x {depends=../y}", 1),
            ("- [ ] x {team=blue}", 1),
            ("a\n```\n- [ ] x", 2),
        ] {
            let refusal = plan(text).expect_err("refused");
            assert_eq!(refusal.code, Code::ImportLine);
            assert_eq!(refusal.details["line"], line, "{text}");
        }
    }
}
