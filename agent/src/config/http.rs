//! The section of the agent's own door for metrics and health.

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
