//! Which kind of node this is, and where its kubelet and runtime write.

use super::{Finding, Status};
use crate::{
    config,
    node::kind::{self, Log},
};

const NAME: &str = "node kind";

pub(super) fn look(config: &config::Config) -> Finding {
    let root = &config.journal.root;
    let Some(found) = kind::recognise(root) else {
        let what = format!("no distribution's files below {}", root.display());
        return Finding::new(NAME, Status::Unknown, what);
    };
    let kind = found.kind;
    let what = format!(
        "{} ({} is there): the kubelet writes to {}, the runtime to {}",
        kind.name,
        found.by.display(),
        place(kind.kubelet),
        place(kind.runtime),
    );
    match kind.note {
        Some(note) if matches!(kind.runtime, Log::Nowhere(_)) => {
            Finding::degraded(NAME, what, note)
        }
        Some(note) => Finding::ok(NAME, format!("{what}; {note}")),
        None => Finding::ok(NAME, what),
    }
}

fn place(log: Log) -> String {
    match log {
        Log::Journal(units) => format!("the journal ({units})"),
        Log::File(path) => path.to_owned(),
        Log::Nowhere(why) => format!("no place that can be read ({why})"),
    }
}
