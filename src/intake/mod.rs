//! Where tasks come from: plans that somebody wrote, and what can be seen of a project without running anything.
//!
//! [`markdown`], [`jsonl`] and [`beads`] read a plan's text into tasks. [`scan`] looks at a project and proposes drafts,
//! each with the places that it came from; nothing that it says is ever scheduled by before somebody confirms it.

pub mod beads;
pub mod commands;
pub mod drafts;
#[cfg(test)]
mod hostile_plans;
pub mod jsonl;
pub mod markdown;
mod marks;
pub mod named_paths;
mod notes;
mod owners;
pub mod scan;
mod walk;
