//! Folders as kubelets and runtimes make them, and what is made of them.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::symlink,
    path::Path,
    sync::mpsc,
    time::Duration,
};

use super::*;
use crate::source::{Loss, LossKind};

const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";

/// A folder like `/var/log/pods`, and what is heard of it.
struct Node {
    root: tempfile::TempDir,
    heard: Heard,
}

#[derive(Debug, Default)]
struct Heard {
    began: Vec<(String, u32)>,
    gone: Vec<String>,
    said: Vec<String>,
    losses: Vec<Loss>,
    position: Option<Position>,
}

impl Node {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap(), heard: Heard::default() }
    }

    fn config(&self) -> Config {
        Config {
            root: self.root.path().join("pods"),
            links: vec![self.root.path().join("docker")],
            follow: vec!["kube-system/cni-*".to_owned()],
            follow_labels: Vec::new(),
            denied_namespaces: Vec::new(),
            max_age: Duration::from_secs(7200),
        }
    }

    fn container(&self, namespace: &str, pod: &str, container: &str) -> PathBuf {
        let path = self.root.path().join(format!("pods/{namespace}_{pod}_{UID}/{container}"));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn run(&self) -> (Handle, mpsc::Receiver<Feed>) {
        let (outlet, feeds) = mpsc::sync_channel(1);
        let handle = spawn(self.config(), self.heard.position.clone(), outlet).unwrap();
        (handle, feeds)
    }

    /// Returns once the first look is over: what comes after it is told.
    fn has_looked(&mut self, feeds: &mpsc::Receiver<Feed>) {
        for number in 0.. {
            let probe = self.container("probe", "probe", &format!("c{number}"));
            File::create(probe.join("0.log")).unwrap();
            if let Ok(feed) = feeds.recv_timeout(Duration::from_millis(20)) {
                self.heard.take(feed);
            }
            if !self.heard.began.is_empty() {
                return;
            }
        }
    }

    /// Listens until what was heard last is part of the position.
    fn settle(&mut self, feeds: &mpsc::Receiver<Feed>) {
        self.heard.position = None;
        self.until(feeds, |heard| heard.position.is_some());
    }

    /// Listens until it is as it should be.
    #[track_caller]
    fn until(&mut self, feeds: &mpsc::Receiver<Feed>, is_so: impl Fn(&Heard) -> bool) {
        while !is_so(&self.heard) {
            let feed = feeds.recv_timeout(Duration::from_secs(30));
            self.heard.take(feed.unwrap_or_else(|_| panic!("nothing more: {:?}", self.heard)));
        }
    }
}

