//! The pages beside the database: text for people, JSON for programs, made from the board and never read back.

pub mod bundles;
pub mod drift;
pub mod error;
pub mod marker;
pub mod own_templates;
pub mod pages;
pub mod refresh;
pub mod render;
