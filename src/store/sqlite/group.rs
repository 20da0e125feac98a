//! Several transactions in one: each is a savepoint, and all of them become durable together.
//!
//! **Invariants.** A transaction of a group that is dropped undoes its own work and nothing else. If SQLite itself rolled
//! back (no space, an error of the disk), nothing of the group is there any more: every later transaction of it, and its
//! end, is refused, so that nobody is told of work that is gone.

use rusqlite::Connection;

use super::error::{first_failure, translated};
use super::open::Ending;
use crate::store::contract::{Access, Kept};

/// Begins a transaction of a group. A read needs no savepoint.
pub(super) fn part(connection: &Connection, access: Access) -> Kept<Option<Ending>> {
    match access {
        Access::Read => Ok(None),
        Access::Write => {
            connection.execute_batch("SAVEPOINT one").map_err(translated)?;
            Ok(Some(Ending { keep: "RELEASE one", undo: "ROLLBACK TO one; RELEASE one" }))
        }
    }
}

/// Refuses to go on in a transaction or a group that SQLite has undone by itself, with the error that made it do so.
pub(super) fn check_open(connection: &Connection) -> Kept<()> {
    if connection.is_autocommit() { Err(first_failure()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store as _;
    use crate::store::StoreError;
    use crate::store::conformance::CHECKS;
    use crate::store::samples::{board, read};
    use crate::store::sqlite::open::tests::fresh;

    #[test]
    fn a_transaction_of_a_group_keeps_the_contract() {
        for check in CHECKS {
            let directory = tempfile::tempdir().expect("a directory");
            let mut store = fresh(directory.path());
            store.begin_group(Access::Write).expect("a group");
            check(&mut store);
            store.end_group().expect("it is committed");
        }
    }

    #[test]
    fn a_part_that_is_dropped_takes_nothing_else_along_and_what_never_ended_never_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let put = |store: &mut crate::store::sqlite::SqliteStore, revision: u64, keep: bool| {
            let mut part = store.begin(Access::Write).expect("a part");
            part.put_board(&crate::domain::board::Board { revision, ..board() }).expect("put");
            if keep {
                part.commit().expect("kept");
            }
        };
        let mut store = fresh(directory.path());
        store.begin_group(Access::Write).expect("a group");
        put(&mut store, 1, true);
        put(&mut store, 2, false);
        assert_eq!(read(&mut store, |t| t.board()).revision, 1, "the second was undone, the first was not");
        store.end_group().expect("it is committed");
        store.begin_group(Access::Write).expect("a group");
        put(&mut store, 3, true);
        drop(store);
        assert_eq!(read(&mut fresh(directory.path()), |t| t.board()).revision, 1, "its group never ended");
    }

    #[test]
    fn a_commit_after_an_error_that_was_dropped_answers_with_that_error() {
        for is_group in [false, true] {
            let directory = tempfile::tempdir().expect("a directory");
            let mut store = fresh(directory.path());
            {
                let mut first = store.begin(Access::Write).expect("a transaction");
                first.put_board(&board()).expect("put");
                first.commit().expect("kept");
            }
            store.connection().execute_batch("PRAGMA max_page_count = 1").expect("as full as it is");
            if is_group {
                store.begin_group(Access::Write).expect("a group");
            }
            let mut transaction = store.begin(Access::Write).expect("a transaction");
            let reply = "x".repeat(1_000_000);
            let (id, digest, at) = ("r-1".parse().expect("a name"), "d".to_owned(), crate::domain::time::Millis(0));
            let request = crate::store::contract::Request { id, digest, reply, revision: 1, at };
            assert!(transaction.keep_request(&request).is_err(), "and whoever asked goes on without it");
            let refused = transaction.commit().expect_err("SQLite has undone it");
            assert!(matches!(refused, StoreError::Full), "{refused}");
            if is_group {
                assert!(matches!(store.end_group().expect_err("nothing is there"), StoreError::Full));
            }
        }
    }

    #[test]
    fn a_group_that_the_storage_undid_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut store = fresh(directory.path());
        store.begin_group(Access::Write).expect("a group");
        store.connection().execute_batch("ROLLBACK").expect("as SQLite does when the disk is full");
        assert!(store.begin(Access::Write).is_err(), "it would be a transaction of its own");
        assert!(store.end_group().is_err(), "nothing was committed");
    }
}
