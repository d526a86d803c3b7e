//! How `why` and `bundle` find the agent of this node: the socket in its state folder. Owns what is
//! said where nobody answers.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{BAD_CONFIGURATION, complain};
use crate::app::door::{self, Knowledge};
use crate::config;

/// Where the agent of this node is.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Reach {
    /// The agent's configuration file [default: $PODWHY_CONFIG, else /etc/podwhy/config.yaml if it
    /// exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The agent's state folder, instead of state.folder of its configuration.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

/// The agent, as far as its configuration tells.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) loaded: config::Loaded,
    folder: PathBuf,
}

impl Reach {
    /// # Errors
    /// The exit code, after what is wrong was said.
    pub(super) fn agent(&self) -> Result<Agent, u8> {
        let environment = config::environment();
        let loaded = config::load(self.config.as_deref(), &environment, &[]).map_err(|error| {
            complain(&error);
            BAD_CONFIGURATION
        })?;
        let folder = self.state.clone().unwrap_or_else(|| loaded.config.state.folder.clone());
        Ok(Agent { loaded, folder })
    }
}

impl Agent {
    /// # Errors
    /// One sentence: where it looked and what to do.
    pub(super) fn ask(&self) -> Result<Knowledge, String> {
        ask(&self.folder)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// # Errors
/// One sentence: where it looked and what to do.
pub(super) fn ask(folder: &Path) -> Result<Knowledge, String> {
    door::ask(folder).map_err(|error| {
        let socket = folder.join(door::SOCKET);
        let what = match error.kind() {
            ErrorKind::NotFound => {
                "there is no socket: no agent runs here, or its state folder is another one (--state \
                 FOLDER or --config FILE; it is state.folder of its configuration)"
            }
            ErrorKind::ConnectionRefused => {
                "nobody listens: the agent ended without a word; look why: journalctl -u podwhy -n \
                 50, or kubectl -n podwhy logs -p PODWHY-POD"
            }
            ErrorKind::PermissionDenied => {
                "it belongs to the agent's own user: ask as root, or through kubectl exec in the \
                 agent's pod"
            }
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                "the agent is there and does not answer in time; it may be reading a backlog: ask \
                 again"
            }
            _ => return format!("no answer from {}: {error}", socket.display()),
        };
        format!("no answer from {}: {what}", socket.display())
    })
}
