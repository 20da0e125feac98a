//! What a client asks, and what it is answered.
//!
//! A refusal is the result of a tool, with its code and its hint, so that the model reads it; an error of the protocol is
//! only what no model can mend.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, GetPromptRequestParams, GetPromptResponse,
    Implementation, InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter, Tool, ToolAnnotations, UnsubscribeRequestParams,
};
use rmcp::service::{Peer, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, Value, json};

use super::presence::{Identity, Presence};
use super::prompts;
use super::resources::Resources;
use super::toolset::{Calls, Listed, Toolset};
use crate::board::mutation::Refused;
use crate::bridge::Bridge;
use crate::bridge::catalogue::{Entry, find};
use crate::bridge::guest::Guest;
use crate::bridge::request::{Request, Settled};
use crate::domain::refusal::{Code, Refusal};
use crate::ops::{Kind, envelope};

/// While a call waits, its client is told this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
/// Operations that make the connection another window.
const REGISTERS: [&str; 2] = ["register-session", "init-agent"];

/// How long a connection is a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// As long as this process.
    Process,
    /// From the client's greeting to its farewell; a client that never greets sends single calls.
    Session,
}

/// One client of the board.
pub struct Client {
    bridge: Arc<Bridge>,
    tools: Arc<Vec<Listed>>,
    pub(super) presence: Arc<Presence>,
    resources: Arc<Resources>,
    connection: Connection,
    /// True once the client has greeted: then the connection is a window.
    greeted: AtomicBool,
    /// True once the client is told of changes.
    is_told: AtomicBool,
    /// Who calls, where that is known without asking the request.
    guest: Option<Guest>,
}

/// What all clients of a server share.
#[derive(Clone)]
pub(super) struct House {
    pub bridge: Arc<Bridge>,
    pub plan: std::path::PathBuf,
    pub toolset: Toolset,
    pub identity: Identity,
    pub open: Open,
}

/// The clients that are there.
#[derive(Clone, Default)]
pub(super) struct Open(Arc<Mutex<Vec<Weak<Presence>>>>);

impl Open {
    fn list(&self) -> MutexGuard<'_, Vec<Weak<Presence>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        let mut list = self.list();
        list.retain(|presence| presence.strong_count() > 0);
        list.len()
    }

    /// Closes the windows of all of them.
    pub(super) async fn leave(&self) {
        let open: Vec<Arc<Presence>> = self.list().iter().filter_map(Weak::upgrade).collect();
        for presence in open {
            presence.leave().await;
        }
    }
}

impl Client {
    pub(super) fn new(house: &House, connection: Connection, guest: Option<Guest>) -> Self {
        let presence = Presence::new(Arc::clone(&house.bridge), house.identity.clone());
        house.open.list().push(Arc::downgrade(&presence));
        Self {
            bridge: Arc::clone(&house.bridge),
            tools: Arc::new(house.toolset.tools()),
            presence,
            resources: Arc::new(Resources::new(house.plan.clone())),
            connection,
            greeted: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
            guest,
        }
    }

    fn guest(&self, context: &RequestContext<RoleServer>) -> Guest {
        let parts = context.extensions.get::<http::request::Parts>();
        let shown = parts.and_then(|parts| parts.extensions.get::<Guest>());
        self.guest.as_ref().or(shown).cloned().unwrap_or_else(Guest::stranger)
    }

    async fn call(
        &self,
        tool: &Listed,
        arguments: Map<String, Value>,
        context: &RequestContext<RoleServer>,
    ) -> Settled {
        let unread = |refusal| Refused { refusal, revision: None };
        let guest = self.guest(context);
        let (entry, mut body) = meant(tool, arguments).map_err(unread)?;
        let is_window = self.connection == Connection::Process || self.greeted.load(Ordering::Acquire);
        if REGISTERS.contains(&entry.name) && is_window {
            return self.presence.be(body, &guest).await;
        }
        if is_window {
            self.come_aboard(context, &guest).await;
        }
        let signed = self.presence.sign(entry, &mut body).await;
        let request = guest.request(entry, body).map_err(unread)?;
        let request = match self.connection {
            // The client's machine is this one.
            Connection::Process => self.bridge.prepare(request).await?,
            Connection::Session => request,
        };
        let settled = self.wait(request.into(), context, &guest).await;
        let is_lost = |refused: &Refused| matches!(refused.refusal.code, Code::StaleSession | Code::UnknownSession);
        match (&settled, &signed) {
            (Err(refused), Some(session)) if is_lost(refused) => self.presence.forget(session).await,
            _ => self.presence.renew().await,
        }
        settled
    }

