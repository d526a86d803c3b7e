//! The sections of the agent's own doors: metrics and health for machines, the page for people.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Metrics and health over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Off: nothing listens.
    pub enabled: bool,
    /// `address:port`, or `:port` for every address of the node.
    pub listen: String,
}

impl Default for Http {
    fn default() -> Self {
        Self { enabled: true, listen: ":9474".to_owned() }
    }
}

impl Http {
    pub(super) fn validate(&self) -> Result<(), (&'static str, String)> {
        let is_right = match self.listen.strip_prefix(':') {
            Some(port) => port.parse::<u16>().is_ok(),
            None => self.listen.parse::<SocketAddr>().is_ok(),
        };
        is_right.then_some(()).ok_or_else(|| {
            let wrong = &self.listen;
            ("http.listen", format!("`{wrong}` is neither `:port` nor `address:port`: try `:9474`"))
        })
    }
}

/// The page for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Page {
    /// Off: there is none, and no token.
    pub enabled: bool,
    /// `address:port`, on loopback: the page shows what stands in logs.
    pub listen: String,
}

impl Default for Page {
    fn default() -> Self {
        Self { enabled: true, listen: "127.0.0.1:9475".to_owned() }
    }
}

impl Page {
    pub(super) fn validate(&self) -> Result<(), (&'static str, String)> {
        let wrong = &self.listen;
        let why = match self.listen.parse::<SocketAddr>() {
            Ok(at) if at.ip().is_loopback() => return Ok(()),
            Ok(_) => format!(
                "`{wrong}` can be reached from elsewhere, and the page shows what stands in logs: try \
                 `127.0.0.1:9475`, and kubectl port-forward to reach it"
            ),
            Err(_) => format!("`{wrong}` is no `address:port`: try `127.0.0.1:9475`"),
        };
        Err(("page.listen", why))
    }
}
