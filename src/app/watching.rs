//! Waiting for the board: an ear at its place, and the clock that a waiting process keeps going.

use super::access::{App, unread};
use super::order::Order;
use super::pulse;
use crate::board::caller::Caller;
use crate::board::mutation::{Answer, Outcome, Refused};
use crate::board::outlook::Outlook;
use crate::watch::watcher::Watcher;

impl App {
    /// An ear at the board's place.
    pub fn watcher(&self) -> Result<Watcher, Refused> {
        let place = self.place().map_err(unread)?;
        Ok(Watcher::new(pulse::places(&place, &self.settings).map_err(unread)?))
    }

    /// Records the clock, marks what has run out, and that the caller's window is there. Changes nothing when another
    /// process has just done so.
    pub fn tick(&self, caller: &Caller, outlook: &Outlook) -> Result<(), Refused> {
        let order = Order::presence("tick", caller);
        self.commit(&order, |turn| {
            if outlook.silent {
                turn.be_heard_of();
            }
            Ok(Answer { outcome: Outcome::Nothing, reply: () })
        })
        .map(drop)
    }

    /// Records that the caller's window is there, which renews the leases of one that is named.
    pub fn be_heard_of(&self, caller: &Caller) -> Result<(), Refused> {
        self.commit(&Order::presence("heard", caller), |turn| {
            turn.be_heard_of();
            Ok(Answer { outcome: Outcome::Nothing, reply: () })
        })
        .map(drop)
    }
}
