//! The house rules as tests: layers, homes of heavy dependencies, headers, sizes, unsafe code, and
//! that documents, corpus and code say the same. Each message names the rule and the fix.
//! Owns no judgement of style that clippy already has.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Split at this many lines without tests (think again at 300).
const FILE_LINES_MAX: usize = 500;
const HEADER_LINES_MAX: usize = 5;

/// Files that are larger, and how large they may be: this list only shrinks.
const LARGER: &[(&str, usize)] = &[
    // One closed list: everything that a line can tell.
    ("parser/src/message/what.rs", 560),
];

/// Who may import whom in `agent/src`, beside the leaves. `node` and `source` also hold the types of
/// the facts that everybody hands on: see `CONTRACT`.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "command",
        &[
            "app",
            "source",
            "node",
            "outbox",
            "export",
            "admin",
            "diagnosis",
            "catalogue",
            "record",
            "observation",
        ],
    ),
    (
        "app",
        &[
            "source",
            "node",
            "outbox",
            "export",
            "admin",
            "diagnosis",
            "catalogue",
            "record",
            "observation",
        ],
    ),
    ("source", &["diagnosis", "catalogue", "record", "observation"]),
    ("node", &["diagnosis", "catalogue", "record", "observation"]),
    ("outbox", &["diagnosis", "catalogue", "record", "observation"]),
    ("export", &["diagnosis", "catalogue", "record", "observation"]),
    ("admin", &["diagnosis", "catalogue", "record", "observation"]),
    ("diagnosis", &["catalogue", "record", "observation"]),
    ("catalogue", &["record", "observation"]),
    ("record", &["observation"]),
    ("incident", &[]),
    ("fact", &["observation"]),
    ("observation", &[]),
    // The settings of a part are owned by the part: `config` is a struct of them.
    ("config", &["node", "limits"]),
    ("folder", &[]),
    ("limits", &[]),
    ("redact", &[]),
    ("shutdown", &[]),
    ("telemetry", &[]),
    ("wall_clock", &[]),
];
const LEAVES: &[&str] =
    &["config", "folder", "limits", "redact", "shutdown", "telemetry", "wall_clock"];

/// Modules whose own types (not their parts) are the contract between the layers.
const CONTRACT: &[(&str, &[&str])] = &[
    ("source", &["Feed", "Line", "Lines", "Loss", "LossKind", "Micros", "Position", "Submission"]),
    ("node", &["View", "Disk", "DiskRole", "Cni", "CniReason", "self"]),
];

/// Types that everybody hands on: facts, and incidents as they leave. Whoever reads one may import
/// it; they import nothing themselves but what the contract above and `observation`'s text hold.
const TYPES: &[&str] = &["fact", "incident"];

/// One home per heavy dependency.
const HOMES: &[(&str, &[&str])] = &[
    ("libloading", &["source/journal/sd"]),
    ("kube", &["node/pods"]),
    ("redb", &["outbox"]),
    ("prost", &["export", "node/runtime"]),
    ("opentelemetry_proto", &["export"]),
    ("reqwest", &["export/otlp_http", "export/config", "export/credentials"]),
    ("tonic", &["export/otlp_grpc", "node/runtime"]),
    ("axum", &["admin"]),
    ("maud", &["admin/page"]),
    ("clap", &["main", "command"]),
    ("serde_saphyr", &["config", "catalogue", "source/paste"]),
    (
        "flate2",
        &[
            "export/transport",
            "source/follow",
            "source/input",
            "node/last_words",
            "command/bundle",
            "app/replay",
        ],
    ),
];

