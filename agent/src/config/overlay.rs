//! What comes over the file: `PODWHY_…` variables and `--set`. Works on the tree of all fields, so
//! that a new field has its variable without a line of code.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Config, Environment, Error, error::suggestion, variable};

/// The prefix of our variables.
const PREFIX: &str = "PODWHY_";

/// Ours, but no fields; and what Kubernetes injects for a Service that is called podwhy.
const OTHERS: [&str; 4] = [super::PATH_VARIABLE, "PODWHY_TEST_", "PODWHY_SERVICE_", "PODWHY_PORT"];

pub(super) struct Applied {
    pub(super) config: Config,
    /// Which variable or flag a field has its value from.
    pub(super) from: BTreeMap<String, String>,
    pub(super) warnings: Vec<String>,
}

pub(super) fn apply(
    file: &Config,
    environment: &Environment,
    settings: &[(String, String)],
) -> Result<Applied, Error> {
    let mut applied = Applied { config: file.clone(), from: BTreeMap::new(), warnings: Vec::new() };
    let fields = super::fields();
    for field in &fields {
        let name = variable(field);
        // Empty is unset, as OpenTelemetry has it.
        if let Some(text) = environment.get(&name).filter(|text| !text.is_empty()) {
            applied.set(field, text, &name)?;
        }
    }
    for name in environment.keys().filter(|name| name.starts_with(PREFIX)) {
        let is_known = fields.iter().any(|field| variable(field) == *name);
        if !is_known && !OTHERS.iter().any(|other| name.starts_with(other)) {
            let known: Vec<String> = fields.iter().map(|field| variable(field)).collect();
            let nearest = suggestion(name, &known);
            // The list of all variables is too long for a warning.
            let nearest = nearest.split(", known here").next().unwrap_or_default();
            applied.warnings.push(format!("{name} sets nothing{nearest}"));
        }
    }
    for (field, text) in settings {
        if !fields.contains(field) {
            let why = format!("unknown field{}", suggestion(field, &fields));
            return Err(Error::Setting { name: "--set".into(), field: field.clone(), why });
        }
        applied.set(field, text, "--set")?;
    }
    Ok(applied)
}

impl Applied {
    fn set(&mut self, field: &str, text: &str, name: &str) -> Result<(), Error> {
        let mut why = String::new();
        for value in readings(text) {
            let mut tree = tree(&self.config);
            let before = tree.pointer_mut(&format!("/{}", field.replace('.', "/")));
            let Some(before) = before else { break };
            // A list takes its items with commas between them.
            *before = match (&*before, value) {
                (Value::Array(_), Value::String(text)) => list(&text),
                (_, value) => value,
            };
            match serde_json::from_value(tree) {
                Ok(config) => {
                    self.config = config;
                    self.from.insert(field.to_owned(), name.to_owned());
                    return Ok(());
                }
                Err(error) => why = error.to_string(),
            }
        }
        Err(Error::Setting { name: name.to_owned(), field: field.to_owned(), why })
    }
}

/// What remains of the specification's variables: a flag or a variable of ours says the same thing
/// more closely.
pub(super) fn without_beaten(
    environment: &Environment,
    from: &BTreeMap<String, String>,
) -> Environment {
    let is_beaten = |name: &str| {
        if name == "OTEL_TRACES_EXPORTER" {
            return from.contains_key("export.traces.enabled");
        }
        let Some(rest) = name.strip_prefix("OTEL_EXPORTER_OTLP_") else { return false };
        if let Some(field) = rest.strip_prefix("TRACES_") {
            return from.contains_key(&format!("export.traces.{}", field.to_ascii_lowercase()));
        }
        let field = rest.strip_prefix("LOGS_").unwrap_or(rest).to_ascii_lowercase();
        // An endpoint of ours beats both forms of theirs.
        let forms = [format!("export.{field}"), format!("export.logs_{field}")];
        forms.iter().any(|form| from.contains_key(form))
    };
    let kept = environment.iter().filter(|(name, _)| !is_beaten(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A text can be meant as text, or as a number, a truth or null. Text last, so that its error, which
/// says what the field wants, is the one that is told.
fn readings(text: &str) -> impl Iterator<Item = Value> {
    let scalar = serde_json::from_str::<Value>(text).ok();
    let scalar = scalar.filter(|value| value.is_number() || value.is_boolean() || value.is_null());
    scalar.into_iter().chain([Value::String(text.to_owned())])
}

fn list(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}

pub(super) fn tree(config: &Config) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

/// Path and value of everything that is not a section.
pub(super) fn leaves(tree: &Value) -> Vec<(String, Value)> {
    let Value::Object(fields) = tree else { return Vec::new() };
    let mut found = Vec::new();
    for (name, value) in fields {
        if value.is_object() {
            let below = leaves(value).into_iter();
            found.extend(below.map(|(path, value)| (format!("{name}.{path}"), value)));
        } else {
            found.push((name.clone(), value.clone()));
        }
    }
    found
}