    async fn come_aboard(&self, context: &RequestContext<RoleServer>, guest: &Guest) {
        let client = context.peer.peer_info().map(|info| info.client_info.name.clone()).unwrap_or_default();
        // A client that may only look has no window.
        let _ = self.presence.come_aboard(&client, guest).await;
    }

    async fn wait(&self, request: Arc<dyn Request>, context: &RequestContext<RoleServer>, guest: &Guest) -> Settled {
        let token = context.meta.get_progress_token();
        let total = request.patience().map(|patience| patience.as_secs_f64());
        let mut call = std::pin::pin!(self.bridge.call(request));
        let mut beat = tokio::time::interval(PROGRESS_EVERY);
        beat.tick().await;
        let mut waited = 0.0;
        loop {
            tokio::select! {
                settled = &mut call => return settled,
                () = context.ct.cancelled() => {
                    let refusal = Refusal::new(Code::Usage, "the client cancelled the call");
                    return Err(Refused { refusal, revision: None });
                }
                _ = beat.tick() => {
                    waited += PROGRESS_EVERY.as_secs_f64();
                    guest.demand_known().map_err(|refusal| Refused { refusal, revision: None })?;
                    // What the window holds must not run out while it waits for something else.
                    self.presence.renew().await;
                    if let Some(token) = &token {
                        let mut told = ProgressNotificationParam::new(token.clone(), waited);
                        told.total = total;
                        told.message = Some("waiting for the board to change".to_owned());
                        // A client that does not hear it still gets its answer.
                        let _ = context.peer.notify_progress(told).await;
                    }
                }
            }
        }
    }

    /// Tells the client of every resource that it wants to hear of, until it has gone.
    fn tell_of_changes(&self, peer: Peer<RoleServer>) {
        let (bridge, resources) = (Arc::clone(&self.bridge), Arc::downgrade(&self.resources));
        tokio::spawn(async move {
            let mut known = BTreeMap::new();
            while let Some(resources) = resources.upgrade() {
                let changed = resources.changed(&bridge, &mut known, || resources.wanted());
                let changed = tokio::time::timeout(Duration::from_secs(60), changed).await.unwrap_or_default();
                for uri in changed {
                    if peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_err() {
                        return;
                    }
                }
                if peer.is_transport_closed() {
                    return;
                }
            }
        });
    }
}

/// The operation that a tool means, with its fields.
fn meant(tool: &Listed, mut arguments: Map<String, Value>) -> Result<(&'static Entry, Map<String, Value>), Refusal> {
    let mut named = || match arguments.remove("operation") {
        Some(Value::String(name)) => Ok(name),
        _ => Err(Refusal::new(Code::Usage, format!("{} wants an operation", tool.name))),
    };
    match tool.calls {
        Calls::One(name) => Ok((find(name)?, arguments)),
        Calls::Of(operations) => {
            let name = named()?.replace('_', "-");
            if !operations.contains(&name.as_str()) {
                let refusal = Refusal::new(Code::UnknownOperation, format!("{} does not do {name:?}", tool.name));
                return Err(refusal.hint(format!("one of: {}", operations.join(", "))));
            }
            Ok((find(&name)?, arguments))
        }
        Calls::Any => {
            let entry = find(&named()?)?;
            match arguments.remove("arguments") {
                Some(Value::Object(fields)) => Ok((entry, fields)),
                None | Some(Value::Null) => Ok((entry, arguments)),
                Some(_) => Err(Refusal::new(Code::Usage, "arguments is an object")),
            }
        }
    }
}

/// What `help` of the tool that reaches everything answers: the fields of an operation.
fn help(tool: &Listed, arguments: &Map<String, Value>) -> Option<Value> {
    if tool.calls != Calls::Any || arguments.get("operation")?.as_str()? != "help" {
        return None;
    }
    let of = arguments.get("arguments").and_then(|fields| fields["operation"].as_str()).unwrap_or_default();
    Some(match find(of) {
        Ok(entry) => {
            let fields = entry.own.iter().filter_map(|field| Some((field.clone(), entry.schema_of(field)?.clone())));
            let required: Vec<&String> = entry.own.iter().filter(|field| entry.requires(field)).collect();
            json!({"ok": true, "operation": entry.name, "about": entry.about, "fields": fields.collect::<Map<_, _>>(), "required": required})
        }
        Err(_) => {
            let names: Vec<&str> = crate::bridge::catalogue::ENTRIES.iter().map(|entry| entry.name).collect();
            json!({"ok": true, "operations": names})
        }
    })
}

