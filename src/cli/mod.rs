//! The command line: parse, call one operation, render. The only printer.

mod client;
mod command;
mod completions;
mod facts;
mod files;
mod former;
mod help;
mod hooks;
mod log;
mod out;
mod pages;
mod proven;
mod render;
mod run;
mod serve;
mod skill;
mod streaming;
mod table;
mod waiting;

pub use run::main;
