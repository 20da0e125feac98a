//! A server in a project of its own, and requests that no command line would send.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::project::Project;

/// A server that listens; it is killed when this is dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub url: String,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the refusal in it.
    pub fn refusal(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// Starts one with these flags, on a port that is free.
    pub fn start(project: &Project, flags: &[&str]) -> Self {
        let port: &[&str] = if flags.contains(&"--port") { &[] } else { &["--port", "0"] };
        Self::listen(project.command(&[&["serve", "--json"], port, flags].concat()))
    }

    /// Starts this command and waits until it listens.
    pub fn listen(mut command: Command) -> Self {
        Self::try_listen(&mut command).unwrap_or_else(|said| panic!("{said}"))
    }

    /// The same; what it said where it does not listen.
    pub fn try_listen(command: &mut Command) -> Result<Self, String> {
        let mut child = command.stdout(Stdio::piped()).env_remove("CALLBOARD_SERVER_URL").spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = serde_json::from_str::<Value>(&line).ok().and_then(|ready| Some(ready["url"].as_str()?.to_owned()));
        match url {
            Some(url) => Ok(Self { child, url }),
            None => Err(format!("{:?}: {line}", child.wait())),
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its port.
    pub fn port(&self) -> &str {
        self.url.rsplit(':').next().unwrap()
    }

    /// Kills it where it stands.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
    }

    /// True while its process has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until it has stopped; its exit code.
    pub fn stopped(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// A connection to it.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.url.split("//").nth(1).unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    /// Sends exactly this and reads until the server closes.
    pub fn raw(&self, request: &str) -> Reply {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // Whoever sends too much is cut off, after the answer.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Reply { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Sends a request with these headers, one a line.
    pub fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Reply {
        let headers = headers.lines().fold(String::new(), |text, line| text + line.trim() + "\r\n");
        let host = if headers.to_lowercase().contains("host:") { "" } else { "Host: localhost\r\n" };
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    /// Gets something without a token.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", "")
    }

    /// Posts JSON with a token.
    pub fn post(&self, token: &str, operation: &str, body: &Value) -> Reply {
        let headers = format!("Authorization: Bearer {token}\nContent-Type: application/json");
        self.send("POST", &format!("/v1/{operation}"), &headers, &body.to_string())
    }
}

impl Project {
    /// The same project, whose commands ask a server from now on.
    pub fn served(mut self) -> Self {
        self.server = Some(Server::start(&self, &[]));
        self
    }

    /// The server that commands ask.
    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// A token of this role.
    pub fn token(&self, role: &str) -> String {
        let run = self.run_here(&["token", "add", role, "--role", role]);
        assert_eq!(run.code, 0, "{run:?}");
        run.out.trim().to_owned()
    }

    /// The owner's token.
    pub fn owner(&self) -> String {
        self.run_here(&["token", "show"]).out.trim().to_owned()
    }
}

/// A stream of server-sent events, read one at a time.
pub struct Stream(BufReader<TcpStream>);

impl Stream {
    /// Opens one, with a header if there is one.
    pub fn open(server: &Server, path: &str, header: &str) -> Self {
        let mut stream = server.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// The next event as (name, id, data); none when the server has closed the stream.
    pub fn next(&mut self) -> Option<(String, String, Value)> {
        let (mut name, mut id) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("id: ") {
                text.clone_into(&mut id);
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((name, id, serde_json::from_str(text).unwrap_or_else(|_| json!(text))));
            }
        }
    }
}
