//! What people get to read, and how users' files are tried.

use super::*;

#[test]
fn every_question_is_found_by_its_own_words_and_names_real_causes() {
    let questions = faq::questions().unwrap();
    assert!(questions.len() >= 10, "R94 asks for ten answers");
    for question in &questions {
        let found = faq::find(&questions, std::slice::from_ref(&question.ask));
        assert!(found.contains(&question), "{} is not found by its own words", question.ask);
        for id in &question.see {
            assert!(catalogue::builtin().get(id).is_some(), "`{id}` is no cause");
        }
    }
    assert!(faq::find(&questions, &["zebra".to_owned()]).is_empty());
    let clean = faq::find(&questions, &["clean".to_owned(), "log".to_owned()]);
    assert!(clean.iter().any(|question| question.ask.contains("log is clean")));
}

#[test]
fn r94_each_question_is_answered_as_people_ask_it() {
    let questions = faq::questions().unwrap();
    for (asked, about) in [
        ("root cause or wrapper", "root cause"),
        ("what does skipping mean", "\"skipping\""),
        ("what is the next retry", "next retry"),
        ("clean log in CrashLoopBackOff", "log is clean"),
        ("CreatePodSandbox failures", "CreatePodSandbox"),
        ("sync failure or scheduling failure", "scheduling failure"),
        ("sidecar or init container", "blocks my pod"),
        ("sidecar crash with a healthy main", "healthy"),
        ("how to debug a sidecar", "debug a sidecar"),
        ("which limits", "limits"),
        ("a sidecar as an init container", "be an init container"),
    ] {
        let asked: Vec<String> = asked.split(' ').map(str::to_owned).collect();
        let found = faq::find(&questions, &asked);
        assert!(found.iter().any(|it| it.ask.contains(about)), "{asked:?} finds {found:?}");
        assert!(found.len() <= 3, "{asked:?} finds too many: {}", found.len());
    }
}

#[test]
fn an_exit_code_and_the_words_that_kubectl_shows_find_their_causes() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let ids = |found: Vec<(Class, &'static Cause)>| -> Vec<&str> {
        found.into_iter().map(|(_, cause)| cause.id.as_str()).collect()
    };
    let causes = catalogue::builtin();
    for (asked, id) in [
        ("what does exit code 137 mean", "killed_137_no_oom"),
        ("exit code 127", "exit_command_not_found"),
    ] {
        let found = ids(of_exit_code(causes, &words(asked)));
        assert!(found.contains(&id), "{asked}: {found:?}");
    }
    assert!(of_exit_code(causes, &words("how many of 137 pods fail")).is_empty());
    for (word, id) in [
        ("OOMKilled", "oom_container"),
        ("OOM", "oom_container"),
        ("ImagePullBackOff", "image_backoff_generic"),
    ] {
        let found = ids(of_word(causes, word));
        assert!(found.contains(&id), "{word}: {found:?}");
    }
    assert!(of_word(causes, "zebra").is_empty());
}

#[test]
fn a_page_tells_what_it_means_how_it_is_told_and_what_to_do() {
    let (class, cause) = catalogue::builtin().get("evict_memory").unwrap();
    let page = render::page(class, cause);
    let parts =
        ["class    eviction", "How it is told", "What to do", "It is over when", "oom_container"];
    for part in parts {
        assert!(page.contains(part), "{part} is missing in:\n{page}");
    }
    assert!(!page.contains('{'), "a placeholder is shown as <name>:\n{page}");
}

#[test]
fn every_cause_is_one_json_object_a_line() {
    let all = list(catalogue::builtin(), None, Form::Json);
    let ids: Vec<String> = all
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|cause| cause["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), catalogue::builtin().causes().count());
    let images = list(catalogue::builtin(), Some("image"), Form::Text);
    assert!(images.contains("image_not_found") && !images.contains("evict_memory"));
}

#[test]
fn the_documented_cause_of_ones_own_loads() {
    let document = include_str!("../../../../docs/causes.md");
    let block = document.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let text = block.expect("a YAML block").to_owned();
    let file = catalogue::File { name: "my-causes.yaml".to_owned(), text };
    let causes = Catalogue::with_users(std::slice::from_ref(&file)).unwrap();
    assert!(causes.get("acme_licence_expired").is_some());
    let trials = trial::of_files(&[file]).unwrap();
    let told: Vec<String> = trials.iter().map(|(_, trial)| trial.told()).collect();
    assert!(!trials.is_empty() && trials.iter().all(|(_, trial)| trial.is_right), "{told:?}");
}
