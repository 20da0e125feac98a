//! Values whose form on a command line differs from their form in JSON, and limits that several operations share.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::domain::event::{Audience, InvalidAudience};
use crate::domain::id::{AgentId, InvalidName, Module, Specialty};
use crate::domain::refusal::{Code, Refusal};

/// One task: `M` or `--module M`.
#[derive(Clone, Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Module", into = "Module")]
#[schemars(with = "Module")]
#[group(id = "one_task")]
pub struct OneTask {
    /// The task.
    #[arg(value_name = "M", required_unless_present = "module")]
    task: Option<Module>,
    /// The same, as a flag.
    #[arg(long, alias = "task", value_name = "M", conflicts_with = "task")]
    module: Option<Module>,
}

impl OneTask {
    /// Its name.
    pub fn name(&self) -> &Module {
        self.task.as_ref().or(self.module.as_ref()).expect("the parser and JSON both give one")
    }
}

impl From<Module> for OneTask {
    fn from(module: Module) -> Self {
        Self { task: Some(module), module: None }
    }
}

impl From<OneTask> for Module {
    fn from(one: OneTask) -> Self {
        one.name().clone()
    }
}

/// A task or none: `[M]` or `--module M`.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Option<Module>", into = "Option<Module>")]
#[schemars(with = "Option<Module>")]
#[group(id = "maybe_task")]
pub struct MaybeTask {
    /// The task.
    #[arg(value_name = "M")]
    task: Option<Module>,
    /// The same, as a flag.
    #[arg(long, alias = "task", value_name = "M", conflicts_with = "task")]
    module: Option<Module>,
}

impl MaybeTask {
    /// Its name, if one was given.
    pub fn name(&self) -> Option<&Module> {
        self.task.as_ref().or(self.module.as_ref())
    }
}

impl From<Option<Module>> for MaybeTask {
    fn from(task: Option<Module>) -> Self {
        Self { task, module: None }
    }
}

impl From<MaybeTask> for Option<Module> {
    fn from(maybe: MaybeTask) -> Self {
        maybe.name().cloned()
    }
}

/// Several tasks: `M...` or `--module M,...`.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Vec<Module>", into = "Vec<Module>")]
#[schemars(with = "Vec<Module>")]
#[group(id = "many_tasks")]
pub struct ManyTasks {
    /// The tasks.
    #[arg(value_name = "M", value_delimiter = ',')]
    tasks: Vec<Module>,
    /// The same, as a flag.
    #[arg(long, alias = "task", value_name = "M", value_delimiter = ',')]
    module: Vec<Module>,
}

impl ManyTasks {
    /// Their names, each once, in the order given.
    pub fn names(&self) -> Vec<Module> {
        let mut names: Vec<Module> = Vec::new();
        for module in self.tasks.iter().chain(&self.module) {
            if !names.contains(module) {
                names.push(module.clone());
            }
        }
        names
    }

    /// Their names; refuses none at all.
    pub fn some_names(&self) -> Result<Vec<Module>, Refusal> {
        let names = self.names();
        if names.is_empty() {
            return Err(Refusal::new(Code::Usage, "no task was named").hint("callboard tasks"));
        }
        Ok(names)
    }
}

impl From<Vec<Module>> for ManyTasks {
    fn from(tasks: Vec<Module>) -> Self {
        Self { tasks, module: Vec::new() }
    }
}

impl From<ManyTasks> for Vec<Module> {
    fn from(many: ManyTasks) -> Self {
        many.names()
    }
}

/// Labels: `--label k=v`, again and again; in JSON an object.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize, JsonSchema)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
#[schemars(with = "BTreeMap<String, String>")]
#[group(id = "labels")]
pub struct Labels {
    /// A label; again for more.
    #[arg(long, value_name = "K=V")]
    label: Vec<Label>,
}

impl Labels {
    /// Names and values.
    pub fn map(&self) -> BTreeMap<String, String> {
        self.label.iter().map(|label| (label.name.clone(), label.value.clone())).collect()
    }

    /// True when none was given.
    pub fn is_empty(&self) -> bool {
        self.label.is_empty()
    }
}

impl From<BTreeMap<String, String>> for Labels {
    fn from(map: BTreeMap<String, String>) -> Self {
        Self { label: map.into_iter().map(|(name, value)| Label { name, value }).collect() }
    }
}

impl From<Labels> for BTreeMap<String, String> {
    fn from(labels: Labels) -> Self {
        labels.map()
    }
}

/// A label: a name and a value of one line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Label {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Why a text is not a label.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a label: it must be NAME=VALUE, one line, at most 200 characters")]
pub struct InvalidLabel(Box<str>);

impl FromStr for Label {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && text.len() <= 200 && !text.chars().any(char::is_control) => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(InvalidLabel(text.into())),
        }
    }
}

impl TryFrom<String> for Label {
    type Error = InvalidLabel;

    fn try_from(text: String) -> Result<Self, InvalidLabel> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        format!("{}={}", label.name, label.value)
    }
}

/// An entry of a list that an empty text clears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<T> {
    /// The empty text: nothing, and with it the list is there and empty.
    Blank,
    /// An entry.
    Value(T),
}

