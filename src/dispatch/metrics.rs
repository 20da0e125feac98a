//! `/metrics`: what is counted, as Prometheus reads it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::bridge::Bridge;
use crate::bridge::catalogue;
use crate::bridge::lanes::Way;
use crate::bridge::meter::{CLASSES_MS, Meter};
use crate::domain::credential::Credential;

/// `GET /metrics`.
pub(super) async fn metrics(State(bridge): State<Arc<Bridge>>) -> Response {
    let mut text = String::new();
    operations(&bridge.meter, &mut text);
    process(&bridge.meter, &mut text);
    // A board that cannot be read has no numbers; the process still has.
    if let Ok(state) = state(&bridge).await {
        board(&state, &mut text);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn state(bridge: &Bridge) -> Result<Value, ()> {
    let request = catalogue::find("state").and_then(|entry| entry.request(Map::new(), Credential::Anonymous));
    let request = request.map_err(|_| ())?;
    bridge.call(request.into()).await.map(|done| done.reply).map_err(|_| ())
}

fn begin(text: &mut String, name: &str, kind: &str, help: &str) {
    write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n").expect("text");
}

fn operations(meter: &Meter, text: &mut String) {
    let tallies = meter.tallies();
    begin(text, "callboard_requests_total", "counter", "Answered requests, by operation and exit code.");
    for (name, tally) in &tallies {
        for (exit, count) in &tally.by_exit {
            writeln!(text, "callboard_requests_total{{operation=\"{name}\",exit=\"{exit}\"}} {count}").expect("text");
        }
    }
    let name = "callboard_request_seconds";
    begin(text, name, "histogram", "Time to the first answer, without waiting for the board to change.");
    for (operation, tally) in &tallies {
        for (most, count) in CLASSES_MS.iter().zip(tally.classes) {
            let le = std::time::Duration::from_millis(*most).as_secs_f64();
            writeln!(text, "{name}_bucket{{operation=\"{operation}\",le=\"{le}\"}} {count}").expect("text");
        }
        let (count, sum) = (tally.count, tally.total.as_secs_f64());
        writeln!(text, "{name}_bucket{{operation=\"{operation}\",le=\"+Inf\"}} {count}").expect("text");
        writeln!(text, "{name}_sum{{operation=\"{operation}\"}} {sum}").expect("text");
        writeln!(text, "{name}_count{{operation=\"{operation}\"}} {count}").expect("text");
    }
}

fn process(meter: &Meter, text: &mut String) {
    let gauges = [
        ("callboard_waiters", &meter.waiting, "Requests that wait for the board to change."),
        ("callboard_streams", &meter.streams, "Open streams."),
        ("callboard_connections", &meter.connections, "Open connections."),
    ];
    for (name, value, help) in gauges {
        begin(text, name, "gauge", help);
        writeln!(text, "{name} {}", value.load(Ordering::Relaxed)).expect("text");
    }
    let name = "callboard_connections_turned_away_total";
    begin(text, name, "counter", "Connections that found no room, or another one closed.");
    writeln!(text, "{name} {}", meter.turned_away.load(Ordering::Relaxed)).expect("text");
    let lanes = [("looks", Way::Looks), ("changes", Way::Changes), ("alone", Way::Alone)];
    begin(text, "callboard_queue_length", "gauge", "Requests that wait for a thread, by lane.");
    for (lane, way) in lanes {
        writeln!(text, "callboard_queue_length{{lane=\"{lane}\"}} {}", meter.lane(way).0).expect("text");
    }
    begin(text, "callboard_groups_total", "counter", "Groups that were done in one transaction, by lane.");
    for (lane, way) in &lanes[..2] {
        writeln!(text, "callboard_groups_total{{lane=\"{lane}\"}} {}", meter.lane(*way).1).expect("text");
    }
    begin(text, "callboard_group_parts_total", "counter", "Requests in those groups, by lane.");
    for (lane, way) in &lanes[..2] {
        writeln!(text, "callboard_group_parts_total{{lane=\"{lane}\"}} {}", meter.lane(*way).2).expect("text");
    }
}

fn board(state: &Value, text: &mut String) {
    begin(text, "callboard_tasks", "gauge", "Tasks on the board, by state.");
    for (name, count) in state["counts"].as_object().into_iter().flatten() {
        writeln!(text, "callboard_tasks{{state=\"{name}\"}} {count}").expect("text");
    }
    let more = |group: &str| state["omitted"][group].as_u64().unwrap_or(0);
    for (group, help) in [("leases", "Live leases."), ("sessions", "Sessions that have not ended.")] {
        let count = state[group].as_array().map_or(0, Vec::len) as u64 + more(group);
        begin(text, &format!("callboard_{group}"), "gauge", help);
        writeln!(text, "callboard_{group} {count}").expect("text");
    }
    begin(text, "callboard_revision", "counter", "The revision of the board.");
    writeln!(text, "callboard_revision {}", state["board"]["revision"]).expect("text");
}
