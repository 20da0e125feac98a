//! A process that listens where a server is expected, and keeps what it was sent.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A listener that answers every request in its own way.
pub struct Impostor {
    /// Where it listens.
    pub url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Impostor {
    /// On any port that is free.
    pub fn start(answer: impl FnMut(&str) -> Vec<u8> + Send + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    /// Answers what comes to this listener.
    pub fn on(listener: TcpListener, mut answer: impl FnMut(&str) -> Vec<u8> + Send + 'static) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                while let Some(request) = request(&mut stream) {
                    let said = answer(&request);
                    kept.lock().unwrap().push(request);
                    if stream.write_all(&said).is_err() {
                        break;
                    }
                }
            }
        });
        Self { url, heard }
    }

    /// Every request so far: its head, and what came with it.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// The next request of a connection; none when it has ended.
fn request(stream: &mut TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut heard = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => heard.extend_from_slice(&piece[..length]),
            _ => return None,
        }
    }
}

/// An answer with this body.
pub fn answered(status: &str, body: &str) -> Vec<u8> {
    let kind = "Content-Type: application/json";
    format!("HTTP/1.1 {status}\r\n{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
