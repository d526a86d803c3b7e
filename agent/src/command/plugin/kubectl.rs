//! kubectl as the way to the agents: its contexts, its credentials, its rights. Owns how long it may
//! take, and what is said where it fails.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use serde_json::Value;

use super::super::explain::plain;
use super::super::{DONE, FAILED};
use crate::{limits, shutdown};

/// The agents' pods carry it, unless the chart's `nameOverride` says otherwise. So may any pod of
/// anybody: only those in the agents' own namespace are believed.
const AGENTS: &str = "app.kubernetes.io/name=podwhy";

/// Which cluster, as kubectl takes it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Cluster {
    /// The pod's namespace [default: the context's]
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Where the agents run: pods elsewhere are not believed to be any
    #[arg(long, global = true, value_name = "NAMESPACE", default_value = "podwhy")]
    agents_namespace: String,

    /// A context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,

    /// The kubeconfig
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<String>,
}

/// An agent's pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agent {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Nothing before it is assigned to one.
    pub(super) node: Option<String>,
    pub(super) is_running: bool,
}

impl Cluster {
    fn kubectl(&self) -> Command {
        let mut command = Command::new("kubectl");
        for (flag, value) in [("--context", &self.context), ("--kubeconfig", &self.kubeconfig)] {
            if let Some(value) = value {
                command.arg(format!("{flag}={value}"));
            }
        }
        command.stdin(Stdio::null());
        command
    }

    fn get(&self, arguments: &[&str]) -> Result<Value, String> {
        let mut command = self.kubectl();
        command.arg("get").args(arguments).args(["--output", "json"]);
        let text = answer(command)?;
        serde_json::from_str(&text).map_err(|error| format!("kubectl's answer is no JSON: {error}"))
    }

    /// A pod's namespace, and its node.
    pub(super) fn place_of(
        &self,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(String, Option<String>), String> {
        let mut arguments = vec!["pod", name];
        if let Some(namespace) = namespace.or(self.namespace.as_deref()) {
            arguments.extend(["--namespace", namespace]);
        }
        let pod = self.get(&arguments)?;
        let namespace = text(&pod, "/metadata/namespace").ok_or("the pod has no namespace")?;
        Ok((namespace, text(&pod, "/spec/nodeName")))
    }

    /// All agents, by node.
    pub(super) fn agents(&self) -> Result<Vec<Agent>, String> {
        let pods =
            self.get(&["pods", "--namespace", &self.agents_namespace, "--selector", AGENTS])?;
        let mut agents: Vec<Agent> = agents_of(&pods).collect();
        agents.sort_by(|one, other| (&one.node, &one.name).cmp(&(&other.node, &other.name)));
        Ok(agents)
    }

    /// The one that runs on a node.
    pub(super) fn agent_on(&self, node: &str) -> Result<Agent, String> {
        let there = format!("spec.nodeName={node}");
        let place = &self.agents_namespace;
        let pods = self.get(&[
            "pods",
            "--namespace",
            place,
            "--selector",
            AGENTS,
            "--field-selector",
            &there,
        ])?;
        let mut agents: Vec<Agent> = agents_of(&pods).collect();
        agents.sort_by_key(|agent| !agent.is_running);
        match agents.into_iter().next() {
            Some(agent) if agent.is_running => Ok(agent),
            Some(agent) => Err(format!(
                "the agent of {node} does not run: kubectl -n {} describe pod {}",
                agent.namespace, agent.name
            )),
            None => Err(format!(
                "no agent is on {node}: no pod with {AGENTS} in namespace {place} \
                 (--agents-namespace). Ask its log there: journalctl -u kubelet | podwhy explain"
            )),
        }
    }

    fn there(&self, agent: &Agent, arguments: &[String]) -> Command {
        let mut command = self.kubectl();
        command.args(["exec", "--namespace", &agent.namespace, &agent.name, "--", "podwhy"]);
        command.args(arguments);
        command
    }

    /// What a command says in the agent's pod.
    pub(super) fn ask_there(&self, agent: &Agent, arguments: &[String]) -> Result<String, String> {
        answer(self.there(agent, arguments))
    }

    /// A command in the agent's pod, on this terminal, with its exit code.
    pub(super) fn run_there(&self, agent: &Agent, arguments: &[String]) -> Result<u8, String> {
        let mut command = self.there(agent, arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| absent(&error))?;
        let mut said = BufReader::new(child.stdout.take().ok_or("kubectl has no output")?);
        let (mut out, mut line) = (std::io::stdout().lock(), Vec::new());
        loop {
            line.clear();
            let mut piece = (&mut said).take(limits::PLUGIN_LINE_BYTES);
            let read = piece.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
            let text = harmless(&String::from_utf8_lossy(&line));
            if read == 0 || out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
                break;
            }
        }
        // Who no longer reads wants no more: kubectl learns it by its own pipe.
        drop(said);
        let status = child.wait().map_err(|error| error.to_string())?;
        Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED))
    }

    /// A port of this machine leads to one of the agent's pod; `port` 0: any.
    pub(super) fn forward(
        &self,
        agent: &Agent,
        port: u16,
        remote: u16,
    ) -> Result<Forwarded, String> {
        let ports = if port == 0 { format!(":{remote}") } else { format!("{port}:{remote}") };
        let mut command = self.kubectl();
        command.args(["port-forward", "--address", "127.0.0.1", "--namespace", &agent.namespace]);
        command.args([&agent.name, &ports]).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| absent(&error))?;
        Forwarded::of(child)
    }
}

