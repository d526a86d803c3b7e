//! A real systemd-journald of the test's own: its folders lie under a temporary root that stands in
//! for `/run` and `/var/log` inside a private mount namespace, so any number run side by side.
//! Lines are written as any unit by the stdout stream protocol. Ended by its process id.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::wait;

const JOURNALD: &str = "/lib/systemd/systemd-journald";
const REMOTE: &str = "/lib/systemd/systemd-journal-remote";

/// Why a test with a journald of its own cannot run here, or `None`.
pub fn missing() -> Option<String> {
    for program in [
        JOURNALD,
        REMOTE,
        "/usr/bin/unshare",
        "/usr/bin/nsenter",
        "/usr/bin/setpriv",
        "/usr/bin/python3",
    ] {
        if !Path::new(program).exists() {
            return Some(format!("{program} is not installed"));
        }
    }
    let allowed = Command::new("unshare").args(["--mount", "true"]).output();
    match allowed {
        Ok(output) if output.status.success() => None,
        _ => Some("a private mount namespace needs root".to_owned()),
    }
}

/// Whether a test that needs a journald can run. Says by name that it was skipped; in CI a skip is
/// a failure.
pub fn available(test: &str) -> bool {
    let Some(why) = missing() else { return true };
    assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED {test}: {why}");
    println!("SKIPPED {test}: {why}");
    false
}

/// Whether the program under test was built with the faults that tests order.
pub fn with_faults(test: &str) -> bool {
    if cfg!(feature = "test-faults") {
        return true;
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED {test}: no test-faults");
    println!("SKIPPED {test}: built without --features test-faults");
    false
}

/// A script that can be run.
pub fn write_program(path: &Path, script: &str) {
    std::fs::write(path, script).expect("a script");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
}

/// What differs between the journals that tests need.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Kept over a reboot, in `var/log/journal`, else only in `run/log/journal`.
    pub persistent: bool,
    /// `RateLimitBurst`; 0 is no limit.
    pub burst: u32,
    /// `…MaxFileSize` and `…MaxUse` in MiB; 0 leaves journald's own.
    pub file_mib_max: u32,
    /// See `file_mib_max`.
    pub use_mib_max: u32,
    /// Persistent, but still in memory, as early in a boot.
    pub unflushed: bool,
    /// `LineMax` in MiB; 0 leaves journald's own.
    pub line_max_mib: u32,
    /// `RateLimitIntervalSec`; 0 leaves journald's own.
    pub interval_seconds: u32,
    /// The journal namespace that it serves; empty is none.
    pub namespace: &'static str,
}

impl Settings {
    /// What journald adds to its names: `.kubelet`.
    fn suffix(&self) -> String {
        if self.namespace.is_empty() { String::new() } else { format!(".{}", self.namespace) }
    }
}

/// A running journald, ended when dropped.
#[derive(Debug)]
pub struct Journald {
    child: Child,
    root: Arc<tempfile::TempDir>,
    settings: Settings,
}

