//! docs/configuration.md, made from the fields themselves: the printed default for what they mean, the
//! types and `validate` for what they take, by trying. `UPDATE_EXPECT=1` writes it anew.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde_json::{Value, json};

use super::super::{Config, DEFAULT_YAML, overlay, validate, variable};

const HEAD: &str = "# Configuration

Made from the source by a test of the agent: change a field's comment in `agent/src/config/default.yaml`, then `just bless`.

One YAML file: `--config FILE`, else `$PODWHY_CONFIG`, else `/etc/podwhy/config.yaml` where it exists; in the chart, `config:`.
Write down only what you change; an unknown field is an error that names the nearest known one.
Over the file go the standard `OTEL_…` variables ([delivery](delivery.md)), over those the variable of a field, over that `--set FIELD=VALUE`.
In a variable, a list takes commas between its items; an empty one is as if it were not there.
`podwhy config print` prints this as a file, `podwhy config print --effective` what is in force, `podwhy config check FILE` names each fault by line and field.

Durations are `500ms`, `30s`, `10m`, `1h30m`, `1d`; sizes `512KiB`, `8MiB`, `1GiB`.
What stands in quotes is how a value is refused.
Secrets have no field: they are files, or come with the standard variables.
";

#[test]
fn the_reference_tells_every_field_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let made = page();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/configuration.md does not say what the fields are: \
         UPDATE_EXPECT=1 cargo test -p podwhy --lib config::, then read the diff"
    );
}

fn page() -> String {
    let comments = comments();
    let mut page = HEAD.to_owned();
    let mut section = None;
    let mut fields = overlay::leaves(&overlay::tree(&Config::default()));
    // As the printed default has them; those of a section before those of the sections in it.
    let place = |field: &str| comments.keys_in_order.iter().position(|it| it == field);
    let parent = |field: &str| field.rsplit_once('.').map_or(String::new(), |it| it.0.to_owned());
    fields.sort_by_key(|(field, _)| (place(&parent(field)), place(field)));
    for (field, default) in fields {
        let own = parent(&field);
        if section.as_ref() != Some(&own) {
            let level = if own.contains('.') { "###" } else { "##" };
            let title = if own.is_empty() { "Names".to_owned() } else { format!("`{own}`") };
            write!(page, "\n{level} {title}\n\n").unwrap();
            if let Some(text) = comments.of.get(&own).filter(|text| !text.is_empty()) {
                write!(page, "{}\n\n", text.replace(". ", ".\n")).unwrap();
            }
            page.push_str(
                "| field and variable | takes | default | meaning |\n|---|---|---|---|\n",
            );
            section = Some(own);
        }
        let takes = takes(&field, &default);
        let about = match comments.of.get(&field).map(String::as_str).unwrap_or_default() {
            "" if field.ends_with(".enabled") => "`false` switches it off.",
            "" => "As above.",
            text => text,
        };
        writeln!(
            page,
            "| `{field}`<br>`{}` | {} | {} | {} |",
            variable(&field),
            cell(&takes),
            shown(&default),
            cell(about)
        )
        .unwrap();
    }
    page
}

/// The comments of the printed default.
struct Comments {
    of: BTreeMap<String, String>,
    keys_in_order: Vec<String>,
}

/// What stands above each key. A field without a comment of its own belongs to the one before it.
fn comments() -> Comments {
    let mut found = Comments { of: BTreeMap::new(), keys_in_order: vec![String::new()] };
    let mut path: Vec<&str> = Vec::new();
    let (mut above, mut before) = (Vec::new(), (0, String::new()));
    for line in DEFAULT_YAML.lines() {
        let text = line.trim_start();
        let depth = (line.len() - text.len()) / 2;
        if text.is_empty() {
            (above, before) = (Vec::new(), (0, String::new()));
        } else if let Some(comment) = text.strip_prefix('#') {
            above.push(comment.trim());
        } else if let Some((key, _)) = text.split_once(':').filter(|_| !text.starts_with("- ")) {
            path.truncate(depth);
            path.push(key);
            let is_section = Config::is_section(&path.join("."));
            let mut comment = std::mem::take(&mut above).join(" ");
            if comment.is_empty() && before.0 == depth && !is_section {
                comment.clone_from(&before.1);
            }
            // A section's comment is its own, not that of its first field.
            before = if is_section { (depth + 1, String::new()) } else { (depth, comment.clone()) };
            found.keys_in_order.push(path.join("."));
            found.of.insert(path.join("."), comment);
        }
    }
    found
}

impl Config {
    fn is_section(path: &str) -> bool {
        let tree = overlay::tree(&Self::default());
        tree.pointer(&format!("/{}", path.replace('.', "/"))).is_some_and(Value::is_object)
    }
}

/// The default with this field changed, or why its type refuses it.
fn with(field: &str, value: Value) -> Result<Config, String> {
    let mut tree = overlay::tree(&Config::default());
    *tree.pointer_mut(&format!("/{}", field.replace('.', "/"))).unwrap() = value;
    serde_json::from_value(tree).map_err(|error| error.to_string())
}

/// The kind of value, and what of it is refused.
fn takes(field: &str, default: &Value) -> String {
    let text = with(field, json!("no such word"));
    let refused = text.as_ref().err().map(String::as_str).unwrap_or_default();
    let kind = if default.is_array() {
        "list".to_owned()
    } else if with(field, json!(true)).is_ok() {
        "`true`, `false`".to_owned()
    } else if with(field, json!(0.5)).is_ok() {
        "number".to_owned()
    } else if with(field, json!(7)).is_ok() {
        "whole number".to_owned()
    } else if refused.contains("is not a duration") {
        "duration".to_owned()
    } else if refused.contains("is not a size") {
        "size".to_owned()
    } else if let Some((_, words)) = refused.split_once(", expected ") {
        words.replace("one of ", "").replace(" or ", ", ")
    } else {
        assert!(text.is_ok(), "{field}: what does it take? {refused}");
        "text".to_owned()
    };
    let kind = if default.is_null() { format!("{kind}, or null") } else { kind };
    let mut faults: Vec<String> = Vec::new();
    for value in odd_values() {
        let Ok(config) = with(field, value.clone()) else { continue };
        let Err((at, why)) = validate(&config) else { continue };
        let why = match why.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
            Some((_, rest)) => rest.trim_start_matches([':', ' ']).to_owned(),
            None => why,
        };
        let why = format!("“{why}”");
        if (at == field || why.contains(field)) && !faults.contains(&why) {
            faults.push(why);
        }
    }
    [vec![kind], faults].concat().join("<br>")
}

/// What somebody may write by mistake, of every type.
fn odd_values() -> Vec<Value> {
    let many: Vec<String> = (0..100).map(|number| format!("/{number}")).collect();
    vec![
        json!(""),
        json!("here"),
        json!("ftp://here"),
        json!("http://me:secret@here"),
        json!("/here"),
        json!("0.0.0.0:1"),
        json!("0s"),
        json!("1ms"),
        json!("10000d"),
        json!("0B"),
        json!("1B"),
        json!("1024GiB"),
        json!(0),
        json!(1_000_000_000),
        json!(0.0),
        json!(2.0),
        json!([]),
        json!(["here"]),
        json!(["a=b"]),
        json!(["/a=b"]),
        json!(many),
    ]
}

fn shown(default: &Value) -> String {
    match default {
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join("<br>"),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

/// For a cell of a table: outside code a star is a star.
fn cell(text: &str) -> String {
    let mut is_code = false;
    let mut out = String::new();
    for character in text.chars() {
        is_code ^= character == '`';
        if character == '|' || (character == '*' && !is_code) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}
