//! Windows of an agent: whether one is in use, and which name is free.

use crate::domain::agent::Agent;
use crate::domain::id::WindowId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::{IN_USE_SECONDS, Session};
use crate::domain::time::Dial;
use crate::store::Transaction;
use crate::store::contract::LeasesOf;

use super::leases::HELD_MOST;

/// Number of names that are tried for another window.
const MAX_WINDOW_NAMES: u32 = 1_000;

/// The refusal of a registration for a window that is in use: it holds a live lease, or was seen lately. None for one that
/// is not. `flags` are what the caller gave beside the window.
pub(super) fn window_in_use(
    store: &dyn Transaction,
    agent: &Agent,
    session: &Session,
    dial: Dial,
    flags: &str,
) -> Result<Option<Refusal>, Refusal> {
    let leases = store.leases(LeasesOf::Session(&session.id), HELD_MOST)?;
    let held: Vec<&str> =
        leases.iter().filter(|lease| lease.is_live(dial.lease)).map(|lease| lease.module.as_str()).collect();
    let seconds = dial.wall.since(session.seen_at) / 1000;
    if held.is_empty() && seconds >= IN_USE_SECONDS {
        return Ok(None);
    }
    let (id, window, host) = (&agent.id, &session.window, session.host_shown());
    let holds = if held.is_empty() { String::new() } else { format!(" and holds {}", held.join(", ")) };
    let message = format!("window {window} of {id} on {host} is in use: it was last seen {seconds} s ago{holds}");
    let resume = format!("{}{flags} --resume", agent.registration_of(&session.host, window));
    let other = format!("{}{flags}", agent.registration_of(&session.host, &free_window(store, session)?));
    let hint = format!("{other} registers another window; only if you are that window and lost your context: {resume}");
    Ok(Some(
        Refusal::new(Code::WindowInUse, message)
            .hint(hint)
            .detail("agent_id", id.as_str())
            .detail("host", host)
            .detail("window", window.as_str())
            .detail("seen_at", session.seen_at.to_string())
            .detail("holds", held)
            .detail("resume_command", resume)
            .detail("other_window_command", other),
    ))
}

/// A name for another window beside that of `session`, which no live session has.
pub(super) fn free_window(store: &dyn Transaction, session: &Session) -> Result<WindowId, Refusal> {
    let name = session.window.as_str();
    let base = match name.rsplit_once('-') {
        Some((base, number)) if !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()) => base,
        _ => name,
    };
    for number in 2..MAX_WINDOW_NAMES {
        let Ok(window) = format!("{base}-{number}").parse() else { continue };
        let is_free = store.window(&session.agent, &session.host, &window)?.is_none_or(|other| other.ended.is_some());
        if is_free {
            return Ok(window);
        }
    }
    Ok(session.window.clone())
}