impl<T: FromStr> FromStr for Entry<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text.is_empty() { Ok(Self::Blank) } else { text.parse().map(Self::Value) }
    }
}

impl<T: Serialize> Serialize for Entry<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Blank => serializer.serialize_str(""),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: FromStr<Err: std::fmt::Display>> Deserialize<'de> for Entry<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The values of such a list.
pub fn entries<T: Clone>(list: &[Entry<T>]) -> Vec<T> {
    let value = |entry: &Entry<T>| match entry {
        Entry::Blank => None,
        Entry::Value(value) => Some(value.clone()),
    };
    list.iter().filter_map(value).collect()
}

/// A priority: 0 is most urgent, 4 least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8", into = "u8")]
#[schemars(extend("minimum" = 0, "maximum" = 4))]
pub struct Priority(u8);

/// Why a number is not a priority.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a priority is 0 (most urgent) to 4")]
pub struct InvalidPriority;

impl Default for Priority {
    fn default() -> Self {
        Self(2)
    }
}

impl TryFrom<u8> for Priority {
    type Error = InvalidPriority;

    fn try_from(number: u8) -> Result<Self, InvalidPriority> {
        if number <= 4 { Ok(Self(number)) } else { Err(InvalidPriority) }
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

impl FromStr for Priority {
    type Err = InvalidPriority;

    fn from_str(text: &str) -> Result<Self, InvalidPriority> {
        text.parse::<u8>().map_err(|_| InvalidPriority)?.try_into()
    }
}

impl std::fmt::Display for Priority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// This urgent or more: 0 is most urgent, 4 least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Urgency(Priority);

impl From<Urgency> for u8 {
    fn from(urgency: Urgency) -> Self {
        urgency.0.0
    }
}

impl FromStr for Urgency {
    type Err = InvalidPriority;

    fn from_str(text: &str) -> Result<Self, InvalidPriority> {
        text.parse().map(Self)
    }
}

/// An audience: `workers`, `reviewers`, `workers:SPECIALTY`, `reviewers:SPECIALTY`, `agent:ID`, `humans`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Target(Audience);

impl FromStr for Target {
    type Err = InvalidAudience;

    fn from_str(text: &str) -> Result<Self, InvalidAudience> {
        text.parse().map(Self)
    }
}

impl TryFrom<String> for Target {
    type Error = InvalidAudience;

    fn try_from(text: String) -> Result<Self, InvalidAudience> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.0.to_string()
    }
}

impl From<Audience> for Target {
    fn from(audience: Audience) -> Self {
        Self(audience)
    }
}

impl From<Target> for Audience {
    fn from(target: Target) -> Self {
        target.0
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// For whom a handoff is: `agent:ID`, or a specialty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Receiver {
    /// One agent.
    Agent(AgentId),
    /// Those of a specialty.
    Specialty(Specialty),
}

/// Why a text does not say for whom.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is nobody who could take it; there are: agent:ID, SPECIALTY, workers:SPECIALTY, reviewers:SPECIALTY")]
pub struct InvalidReceiver(Box<str>);

impl FromStr for Receiver {
    type Err = InvalidReceiver;

    fn from_str(text: &str) -> Result<Self, InvalidReceiver> {
        let bad = |_: InvalidName| InvalidReceiver(text.into());
        match text.split_once(':') {
            Some(("agent", id)) => id.parse().map(Self::Agent).map_err(bad),
            Some(("workers" | "reviewers", one)) => one.parse().map(Self::Specialty).map_err(bad),
            None if !matches!(text, "humans" | "workers" | "reviewers") => {
                text.parse().map(Self::Specialty).map_err(bad)
            }
            _ => Err(InvalidReceiver(text.into())),
        }
    }
}

impl TryFrom<String> for Receiver {
    type Error = InvalidReceiver;

    fn try_from(text: String) -> Result<Self, InvalidReceiver> {
        text.parse()
    }
}

impl From<Receiver> for String {
    fn from(receiver: Receiver) -> Self {
        match receiver {
            Receiver::Agent(id) => format!("agent:{id}"),
            Receiver::Specialty(one) => one.to_string(),
        }
    }
}

/// How much of a list to answer with: 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u16", into = "u16")]
#[schemars(extend("minimum" = 1, "maximum" = 1000))]
pub struct Limit(u16);

/// Why a number is not a limit.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a limit is 1 to 1000")]
pub struct InvalidLimit;

impl Default for Limit {
    fn default() -> Self {
        Self(25)
    }
}

impl Limit {
    /// As many as that.
    pub fn get(self) -> usize {
        usize::from(self.0)
    }
}

impl TryFrom<u16> for Limit {
    type Error = InvalidLimit;

    fn try_from(number: u16) -> Result<Self, InvalidLimit> {
        if (1..=1000).contains(&number) { Ok(Self(number)) } else { Err(InvalidLimit) }
    }
}

impl From<Limit> for u16 {
    fn from(limit: Limit) -> Self {
        limit.0
    }
}

impl FromStr for Limit {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        text.parse::<u16>().map_err(|_| InvalidLimit)?.try_into()
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
