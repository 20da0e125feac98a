//! The only place that prints. Standard output is data, standard error is talk.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::sync::Once;

use serde::Serialize;

use super::render::{Page, Render};
use crate::app::lock_messages::{LockMessages, abort_after_lost_lock, lost_lock};
use crate::board::mutation::Refused;
use crate::domain::refusal::{Exit, Refusal};
use crate::domain::text;
use crate::domain::word::words;
use crate::intake::scan::Progress;
use crate::ops::{Done, envelope};

words! {
    /// When to colour.
    Color, "colour setting" {
        /// At a terminal.
        Auto = "auto",
        /// Always.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// One JSON object.
    pub json: bool,
    /// No warnings and hints.
    pub quiet: bool,
    /// When to colour.
    pub color: Option<Color>,
}

/// The printer of one command.
pub(super) struct Out {
    style: Style,
    failed: Option<std::io::Error>,
    /// True once the reader has gone.
    closed: bool,
}

impl Out {
    /// A printer of this style.
    pub(super) fn new(style: Style) -> Self {
        Self { style, failed: None, closed: false }
    }

    /// Prints text as it is. A reader that has gone is nobody's mistake; that an answer could not be written is told.
    pub(super) fn print(&mut self, text: &str) {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => self.closed = true,
            Err(error) => self.failed = Some(error),
            Ok(()) => {}
        }
    }

    /// Prints what a command says that is no operation: as it is, or as one JSON object.
    pub(super) fn text(&mut self, text: &str) {
        if self.style.json {
            self.print_json(&serde_json::json!({"ok": true, "revision": null, "text": text}));
        } else {
            self.print(text);
        }
    }

    /// The exit of a command that came to `exit`: an answer that nobody got is no answer.
    pub(super) fn ended(&mut self, exit: Exit) -> Exit {
        let Some(error) = self.failed.take() else { return exit };
        let _ = writeln!(std::io::stderr().lock(), "error[storage_failed]: the answer could not be written: {error}");
        Exit::Place
    }

    /// Says something beside the answer.
    pub(super) fn note(&mut self, words: &str) {
        self.say(&format!("note: {}", text::for_terminal(words)));
    }

    /// Whoever tells how far a long look is: somebody at a terminal is told, a log is not.
    pub(super) fn progress(&self) -> fn(Progress) {
        if self.style.quiet || self.style.json || !std::io::stderr().is_terminal() { |_| {} } else { show_progress }
    }

    /// What is said about the board's lock.
    pub(super) fn lock_messages(&self) -> LockMessages {
        let waiting = if self.style.quiet { |_: &str| {} } else { show_waiting };
        LockMessages { waiting, lost_lock: if self.style.json { end_with_json } else { end_with_text } }
    }

    /// Asks a person at a terminal. False without one, and for every answer but yes.
    pub(super) fn confirm(&mut self, question: &str) -> bool {
        if self.style.json || self.style.quiet || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return false;
        }
        let _ = write!(std::io::stderr().lock(), "{}\ngo on? [y/N] ", text::for_terminal(question));
        let mut answer = String::new();
        let read = std::io::stdin().lock().take(16).read_line(&mut answer);
        read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    fn say(&mut self, line: &str) {
        if !self.style.quiet {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }

    /// Prints an answer.
    pub(super) fn answer<T: Serialize + Render>(&mut self, done: &Done<T>) -> Exit {
        if self.style.json {
            self.print_json(&done.answered());
        } else {
            let mut page = Page::new(self.paints());
            done.reply.render(done.outcome, &mut page);
            let text = page.into_text();
            self.print(&text);
            if done.replayed {
                self.say("note: this request was done before; this is its first answer");
            }
            if done.projection_behind {
                self.say("note: the pages do not show it yet");
            }
            self.warn(&done.warnings);
            if let Some(complaint) = &done.complaint {
                self.complain(complaint);
            }
        }
        let exit = done.exit();
        if self.failed.is_some()
            && let Some(request) = &done.request_id
        {
            self.say(&format!("it was done; its answer again: the same command with --request-id {request}"));
        }
        self.ended(exit)
    }

    /// Prints a refusal.
    pub(super) fn refuse(&mut self, refused: &Refused) -> Exit {
        let refusal = &refused.refusal;
        if self.style.json {
            self.print_json(&envelope::denied(refused));
        } else {
            self.complain(refusal);
        }
        let exit = refusal.code.exit();
        self.ended(exit)
    }

    fn complain(&mut self, refusal: &Refusal) {
        let message = text::for_terminal(&refusal.message);
        let _ = writeln!(std::io::stderr().lock(), "error[{}]: {message}", refusal.code);
        if let Some(hint) = &refusal.hint {
            self.say(&format!("hint: {}", text::for_terminal(hint)));
        }
    }

    /// Says what is worth saying although it was done.
    pub(super) fn warn(&mut self, warnings: &[String]) {
        for warning in warnings {
            self.say(&format!("warning: {}", text::for_terminal(warning)));
        }
    }

    /// True when nobody reads any more, or nothing can be written.
    pub(super) fn has_failed(&self) -> bool {
        self.closed || self.failed.is_some()
    }

    /// Prints a value as one line of JSON.
    pub(super) fn print_json<T: Serialize>(&mut self, value: &T) {
        self.print(&(envelope::line(value) + "\n"));
    }

    #[expect(clippy::disallowed_methods, reason = "app and cli own the environment")]
    fn paints(&self) -> bool {
        match self.style.color {
            Some(Color::Always) => true,
            Some(Color::Never) => false,
            Some(Color::Auto) | None => {
                let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                !refused && std::io::stdout().is_terminal()
            }
        }
    }
}

fn show_waiting(holder: &str) {
    let _ = writeln!(
        std::io::stderr().lock(),
        "note: waiting for the board's lock, which is held by {}",
        text::for_terminal(holder)
    );
}

fn end_with_text() {
    end_after_lost_lock(Style { json: false, quiet: false, color: None });
}

fn end_with_json() {
    end_after_lost_lock(Style { json: true, quiet: false, color: None });
}

/// Prints why this process ends, once, whichever of its threads finds out first.
fn end_after_lost_lock(style: Style) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        Out::new(style).refuse(&Refused { refusal: lost_lock(), revision: None });
        abort_after_lost_lock();
    });
}

/// The width of a progress bar, in characters.
const BAR: u64 = 24;

/// One line that is written over and over, and taken away at the end.
fn show_progress(progress: Progress) {
    let line = match progress {
        Progress::Found(files) => format!("\r{files} files found"),
        Progress::Read(done, all) => {
            let filled = done * BAR / all.max(1);
            let bar: String = (0..BAR).map(|at| if at < filled { '#' } else { '.' }).collect();
            format!("\r[{bar}] {done} of {all} files read")
        }
        Progress::Done => "\r\x1b[K".to_owned(),
    };
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(line.as_bytes()).and_then(|()| stderr.flush());
}
