//! The table of exit codes: the number, what the help calls it, and what the manual says that it means.

use std::fmt::Write as _;

macro_rules! exits {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $phrase:literal, $meaning:literal;)+) => {
        /// What kind of answer a process gives with its exit code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Exit {
            $($(#[doc = $doc])+ $name = $number,)+
        }

        impl Exit {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// What the help calls it.
            pub fn phrase(self) -> &'static str {
                match self { $(Self::$name => $phrase),+ }
            }

            /// What it means, in a line of the manual.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),+ }
            }
        }
    };
}

exits! {
    /// Done. A list without an entry is done too, unless its caller waits for one.
    Done = 0, "done", "done";
    /// An error of callboard itself.
    Internal = 1, "internal", "an error of callboard itself; nothing was changed";
    /// The command line is wrong.
    Usage = 2, "usage", "the command line is wrong";
    /// Nothing to do now, or nothing came while a list was waited for.
    Nothing = 3, "nothing now", "nothing to do now, or the watch ended";
    /// Refused by a rule.
    Refused = 4, "refused", "refused by a rule";
    /// Taken by another holder.
    Taken = 5, "taken by another", "taken by another holder";
    /// Yours no longer: a stale lease, session or revision.
    Stale = 6, "yours no longer", "yours no longer: lease, session or revision";
    /// Busy past the deadline.
    Busy = 7, "busy", "busy past the deadline";
    /// The board and this program do not match.
    Version = 8, "versions differ", "the board and this program do not match";
    /// The place is wrong: no board, no permission, no locks, no space.
    Place = 9, "wrong place", "the place is wrong: no board, no permission, no locks, disk full";
    /// The board is complete.
    Complete = 10, "the board is complete", "the board is complete";
}

impl Exit {
    /// These exit codes as the help lists them.
    pub fn list(exits: &[Self]) -> String {
        exits.iter().fold(String::new(), |mut text, exit| {
            let _ = write!(text, "{}{} {}", if text.is_empty() { "" } else { ", " }, *exit as u8, exit.phrase());
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_numbered_without_a_hole() {
        let numbers: Vec<u8> = Exit::ALL.iter().map(|exit| *exit as u8).collect();
        assert_eq!(numbers, (0..=10).collect::<Vec<u8>>());
        assert_eq!(Exit::list(&[Exit::Done, Exit::Busy]), "0 done, 7 busy");
    }
}
