//! `serve`, and the tokens of its clients.

use std::io::IsTerminal as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::facts;
use super::out::Out;
use super::render::serving::Serving;
use crate::app::App;
use crate::app::host_config::Host;
use crate::app::place::Place;
use crate::board::mutation::Refused;
use crate::bridge::Bridge;
use crate::dispatch::{self, Anonymous, Certificate, Options, Ready};
use crate::domain::refusal::{Exit, Refusal};
use crate::domain::right::Right;
use crate::mcp::{self, Identity, Toolset};
use crate::ops::Done;
use crate::ops::call::Facts;
use crate::workspace::git;

/// The commands for the parser.
pub(super) fn commands() -> [Command; 3] {
    [serve_command(), mcp_command(), token_command()]
}

fn serve_command() -> Command {
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
    };
    Command::new("serve")
        .about("Serve the board over HTTP, with a live page and MCP")
        .arg(
            Arg::new("host")
                .long("host")
                .value_name("ADDRESS")
                .value_parser(value_parser!(IpAddr))
                .default_value("127.0.0.1")
                .help("The address to listen on; 0.0.0.0 for all"),
        )
        .arg(
            Arg::new("port")
                .long("port")
                .value_name("PORT")
                .value_parser(value_parser!(u16))
                .default_value("8765")
                .help("The port; 0 for one that is free"),
        )
        .arg(
            Arg::new("allow-host")
                .long("allow-host")
                .value_name("NAME")
                .action(ArgAction::Append)
                .value_delimiter(',')
                .help("A name that clients may use for this host, beside its addresses"),
        )
        .arg(file("tls-cert", "The certificate, as PEM").requires("tls-key"))
        .arg(file("tls-key", "Its key, as PEM").requires("tls-cert"))
        .arg(
            Arg::new("insecure")
                .long("insecure")
                .action(ArgAction::SetTrue)
                .help("Serve other hosts without encryption: behind a proxy, or in a network of your own"),
        )
        .arg(
            Arg::new("tokens-always")
                .long("tokens-always")
                .action(ArgAction::SetTrue)
                .help("Want a token for everything, also from this host: behind a proxy or a tunnel that adds no header"),
        )
        .arg(toolset())
        .after_help(
            "The command line beside it goes on as before: both are doors to the same directory.\nReading on this host needs no token, unless --tokens-always is given; everything else does. CALLBOARD_TOKEN, if set, is the owner's token, and has at least 16 characters.\nCALLBOARD_LOG=info logs requests to standard error, or to CALLBOARD_LOG_FILE; debug says more.\n\nExample:\n  callboard serve\n  callboard summary --server-url http://127.0.0.1:8765\n\nExit codes: 0 stopped by a signal, 2 wrong usage, 9 no board, or the port is taken",
        )
}

/// Which tools MCP clients see.
fn toolset() -> Arg {
    Arg::new("toolset")
        .long("toolset")
        .value_name("SET")
        .value_parser(value_parser!(Toolset))
        .help("The tools of MCP: worker, reviewer, planner, full; the twelve of before unless told otherwise")
}

fn mcp_command() -> Command {
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let list = |arg: Arg| arg.action(ArgAction::Append).value_delimiter(',');
    Command::new("mcp")
        .about("Serve one agent over standard input and output, as MCP")
        .arg(text("thread-key", "KEY", "Who the agent is; the client's name when none is given").env("CALLBOARD_THREAD_KEY"))
        .arg(text("window-id", "W", "Which window; one of its own for each connection when none is given. A named one resumes what its last process held"))
        .arg(list(text("role", "ROLE", "What the agent is for: worker, reviewer, planner")))
        .arg(list(text("specialty", "S", "What it is good at")))
        .arg(toolset())
        .arg(
            Arg::new("may-act-as-human")
                .long("may-act-as-human")
                .action(ArgAction::SetTrue)
                .help("Let the client say that a person acts: for clients in which only a person gives commands"),
        )
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .value_name("HOST")
                .value_parser(value_parser!(Host))
                .help("Print the entry for claude-code, codex, cursor or vscode, and serve nobody"),
        )
        .after_help(
            "The connection is a window of the agent: its calls renew its leases, and when it ends they end.\nCALLBOARD_LOG=info logs to standard error, or to CALLBOARD_LOG_FILE; debug says more.\n\nExample:\n  callboard mcp --print-config claude-code\n\nExit codes: 0 the client has left, 2 wrong usage, 9 no board",
        )
}

fn token_command() -> Command {
    let name = || {
        Arg::new("name")
            .value_name("NAME")
            .required(true)
            .help("What it is called; a person who shows it acts under this name")
    };
    let role = Arg::new("role")
        .long("role")
        .value_name("ROLE")
        .required(true)
        .value_parser(value_parser!(Right))
        .help("read, worker, reviewer or operator; each includes those before it");
    Command::new("token")
        .about("The tokens that open the server's door, kept on this host")
        .subcommand_required(true)
        .subcommand(Command::new("show").about("Print the owner's token"))
        .subcommand(Command::new("list").about("List names and roles"))
        .subcommand(Command::new("add").about("Make one, and print it once").arg(name()).arg(role))
        .subcommand(Command::new("remove").about("End one; at once, also on a running server").arg(name()))
        .after_help("Example:\n  callboard token add ci --role worker\n\nExit codes: 0 done, 2 wrong usage, 4 the name is taken, 9 no board")
}

