//! CNI's configuration files: which count, and what they say.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::limits;

/// One network: a chain of plugins.
#[derive(Debug, PartialEq)]
pub(super) struct Network {
    pub(super) file: PathBuf,
    pub(super) name: String,
    pub(super) plugins: Vec<Value>,
}

/// Why a file is not taken.
#[derive(Debug, PartialEq)]
pub(super) enum Rejected {
    /// We may not read it, the runtime may: nothing can be told.
    Unreadable(String),
    /// The runtime refuses it too.
    Invalid(String),
}

impl Network {
    /// The programs that must be there: of each plugin, of its delegate, and of their address
    /// management.
    pub(super) fn programs(&self) -> impl Iterator<Item = &str> {
        let delegates = self.plugins.iter().filter_map(|plugin| plugin.get("delegate"));
        self.plugins.iter().chain(delegates).flat_map(|plugin| {
            let address_management = plugin.get("ipam").and_then(|ipam| ipam.get("type"));
            let names = plugin.get("type").into_iter().chain(address_management);
            names.filter_map(Value::as_str).filter(|name| !name.is_empty())
        })
    }
}

/// The files that runtimes look at, by name.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)?.take(limits::CNI_FILES) {
        let entry = entry?;
        let path = entry.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_folder && matches!(extension, Some("conf" | "conflist" | "json")) {
            files.push(path);
        }
    }
    // By bytes, as Go sorts strings.
    files.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    Ok(files)
}

/// Reads one file as libcni does: `.conflist` holds a chain, the others hold one plugin.
pub(super) fn read(file: &Path) -> Result<Network, Rejected> {
    let invalid = |why: &str| Rejected::Invalid(format!("{}: {why}", file.display()));
    let value = json(file)?;
    let name = value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_list = file.extension().is_some_and(|extension| extension == "conflist");
    if !is_list {
        return if has_type(&value) {
            Ok(Network { file: file.to_owned(), name, plugins: vec![value] })
        } else if value.get("plugins").is_some() {
            Err(invalid("holds a list of plugins: call it .conflist"))
        } else {
            Err(invalid("has no type"))
        };
    }
    if value.get("name").is_none_or(|name| !name.is_string()) {
        return Err(invalid("has no name"));
    }
    let plugins = match value.get("plugins") {
        Some(Value::Array(plugins)) => plugins.clone(),
        Some(_) => return Err(invalid("its plugins are no list")),
        // CNI 1.3: the plugins may lie in files of their own.
        None => beside(file, &name)?,
    };
    if plugins.is_empty() {
        return Err(invalid("has no plugins"));
    }
    if !plugins.iter().all(has_type) {
        return Err(invalid("has a plugin without a type"));
    }
    Ok(Network { file: file.to_owned(), name, plugins })
}

fn has_type(plugin: &Value) -> bool {
    plugin.get("type").and_then(Value::as_str).is_some_and(|kind| !kind.is_empty())
}

fn beside(file: &Path, name: &str) -> Result<Vec<Value>, Rejected> {
    // A name is no path: it must not lead anywhere else.
    let folder = file.parent().filter(|_| !name.contains('/') && !name.starts_with('.'));
    let Some(folder) = folder.map(|folder| folder.join(name)).filter(|folder| folder.is_dir())
    else {
        return Ok(Vec::new());
    };
    let unreadable =
        |error: io::Error| Rejected::Unreadable(format!("{}: {error}", folder.display()));
    let files = files(&folder).map_err(unreadable)?;
    let only = files.iter().filter(|file| file.extension().is_some_and(|end| end == "conf"));
    only.map(|file| json(file)).collect()
}

fn json(file: &Path) -> Result<Value, Rejected> {
    let place = |why: String| format!("{}: {why}", file.display());
    let mut bytes = Vec::new();
    let opened = fs::File::open(file);
    let limit = limits::CNI_FILE_BYTES;
    let read = opened.and_then(|opened| opened.take(limit + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let why = place(error.to_string());
        return Err(match error.kind() {
            io::ErrorKind::PermissionDenied => Rejected::Unreadable(why),
            _ => Rejected::Invalid(why),
        });
    }
    if bytes.len() as u64 > limit {
        return Err(Rejected::Invalid(place("is larger than 2 MiB".into())));
    }
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Rejected::Invalid(place(format!("is not JSON: {error}"))))?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(Rejected::Invalid(place("is not a JSON object".into())))
    }
}
