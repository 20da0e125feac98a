//! What a server says when it listens.

use serde::Serialize;

use super::{Page, Render};
use crate::board::mutation::Outcome;

/// A server that listens.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Serving {
    /// Its address, for clients.
    pub url: String,
    /// Its page, for people.
    pub page: String,
}

impl Render for Serving {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("url", &self.url);
        page.field("page", &self.page);
        page.line("stop it with Ctrl-C; the command line beside it goes on as before");
    }
}
