//! The server against the command line: throughput, what readers cost a claim, and what those cost who only wait.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{Bench, done, paired, row};

/// Those that claim and finish at once.
const CLIENTS: usize = 64;
/// The tasks that processes of the command line do, and clients of the server.
const TASKS: (usize, usize) = (256, 2_048);
/// Those that read the stream of events beside a claim,
const READERS: usize = 200;
/// and how many claims are timed.
const CLAIMS: usize = 300;
/// Those that only wait,
const WAITERS: usize = 1_000;
/// and for how long they are watched.
const IDLE: Duration = Duration::from_secs(20);

/// Prints this part of the table.
pub fn measure(bench: &Bench) {
    start(bench);
    throughput(bench);
    readers(bench);
    waiters(bench);
}

/// What a program with doors takes to start, against one without: the binary of before, if `BENCH_BASE` names one.
fn start(bench: &Bench) {
    let Some(base) = std::env::var_os("BENCH_BASE").map(PathBuf::from) else { return };
    let board = bench.board("start", 10);
    let command = |program: &Path| {
        let mut command = bench.callboard(&board, &["summary"]);
        let mut other = Command::new(program);
        other.args(command.get_args().collect::<Vec<_>>()).current_dir(&board);
        other.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = other;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let (ours, before) = paired(|_| command(&bench.callboard), |_| command(&base));
    row("summary, against the program without doors", ours, before, 1.1);
}

/// A server; it is killed when this is dropped.
struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(bench: &Bench, board: &Path) -> Self {
        let mut command = bench.callboard(board, &["serve", "--port", "0", "--json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = ready["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
        let shown = bench.callboard(board, &["token", "show"]).stdout(Stdio::piped()).output().unwrap();
        Self { child, address, token: String::from_utf8(shown.stdout).unwrap().trim().to_owned() }
    }

    fn connect(&self) -> Connection<'_> {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { server: self, stream: BufReader::new(stream) }
    }
}

/// A connection that is kept open, as clients do.
struct Connection<'a> {
    server: &'a Server,
    stream: BufReader<TcpStream>,
}

