//! Telling damage from a defect: what fails in a way that no rule foresees is judged by the rows that it met.
//!
//! **Invariants.** Rows that break a rule are never answered with `internal` or a panic, whatever stumbled over them: the
//! answer is `damaged`, with the command that repairs. A failure on rows that are sound is passed on as it is.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::board::mutation::Refused;
use crate::domain::audit::Finding;
use crate::domain::refusal::{Code, Refusal};
use crate::store::{Access, Store, StoreError};

/// Does `work` on the rows of `store`, and judges its failure by them.
pub(super) fn judged<S: Store, T>(
    store: &mut S,
    work: impl FnOnce(&mut S) -> Result<T, Refused>,
) -> Result<T, Refused> {
    // A transaction that is dropped is undone, also by a panic.
    match catch_unwind(AssertUnwindSafe(|| work(store))) {
        Ok(Err(refused)) if is_unforeseen(refused.refusal.code) => {
            let damage = damage(store).map(|refusal| Refused { refusal, revision: refused.revision });
            Err(damage.unwrap_or(refused))
        }
        Ok(done) => done,
        Err(panic) => match damage(store) {
            Some(refusal) => Err(Refused { refusal, revision: None }),
            None => resume_unwind(panic),
        },
    }
}

/// True for what only a defect of callboard, a failing storage or damaged rows can be answered with.
fn is_unforeseen(code: Code) -> bool {
    matches!(code, Code::Internal | Code::StorageFailed)
}

/// What is wrong with the rows, as a refusal; none where every rule finds them sound, or nothing can be read at all.
fn damage(store: &mut dyn Store) -> Option<Refusal> {
    let found = catch_unwind(AssertUnwindSafe(|| first_finding(store)));
    let said = match found {
        // Whatever stumbled over them, the check did too.
        Err(_) => "its rows cannot be checked".to_owned(),
        Ok(Err(StoreError::Damaged(said))) => said.into(),
        Ok(Err(_) | Ok(None)) => return None,
        Ok(Ok(Some(Finding { rule, subject, detail }))) => format!("{rule} {subject}: {detail}"),
    };
    Some(StoreError::Damaged(said.into()).into())
}

fn first_finding(store: &mut dyn Store) -> Result<Option<Finding>, StoreError> {
    let transaction = store.begin(Access::Read)?;
    let mut found = transaction.integrity(1)?;
    if found.is_empty() {
        found = transaction.findings(1)?;
    }
    Ok(found.into_iter().next())
}
