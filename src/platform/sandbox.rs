//! A child of this program with little memory, stack and time, for work on input that may be hostile.
//!
//! **Invariants.** Whatever the child does, its parent goes on: the child is killed at its deadline, its output is cut, its
//! standard error goes nowhere, and it leaves no core file.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::program::Program;

/// Maximum bytes of heap of a confined process.
const MAX_HEAP: u64 = 96 * 1024 * 1024;
/// Maximum bytes of its stack.
const MAX_STACK: u64 = 8 * 1024 * 1024;
/// Maximum seconds of processor time.
const MAX_CPU_SECONDS: u64 = 3;
/// Maximum bytes that a confined process takes from its standard input.
pub const MAX_INPUT: u64 = 16 * 1024 * 1024;
/// Maximum bytes that its parent takes from its standard output.
const MAX_OUTPUT: usize = 4 * 1024 * 1024;
/// The deadline of a confined process; its processor time is the tighter limit on a host that is not overloaded.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Limits this process for good. Returns false where the system refuses a limit.
pub fn confine() -> bool {
    let limits = [
        (Resource::Core, 0),
        (Resource::Data, MAX_HEAP),
        (Resource::Stack, MAX_STACK),
        (Resource::Cpu, MAX_CPU_SECONDS),
    ];
    limits.into_iter().all(|(resource, wanted)| {
        let maximum = getrlimit(resource).maximum.map_or(wanted, |maximum| maximum.min(wanted));
        setrlimit(resource, Rlimit { current: Some(maximum), maximum: Some(maximum) }).is_ok()
    })
}

/// Runs this program with one argument that makes it call [`confine`], and returns its output. Returns none where it could not
/// be started, failed, or was ended at its deadline. `program` is used where the system has no other name for the running
/// program: a file that was replaced since is another version.
pub fn run(program: &Path, argument: &str, input: Vec<u8>) -> Option<Vec<u8>> {
    let program = if cfg!(target_os = "linux") { Path::new("/proc/self/exe") } else { program };
    let child = Program::new(program, Path::new("/"), TIMEOUT, MAX_OUTPUT).arguments([argument]).input(input);
    let output = child.run().ok().flatten()?;
    (output.is_success() && !output.is_cut).then_some(output.text)
}
