//! Names of sandboxes and containers as runtimes write them, by example.

use super::*;

const UID: &str = "7c1e5f3a-2b64-4d0e-9a17-5e8c0b3d6f21";
const CGROUP_UID: &str = "7c1e5f3a_2b64_4d0e_9a17_5e8c0b3d6f21";
const HASH: &str = "3f9a1c5e7b2d48060a9e4c1f8d573b62";
const ID: &str = "08e6d1f57c934ab2e0d8415b6f29c7a3d5104e8b97f26c3a1b0d84e572f96ac3";

fn raw<'a>(text: Option<Text<'a>>) -> Option<&'a str> {
    text.map(|text| text.raw())
}

fn names<'a>(pod: PodRef<'a>) -> (Option<&'a str>, Option<&'a str>, Option<&'a str>) {
    (raw(pod.namespace), raw(pod.name), raw(pod.uid))
}

#[test]
fn g49_reserved_names_are_read_from_the_right() {
    let of = |text: &str| {
        let text = String::from(text).leak();
        let found = reserved(Text::plain(text)).unwrap();
        (raw(found.container), names(found.pod), found.attempt)
    };
    let pod = (Some("123"), Some("ledger.v1-0"), Some(UID));
    for (front, container) in [
        ("", None),
        ("k8s_", None),
        ("k8s_POD_", None),
        ("k8s_ledger_", Some("ledger")),
        ("ledger_", Some("ledger")),
    ] {
        let name = format!("{front}ledger.v1-0_123_{UID}_3");
        assert_eq!(of(&name), (container, pod, Some(3)), "{name}");
    }
    assert_eq!(of(&format!("k8s_c_ledger.v1-0_123_{UID}_3_1f0c")), (Some("c"), pod, Some(3)));
    assert_eq!(reserved(Text::plain("a_b_c_d_e")), None);
    assert_eq!(reserved(Text::plain("")), None);
}

#[test]
fn g48_cgroups_of_both_drivers_name_pod_and_container() {
    let of = |text: &str| {
        let found = cgroup(String::from(text).leak());
        (raw(found.uid), raw(found.container_id))
    };
    let slice = format!("kubepods-burstable-pod{CGROUP_UID}.slice");
    for (path, uid, id) in [
        (
            format!("/kubepods.slice/kubepods-burstable.slice/{slice}/cri-containerd-{ID}.scope"),
            CGROUP_UID,
            Some(ID),
        ),
        (format!("/kubepods.slice/{slice}/crio-{ID}.scope/container"), CGROUP_UID, Some(ID)),
        (
            format!("/kubepods.slice/kubepods-pod{CGROUP_UID}.slice/docker-{ID}.scope"),
            CGROUP_UID,
            Some(ID),
        ),
        (format!("/kubepods/burstable/pod{UID}/{ID}"), UID, Some(ID)),
        (format!("/kubepods/besteffort/pod{HASH}"), HASH, None),
        (format!("/kubelet.slice/{slice}:cri-containerd:{ID}"), CGROUP_UID, Some(ID)),
        (
            format!(
                "/kubepods/podffffffff-2b64-4d0e-9a17-5e8c0b3d6f21/{ID}/kubepods/pod{UID}/{ID}"
            ),
            UID,
            Some(ID),
        ),
    ] {
        assert_eq!(of(&path), (Some(uid), id), "{path}");
    }
    assert_eq!(of(&format!("cri-containerd-{ID}.scope")), (None, Some(ID)));
    assert_eq!(of("/kubepods.slice"), (None, None));
    assert_eq!(of("/system.slice/podman.service"), (None, None));
}

#[test]
fn g60_both_metadata_forms_say_the_same_whatever_the_blanks() {
    let gogo = "&PodSandboxMetadata{Name:web-0,Uid:u,Namespace:shop,Attempt:2,} failed";
    let one = r#"name:"web-0" uid:"u" namespace:"shop" attempt:2 failed"#;
    let two = r#"name:"web-0"  uid:"u" namespace:"shop"  attempt:2 failed"#;
    for text in [gogo, one, two] {
        let (found, rest) = metadata(Text::plain(text), false).unwrap();
        assert_eq!(names(found.pod()), (Some("shop"), Some("web-0"), Some("u")), "{text}");
        assert_eq!((found.attempt, rest.raw()), (Some(2), " failed"), "{text}");
    }
    let (found, rest) = metadata(Text::plain(r#"name:"c" returns"#), true).unwrap();
    assert_eq!((raw(found.name), found.attempt, rest.raw()), (Some("c"), Some(0), " returns"));
    let (found, _) =
        metadata(Text::plain("\\u0026ContainerMetadata{Name:c,Attempt:1,}"), true).unwrap();
    assert_eq!((raw(found.name), found.attempt), (Some("c"), Some(1)));
    for text in ["", "nil", "&PodSandboxMetadata{Name:web-0,Uid", "failed"] {
        assert_eq!(metadata(Text::plain(text), false), None, "{text}");
    }
    let (found, _) = metadata(Text::plain(r#"name:"web-0" uid:"7c1e"#), true).unwrap();
    assert_eq!((raw(found.name), raw(found.uid), found.attempt), (Some("web-0"), None, None));
}
