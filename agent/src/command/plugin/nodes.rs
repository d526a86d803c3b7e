//! `kubectl podwhy nodes`: every agent is asked, some at a time, none for long; who did not answer is
//! named. Owns the table.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::explain::{Form, plain};
use super::super::{DONE, FAILED, complain, say};
use super::kubectl::{Agent, Cluster};
use crate::incident::Incident;
use crate::limits;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only nodes on which something is open, or that did not answer.
    #[arg(long)]
    open: bool,

    /// How to answer: text for people, or one JSON object a node for programs.
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Text)]
    output: Form,
}

/// What one node came to.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) node: String,
    pub(super) answer: Result<Vec<Incident>, String>,
}

pub(super) fn run(cluster: &Cluster, arguments: &Args) -> Result<u8, String> {
    let agents = cluster.agents()?;
    if agents.is_empty() {
        return Err(
            "no agent is there (no pod with app.kubernetes.io/name=podwhy): --agents-namespace"
                .into(),
        );
    }
    let mut asked = ask_all(&agents, |agent| ask(cluster, agent));
    asked.sort_by(|one, other| {
        let open = |it: &Asked| it.answer.as_ref().map_or(0, Vec::len);
        (open(other), &one.node).cmp(&(open(one), &other.node))
    });
    let answered = asked.iter().filter(|it| it.answer.is_ok()).count();
    let shown: Vec<&Asked> = asked
        .iter()
        .filter(|it| !arguments.open || it.answer.as_ref().map_or(true, |open| !open.is_empty()))
        .collect();
    let text = match arguments.output {
        Form::Text => table(&shown),
        Form::Json => objects(&shown),
    };
    let code = if answered == asked.len() { DONE } else { FAILED };
    let code = say(&text, code);
    complain(&format_args!("{answered} of {} agents answered", asked.len()));
    Ok(code)
}

/// Some at a time; when the time is over the rest is not asked.
pub(super) fn ask_all(
    agents: &[Agent],
    ask: impl Fn(&Agent) -> Result<Vec<Incident>, String> + Sync,
) -> Vec<Asked> {
    let waiting: Mutex<VecDeque<&Agent>> = Mutex::new(agents.iter().collect());
    let asked = Mutex::new(Vec::with_capacity(agents.len()));
    let until = Instant::now() + limits::PLUGIN_ALL;
    std::thread::scope(|scope| {
        for _ in 0..limits::PLUGIN_AT_ONCE.min(agents.len()) {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(agent) = next else { return };
                    let answer = if Instant::now() < until {
                        ask(agent)
                    } else {
                        Err("not asked: the others took too long".to_owned())
                    };
                    let node = agent.node.clone().unwrap_or_else(|| super::told(agent));
                    let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
                    asked.push(Asked { node, answer });
                }
            });
        }
    });
    asked.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn ask(cluster: &Cluster, agent: &Agent) -> Result<Vec<Incident>, String> {
    if !agent.is_running {
        return Err("its agent does not run".to_owned());
    }
    let arguments = ["why", "--output", "json"].map(str::to_owned);
    let told = cluster.ask_there(agent, &arguments)?;
    let lines = told.lines().filter(|line| !line.trim().is_empty());
    let incidents: Result<Vec<Incident>, _> = lines.map(serde_json::from_str).collect();
    incidents.map_err(|error| format!("its answer is of another release: {error}"))
}

pub(super) fn table(asked: &[&Asked]) -> String {
    let widest = asked.iter().map(|it| it.node.chars().count()).max().unwrap_or(0).max(4);
    let mut text = format!("{:widest$}  OPEN  WORST\n", "NODE");
    for it in asked {
        let (open, worst) = match &it.answer {
            Ok(incidents) => {
                (incidents.len().to_string(), incidents.first().map_or("-".into(), one))
            }
            Err(why) => ("?".to_owned(), plain(why)),
        };
        let _ = writeln!(text, "{:widest$}  {open:<4}  {worst}", plain(&it.node));
    }
    text
}

fn one(incident: &Incident) -> String {
    let pod = incident.pods.first().filter(|_| incident.scope != crate::incident::Scope::Node);
    let names = pod.map(|pod| [pod.namespace.as_deref(), pod.name.as_deref()]);
    let names = names.into_iter().flatten().flatten().map(plain).collect::<Vec<_>>().join("/");
    let whose = if names.is_empty() { "node".to_owned() } else { names };
    format!("{whose}: {}", plain(&incident.cause.title))
}

fn objects(asked: &[&Asked]) -> String {
    let mut text = String::new();
    for it in asked {
        let (incidents, error) = match &it.answer {
            Ok(incidents) => (json!(incidents), Value::Null),
            Err(why) => (Value::Null, json!(why)),
        };
        let object = json!({ "node": it.node, "incidents": incidents, "error": error });
        let _ = writeln!(text, "{}", crate::export::terminal::escaped(&object.to_string()));
    }
    text
}
