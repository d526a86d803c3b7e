//! The configuration: one YAML file, `PODWHY_…` variables over it, `--set` over those, validated
//! once. Each part owns its own section; the documented default is `config/default.yaml`.
//! Secrets have no field: they come from files or the environment, and are read where they are used.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

mod error;
mod evidence;
mod export;
mod files;
mod http;
mod overlay;
mod recovery;
mod section;
pub mod units;

pub use error::Error;
pub use evidence::{Evidence, Kubernetes, LastWords};
pub use export::{Compression, Export, Protocol, Traces};
pub use files::{Files, PodLogs};
pub use http::{Http, Page};
pub use recovery::Recovery;
pub use section::{Catchup, Diagnosis, FirstRead, Journal, Repeats, State};

use crate::{node, telemetry};

/// The documented default: what `podwhy config print` prints.
pub const DEFAULT_YAML: &str = include_str!("config/default.yaml");

/// Where the file is looked for when nobody names one.
pub const DEFAULT_PATH: &str = "/etc/podwhy/config.yaml";

/// Names the file, for containers.
pub const PATH_VARIABLE: &str = "PODWHY_CONFIG";

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Name of this node in every record; the host's name where it is not given.
    pub node_name: Option<String>,
    /// Name of the cluster, which the kubelet does not know.
    pub cluster_name: Option<String>,
    /// The agent's own folder.
    pub state: State,
    /// The journal as a source.
    pub journal: Journal,
    /// Logs that are files.
    pub files: Files,
    /// The folder of container logs.
    pub pod_logs: PodLogs,
    /// How failures are told.
    pub diagnosis: Diagnosis,
    /// What the node looks like.
    pub node: node::Config,
    /// Facts beside the lines.
    pub evidence: Evidence,
    /// The API server.
    pub kubernetes: Kubernetes,
    /// Where records go.
    pub export: Export,
    /// The agent's door for metrics and health.
    pub http: Http,
    /// The agent's page for people.
    pub page: Page,
    /// The agent's own log.
    pub log: telemetry::Config,
}

/// A configuration and what is to be said about how it came about.
#[derive(Debug)]
pub struct Loaded {
    /// The values in force.
    pub config: Config,
    /// The file that was read.
    pub path: Option<std::path::PathBuf>,
    /// Worth a warning: variables that look like ours and are not.
    pub warnings: Vec<String>,
    /// The environment without the `OTEL_…` variables that a flag or a variable of ours beats.
    pub environment: Environment,
}

/// The environment as a map, so that tests pass their own.
pub type Environment = BTreeMap<String, String>;

/// The environment of this process; what is not UTF-8 is left out.
#[must_use]
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// File, then environment, then `--set field=value`. Without a path: the one that [`PATH_VARIABLE`]
/// names, else [`DEFAULT_PATH`] where it exists, else the defaults.
///
/// # Errors
/// Names the file, line and field, and what to do.
pub fn load(
    path: Option<&Path>,
    environment: &Environment,
    settings: &[(String, String)],
) -> Result<Loaded, Error> {
    let named = path
        .map(Path::to_path_buf)
        .or_else(|| environment.get(PATH_VARIABLE).filter(|v| !v.is_empty()).map(Into::into));
    let path = named
        .or_else(|| Some(DEFAULT_PATH.into()).filter(|path: &std::path::PathBuf| path.exists()));
    let text = match &path {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Error::Unreadable { path: path.clone(), error })?,
        None => String::new(),
    };
    let name = path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let file = parse(&name, &text)?;
    let overlay::Applied { config, from, warnings } = overlay::apply(&file, environment, settings)?;
    validate(&config).map_err(|(field, why)| match from.get(field) {
        Some(variable) => Error::Setting { name: variable.clone(), field: field.to_owned(), why },
        None => Error::value(&name, &text, field, why),
    })?;
    let environment = overlay::without_beaten(environment, &from);
    Ok(Loaded { config, path, warnings, environment })
}

/// Reads one file's text, without environment and without validating its values.
///
/// # Errors
/// Names the line and the field.
pub fn parse(name: &str, text: &str) -> Result<Config, Error> {
    // A file of comments only is the default, not an error about null.
    if text.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty()) {
        return Ok(Config::default());
    }
    serde_saphyr::from_str(text).map_err(|error| Error::from_yaml(name, text, &error))
}

/// Every field's dotted path, as a file nests them.
#[must_use]
pub fn fields() -> Vec<String> {
    overlay::leaves(&overlay::tree(&Config::default())).into_iter().map(|(path, _)| path).collect()
}

/// The variable that sets a field: `journal.first_read.max_age` is
/// `PODWHY_JOURNAL_FIRST_READ_MAX_AGE`.
#[must_use]
pub fn variable(field: &str) -> String {
    format!("PODWHY_{}", field.replace('.', "_").to_ascii_uppercase())
}

/// The values in force as YAML, with whatever could hold a secret masked.
///
/// # Errors
/// Those of the YAML writer.
pub fn effective(config: &Config) -> anyhow::Result<String> {
    let mut shown = config.clone();
    let Export { endpoint, logs_endpoint, traces, .. } = &mut shown.export;
    for endpoint in [endpoint, logs_endpoint, &mut traces.endpoint] {
        *endpoint = endpoint.as_deref().map(export::masked);
    }
    Ok(serde_saphyr::to_string(&shown)?)
}

/// What types cannot say. The first fault, as field and reason.
fn validate(config: &Config) -> Result<(), (&'static str, String)> {
    config.state.validate()?;
    config.journal.validate()?;
    config.files.validate()?;
    config.pod_logs.validate()?;
    config.diagnosis.validate()?;
    config.node.validate()?;
    config.evidence.validate()?;
    config.kubernetes.validate()?;
    config.http.validate()?;
    config.page.validate()?;
    config.export.validate()
}

#[cfg(test)]
mod tests;
