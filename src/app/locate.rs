//! Finding the board that a process means.
//!
//! A linked git worktree means the board of its main checkout: agents in worktrees work on one plan, and an empty board
//! in each of them is what other tools get wrong. Nothing is ever created by looking.

use std::path::{Path, PathBuf};

use super::settings::Settings;
use crate::domain::refusal::{Code, Refusal};
use crate::workspace::git::Checkout;

/// The directory of a board in its project.
pub const PLAN: &str = "project-plan";
/// What belongs to callboard alone, in the plan directory.
pub const INTERNAL: &str = ".callboard";
/// The database, in the plan directory.
pub const DATABASE: &str = "coordination.db";

/// The project whose board is meant, as an absolute path without links. Refuses with `no_board`.
pub fn project(settings: &Settings) -> Result<PathBuf, Refusal> {
    let begin = settings.project_root.as_ref().unwrap_or(&settings.directory);
    let begin = begin.canonicalize().map_err(|error| {
        Refusal::new(Code::NoBoard, format!("cannot look into {}: {error}", begin.display()))
            .hint("callboard init --project-root DIR")
    })?;
    let named = settings.project_root.is_some();
    let checkout = Checkout::around(&begin);
    let main = checkout.as_ref().map(Checkout::main_top).filter(|main| {
        let linked = checkout.as_ref().is_some_and(|checkout| checkout.top != *main);
        linked && has_board(main)
    });
    let found = match main {
        _ if named && has_board(&begin) => Some(begin.clone()),
        Some(main) => Some(main),
        None if named => None,
        None => begin.ancestors().find(|dir| has_board(dir)).map(Path::to_owned),
    };
    found.ok_or_else(|| {
        let place = begin.display();
        Refusal::new(Code::NoBoard, format!("there is no board in {place}{}", if named { "" } else { " or above it" }))
            .hint("callboard init")
            .detail("looked_in", place.to_string())
    })
}

/// Where `init` makes a board: the project that was named, else the top of the git checkout (the main one, for a linked
/// worktree), else here.
pub fn new_project(settings: &Settings) -> Result<PathBuf, Refusal> {
    let begin = settings.project_root.as_ref().unwrap_or(&settings.directory);
    let begin = begin.canonicalize().map_err(|error| {
        Refusal::new(Code::NoBoard, format!("cannot look into {}: {error}", begin.display())).hint("mkdir -p DIR")
    })?;
    if settings.project_root.is_some() {
        return Ok(begin);
    }
    if let Ok(existing) = project(settings) {
        return Ok(existing);
    }
    Ok(Checkout::around(&begin).map_or(begin, |checkout| checkout.main_top()))
}

/// True for a directory that has a board, or a half-made one.
pub fn has_board(project: &Path) -> bool {
    let plan = project.join(PLAN);
    plan.join(INTERNAL).join("place.json").exists() || plan.join(DATABASE).exists()
}
