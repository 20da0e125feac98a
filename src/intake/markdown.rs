//! A markdown checklist.
//!
//! Every `- [ ] title` is a task, and `- [x] title` one that is done. Nesting gives parents: a parent depends on its
//! children. The module is made from the title; attributes in braces at the end of the line say more, as in
//! `- [ ] Sign in {module=core-auth priority=1 specialty=backend depends=db,mail paths=src/auth/** review=required}`.
//! Indented text below an item is its body.

use std::collections::HashSet;
use std::str::FromStr;

use crate::board::imports::PlannedTask;
use crate::board::tasks::NewTask;
use crate::domain::id::Module;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Candidates, TaskState, TaskTexts};
use crate::domain::text;

/// The tasks of a checklist, in the order of its lines. Refuses with `import_line` what cannot be a task.
pub fn plan(text: &str) -> Result<Vec<PlannedTask>, Refusal> {
    let mut plan: Vec<PlannedTask> = Vec::new();
    let mut open: Vec<(usize, Module)> = Vec::new();
    let mut taken = HashSet::new();
    for item in text.lines().filter_map(Item::parse) {
        // A name that an attribute gives is meant; names made from titles keep out of its way.
        if let Some(module) = item.named() {
            taken.insert(module.to_owned());
        }
    }
    let mut fenced = false;
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        fenced ^= line.trim_start().starts_with("```");
        let item = if fenced { None } else { Item::parse(line) };
        let Some(item) = item else {
            if let Some((indent, _)) = open.last() {
                add_to_body(&mut plan, line, *indent);
            }
            if !line.trim().is_empty() && !line.starts_with([' ', '\t']) {
                open.clear();
            }
            continue;
        };
        while open.last().is_some_and(|(indent, _)| *indent >= item.indent) {
            open.pop();
        }
        let parent = open.last().map(|(_, module)| module.clone());
        let indent = item.indent;
        let task = item.task(number, parent, &mut taken)?;
        open.push((indent, task.module.clone()));
        plan.push(PlannedTask { line: number, task });
    }
    for planned in &mut plan {
        let body = planned.task.texts.body.trim().to_owned();
        planned.task.texts.body = text::bounded("the body", &body).map_err(|refusal| at_line(planned.line, refusal))?;
    }
    Ok(plan)
}

fn add_to_body(plan: &mut [PlannedTask], line: &str, indent: usize) {
    let deeper = line.len() - line.trim_start().len() > indent;
    if let Some(planned) = plan.last_mut().filter(|_| deeper || line.trim().is_empty()) {
        let body = &mut planned.task.texts.body;
        body.push_str(line.get(indent + 2..).unwrap_or_default());
        body.push('\n');
    }
}

/// A line of a checklist.
struct Item<'a> {
    indent: usize,
    done: bool,
    title: &'a str,
    attributes: &'a str,
}

impl<'a> Item<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let rest = line.trim_start_matches([' ', '\t']);
        let indent = line[..line.len() - rest.len()].chars().map(|c| if c == '\t' { 4 } else { 1 }).sum();
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
            match key {
                "module" => {}
                "priority" => {
                    task.priority = one::<u8>(line, key, value)?;
                    if task.priority > 4 {
                        return Err(bad(line, "a priority is 0 (most urgent) to 4"));
                    }
                }
                "specialty" => task.specialty = Some(one(line, key, value)?),
                "depends" => task.depends_on = list(line, key, value)?,
                "paths" => task.owned_paths = list(line, key, value)?,
                "estimate" => task.estimate_minutes = Some(one(line, key, value)?),
                "review" => task.review = Some(one(line, key, value)?),
                "reviewer" => task.reviewer = Some(one(line, key, value)?),
                label => drop(task.labels.insert(label.to_owned(), value.to_owned())),
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
fn unmarked(title: &str) -> String {
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
        - [x] Schema\n  - [ ] Sign in {team=blue}\n\n1. [ ] Release {module=ship depends=sign-in}\n- not a task\n\
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
    fn a_bad_line_is_named() {
        for (text, line) in [("- [ ] a\n- [ ] b {priority=9}", 2), ("- [ ] ???", 1), ("- [ ] x {depends=../y}", 1)] {
            let refusal = plan(text).expect_err("refused");
            assert_eq!(refusal.code, Code::ImportLine);
            assert_eq!(refusal.details["line"], line, "{text}");
        }
    }
}