impl Journald {
    /// Starts one and waits until it takes lines.
    pub fn start(settings: Settings) -> Self {
        // What is flushed to disk journald removes from memory only.
        let root = match settings.unflushed {
            true => tempfile::tempdir_in("/dev/shm"),
            false => tempfile::tempdir(),
        };
        let root = root.expect("a temporary folder");
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755))
            .expect("a folder of the test");
        Self::start_in(Arc::new(root), settings)
    }

    /// One more of the same node, for a namespace.
    pub fn beside(&self, settings: Settings) -> Self {
        Self::start_in(Arc::clone(&self.root), settings)
    }

    fn start_in(root: Arc<tempfile::TempDir>, settings: Settings) -> Self {
        let suffix = settings.suffix();
        let (sockets, etc) = (format!("run/systemd/journal{suffix}"), format!("etc{suffix}"));
        for folder in [sockets.as_str(), "run/log", "var/log", etc.as_str()] {
            std::fs::create_dir_all(root.path().join(folder)).expect("a folder of the test");
        }
        let child = Self::spawn(root.path(), settings);
        let journald = Self { child, root, settings };
        journald.ready();
        journald
    }

    fn spawn(root: &Path, settings: Settings) -> Child {
        let kind = if settings.persistent { "persistent" } else { "volatile" };
        // What the machine's own kernel says belongs to no test.
        let mut text = format!(
            "[Journal]\nStorage={kind}\nRateLimitBurst={}\nForwardToSyslog=no\nAudit=no\n\
             ReadKMsg=no\n",
            settings.burst
        );
        if settings.burst == 0 {
            text += "RateLimitIntervalSec=0\n";
        }
        if settings.line_max_mib > 0 {
            text += &format!("LineMax={}M\n", settings.line_max_mib);
        }
        if settings.burst > 0 && settings.interval_seconds > 0 {
            text += &format!("RateLimitIntervalSec={}\n", settings.interval_seconds);
        }
        for (name, mib) in
            [("MaxFileSize", settings.file_mib_max), ("MaxUse", settings.use_mib_max)]
        {
            if mib > 0 {
                text += &format!("System{name}={mib}M\nRuntime{name}={mib}M\n");
            }
        }
        let suffix = settings.suffix();
        let etc = root.join(format!("etc{suffix}"));
        std::fs::write(etc.join("test.conf"), text).expect("a folder of the test");
        if settings.persistent {
            // The marks that the boot's flush to disk has taken place.
            if !settings.unflushed {
                std::fs::write(root.join("run/systemd/journal/flushed"), "")
                    .expect("a folder of the test");
            }
            std::fs::create_dir_all(root.join("var/log/journal")).expect("a folder of the test");
        }
        // `exec` keeps the process id, so ending the child ends journald.
        let script = "set -e
            of=journald${3:+@$3}.conf.d
            mkdir -p /etc/systemd/$of
            mount --bind \"$2\" /etc/systemd/$of
            mount --bind \"$1/var/log\" /var/log
            mount --bind \"$1/run\" /run
            exec /lib/systemd/systemd-journald $3";
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(root)
            .arg(etc)
            .arg(settings.namespace)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare starts")
    }

    fn ready(&self) {
        let socket = self.socket();
        wait::until("journald takes lines", Duration::from_secs(20), || {
            UnixStream::connect(&socket).is_ok() && !self.files().is_empty()
        });
    }

    /// Ends it with SIGKILL and starts it anew on the same folders.
    pub fn restart(&mut self) {
        self.end();
        let _ = std::fs::remove_file(self.socket());
        self.child = Self::spawn(self.root.path(), self.settings);
        self.ready();
    }

    /// Ends it with SIGKILL; its files stay.
    pub fn stop(&mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// `USR2` makes it rotate.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        let id = rustix::process::Pid::from_raw(id).expect("it runs");
        rustix::process::kill_process(id, signal).expect("it is ours");
    }

    /// What stands in for `/`: journals are under `run/log/journal` and `var/log/journal`.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    fn socket(&self) -> PathBuf {
        self.root().join(format!("run/systemd/journal{}/stdout", self.settings.suffix()))
    }

    /// All journal files, the active ones and the archived, sorted by name.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = journal_files(self.root());
        let suffix = self.settings.suffix();
        files.retain(|file| {
            let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
            let folder = folder.to_string_lossy();
            if suffix.is_empty() { !folder.contains('.') } else { folder.ends_with(&suffix) }
        });
        files
    }

    /// The file that is being written.
    pub fn active_file(&self) -> PathBuf {
        let is_active = |path: &PathBuf| path.file_name().is_some_and(|n| n == "system.journal");
        self.files().into_iter().find(is_active).expect("an active journal file")
    }

    /// A stream whose lines are stored with `_SYSTEMD_UNIT=unit` and `_UID=0`.
    pub fn stream(&self, identifier: &str, unit: &str) -> Stream {
        let mut socket = UnixStream::connect(self.socket()).expect("journald's stream socket");
        // identifier, unit, priority, level prefix, forwarding to syslog, kmsg and console
        let head = format!("{identifier}\n{unit}\n6\n0\n0\n0\n0\n");
        socket.write_all(head.as_bytes()).expect("journald reads");
        Stream { cat: Stream::cat(&socket), socket }
    }

    /// One line through the native protocol, with fields of the sender's choice (never trusted
    /// ones). `uid` is who sends it.
    pub fn log_as(&self, uid: u32, identifier: &str, text: &str) {
        let id = uid.to_string();
        let mut command = self.inside("setpriv");
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
        command.args(["systemd-cat", "-t", identifier, "echo", text]);
        succeed(command.output());
    }

    /// Closes the active files and starts new ones.
    pub fn rotate(&self) {
        succeed(self.journalctl().arg("--rotate").output());
    }

    /// Removes archived files until at most `files` are left.
    pub fn vacuum(&self, files: u32) {
        succeed(self.journalctl().arg(format!("--vacuum-files={files}")).output());
    }

    /// Returns when everything sent so far is written.
    pub fn sync(&self) {
        succeed(self.journalctl().arg("--sync").output());
    }

    /// What `journalctl -o cat MATCH…` shows: the judge of what is there.
    pub fn cat(&self, matches: &[&str]) -> Vec<String> {
        let output = self.journalctl().args(["-o", "cat", "-q", "-a"]).args(matches).output();
        let output = output.expect("journalctl runs");
        BufReader::new(output.stdout.as_slice()).lines().map(|line| line.expect("UTF-8")).collect()
    }

    /// journalctl of this journal.
    fn journalctl(&self) -> Command {
        let mut command = self.inside("journalctl");
        if !self.settings.namespace.is_empty() {
            command.arg(format!("--namespace={}", self.settings.namespace));
        }
        command
    }

    /// A command inside the journald's mount namespace.
    pub fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.child.id().to_string(), program]);
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        self.end();
    }
}

