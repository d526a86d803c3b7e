//! Questions and their answers, without an agent.

use super::choice::{Subject, is_named};
use super::watch::Told;
use super::*;
use crate::app::door::About;
use crate::fact::{self, Dated, Fact};
use crate::incident::{Cause, Pod, Scope, State};

const NOW: Micros = 1_795_341_845_000_000;

fn incident(id: &str, pod: &str, state: State) -> Incident {
    Incident {
        id: id.to_owned(),
        state,
        cause: Cause { id: "image_not_found".to_owned(), ..Cause::default() },
        pods: vec![Pod {
            namespace: Some("shop".to_owned()),
            name: Some(pod.to_owned()),
            ..Pod::default()
        }],
        first_seen: Some(NOW - 372_000_000),
        last_seen: Some(NOW - 1_000_000),
        ..Incident::default()
    }
}

fn knowledge(incidents: Vec<Incident>) -> Knowledge {
    Knowledge { agent: About::of("node-a", NOW), incidents, facts: Vec::new() }
}

fn question(what: Option<&str>, filter: &'static Filter) -> Question<'static> {
    Question {
        subject: Subject::of(what, "node-a"),
        filter,
        with_ended: false,
        form: Form::Text,
        look: Look::default(),
    }
}

fn ids(what: Option<&str>, incidents: &[Incident]) -> Vec<String> {
    let filter = Box::leak(Box::new(Filter::default()));
    let question = question(what, filter);
    let chosen = question.subject.choose(incidents, |it| question.wants(it, NOW));
    chosen.into_iter().map(|incident| incident.id.clone()).collect()
}

#[test]
fn two_words_are_read_as_kubectl_takes_them() {
    let written = |words: &[&str]| {
        super::choice::written(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(written(&[]), Ok(None));
    for (words, one) in [
        (&["shop/web-0"][..], "shop/web-0"),
        (&["pod", "shop/web-0"], "shop/web-0"),
        (&["pods", "web-0"], "pod/web-0"),
        (&["node", "node-a"], "node/node-a"),
    ] {
        assert_eq!(written(words), Ok(Some(one.to_owned())), "{words:?}");
    }
    assert!(written(&["deployment", "web"]).is_err());
}

#[test]
fn what_is_asked_for_is_read_as_people_write_it() {
    let pod = |namespace: Option<&str>, name: &str| Subject::Pod {
        namespace: namespace.map(str::to_owned),
        name: name.to_owned(),
    };
    for (text, subject) in [
        ("node", Subject::Node),
        ("node-a", Subject::Node),
        ("node/node-a", Subject::Node),
        ("node/node-b", Subject::OtherNode("node-b".to_owned())),
        ("shop/web-0", pod(Some("shop"), "web-0")),
        ("pod/web-0", pod(None, "web-0")),
        ("web-0", pod(None, "web-0")),
    ] {
        assert_eq!(Subject::of(Some(text), "node-a"), subject, "{text}");
    }
    assert!(is_named("web-5f6", "web") && is_named("web", "web") && !is_named("website", "web"));
}

#[test]
fn without_an_argument_what_is_open_is_told_and_a_pod_is_told_whole() {
    let mut node = incident("node", "cni-x", State::Open);
    node.scope = Scope::Node;
    let mut member = incident("member", "web-0", State::Open);
    member.parent = Some("node".to_owned());
    let all = [
        node,
        member,
        incident("open", "cart-0", State::Open),
        incident("old", "web-0", State::Resolved),
    ];
    assert_eq!(ids(None, &all), ["node", "open"], "a member is told by its root");
    assert_eq!(ids(Some("node"), &all), ["node"]);
    assert_eq!(ids(Some("shop/web-0"), &all), ["node", "member", "old"]);
    assert_eq!(ids(Some("other/web-0"), &all), [""; 0]);
}

#[test]
fn a_pod_that_never_failed_is_an_answer_with_what_is_known_of_it() {
    let container = fact::Container {
        name: "app".to_owned(),
        state: Some(fact::State::Running { since: Some(NOW) }),
        restarts: Some(2),
        ..fact::Container::default()
    };
    let web = fact::Pod {
        namespace: "shop".to_owned(),
        name: "web-0".to_owned(),
        containers: vec![container],
        ..fact::Pod::default()
    };
    let mut known = knowledge(Vec::new());
    known.agent.read_from = Some("2026-11-22T10:00:00Z".to_owned());
    known.facts.push(Dated { at: NOW, fact: Fact::Pod(Box::new(web)) });
    let pods = pod::known(&known, Some("shop"), "web-0");
    assert_eq!(
        pod::told(pods[0], &known, false),
        "shop/web-0: no failure seen since 2026-11-22 10:00:00 UTC; app runs since 2026-11-22 \
         10:04:05 UTC, 2 restarts"
    );
    assert!(pod::known(&known, Some("other"), "web-0").is_empty());
}

#[test]
fn an_answer_says_what_was_not_seen() {
    let mut known = knowledge(Vec::new());
    assert_eq!(unseen(&known, NOW), "");
    known.agent.blind.push("the journal cannot be read: \u{1b}[31mno".to_owned());
    assert_eq!(unseen(&known, NOW), "incomplete: the journal cannot be read: [31mno\n");
    assert!(unseen(&known, NOW + 120_000_000).contains("120 s ago"));
}

#[test]
fn a_watch_tells_each_change_once_and_ends_with_the_last_proof() {
    let filter = Box::leak(Box::new(Filter::default()));
    let question = question(Some("shop/web-0"), filter);
    let mut told = Told::default();
    let mut step = |state, rung: u8| {
        let mut one = incident("a", "web-0", state);
        (one.rung, one.proof) = (rung, vec!["the image was pulled".to_owned()]);
        let (text, goes_on) = question.changes(&knowledge(vec![one]), &mut told, NOW);
        (text, goes_on.is_break())
    };
    let (text, ended) = step(State::Open, 0);
    assert!(text.starts_with("OPEN shop/web-0") && text.contains("open for 6m12s"), "{text}");
    assert!(!ended);
    assert_eq!(step(State::Open, 0), (String::new(), false), "nothing is told twice");
    let (text, ended) = step(State::Recovering, 1);
    assert!(text.contains("recovers") && text.contains("rung 1: the image was pulled"), "{text}");
    assert!(!ended);
    let (text, ended) = step(State::Resolved, 3);
    assert!(text.starts_with("RESOLVED shop/web-0"), "{text}");
    assert!(ended);
}

#[test]
fn a_watch_for_which_nothing_is_open_ends_at_once() {
    let filter = Box::leak(Box::new(Filter::default()));
    let question = question(None, filter);
    let known = knowledge(vec![incident("a", "web-0", State::Resolved)]);
    let (text, goes_on) = question.changes(&known, &mut Told::default(), NOW);
    assert!(goes_on.is_break());
    assert_eq!(text, "node-a: nothing that matches is open\n");
}
