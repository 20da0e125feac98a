//! Which pages there are.

/// A page: its file, and the template that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The name of the file in the plan directory.
    pub name: &'static str,
    /// The built-in template; none for pages that are JSON.
    pub template: Option<&'static str>,
}

/// All pages, in the order in which they are written.
pub const PAGES: [Page; 4] = [
    Page { name: "STATUS.md", template: Some(include_str!("../../templates/STATUS.md.j2")) },
    Page { name: "AGENTS.md", template: Some(include_str!("../../templates/AGENTS.md.j2")) },
    Page { name: "SESSIONS.md", template: Some(include_str!("../../templates/SESSIONS.md.j2")) },
    Page { name: "state.json", template: None },
];
