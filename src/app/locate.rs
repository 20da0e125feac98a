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
/// What says how a board is locked, in [`INTERNAL`].
pub const PLACE_FILE: &str = "place.json";
/// The database, in the plan directory.
pub const DATABASE: &str = "coordination.db";

/// The project whose board is meant, as an absolute path without links. Refuses with `no_board`.
pub fn project(settings: &Settings) -> Result<PathBuf, Refusal> {
    let begin = settings.project_root.as_ref().unwrap_or(&settings.directory);
    let begin = begin.canonicalize().map_err(|error| {
        unreadable(begin, &error).unwrap_or_else(|| {
            Refusal::new(Code::NoBoard, format!("cannot look into {}: {error}", begin.display()))
                .hint("callboard init --project-root DIR")
        })
    })?;
    let named = settings.project_root.is_some();
    let found = match linked_main(&begin)? {
        _ if named && has_board(&begin)? => Some(begin.clone()),
        Some(main) => Some(main),
        None if named => None,
        None => {
            let mut above = begin.ancestors().map(|dir| has_board(dir).map(|has| has.then(|| dir.to_owned())));
            above.find_map(Result::transpose).transpose()?
        }
    };
    found.ok_or_else(|| {
        let place = begin.display();
        Refusal::new(Code::NoBoard, format!("there is no board in {place}{}", if named { "" } else { " or above it" }))
            .hint("callboard init")
            .detail("looked_in", place.to_string())
    })
}

/// The main checkout of the linked worktree that `begin` is in, if it has a board.
fn linked_main(begin: &Path) -> Result<Option<PathBuf>, Refusal> {
    let Some(checkout) = Checkout::around(begin) else { return Ok(None) };
    let main = checkout.main_top();
    Ok((checkout.top != main && has_board(&main)?).then_some(main))
}

/// Where `init` makes a board: the project that was named, else the top of the git checkout (the main one, for a linked
/// worktree), else here.
pub fn new_project(settings: &Settings) -> Result<PathBuf, Refusal> {
    let begin = settings.project_root.as_ref().unwrap_or(&settings.directory);
    let begin = begin.canonicalize().map_err(|error| {
        unreadable(begin, &error).unwrap_or_else(|| {
            Refusal::new(Code::NoBoard, format!("cannot look into {}: {error}", begin.display())).hint("mkdir -p DIR")
        })
    })?;
    if settings.project_root.is_some() {
        return Ok(begin);
    }
    match project(settings) {
        Err(refusal) if refusal.code == Code::NoBoard => {}
        existing => return existing,
    }
    Ok(Checkout::around(&begin).map_or(begin, |checkout| checkout.main_top()))
}

/// True for a directory that has a board, or a half-made one. Refuses with `no_permission` where that cannot be seen: a board
/// that this account may not read is no reason to make another.
pub fn has_board(project: &Path) -> Result<bool, Refusal> {
    let plan = project.join(PLAN);
    for path in [plan.join(INTERNAL).join(PLACE_FILE), plan.join(DATABASE)] {
        match std::fs::symlink_metadata(&path) {
            Ok(_) => return Ok(true),
            Err(error) => unreadable(&path, &error).map_or(Ok(()), Err)?,
        }
    }
    Ok(false)
}

/// The refusal for what this account may not look at; none for another error.
fn unreadable(path: &Path, error: &std::io::Error) -> Option<Refusal> {
    if error.kind() != std::io::ErrorKind::PermissionDenied {
        return None;
    }
    // The nearest directory that can be looked at is the one whose rights are in the way.
    let shown = path.ancestors().skip(1).find(|above| std::fs::symlink_metadata(above).is_ok()).unwrap_or(path);
    let message = format!("cannot look into {}: {error}", shown.display());
    Some(Refusal::new(Code::NoPermission, message).hint(format!("ls -ld '{}'", shown.display())))
}