impl Heard {
    fn take(&mut self, feed: Feed) {
        match feed {
            Feed::Fact(dated) => match dated.fact {
                Fact::LogFolder(folder) => {
                    let pod = folder.pod.name.unwrap();
                    match folder.change {
                        LogFolderChange::Began { attempt } => {
                            self.began
                                .push((format!("{pod}/{}", folder.container.unwrap()), attempt));
                        }
                        LogFolderChange::Gone => self.gone.push(pod),
                    }
                }
                Fact::Said(said) => self.said.push(said.text),
                other => panic!("{other:?}"),
            },
            Feed::Batch { position, .. } => self.position = position,
            Feed::Lost(loss, _) => self.losses.push(loss),
            Feed::CaughtUp(_) => {}
        }
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn line(stream: &str, tag: &str, text: &str) -> String {
    format!("2031-03-17T10:12:00.000000001Z {stream} {tag} {text}\n")
}

/// Trouble that is told once each: figures alone make no other text.
fn trouble(word: &str) -> String {
    line("stderr", "F", &format!("level=error msg=\"cannot reach {word}\""))
}

fn words(heard: &Heard) -> Vec<&str> {
    heard
        .said
        .iter()
        .map(|text| text.rsplit("reach ").next().unwrap().trim_end_matches('"'))
        .collect()
}

#[test]
fn attempts_that_begin_and_pods_that_go_are_told_and_what_was_there_before_is_not() {
    let mut node = Node::new();
    let old = node.container("shop", "old", "app");
    File::create(old.join("3.log")).unwrap();
    let (handle, feeds) = node.run();
    node.has_looked(&feeds);
    let web = node.container("shop", "web-0", "app");
    File::create(web.join("0.log")).unwrap();
    let count = |heard: &Heard| heard.began.iter().filter(|it| !it.0.starts_with("probe")).count();
    node.until(&feeds, |heard| count(heard) == 1);
    File::create(web.join("1.log")).unwrap();
    fs::rename(web.join("1.log"), web.join("1.log.20310317-101200")).unwrap();
    File::create(web.join("1.log")).unwrap();
    File::create(old.join("4.log")).unwrap();
    node.until(&feeds, |heard| count(heard) == 3);
    let side = node.container("shop", "web-0", "side");
    File::create(side.join("0.log")).unwrap();
    node.until(&feeds, |heard| count(heard) == 4);
    fs::remove_dir_all(web.parent().unwrap()).unwrap();
    node.until(&feeds, |heard| heard.gone == ["web-0"]);
    let mut began = node.heard.began.clone();
    began.retain(|it| !it.0.starts_with("probe"));
    began.sort();
    let expected = [("old/app", 4), ("web-0/app", 0), ("web-0/app", 1), ("web-0/side", 0)];
    assert_eq!(began, expected.map(|(name, attempt)| (name.to_owned(), attempt)));
    drop(handle);
}

#[test]
fn of_chosen_pods_trouble_is_told_once_over_rotations_restarts_and_the_end_of_the_agent() {
    let mut node = Node::new();
    let cni = node.container("kube-system", "cni-x", "agent");
    let web = node.container("shop", "web-0", "app");
    append(&cni.join("0.log"), &trouble("alpha"));
    append(&web.join("0.log"), &trouble("nobody"));
    let (handle, feeds) = node.run();
    node.until(&feeds, |heard| heard.said.len() == 1);
    // A line in pieces, with another stream's in between, across a rotation.
    append(&cni.join("0.log"), &line("stdout", "P", "level=error msg=\"cannot "));
    append(&cni.join("0.log"), &trouble("beta"));
    node.until(&feeds, |heard| heard.said.len() == 2);
    fs::rename(cni.join("0.log"), cni.join("0.log.20310317-101200")).unwrap();
    append(&cni.join("0.log"), &line("stdout", "F", "reach gamma\""));
    node.until(&feeds, |heard| heard.said.len() == 3);
    // The next attempt; what the one before said last lacks its end.
    append(&cni.join("0.log"), &line("stdout", "P", "level=error msg=\"cannot reach delta\""));
    append(&cni.join("1.log"), &trouble("epsilon"));
    node.until(&feeds, |heard| heard.said.len() == 5);
    assert!(words(&node.heard)[..3] == ["alpha", "beta", "gamma"], "{:?}", node.heard.said);
    let mut last = words(&node.heard)[3..].to_vec();
    last.sort_unstable();
    assert_eq!(last, ["delta", "epsilon"]);
    node.settle(&feeds);
    drop((handle, feeds));

    // While nobody looks: a piece of a line is written, the file is rotated, another attempt begins.
    append(&cni.join("1.log"), &trouble("zeta"));
    fs::rename(cni.join("1.log"), cni.join("1.log.20310317-101300")).unwrap();
    append(&cni.join("1.log"), &trouble("eta"));
    append(&cni.join("2.log"), &trouble("theta"));
    let (handle, feeds) = node.run();
    node.until(&feeds, |heard| heard.said.len() == 8);
    let mut last = words(&node.heard)[5..].to_vec();
    last.sort_unstable();
    assert_eq!(last, ["eta", "theta", "zeta"]);
    assert_eq!(node.heard.losses, []);
    drop(handle);
}

#[test]
fn a_piece_of_a_line_waits_over_the_end_of_the_agent() {
    let mut node = Node::new();
    let cni = node.container("kube-system", "cni-x", "agent");
    append(&cni.join("0.log"), &line("stdout", "P", "level=error msg=\"cannot "));
    append(&cni.join("0.log"), &trouble("alpha"));
    let (handle, feeds) = node.run();
    node.until(&feeds, |heard| heard.said.len() == 1);
    node.settle(&feeds);
    drop((handle, feeds));
    append(&cni.join("0.log"), &line("stdout", "F", "reach beta\""));
    let (handle, feeds) = node.run();
    node.until(&feeds, |heard| heard.said.len() == 2);
    assert_eq!(words(&node.heard), ["alpha", "beta"]);
    drop(handle);
}

#[test]
fn dockers_links_are_followed_to_its_folder_and_to_nowhere_else() {
    let mut node = Node::new();
    let docker = node.root.path().join("docker/8f00");
    fs::create_dir_all(&docker).unwrap();
    let json = |word: &str| {
        format!(
            "{{\"log\":\"level=error cannot reach {word}\\n\",\"stream\":\"stderr\",\"time\":\"2031-03-17T10:12:00.1Z\"}}\n"
        )
    };
    let real = docker.join("8f00-json.log");
    append(&real, &json("alpha"));
    let cni = node.container("kube-system", "cni-x", "agent");
    symlink(&real, cni.join("0.log")).unwrap();
    let secret = node.root.path().join("secret");
    append(&secret, &json("secret"));
    let evil = node.container("kube-system", "cni-evil", "agent");
    symlink(&secret, evil.join("0.log")).unwrap();
    let (handle, feeds) = node.run();
    node.until(&feeds, |heard| heard.said.len() == 1);
    append(&real, &json("beta"));
    fs::rename(&real, docker.join("8f00-json.log.1")).unwrap();
    append(&real, &json("gamma"));
    node.until(&feeds, |heard| heard.said.len() == 3);
    assert_eq!(words(&node.heard), ["alpha", "beta", "gamma"]);
    drop(handle);
}

#[test]
fn what_is_told_is_trouble_without_secrets_and_not_the_same_again_and_again() {
    let mut node = Node::new();
    let cni = node.container("kube-system", "cni-x", "agent");
    let log = cni.join("0.log");
    append(&log, &line("stdout", "F", "level=info msg=\"all is well\""));
    for second in 0..50 {
        append(
            &log,
            &line("stderr", "F", &format!("E0317 10:12:{second:02}.1 1 a.go:1] no route {second}")),
        );
    }
    append(
        &log,
        &line(
            "stderr",
            "F",
            "level=error msg=\"login failed\" password=hunter2hunter2 \u{1b}[31mred",
        ),
    );
    let (handle, feeds) = node.run();
    node.until(&feeds, |heard| heard.said.len() == 2);
    append(&log, &trouble("end"));
    node.until(&feeds, |heard| heard.said.len() == 3);
    assert_eq!(words(&node.heard)[2], "end");
    assert!(!node.heard.said[1].contains("hunter2"), "{}", node.heard.said[1]);
    assert!(!node.heard.said[1].contains('\u{1b}'));
    drop(handle);
}

#[test]
fn more_trouble_than_one_look_takes_is_told_and_what_is_beyond_all_measure_is_counted() {
    let word = |number: usize| {
        let letter = |digit: u8| char::from(digit - b'0' + b'a');
        format!("{number:04}").bytes().map(letter).collect::<String>()
    };
    let mut node = Node::new();
    let (cni, csi) = ("cni-x", "cni-y");
    let noisy = node.container("kube-system", cni, "agent").join("0.log");
    let quiet = node.container("kube-system", csi, "agent").join("0.log");
    let most = usize::try_from(limits::SAID_A_WHILE).unwrap();
    let all: String = (0..most + 76).map(|number| trouble(&word(number))).collect();
    append(&noisy, &all);
    append(&quiet, &trouble("quiet"));
    let (handle, feeds) = node.run();
    node.until(&feeds, |heard| !heard.losses.is_empty() && heard.said.len() > most);
    let told = words(&node.heard);
    let of_noisy: Vec<&str> = told.iter().copied().filter(|told| *told != "quiet").collect();
    assert_eq!(of_noisy, (0..most).map(word).collect::<Vec<_>>());
    let turn = told.iter().position(|told| *told == "quiet").unwrap();
    assert!(turn <= limits::SAID_PER_LOOK, "the other log waited for {turn} lines");
    let [loss] = node.heard.losses.as_slice() else { panic!("{:?}", node.heard.losses) };
    assert_eq!((loss.kind, loss.lines), (LossKind::Suppressed, Some(76)));
    drop(handle);
}

#[test]
fn a_full_node_costs_nothing_while_nothing_changes() {
    // 500 pods with 4 containers each.
    let root = tempfile::tempdir().unwrap();
    for pod in 0..500 {
        for container in 0..4 {
            let uid = format!("7c1e5f3a-2b64-4d0e-9a17-{pod:012}");
            let folder = root.path().join(format!("shop_web-{pod}_{uid}/c{container}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("0.log"), "").unwrap();
        }
    }
    let now = Instant::now();
    for by_the_clock in [false, true] {
        let (stopped, _stop) = rustix::pipe::pipe().unwrap();
        let mut wake = if by_the_clock { Wake::by_the_clock(stopped) } else { Wake::new(stopped) };
        let mut tree = Tree::new(root.path().to_owned());
        let news = tree.look(&mut wake, &Woken::default(), now);
        assert_eq!(news.len(), 2000);
        let first = tree.costs();
        assert_eq!(first.listed, 1 + 500 + 2000, "each folder once");
        // A quiet second.
        let quiet = wake.wait(Duration::ZERO);
        assert!(quiet.watches.is_empty() && !quiet.has_overrun);
        assert!(tree.look(&mut wake, &quiet, now).is_empty());
        assert_eq!(tree.costs(), first, "nothing is looked at");
        if by_the_clock {
            continue;
        }
        // One container restarts: its folder alone is listed.
        let uid = format!("7c1e5f3a-2b64-4d0e-9a17-{:012}", 77);
        fs::write(root.path().join(format!("shop_web-77_{uid}/c2/1.log")), "").unwrap();
        let woken = wake.wait(Duration::from_secs(10));
        let news = tree.look(&mut wake, &woken, now);
        assert_eq!(news.len(), 1, "{news:?}");
        let after = tree.costs();
        assert_eq!((after.listed - first.listed, after.looked_at - first.looked_at), (1, 1));
    }
    // Once it has been quiet for a while, a look at all of it lists nothing.
    let settled = std::time::SystemTime::now() - Duration::from_secs(60);
    let mut folders = vec![root.path().to_owned()];
    while let Some(folder) = folders.pop() {
        folders.extend(
            fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).filter(|it| it.is_dir()),
        );
        File::open(&folder).unwrap().set_modified(settled).unwrap();
    }
    let (stopped, _stop) = rustix::pipe::pipe().unwrap();
    let mut wake = Wake::by_the_clock(stopped);
    let mut tree = Tree::new(root.path().to_owned());
    tree.look(&mut wake, &Woken::default(), now);
    let first = tree.costs();
    tree.look(&mut wake, &Woken::default(), now + limits::TREE_RESCAN_BY_CLOCK);
    let after = tree.costs();
    assert_eq!(after.listed, first.listed);
    assert_eq!(after.looked_at - first.looked_at, 2501, "one look each");
}

#[test]
fn a_tree_that_comes_later_or_is_made_anew_is_found() {
    let root = tempfile::tempdir().unwrap();
    let pods = root.path().join("pods");
    let folder = pods.join(format!("shop_web-0_{UID}/app"));
    let (stopped, _stop) = rustix::pipe::pipe().unwrap();
    let mut wake = Wake::new(stopped);
    let mut tree = Tree::new(pods.clone());
    let mut now = Instant::now();
    assert!(tree.look(&mut wake, &Woken::default(), now).is_empty());
    assert!(tree.trouble().is_some());
    for _ in 0..2 {
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("0.log"), "").unwrap();
        now += limits::TREE_RESCAN;
        let news = tree.look(&mut wake, &Woken::default(), now);
        assert!(matches!(news.as_slice(), [News::Began { .. }]), "{news:?}");
        assert_eq!(tree.trouble(), None);
        fs::remove_dir_all(&pods).unwrap();
        fs::create_dir(&pods).unwrap();
        now += limits::TREE_RESCAN;
        let news = tree.look(&mut wake, &Woken::default(), now);
        assert!(matches!(news.as_slice(), [News::Gone { .. }]), "{news:?}");
    }
}
