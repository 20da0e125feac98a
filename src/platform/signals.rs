//! Ending by a signal: at once, but never while another host would wait for what this process holds.
//!
//! Most commands leave signals alone: the kernel lets go of their locks, and the journal undoes what they did not commit.
//! A process that waits, or that holds the lock between hosts, heeds them here: what must be put away is put away, and
//! then the process ends by that very signal, so that a shell loop around it ends too.

use std::sync::{Arc, Condvar, Mutex, Once, PoisonError};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// How long a signal waits for what must be put away. Longer than a commit on any storage that works.
const PATIENCE: Duration = Duration::from_secs(10);

struct State {
    shields: usize,
    ending: bool,
    /// Told of the first signal, instead of ending.
    instead: Option<Box<dyn FnOnce() + Send>>,
}

static STATE: Mutex<State> = Mutex::new(State { shields: 0, ending: false, instead: None });
static CHANGED: Condvar = Condvar::new();

/// While one exists, a signal waits.
#[derive(Debug)]
pub struct Shield(());

/// Makes signals end this process in order. Done once; where the system refuses, they end it as they always did.
pub fn heed() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        // Whoever was told to survive a hangup (nohup) goes on doing so.
        let wanted = [SIGINT, SIGTERM].into_iter().chain((!hangups_are_ignored()).then_some(SIGHUP));
        if let Ok(mut signals) = Signals::new(wanted) {
            let listen = move || {
                for signal in signals.forever() {
                    end(signal);
                }
            };
            let _ = std::thread::Builder::new().stack_size(64 * 1024).spawn(listen);
        }
    });
}

/// Has a write beyond `ulimit -f` fail with an error that is answered, instead of the signal that ends a process without a
/// word. A program that this one starts gets the signal as usual.
pub fn outlive_file_size_limit() {
    // Where the system refuses, the signal does what it always did.
    let _ = signal_hook::flag::register(libc::SIGXFSZ, Arc::default());
}

/// Has the first signal tell `instead`, which is to end the process in order; the next one ends it as [`heed`] says.
pub fn tell_first(instead: impl FnOnce() + Send + 'static) {
    STATE.lock().unwrap_or_else(PoisonError::into_inner).instead = Some(Box::new(instead));
    heed();
}

/// What the system says of this process; where it says nothing, no.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (SIGHUP - 1)) != 0
}

fn end(signal: i32) {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(instead) = state.instead.take() {
        drop(state);
        return instead();
    }
    state.ending = true;
    let shielded = |state: &mut State| state.shields > 0;
    let _unshielded = CHANGED.wait_timeout_while(state, PATIENCE, shielded).unwrap_or_else(PoisonError::into_inner);
    let _ = emulate_default_handler(signal);
}

/// Holds signals off until it is dropped. Once a signal has come nothing new is begun: then this does not return.
pub fn shield() -> Shield {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    while state.ending {
        state = CHANGED.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    state.shields += 1;
    Shield(())
}

/// True once a signal has come: whoever is shielded and waits should put away what it has.
pub fn is_ending() -> bool {
    STATE.lock().unwrap_or_else(PoisonError::into_inner).ending
}

impl Shield {
    /// Lets the signal that has come end this process. Returns never: whoever went on could be done before the signal is.
    pub fn give_way(self) -> ! {
        drop(self);
        loop {
            std::thread::park();
        }
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        STATE.lock().unwrap_or_else(PoisonError::into_inner).shields -= 1;
        CHANGED.notify_all();
    }
}
