//! Where a panic happened, for whoever answers for it.

use std::cell::RefCell;
use std::panic::{Location, set_hook};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has panics of this process remembered instead of printed: whoever catches one says what it was, in the form that its
/// caller wants. The log has only the place, because what a panic says may have a secret in it.
pub fn remember_locations() {
    set_hook(Box::new(|panic| {
        let location = panic.location().map(of_source);
        tracing::error!(at = location.as_deref().unwrap_or("?"), "a thread panicked");
        // A thread that is about to end may have lost it already.
        let _ = LAST.try_with(|last| *last.borrow_mut() = location);
    }));
}

/// Where this thread panicked last, as `FILE:LINE`. Asked once for each panic.
pub fn last_location() -> Option<String> {
    LAST.take()
}

fn of_source(location: &Location<'_>) -> String {
    format!("{}:{}", in_its_source(location.file()), location.line())
}

/// A file without the directories of the machine that compiled it: they say nothing to anybody else.
fn in_its_source(file: &str) -> &str {
    match file.split_once("/registry/src/") {
        Some((_, of_registry)) => of_registry.split_once('/').map_or(of_registry, |(_, of_crate)| of_crate),
        None => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_names_no_directory_of_the_machine_that_compiled_it() {
        assert_eq!(in_its_source("src/board/claims.rs"), "src/board/claims.rs");
        let dependency = "/home/somebody/.cargo/registry/src/index.crates.io-1949/clap-4.6.0/src/parser.rs";
        assert_eq!(in_its_source(dependency), "clap-4.6.0/src/parser.rs");
    }
}
