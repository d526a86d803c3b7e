//! The matcher's order and confidence on small catalogues, and what loading refuses.

use super::*;
use crate::incident::{Confidence, Who};

/// A file of causes out of `id | role | steps | match;match | confidence | raised | lowered`.
fn yaml(class: &str, causes: &[[&str; 7]]) -> String {
    let list = |text: &str| -> String {
        let items: Vec<String> = text
            .split(';')
            .filter(|item| !item.is_empty())
            .map(|item| format!("{item:?}"))
            .collect();
        format!("[{}]", items.join(", "))
    };
    let mut text = format!("class: {class}\ncauses:\n");
    for [id, role, steps, matches, confidence, raised, lowered] in causes {
        text += &format!(
            "  - id: {id}\n    title: A headline\n    about: What it means.\n    role: {role}\n    steps: {}\n    match: {}\n    confidence: {confidence}\n    raised_by: {}\n    lowered_by: {}\n    next: [{{do: Look at it}}]\n    clears: It works.\n    examples: [{{lines: a whole line of its own}}]\n    counter_examples: []\n",
            list(steps),
            list(matches),
            list(raised),
            list(lowered),
        );
    }
    text
}

fn catalogue(class: &str, causes: &[[&str; 7]]) -> Catalogue {
    load::alone(&yaml(class, causes)).unwrap()
}

/// Ids with their confidence in percent, best first.
fn found(
    catalogue: &Catalogue,
    step: (&str, Option<&str>),
    texts: &[(&str, TextFrom)],
    signals: &[(Signal, bool)],
) -> Vec<(String, u32)> {
    let texts: Vec<QueryText<'_>> =
        texts.iter().map(|(text, from)| QueryText { text, from: *from }).collect();
    let query = Query { step: step.0, reason: step.1, texts: &texts };
    let known = |asked: &Signal| {
        signals.iter().find(|(signal, _)| signal == asked).map(|(_, holds)| *holds)
    };
    let verdicts = catalogue.find(&query, &known);
    verdicts.iter().map(|verdict| (verdict.cause.id.clone(), percent(verdict.confidence))).collect()
}

fn percent(confidence: f32) -> u32 {
    (0..=100_u16).find(|n| (f32::from(*n) - confidence * 100.0).abs() < 0.5).unwrap().into()
}

const INNER: TextFrom = TextFrom::Innermost;
const WORDS: TextFrom = TextFrom::LastWords;
const CRASH: (&str, Option<&str>) = ("StartContainer", Some("CrashLoopBackOff"));

fn names(found: &[(String, u32)]) -> Vec<&str> {
    found.iter().map(|(id, _)| id.as_str()).collect()
}

#[test]
fn wrappers_never_win_and_symptoms_come_after_causes() {
    let catalogue = catalogue(
        "volume",
        &[
            ["wrap", "wrapper", "*", "error syncing pod, skipping", "0", "", ""],
            ["wait", "symptom", "WaitForVolumes", "unmounted volumes= && deadline", "0.7", "", ""],
            ["missing", "cause", "MountVolume", "configmap && not found", "0.7", "", ""],
        ],
    );
    let wait = "Error syncing pod, skipping: unmounted volumes=[a]: context deadline exceeded";
    let step = ("WaitForVolumes", Some("FailedMount"));
    assert_eq!(found(&catalogue, step, &[(wait, INNER)], &[]), [("wait".to_owned(), 70)]);
    let mount = "MountVolume.SetUp failed for volume \"a\" : configmap \"b\" not found";
    let both = [(wait, INNER), (mount, TextFrom::Companion)];
    // The symptom names the very step, the cause one in which the same fault shows.
    assert_eq!(names(&found(&catalogue, ("MountVolume", None), &both, &[])), ["missing", "wait"]);
}

#[test]
fn causes_of_another_step_are_tried_only_when_no_other_is_met() {
    let catalogue = catalogue(
        "exit",
        &[
            ["admit", "cause", "Admission/OutOfmemory", "OutOfmemory", "0.7", "", ""],
            ["jvm", "cause", "StartContainer", "java.lang.OutOfMemoryError", "0.5", "", ""],
        ],
    );
    let text = [("Exception: java.lang.OutOfMemoryError: heap", INNER)];
    assert_eq!(names(&found(&catalogue, CRASH, &text, &[])), ["jvm"]);
    let alone = [("OutOfMemory: nothing left", INNER)];
    assert_eq!(found(&catalogue, CRASH, &alone, &[]), [("admit".to_owned(), 50)]);
}

