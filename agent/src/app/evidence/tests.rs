//! Questions and answers against real folders.

use std::fs;

use tokio::sync::mpsc;

use super::*;
use crate::fact::{Instance, PodRef};

const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";

fn instance() -> Instance {
    Instance {
        pod: PodRef {
            namespace: Some("shop".into()),
            name: Some("web-0".into()),
            uid: Some(UID.into()),
        },
        container: "app".into(),
        ..Instance::default()
    }
}

fn folder() -> (tempfile::TempDir, config::Evidence) {
    let root = tempfile::tempdir().unwrap();
    let logs = root.path().join(format!("shop_web-0_{UID}/app"));
    fs::create_dir_all(&logs).unwrap();
    let text = "2031-03-17T10:12:00.1Z stdout F starting\n2031-03-17T10:12:00.2Z stderr F panic: boom\n\
        2031-03-17T10:12:00.3Z stderr F password=hunter2hunter2\n";
    fs::write(logs.join("0.log"), text).unwrap();
    let config = config::Evidence { pod_logs: root.path().into(), ..config::Evidence::default() };
    (root, config)
}

fn ask(config: &config::Evidence, want: Want) -> Fact {
    let (facts, mut answers) = mpsc::channel(4);
    let evidence = Evidence::start(config, &facts);
    let refused = evidence.ask(want, 0);
    if let Some(refused) = refused.into_iter().next() {
        evidence.learn(&refused);
        assert_eq!(evidence.counts(), Counts { answered: 0, absent: 1 });
        return refused.fact;
    }
    let answer = answers.blocking_recv().unwrap();
    evidence.learn(&answer);
    let counts = evidence.counts();
    assert_eq!(counts.answered + counts.absent, 1);
    answer.fact
}

#[test]
fn last_words_come_back_as_a_fact_and_say_what_may_leave_the_node() {
    let (_root, config) = folder();
    let Fact::LastWords(words) = ask(&config, Want::LastWords(instance())) else { panic!() };
    assert_eq!(words.lines[..2], ["starting", "panic: boom"]);
    assert_eq!(words.quotable(), ["panic: boom"]);
    assert!(!format!("{words:?}").contains("hunter2"));
    let config = config::Evidence { last_words: config::LastWords::Tail, ..config };
    let Fact::LastWords(words) = ask(&config, Want::LastWords(instance())) else { panic!() };
    assert_eq!(words.quotable().len(), 3);
}

#[test]
fn what_is_denied_is_not_read_and_said_to_be_absent() {
    let (_root, config) = folder();
    for config in [
        config::Evidence { denied_namespaces: vec!["shop".into()], ..config.clone() },
        config::Evidence { last_words: config::LastWords::None, ..config },
    ] {
        let want = Want::LastWords(instance());
        let Fact::Absent(absent) = ask(&config, want.clone()) else { panic!() };
        assert_eq!(absent.want, want);
        assert!(absent.why.contains("says no"), "{}", absent.why);
    }
}

#[test]
fn what_is_not_there_is_absent_with_its_reason() {
    let (_root, config) = folder();
    let other = Instance { container: "other".into(), ..instance() };
    let Fact::Absent(absent) = ask(&config, Want::LastWords(other)) else { panic!() };
    assert!(absent.why.ends_with("/other: is not there"), "{}", absent.why);
    let Fact::Absent(_) = ask(&config, Want::Runtime) else { panic!() };
}

#[test]
fn a_recording_has_nobody_to_ask() {
    let evidence = Evidence::recorded(Answers::default());
    let absent = evidence.ask(Want::LastWords(instance()), 7);
    assert!(matches!(absent.as_slice(), [Dated { at: 7, fact: Fact::Absent(_) }]));
    assert_eq!(evidence.open(), 0);
}