/// What the pure parts must not touch.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "SystemTime",
    "Instant::now",
    "tokio::",
    "rustix::",
];
const PURE: &[&str] = &["diagnosis", "catalogue", "record", "observation"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All files below a folder with one of these endings, with their text; sorted.
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(
                    name.as_str(),
                    "target" | ".git" | "node_modules" | "recordings" | ".cache"
                ) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending))
                && let Ok(text) = fs::read_to_string(&path)
            {
                let path = path.strip_prefix(root()).expect("below the root");
                found.push((path.to_string_lossy().into_owned(), text));
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<(String, String)> {
    ["parser/src", "parser/fuzz", "agent/src", "benches", "tests"]
        .iter()
        .flat_map(|folder| files(folder, &[".rs"]))
        .collect()
}

/// The text before the tests at its end.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").and_then(|end| text.get(..end)).unwrap_or(text)
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// `agent/src/node/cni.rs` → `node/cni`.
fn module(path: &str) -> Option<&str> {
    path.strip_prefix("agent/src/")?.strip_suffix(".rs")
}

fn fail_with(rule: &str, fix: &str, found: &[String]) {
    assert!(found.is_empty(), "\nrule: {rule}\nfix:  {fix}\n  {}\n", found.join("\n  "));
}

/// Every `crate::a::b`, also out of `use crate::{a::b, c}`: the first two names.
fn imports(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    for (_, rest) in code.match_indices("crate::").map(|(at, name)| code.split_at(at + name.len()))
    {
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(members(group).iter().map(|member| two_names(member)));
        } else {
            found.push(two_names(rest));
        }
    }
    found
}

/// The members of a group up to its closing brace, each with what is inside its own braces.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut member, mut found) = (0usize, String::new(), Vec::new());
    for character in group.chars() {
        match character {
            '}' if depth == 0 => break,
            ',' if depth == 0 => found.push(std::mem::take(&mut member)),
            other => {
                depth = match other {
                    '{' => depth + 1,
                    '}' => depth - 1,
                    _ => depth,
                };
                member.push(other);
            }
        }
    }
    found.push(member);
    found
        .into_iter()
        .map(|member| member.trim().to_owned())
        .filter(|member| !member.is_empty())
        .collect()
}

fn two_names(path: &str) -> (String, String) {
    let name = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let first = name(path);
    let rest = path.get(first.len()..).unwrap_or_default();
    let second = rest.strip_prefix("::").map(|rest| match rest.strip_prefix('{') {
        // Of a group the names joined, to be looked at one by one.
        Some(group) => {
            members(group).iter().map(|member| name(member)).collect::<Vec<_>>().join(" ")
        }
        None => name(rest),
    });
    (first, second.unwrap_or_default())
}

fn is_contract(target: &str, names: &str) -> bool {
    let types = CONTRACT.iter().find(|(module, _)| *module == target).map(|(_, types)| *types);
    let Some(types) = types else { return false };
    // `use crate::node;` and then `node::View`: what is used of it is looked at by `IMPURE`.
    names.is_empty() || names.split(' ').all(|name| types.contains(&name))
}

#[test]
fn layers_are_kept() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut found = Vec::new();
    for (path, text) in files("agent/src", &[".rs"]) {
        let Some(module) = module(&path).filter(|_| !is_test(&path)) else { continue };
        let top = module.split('/').next().unwrap_or_default();
        if matches!(top, "lib" | "main") {
            continue;
        }
        let Some(may) = allowed.get(top) else {
            found.push(format!("{path}: `{top}` has no layer: give it one in tests/tidy.rs"));
            continue;
        };
        for (target, names) in imports(without_tests(&text)) {
            // A macro's `$crate::` and names that are no modules of ours.
            let is_known = allowed.contains_key(target.as_str());
            if !is_known
                || target == top
                || TYPES.contains(&target.as_str())
                || may.contains(&target.as_str())
            {
                continue;
            }
            let is_leaf = LEAVES.contains(&target.as_str());
            // Who speaks of a part's settings speaks of `config`; leaves do not import each other
            // but for that.
            let is_settings = top == "config" && target == "telemetry";
            if is_settings
                || (is_leaf && !(LEAVES.contains(&top) && target != "config"))
                || is_contract(&target, &names)
            {
                continue;
            }
            found.push(format!("{path}: `{top}` imports crate::{target}::{names}"));
        }
    }
    fail_with(
        "command, app → source, node, outbox, export, admin → diagnosis → catalogue → record, \
         observation → podwhy_parser; siblings do not import each other (ARCHITECTURE.md)",
        "move the shared type down a layer, or hand the value in from app.rs",
        &found,
    );
}

