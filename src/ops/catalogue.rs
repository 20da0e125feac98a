//! The list of all operations. Adding one here brings it to every door.

/// Calls `$with! { Type, Type, ... }` with every operation, in the order of the help.
#[macro_export]
macro_rules! catalogue {
    ($with:path) => {
        $with! {
            $crate::ops::agents::InitAgent,
            $crate::ops::status::NextAction,
            $crate::ops::claims::ClaimNext,
            $crate::ops::leases::Heartbeat,
            $crate::ops::work::Finish,
            $crate::ops::work::Release,
            $crate::ops::reviews::ClaimReviewNext,
            $crate::ops::reviews::Approve,
            $crate::ops::reviews::RequestChanges,
            $crate::ops::status::Summary,
            $crate::ops::boards::Init,
            $crate::ops::agents::RegisterSession,
            $crate::ops::sessions::CloseSession,
            $crate::ops::agents::Agents,
            $crate::ops::sessions::Sessions,
            $crate::ops::sessions::ReapSessions,
            $crate::ops::tasks::AddTask,
            $crate::ops::tasks::EditTask,
            $crate::ops::graph::Depend,
            $crate::ops::graph::Undepend,
            $crate::ops::tasks::ConfirmTask,
            $crate::ops::tasks::CancelTask,
            $crate::ops::tasks::ReopenTask,
            $crate::ops::intake::Intake,
            $crate::ops::claims::Claim,
            $crate::ops::work::FailTask,
            $crate::ops::work::Block,
            $crate::ops::work::Unblock,
            $crate::ops::reviews::StartReview,
            $crate::ops::leases::LeaseReclaim,
            $crate::ops::lists::Tasks,
            $crate::ops::lists::Show,
            $crate::ops::graph::Graph,
            $crate::ops::status::Explain,
            $crate::ops::status::History,
            $crate::ops::status::State,
            $crate::ops::claims::NextClaimable,
            $crate::ops::reviews::NextReviewable,
            $crate::ops::leases::Leases,
            $crate::ops::events::Events,
            $crate::ops::events::AckEvents,
            $crate::ops::events::Notifications,
            $crate::ops::events::AckNotifications,
            $crate::ops::events::Notify,
        }
    };
}
