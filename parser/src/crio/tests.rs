//! CRI-O's lines, by example.

use crate::{Origin, parse_from};

use super::*;

const ID: &str = "08e6d1f57c934ab2e0d8415b6f29c7a3d5104e8b97f26c3a1b0d84e572f96ac3";

fn facts_of(message: &str, pairs: &str) -> (What, Facts<'static>) {
    let line =
        std::format!(r#"time="2031-03-17 12:40:05.22+02:00" level=info msg="{message}"{pairs}"#);
    let message = parse_from(Origin::Crio, line.leak()).unwrap();
    (message.what, message.facts())
}

fn raw(text: Option<Text<'static>>) -> Option<&'static str> {
    text.map(|text| text.raw())
}

#[test]
fn g65_every_line_of_a_container_gives_its_id_and_its_pod() {
    for (words, what) in [
        ("Created container ID: shop/web-0/app", What::CrioCreatedContainer),
        ("Stopped container ID: shop/web-0/app", What::CrioStoppedContainer),
        ("Removed container ID: shop/web-0/app", What::CrioRemovedContainer),
        ("Ran pod sandbox ID with infra container: shop/web-0/POD", What::CrioRanSandbox),
    ] {
        let (found, facts) = facts_of(&words.replace("ID", ID), " id=r1");
        let is_sandbox = what == What::CrioRanSandbox;
        assert_eq!(found, what);
        assert_eq!(raw(facts.pod.namespace), Some("shop"), "{words}");
        assert_eq!(raw(facts.pod.name), Some("web-0"), "{words}");
        assert_eq!(raw(facts.container), (!is_sandbox).then_some("app"), "{words}");
        assert_eq!(raw(facts.container_id.or(facts.sandbox_id)), Some(ID), "{words}");
        assert_eq!(facts.container_id.is_none(), is_sandbox, "{words}");
        assert_eq!(raw(facts.request), Some("r1"), "{words}");
    }
}

#[test]
fn g65_the_start_line_says_everything_in_its_pairs() {
    let pairs = std::format!(" PID=4711 containerID={ID} description=shop/web-0/app sandboxID=5");
    let (what, facts) = facts_of("Started container", &pairs);
    assert_eq!((what, facts.victim_pid), (What::CrioStartedContainer, Some(4711)));
    assert_eq!((raw(facts.container_id), raw(facts.sandbox_id)), (Some(ID), Some("5")));
    assert_eq!((raw(facts.pod.name), raw(facts.container)), (Some("web-0"), Some("app")));
}

#[test]
fn a_timeout_and_a_stage_stand_behind_what_they_are_about() {
    let (what, facts) = facts_of(&std::format!("Stopping container: {ID} (timeout: 30s)"), "");
    assert_eq!((what, raw(facts.container_id)), (What::CrioStoppingContainer, Some(ID)));
    let name = "k8s_web-0_shop_7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21_2";
    let words = std::format!(
        "Creation of sandbox {name} not yet finished. Currently at stage sandbox network creation"
    );
    let (what, facts) = facts_of(&words, "");
    assert_eq!((what, facts.attempt), (What::CrioSandboxNotYetFinished, Some(2)));
    assert_eq!(raw(facts.detail), Some("sandbox network creation"));
    assert_eq!(raw(facts.pod.uid), Some("7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21"));
}