#[test]
fn the_parser_and_the_engine_are_pure() {
    let mut found = Vec::new();
    for (path, text) in files("agent/src", &[".rs"]) {
        let top = module(&path).and_then(|module| module.split('/').next()).unwrap_or_default();
        if PURE.contains(&top) && !is_test(&path) {
            let text = without_tests(&text);
            let words = IMPURE.iter().filter(|word| text.contains(**word));
            found.extend(words.map(|word| format!("{path}: {word}")));
        }
    }
    let parser = fs::read_to_string(root().join("parser/src/lib.rs")).expect("the parser");
    for attribute in ["no_std)]", "#![forbid(unsafe_code)]", "#![warn(missing_docs)]"] {
        if !parser.contains(attribute) {
            found.push(format!("parser/src/lib.rs: {attribute} is missing"));
        }
    }
    fail_with(
        "the parser and the engine do no IO and read no clock: a recording replays to the same records",
        "take it as an input (Input::Tick, Input::Node, …) and let app.rs read it",
        &found,
    );
}

#[test]
fn heavy_dependencies_have_one_home() {
    let mut found = Vec::new();
    for (path, text) in files("agent/src", &[".rs"]) {
        let Some(module) = module(&path).filter(|_| !is_test(&path)) else { continue };
        let code: String = without_tests(&text)
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for (dependency, homes) in HOMES {
            let is_home =
                homes.iter().any(|home| module == *home || module.starts_with(&format!("{home}/")));
            if !is_home && names(&code, dependency) {
                found.push(format!("{path}: {dependency} lives in {}", homes.join(", ")));
            }
        }
    }
    fail_with("one home per heavy dependency, so that it can be replaced", "call its home", &found);
}

/// Whether the code names a crate: not as the end of a longer name, not as another crate's module.
fn names(code: &str, dependency: &str) -> bool {
    code.match_indices(&format!("{dependency}::")).any(|(at, _)| {
        let before = code.get(..at).unwrap_or_default().chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    })
}

#[test]
fn every_file_says_what_it_owns() {
    let mut found = Vec::new();
    for (path, text) in rust_files() {
        let header = text
            .lines()
            .skip_while(|line| line.starts_with("#!"))
            .take_while(|line| line.starts_with("//!"));
        let lines: Vec<&str> = header.collect();
        let prose = lines.iter().filter(|line| line.trim() != "//!").count();
        // A block that draws a format is no prose; crate roots tell the whole map.
        let is_root = path.ends_with("/lib.rs");
        let has_drawing = lines.iter().any(|line| line.contains("```"));
        if lines.is_empty() {
            found.push(format!("{path}: no //! header"));
        } else if prose > HEADER_LINES_MAX && !is_root && !has_drawing {
            found.push(format!("{path}: its header has {prose} lines"));
        }
    }
    fail_with(
        "every file begins with //! of at most 5 lines: what it owns, what it does not",
        "write it; what needs more lines belongs to a type or to ARCHITECTURE.md",
        &found,
    );
}