/// Serves until a signal comes.
pub(super) fn serve(matches: &ArgMatches, app: App, token: Option<String>, out: &mut Out) -> Exit {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let options = Options {
        host: *matches.get_one("host").expect("it has a default"),
        port: *matches.get_one("port").expect("it has a default"),
        allowed_hosts: matches.get_many("allow-host").into_iter().flatten().cloned().collect(),
        certificate: path("tls-cert").zip(path("tls-key")).map(|(chain, key)| Certificate { chain, key }),
        insecure: matches.get_flag("insecure"),
        anonymous: if matches.get_flag("tokens-always") { Anonymous::Nothing } else { Anonymous::Reads },
        token,
    };
    let identity = Identity::default();
    let toolset = matches.get_one("toolset").copied().unwrap_or(Toolset::Default);
    let mcp = mcp::Options { toolset, identity };
    let room = |bridge: &Arc<Bridge>, place: &Place| mcp::room(bridge, place.plan.clone(), mcp);
    let served = dispatch::serve(app, &options, room, |ready| {
        let page = page_address(ready);
        out.answer(&Done::plain(Serving { url: ready.url.clone(), page }, 0));
    });
    match served {
        Ok(()) => Exit::Done,
        Err(refused) => out.refuse(&refused),
    }
}

/// Runs `mcp`.
pub(super) fn mcp(matches: &ArgMatches, app: &App, out: &mut Out) -> Exit {
    let unread = |refusal| Refused { refusal, revision: None };
    if let Some(host) = matches.get_one::<Host>("print-config") {
        return match app.host_config(*host) {
            Ok((file, text)) => {
                out.text(&text);
                out.note(&format!("this belongs into {file}"));
                out.ended(Exit::Done)
            }
            Err(refusal) => out.refuse(&unread(refusal)),
        };
    }
    let text = |name: &str| matches.get_one::<String>(name).cloned().filter(|text| !text.is_empty());
    let list = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    let Facts { user, .. } = facts::gather(app);
    let (directory, host) = (app.settings.directory.clone(), app.settings.host_name.clone());
    let facts = move || {
        // What speaks here is a program, whatever it was started from.
        let facts = Facts { user: user.clone(), workspace: git::workspace(&directory, &host), ..Facts::default() };
        serde_json::to_value(facts).expect("texts have a JSON form")
    };
    let stored_sessions = app.place().and_then(|place| app.stored_sessions(&place)).ok();
    let identity = Identity {
        stored_sessions,
        thread_key: text("thread-key"),
        window: text("window-id"),
        roles: list("role"),
        specialties: list("specialty"),
        may_act_as_human: matches.get_flag("may-act-as-human"),
        facts: Some(Arc::new(facts)),
    };
    let toolset = matches.get_one("toolset").copied().unwrap_or(Toolset::Default);
    match mcp::serve(app, &mcp::Options { toolset, identity }) {
        Ok(()) => Exit::Done,
        Err(refused) => out.refuse(&refused),
    }
}

/// The address of the page. At a terminal it opens the page for its owner: what stands behind `#` is never sent to a
/// server. Elsewhere it may be kept in a log.
fn page_address(ready: &Ready) -> String {
    match &ready.token {
        Some(token) if std::io::stdout().is_terminal() => format!("{}/#token={token}", ready.url),
        _ => format!("{}/", ready.url),
    }
}

/// Runs `token`.
pub(super) fn token(matches: &ArgMatches, app: &App, out: &mut Out) -> Exit {
    let done = run_token(matches, app).map_err(|refusal| Refused { refusal, revision: None });
    match done {
        Ok(text) => {
            out.text(&text);
            out.ended(Exit::Done)
        }
        Err(refused) => out.refuse(&refused),
    }
}

fn run_token(matches: &ArgMatches, app: &App) -> Result<String, Refusal> {
    let place = app.place()?;
    let (what, matches) = matches.subcommand().expect("it is required");
    let name = || matches.get_one::<String>("name").expect("it is required");
    Ok(match what {
        "show" => app.tokens(&place)?.owner().map(|secret| format!("{secret}\n")).unwrap_or_default(),
        "add" => format!("{}\n", app.add_token(&place, name(), *matches.get_one("role").expect("it is required"))?),
        "remove" => {
            app.remove_token(&place, name())?;
            format!("removed {}\n", name())
        }
        _ => {
            let tokens = app.tokens(&place)?;
            tokens.list().iter().fold(String::new(), |text, token| text + &format!("{}: {}\n", token.name, token.role))
        }
    })
}
