//! Making a board.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Anyone;
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::app::init::{Made, Wanted};
use crate::board::mutation::Refused;
use crate::domain::board::{Journal, StorageKind};
use crate::domain::profile::Profile;
use crate::domain::right::Right;
use crate::domain::word::words;

words! {
    /// Where a new board is to be usable.
    Storage, "kind of storage" {
        /// What the file system says.
        Auto = "auto",
        /// By processes of one host.
        Local = "local",
        /// By several hosts that see the same directory.
        Shared = "shared",
    }
}

/// Make a board, or say what is there.
///
/// Makes `project-plan/` in --project-root, else in the git top level, else here. Run again it changes nothing. A board
/// is never made over another. `--storage shared` turns a local board into a shared one, for good.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// What people call it; the project's name when none is given.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub name: Option<String>,
    /// auto, local or shared.
    #[arg(long, value_name = "KIND")]
    #[serde(default)]
    pub storage: Option<Storage>,
    /// truncate, or wal on a local disk.
    #[arg(long, value_name = "MODE")]
    #[serde(default)]
    pub journal: Option<Journal>,
    /// safe, balanced or throughput.
    #[arg(long, value_name = "PROFILE")]
    #[serde(default)]
    pub safety_profile: Option<Profile>,
    /// Write project-plan/mcp-host-config.json: the entry by which agents' programs start callboard mcp.
    #[arg(long)]
    #[serde(default)]
    pub emit_mcp_config: bool,
}

/// The board that is there now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct InitReply {
    /// True when it was made just now.
    pub created: bool,
    /// True when a local board became a shared one.
    pub turned_shared: bool,
    /// The project.
    pub project_root: String,
    /// What people call it.
    pub name: String,
    /// Where it may be used.
    pub storage: StorageKind,
    /// How its journal is kept.
    pub journal: Journal,
    /// How careful it is.
    pub safety_profile: Profile,
    /// Where the entry for agents' programs was written, if it was asked for.
    #[serde(default)]
    pub mcp_config: Option<String>,
}

impl Operation for Init {
    const NAME: &'static str = "init";
    const ALIASES: &'static [&'static str] = &["bootstrap"];
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Aboard;
    const EXAMPLE: &'static str = "callboard init --name \"Shop relaunch\"";
    const RIGHT: Right = Right::Operator;
    type Call = Anyone;
    type Reply = InitReply;

    fn is_alone(&self, _: &Self::Call) -> bool {
        true
    }

    fn run(&self, _: &Anyone, app: &App) -> Result<Done<InitReply>, Refused> {
        let storage = match self.storage {
            None | Some(Storage::Auto) => None,
            Some(Storage::Local) => Some(StorageKind::Local),
            Some(Storage::Shared) => Some(StorageKind::Shared),
        };
        let (name, journal, profile) = (self.name.clone(), self.journal, self.safety_profile);
        let there = app.init(&Wanted { name, storage, journal, profile })?;
        let warnings = match app.show_pages() {
            Ok(warnings) => warnings,
            Err(refused) => vec![format!("the pages are behind: {}", refused.refusal)],
        };
        let config = match self.emit_mcp_config {
            true => Some(app.write_host_config(&there.place).map_err(|refusal| Refused { refusal, revision: None })?),
            false => None,
        };
        let revision = there.board.revision;
        let reply = InitReply {
            created: there.made == Made::New,
            turned_shared: there.made == Made::Shared,
            project_root: there.place.project.to_string_lossy().into_owned(),
            name: there.board.name,
            storage: there.place.file.storage,
            journal: there.board.journal,
            safety_profile: there.board.profile,
            mcp_config: config.map(|path| path.to_string_lossy().into_owned()),
        };
        Ok(Done { warnings, ..Done::plain(reply, revision) })
    }
}
