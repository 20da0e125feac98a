//! What a client asks, and what it is answered.
//!
//! A refusal is the result of a tool, with its code and its hint, so that the model reads it; an error of the protocol is
//! only what no model can mend.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, GetPromptRequestParams, GetPromptResponse, Implementation,
    InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::{Peer, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Map, Value};

use super::calls::{help, meant, result, tool};
use super::house::House;
use super::presence::{Presence, says_who};
use super::prompts;
use super::resources::Resources;
use super::toolset::Listed;
use crate::board::mutation::Refused;
use crate::bridge::Bridge;
use crate::bridge::guest::Guest;
use crate::bridge::panics::caught;
use crate::bridge::request::{Request, Settled};
use crate::domain::refusal::{Code, Refusal};
use crate::ops::envelope;

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

impl Client {
    pub(super) fn new(house: &House, connection: Connection, guest: Option<Guest>) -> Self {
        let presence = Presence::new(Arc::clone(&house.bridge), house.identity.clone());
        house.open.enter(&presence);
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
        tracing::debug!(tool = tool.name, operation = entry.name, "called");
        self.presence.check_person(&body).map_err(unread)?;
        let is_window = self.connection == Connection::Process || self.greeted.load(Ordering::Acquire);
        if REGISTERS.contains(&entry.name) && is_window {
            return self.presence.be(body, &guest).await;
        }
        // A client that may only look has no window, and is told so where it wants one.
        if is_window
            && let Err(refused) = self.come_aboard(context, &guest).await
            && refused.refusal.code == Code::WindowInUse
            && !says_who(entry, &body)
        {
            return Err(refused);
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

    async fn come_aboard(&self, context: &RequestContext<RoleServer>, guest: &Guest) -> Result<(), Refused> {
        let client = context.peer.peer_info().map(|info| info.client_info.name.clone()).unwrap_or_default();
        self.presence.come_aboard(&client, guest).await
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
        let called = caught(self.call(tool, arguments, &context)).await;
        Ok(match called.unwrap_or_else(|refusal| Err(Refused { refusal, revision: None })) {
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
