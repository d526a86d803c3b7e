//! Finds the cases of `tests/corpus` and the logical messages in them.

use std::path::{Path, PathBuf};

use podwhy_parser::Origin;

/// Folder `tests/corpus`.
pub(crate) fn corpus_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus")
}

/// One corpus file.
pub(crate) struct Case {
    pub(crate) origin: Origin,
    /// The logical messages in it: one for `.txt`, one per line for `.lines`.
    pub(crate) messages: Vec<String>,
}

/// Every case with its file, in the order of the files.
pub(crate) fn cases() -> Vec<(PathBuf, Case)> {
    let mut paths = Vec::new();
    for folder in std::fs::read_dir(corpus_root()).expect("tests/corpus exists") {
        let folder = folder.expect("readable").path();
        if folder.is_dir() {
            let files = std::fs::read_dir(folder).expect("readable");
            paths.extend(files.map(|file| file.expect("readable").path()));
        }
    }
    paths.retain(|path| path.extension().is_some_and(|e| e == "txt" || e == "lines"));
    paths.sort();
    paths.into_iter().map(read_case).collect()
}

fn read_case(path: PathBuf) -> (PathBuf, Case) {
    let bytes = std::fs::read(&path).expect("readable case");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let messages = if path.extension().is_some_and(|e| e == "lines") {
        text.split('\n').map(str::to_owned).collect()
    } else {
        vec![text.to_owned()]
    };
    let folder = path.parent().and_then(Path::file_name).expect("cases lie in a folder");
    let origin = origin_of(folder.to_str().expect("folder names are ASCII"));
    (path, Case { origin, messages })
}

/// The folder says who wrote the lines.
fn origin_of(folder: &str) -> Origin {
    match folder {
        "any" | "pod_log" => Origin::Any,
        "kubelet" => Origin::Kubelet,
        "containerd" => Origin::Containerd,
        "crio" => Origin::Crio,
        "docker" => Origin::Docker,
        "kernel" => Origin::Kernel,
        "journald" => Origin::Journald,
        "systemd" => Origin::Systemd,
        other => panic!("tests/corpus/{other}: no origin of that name"),
    }
}
