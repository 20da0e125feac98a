//! Other names of fields: what the command line takes as another name of a flag, every interface takes as one of a field.

use std::collections::BTreeMap;

use clap::{Args as _, Command};

use super::Operation;

/// The other names of the fields of an operation, its own and the shared ones, each with the field that it means.
pub fn field_aliases<O: Operation>() -> BTreeMap<String, String> {
    let command = O::augment_args(O::Call::augment_args(Command::new(O::NAME)));
    let aliases = |arg: &clap::Arg| {
        let field = arg.get_id().to_string();
        let names = arg.get_all_aliases().unwrap_or_default();
        names.into_iter().map(move |name| (name.replace('-', "_"), field.clone())).collect::<Vec<_>>()
    };
    command.get_arguments().flat_map(aliases).collect()
}