fn result(answer: &impl serde::Serialize, is_error: bool) -> CallToolResult {
    let content = vec![ContentBlock::text(envelope::line(answer))];
    let mut result = if is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    result.structured_content = serde_json::to_value(answer).ok();
    result
}

fn tool(listed: &Listed) -> Tool {
    let reads = listed.kind() == Kind::Read;
    let mut hints = ToolAnnotations::new().read_only(reads);
    if !reads {
        hints = hints.destructive(listed.is_destructive());
    }
    // Renewing twice is renewing once.
    if listed.kind() == Kind::Presence {
        hints = hints.idempotent(true);
    }
    Tool::new(listed.name.clone(), listed.about.clone(), Arc::new(listed.input.clone())).with_annotations(hints)
}

impl ServerHandler for Client {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new("callboard", env!("CARGO_PKG_VERSION"));
        info.instructions = Some(
            "A coordination board for agents: claim work under a lease, hand it in, review, hand over. This connection is a window of \
             an agent; its leases end with it. Begin with coordination_dispatch {\"operation\": \"next-action\"}."
                .to_owned(),
        );
        info
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        self.greeted.store(true, Ordering::Release);
        let guest = self.guest(&context);
        // A client that may only look, or a board that is not there yet, is told so by its first call.
        let _ = self.presence.come_aboard(&request.client_info.name, &guest).await;
        self.negotiate_initialize(&request)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.iter().map(tool).collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.tools.iter().find(|tool| tool.name == request.name) else {
            return Err(ErrorData::invalid_params(format!("there is no tool {}", request.name), None));
        };
        let arguments = request.arguments.unwrap_or_default();
        if let Some(help) = help(tool, &arguments) {
            return Ok(result(&help, false).into());
        }
        Ok(match self.call(tool, arguments, &context).await {
            Ok(done) => result(&done.answered(), done.complaint.is_some()),
            Err(refused) => result(&envelope::denied(&refused), true),
        }
        .into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(prompts::list())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let found = prompts::get(&request.name);
        found
            .map(Into::into)
            .ok_or_else(|| ErrorData::invalid_params(format!("there is no prompt {}", request.name), None))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(self.resources.list()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(Resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let found = self.resources.read(&request.uri);
        let found = found.ok_or_else(|| ErrorData::resource_not_found(format!("there is no {}", request.uri), None))?;
        Ok(ReadResourceResult::new(vec![found]).into())
    }

    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if !self.resources.want(&request.uri) {
            return Err(ErrorData::resource_not_found(format!("there is no {}", request.uri), None));
        }
        if !self.is_told.swap(true, Ordering::AcqRel) {
            self.tell_of_changes(context.peer.clone());
        }
        Ok(())
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.resources.forget(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let uris = context.accepted().resource_subscriptions.clone().unwrap_or_default();
        let mut known = BTreeMap::new();
        loop {
            let wanted = || uris.iter().cloned().collect();
            let changed = tokio::select! {
                changed = self.resources.changed(&self.bridge, &mut known, wanted) => changed,
                () = context.cancelled() => return Ok(()),
            };
            for uri in changed {
                if context.sink().notify_resource_updated(uri).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|listed| listed.name == name).map(tool)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [rmcp::model::ProtocolVersion]> {
        Cow::Borrowed(rmcp::model::ProtocolVersion::KNOWN_VERSIONS)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let presence = Arc::clone(&self.presence);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { presence.leave().await });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_list_is_small() {
        let list = |set: Toolset| ListToolsResult::with_all_items(set.tools().iter().map(tool).collect());
        let length = |set| serde_json::to_string(&list(set)).expect("JSON").len();
        // Its readers pay for every byte with their context.
        assert!(length(Toolset::Default) <= 6_000, "{}", length(Toolset::Default));
        for set in [Toolset::Worker, Toolset::Reviewer, Toolset::Planner] {
            assert!(length(set) <= 10_000, "{set}: {}", length(set));
        }
    }
}