#[test]
fn the_innermost_text_wins_and_then_the_longer_match() {
    let catalogue = catalogue(
        "image",
        &[
            [
                "outer",
                "cause",
                "*",
                "failed to pull and unpack image of a very long name",
                "0.7",
                "",
                "",
            ],
            ["short", "cause", "*", "no such host", "0.7", "", ""],
            ["long", "cause", "*", "dial tcp && no such host", "0.7", "", ""],
        ],
    );
    let texts = [
        ("dial tcp: lookup registry: no such host", INNER),
        ("failed to pull and unpack image of a very long name", TextFrom::Outer),
    ];
    let found = found(&catalogue, ("StartContainer", None), &texts, &[]);
    assert_eq!(names(&found), ["long", "short", "outer"]);
}

#[test]
fn what_the_application_says_serves_only_causes_that_ask_for_it() {
    let catalogue = catalogue(
        "exit",
        &[
            ["registry", "cause", "*", "connection refused", "0.7", "", ""],
            ["dependency", "cause", "*", "connection refused && @log.last", "0.5", "", ""],
            ["only", "cause", "*", "connection refused && @log.only", "0.5", "", ""],
        ],
    );
    let words = [("starting\nconnect: Connection refused\n", WORDS)];
    assert_eq!(found(&catalogue, CRASH, &words, &[])[0], ("dependency".to_owned(), 50));
    assert_eq!(
        names(&found(&catalogue, CRASH, &[("connection refused", INNER)], &[])),
        ["registry"]
    );
    let only = [("connect: Connection refused\n", WORDS)];
    assert_eq!(names(&found(&catalogue, CRASH, &only, &[])), ["only", "dependency"]);
}

#[test]
fn parts_hold_together_only_inside_one_message() {
    let catalogue = catalogue(
        "image",
        &[["both", "cause", "*", "pullimage && 401 unauthorized", "0.7", "", ""]],
    );
    let apart = [("PullImage \"a\"", INNER), ("401 Unauthorized", TextFrom::Companion)];
    assert!(found(&catalogue, CRASH, &apart, &[]).is_empty());
    let together = [("401 Unauthorized", INNER), ("PullImage \"a\" failed", TextFrom::Outer)];
    assert_eq!(names(&found(&catalogue, CRASH, &together, &[])), ["both"]);
}

#[test]
fn a_signal_that_agrees_beats_a_cause_without_and_one_that_disagrees_is_shown_last() {
    let catalogue = catalogue(
        "node",
        &[
            [
                "bytes",
                "cause",
                "*",
                "no space left on device",
                "0.7",
                "@disk.bytes_free=0",
                "@disk.free=plenty",
            ],
            ["inodes", "cause", "*", "no space left on device && @fs.inodes_free=0", "0.5", "", ""],
        ],
    );
    let text = [("write: no space left on device", INNER)];
    let inodes = Signal::parse("@fs.inodes_free=0").unwrap();
    let plenty = Signal::parse("@disk.free=plenty").unwrap();
    let full = Signal::parse("@disk.bytes_free=0").unwrap();
    let ask = |signals: &[(Signal, bool)]| found(&catalogue, CRASH, &text, signals);
    // Nobody knows the inodes: possible, behind what holds.
    assert_eq!(ask(&[]), [("bytes".to_owned(), 70), ("inodes".to_owned(), 40)]);
    assert_eq!(ask(&[(inodes.clone(), true)])[0].0, "inodes");
    assert_eq!(ask(&[(inodes.clone(), false)])[1], ("inodes".to_owned(), 20));
    assert_eq!(ask(&[(full, true)])[0], ("bytes".to_owned(), 90));
    assert_eq!(
        ask(&[(plenty, true), (inodes, true)]),
        [("inodes".to_owned(), 50), ("bytes".to_owned(), 20)]
    );
}

