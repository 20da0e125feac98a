//! Preflight: what a team says of itself before it starts, and which mode suits it.
//!
//! The rule is a sum of points that anybody can check by hand; `references/modes.md` states it. The mode changes no
//! rule of the board, it only decides which door is named to agents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::board::Mode;
use super::id::{BranchName, CommitId, DirectoryPath, HostName};
use super::time::Millis;
use super::word::words;

words! {
    /// How long the windows stay.
    SessionKind, "session kind" {
        /// They loop until the board is complete.
        WhileLoop = "while_loop",
        /// They do one thing and leave.
        Single = "single",
    }
}

words! {
    /// What matters most.
    OptimizeFor, "aim" {
        /// Few tokens, few moving parts.
        Token = "token",
        /// Neither.
        Balanced = "balanced",
        /// Throughput.
        Efficiency = "efficiency",
    }
}

words! {
    /// The mode that was asked for.
    ModeChoice, "mode" {
        /// The one that the rule gives.
        Auto = "auto",
        /// Through the directory.
        SharedBoard = "shared_board",
        /// Through a dispatch server.
        CentralizedDispatch = "centralized_dispatch",
    }
}

/// Who takes part, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Topology {
    /// Agents that work at once.
    pub agent_count: u32,
    /// Machines that they run on.
    pub machine_count: u32,
    /// Windows that are open at once.
    pub window_count: u32,
    /// True when all machines see the same plan directory.
    pub shared_storage: bool,
}

impl Topology {
    /// True when there are several machines.
    pub fn is_cross_machine(&self) -> bool {
        self.machine_count > 1
    }
}

/// Agents up to this many queue at a directory without noticing each other.
const AGENTS_FREE: u32 = 4;
/// The same for windows, most of which sleep,
const WINDOWS_FREE: u32 = 8;
/// and beyond that so many of them make a point.
const WINDOWS_A_POINT: u32 = 4;
/// Points of each machine but the first: on shared storage a change is seen after a second, from a server at once.
const MACHINE_POINTS: u32 = 2;
/// Points for or against by what matters most.
const AIM_POINTS: i64 = 3;
/// From so many points on a server is advised.
pub const DISPATCH_FROM: i64 = 5;
/// As far as a change that would turn the advice is looked for.
const LOOKED_FOR: u32 = 64;

/// A number that counts for or against a dispatch server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// What is counted.
    pub name: String,
    /// What it is.
    pub value: String,
    /// What it counts: more is for a server.
    pub points: i64,
}

/// Which mode suits a team, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// The mode.
    pub mode: Mode,
    /// Why, in a sentence.
    pub reason: String,
    /// The sum.
    pub score: i64,
    /// From this sum on a server is advised.
    pub dispatch_from: i64,
    /// What was counted.
    pub points: Vec<Point>,
    /// Single changes that would turn the advice.
    pub would_change: Vec<String>,
}

/// Which mode suits a team that looks like this and wants that most.
pub fn advise(topology: &Topology, aim: OptimizeFor) -> Advice {
    let points = points(topology, aim);
    let score = points.iter().map(|point| point.points).sum();
    let mode = mode_of(topology, aim);
    let reason = match mode {
        _ if is_apart(topology) => "several machines without shared storage meet only at a server".to_owned(),
        Mode::CentralizedDispatch => format!("{score} points; from {DISPATCH_FROM} on a server pays"),
        Mode::SharedBoard => format!("{score} points; below {DISPATCH_FROM} the directory alone is enough"),
    };
    Advice { mode, reason, score, dispatch_from: DISPATCH_FROM, points, would_change: turns(topology, aim) }
}

fn mode_of(topology: &Topology, aim: OptimizeFor) -> Mode {
    let score: i64 = points(topology, aim).iter().map(|point| point.points).sum();
    if is_apart(topology) || score >= DISPATCH_FROM { Mode::CentralizedDispatch } else { Mode::SharedBoard }
}

fn is_apart(topology: &Topology) -> bool {
    topology.is_cross_machine() && !topology.shared_storage
}

fn points(topology: &Topology, aim: OptimizeFor) -> Vec<Point> {
    let point = |name: &str, value: String, points: i64| Point { name: name.to_owned(), value, points };
    let agents = topology.agent_count.saturating_sub(AGENTS_FREE);
    let windows = topology.window_count.saturating_sub(WINDOWS_FREE) / WINDOWS_A_POINT;
    let machines = topology.machine_count.saturating_sub(1) * MACHINE_POINTS;
    let wants = match aim {
        OptimizeFor::Token => -AIM_POINTS,
        OptimizeFor::Balanced => 0,
        OptimizeFor::Efficiency => AIM_POINTS,
    };
    vec![
        point("agent_count", topology.agent_count.to_string(), agents.into()),
        point("window_count", topology.window_count.to_string(), windows.into()),
        point("machine_count", topology.machine_count.to_string(), machines.into()),
        point("optimize_for", aim.to_string(), wants),
    ]
}

