//! Folders as kubelets and docker leave them, and as an attacker would.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::symlink,
};

use flate2::{Compression, write::GzEncoder};

use super::*;

const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";

struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(root.app()).unwrap();
        root
    }

    fn app(&self) -> PathBuf {
        self.0.path().join(format!("pods/shop_web-0_{UID}/app"))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.app().join(name), text).unwrap();
    }

    fn read(&self, instance: &Instance) -> Result<LastWords, String> {
        read(&self.0.path().join("pods"), instance, &Bounds::default())
    }
}

fn instance() -> Instance {
    Instance {
        pod: PodRef {
            namespace: Some("shop".into()),
            name: Some("web-0".into()),
            uid: Some(UID.into()),
        },
        container: "app".into(),
        ..Instance::default()
    }
}

fn line(second: u32, text: &str) -> String {
    format!("2031-03-17T10:12:{second:02}.5Z stderr F {text}\n")
}

/// 2031-03-17T10:12:00Z
const MINUTE: Micros = 1_931_508_720_000_000;

#[test]
fn r26_what_a_small_app_printed_is_there_and_its_last_line_is_known() {
    let root = Root::new();
    root.write("0.log", "2031-03-17T10:12:01.000000001Z stdout F starting\n");
    let words = root.read(&instance()).unwrap();
    assert_eq!(words.lines, ["starting"]);
    assert_eq!((words.matters, words.total_lines), (None, Some(1)));
    assert_eq!(words.last_at, Some(MINUTE + 1_000_000));
    assert_eq!(words.instance.attempt, Some(0));
    assert!(words.path.unwrap().ends_with("/app/0.log"));
}

#[test]
fn r73_pieces_of_a_line_are_joined_for_each_stream() {
    let root = Root::new();
    let text = "2031-03-17T10:12:01Z stderr P panic: half \n2031-03-17T10:12:01Z stdout F between\n\
        2031-03-17T10:12:01Z stderr F and half\n2031-03-17T10:12:02Z stdout P cut off by dea";
    root.write("0.log", text);
    let words = root.read(&instance()).unwrap();
    assert_eq!(words.lines, ["between", "panic: half and half", "cut off by dea"]);
    assert_eq!(words.matters, Some(1));
}

#[test]
fn r73_a_fresh_rotation_that_left_the_last_message_alone_is_joined_with_what_went_before() {
    let root = Root::new();
    let mut gz = GzEncoder::new(
        File::create(root.app().join("4.log.20310317-101000.gz")).unwrap(),
        Compression::fast(),
    );
    gz.write_all(line(1, "oldest").as_bytes()).unwrap();
    gz.finish().unwrap();
    root.write("4.log.20310317-101200", &(line(2, "panic: boom") + &line(3, "goroutine 1")));
    root.write("4.log.20310317-101300.tmp", "left over");
    root.write("4.log", &line(4, "exit status 2"));
    root.write("3.log", &line(0, "the attempt before"));
    let words = root.read(&instance()).unwrap();
    assert_eq!(words.lines, ["oldest", "panic: boom", "goroutine 1", "exit status 2"]);
    assert_eq!((words.matters, words.total_lines), (Some(1), Some(4)));
}

#[test]
fn r10_the_attempt_is_told_by_its_number_or_by_the_time_it_ended() {
    let root = Root::new();
    root.write("6.log", &(line(1, "six begins") + &line(2, "six ends")));
    root.write("7.log", &line(10, "seven begins"));
    let of = |instance: Instance| root.read(&instance).map(|words| words.lines.concat());
    assert_eq!(of(Instance { attempt: Some(6), ..instance() }).unwrap(), "six beginssix ends");
    let ended = |at| Instance { ended: Some(at), ..instance() };
    assert_eq!(of(ended(MINUTE + 3_000_001)).unwrap(), "six beginssix ends");
    assert_eq!(of(ended(MINUTE + 11_000_001)).unwrap(), "seven begins");
    // The API's seconds: it began 0.5 s after the full second in which it ended.
    assert_eq!(of(ended(MINUTE + 10_000_000)).unwrap(), "seven begins");
    assert!(of(ended(MINUTE)).unwrap_err().contains("deleted already"));
    assert!(of(Instance { attempt: Some(5), ..instance() }).unwrap_err().contains("attempt 5"));
    assert_eq!(of(instance()).unwrap(), "seven begins", "nothing known: the newest");
}

