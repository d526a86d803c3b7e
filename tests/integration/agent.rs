//! The built agent as a process of its own: configuration and state in a temporary folder, ended by
//! its process id.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::wait;

/// What differs between the agents that tests need.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its own folder: configuration, state, log.
    pub folder: PathBuf,
    /// What stands in for `/` of the journal.
    pub journal_root: PathBuf,
    /// Where it sends to.
    pub endpoint: String,
    /// Its name in every id.
    pub node: String,
    /// Further lines of its configuration.
    pub more: String,
    /// Its environment.
    pub variables: Vec<(&'static str, String)>,
}

impl Setup {
    pub fn new(folder: &Path, journal_root: &Path, endpoint: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            journal_root: journal_root.to_owned(),
            endpoint: endpoint.to_owned(),
            node: "node-a".to_owned(),
            more: String::new(),
            variables: Vec::new(),
        }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("agent.log")
    }

    /// Where its configuration is, once it was started.
    pub fn config_file(&self) -> PathBuf {
        self.folder.join("config.yaml")
    }

    fn config(&self) -> String {
        let (folder, root) = (self.folder.display(), self.journal_root.display());
        format!(
            "node_name: {}\n\
             state: {{ folder: {folder}/state }}\n\
             journal:\n  root: {root}\n  \
             catchup: {{ cpu: 1 }}\n\
             diagnosis: {{ repeats: every }}\n\
             node:\n  interval: 1s\n  cni:\n    runtime: containerd\n    \
             config_folders: [{folder}/cni/net.d]\n    plugin_folders: [{folder}/cni/bin]\n  \
             disk: {{ kubelet: [{folder}], runtime: [{folder}] }}\n\
             export: {{ endpoint: \"{}\", start_jitter: 0s }}\n\
             http: {{ listen: '127.0.0.1:0' }}\n\
             page: {{ listen: '127.0.0.1:0' }}\n\
             log: {{ level: debug, format: text }}\n{}",
            self.node, self.endpoint, self.more
        )
    }

    /// A pod network that is ready: a configuration, and a plugin that can be executed.
    fn make_cni(&self) {
        use std::os::unix::fs::PermissionsExt;
        let (net, bin) = (self.folder.join("cni/net.d"), self.folder.join("cni/bin"));
        std::fs::create_dir_all(&net).unwrap();
        std::fs::create_dir_all(&bin).unwrap();
        let list = r#"{"cniVersion":"1.0.0","name":"podnet","plugins":[{"type":"bridge"}]}"#;
        std::fs::write(net.join("10-podnet.conflist"), list).unwrap();
        std::fs::write(bin.join("bridge"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(bin.join("bridge"), PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Starts the agent; its log is appended to `agent.log`.
    pub fn start(&self) -> Agent {
        self.spawn(Command::new(env!("CARGO_BIN_EXE_podwhy")))
    }

    /// Reads what there is, delivers it, and ends.
    pub fn once(&self) -> ExitStatus {
        let mut agent = self.spawn_with(Command::new(env!("CARGO_BIN_EXE_podwhy")), &["--once"]);
        let mut status = None;
        wait::until("the agent ends by itself", Duration::from_secs(300), || {
            status = agent.child.try_wait().expect("its status");
            status.is_some()
        });
        status.unwrap()
    }

    /// The same, and what it sends can be read.
    pub fn start_plain(&self) -> Agent {
        let mut command = Command::new("env");
        command.arg("PODWHY_EXPORT_COMPRESSION=none").arg(env!("CARGO_BIN_EXE_podwhy"));
        self.spawn(command)
    }

    /// The same in a mount namespace of its own, after `script` has run there.
    pub fn start_after(&self, script: &str) -> Agent {
        self.start_in(&["--mount", "--propagation", "private"], script)
    }

    /// The same in these namespaces of its own.
    pub fn start_in(&self, namespaces: &[&str], script: &str) -> Agent {
        let mut command = Command::new("unshare");
        // `exec` keeps the process id, so the agent can be ended by it.
        let script = format!("{script} && exec \"$0\" \"$@\"");
        command.args(namespaces).args(["sh", "-c", &script]);
        command.arg(env!("CARGO_BIN_EXE_podwhy"));
        self.spawn(command)
    }

    /// As somebody who is not root.
    pub fn start_as(&self, uid: u32) -> Agent {
        let id = uid.to_string();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
        command.arg(env!("CARGO_BIN_EXE_podwhy"));
        self.spawn(command)
    }

    fn spawn(&self, command: Command) -> Agent {
        self.spawn_with(command, &[])
    }

    fn spawn_with(&self, mut command: Command, arguments: &[&str]) -> Agent {
        self.make_cni();
        let config = self.config_file();
        std::fs::write(&config, self.config()).unwrap();
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        command.arg("agent").arg("--config").arg(config).args(arguments).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Agent { child: command.spawn().expect("the agent starts") }
    }
}

/// A running agent, ended when dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
}

impl Agent {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// SIGTERM, and its exit status; fails when it takes longer than Kubernetes would wait.
    pub fn terminate(&mut self) -> ExitStatus {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::TERM).expect("it runs");
        let mut status = None;
        wait::until("the agent ends after SIGTERM", Duration::from_secs(30), || {
            status = self.child.try_wait().expect("its status");
            status.is_some()
        });
        status.unwrap()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The reader child's process id, while there is one.
    pub fn reader(&self) -> Option<u32> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).ok()?;
        threads.flatten().find_map(|thread| {
            let children = std::fs::read_to_string(thread.path().join("children")).ok()?;
            children.split_whitespace().find_map(|pid| pid.parse().ok())
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}
