//! Which pages there are.

/// A page: its file, and the template that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The name of the file in the plan directory.
    pub name: &'static str,
    /// How it is made.
    pub made: Made,
}

/// How a page is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// From the built-in template, or a board's own.
    Template(&'static str),
    /// The board for programs.
    State,
    /// The inbox of handoffs for programs.
    HandoffIndex,
    /// What was said at preflight, once there was one.
    Preflight,
}

/// All pages, in the order in which they are written.
pub const PAGES: [Page; 8] = [
    Page { name: "STATUS.md", made: Made::Template(include_str!("../../templates/STATUS.md.j2")) },
    Page { name: "AGENTS.md", made: Made::Template(include_str!("../../templates/AGENTS.md.j2")) },
    Page { name: "SESSIONS.md", made: Made::Template(include_str!("../../templates/SESSIONS.md.j2")) },
    Page { name: "NOTIFICATIONS.md", made: Made::Template(include_str!("../../templates/NOTIFICATIONS.md.j2")) },
    Page { name: "HANDOFFS.md", made: Made::Template(include_str!("../../templates/HANDOFFS.md.j2")) },
    Page { name: "state.json", made: Made::State },
    Page { name: "handoff-index.json", made: Made::HandoffIndex },
    Page { name: "preflight.json", made: Made::Preflight },
];

/// The template of a bundle's page,
pub const BUNDLE_TEMPLATE: &str = include_str!("../../templates/handoff.md.j2");
/// and the name under which a board may have its own.
pub const BUNDLE: Page = Page { name: "handoff.md", made: Made::Template(BUNDLE_TEMPLATE) };