#[test]
fn an_instance_that_never_ran_has_an_empty_log_and_not_its_predecessors_words() {
    let root = Root::new();
    root.write("1.log", &line(1, "one"));
    root.write("2.log", "");
    let empty = root.app().join("2.log");
    let at = |seconds| std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    let minute = u64::try_from(MINUTE / 1_000_000).unwrap();
    File::options().write(true).open(&empty).unwrap().set_modified(at(minute + 20)).unwrap();
    let of = |seconds: i64| {
        let ended = Some(MINUTE + seconds * 1_000_000 + 1);
        root.read(&Instance { ended, ..instance() }).unwrap()
    };
    assert_eq!(of(21).lines, [""; 0]);
    assert_eq!(of(21).total_lines, Some(0));
    assert_eq!(of(5).lines, ["one"]);
}

#[test]
fn docker_logs_are_read_through_their_link_only_where_it_may_lead() {
    let root = Root::new();
    let id = "4f".repeat(32);
    let docker = root.0.path().join("docker/containers");
    fs::create_dir_all(docker.join(&id)).unwrap();
    let file = docker.join(&id).join(format!("{id}-json.log"));
    let text = r#"{"log":"\u001b[31mERROR\u001b[0m no \"config\"\n","stream":"stderr","time":"2031-03-17T10:12:01.1Z"}"#;
    fs::write(&file, format!("{text}\n")).unwrap();
    symlink(&file, root.app().join("3.log")).unwrap();
    root.write("4.log", "");
    let pods = root.0.path().join("pods");
    let instance = Instance { container_id: Some(id.clone()), ..instance() };
    let bounds = Bounds { links: vec![docker.clone()], ..Bounds::default() };
    let words = read(&pods, &instance, &bounds).unwrap();
    assert_eq!(words.lines, [r#"ERROR no "config""#]);
    assert_eq!(words.instance.attempt, Some(3), "by the container's id");

    let three = Instance { attempt: Some(3), ..instance };
    let refused = read(&pods, &three, &Bounds::default()).unwrap_err();
    assert!(refused.contains("evidence.log_links does not name"), "{refused}");
    // What lies below the root but is a link itself leads nowhere.
    let other = docker.join("other");
    symlink(docker.join(&id), &other).unwrap();
    fs::remove_file(root.app().join("3.log")).unwrap();
    symlink(other.join(file.file_name().unwrap()), root.app().join("3.log")).unwrap();
    read(&pods, &three, &bounds).unwrap_err();
    fs::remove_file(root.app().join("3.log")).unwrap();
    symlink(docker.join("../../secret"), root.app().join("3.log")).unwrap();
    read(&pods, &three, &bounds).unwrap_err();
}

#[test]
fn names_out_of_log_lines_and_links_of_pods_never_lead_out_of_the_folder() {
    let root = Root::new();
    let secret = root.0.path().join("secret");
    fs::create_dir_all(secret.join("app")).unwrap();
    fs::write(secret.join("app/0.log"), line(1, "secret")).unwrap();
    for container in ["../../../secret/app", "..", ".", "", "a/b"] {
        root.read(&Instance { container: container.into(), ..instance() }).unwrap_err();
    }
    let pod = PodRef { name: Some("../../secret".into()), ..instance().pod };
    root.read(&Instance { pod, ..instance() }).unwrap_err_or_same();
    symlink(secret.join("app"), root.app().with_file_name("linked")).unwrap();
    root.read(&Instance { container: "linked".into(), ..instance() }).unwrap_err();
    symlink(&secret, root.0.path().join("pods/shop_db-0_8c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21"))
        .unwrap();
    let pod = PodRef { name: Some("db-0".into()), uid: None, ..instance().pod };
    root.read(&Instance { pod, ..instance() }).unwrap_err();
    // A pipe would hold whoever opens it.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.app().join("9.log"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert!(root.read(&instance()).unwrap_err().contains("no regular file"));
}

/// The uid names the pod, whatever its name says: then it is that pod's own log.
trait OrSame {
    fn unwrap_err_or_same(self);
}

impl OrSame for Result<LastWords, String> {
    fn unwrap_err_or_same(self) {
        if let Ok(words) = self {
            assert!(words.lines.is_empty() || !words.lines.concat().contains("secret"));
        }
    }
}

#[test]
fn the_pods_folder_is_found_with_less_than_its_whole_name_and_for_static_pods() {
    let root = Root::new();
    root.write("0.log", &line(1, "words"));
    let uid_only = PodRef { uid: Some(UID.into()), ..PodRef::default() };
    assert_eq!(root.read(&Instance { pod: uid_only, ..instance() }).unwrap().lines, ["words"]);
    let name_only = PodRef { uid: None, ..instance().pod };
    assert_eq!(root.read(&Instance { pod: name_only, ..instance() }).unwrap().lines, ["words"]);
    let nobody = PodRef::default();
    root.read(&Instance { pod: nobody, ..instance() }).unwrap_err();
    let hash = "0f".repeat(16);
    let folder = root.0.path().join(format!("pods/kube-system_etcd-a_{hash}/etcd"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("2.log"), line(1, "static")).unwrap();
    let pod = PodRef { uid: Some(hash), ..PodRef::default() };
    let instance = Instance { pod, container: "etcd".into(), ..Instance::default() };
    assert_eq!(root.read(&instance).unwrap().lines, ["static"]);
}

#[test]
fn a_long_log_is_bounded_and_keeps_the_line_that_matters() {
    let root = Root::new();
    let mut text = line(0, "before");
    text += &line(1, "panic: boom");
    for number in 0..300 {
        text += &line(2, &format!("\tgoroutine frame {number} {}", "x".repeat(100)));
    }
    root.write("0.log", &text);
    let words = root.read(&instance()).unwrap();
    assert_eq!(words.lines.first().unwrap(), "panic: boom");
    assert_eq!(words.matters, Some(0));
    assert!(words.lines.len() <= limits::LAST_WORDS_LINES);
    assert!(words.lines.last().unwrap().starts_with("\tgoroutine frame 299"));
    assert!(words.lines.iter().map(String::len).sum::<usize>() <= limits::LAST_WORDS_BYTES);

    root.write("1.log", &(line(1, &"y".repeat(40_000)) + &line(2, &"z".repeat(60_000))));
    let words = root.read(&instance()).unwrap();
    assert!(words.lines.iter().all(|line| line.len() <= limits::LAST_WORDS_LINE_BYTES));
    assert_eq!((words.lines.len(), words.total_lines), (1, None), "a cut line is left out");
}

#[test]
fn m4_the_fluentd_sidecar_names_the_file_that_it_misses() {
    let root = Root::new();
    root.write("0.log", &(line(1, "2031-03-17 10:12:01 +0000 [info]: init supervisor logger path=nil rotate_age=nil")
        + &line(1, "/usr/lib/ruby/3.1.0/fluent/supervisor.rb:1: `initialize': No such file or directory @ rb_sysopen - /fluentd/etc/fluent.conf (Errno::ENOENT)")
        + &line(2, "\tfrom /usr/bin/fluentd:15:in `<main>'")));
    let words = root.read(&instance()).unwrap();
    assert!(words.lines[words.matters.unwrap()].contains("/fluentd/etc/fluent.conf"));
}

#[test]
fn secrets_and_control_characters_do_not_come_along() {
    let root = Root::new();
    let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let mut text = line(1, key) + &line(1, "-----END PRIVATE KEY-----");
    text += &line(1, "password=\u{1b}[1mcorrecthorse\u{7}battery");
    text += &line(2, "-----BEGIN RSA PRIVATE KEY-----");
    for _ in 0..4 {
        text += &line(2, key);
    }
    text += &line(2, "-----END RSA PRIVATE KEY-----");
    text += &line(3, "fatal: postgres://app:s3cr3tpass@db/x?sslkey=abc refused\u{202e}");
    text += &line(4, "\u{9b}31m-----BEGIN EC PRIVATE KEY-----");
    text += &line(4, key);
    root.write("0.log", &text);
    let words = root.read(&instance()).unwrap();
    let all = words.lines.join("\n");
    for secret in [
        "MIIE",
        "correcthorse",
        "battery",
        "s3cr3tpass",
        "sslkey=abc",
        "\u{202e}",
        "\u{1b}",
        "\u{9b}",
    ] {
        assert!(!all.contains(secret), "{secret:?} in {all}");
    }
    assert!(all.contains("fatal: postgres://"), "{all}");
}

#[test]
fn a_copy_without_frames_is_read_as_it_is() {
    let root = Root::new();
    root.write("0.log", "starting\r\nError: no config\r\n");
    let words = root.read(&instance()).unwrap();
    assert_eq!(
        (words.lines.join("|"), words.matters),
        ("starting|Error: no config".into(), Some(1))
    );
    assert_eq!(words.last_at, None);
}
