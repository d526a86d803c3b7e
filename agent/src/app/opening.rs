//! Opens the outbox and says how it was found. Owns the wait for a process that has it still.

use std::path::Path;

use crate::{
    config, limits,
    outbox::{self, Opened, Outbox, Start},
    shutdown,
};

/// Opens the outbox; while another process has it, waits, which is what an update in place needs.
/// `None` when the agent was told to end meanwhile.
pub(super) async fn open_outbox(
    state: &config::State,
    signals: &mut shutdown::Signals,
) -> anyhow::Result<Option<Opened>> {
    let limits = outbox::Limits { bytes: state.size_max, ..outbox::Limits::default() };
    let mut has_told = false;
    loop {
        match Outbox::open(&state.folder, limits) {
            Ok(opened) => {
                tell_start(&opened.start, &state.folder);
                return Ok(Some(opened));
            }
            Err(in_use) => {
                if !has_told {
                    tracing::warn!("{in_use}; waiting for it");
                    has_told = true;
                }
                tokio::select! {
                    () = tokio::time::sleep(limits::MAINTAIN_EVERY) => {}
                    _ = signals.told() => return Ok(None),
                }
            }
        }
    }
}

fn tell_start(start: &Start, folder: &Path) {
    let folder = folder.display();
    match start {
        Start::Fresh => tracing::info!(%folder, "a fresh outbox"),
        Start::Resumed => tracing::info!(%folder, "goes on where the last run ended"),
        Start::Salvaged { moved_to, why } => {
            tracing::error!(%folder, moved_to = %moved_to.display(), why, "the outbox cannot be read: set aside, begun anew from the journal by time");
        }
        Start::Memory { why } => {
            tracing::error!(%folder, why, "degraded: nothing is durable until the state folder works: make it writable, or set state.folder");
        }
    }
}
