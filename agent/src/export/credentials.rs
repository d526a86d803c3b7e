//! Files that a destination is reached with: certificates, headers, tokens. Owns how they are read
//! and how a change of them is noticed: by time, size and inode, also behind Kubernetes' links.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::config::{Config, ConfigError, Headers, header_lines};
use crate::limits;

type Stamp = Option<(SystemTime, u64, u64)>;

/// When the files were last looked at, and how they were then.
#[derive(Debug)]
pub(super) struct Watch {
    stamps: Vec<Stamp>,
    pub(super) looked: Instant,
}

impl Watch {
    /// To be made before the files are read: what changes in between is read again.
    pub(super) fn new(config: &Config) -> Self {
        Self { stamps: stamps(config), looked: Instant::now() }
    }

    /// How they are now, when they have changed since they were last used and it is time to look.
    pub(super) fn changed(&mut self, config: &Config) -> Option<Changed> {
        let now = Instant::now();
        if now.duration_since(self.looked) < limits::CREDENTIALS_LOOK {
            return None;
        }
        self.looked = now;
        let stamps = stamps(config);
        (stamps != self.stamps).then_some(Changed(stamps))
    }

    /// What was made of the changed files works, or does not: half a rotation is looked at again.
    pub(super) fn settle<T>(
        &mut self,
        config: &Config,
        changed: Changed,
        made: Result<T, ConfigError>,
    ) -> Option<T> {
        match made {
            Ok(made) => {
                self.stamps = changed.0;
                tracing::info!(destination = config.name, "changed credentials taken over");
                Some(made)
            }
            Err(error) => {
                tracing::warn!(
                    destination = config.name,
                    %error,
                    "changed credentials cannot be used; the old ones stay until they can"
                );
                None
            }
        }
    }
}

/// The new look of the files.
#[derive(Debug)]
pub(super) struct Changed(Vec<Stamp>);

/// What tells a changed file from an unchanged one.
fn stamps(config: &Config) -> Vec<Stamp> {
    let files: [&Option<PathBuf>; 5] = [
        &config.certificate,
        &config.client_certificate,
        &config.client_key,
        &config.headers_file,
        &config.token_file,
    ];
    files
        .into_iter()
        .map(|path| {
            let meta = fs::metadata(path.as_ref()?).ok()?;
            let inode = std::os::unix::fs::MetadataExt::ino(&meta);
            Some((meta.modified().ok()?, meta.len(), inode))
        })
        .collect()
}

/// The headers of every request: those of the environment over those of the files.
pub(super) fn headers(config: &Config) -> Result<HeaderMap, ConfigError> {
    let mut all = HeaderMap::new();
    if let Some(path) = &config.token_file {
        let what = "token file";
        let text = read_text(what, path)?;
        let token = text.trim();
        if token.is_empty() {
            return Err(file_error(what, path, "is empty"));
        }
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.map_err(|_| file_error(what, path, "holds more than a token"))?;
        value.set_sensitive(true);
        all.insert(AUTHORIZATION, value);
    }
    let mut put = |headers: &Headers| {
        for (name, value) in &headers.0 {
            let error = || ConfigError::Header(name.clone());
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| error())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| error())?;
            value.set_sensitive(true);
            all.insert(name, value);
        }
        Ok(())
    };
    if let Some(path) = &config.headers_file {
        let what = "headers file";
        let (headers, odd) = header_lines(&read_text(what, path)?);
        if let Some(odd) = odd.first() {
            return Err(file_error(what, path, odd));
        }
        put(&headers)?;
    }
    put(&config.headers)?;
    Ok(all)
}

fn read_text(what: &'static str, path: &Path) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|error| file_error(what, path, &error.to_string()))
}

/// The content of a PEM file.
pub(super) fn pem(what: &'static str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|error| file_error(what, path, &error.to_string()))
}

/// A file that is named does not help.
pub(super) fn file_error(what: &'static str, path: &Path, why: &str) -> ConfigError {
    ConfigError::File { what, path: path.display().to_string(), why: why.to_owned() }
}
