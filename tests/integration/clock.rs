//! The agent killed at random instants while its clock is stepped back and forth: nothing is lost,
//! nothing concluded twice, no loss told that was none. The machine's clock is never touched: a
//! library before the C library adds to what the agent and its reader are told.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::agent::Setup;
use crate::collector::{Collector, Received};
use crate::load::Node;
use crate::main_path::{LONG, SOON, lost_nothing, parts, wait_for_pods};
use crate::soak;
use crate::wait;

const STEPPED: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    static volatile long long *seconds;
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    if (!seconds) {
        int file = open(PLACE, O_RDONLY | O_CLOEXEC);
        if (file >= 0) seconds = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    }
    int told = real(clock, now);
    if (told == 0 && seconds && seconds != MAP_FAILED
        && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *seconds;
    return told;
}
"#;

/// A clock that can be stepped.
struct Clock {
    library: PathBuf,
    offset: std::fs::File,
}

impl Clock {
    fn make(folder: &Path) -> Self {
        let (source, library) = (folder.join("stepped.c"), folder.join("stepped.so"));
        let place = folder.join("clock");
        std::fs::write(&source, STEPPED).unwrap();
        std::fs::write(&place, 0_i64.to_le_bytes()).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
        compiler.arg(format!("-DPLACE=\"{}\"", place.display()));
        let output = compiler.output().expect("cc, which every Rust tool chain links with");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let offset = std::fs::File::options().write(true).open(place).unwrap();
        Self { library, offset }
    }

    fn step(&self, seconds: i64) {
        self.offset.write_all_at(&seconds.to_le_bytes(), 0).unwrap();
    }
}

/// Seconds by which clocks of real nodes jump: time servers that come late, wrong zones, a dead
/// battery, a wrong year.
const STEPS: [i64; 9] = [0, 5, -5, 3_600, -7_200, 86_400, -30 * 86_400, 400 * 86_400, 0];

fn ids(received: &[Received]) -> BTreeSet<String> {
    let failures = received.iter().filter(|record| record.event == "podwhy.sync_failure");
    failures.map(|record| record.uid().to_owned()).collect()
}

#[test]
fn killed_at_random_with_its_clock_stepped_it_tells_what_a_calm_agent_tells() {
    let test = "killed_at_random_with_its_clock_stepped_it_tells_what_a_calm_agent_tells";
    if !crate::journald::with_faults(test) {
        return;
    }
    let Some((journald, collector, folder)) = parts(test) else { return };
    let calm_folder = tempfile::tempdir().unwrap();
    let calm_collector = Collector::start(calm_folder.path()).expect("a second Collector");
    let mut calm =
        Setup::new(calm_folder.path(), journald.root(), &calm_collector.endpoint()).start();
    let clock = Clock::make(folder.path());
    let preload = format!("export LD_PRELOAD={}", clock.library.display());
    let setup = Setup::new(folder.path(), journald.root(), &collector.endpoint());
    let mut agent = setup.start_after(&preload);
    let mut node = Node::new(&journald);
    // A first position: before it, "the last two hours" depends on the clock as it should.
    (0..8).for_each(|number| node.fail(number));
    for collector in [&collector, &calm_collector] {
        wait_for_pods(collector, 0..8, SOON);
    }
    let (failures, mut random) = (soak::times(2_400), soak::Random::new(1));
    let mut kills = 0;
    for number in 8..failures {
        node.fail(number);
        if random.below(200) == 0 {
            clock.step(STEPS[random.below(STEPS.len())]);
        }
        if random.below(150) == 0 {
            // In the middle of whatever it does a few milliseconds later.
            let instant = Duration::from_micros(random.below(300_000) as u64);
            wait::reached(instant, || false);
            agent.kill();
            kills += 1;
            clock.step(STEPS[random.below(STEPS.len())]);
            agent = setup.start_after(&preload);
        }
    }
    node.flush();
    for collector in [&calm_collector, &collector] {
        wait_for_pods(collector, 0..failures, LONG);
    }
    assert!(agent.is_running());
    assert!(agent.terminate().success());
    assert!(calm.terminate().success());
    let (received, calm_received) = (collector.received(), calm_collector.received());
    let (stepped, expected) = (ids(&received), ids(&calm_received));
    let all = received.iter().filter(|record| record.event == "podwhy.sync_failure").count();
    println!(
        "written {failures}, arrived {}, repeated {}, kills {kills}",
        stepped.len(),
        all - stepped.len()
    );
    assert_eq!(stepped.difference(&expected).count(), 0, "ids that the calm agent never saw");
    assert_eq!(expected.difference(&stepped).count(), 0, "failures that were lost");
    lost_nothing(&received);
    assert!(kills > 3, "{kills} kills");
}
