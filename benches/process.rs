//! The built agent as a measured process: its CPU time with that of its children, its memory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// Clock ticks of `/proc/*/stat`; 100 on every Linux that podwhy runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The release build of podwhy beside this benchmark.
///
/// # Panics
/// When it was not built: the command in README.md builds both.
#[must_use]
pub fn podwhy() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this program");
    let folder = own.parent().and_then(Path::parent).expect("target/release");
    let path = folder.join("podwhy");
    assert!(path.exists(), "{} is not there: cargo build --release -p podwhy", path.display());
    path
}

/// Starts an agent with this configuration text.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn agent(folder: &Path, config: &str, arguments: &[&str]) -> Child {
    std::fs::create_dir_all(folder).expect("its folder");
    let path = folder.join("config.yaml");
    std::fs::write(&path, config).expect("its configuration");
    let log = std::fs::File::create(folder.join("agent.log")).expect("its log");
    Command::new(podwhy())
        .arg("agent")
        .arg("--config")
        .arg(path)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the agent starts")
}

/// Waits for the end and gives the CPU seconds of the process and of the children it waited for.
///
/// # Panics
/// When the process failed.
#[must_use]
pub fn cpu_seconds_to_the_end(mut child: Child) -> f64 {
    let pid = Pid::from_child(&child);
    // Left a zombie for a moment: its figures can still be read.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("it ends");
    let seconds = cpu_seconds(child.id());
    assert!(child.wait().expect("its status").success(), "the agent failed: see agent.log");
    seconds
}

/// User and system time of a process and of the children that it has waited for.
#[must_use]
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command stands in brackets and may hold anything; utime is the 12th field behind it.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(4).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

/// The processes whose parent is `pid`.
#[must_use]
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// Anonymous memory of a process in KiB: what it holds itself, without files that it maps.
#[must_use]
pub fn anonymous_kib(pid: u32) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    rollup
        .lines()
        .find_map(|line| line.strip_prefix("Anonymous:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0)
}