#[test]
fn files_stay_small_and_are_called_by_their_name() {
    let mut found = Vec::new();
    for (path, text) in rust_files() {
        let lines = without_tests(&text).lines().count();
        let larger = LARGER.iter().find(|(larger, _)| *larger == path).map(|(_, lines)| *lines);
        if !is_test(&path) && lines > larger.unwrap_or(FILE_LINES_MAX) {
            found.push(format!("{path}: {lines} lines without tests"));
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let banned = [
            "mod.rs",
            "utils.rs",
            "helpers.rs",
            "common.rs",
            "manager.rs",
            "handler.rs",
            "misc.rs",
        ];
        if banned.contains(&name) {
            found.push(format!("{path}: the name says nothing"));
        }
    }
    fail_with(
        "files end at 500 lines without tests, think again at 300; foo.rs + foo/, never mod.rs",
        "split by concept into a folder of the same name",
        &found,
    );
}

#[test]
fn unsafe_code_lives_in_one_file() {
    // Put together here, so that this file does not find itself.
    let (block, function) = (format!("unsafe{}", " {"), format!("unsafe{}", " fn"));
    let implementation = format!("unsafe{}", " impl");
    let found: Vec<String> = rust_files()
        .into_iter()
        .filter(|(path, _)| path != "agent/src/source/journal/sd.rs")
        .flat_map(|(path, text)| {
            let words = [&block, &function, &implementation].map(|word| word.clone());
            let code: Vec<String> = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .map(str::to_owned)
                .collect();
            code.into_iter()
                .filter(move |line| words.iter().any(|word| line.contains(word.as_str())))
                .map(move |line| format!("{path}: {}", line.trim()))
        })
        .collect();
    fail_with(
        "the only unsafe code is source/journal/sd.rs",
        "find the safe way, or move it there",
        &found,
    );
}

#[test]
fn every_corpus_case_has_its_expectation() {
    let mut found = Vec::new();
    let all: BTreeSet<String> =
        files("tests/corpus", &[""]).into_iter().map(|(path, _)| path).collect();
    for path in &all {
        let partner = match path.rsplit_once('.') {
            Some((stem, "txt")) => format!("{stem}.json"),
            Some((stem, "lines")) => format!("{stem}.jsonl"),
            Some((stem, "json")) => format!("{stem}.txt"),
            Some((stem, "jsonl")) => format!("{stem}.lines"),
            _ => continue,
        };
        if !all.contains(&partner) {
            found.push(format!("{path}: {partner} is missing"));
        }
    }
    assert!(!all.is_empty(), "tests/corpus is empty");
    fail_with(
        "every case of the corpus has an expectation, and every expectation a case",
        "UPDATE_EXPECT=1 cargo test -p podwhy-parser --test corpus, then read the diff",
        &found,
    );
}

#[test]
fn documents_name_only_recipes_that_exist() {
    let justfile = fs::read_to_string(root().join("justfile")).expect("a justfile");
    let recipes: BTreeSet<&str> = justfile
        .lines()
        .filter(|line| {
            line.contains(':')
                && line.starts_with(|c: char| c.is_ascii_lowercase())
                && !line.contains(":=")
        })
        .filter_map(|line| line.split([' ', ':']).next())
        .collect();
    assert!(recipes.contains("test"), "the justfile was not understood: {recipes:?}");
    let mut found = Vec::new();
    for (path, text) in files("", &[".md"]) {
        for (_, rest) in
            text.match_indices("`just ").map(|(at, word)| text.split_at(at + word.len()))
        {
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            if !name.is_empty() && !recipes.contains(name.as_str()) {
                found.push(format!("{path}: just {name}"));
            }
        }
    }
    fail_with(
        "a recipe that a document names is in the justfile",
        "add it, or mend the document",
        &found,
    );
}

/// The relative targets of a document's links, those in code left out.
fn links(text: &str) -> Vec<&str> {
    prose(text)
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

/// What a document's headings are called in links.
fn headings(text: &str) -> BTreeSet<String> {
    let slug = |heading: &str| {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    prose(text)
        .filter_map(|line| line.strip_prefix('#'))
        .map(|heading| slug(heading.trim_start_matches('#')))
        .collect()
}

/// The lines that are not in a block of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

#[test]
fn links_between_documents_lead_somewhere() {
    let (mut found, mut seen) = (Vec::new(), 0);
    for (path, text) in files("", &[".md"]) {
        let own = root().join(&path);
        let folder = own.parent().expect("a folder").to_path_buf();
        for target in links(&text) {
            seen += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let place = if file.is_empty() { own.clone() } else { folder.join(file) };
            let is_there = match heading {
                "" => place.exists(),
                heading => {
                    fs::read_to_string(&place).is_ok_and(|text| headings(&text).contains(heading))
                }
            };
            if !is_there {
                found.push(format!("{path}: {target}"));
            }
        }
    }
    assert!(seen > 40, "only {seen} links were seen");
    fail_with("a link leads to a file, and to a heading that it has", "mend the link", &found);
    assert_eq!(links("[a](b.md#c) `x`\n```\n[a](no)\n```\n[w](https://w)"), ["b.md#c"]);
    assert_eq!(headings("## `a.b_c` d\n"), BTreeSet::from(["ab_c-d".to_owned()]));
}

#[test]
fn no_text_knows_the_machine_it_was_written_on() {
    // Put together here, so that this file does not find itself.
    let words: Vec<String> =
        [["/ho", "me/"], ["/ro", "ot/"], ["/wo", "rk/"], ["/var/t", "mp/"], ["/Us", "ers/"]]
            .map(|word| word.concat())
            .to_vec();
    let endings =
        [".rs", ".md", ".toml", ".yaml", ".sh", ".go", ".py", "justfile", "/run", "Dockerfile"];
    let mut found = Vec::new();
    for (path, text) in files("", &endings) {
        // What others wrote on their machines stays as it was.
        if path.starts_with("tests/corpus")
            || path.starts_with("agent/causes")
            || path.starts_with("tests/klog")
            || path.starts_with("tests/recordings")
        {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            // A folder of GKE's nodes, wherever it is.
            let line = line.replace(&["/ho", "me/kubernetes"].concat(), "");
            if words.iter().any(|word| line.contains(word.as_str())) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    fail_with(
        "no path of anybody's machine",
        "make it relative, or take it from a variable",
        &found,
    );
}

#[test]
fn every_limit_has_its_reason() {
    let mut found = Vec::new();
    let of_limits = |path: &str| module(path).is_some_and(|it| it.starts_with("limits"));
    for (path, text) in files("agent/src", &[".rs"]).into_iter().filter(|it| of_limits(&it.0)) {
        let mut before = "";
        for line in text.lines() {
            if line.starts_with("pub const ") && !before.starts_with("///") {
                found.push(format!("{path}: {line}"));
            }
            before = line;
        }
    }
    assert_ne!(files("agent/src/limits", &[".rs"]), [], "the limits are somewhere else");
    fail_with("every limit has its reason above it", "write why it is this number", &found);
}

#[test]
fn workspace_chart_and_image_have_one_version() {
    let line = format!("ersion: {}", env!("CARGO_PKG_VERSION"));
    let chart = fs::read_to_string(root().join("deploy/helm/podwhy/Chart.yaml")).unwrap();
    for name in ["v", "appV"] {
        assert!(
            chart.lines().any(|it| it == format!("{name}{line}")),
            "deploy/helm/podwhy/Chart.yaml says {name}{line}, as Cargo.toml does"
        );
    }
}

#[test]
fn the_chart_gives_the_memory_that_the_limits_come_to() {
    let values = fs::read_to_string(root().join("deploy/helm/podwhy/values.yaml")).unwrap();
    let limits = values.split("\n  limits:\n").nth(1).unwrap_or_default();
    let memory = limits.lines().next().and_then(|line| line.trim().strip_prefix("memory: "));
    let mebibytes = podwhy::limits::MEMORY_LIMIT_BYTES / (1024 * 1024);
    assert_eq!(
        memory,
        Some(format!("{mebibytes}Mi").as_str()),
        "resources.limits.memory of deploy/helm/podwhy/values.yaml is limits::MEMORY_LIMIT_BYTES"
    );
}

#[test]
fn these_rules_see_what_they_are_meant_to_see() {
    let text = "use crate::{\n    node::{self, View},\n    source::Micros,\n};\nfn f() { crate::outbox::open(); }\n// crate::nothing";
    let expected = [("node", "self View"), ("source", "Micros"), ("outbox", "open")];
    assert_eq!(imports(text), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert!(names("use redb::Table;", "redb") && !names("my_redb::x a::redb::y", "redb"));
    assert!(is_contract("source", "Micros") && is_contract("node", "self View"));
    assert!(!is_contract("source", "journal") && !is_contract("outbox", "Outbox"));
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {}"), "a\n");
}

/// Words that begin with `podwhy_` and what the text does with them.
fn podwhy_words(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.match_indices("podwhy_")
        .filter(|(at, _)| {
            // Not the second half of a recorded name, nor of a longer word.
            let before = text.get(..*at).and_then(|text| text.chars().next_back());
            before.is_none_or(|c| !is_part(c) && c != ':' && !c.is_ascii_uppercase())
        })
        .filter_map(|(at, _)| text.get(at..))
        .map(|rest| rest.chars().take_while(|c| is_part(*c)).collect())
        .collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What docs/metrics.md lists, held equal to what is served by a test of the agent.
fn documented_metrics() -> BTreeSet<String> {
    let page = read("docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(name, _)| name.split('{').next().unwrap_or(name).to_owned()).collect()
}

const RULES: &str = "deploy/helm/podwhy/files/rules/podwhy.yaml";

#[test]
fn o20_every_metric_of_rules_and_dashboards_exists() {
    let known = documented_metrics();
    let exists = |name: &str| {
        let bare = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        known.contains(name) || bare.is_some_and(|name| known.contains(name))
    };
    let mut texts = vec![(RULES.to_owned(), read(RULES))];
    texts.extend(files("deploy/monitoring/tests", &[".yaml"]));
    texts.extend(files("deploy/helm/podwhy/files/dashboards", &[".json"]));
    // Logs speak of attributes.
    let of_logs = |line: &str| line.contains("service_name=");
    let mut found = Vec::new();
    for (path, text) in &texts {
        let text: String =
            text.lines().filter(|line| !of_logs(line)).flat_map(|line| [line, "\n"]).collect();
        let unknown = podwhy_words(&text).into_iter().filter(|name| !exists(name));
        found.extend(unknown.map(|name| format!("{path}: {name}")));
    }
    assert!(podwhy_words(&texts[0].1).len() > 15, "the rules were read");
    fail_with("rules and dashboards ask for metrics that exist", "see docs/metrics.md", &found);
    let used: BTreeSet<String> = texts.iter().flat_map(|(_, text)| podwhy_words(text)).collect();
    let is_used = |name: &String| used.contains(name) || used.contains(&format!("{name}_bucket"));
    let idle: Vec<String> = known
        .iter()
        .filter(|name| name.starts_with("podwhy_") && !is_used(name))
        .cloned()
        .collect();
    fail_with("a metric that nobody asks for is not worth its series", "show it or drop it", &idle);
}

#[test]
fn o23_every_attribute_of_a_query_over_logs_exists() {
    let table = read("agent/src/record/names.rs");
    let mut known: BTreeSet<String> = table
        .split('"')
        .filter(|text| text.starts_with("podwhy."))
        .map(|text| text.replace('.', "_"))
        .collect();
    // The name of a recording rule.
    known.insert("podwhy_sync_failures".to_owned());
    let mut texts = vec![read("deploy/monitoring/loki.rules.yaml")];
    for path in [RULES, "deploy/monitoring/runbook.md"] {
        texts.extend(
            read(path).lines().filter(|it| it.contains("service_name=")).map(str::to_owned),
        );
    }
    let used: BTreeSet<String> = texts.iter().flat_map(|text| podwhy_words(text)).collect();
    assert!(used.contains("podwhy_spike_active"), "{used:?}");
    let found: Vec<String> = used.into_iter().filter(|name| !known.contains(name)).collect();
    fail_with("queries over logs name attributes that exist", "see record/names.rs", &found);
}

#[test]
fn o21_every_alert_has_its_section_of_the_runbook_and_its_case() {
    let (rules, book) = (read(RULES), read("deploy/monitoring/runbook.md"));
    let cases = read("deploy/monitoring/tests/firing.test.yaml");
    let alerts: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let sections: BTreeSet<&str> =
        book.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert!(alerts.len() > 10 && alerts == sections, "{alerts:?} {sections:?}");
    let loki = read("deploy/monitoring/loki.rules.yaml");
    let of_loki = loki.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let mut found: Vec<String> = of_loki
        .filter(|alert| !sections.contains(alert))
        .map(|alert| format!("{alert}: no section"))
        .collect();
    for alert in alerts {
        let link = format!("deploy/monitoring/runbook.md#{}\n", alert.to_lowercase());
        if !rules.contains(&link) {
            found.push(format!("{alert}: no runbook_url"));
        }
        if !cases.contains(&format!("alertname=\"{alert}\"")) {
            found.push(format!("{alert}: no case in which it fires"));
        }
    }
    fail_with("every alert says what to do, and is tested", "see deploy/monitoring", &found);
}
