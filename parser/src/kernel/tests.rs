//! The kernel's lines about killed processes, by example.

use super::*;

fn read(line: &str) -> (What, Facts<'_>) {
    let message = parse(line).unwrap();
    (message.what, message.facts())
}

fn raw<'a>(text: Option<Text<'a>>) -> Option<&'a str> {
    text.map(|text| text.raw())
}

#[test]
fn g70_the_limit_that_was_hit_decides_and_not_the_constraint() {
    let (what, facts) = read(
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/kubepods,task_memcg=/kubepods/burstable/pod7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21,task=a,pid=7,uid=0",
    );
    assert_eq!((what, raw(facts.unit)), (What::KernelOomMemcg, Some("/kubepods")));
    assert_eq!(raw(facts.pod.uid), Some("7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21"));
    let (what, facts) = read(
        "[ 5124.770215] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/x,task=a,pid=7,uid=0",
    );
    assert_eq!((what, raw(facts.unit)), (What::KernelOomGlobal, None));
    assert_eq!(raw(facts.reason), Some("CONSTRAINT_MEMCG"));
}

#[test]
fn g70_a_process_cannot_forge_its_pid_by_its_name() {
    let (_, facts) = read(
        "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/x,task_memcg=/x,task=x,pid=1,uid=0,pid=77,uid=5",
    );
    assert_eq!((facts.victim_pid, raw(facts.detail)), (Some(77), Some("x,pid=1,uid=0")));
    let (_, facts) = read("Out of memory: Killed process 5 ((sd-pam)) total-vm:1kB, anon-rss:2kB");
    assert_eq!((facts.victim_pid, raw(facts.detail)), (Some(5), Some("(sd-pam)")));
}

#[test]
fn g71_old_and_new_wordings_name_the_same_victim() {
    for (line, what) in [
        (
            "Memory cgroup out of memory: Killed process 48213 (cart) total-vm:1kB",
            What::KernelKilledMemcg,
        ),
        (
            "Memory cgroup out of memory: Kill process 48213 (cart) score 1974 or sacrifice child",
            What::KernelKilledMemcg,
        ),
        (
            "Out of memory: Kill process 48213 (cart) score 9 or sacrifice child",
            What::KernelKilledGlobal,
        ),
        (
            "Out of memory (oom_kill_allocating_task): Killed process 48213 (cart) total-vm:1kB",
            What::KernelKilledGlobal,
        ),
        ("Killed process 48213 (cart) total-vm:1kB, anon-rss:2kB", What::KernelKilled),
        ("Killed process 48213 (cart), UID 1000, total-vm:1kB", What::KernelKilled),
        ("Killed process 48213, UID 1000, (cart) total-vm:1kB", What::KernelKilled),
        ("oom_reaper: reaped process 48213 (cart), now anon-rss:0kB", What::KernelOomReaped),
    ] {
        let (found, facts) = read(line);
        assert_eq!(found, what, "{line}");
        assert_eq!((facts.victim_pid, raw(facts.detail)), (Some(48213), Some("cart")), "{line}");
    }
    let (what, facts) = read(
        "Task in /kubepods/besteffort/pod3f9a1c5e7b2d48060a9e4c1f8d573b62/08e6d1f57c934ab2e0d8415b6f29c7a3d5104e8b97f26c3a1b0d84e572f96ac3 killed as a result of limit of /kubepods/besteffort",
    );
    assert_eq!((what, raw(facts.unit)), (What::KernelTaskOverLimit, Some("/kubepods/besteffort")));
    assert_eq!(raw(facts.pod.uid), Some("3f9a1c5e7b2d48060a9e4c1f8d573b62"));
    assert!(facts.container_id.is_some());
}

#[test]
fn the_process_that_asked_for_memory_is_no_victim() {
    let (what, facts) = read(
        "[Mon Mar 17 08:42:15 2031] tail invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=1",
    );
    assert_eq!((what, facts.victim_pid), (What::KernelOomInvoked, None));
}

#[test]
fn other_lines_of_trouble_are_known_by_their_words() {
    for (line, what) in [
        (
            "Tasks in /kubepods/x are going to be killed due to memory.oom.group set",
            What::KernelOomGroup,
        ),
        (
            "cart[48213]: segfault at 0 ip 000000 sp 00007 error 4 in cart[400000+1000]",
            What::KernelSegfault,
        ),
        ("INFO: task a:b:77 blocked for more than 120 seconds.", What::KernelTaskBlocked),
        ("nf_conntrack: nf_conntrack: table full, dropping packet", What::KernelConntrackFull),
        (
            "unregister_netdevice: waiting for eth0 to become free. Usage count = 2",
            What::KernelNetdeviceBusy,
        ),
        (
            "EXT4-fs error (device sda1): ext4_find_entry:1455: inode #2",
            What::KernelFilesystemError,
        ),
        ("EXT4-fs (sda1): Remounting filesystem read-only", What::KernelRemountedReadOnly),
        ("Buffer I/O error on dev sda1, logical block 1, async page read", What::KernelIoError),
        (
            "XFS (sda1): Log I/O Error Detected. Shutting down filesystem",
            What::KernelFilesystemShutdown,
        ),
        (
            "cgroup: fork rejected by pids controller in /kubepods/pod3f9a1c5e7b2d48060a9e4c1f8d573b62",
            What::KernelForkRejected,
        ),
    ] {
        assert_eq!(read(line).0, what, "{line}");
    }
    let (_, facts) = read("INFO: task a:b:77 blocked for more than 120 seconds.");
    assert_eq!((facts.victim_pid, raw(facts.detail)), (Some(77), Some("a:b")));
    let (_, facts) = read("unregister_netdevice: waiting for eth0 to become free. Usage count = 2");
    assert_eq!((facts.count, raw(facts.detail)), (Some(2), Some("eth0")));
    for line in [
        "",
        "cni0: port 1(veth0) entered disabled state",
        "total_rss 5",
        "Tasks in order",
        "Out of memory",
    ] {
        assert!(parse(line).is_none(), "{line}");
    }
}
