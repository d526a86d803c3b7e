//! What the plugin makes of its arguments and of kubectl's answers.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde_json::json;

use super::nodes::{Asked, ask_all, table};
use super::*;
use crate::incident::{Cause, Incident, Scope};
use crate::limits;

#[test]
fn the_arguments_are_understood() {
    use clap::CommandFactory as _;
    Cli::command().debug_assert();
    let cli =
        Cli::parse_from(["x", "why", "-n", "shop", "pod/web-0", "--watch", "--output", "json"]);
    let Command::Why { what, how } = cli.command else { panic!("{cli:?}") };
    assert_eq!(what, "pod/web-0");
    assert_eq!(how.arguments(), ["--watch", "--output=json"]);
    assert!(matches!(Cli::parse_from(["x", "nodes", "--open"]).command, Command::Nodes(_)));
}

#[test]
fn what_is_asked_for_is_read_as_kubectl_writes_it() {
    let pod = |namespace: Option<&str>| Subject::Pod {
        namespace: namespace.map(str::to_owned),
        name: "web-0".to_owned(),
    };
    for (text, subject) in [
        ("web-0", pod(None)),
        ("pod/web-0", pod(None)),
        ("shop/web-0", pod(Some("shop"))),
        ("node/worker-3.example", Subject::Node("worker-3.example".to_owned())),
    ] {
        assert_eq!(Subject::of(text), Ok(subject));
    }
    for text in ["", "-n", "pod/--all", "a/b/c", "shop/", "web 0", "web;0", "--x/web-0"] {
        assert!(Subject::of(text).is_err(), "{text}");
    }
}

#[test]
fn an_address_gives_its_port_and_its_token_and_nothing_else() {
    let told = parts("http://127.0.0.1:9475/?token=0af\n");
    assert_eq!(told, Some((9475, "/?token=0af")));
    for odd in ["", "https://x", "http://127.0.0.1/?token=a", "http://h:1/\u{1b}[2J", "http://h:x/"]
    {
        assert_eq!(parts(odd), None, "{odd}");
    }
}

#[test]
fn agents_that_end_are_not_running() {
    let pod = |phase: &str, is_leaving: bool| {
        let mut pod = json!({"metadata": {"namespace": "podwhy", "name": "podwhy-x"},
            "spec": {"nodeName": "n"}, "status": {"phase": phase}});
        if is_leaving {
            pod["metadata"]["deletionTimestamp"] = json!("2026-11-22T10:00:00Z");
        }
        pod
    };
    let pods =
        json!({"items": [pod("Running", false), pod("Pending", false), pod("Running", true)]});
    let running: Vec<_> = kubectl::agents_of(&pods).map(|agent| agent.is_running).collect();
    assert_eq!(running, [true, false, false]);
}

#[test]
fn all_are_asked_some_at_a_time_and_who_is_silent_is_named() {
    let agents: Vec<Agent> = (0..50)
        .map(|number| Agent {
            namespace: "podwhy".to_owned(),
            name: format!("podwhy-{number}"),
            node: Some(format!("node-{number}")),
            is_running: true,
        })
        .collect();
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let asked = ask_all(&agents, |agent| {
        most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
        std::thread::yield_now();
        now.fetch_sub(1, SeqCst);
        if agent.name.ends_with('7') { Err("no answer".to_owned()) } else { Ok(Vec::new()) }
    });
    assert_eq!(asked.len(), 50);
    assert_eq!(asked.iter().filter(|it| it.answer.is_err()).count(), 5);
    assert!(most.load(SeqCst) <= limits::PLUGIN_AT_ONCE);
}

#[test]
fn the_table_is_one_line_a_node_and_harmless() {
    let cause = Cause { title: "no\u{1b}[2J network\nat all".to_owned(), ..Cause::default() };
    let incident = Incident { scope: Scope::Node, cause, ..Incident::default() };
    let one = Asked { node: "node-a".to_owned(), answer: Ok(vec![incident]) };
    let other = Asked { node: "b".to_owned(), answer: Err("no answer within 15 s".to_owned()) };
    let text = table(&[&one, &other]);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0], "NODE    OPEN  WORST");
    assert!(lines[1].starts_with("node-a  1     node: no"), "{text}");
    assert_eq!(lines[2], "b       ?     no answer within 15 s");
}

#[test]
fn what_an_agent_says_keeps_its_colours_and_steers_no_terminal() {
    let said = "\u{1b}[1;31mbad\u{1b}[0m \u{1b}]0;title\u{7}\u{1b}[2Jgone \u{202e}back\u{1b}";
    assert_eq!(kubectl::harmless(said), "\u{1b}[1;31mbad\u{1b}[0m ]0;title[2Jgone back");
}
