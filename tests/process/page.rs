//! The live page in a real browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use crate::project::{Project, may_run};

/// Where Debian, and others, put it.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// How long the page may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

fn browser() -> Option<&'static str> {
    let is_there = |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|run| run.status.success());
    BROWSERS.iter().find(is_there).copied()
}

/// A browser with one tab.
struct Tab {
    browser: Child,
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    next: u64,
    /// What the browser told meanwhile.
    told: Vec<Value>,
    _home: tempfile::TempDir,
}

impl Drop for Tab {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

impl Tab {
    fn open(name: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let profile = format!("--user-data-dir={}", home.path().display());
        let flags =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0"];
        let mut command = Command::new(name);
        command.args(flags).args([&profile, "--window-size=1280,1500", "about:blank"]);
        let mut browser = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(browser.stderr.take().unwrap()).lines();
        let place = lines.find_map(|line| line.unwrap().strip_prefix("DevTools listening on ws://").map(str::to_owned));
        let place = place.unwrap();
        // Nobody reads on, and the browser must not be stopped by that.
        std::thread::spawn(move || lines.for_each(drop));
        let address = place.split('/').next().unwrap().to_owned();
        let list = fetch(&address, "/json/list");
        let tab = list.as_array().unwrap().iter().find(|target| target["type"] == "page").unwrap();
        let (socket, _) = tungstenite::connect(tab["webSocketDebuggerUrl"].as_str().unwrap()).unwrap();
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        let mut tab = Self { browser, socket, next: 0, told: Vec::new(), _home: home };
        for domain in ["Page", "Runtime", "Network", "Log"] {
            tab.call(&format!("{domain}.enable"), &json!({}));
        }
        tab
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next += 1;
        let message = json!({"id": self.next, "method": method, "params": parameters});
        self.socket.send(Message::text(message.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            if answer["id"] == json!(self.next) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.told.push(answer);
        }
    }

    /// What an expression is in the page.
    fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true in the page.
    fn until(&mut self, expression: &str) {
        let end = SystemTime::now() + PATIENCE;
        while self.value(expression) != Value::Bool(true) {
            if SystemTime::now() > end {
                let text = self.value("document.body.innerText");
                panic!("never: {expression}\n{}", text.as_str().unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" { "\r" } else { "" };
            let parameters =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            self.call("Input.dispatchKeyEvent", &parameters);
        }
    }

    /// Keeps a picture for whoever wants to look, where one is asked for.
    fn picture(&mut self, name: &str) {
        let Some(directory) = std::env::var_os("CALLBOARD_TEST_PICTURES") else { return };
        let picture = self.call("Page.captureScreenshot", &json!({"format": "png", "captureBeyondViewport": true}));
        let data = picture["data"].as_str().unwrap().to_owned();
        let mut decode = Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = decode.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(data.as_bytes()).unwrap());
        let output = decode.wait_with_output().unwrap();
        writer.join().unwrap();
        std::fs::write(Path::new(&directory).join(format!("{name}.png")), output.stdout).unwrap();
    }

    fn scheme(&mut self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", &json!({"features": features}));
    }
}

fn fetch(address: &str, path: &str) -> Value {
    let text = ureq::get(format!("http://{address}{path}")).call().unwrap().body_mut().read_to_string().unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A board on which something of everything is to be seen.
fn busy(project: &Project) {
    for (module, title, more) in [
        ("schema", "Write the database schema", &["--priority", "1", "--specialty", "backend"][..]),
        ("api", "Serve the orders over HTTP", &["--depends-on", "schema", "--specialty", "backend"]),
        ("form", "The order form", &["--depends-on", "api", "--owned-paths", "web/**"]),
        (
            "hostile",
            "<img src=x onerror=\"window.hacked=1\"> & <b>bold</b>",
            &["--body", "<script>window.hacked=1</script>"],
        ),
        ("docs", "Write the manual", &["--review", "required", "--acceptance", "Every command has an example"]),
        ("idea", "Maybe a mobile view", &["--draft"]),
    ] {
        project.ok(&[&["add-task", module, "--title", title], more].concat());
    }
    project.ok(&["init-agent", "--thread-key", "ada", "--specialty", "backend"]);
    project.ok(&["init-agent", "--thread-key", "grace", "--window-id", "left"]);
    let token = |module: &str, agent: &str| {
        let reply = project.json(&["claim", module, "--agent-id", agent]);
        reply["lease"]["token"].as_str().unwrap().to_owned()
    };
    token("schema", "ada");
    let docs = token("docs", "grace");
    project.ok(&["finish", "docs", "--agent-id", "grace", "--lease-token", &docs, "--summary", "Twelve pages"]);
    project.ok(&["handoff-bundle", "docs", "--agent-id", "grace", "--kind", "review"]);
    project.ok(&[
        "ask",
        "--question",
        "Which currency do prices have?",
        "--option",
        "euro",
        "--option",
        "dollar",
        "--to",
        "humans",
    ]);
    project.ok(&["ask", "--question", "What is the shop called?", "--to", "humans"]);
}

#[test]
fn the_page_shows_what_happens_and_takes_answers() {
    let Some(name) = browser() else {
        may_run("chromium", false);
        return;
    };
    let project = Project::new();
    busy(&project);
    let mut project = project.served();
    let (url, owner) = (project.server().url.clone(), project.owner());
    let mut tab = Tab::open(name);
    tab.call("Page.navigate", &json!({"url": format!("{url}/#token={owner}")}));
    tab.until("document.getElementById('link')?.textContent === 'live'");
    tab.until("document.querySelectorAll('.card').length >= 6");
    assert_eq!(tab.value("location.hash"), "", "the token does not stay in the address");
    for words in [
        "Write the database schema",
        "ada until",
        "waits for a reviewer",
        "Which currency",
        "window.hacked=1",
        "Maybe a mobile view",
    ] {
        let seen = format!("document.body.innerText.includes({})", json!(words));
        tab.until(&seen);
    }
    tab.until("document.querySelectorAll('#drawing a').length === 3");
    for scheme in ["light", "dark"] {
        tab.scheme(scheme);
        tab.picture(scheme);
    }
    // What happens elsewhere is seen here.
    assert_eq!(project.run_here(&["add-task", "late", "--title", "It came later"]).code, 0);
    tab.until("document.getElementById('states').innerText.includes('It came later')");
    tab.until("document.getElementById('feed').innerText.includes('task added')");
    // A person answers, by keyboard.
    tab.value("[...document.querySelectorAll('.question button')].find(b => b.textContent === 'euro').focus()");
    tab.press("Enter", 13);
    tab.until("!document.getElementById('questions').innerText.includes('Which currency')");
    tab.value("document.querySelector('.question textarea').value = 'Corner Shop'; document.querySelector('.question form').requestSubmit()");
    tab.until("document.querySelectorAll('.question').length === 0");
    let questions = project.json(&["questions", "--status", "answered"]).to_string();
    assert!(
        questions.contains("euro") && questions.contains("Corner Shop") && questions.contains("human:pat"),
        "{questions}"
    );
    // A task by keyboard, with its history and its bundle.
    tab.value("[...document.querySelectorAll('.card')].find(c => c.innerText.includes('Write the manual')).focus()");
    tab.press("Enter", 13);
    tab.until("document.getElementById('task').open && document.getElementById('task-body').innerText.includes('Twelve pages')");
    tab.until("document.querySelector('#task-body pre')?.innerText.includes('Write the manual')");
    tab.picture("task");
    tab.press("Escape", 27);
    tab.until("!document.getElementById('task').open");
    assert_eq!(tab.value("window.hacked === undefined"), true, "text of the board is never markup");
    // Everything that can be operated has a name for those who do not see it.
    let tree = tab.call("Accessibility.getFullAXTree", &json!({}));
    let nameless: Vec<&Value> = tree["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| {
            let role = node["role"]["value"].as_str().unwrap_or_default();
            let named = node["name"]["value"].as_str().is_some_and(|name| !name.is_empty());
            ["button", "link", "textbox", "searchbox", "dialog"].contains(&role) && !named
        })
        .collect();
    assert!(nameless.is_empty(), "{nameless:?}");
    // It finds back to a server that was away.
    let mut server = project.server.take().unwrap();
    let port = server.port().to_owned();
    server.kill();
    tab.until("document.getElementById('link').className === 'lost'");
    project.server = Some(crate::server::Server::start(&project, &["--port", &port]));
    project.ok(&["add-task", "after", "--title", "After the restart"]);
    tab.until("document.getElementById('link').textContent === 'live'");
    tab.until("document.getElementById('states').innerText.includes('After the restart')");
    // Nothing was asked of anybody else, and nothing broke the policy of the page.
    let asked = tab.told.iter().filter(|told| told["method"] == "Network.requestWillBeSent");
    let asked: Vec<&str> = asked.filter_map(|told| told["params"]["request"]["url"].as_str()).collect();
    assert!(asked.len() > 10 && asked.iter().all(|asked| asked.starts_with(&url)), "{asked:?}");
    let wrong: Vec<&Value> = tab
        .told
        .iter()
        .filter(|told| {
            let entry = &told["params"]["entry"];
            told["method"] == "Runtime.exceptionThrown"
                || (told["method"] == "Log.entryAdded" && entry["level"] == "error" && entry["source"] != "network")
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_page_of_a_big_board_is_as_small_as_any() {
    let Some(name) = browser() else {
        may_run("chromium", false);
        return;
    };
    let project = Project::new();
    project.import_with(3_000, |n| if n == 0 { String::new() } else { format!(",\"depends_on\":[\"t{}\"]", n / 2) });
    let project = project.served();
    let url = project.server().url.clone();
    let mut tab = Tab::open(name);
    tab.call("Page.navigate", &json!({"url": format!("{url}/")}));
    tab.until("document.getElementById('link')?.textContent === 'live'");
    tab.until("document.body.innerText.includes('All 3000')");
    let size = tab.value("document.querySelectorAll('*').length").as_u64().unwrap();
    assert!(size < 3_000, "{size} elements");
    tab.value("[...document.querySelectorAll('.column > button')].find(b => b.textContent === 'All 3000').click()");
    tab.until("document.querySelectorAll('#list-body .card').length === 50");
    tab.value("document.getElementById('list-more').click()");
    tab.until("document.querySelectorAll('#list-body .card').length === 100");
    tab.picture("big");
}
