//! A node that gives the agent too little: no more open files, no inotify, no `/proc`, no permission,
//! a filesystem that never answers, no name service. Each time the agent lives, says what it lacks,
//! ships what it can, and goes on by itself when it gets what it needs. Counted to the line.

use std::path::Path;
use std::process::Command;

use crate::agent::{Agent, Setup};
use crate::collector::Collector;
use crate::load::Node;
use crate::main_path::{LONG, SOON, once_each, parts, setup, wait_for_pods};
use crate::wait;

fn log_says(setup: &Setup, text: &str) -> bool {
    std::fs::read_to_string(setup.log()).is_ok_and(|log| log.contains(text))
}

fn wait_for_log(setup: &Setup, text: &str) {
    let said = wait::reached(SOON, || log_says(setup, text));
    let log = std::fs::read_to_string(setup.log()).unwrap_or_default();
    let end = log.lines().rev().take(20).collect::<Vec<_>>();
    assert!(said, "it never says {text:?}, but at last {end:#?}");
}

/// All failures in this range, on their way to the journal.
fn fail(node: &mut Node, numbers: std::ops::Range<usize>) {
    numbers.for_each(|number| node.fail(number));
    node.flush();
}

/// Everything arrived once, the agent lives and ends as it should.
fn all_is_well(mut agent: Agent, collector: &Collector, count: usize) {
    assert!(agent.is_running());
    assert!(agent.terminate().success());
    let received = collector.received();
    once_each(&received, count);
    println!("written {count}, arrived {count}, lost 0, repeated 0");
}

fn open_files(agent: &Agent) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap().count()
}

fn limit_files(agent: &Agent, limit: &str) {
    // The soft limit only: to raise the hard one again takes a privilege.
    let (pid, limit) = (agent.pid().to_string(), format!("--nofile={limit}:"));
    let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
    assert!(status.expect("prlimit starts").success());
}

#[test]
fn without_a_file_descriptor_left_it_waits_and_loses_nothing() {
    let Some((journald, mut collector, folder)) =
        parts("without_a_file_descriptor_left_it_waits_and_loses_nothing")
    else {
        return;
    };
    let setup = setup(&folder, &journald, &collector);
    let agent = setup.start();
    let mut node = Node::new(&journald);
    fail(&mut node, 0..100);
    wait_for_pods(&collector, 0..100, SOON);

    // Whoever looks for the API server holds some until it has found none.
    wait_for_log(&setup, "the API server is not asked");
    // Not one more: no connection, no new reader, no look at a folder.
    limit_files(&agent, &open_files(&agent).saturating_sub(2).to_string());
    collector.stop();
    let reader = agent.reader().and_then(|pid| i32::try_from(pid).ok()).unwrap();
    let reader = rustix::process::Pid::from_raw(reader).unwrap();
    rustix::process::kill_process(reader, rustix::process::Signal::KILL).unwrap();
    wait_for_log(&setup, "os error 24");
    fail(&mut node, 100..200);
    collector.resume();
    limit_files(&agent, "1024");
    wait_for_pods(&collector, 0..200, LONG);
    all_is_well(agent, &collector, 200);
}

#[test]
fn without_inotify_new_files_and_lines_are_found_by_looking() {
    let Some((journald, collector, folder)) =
        parts("without_inotify_new_files_and_lines_are_found_by_looking")
    else {
        return;
    };
    let setup = setup(&folder, &journald, &collector);
    // In a user namespace of its own: the machine's own limits stay as they are.
    let agent = setup.start_in(
        &["--user", "--map-root-user", "--mount", "--propagation", "private"],
        "echo 0 > /proc/sys/user/max_inotify_instances && echo 0 > /proc/sys/user/max_inotify_watches",
    );
    let mut node = Node::new(&journald);
    for turn in 0..3 {
        fail(&mut node, turn * 50..(turn + 1) * 50);
        wait_for_pods(&collector, 0..(turn + 1) * 50, SOON);
        journald.rotate();
    }
    all_is_well(agent, &collector, 150);
}

#[test]
fn with_proc_hidden_or_empty_it_reads_and_ships_all_the_same() {
    let test = "with_proc_hidden_or_empty_it_reads_and_ships_all_the_same";
    for script in
        ["mount -t proc -o hidepid=2 proc /proc", "mount -t tmpfs -o mode=555 tmpfs /proc"]
    {
        let Some((journald, collector, folder)) = parts(test) else { return };
        let setup = setup(&folder, &journald, &collector);
        let mut agent = setup.start_after(script);
        let mut node = Node::new(&journald);
        fail(&mut node, 0..50);
        wait_for_pods(&collector, 0..50, SOON);
        assert!(agent.is_running());
        assert!(agent.terminate().success(), "{script}");
        once_each(&collector.received(), 50);
    }
}

