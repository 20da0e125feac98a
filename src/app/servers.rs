//! Which servers run on this host, so that the command line of the same account finds the token for a loopback address.
//!
//! **Locks.** A server holds a lock on the file of its address as long as it listens: it lets go before its listener does. A
//! file that nobody holds belongs to a server that has stopped: another process may listen there now, and is sent no token.
//! The lock alone proves nothing: [`super::proof`] does, before a token is sent.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::access::App;
use super::error::refusal;
use super::place::Place;
use crate::domain::id::is_slug;
use crate::domain::refusal::Refusal;
use crate::platform::{file, private};

/// More than such a file ever has, in bytes.
const FILE_MOST: u64 = 16 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct Server {
    board: String,
}

/// The entry of a server; it ends with this.
#[derive(Debug)]
pub struct Registered {
    path: PathBuf,
    _held: Option<File>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        // What is left is held by nobody.
        let _ = file::remove(&self.path);
    }
}

impl App {
    fn server_file(&self, address: SocketAddr) -> Result<PathBuf, Refusal> {
        Ok(self.settings.state.path()?.join("servers").join(address.to_string().replace(':', "_")))
    }

    /// Says that this process serves the board at this address.
    pub fn register_server(&self, place: &Place, address: SocketAddr) -> Result<Registered, Refusal> {
        let platform = |error| refusal(&error);
        let path = self.server_file(address)?;
        if let Some(directory) = path.parent() {
            private::make_directory(directory).map_err(platform)?;
        }
        let server = Server { board: place.key.clone() };
        let json = serde_json::to_vec(&server).expect("texts have a JSON form");
        let nonce = self.settings.entropy.hex(6).map_err(platform)?;
        private::replace(&path, &json, &nonce).map_err(platform)?;
        // The address is ours, so nobody else can hold the file that was just put there.
        Ok(Registered { _held: private::try_lock(&path).map_err(platform)?, path })
    }

    /// The owner's token of the board that a server of this account serves at exactly this address: at another address of
    /// the same port somebody else may listen.
    pub fn token_for(&self, address: SocketAddr) -> Option<String> {
        let path = self.server_file(address).ok()?;
        if !private::is_locked(&path) {
            return None;
        }
        let content = file::read(&path, FILE_MOST).ok()??;
        let server: Server = serde_json::from_slice(&content).ok()?;
        // It names a file.
        let tokens = is_slug(&server.board).then(|| self.tokens_of(&server.board))?.ok()?;
        tokens.owner().map(str::to_owned)
    }
}
