//! One directory that several hosts reach through real mounts of their own (sshfs over a pipe, no network).
//!
//! Each test runs itself again in a mount namespace of its own, so that nothing stays mounted. It needs root, FUSE, sshfs and
//! OpenSSH's sftp-server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::fleet::{Host, Play, play, rounds, wait_until};
use crate::project::{may_run, shim};

/// Set in the process that is in a namespace of its own.
const INSIDE: &str = "CALLBOARD_TEST_IN_NAMESPACE";

/// Where Debian and others keep the program that serves files.
const SFTP_SERVERS: [&str; 3] =
    ["/usr/lib/openssh/sftp-server", "/usr/lib/ssh/sftp-server", "/usr/libexec/openssh/sftp-server"];

fn sftp_server() -> Option<&'static str> {
    SFTP_SERVERS.into_iter().find(|path| Path::new(path).exists())
}

fn faketime() -> Option<PathBuf> {
    let directories = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    directories.iter().map(|dir| Path::new(dir).join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

/// Runs the test `name` in a mount namespace of its own. True in that namespace, where the test goes on.
fn is_in_own_namespace(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    let has =
        |program: &str| Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let there = is_root && Path::new("/dev/fuse").exists() && has("sshfs") && has("unshare") && sftp_server().is_some();
    if may_run("root, FUSE, sshfs and sftp-server", there) && may_run("libfaketime", faketime().is_some()) {
        let status = Command::new("unshare")
            .args(["--mount", "--propagation", "private"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", &format!("mounts::{name}"), "--nocapture"])
            .env(INSIDE, "1")
            .status()
            .unwrap();
        assert!(status.success(), "{name} failed in its namespace");
    }
    false
}

/// A directory, and hosts that reach it through mounts.
struct Mounts {
    top: TempDir,
    options: &'static str,
}

/// A mount; it goes when this is dropped.
struct Mount {
    point: PathBuf,
    sshfs: Child,
}

impl Mounts {
    fn new(options: &'static str) -> Self {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(top.path().join("store/project")).unwrap();
        let script = top.path().join("serve");
        std::fs::write(&script, format!("#!/bin/sh\nexec {}\n", sftp_server().unwrap())).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { top, options }
    }

    fn mount(&self, name: &str) -> Mount {
        let point = self.top.path().join("mount").join(name);
        std::fs::create_dir_all(&point).unwrap();
        let sshfs = self.connect(&point);
        Mount { point, sshfs }
    }

    fn connect(&self, point: &Path) -> Child {
        let options = format!("ssh_command={},{}", self.top.path().join("serve").display(), self.options);
        let remote = format!("x:{}", self.top.path().join("store").display());
        let mut command = Command::new("sshfs");
        command.args(["-f", "-o", options.trim_end_matches(',')]).arg(remote).arg(point);
        let sshfs = command.stdin(Stdio::null()).spawn().unwrap();
        wait_until("the mount", || point.join("project").is_dir());
        sshfs
    }

    fn host(&self, name: &str) -> Host {
        Host::new(self.top.path().join("mount").join(name).join("project"), &self.top.path().join("home").join(name))
    }

    /// A file of the plan directory, without a mount.
    fn plan(&self, name: &str) -> PathBuf {
        self.top.path().join("store/project/project-plan").join(name)
    }
}

impl Mount {
    /// The connection dies; what uses the mount is told that it is gone.
    fn cut(&mut self) {
        let _ = self.sshfs.kill();
        let _ = self.sshfs.wait();
        let _ = Command::new("umount").arg("-l").arg(&self.point).status();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Three hosts: one whose clock is an hour ahead, one whose mount goes away and comes back; processes of all are killed at
/// random, and one is stopped for a minute while it holds the lock.
fn hosts_lose_nothing(options: &'static str) {
    for _ in 0..rounds() {
        let mounts = Mounts::new(options);
        let (_first, _second, mut third) = (mounts.mount("a"), mounts.mount("b"), mounts.mount("c"));
        let ahead = mounts.host("b").with("LD_PRELOAD", faketime().unwrap());
        let ahead = ahead.with("FAKETIME", "+1h").with("DONT_FAKE_MONOTONIC", "1");
        let hosts = [mounts.host("a"), ahead, mounts.host("c")];
        assert_eq!(hosts[0].json(&["init"])["storage"], "shared");
        let report = play(&hosts, Play { tasks: 30, workers: 2, kill_one_in: 5 }, |report| {
            let done = || report.acknowledged.load(Ordering::Relaxed);
            wait_until("some work", || done() > 10);
            let mut command = hosts[0].command(&["add-task", "stopped", "--title", "By the stopped one", "--json"]);
            command.env("LD_PRELOAD", shim()).env("FAULT_STOP_AT", "1");
            let stopped = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let begin = Instant::now();

            hosts[2].cut_or_connect();
            third.cut();
            std::thread::sleep(Duration::from_secs(2));
            third.sshfs = mounts.connect(&third.point);
            hosts[2].cut_or_connect();

            let before = done();
            wait_until("work beside a stopped holder", || done() > before + 10);
            std::thread::sleep(Duration::from_secs(60).saturating_sub(begin.elapsed()));
            assert!(Command::new("kill").args(["-CONT", &stopped.id().to_string()]).status().unwrap().success());
            let output = stopped.wait_with_output().unwrap();
            let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((output.status.code(), &said["error"]["code"]), (Some(7), &"busy".into()), "{output:?}");
            hosts[0].json(&["add-task", "stopped", "--title", "Once more"]);
        });
        let kills = report.kills.load(Ordering::Relaxed);
        assert!(kills > 5, "{kills} processes were killed");
        assert!(!mounts.plan(".callboard/lock.d").exists(), "nobody left a lock behind");
    }
}

#[test]
fn hosts_on_mounts_without_a_cache_lose_nothing_and_lock_nobody_out() {
    if is_in_own_namespace("hosts_on_mounts_without_a_cache_lose_nothing_and_lock_nobody_out") {
        hosts_lose_nothing("cache=no");
    }
}

#[test]
fn hosts_on_mounts_as_they_come_lose_nothing_and_lock_nobody_out() {
    if is_in_own_namespace("hosts_on_mounts_as_they_come_lose_nothing_and_lock_nobody_out") {
        hosts_lose_nothing("");
    }
}

#[test]
fn hosts_on_mounts_with_a_long_cache_lose_nothing_and_lock_nobody_out() {
    if is_in_own_namespace("hosts_on_mounts_with_a_long_cache_lose_nothing_and_lock_nobody_out") {
        hosts_lose_nothing("dcache_timeout=20");
    }
}

#[test]
fn a_page_in_the_cache_of_a_mount_is_not_called_edited() {
    if !is_in_own_namespace("a_page_in_the_cache_of_a_mount_is_not_called_edited") {
        return;
    }
    let mounts = Mounts::new("dcache_timeout=20,kernel_cache");
    let (_first, _second) = (mounts.mount("a"), mounts.mount("b"));
    let (here, there) = (mounts.host("a"), mounts.host("b"));
    here.json(&["init"]);
    let (name, mut stale) = ("project-plan/STATUS.md", 0);
    for task in 0..8 {
        // The other host reads the page again and again while it changes, so that its mount has it in its cache.
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let page = there.root.join(name);
            scope.spawn(|| {
                let page = there.root.join(name);
                while !is_done.load(Ordering::Relaxed) {
                    let _ = (std::fs::metadata(&page), std::fs::read(&page));
                }
            });
            std::thread::sleep(Duration::from_millis(100));
            here.json(&["add-task", &format!("t{task}"), "--title", "A page that gets longer"]);
            stale += usize::from(std::fs::read(&page).unwrap() != std::fs::read(mounts.plan("STATUS.md")).unwrap());
            let output = there.command(&["validate", "--json"]).output().unwrap();
            is_done.store(true, Ordering::Relaxed);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        });
    }
    assert!(stale > 0, "no read met the cache");
    std::fs::write(here.root.join(name), "edited by hand").unwrap();
    let output = here.command(&["validate"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "what was really edited is told: {output:?}");
}

#[test]
fn a_database_that_grew_through_another_mount_is_not_called_damaged() {
    if !is_in_own_namespace("a_database_that_grew_through_another_mount_is_not_called_damaged") {
        return;
    }
    for options in ["", "dcache_timeout=20", "dcache_timeout=60,attr_timeout=60,entry_timeout=60"] {
        let mounts = Mounts::new(options);
        let (_first, _second) = (mounts.mount("a"), mounts.mount("b"));
        let (here, there) = (mounts.host("a"), mounts.host("b"));
        here.json(&["init"]);
        // While somebody writes through a mount, sshfs does not learn a length by opening a file.
        let writers: Vec<Writer> = (0..3).map(|_| Writer::into(&there.root.join("noise"))).collect();
        let (body, mut stale) = ("x".repeat(20_000), 0);
        for task in 0..20 {
            // The other host's system knows the length of the database, which then grows.
            let length = || std::fs::symlink_metadata(there.root.join("project-plan/coordination.db")).unwrap().len();
            length();
            here.json(&["add-task", &format!("t{task}"), "--title", "Long", "--body", &body]);
            stale += usize::from(length() != std::fs::metadata(mounts.plan("coordination.db")).unwrap().len());
            assert_eq!(there.json(&["tasks"])["tasks"].as_array().unwrap().len(), task + 1);
            there.json(&["edit-task", &format!("t{task}"), "--priority", "1"]);
        }
        drop(writers);
        assert!(stale > 0, "no length came from the cache of {options:?}");
    }
}

/// A process that writes to a file again and again.
struct Writer(Child);

impl Writer {
    fn into(path: &Path) -> Self {
        let line = "while :; do echo x > \"$0\"; done";
        Self(Command::new("sh").args(["-c", line]).arg(path).spawn().unwrap())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
