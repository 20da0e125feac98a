//! What every implementer of the store must do with work that others did meanwhile.

use super::contract::{Store, Transaction};
use super::error::StoreError;
use super::samples::{attempt, begun, parse, stored, write};
use crate::domain::attempt::{Attempt, Outcome};
use crate::domain::task::Task;
use crate::domain::task::tests::open_task;
use crate::domain::time::Millis;

pub(super) fn scopes_of_others(store: &mut dyn Store) {
    write(begun(store), |t| {
        let add = |t: &mut dyn Transaction, name: &str, paths: &[&str], ended: Option<i64>| {
            let owned_paths = paths.iter().map(|path| parse(path)).collect();
            let task = stored(t, Task { owned_paths, ..open_task(0, name) })?.key;
            let key = t.insert_attempt(&attempt(task, 1))?;
            let ended = ended.map(|at| (Millis(at), Outcome::Finished));
            t.update_attempt(&Attempt { key, ended, ..attempt(task, 1) })?;
            Ok::<_, StoreError>(task)
        };
        let own = add(t, "own", &["own"], None)?;
        assert!(!t.was_worked_on_since(own, Millis(0))?, "by nobody else");
        add(t, "live", &["live/**"], None)?;
        add(t, "late", &["late/**", "more"], Some(9))?;
        add(t, "early", &["early/**"], Some(7))?;
        add(t, "free", &[], Some(9))?;
        let since = |at, limit| {
            let scopes = t.scopes_since(own, Millis(at), limit)?;
            Ok::<_, StoreError>(scopes.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(since(8, 9)?, ["live/**", "late/**", "more"]);
        assert_eq!(since(7, 9)?, ["live/**", "late/**", "more", "early/**"]);
        assert_eq!(since(7, 1)?, ["live/**"]);
        assert!(t.was_worked_on_since(own, Millis(10))?, "one goes on");
        Ok(())
    });
}