/// A connection on which each written line becomes an entry.
///
/// journald looks at who writes and remembers one unit per process id: so that a test can write as
/// several units, each stream has a process of its own that copies its lines.
#[derive(Debug)]
pub struct Stream {
    cat: Child,
    socket: UnixStream,
}

impl Stream {
    fn cat(socket: &UnixStream) -> Child {
        let socket: OwnedFd = socket.try_clone().expect("a copy of the socket").into();
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).stdout(socket).spawn().expect("cat starts")
    }

    /// Writes one line.
    pub fn line(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Writes one line of any bytes but the newline.
    pub fn bytes(&mut self, text: &[u8]) {
        let mut line = text.to_vec();
        line.push(b'\n');
        let pipe = self.cat.stdin.as_mut().expect("cat's input");
        pipe.write_all(&line).expect("cat reads");
    }

    /// Returns when all lines so far are on their way to journald: what `Journald::sync` waits for.
    pub fn flush(&mut self) {
        self.end();
        self.cat = Self::cat(&self.socket);
    }

    fn end(&mut self) {
        drop(self.cat.stdin.take());
        let _ = self.cat.wait();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.end();
    }
}

/// One entry of a journal that is written as a whole: the fields, trusted ones too.
pub type Entry<'a> = Vec<(&'a str, Vec<u8>)>;

/// Writes `entries` as a closed journal `root/var/log/journal/<machine>/system.journal`. This is how
/// kernel lines, foreign boots and damaged texts come into a journal.
pub fn write_journal(root: &Path, entries: &[Entry<'_>]) -> PathBuf {
    let folder = root.join("var/log/journal/3d1219c7c4c5404aaa1f6d2a48adfda4");
    std::fs::create_dir_all(&folder).expect("a folder of the test");
    let path = folder.join("system.journal");
    let mut export = Vec::new();
    for entry in entries {
        for (name, value) in entry {
            export.extend_from_slice(name.as_bytes());
            // The binary form holds any bytes (newline, 64-bit length, value), but not none.
            if value.is_empty() || std::str::from_utf8(value).is_ok_and(|v| !v.contains('\n')) {
                export.push(b'=');
            } else {
                export.push(b'\n');
                export.extend_from_slice(&(value.len() as u64).to_le_bytes());
            }
            export.extend_from_slice(value);
            export.push(b'\n');
        }
        export.push(b'\n');
    }
    let source = root.join("entries.export");
    std::fs::write(&source, export).expect("a folder of the test");
    import(&source, &path);
    path
}

/// Makes a closed journal file of entries in the export format.
pub fn import(export: &Path, journal: &Path) {
    let mut remote = Command::new(REMOTE);
    remote.arg("-o").arg(journal).arg(export);
    succeed(remote.output());
}

/// All journal files under a root, sorted by name.
pub fn journal_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["run/log/journal", "var/log/journal"] {
        for machine in entries_of(&root.join(folder)) {
            files.extend(
                entries_of(&machine).into_iter().filter(|path| {
                    path.extension().is_some_and(|extension| extension == "journal")
                }),
            );
        }
    }
    files.sort();
    files
}

fn entries_of(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).collect()
}

fn succeed(output: std::io::Result<Output>) {
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_journald_of_the_tests_own_stores_lines_under_the_unit_they_name() {
    if !available("a_journald_of_the_tests_own_stores_lines_under_the_unit_they_name") {
        return;
    }
    for persistent in [false, true] {
        let journald = Journald::start(Settings { persistent, ..Settings::default() });
        let mut kubelet = journald.stream("kubelet", "kubelet.service");
        for number in 0..100 {
            kubelet.line(&format!("line {number}"));
        }
        journald.log_as(65534, "kubelet", "forged");
        kubelet.flush();
        journald.sync();
        let seen = || journald.cat(&["_SYSTEMD_UNIT=kubelet.service"]).len() == 100;
        wait::until("the lines are stored", Duration::from_secs(10), seen);
        assert_eq!(journald.cat(&["SYSLOG_IDENTIFIER=kubelet", "_UID=65534"]), ["forged"]);
        journald.rotate();
        assert_eq!(journald.files().len(), 2, "{:?}", journald.files());
        journald.vacuum(1);
        wait::until("the old file is gone", Duration::from_secs(10), || {
            journald.files().len() == 1
        });
    }
}