/// A number of a team, to be changed.
type Part = fn(&mut Topology) -> &mut u32;

/// Every single change that turns the advice, the nearest of its kind.
fn turns(topology: &Topology, aim: OptimizeFor) -> Vec<String> {
    let now = mode_of(topology, aim);
    let turned = |other: &Topology, aim| mode_of(other, aim) != now;
    let mut found = Vec::new();
    for other in OptimizeFor::ALL.iter().filter(|other| turned(topology, **other)) {
        found.push(format!("--optimize-for {other}"));
    }
    let parts: [(&str, Part); 3] = [
        ("--agent-count", |t| &mut t.agent_count),
        ("--window-count", |t| &mut t.window_count),
        ("--machine-count", |t| &mut t.machine_count),
    ];
    for (flag, part) in parts {
        let mut other = *topology;
        let here = *part(&mut other);
        // Nearest first: one more, one less, two more...
        let near = (1..=LOOKED_FOR).flat_map(|step| [here.checked_add(step), here.checked_sub(step)]).flatten();
        let mut turning = near.filter(|count| *count > 0).filter(|count| {
            *part(&mut other) = *count;
            turned(&other, aim)
        });
        if let Some(count) = turning.next() {
            found.push(format!("{flag} {count}{}", if count > here { " or more" } else { " or fewer" }));
        }
    }
    let other = Topology { shared_storage: !topology.shared_storage, ..*topology };
    if turned(&other, aim) {
        found.push(format!("--shared-storage={}", other.shared_storage));
    }
    found
}

/// What the team said of itself at the last preflight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preflight {
    /// How long the windows stay.
    pub session_kind: SessionKind,
    /// The mode that was asked for.
    pub mode_choice: ModeChoice,
    /// What matters most.
    pub optimize_for: OptimizeFor,
    /// Who takes part.
    pub topology: Topology,
}

/// A place whose workspace and branch somebody confirmed. There is one for each working tree of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Confirmed {
    /// The name of the host.
    pub host: HostName,
    /// The top level of the working tree.
    pub workspace: DirectoryPath,
    /// The branch; null without git or with a detached head.
    pub branch: Option<BranchName>,
    /// The commit that was checked out.
    pub head: Option<CommitId>,
    /// Who confirmed it.
    pub by: String,
    /// When.
    pub at: Millis,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn team(agent_count: u32, machine_count: u32, window_count: u32, shared_storage: bool) -> Topology {
        Topology { agent_count, machine_count, window_count, shared_storage }
    }

    #[test]
    fn a_few_windows_need_no_server_and_a_fleet_does() {
        use Mode::{CentralizedDispatch as Dispatch, SharedBoard as Board};
        let cases = [
            (team(2, 1, 2, false), OptimizeFor::Token, Board),
            (team(6, 2, 4, true), OptimizeFor::Efficiency, Dispatch),
            (team(2, 2, 2, false), OptimizeFor::Token, Dispatch),
            (team(2, 2, 2, true), OptimizeFor::Token, Board),
            (team(8, 1, 8, false), OptimizeFor::Balanced, Board),
            (team(9, 1, 9, false), OptimizeFor::Balanced, Dispatch),
            (team(3, 1, 28, false), OptimizeFor::Balanced, Dispatch),
        ];
        for (team, aim, mode) in cases {
            assert_eq!(advise(&team, aim).mode, mode, "{team:?} {aim}");
        }
    }

    #[test]
    fn what_would_change_the_advice_does() {
        let advice = advise(&team(8, 1, 8, false), OptimizeFor::Balanced);
        assert_eq!(
            advice.would_change,
            [
                "--optimize-for efficiency",
                "--agent-count 9 or more",
                "--window-count 12 or more",
                "--machine-count 2 or more",
            ]
        );
        assert_eq!(advise(&team(9, 1, 8, false), OptimizeFor::Balanced).mode, Mode::CentralizedDispatch);
        let apart = advise(&team(2, 2, 2, false), OptimizeFor::Token);
        assert_eq!(apart.would_change, ["--machine-count 1 or fewer", "--shared-storage=true"]);
        assert_eq!(advise(&team(2, 2, 2, true), OptimizeFor::Token).mode, Mode::SharedBoard);
    }
}
