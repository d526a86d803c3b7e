//! What the agent itself costs, as `/proc` tells it (proc(5)). Unknown stays unknown.

use std::fs;

/// Figures of this process, with the names that every client library gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Process {
    /// Own time and that of children that ended.
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<f64>,
    pub(super) virtual_bytes: Option<f64>,
    pub(super) open_files: Option<f64>,
    pub(super) files_max: Option<f64>,
    pub(super) started_seconds: Option<f64>,
}

impl Process {
    /// As it is now.
    pub(super) fn own() -> Self {
        let mut process = fs::read_to_string("/proc/self/stat")
            .map(|stat| Self::of_stat(&stat, boot_seconds()))
            .unwrap_or_default();
        process.open_files = fs::read_dir("/proc/self/fd").ok().map(|files| {
            // One of them is the folder itself.
            float(u64::try_from(files.count()).unwrap_or(0).saturating_sub(1))
        });
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        process.files_max = limit.map(float);
        process
    }

    /// `pid (name) state ppid … utime stime cutime cstime … starttime vsize rss …`: the name may hold
    /// anything, so counting begins behind it.
    fn of_stat(stat: &str, boot_seconds: Option<f64>) -> Self {
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // Field 3 of proc(5) is the first here.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = float(rustix::param::clock_ticks_per_second());
        let page = float(u64::try_from(rustix::param::page_size()).unwrap_or(4096));
        let cpu: Option<u64> = [14, 15, 16, 17].into_iter().map(field).sum();
        Self {
            cpu_seconds: cpu.map(|spent| float(spent) / ticks),
            virtual_bytes: field(23).map(float),
            resident_bytes: field(24).map(|pages| float(pages) * page),
            started_seconds: field(22).zip(boot_seconds).map(|(at, boot)| boot + float(at) / ticks),
            ..Self::default()
        }
    }
}

/// When the machine began, in seconds since 1970.
fn boot_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_counted_behind_a_name_that_holds_anything() {
        let stat =
            "7 (po) d (why) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 5 5 20 0 4 0 1000 4096000 12 1";
        let ticks = float(rustix::param::clock_ticks_per_second());
        let process = Process::of_stat(stat, Some(100.0));
        assert_eq!(process.cpu_seconds, Some(310.0 / ticks));
        assert_eq!(process.virtual_bytes, Some(4_096_000.0));
        assert_eq!(process.started_seconds, Some(100.0 + 1000.0 / ticks));
        assert_eq!(Process::of_stat("nonsense", None), Process::default());
    }

    #[test]
    fn this_process_has_all_of_them() {
        let own = Process::own();
        assert!(own.resident_bytes.is_some_and(|bytes| bytes > 100_000.0), "{own:?}");
        assert!(own.open_files.is_some_and(|files| files >= 2.0), "{own:?}");
        assert!(own.started_seconds.is_some_and(|at| at > 1e9), "{own:?}");
    }
}
