//! `podwhy open`: where the page of this node's agent is, its token included. Opens nothing itself.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;

use super::reach::Reach;
use super::{DONE, FAILED, complain, say};
use crate::admin::page::URL_FILE;
use crate::limits;

/// Tell the address of this node's page, to be opened in a browser.
///
/// The page listens on the node's loopback and shows what stands in logs, so its address holds a
/// token that each start of the agent makes anew. Whoever may read the agent's state folder, as root
/// or by kubectl exec, may have it.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    #[command(flatten)]
    reach: Reach,
}

const AFTER_HELP: &str = "\
Examples:
  podwhy open                                          on the node itself
  kubectl -n podwhy exec PODWHY-POD -- podwhy open     from elsewhere, and beside it:
  kubectl -n podwhy port-forward PODWHY-POD 9475

Exit codes: 0 told, 1 there is no page, 2 bad arguments, 64 bad configuration.";

/// Tells, and gives the exit code.
#[must_use]
pub(super) fn run(arguments: &Args) -> ExitCode {
    let agent = match arguments.reach.agent() {
        Ok(agent) => agent,
        Err(code) => return code.into(),
    };
    match address(agent.folder(), agent.loaded.config.page.enabled) {
        Ok(address) => {
            let host = address.split('/').nth(2).unwrap_or_default();
            if let Err(why) = is_served(host) {
                complain(&why);
                return FAILED.into();
            }
            let port = host.rsplit(':').next();
            complain(&format_args!(
                "from another machine it needs, as long as you look: kubectl -n podwhy port-forward \
                 PODWHY-POD {}",
                port.unwrap_or("9475")
            ));
            say(&format!("{address}\n"), DONE).into()
        }
        Err(why) => {
            complain(&why);
            FAILED.into()
        }
    }
}

/// # Errors
/// One sentence, where nobody listens: an agent that ended without a word leaves its address behind.
fn is_served(host: &str) -> Result<(), String> {
    let wrong = |_| format!("`{host}` is no address of a page");
    let at = host.parse::<SocketAddr>().map_err(wrong)?;
    TcpStream::connect_timeout(&at, limits::DOOR_ANSWER).map(drop).map_err(|error| {
        format!(
            "nobody listens at {at} ({error}): the agent ended without a word; its log says why"
        )
    })
}

/// # Errors
/// One sentence: where it looked and what to do.
fn address(folder: &Path, is_enabled: bool) -> Result<String, String> {
    if !is_enabled {
        return Err("no page: page.enabled is false".to_owned());
    }
    let path = folder.join(URL_FILE);
    std::fs::read_to_string(&path).map(|text| text.trim().to_owned()).map_err(|error| {
        let what = match error.kind() {
            ErrorKind::NotFound => {
                "there is none: no agent runs here, its state folder is another one (--state FOLDER \
                 or --config FILE), or its log says why page.listen cannot be had"
                    .to_owned()
            }
            ErrorKind::PermissionDenied => {
                "it belongs to the agent's own user: ask as root, or through kubectl exec in the \
                 agent's pod"
                    .to_owned()
            }
            _ => error.to_string(),
        };
        format!("no page by {}: {what}", path.display())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_the_page_is_or_why_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let off = address(folder.path(), false).unwrap_err();
        assert!(off.contains("page.enabled is false"), "{off}");
        let none = address(folder.path(), true).unwrap_err();
        assert!(none.contains("no agent runs here") && none.contains("--state"), "{none}");
        std::fs::write(folder.path().join(URL_FILE), "http://127.0.0.1:1/?token=a\n").unwrap();
        assert_eq!(address(folder.path(), true).unwrap(), "http://127.0.0.1:1/?token=a");
        let left = is_served("127.0.0.1:1").unwrap_err();
        assert!(left.contains("nobody listens at 127.0.0.1:1"), "{left}");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        is_served(&listener.local_addr().unwrap().to_string()).unwrap();
    }
}
