//! Files of kubelet and runtime, followed by the source itself, over restarts.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    sync::mpsc,
    time::Duration,
};

use super::*;
use crate::source::{LossKind, stream_id};

/// What a source handed on.
#[derive(Debug, Default)]
struct Heard {
    texts: Vec<String>,
    times: Vec<Micros>,
    streams: Vec<u64>,
    losses: Vec<Loss>,
    position: Option<Position>,
    /// As where inotify is exhausted.
    by_the_clock: bool,
}

use crate::source::Loss;

fn config(logs: &[(&Path, Kind)]) -> Config {
    let log = |(path, kind): &(&Path, Kind)| LogFile { path: (*path).to_owned(), kind: *kind };
    let max_age = Duration::from_secs(7200);
    Config { logs: logs.iter().map(log).collect(), journals: Vec::new(), max_age, span: None }
}

/// Runs the source until it has handed on so many lines more and has caught up.
fn hear(config: &Config, heard: &mut Heard, lines: usize) {
    let (outlet, feeds) = mpsc::sync_channel(1);
    let handle = if heard.by_the_clock {
        let (stopped, stop) = rustix::pipe::pipe().unwrap();
        let pump = Pump::new(Wake::by_the_clock(stopped), Box::new(outlet));
        start(config.clone(), heard.position.clone(), pump, stop).unwrap()
    } else {
        spawn(config.clone(), heard.position.clone(), outlet).unwrap()
    };
    let wanted = heard.texts.len() + lines;
    loop {
        let feed = feeds.recv_timeout(Duration::from_secs(30)).expect("the source goes on");
        match feed {
            Feed::Batch { mut lines, position } => {
                lines.each(&mut |line| {
                    heard.texts.push(line.text.to_owned());
                    heard.times.push(line.at);
                    heard.streams.push(line.stream);
                });
                heard.position = position;
            }
            Feed::Lost(loss, _) => heard.losses.push(loss),
            Feed::CaughtUp(_) if heard.texts.len() >= wanted => break,
            Feed::CaughtUp(_) | Feed::Fact(_) => {}
        }
    }
    drop(handle);
    assert_eq!(heard.texts.len(), wanted, "{:?}", heard.texts);
}

/// A line of the kubelet, so many seconds ago, as a node two hours east of UTC writes it.
fn klog(ago: i64, text: &str) -> String {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(ago - 7200);
    let at = at.strftime("%m%d %H:%M:%S.%6f");
    format!("E{at}    2148 kubelet.go:1] \"{text}\"\n")
}

fn logrus(ago: i64, text: &str) -> String {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(ago);
    format!("time=\"{}\" level=info msg=\"{text}\"\n", at.strftime("%Y-%m-%dT%H:%M:%S.%9fZ"))
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn ends(heard: &Heard) -> Vec<&str> {
    heard
        .texts
        .iter()
        .map(|text| text.trim_end_matches('"').rsplit(['"', '=']).next().unwrap())
        .collect()
}

#[test]
fn lines_of_several_files_come_in_the_order_of_their_times_and_once_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let (kubelet, containerd) =
        (folder.path().join("kubelet.log"), folder.path().join("containerd.log"));
    append(&kubelet, &klog(10_000, "too old"));
    append(&kubelet, &[klog(50, "b"), klog(30, "d"), klog(0, "f")].concat());
    append(&containerd, &[logrus(60, "a"), logrus(40, "c"), logrus(20, "e")].concat());
    let config = config(&[(&kubelet, Kind::Kubelet), (&containerd, Kind::Containerd)]);
    let mut heard = Heard::default();
    hear(&config, &mut heard, 6);
    assert_eq!(ends(&heard), ["a", "b", "c", "d", "e", "f"]);
    assert!(heard.times.is_sorted());
    let now = jiff::Timestamp::now().as_microsecond();
    assert!(now - heard.times[5] < 60_000_000, "the zone is known: {}", now - heard.times[5]);

    // Rotated while the agent was off.
    append(&kubelet, &klog(0, "g"));
    fs::rename(&kubelet, folder.path().join("kubelet-2031-03-17T10-12-00.123.log")).unwrap();
    append(&kubelet, &klog(0, "h"));
    hear(&config, &mut heard, 2);
    hear(&config, &mut heard, 0);
    assert_eq!(ends(&heard)[6..], ["g", "h"]);
    assert_eq!(heard.losses, []);
}

#[test]
fn a_file_that_is_gone_unread_is_told_as_a_loss_of_its_component() {
    let folder = tempfile::tempdir().unwrap();
    let kubelet = folder.path().join("kubelet.log");
    append(&kubelet, &klog(0, "a"));
    let config = config(&[(&kubelet, Kind::Kubelet)]);
    let mut heard = Heard::default();
    hear(&config, &mut heard, 1);
    append(&kubelet, &klog(0, "b"));
    fs::remove_file(&kubelet).unwrap();
    append(&kubelet, &klog(0, "c"));
    hear(&config, &mut heard, 1);
    let [loss] = heard.losses.as_slice() else { panic!("{:?}", heard.losses) };
    assert_eq!((loss.kind, loss.component.as_str()), (LossKind::Rotated, "kubelet"));
    assert!(loss.from.is_some() && loss.from < loss.to);
}

#[test]
fn a_position_of_another_release_is_told_and_reading_begins_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let kubelet = folder.path().join("kubelet.log");
    append(&kubelet, &[klog(50, "a"), klog(0, "b")].concat());
    let at = jiff::Timestamp::now().as_microsecond() - 30_000_000;
    let position = Position { source: SOURCE.to_owned(), value: vec![0xff; 9], at };
    let mut heard = Heard { position: Some(position), ..Heard::default() };
    hear(&config(&[(&kubelet, Kind::Kubelet)]), &mut heard, 1);
    assert_eq!(ends(&heard), ["b"]);
    assert_eq!(heard.losses.len(), 1);
}

#[test]
fn lines_of_one_file_are_one_stream() {
    let folder = tempfile::tempdir().unwrap();
    let kubelet = folder.path().join("kubelet.log");
    append(&kubelet, &[klog(0, "a"), "\tits block\n".to_owned(), " >\n".to_owned()].concat());
    let mut heard = Heard::default();
    hear(&config(&[(&kubelet, Kind::Kubelet)]), &mut heard, 3);
    let stream = stream_id(&[b"file", kubelet.to_string_lossy().as_bytes()]);
    assert_eq!(heard.streams, [stream; 3]);
}

#[test]
fn without_inotify_a_file_is_followed_by_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let kubelet = folder.path().join("kubelet.log");
    append(&kubelet, &klog(0, "a"));
    let config = config(&[(&kubelet, Kind::Kubelet)]);
    let mut heard = Heard { by_the_clock: true, ..Heard::default() };
    hear(&config, &mut heard, 1);
    let later = kubelet.clone();
    let writer = std::thread::spawn(move || {
        append(&later, &klog(0, "b"));
        fs::rename(&later, later.with_file_name("kubelet.log.1")).unwrap();
        append(&later, &klog(0, "c"));
    });
    hear(&config, &mut heard, 2);
    writer.join().unwrap();
    assert_eq!(ends(&heard), ["a", "b", "c"]);
    assert_eq!(heard.losses, []);
}
