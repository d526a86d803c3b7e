//! podwhy as a plugin of kubectl: called `kubectl-podwhy`, it asks the agents of a cluster from
//! anywhere. Owns its arguments; kubectl owns the way there and who may go it.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use super::explain::Form;
use super::{DONE, FAILED, complain, say};

mod kubectl;
mod nodes;
#[cfg(test)]
mod tests;

use kubectl::{Agent, Cluster, End};

/// What the program is called where kubectl finds it: `kubectl podwhy`.
const NAME: &str = "kubectl-podwhy";

/// Why does this pod not start? Asked of the agent on its node.
///
/// Finds the node of a pod and the agent there, and asks it through kubectl: with your context and
/// your rights: get of the pod; in the agents' namespace list of pods, create of pods/exec, and for
/// `open` of pods/portforward.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    bin_name = "kubectl podwhy",
    version,
    arg_required_else_help = true,
    after_help = AFTER_HELP
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    cluster: Cluster,
}

const AFTER_HELP: &str = "\
Examples:
  kubectl podwhy why pod/web-0 -n shop     one pod: why, since when, what to do
  kubectl podwhy why shop/web-0 --watch    wait here until it is proven fixed
  kubectl podwhy why node/worker-3         what concerns a node: network, disk, runtime
  kubectl podwhy open worker-3             the page of a node, as long as this runs
  kubectl podwhy nodes                     all nodes: what is open, and how many answered

To install it: ln -s $(command -v podwhy) /usr/local/bin/kubectl-podwhy

Exit codes: 0 answered, 1 failed or not all answered, 2 bad arguments; else those of podwhy why.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Ask the agent of a pod's or node's own node what fails there, why, and what to do.
    Why {
        /// NAME, pod/NAME or NAMESPACE/NAME; node/NAME for what concerns a node.
        #[arg(value_name = "WHAT")]
        what: String,
        #[command(flatten)]
        how: How,
    },
    /// Show the page of a node: forward a port of this machine to it and tell the address.
    Open {
        /// The node, as kubectl get nodes names it; node/NAME works too.
        #[arg(value_name = "NODE")]
        node: String,
        /// The port on this machine; 0: any that is free.
        #[arg(long, value_name = "PORT", default_value_t = 0)]
        port: u16,
    },
    /// Ask all agents what is open on their nodes.
    Nodes(nodes::Args),
}

/// How to answer, as `podwhy why` takes it.
#[derive(Debug, clap::Args)]
struct How {
    /// Also incidents that ended a short while ago.
    #[arg(long)]
    all: bool,
    /// Go on until everything that matches is proven fixed, and print each change once.
    #[arg(long)]
    watch: bool,
    /// How to answer: text for people, or one JSON object a line for programs.
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Text)]
    output: Form,
}

impl How {
    /// The same for the agent's own program. Its output is no terminal there, and may be one here.
    fn arguments(&self) -> Vec<String> {
        let is_terminal = std::io::stdout().is_terminal() && self.output == Form::Text;
        let is_plain = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        let flags = [
            (self.all, "--all"),
            (self.watch, "--watch"),
            (self.output == Form::Json, "--output=json"),
            (is_terminal && !is_plain, "--color=always"),
        ];
        flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).to_owned()).collect()
    }
}

/// Whether the program was called as the plugin.
#[must_use]
pub fn is_called() -> bool {
    let called = std::env::args_os().next();
    let name = called.as_deref().and_then(|called| Path::new(called).file_stem());
    name.is_some_and(|name| name == NAME)
}

/// Runs the plugin to its end.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { command, cluster } = Cli::parse();
    let ended = match &command {
        Command::Why { what, how } => why(&cluster, what, how),
        Command::Open { node, port } => open(&cluster, node, *port),
        Command::Nodes(arguments) => nodes::run(&cluster, arguments),
    };
    match ended {
        Ok(code) => code.into(),
        Err(why) => {
            complain(&why);
            FAILED.into()
        }
    }
}

/// Whom somebody asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Node(String),
    Pod { namespace: Option<String>, name: String },
}

impl Subject {
    fn of(what: &str) -> Result<Self, String> {
        let pod = |namespace: Option<&str>, name: &str| Self::Pod {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        };
        let subject = match what.split_once('/') {
            None => pod(None, what),
            Some(("pod" | "pods" | "po", name)) => pod(None, name),
            Some(("node" | "nodes" | "no", name)) => Self::Node(name.to_owned()),
            Some((namespace, name)) => pod(Some(namespace), name),
        };
        let (Self::Node(name) | Self::Pod { name, .. }) = &subject;
        // Kubernetes' names hold nothing else, and kubectl would take a dash for a flag.
        let is_name = |text: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
            !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain)
        };
        let namespace = match &subject {
            Self::Pod { namespace: Some(namespace), .. } => namespace,
            _ => name,
        };
        if is_name(name) && is_name(namespace) {
            Ok(subject)
        } else {
            Err(format!("`{what}` names nothing: pod/NAME, NAMESPACE/NAME or node/NAME"))
        }
    }
}

fn why(cluster: &Cluster, what: &str, how: &How) -> Result<u8, String> {
    let (node, asked) = match Subject::of(what)? {
        Subject::Node(node) => (node, "node".to_owned()),
        Subject::Pod { namespace, name } => {
            let (namespace, node) = cluster.place_of(namespace.as_deref(), &name)?;
            let asked = format!("{namespace}/{name}");
            let Some(node) = node else {
                return Err(format!(
                    "{asked} is not on any node yet: why, says the scheduler: kubectl -n \
                     {namespace} describe pod {name}"
                ));
            };
            (node, asked)
        }
    };
    let agent = cluster.agent_on(&node)?;
    let mut arguments = vec!["why".to_owned(), asked];
    arguments.extend(how.arguments());
    cluster.run_there(&agent, &arguments)
}

fn open(cluster: &Cluster, node: &str, port: u16) -> Result<u8, String> {
    let subject = Subject::of(&format!("node/{}", node.strip_prefix("node/").unwrap_or(node)))?;
    let Subject::Node(node) = subject else { return Err("no node".to_owned()) };
    let agent = cluster.agent_on(&node)?;
    let address = cluster.ask_there(&agent, &["open".to_owned()])?;
    let (remote, path) = parts(&address).ok_or_else(|| {
        format!(
            "the agent of {node} tells no address of a page: {}",
            super::explain::plain(&address)
        )
    })?;
    // Before there is anything to end.
    let end = End::listen()?;
    let forwarded = cluster.forward(&agent, port, remote)?;
    let told = format!("http://127.0.0.1:{}{path}\n", forwarded.port());
    say(&told, DONE);
    complain(&format_args!("the page of {node}, as long as this runs; Ctrl-C ends it"));
    forwarded.until_it_ends(end)
}

/// `http://127.0.0.1:9475/?token=…` → its port, and what follows.
fn parts(address: &str) -> Option<(u16, &str)> {
    let rest = address.trim().strip_prefix("http://")?;
    let (host, path) = rest.split_at(rest.find('/')?);
    let port = host.rsplit_once(':')?.1.parse().ok()?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "/?=".contains(c);
    path.chars().all(is_token).then_some((port, path))
}

/// One agent, for who asks all.
fn told(agent: &Agent) -> String {
    format!("{}/{}", agent.namespace, agent.name)
}