#[test]
fn last_words_beat_bare_exit_codes_and_kills_beat_last_words() {
    let catalogue = catalogue(
        "exit",
        &[
            ["code", "cause", "*", "@exit=1", "0.6", "", ""],
            ["file", "cause", "*", "no such file && @log.last", "0.5", "", ""],
            [
                "killed",
                "cause",
                "*",
                "@exit=137 && @reason=OOMKilled",
                "0.7",
                "@kill=container_limit",
                "",
            ],
        ],
    );
    let words = [("open /etc/app.conf: no such file or directory", WORDS)];
    let one = [(Signal::Exit(1), true)];
    assert_eq!(names(&found(&catalogue, CRASH, &words, &one)), ["file", "code"]);
    let oom = [
        (Signal::Exit(137), true),
        (Signal::Reason("OOMKilled".to_owned()), true),
        (Signal::Kill(Who::ContainerLimit), true),
    ];
    let all = found(&catalogue, CRASH, &words, &oom);
    assert_eq!(all, [("killed".to_owned(), 90), ("file".to_owned(), 50)]);
}

#[test]
fn signals_alone_need_every_one_of_them() {
    let catalogue =
        catalogue("exit", &[["done", "cause", "*", "@exit=0 && @restarting", "0.6", "", ""]]);
    let restarting = Signal::parse("@restarting").unwrap();
    assert!(found(&catalogue, CRASH, &[], &[(Signal::Exit(0), true)]).is_empty());
    let both = [(Signal::Exit(0), true), (restarting, true)];
    assert_eq!(names(&found(&catalogue, CRASH, &[], &both)), ["done"]);
}

#[test]
fn what_the_engine_knows_of_others_moves_the_confidence() {
    let catalogue = catalogue("image", &[["dns", "cause", "*", "no such host", "0.7", "", ""]]);
    let ask = |word: &str| {
        let signal = Signal::parse(word).unwrap();
        found(&catalogue, CRASH, &[("lookup: no such host", INNER)], &[(signal, true)])[0].1
    };
    assert_eq!(ask("@same_cause_on_other_owner"), 80);
    assert_eq!(ask("@step_passed_elsewhere"), 50);
    assert_eq!(ask("@evidence_is_older"), 40);
    assert_eq!(ask("@telemetry_incomplete"), 50);
}

#[test]
fn levels_are_those_of_the_table() {
    let causes = [["a", "cause", "*", "a unique text", "0.7", "@exit=7", ""]];
    let catalogue = catalogue("image", &causes);
    let texts = [QueryText { text: "a unique text", from: INNER }];
    let query = Query { step: "", reason: None, texts: &texts };
    let level = |signals: &dyn Signals| catalogue.find(&query, signals)[0].level();
    assert_eq!(level(&signal::Unknown), Confidence::Likely);
    assert_eq!(level(&|asked: &Signal| Some(*asked == Signal::Exit(7))), Confidence::Certain);
}

#[test]
fn a_users_cause_wins_over_ours_where_it_says_more() {
    let ours = yaml("wrapper", &[["ours", "cause", "*", "zz quota hit", "0.7", "", ""]]);
    let both = |matches: &str| {
        let users = yaml("image", &[["users", "cause", "*", matches, "0.5", "", ""]]);
        let files = [("a.yaml", ours.clone()), ("b.yaml", users)];
        let files = files.map(|(name, text)| File { name: name.to_owned(), text });
        let catalogue = Catalogue::with_users(&files).unwrap();
        let found = found(&catalogue, CRASH, &[("zz quota hit in team alpha", INNER)], &[]);
        found[0].0.clone()
    };
    assert_eq!(both("zz quota hit in team"), "users");
    assert_eq!(both("zz quota"), "ours");
}

#[test]
fn every_signal_reads_back_from_its_word() {
    for word in Signal::words().iter().filter(|word| !word.contains("=N")) {
        assert_eq!(Signal::parse(word).unwrap().to_string(), *word);
    }
    assert_eq!(Signal::parse("@exit=137"), Some(Signal::Exit(137)));
    assert_eq!(Signal::parse("@exit!=0").unwrap().to_string(), "@exit!=0");
    assert_eq!(Signal::parse("@exit=1x"), None);
    assert_eq!(Signal::parse("@nothing"), None);
}

