//! A panic in asynchronous code is an answer too.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::app::error::internal_error;
use crate::domain::refusal::Refusal;

/// What comes of `work`. Refuses with `internal` if it panics: whoever asked would else wait for an answer that never comes.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, Refusal> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Ready(result)) => Poll::Ready(Ok(result)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => Poll::Ready(Err(internal_error(&*panic))),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refusal::Code;

    #[test]
    fn a_panic_after_a_pause_is_a_refusal() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            assert_eq!(caught(async { 7 }).await.ok(), Some(7));
            let panics = async {
                tokio::task::yield_now().await;
                assert_eq!(1, 2, "sums are wrong");
            };
            let refusal = caught(panics).await.expect_err("it panicked");
            assert_eq!(refusal.code, Code::Internal);
            assert!(refusal.message.contains("sums are wrong"), "{refusal}");
        });
    }
}
