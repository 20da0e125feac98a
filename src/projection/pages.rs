//! Which pages there are.

/// A page: its file, and the template that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The name of the file in the plan directory.
    pub name: &'static str,
    /// What it shows, for lists of pages.
    pub about: &'static str,
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
    Page {
        name: "STATUS.md",
        about: "Where the project stands",
        made: Made::Template(include_str!("../../templates/STATUS.md.j2")),
    },
    Page {
        name: "AGENTS.md",
        about: "Who takes part",
        made: Made::Template(include_str!("../../templates/AGENTS.md.j2")),
    },
    Page {
        name: "SESSIONS.md",
        about: "Windows and leases",
        made: Made::Template(include_str!("../../templates/SESSIONS.md.j2")),
    },
    Page {
        name: "NOTIFICATIONS.md",
        about: "Signals that are not resolved yet",
        made: Made::Template(include_str!("../../templates/NOTIFICATIONS.md.j2")),
    },
    Page {
        name: "HANDOFFS.md",
        about: "The handoff inbox",
        made: Made::Template(include_str!("../../templates/HANDOFFS.md.j2")),
    },
    Page { name: "state.json", about: "The board for programs", made: Made::State },
    Page { name: "handoff-index.json", about: "The handoff inbox for programs", made: Made::HandoffIndex },
    Page { name: "preflight.json", about: "What was said at preflight", made: Made::Preflight },
];

/// The template of a bundle's page,
pub const BUNDLE_TEMPLATE: &str = include_str!("../../templates/handoff.md.j2");
/// and the name under which a board may have its own.
pub const BUNDLE: Page = Page { name: "handoff.md", about: "A handoff bundle", made: Made::Template(BUNDLE_TEMPLATE) };