impl Connection<'_> {
    fn send(&mut self, operation: &str, body: &Value) {
        let Server { address, token, .. } = self.server;
        let body = body.to_string();
        let head = format!("POST /v1/{operation} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
        let kind = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        self.stream.get_mut().write_all((head + &kind).as_bytes()).unwrap();
    }

    fn call(&mut self, operation: &str, body: &Value) -> Value {
        self.send(operation, body);
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

fn agents(bench: &Bench, board: &Path, count: usize) {
    for worker in 0..count {
        done(bench.callboard(board, &["init-agent", "--thread-key", &format!("w{worker}")]));
    }
}

fn mutations_per_second(tasks: usize, took: Duration) -> f64 {
    // Each is claimed and finished.
    f64::from(u32::try_from(tasks * 2).unwrap()) / took.as_secs_f64()
}

fn throughput(bench: &Bench) {
    let (few, many) = TASKS;
    let board = bench.board("doors-cli", few);
    agents(bench, &board, CLIENTS);
    let begin = Instant::now();
    let given: usize = std::thread::scope(|scope| {
        let board = &board;
        let workers: Vec<_> = (0..CLIENTS).map(|worker| scope.spawn(move || bench.work(board, worker, 0))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let by_processes = mutations_per_second(few, begin.elapsed());
    assert_eq!(given, few, "every task is given once");
    let board = bench.board("doors-http", many);
    agents(bench, &board, CLIENTS);
    let server = Server::start(bench, &board);
    let begin = Instant::now();
    let given = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..CLIENTS {
            let (server, given) = (&server, &given);
            scope.spawn(move || given.fetch_add(work(server, worker), Ordering::Relaxed));
        }
    });
    let by_clients = mutations_per_second(many, begin.elapsed());
    assert_eq!(given.into_inner(), many, "every task is given once");
    println!(
        "| {CLIENTS} clients of the server against {CLIENTS} processes, mutations a second | {by_clients:.0} | {by_processes:.0} | {:.2} | at least 5 |",
        by_clients / by_processes
    );
}

/// One client: how many tasks it was given.
fn work(server: &Server, worker: usize) -> usize {
    let agent = format!("w{worker}");
    let mut connection = server.connect();
    let mut given = 0;
    loop {
        let claimed = connection.call("claim-next", &json!({"agent_id": agent}));
        if claimed["complete"] == true {
            return given;
        }
        if claimed["nothing"] == true {
            continue;
        }
        let (module, token) = (&claimed["task"]["module"], &claimed["lease"]["token"]);
        let finish = json!({"module": module, "agent_id": agent, "lease_token": token, "summary": "done"});
        let finished = connection.call("finish", &finish);
        assert_eq!(finished["ok"], true, "{claimed} {finished}");
        given += 1;
    }
}

/// The time that all but one in a hundred claims take at most.
fn slow_claims(server: &Server, from: usize) -> Duration {
    let mut connection = server.connect();
    let mut times = Vec::new();
    for n in 0..CLAIMS {
        let request = json!({"agent_id": "w", "request_id": format!("timed-{}", from + n)});
        let begin = Instant::now();
        let claimed = connection.call("claim-next", &request);
        times.push(begin.elapsed());
        assert!(claimed["task"]["module"].is_string(), "{claimed}");
    }
    times.sort();
    times[times.len() * 99 / 100]
}

fn readers(bench: &Bench) {
    let board = bench.board("doors-readers", 2 * CLAIMS + 200);
    let server = Server::start(bench, &board);
    let alone = slow_claims(&server, 0);
    let read = AtomicUsize::new(0);
    let beside = std::thread::scope(|scope| {
        let newest = newest(&server);
        let streams: Vec<TcpStream> = (0..READERS).map(|_| follow(&server, newest)).collect();
        for stream in &streams {
            let (read, stream) = (&read, stream.try_clone().unwrap());
            scope.spawn(move || count_events(stream, read));
        }
        std::thread::sleep(Duration::from_millis(500));
        let beside = slow_claims(&server, CLAIMS);
        let end = Instant::now() + Duration::from_secs(20);
        while read.load(Ordering::Relaxed) < READERS * CLAIMS && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        for stream in &streams {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        beside
    });
    assert_eq!(read.into_inner(), READERS * CLAIMS, "every reader has read every claim");
    row(&format!("claim-next beside {READERS} readers of the stream against none, p99"), beside, alone, 3.0);
}

fn follow(server: &Server, since: u64) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(stream, "GET /events/stream?since={since} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).unwrap();
    stream
}

fn newest(server: &Server) -> u64 {
    server.connect().call("state", &json!({}))["board"]["event_seq"].as_u64().unwrap()
}

fn count_events(stream: TcpStream, read: &AtomicUsize) {
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        if line == "event: event" {
            read.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn waiters(bench: &Bench) {
    let board = bench.board("doors-waiters", 20);
    let server = Server::start(bench, &board);
    // Nothing of this field comes, so they wait to the end.
    let request = json!({"agent_id": "w", "specialty": "none-of-these", "watch_seconds": 3600});
    done(bench.callboard(&board, &["add-task", "held-up", "--title", "It waits", "--draft"]));
    let mut waiting: Vec<Connection<'_>> = (0..WAITERS).map(|_| server.connect()).collect();
    for connection in &mut waiting {
        connection.send("next-claimable", &request);
    }
    let gauge = |name: &str| metric(&server, name);
    let end = Instant::now() + Duration::from_secs(60);
    while gauge("callboard_waiters") < WAITERS && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(gauge("callboard_waiters"), WAITERS);
    std::thread::sleep(Duration::from_secs(1));
    let before = busy(server.child.id());
    std::thread::sleep(IDLE);
    let spent = busy(server.child.id()).saturating_sub(before);
    let percent = spent.as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    println!("| {WAITERS} idle long polls, part of one core | {percent:.2} % | | | 1 % |");
    let memory = resident(server.child.id());
    println!(
        "| {WAITERS} idle long polls, memory of the server | {}.{} MB | | | 100 MB |",
        memory / 1024,
        memory % 1024 * 10 / 1024
    );
}

fn metric(server: &Server, name: &str) -> usize {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// The processor time that a process has used.
fn busy(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // Linux counts in hundredths of a second for programs.
    Duration::from_millis(ticks * 10)
}

/// The memory that a process has now, in kilobytes.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