/// A port that leads to an agent; closed when dropped.
#[derive(Debug)]
pub(super) struct Forwarded {
    child: Child,
    port: u16,
}

impl Forwarded {
    fn of(mut child: Child) -> Result<Self, String> {
        let (told, hears) = mpsc::channel();
        if let Some(out) = child.stdout.take() {
            std::thread::spawn(move || {
                // Read to its end, so that it never waits for who reads.
                for line in BufReader::new(out).lines().map_while(Result::ok) {
                    let _ = told.send(line);
                }
            });
        }
        // `Forwarding from 127.0.0.1:41234 -> 9475`
        let line = hears.recv_timeout(limits::PLUGIN_ANSWER).unwrap_or_default();
        let from = line.split(" -> ").next().and_then(|from| from.rsplit_once(':'));
        let mut forwarded = Self { child, port: 0 };
        forwarded.port = from
            .and_then(|(_, port)| port.trim().parse().ok())
            .ok_or("kubectl forwards no port: what it says stands above")?;
        Ok(forwarded)
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Until kubectl ends, or this program is told to: then kubectl ends with it.
    pub(super) fn until_it_ends(mut self, end: End) -> Result<u8, String> {
        let End { runtime, mut signals } = end;
        let waits = async {
            loop {
                tokio::select! {
                    _ = signals.told() => return Ok(None),
                    () = tokio::time::sleep(limits::PLUGIN_LOOK) => {
                        if let Some(status) = self.child.try_wait()? {
                            return Ok(Some(status));
                        }
                    }
                }
            }
        };
        let status = runtime.block_on(waits).map_err(|error: std::io::Error| error.to_string())?;
        let code = status.map_or(Some(i32::from(DONE)), |status| status.code());
        Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED))
    }
}

/// The order to end, heard from the moment this exists.
#[derive(Debug)]
pub(super) struct End {
    runtime: tokio::runtime::Runtime,
    signals: shutdown::Signals,
}

impl End {
    pub(super) fn listen() -> Result<Self, String> {
        let made = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let signals = {
                let _inside = runtime.enter();
                shutdown::Signals::listen()?
            };
            Ok(Self { runtime, signals })
        };
        made().map_err(|error: std::io::Error| format!("signals cannot be awaited: {error}"))
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

pub(super) fn agents_of(pods: &Value) -> impl Iterator<Item = Agent> {
    let pods = pods.pointer("/items").and_then(Value::as_array).into_iter().flatten();
    pods.filter_map(|pod| {
        let is_leaving = pod.pointer("/metadata/deletionTimestamp").is_some();
        Some(Agent {
            namespace: text(pod, "/metadata/namespace")?,
            name: text(pod, "/metadata/name")?,
            node: text(pod, "/spec/nodeName"),
            is_running: text(pod, "/status/phase").as_deref() == Some("Running") && !is_leaving,
        })
    })
}

fn absent(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "kubectl is not in the path".to_owned(),
        _ => format!("kubectl cannot be started: {error}"),
    }
}

/// What another program says, with its colours and nothing else that a terminal obeys.
pub(super) fn harmless(said: &str) -> String {
    let mut pieces = said.split('\u{1b}');
    let mut shown = pieces.next().map(controlless).unwrap_or_default();
    for piece in pieces {
        let colour = piece.strip_prefix('[').and_then(|rest| rest.split_once('m'));
        let is_plain = |code: &str| code.chars().all(|c| c.is_ascii_digit() || c == ';');
        match colour {
            Some((code, rest)) if is_plain(code) => {
                shown.push_str(&format!("\u{1b}[{code}m{}", controlless(rest)));
            }
            _ => shown.push_str(&controlless(piece)),
        }
    }
    shown
}

fn controlless(text: &str) -> String {
    crate::observation::text::plain(text)
}

/// What a command writes, within bounds of time and size.
fn answer(mut command: Command) -> Result<String, String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| absent(&error))?;
    let (told, hears) = mpsc::channel();
    let out = child.stdout.take().map(|out| Box::new(out) as Box<dyn std::io::Read + Send>);
    let err = child.stderr.take().map(|err| Box::new(err) as Box<dyn std::io::Read + Send>);
    for (is_error, pipe) in [(false, out), (true, err)] {
        let Some(pipe) = pipe else { continue };
        let told = told.clone();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.take(limits::PLUGIN_ANSWER_BYTES).read_to_end(&mut bytes);
            let _ = told.send((is_error, String::from_utf8_lossy(&bytes).into_owned()));
        });
    }
    drop(told);
    let (mut stdout, mut stderr) = (String::new(), String::new());
    for _ in 0..2 {
        let Ok((is_error, text)) = hears.recv_timeout(limits::PLUGIN_ANSWER) else {
            // Ended already is as good.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("no answer within {} s", limits::PLUGIN_ANSWER.as_secs()));
        };
        *(if is_error { &mut stderr } else { &mut stdout }) = text;
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    if status.success() {
        return Ok(stdout);
    }
    let last = stderr.lines().rev().find(|line| {
        // kubectl's own last line only repeats the exit code.
        !line.trim().is_empty() && !line.starts_with("command terminated with exit code")
    });
    Err(last.map_or_else(|| "kubectl failed and says nothing".to_owned(), plain))
}
