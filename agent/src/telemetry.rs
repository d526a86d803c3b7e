//! The agent's own log: structured lines on standard error, never on standard output, which belongs
//! to the commands. It owns no metrics.

use std::io::IsTerminal as _;

use serde::{Deserialize, Serialize};
use tracing::Level;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How the agent talks about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is told.
    pub level: LogLevel,
    /// How it is written.
    pub format: LogFormat,
}

/// By what an operator has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Data is at risk: act.
    Error,
    /// Degraded, heals by itself.
    Warn,
    /// Start, stop, reconfigure.
    #[default]
    Info,
    /// For developers.
    Debug,
    /// For developers with patience.
    Trace,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
}

impl LogLevel {
    fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warn => Level::WARN,
            Self::Info => Level::INFO,
            Self::Debug => Level::DEBUG,
            Self::Trace => Level::TRACE,
        }
    }
}

/// Begins to log. A second call changes nothing, so that tests need not coordinate.
pub fn start(config: Config) {
    let as_json = match config.format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(true);
    let filter = tracing_subscriber::registry().with(filter(config.level));
    // Flat, so that a log store finds `message` and the fields side by side.
    let result = if as_json {
        filter.with(lines.json().flatten_event(true).with_current_span(false)).try_init()
    } else {
        let has_colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        filter.with(lines.compact().with_ansi(has_colour)).try_init()
    };
    if result.is_err() {
        tracing::debug!("logging had been started before");
    }
}

/// Libraries are held one level back: at `debug` their wire chatter hides ours, and it may hold
/// headers. The certificate verifier and the API's client would tell each try as an error; delivery and
/// the watch tell it once.
fn filter(level: LogLevel) -> EnvFilter {
    let own = level.level();
    let others = if own <= Level::WARN { own } else { Level::WARN };
    EnvFilter::new(format!("{others},podwhy={own},rustls_platform_verifier=off,kube_client=off"))
}

#[cfg(test)]
mod tests {
    use super::{LogLevel, filter};

    #[test]
    fn libraries_stay_quiet_whatever_our_own_level() {
        assert_eq!(
            filter(LogLevel::Debug).to_string(),
            "rustls_platform_verifier=off,kube_client=off,podwhy=debug,warn"
        );
        assert_eq!(
            filter(LogLevel::Error).to_string(),
            "rustls_platform_verifier=off,kube_client=off,podwhy=error,error"
        );
    }
}
