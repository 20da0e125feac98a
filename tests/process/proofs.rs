//! Who is sent a token: servers that prove that they know it, and nobody else; and what a client takes from others.

use std::io::Write as _;
use std::net::TcpListener;

use serde_json::json;

use crate::impostor::{Impostor, answered};
use crate::project::{Project, Run};

fn summary(project: &Project, url: &str, token: &str) -> Run {
    let mut command = project.command(&["summary", "--server-url", url, "--json"]);
    command.env_remove("CALLBOARD_SERVER_URL");
    if !token.is_empty() {
        command.env("CALLBOARD_TOKEN", token);
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_server_that_stops_gives_no_token_to_the_next_on_its_port() {
    let mut project = Project::new().served();
    let owner = project.owner();
    let mut server = project.server.take().unwrap();
    // Half a request keeps the process from ending.
    let mut half = server.connect();
    let headers = format!("Authorization: Bearer {owner}\r\nContent-Type: application/json\r\nContent-Length: 400\r\n");
    write!(half, "POST /v1/add-task HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n{headers}\r\n").unwrap();
    // The server says so when it reads the body.
    let mut begun = [0; 12];
    std::io::Read::read_exact(&mut half, &mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100");
    let address = server.url.trim_start_matches("http://").to_owned();
    server.terminate();
    let listener = loop {
        match TcpListener::bind(&address) {
            Ok(listener) => break listener,
            Err(_) => std::thread::yield_now(),
        }
    };
    assert!(server.is_running(), "it still answers what was asked");
    let impostor = Impostor::on(listener, |_| answered("401 Unauthorized", "{\"ok\":false}"));
    let run = summary(&project, &impostor.url, "");
    assert_ne!(run.code, 0, "{run:?}");
    let heard = impostor.heard();
    assert!(heard[0].starts_with("POST /v1/summary"), "no server is registered there any more: {heard:?}");
    assert!(heard.iter().all(|heard| !heard.to_lowercase().contains("authorization")), "{heard:?}");
    drop(half);
    assert_eq!(server.stopped(), Some(0));
}

#[test]
fn a_token_that_was_given_is_sent_only_after_a_proof() {
    let project = Project::new().served();
    let owner = project.owner();
    let wrong = json!({"ok": true, "address": "127.0.0.1:1", "proofs": ["00".repeat(32)]}).to_string();
    for (answer, said) in [
        (answered("404 Not Found", "{\"ok\":false}"), "gave no proof"),
        (answered("200 OK", "{\"ok\":true}"), "gave no proof"),
        (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), "gave no proof"),
        (answered("200 OK", &wrong), "does not know the token"),
    ] {
        let impostor = Impostor::start(move |_| answer.clone());
        let run = summary(&project, &impostor.url, &owner);
        assert_eq!((run.code, run.refusal().as_str()), (9, "server_unproven"), "{run:?}");
        assert!(run.out.contains(said), "{run:?}");
        let heard = impostor.heard();
        assert_eq!(heard.len(), 1, "it is asked once: {heard:?}");
        assert!(heard[0].starts_with("GET /v1/proof HTTP/1.1"), "{heard:?}");
        assert!(!heard[0].contains(&owner) && !heard[0].to_lowercase().contains("authorization"), "{heard:?}");
    }
    let url = &project.server().url;
    assert_eq!(summary(&project, url, &owner).json()["ok"], true, "its own server proves it");
    let worker = project.token("worker");
    assert_eq!(summary(&project, url, &worker).json()["ok"], true, "for each of its tokens");
    assert_eq!(summary(&project, url, "cb-of-another-board").refusal(), "server_unproven");
}

#[test]
fn a_proof_is_of_one_address_and_one_nonce() {
    let project = Project::new().served();
    let server = project.server();
    let proof = |nonce: &str| server.send("GET", "/v1/proof", &format!("Callboard-Nonce: {nonce}"), "");
    let (one, other) = (proof(&"0a".repeat(32)).json(), proof(&"0b".repeat(32)).json());
    assert_eq!(one["address"], json!(server.url.trim_start_matches("http://")));
    assert_eq!(one["proofs"].as_array().unwrap().len(), 1);
    assert_ne!(one["proofs"], other["proofs"]);
    for nonce in ["", "0a", "zz"] {
        assert_eq!(proof(nonce).refusal(), "usage", "{nonce:?}");
    }
    let mut short = project.command(&["serve", "--port", "0", "--json"]);
    let output = short.env_remove("CALLBOARD_SERVER_URL").env("CALLBOARD_TOKEN", "guess-me").output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("invalid_value"),
        "a proof would give it away: {output:?}"
    );
}

#[test]
fn a_client_asks_once_and_reads_a_part_of_what_never_ends() {
    let project = Project::new();
    let endless = "x".repeat(20 * 1024 * 1024);
    let endless = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{endless}");
    let page = "<html>a router of somebody</html>";
    for answer in [endless.into_bytes(), answered("200 OK", page), answered("502 Bad Gateway", page)] {
        let impostor = Impostor::start(move |_| answer.clone());
        let run = summary(&project, &impostor.url, "");
        assert_eq!((run.code, run.refusal().as_str()), (9, "unreachable"), "{run:?}");
        assert_eq!(impostor.heard().len(), 1, "{run:?}");
    }
}
