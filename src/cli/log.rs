//! The log of what a server, MCP and waits do: `CALLBOARD_LOG` says how much, `CALLBOARD_LOG_FILE` where to.
//!
//! **Invariants.** Without `CALLBOARD_LOG` nothing is logged. Nothing goes to standard output. Only callboard's own lines
//! are logged, whatever the filter says: libraries print whole messages, with the tokens in them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Mutex;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::domain::refusal::{Code, Refusal};
use crate::platform::file;

const LEVEL: &str = "CALLBOARD_LOG";
const FILE: &str = "CALLBOARD_LOG_FILE";

/// Logs from now on, if the environment says so. Refuses with `invalid_value` a filter that is none, and a file that cannot
/// be written.
pub(super) fn begin() -> Result<(), Refusal> {
    let Some(text) = variable(LEVEL) else { return Ok(()) };
    let filter = filter(&text.to_string_lossy())?;
    let writer = match variable(FILE).map(PathBuf::from) {
        Some(path) => {
            let file = file::append_private(&path).map_err(|error| {
                Refusal::new(Code::InvalidValue, format!("{FILE}: {error}"))
                    .hint("CALLBOARD_LOG_FILE names a file in a directory that is there")
            })?;
            BoxMakeWriter::new(Mutex::new(file))
        }
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let own = filter_fn(|line| is_own(line.target()));
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer).with_filter(filter.and(own));
    // A process sets it once.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "app and cli own the environment")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn is_own(target: &str) -> bool {
    target.split("::").next() == Some("callboard")
}

/// A level, or levels of modules of callboard. What would be taken for the name of a library is refused: it would log nothing.
fn filter(text: &str) -> Result<EnvFilter, Refusal> {
    let bad = || {
        Refusal::new(Code::InvalidValue, format!("{LEVEL} is a level, not {text:?}")).hint(
            "CALLBOARD_LOG=info; there are error, warn, info, debug, trace, and callboard::mcp=debug for one module",
        )
    };
    let is_known = |directive: &str| match directive.split_once('=') {
        Some((target, level)) => is_own(target) && level.parse::<Level>().is_ok(),
        None => !directive.is_empty() && directive.parse::<LevelFilter>().is_ok(),
    };
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    match directives.iter().all(|directive| is_known(directive)) {
        true => EnvFilter::try_new(directives.join(",")).map_err(|_| bad()),
        false => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_would_log_nothing_is_refused() {
        for good in ["info", "off", "DEBUG", "info,callboard::mcp=trace", "warn, callboard::bridge=debug"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["loud", "rmcp=trace", "hyper", "callboard=loud", "info,", "callboards=info"] {
            assert_eq!(filter(bad).err().map(|refusal| refusal.code), Some(Code::InvalidValue), "{bad}");
        }
    }
}
