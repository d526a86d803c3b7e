//! Folders as nodes have them, and what the runtimes make of them.

use std::fs;

use super::*;

const BRIDGE: &str = r#"{"cniVersion":"0.4.0","name":"pods","plugins":[
  {"type":"bridge","ipam":{"type":"host-local","ranges":[[{"subnet":"10.85.0.0/29"}]]}},
  {"type":"portmap"}]}"#;

/// A node's folders under a temporary one.
struct Node {
    folder: tempfile::TempDir,
    config: CniConfig,
    is_in_pod: bool,
}

impl Node {
    fn new(files: &[(&str, &str)], plugins: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["net.d", "bin", "networks"] {
            fs::create_dir(at(name)).unwrap();
        }
        for (name, text) in files {
            fs::write(at("net.d").join(name), text).unwrap();
        }
        let config = CniConfig {
            runtime: Runtime::Containerd,
            config_folders: vec![at("absent"), at("net.d")],
            plugin_folders: vec![at("absent"), at("bin")],
            lease_folder: at("networks"),
            ..CniConfig::default()
        };
        let node = Self { folder, config, is_in_pod: false };
        for plugin in plugins {
            node.program(plugin, "elf", 0o755);
        }
        node
    }

    fn program(&self, name: &str, content: &str, mode: u32) {
        let path = self.folder.path().join("bin").join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn lease(&self, network: &str, address: &str) {
        let folder = self.folder.path().join("networks").join(network);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(address), "").unwrap();
    }

    fn look(&self) -> Result<Cni, String> {
        Look { config: &self.config, is_in_pod: self.is_in_pod }.now(7)
    }

    /// Why it is not ready, and what is said of it without the folder's own name.
    fn fault(&self) -> (CniReason, String) {
        let cni = self.look().unwrap();
        assert!(!cni.ready);
        let folder = self.folder.path().to_str().unwrap();
        (cni.reason.unwrap(), cni.detail.unwrap().replace(folder, ""))
    }
}

const ALL: [&str; 3] = ["bridge", "host-local", "portmap"];

#[test]
fn a_whole_chain_with_its_plugins_is_ready() {
    let node = Node::new(&[("10-bridge.conflist", BRIDGE)], &ALL);
    node.lease("pods", "10.85.0.2");
    let cni = node.look().unwrap();
    assert_eq!(cni.at, 7);
    assert_eq!((cni.ready, cni.reason, cni.detail), (true, None, None));
    assert_eq!((cni.leases_used, cni.leases_free), (Some(1), Some(4)));
}

#[test]
fn a_folder_without_a_configuration_is_not_ready() {
    let node =
        Node::new(&[("calico-kubeconfig", "x"), ("README.md", "x"), ("a.conf.bak", "x")], &ALL);
    fs::create_dir(node.folder.path().join("net.d/a.conflist")).unwrap();
    assert_eq!(
        node.fault(),
        (CniReason::ConfigMissing, "no .conf, .conflist or .json in /net.d".into())
    );
    fs::remove_dir_all(node.folder.path().join("net.d")).unwrap();
    let fault = (CniReason::ConfigFolderMissing, "none of /absent, /net.d exists".to_owned());
    assert_eq!(node.fault(), fault);
}

#[test]
fn containerd_takes_the_first_by_name_even_when_it_is_invalid() {
    let node = Node::new(&[("20-good.conflist", BRIDGE), ("10-bad.conflist", "{\"name\": ")], &ALL);
    let (reason, detail) = node.fault();
    assert_eq!(reason, CniReason::ConfigInvalid);
    assert!(detail.starts_with("/net.d/10-bad.conflist: is not JSON: EOF"), "{detail}");
    // Upper case sorts before lower case, as bytes do.
    let node = Node::new(&[("a.conflist", BRIDGE), ("B.conf", "{}")], &ALL);
    assert_eq!(node.fault().1, "/net.d/B.conf: has no type");
}

#[test]
fn crio_passes_over_what_is_invalid_or_lacks_a_plugin() {
    let other = BRIDGE.replace("\"bridge\"", "\"absent\"").replace("pods", "other");
    let mut node = Node::new(
        &[("10-bad.conflist", "{"), ("20-other.conflist", &other), ("30-good.conflist", BRIDGE)],
        &ALL,
    );
    node.config.runtime = Runtime::Crio;
    assert!(node.look().unwrap().ready);
    node.config.default_network = Some("other".into());
    let (reason, detail) = node.fault();
    assert_eq!(reason, CniReason::PluginMissing);
    assert_eq!(detail, "/net.d/20-other.conflist: plugin absent is in none of /absent, /bin");
    node.config.default_network = Some("unheard".into());
    assert_eq!(node.fault().0, CniReason::ConfigInvalid, "the first fault is the one to mend");
}

