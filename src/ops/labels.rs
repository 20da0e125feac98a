//! Labels that take the place of others.

use std::collections::BTreeMap;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{Entry, Label, entries};

type Given = Option<BTreeMap<String, String>>;

/// Labels that replace the old ones: `--label k=v`, again and again, `--label ''` for none; in JSON an object, as for a new task.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Given", into = "Given")]
#[schemars(with = "Given")]
#[group(id = "new_labels")]
pub struct NewLabels {
    /// A label; again for more. They replace the old ones, and an empty one clears them.
    #[arg(long, value_name = "K=V")]
    label: Option<Vec<Entry<Label>>>,
}

impl NewLabels {
    /// Names and values; none where the old ones stay.
    pub fn map(&self) -> Given {
        let labels = entries(self.label.as_ref()?).into_iter();
        Some(labels.map(|label| (label.name, label.value)).collect())
    }
}

impl From<Given> for NewLabels {
    fn from(given: Given) -> Self {
        let labels =
            |map: BTreeMap<_, _>| map.into_iter().map(|(name, value)| Entry::Value(Label { name, value })).collect();
        Self { label: given.map(labels) }
    }
}

impl From<NewLabels> for Given {
    fn from(labels: NewLabels) -> Self {
        labels.map()
    }
}