#[test]
fn a_journal_that_may_not_be_read_is_named_with_its_fix_and_read_once_it_may() {
    let Some((journald, collector, folder)) =
        parts("a_journal_that_may_not_be_read_is_named_with_its_fix_and_read_once_it_may")
    else {
        return;
    };
    let setup = setup(&folder, &journald, &collector);
    let mut node = Node::new(&journald);
    fail(&mut node, 0..50);
    journald.sync();
    let everybody = |folder: &Path| {
        Command::new("chmod").args(["-R", "a+rwX"]).arg(folder).status().unwrap().success()
    };
    assert!(everybody(folder.path()));
    let closed = journald.root().join("run/log/journal");
    chmod(&closed, "700");
    let mut agent = setup.start_as(65534);
    wait_for_log(&setup, "CAP_DAC_READ_SEARCH");
    // By then its reader has looked for itself.
    wait::until("its reader is up", SOON, || agent.reader().is_some_and(has_opened));
    assert!(agent.is_running(), "without a source it waits");
    assert!(everybody(&closed));
    wait_for_pods(&collector, 0..50, LONG);
    all_is_well(agent, &collector, 50);
}

/// Whether a reader waits for a change, which it begins to do behind its first look.
fn has_opened(pid: u32) -> bool {
    let folder = format!("/proc/{pid}/fd");
    let links = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut targets = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    targets.any(|target| target.to_string_lossy().contains("inotify"))
}

fn chmod(path: &Path, mode: &str) {
    let status = Command::new("chmod").arg(mode).arg(path).status();
    assert!(status.expect("chmod starts").success());
}

/// Mounts a FUSE filesystem that nobody ever answers for, and goes on as the program given.
pub const NEVER: &str = r#"
import ctypes, os, sys
fd = os.open("/dev/fuse", os.O_RDWR)
os.set_inheritable(fd, True)
options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
if ctypes.CDLL(None).mount(b"never", sys.argv[1].encode(), b"fuse", 0, options):
    sys.exit("FUSE cannot be mounted")
os.execvp(sys.argv[2], sys.argv[2:])
"#;

#[test]
fn a_filesystem_that_never_answers_costs_its_own_look_and_nothing_else() {
    let test = "a_filesystem_that_never_answers_costs_its_own_look_and_nothing_else";
    let Some((journald, collector, folder)) = parts(test) else { return };
    if !Path::new("/dev/fuse").exists() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED {test}: no /dev/fuse");
        println!("SKIPPED {test}: no /dev/fuse");
        return;
    }
    let hung = folder.path().join("hung");
    std::fs::create_dir(&hung).unwrap();
    let never = folder.path().join("never.py");
    std::fs::write(&never, NEVER).unwrap();
    let mut setup = setup(&folder, &journald, &collector);
    // Checked as a disk, searched for last words, listed for volumes.
    setup.more = format!(
        "evidence: {{ pod_logs: {0}, kubelet_pods: {0}, volume_names: true }}\n\
         kubernetes: {{ enabled: false }}\n",
        hung.display()
    );
    let mut agent = setup.start_after(&format!(
        "export PODWHY_NODE_DISK_KUBELET={} && exec python3 {} {} \"$0\" \"$@\"",
        hung.display(),
        never.display(),
        hung.display()
    ));
    let mut node = Node::new(&journald);
    for number in 0..100 {
        node.die(number);
        node.fail(number);
    }
    wait_for_pods(&collector, 0..100, SOON);
    wait_for_log(&setup, "a look at the node does not come back");
    let pid = agent.pid();
    let threads = move || std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count();
    let before = threads();
    fail(&mut node, 100..200);
    wait_for_pods(&collector, 0..200, SOON);
    assert!(threads() <= before, "no second thread for what hangs: {before}, now {}", threads());
    let received = collector.received();
    once_each(&received, 200);
    let last = received.iter().rev().find(|record| record.event == "podwhy.sync_failure").unwrap();
    assert!(!last.attributes.contains_key("podwhy.node.disk.kubelet.free_bytes"), "{last:?}");
    assert!(last.attributes.contains_key("podwhy.node.disk.runtime.free_bytes"), "{last:?}");
    // Threads that hang in the kernel must not hold the end back.
    assert!(agent.terminate().success());
}

#[test]
fn a_name_that_is_not_resolved_keeps_the_records_until_it_is() {
    let Some((journald, collector, folder)) =
        parts("a_name_that_is_not_resolved_keeps_the_records_until_it_is")
    else {
        return;
    };
    let endpoint = format!("http://collector.podwhy.invalid:{}", collector.port());
    let setup = Setup::new(folder.path(), journald.root(), &endpoint);
    let (hosts, resolver) = (folder.path().join("hosts"), folder.path().join("resolv.conf"));
    std::fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    // Nobody listens there.
    std::fs::write(&resolver, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n").unwrap();
    let agent = setup.start_after(&format!(
        "mount --bind {} /etc/hosts && mount --bind {} /etc/resolv.conf",
        hosts.display(),
        resolver.display()
    ));
    let mut node = Node::new(&journald);
    fail(&mut node, 0..100);
    wait_for_log(&setup, "dns error");
    assert_eq!(collector.received().len(), 0);
    std::fs::write(&hosts, "127.0.0.1 localhost collector.podwhy.invalid\n").unwrap();
    wait_for_pods(&collector, 0..100, LONG);
    all_is_well(agent, &collector, 100);
}