#[test]
fn crio_is_told_by_its_own_configuration() {
    let mut node =
        Node::new(&[("05-bad.conf", "{"), ("11-crio-ipv4-bridge.conflist", BRIDGE)], &ALL);
    node.config.runtime = Runtime::Auto;
    assert!(node.look().unwrap().ready);
}

#[test]
fn what_libcni_refuses_is_invalid() {
    for (name, text, why) in [
        ("a.conflist", r#"{"plugins":[{"type":"bridge"}]}"#, "has no name"),
        ("a.conflist", r#"{"name":7,"plugins":[{"type":"bridge"}]}"#, "has no name"),
        ("a.conflist", r#"{"name":"a","plugins":{}}"#, "its plugins are no list"),
        ("a.conflist", r#"{"name":"a","plugins":[]}"#, "has no plugins"),
        ("a.conflist", r#"{"name":"a"}"#, "has no plugins"),
        ("a.conflist", r#"{"name":"a","plugins":[{}]}"#, "has a plugin without a type"),
        ("a.conf", r#"{"name":"a"}"#, "has no type"),
        ("a.json", BRIDGE, "holds a list of plugins: call it .conflist"),
        ("a.conf", "[]", "is not a JSON object"),
        ("a.conf", "", "is not JSON: EOF while parsing a value at line 1 column 0"),
        ("a.conf", "\u{feff}{}", "is not JSON: expected value at line 1 column 1"),
    ] {
        let node = Node::new(&[(name, text)], &ALL);
        assert_eq!(node.fault(), (CniReason::ConfigInvalid, format!("/net.d/{name}: {why}")));
    }
    let node = Node::new(&[("a.conf", &" ".repeat((2 << 20) + 1))], &ALL);
    assert_eq!(node.fault().1, "/net.d/a.conf: is larger than 2 MiB");
}

#[test]
fn a_single_plugin_in_a_conf_file_is_ready() {
    let text = r#"{"cniVersion":"0.3.1","name":"weave","type":"weave-net"}"#;
    assert!(Node::new(&[("10-weave.conf", text)], &["weave-net"]).look().unwrap().ready);
}

#[test]
fn plugins_may_lie_in_files_of_their_own() {
    let node = Node::new(&[("10-a.conflist", r#"{"name":"a"}"#)], &["bridge"]);
    let folder = node.folder.path().join("net.d/a");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("1.conf"), r#"{"type":"bridge"}"#).unwrap();
    assert!(node.look().unwrap().ready);
    fs::write(folder.join("2.conf"), r#"{"type":"gone"}"#).unwrap();
    assert_eq!(node.fault().0, CniReason::PluginMissing);
}

#[test]
fn every_program_of_the_chain_must_be_there_and_run() {
    let node = Node::new(&[("10-bridge.conflist", BRIDGE)], &["bridge", "portmap"]);
    let missing = "/net.d/10-bridge.conflist: plugin host-local is in none of /absent, /bin";
    assert_eq!(node.fault(), (CniReason::PluginMissing, missing.into()));
    node.program("host-local", "elf", 0o644);
    let blocked = "/net.d/10-bridge.conflist: plugin host-local is not executable";
    assert_eq!(node.fault(), (CniReason::PluginNotExecutable, blocked.into()));
    node.program("host-local", "", 0o755);
    assert_eq!(node.fault().0, CniReason::PluginNotExecutable);
    node.program("host-local", "elf", 0o755);
    assert!(node.look().unwrap().ready);
}

#[test]
fn no_address_left_is_not_ready() {
    let node = Node::new(&[("10-bridge.conflist", BRIDGE)], &ALL);
    for last in 2..=6 {
        node.lease("pods", &format!("10.85.0.{last}"));
    }
    let detail = "network pods: all 5 addresses are leased".to_owned();
    assert_eq!(node.fault(), (CniReason::AddressesExhausted, detail));
}

#[test]
fn in_a_pod_what_is_not_mounted_says_nothing_about_the_node() {
    let mut node = Node::new(&[("10-bridge.conflist", BRIDGE)], &ALL);
    node.is_in_pod = true;
    fs::remove_dir_all(node.folder.path().join("bin")).unwrap();
    assert!(node.look().unwrap().ready, "no plugin folder is mounted");
    fs::create_dir(node.folder.path().join("bin")).unwrap();
    assert!(node.look().unwrap().ready, "the kubelet makes a folder for its mount");
    for plugin in ALL {
        std::os::unix::fs::symlink("/not/mounted", node.folder.path().join("bin").join(plugin))
            .unwrap();
    }
    assert!(node.look().unwrap().ready, "links may lead to what is not mounted");
    fs::remove_dir_all(node.folder.path().join("net.d")).unwrap();
    let error = node.look().unwrap_err();
    assert!(error.ends_with("is mounted into this pod: mount the node's"), "{error}");
}