#[test]
fn braces_of_other_languages_are_no_placeholders() {
    let text = "kubectl -n {ns} get -o jsonpath='{.spec.x}{range .items[*]}{end}' %{http_code} ${home} {podd}";
    assert_eq!(check::placeholders(text).collect::<Vec<_>>(), ["ns", "podd"]);
}

/// What loading says about a user's file.
fn refused(change: impl Fn(String) -> String) -> LoadError {
    let base = yaml("image", &[["users", "cause", "*", "a quota of ours", "0.5", "", ""]]);
    let file = File { name: "own.yaml".to_owned(), text: change(base) };
    Catalogue::with_users(&[file]).unwrap_err()
}

#[test]
fn loading_says_what_is_wrong_where_and_what_to_do() {
    let said = |change: fn(String) -> String| refused(change).to_string();
    let unknown = said(|text| text.replace("steps: [\"*\"]", "steps: [StartContaner]"));
    assert_eq!(
        unknown,
        "own.yaml, line 3, cause users: unknown step `StartContaner`, did you mean `StartContainer`?"
    );
    let signal = said(|text| text.replace("a quota of ours", "a quota && @exits=1"));
    assert!(signal.contains("match: unknown signal `@exits=1`"), "{signal}");
    let placeholder = said(|text| text.replace("A headline", "No {imge}"));
    assert!(
        placeholder.contains("unknown placeholder `{imge}`, did you mean `image`?"),
        "{placeholder}"
    );
    let title = said(|text| text.replace("A headline", &"x".repeat(81)));
    assert!(title.contains("`title` has 81 characters"), "{title}");
    let example =
        said(|text| text.replace("examples: [{lines: a whole line of its own}]", "examples: []"));
    assert!(example.contains("no example"), "{example}");
    let needle = said(|text| text.replace("a whole line of its own", "A quota of ours"));
    assert!(needle.contains("example 1: holds only a needle"), "{needle}");
    let empty = said(|text| text.replace("match: [\"a quota of ours\"]", "match: []"));
    assert!(empty.contains("`match` is empty"), "{empty}");
    let letter = said(|text| text.replace("a quota of ours", "e"));
    assert!(letter.contains("`match`: `e` stands in too many texts"), "{letter}");
    let letters = said(|text| text.replace("do: Look at it", "do: A, command: d, risk: d"));
    assert!(letters.contains("`next`: `A` is no sentence"), "{letters}");
    let change = said(|text| {
        let command = "do: Make it anew, command: 'kubectl -n {ns} delete pod {pod}'";
        text.replace("do: Look at it", command)
    });
    assert!(change.contains("`kubectl delete` changes something"), "{change}");
    let class = said(|text| text.replace("class: image", "class: images"));
    assert!(class.starts_with("own.yaml, line 1: "), "{class}");
    let field = said(|text| text.replace("    clears:", "    clear:"));
    assert!(field.starts_with("own.yaml, line ") && field.contains("clear"), "{field}");
}

#[test]
fn an_id_is_taken_once_unless_it_says_that_it_replaces() {
    let text = yaml("image", &[["users", "cause", "*", "a quota of ours", "0.5", "", ""]]);
    let file = |name: &str, text: &str| File { name: name.to_owned(), text: text.to_owned() };
    let twice = Catalogue::with_users(&[file("a.yaml", &text), file("b.yaml", &text)]);
    let said = twice.unwrap_err().to_string();
    assert!(said.contains("the id is taken by a.yaml"), "{said}");
    let replacing = text.replace("    title:", "    replaces: users\n    title:");
    let catalogue =
        Catalogue::with_users(&[file("a.yaml", &text), file("b.yaml", &replacing)]).unwrap();
    assert_eq!(catalogue.causes().filter(|(_, cause)| cause.id == "users").count(), 1);
    let nothing = text.replace("    title:", "    replaces: nobody_has_this\n    title:");
    let said = Catalogue::with_users(&[file("a.yaml", &nothing)]).unwrap_err().to_string();
    assert!(said.contains("replaces `nobody_has_this`, which does not exist"), "{said}");
}

#[test]
fn our_own_files_have_no_fault() {
    let found: Vec<String> = faults().iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}
