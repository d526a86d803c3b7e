//! Manifests and what is said about them, as data: each rule has a manifest that earns it, and the
//! manifest without fault earns none.

use super::*;
use crate::command::explain::{NamedInput, Options, explain};

/// Advice is told apart by its rule and its container.
fn told(yaml: &str) -> Vec<String> {
    let explained = explain(vec![NamedInput::text("pod.yaml", yaml)], &Options::default());
    assert_eq!(explained.failures, 0, "advice is no failure");
    let advice = explained.advice();
    advice
        .iter()
        .map(|it| match &it.container {
            Some(container) => format!("{} {container}", it.id),
            None => it.id.to_owned(),
        })
        .collect()
}

#[test]
fn r85_r92_each_rule_speaks_where_it_should_and_nowhere_else() {
    let cases = include_str!("../../../../../tests/explain/advice.txt");
    let mut seen = BTreeSet::new();
    for case in cases.split("\n=== ").skip(1) {
        let (head, yaml) = case.split_once('\n').expect("a head and a manifest");
        let (name, expected) = head.split_once(": ").unwrap_or((head.trim_end_matches(':'), ""));
        let expected: Vec<&str> =
            expected.split(", ").map(str::trim).filter(|id| !id.is_empty()).collect();
        assert_eq!(told(yaml), expected, "{name}\n{yaml}");
        seen.extend(expected.iter().filter_map(|it| it.split(' ').next()).map(str::to_owned));
    }
    assert!(seen.len() >= 24, "each rule has its manifest: {seen:?}");
}

#[test]
fn r78_a_limit_is_held_against_what_was_used() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec:\n  \
               containers:\n  - name: app\n    image: registry.test/web:1\n    resources: {limits: \
               {memory: 100Mi}}\n";
    let peak = r#"{"fact":"cgroup","at":1795387941000000,"instance":{"pod":{"namespace":"shop","name":"web"},"container":"app"},"version":2,"container":{"memory_peak_bytes":99614720}}"#;
    let inputs = vec![NamedInput::text("pod.yaml", pod), NamedInput::text("facts.jsonl", peak)];
    let explained = explain(inputs, &Options::default());
    let advice = explained.advice();
    assert_eq!(advice.len(), 1);
    assert_eq!(advice[0].id, "memory_limit_near_peak");
    assert!(advice[0].what.contains("190Mi"), "{}", advice[0].what);
    assert_eq!(advice[0].line, Some(6));
}
