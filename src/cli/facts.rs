//! What this machine knows of the caller.

use std::io::IsTerminal as _;

use crate::app::App;
use crate::domain::submission::SubmittedTree;
use crate::domain::workspace::WorkingTree;
use crate::ops::call::Facts;
use crate::workspace::git;

/// The account, the terminal, and where the caller works.
pub(super) fn gather(app: &App) -> Facts {
    Facts {
        user: app.settings.user.clone(),
        terminal: std::io::stdin().is_terminal(),
        workspace: git::workspace(&app.settings.directory, &app.settings.host_name),
        host: None,
        changed_paths: Vec::new(),
        tree: WorkingTree::default(),
        submitted: SubmittedTree::default(),
        asks_again: false,
        project: None,
    }
}
