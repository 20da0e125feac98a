//! Plans that people keep as prose: unchecked lines of checklists, and headings of files that are nothing but a plan.
//!
//! A checklist elsewhere, such as in a template for issues or in the steps of a release, is no plan: a file counts by its
//! name, and a section of another file by its heading.

use super::drafts::{Draft, Evidence, Kind};
use super::markdown::{Item, indent_of, unmarked};
use crate::domain::text;

/// Names of files that are a plan, without what stands before the last dot.
const PLANS: &[&str] =
    &["todo", "todos", "plan", "roadmap", "backlog", "tasks", "milestones", "wishlist", "next", "next-steps"];
/// Headings of sections that are a plan.
const SECTIONS: &[&str] = &["todo", "to do", "roadmap", "planned", "plans", "next steps", "backlog", "open tasks"];
/// A plan has at most so many headings that become tasks.
const HEADINGS_MOST: usize = 20;
/// So much of the text below a heading is kept, in characters.
const BODY_MOST: usize = 600;

/// True for a file that may have a plan in it.
pub(super) fn is_prose(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').is_some_and(|(_, end)| matches!(end, "md" | "markdown" | "MD"))
}

/// True for a file that is nothing but a plan.
pub(super) fn is_plan(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    // Asked for every file of a project: nothing is copied before the ending fits.
    if !is_prose(path) && name.contains('.') && !name.strip_suffix("txt").is_some_and(|stem| stem.ends_with('.')) {
        return false;
    }
    let name = name.to_lowercase();
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    let ends = |word: &str| stem.strip_suffix(word).is_some_and(|before| before.ends_with(['-', '_', '.']));
    PLANS.contains(&stem) || PLANS.iter().any(|word| ends(word)) || path.to_lowercase().contains("plans/")
}

struct Heading<'a> {
    line: usize,
    level: usize,
    title: &'a str,
    body: String,
}

/// The drafts of a file of prose: of all of it, if the file is a plan, else of the sections that are one.
pub(super) fn drafts(path: &str, text: &str) -> Vec<Draft> {
    let whole = is_plan(path);
    let (mut items, mut headings): (Vec<Draft>, Vec<Heading<'_>>) = (Vec::new(), Vec::new());
    // Items that are open above this line: their indent, and which draft they are.
    let mut open: Vec<(usize, Option<usize>)> = Vec::new();
    let mut planned = whole;
    for (number, line) in prose(text) {
        if let Some((level, title)) = heading(line) {
            planned = whole || SECTIONS.contains(&title.to_lowercase().trim_end_matches(':'));
            headings.push(Heading { line: number, level, title, body: String::new() });
            open.clear();
            continue;
        }
        let Some(item) = Item::parse(line).filter(|_| planned) else {
            if let Some(heading) = headings.last_mut().filter(|heading| heading.body.len() < BODY_MOST) {
                heading.body.push_str(line);
                heading.body.push('\n');
            }
            continue;
        };
        while open.last().is_some_and(|(indent, _)| *indent >= item.indent) {
            open.pop();
        }
        let parent = open.last().and_then(|(_, draft)| *draft);
        let title = unmarked(item.title);
        let own = (!item.done && !title.is_empty()).then(|| {
            items.push(Draft::new(Kind::Checklist, &title, &title, vec![Evidence::line(path, number, line)]));
            items.len() - 1
        });
        if let (Some(parent), Some(own)) = (parent, own) {
            let module = items[own].module.clone();
            items[parent].candidate_depends_on.push(module);
        }
        open.push((indent_of(line), own));
    }
    if whole && items.is_empty() { of_headings(path, &headings) } else { distinct(items) }
}

/// The headings below the highest level that has several: a title above them says what all of it is about.
fn of_headings(path: &str, headings: &[Heading<'_>]) -> Vec<Draft> {
    let several = |level: usize| headings.iter().filter(|heading| heading.level == level).count() > 1;
    let Some(level) = (1..=4).find(|level| several(*level)) else { return Vec::new() };
    let own = headings.iter().filter(|heading| heading.level == level).take(HEADINGS_MOST);
    let drafts = own.map(|heading| {
        let seen = Evidence::line(path, heading.line, heading.title);
        let draft = Draft::new(Kind::Heading, &unmarked(heading.title), heading.title, vec![seen]);
        Draft { body: text::cut(heading.body.trim(), BODY_MOST), ..draft }
    });
    distinct(drafts.collect())
}

/// Two lines that say the same in one file are one task.
fn distinct(drafts: Vec<Draft>) -> Vec<Draft> {
    let mut seen = std::collections::HashSet::new();
    drafts.into_iter().filter(|draft| seen.insert(draft.module.clone())).collect()
}

/// The lines outside of code fences, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return Some((at + 1, line)),
            _ => {}
        }
        None
    })
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?.strip_prefix(' ')?.trim().trim_end_matches('#').trim_end();
    ((1..=6).contains(&level) && !title.is_empty()).then_some((level, title))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(drafts: &[Draft]) -> Vec<&str> {
        drafts.iter().map(|draft| draft.title.as_str()).collect()
    }

    #[test]
    fn unchecked_lines_of_a_plan_become_drafts_and_nesting_their_dependencies() {
        let text = "# Plan\n- [ ] Ship **it**\n  - [x] Build\n  - [ ] Test\n- [ ] Later\n```\n- [ ] an example\n```\n";
        let drafts = drafts("docs/TODO.md", text);
        assert_eq!(titles(&drafts), ["Ship it", "Test", "Later"]);
        assert_eq!(drafts[0].candidate_depends_on, [drafts[1].module.clone()]);
        assert_eq!(drafts[1].evidence[0].place(), "docs/TODO.md:4");
    }

    #[test]
    fn other_files_count_by_their_sections() {
        let text = "# App\n- [ ] a step of a release\n## Roadmap\n- [ ] Dark mode\n## Licence\n- [ ] no\n";
        assert_eq!(titles(&drafts("README.md", text)), ["Dark mode"]);
        assert!(drafts("README.md", "# App\n- [ ] step\n").is_empty());
    }

    #[test]
    fn a_plan_without_a_checklist_has_headings() {
        let text = "# Roadmap\nWords.\n## Faster start\nMeasure first.\n## Plugins\n### An idea\n## Faster start\n";
        let drafts = drafts("ROADMAP.md", text);
        assert_eq!(titles(&drafts), ["Faster start", "Plugins"]);
        assert_eq!(drafts[0].body, "Measure first.");
        for (path, plan) in [
            ("a/my-plan.md", true),
            ("plans/x.md", true),
            ("explanation.md", false),
            ("TODO", true),
            ("tasks.py", false),
        ] {
            assert_eq!(is_plan(path), plan, "{path}");
        }
    }
}
