//! Volumes, where they are mounted, and paths that nobody provides (R62–R66, R92).

use std::collections::BTreeMap;

use super::{Said, said};
use crate::fact::{Container, Mount, Pod, VolumeKind};

pub(super) fn judge(pod: &Pod, all: &mut Vec<Said>) {
    modes(pod, all);
    objects(pod, all);
    owners(pod, all);
    for container in &pod.containers {
        clashes(pod, container, all);
        over_a_file(pod, container, all);
        paths(pod, container, all);
    }
}

/// R92: one volume, written by one and read-only for another.
fn modes(pod: &Pod, all: &mut Vec<Said>) {
    for volume in &pod.volumes {
        let mounts = pod.containers.iter().flat_map(|container| {
            let mounts = container.mounts.iter().filter(|mount| mount.volume == volume.name);
            mounts.map(move |mount| (container, mount))
        });
        let (read_only, written): (Vec<_>, Vec<_>) = mounts.partition(|(_, mount)| mount.read_only);
        let (Some((reader, _)), Some((writer, _))) = (read_only.first(), written.first()) else {
            continue;
        };
        if reader.name == writer.name {
            continue;
        }
        let text = format!(
            "volume {} is writable in {} and read-only in {}: if {} writes there too, a lock or a \
             cache is enough, it fails with `Read-only file system`",
            volume.name, writer.name, reader.name, reader.name
        );
        let what = "make sure that the reader writes nothing there, or mount it writable in both";
        all.push(said("volume_modes_differ", Some(reader), text, what));
    }
}

/// A volume is a folder, whatever its mount path is called.
fn over_a_file(pod: &Pod, container: &Container, all: &mut Vec<Said>) {
    const OF_FILES: [&str; 14] = [
        "conf",
        "cnf",
        "cfg",
        "ini",
        "yaml",
        "yml",
        "json",
        "toml",
        "properties",
        "xml",
        "env",
        "pem",
        "crt",
        "html",
    ];
    let is_object = |mount: &&Mount| {
        pod.volumes.iter().any(|volume| {
            volume.name == mount.volume
                && matches!(volume.kind, VolumeKind::ConfigMap | VolumeKind::Secret)
        })
    };
    let is_file = |mount: &&Mount| {
        let ending = mount.path.rsplit('/').next().and_then(|name| name.rsplit_once('.'));
        mount.sub_path.is_none() && ending.is_some_and(|(_, ending)| OF_FILES.contains(&ending))
    };
    if let Some(mount) = container.mounts.iter().filter(is_object).find(is_file) {
        let text = format!(
            "volume {} is mounted at {}, which is called like a file: it becomes a folder there, and \
             where the image has that file the container does not start",
            mount.volume, mount.path
        );
        let what = "mount its key with subPath, or mount the folder";
        all.push(said("folder_over_a_file", Some(container), text, what));
    }
}

/// R42: what has to exist before the pod.
fn objects(pod: &Pod, all: &mut Vec<Said>) {
    for volume in &pod.volumes {
        let kind = match volume.kind {
            VolumeKind::ConfigMap => "ConfigMap",
            VolumeKind::Secret => "Secret",
            _ => continue,
        };
        let name = volume.source.as_deref().unwrap_or_default();
        if volume.optional {
            let text = format!(
                "{kind} {name} is optional: without it the container starts with an empty folder, and \
                 fails later with a missing file instead of a clear message"
            );
            let what = "leave out `optional` where the container cannot do without it";
            all.push(said("optional_object", None, text, what));
        }
    }
    let names: Vec<&str> = pod.volumes.iter().map(|volume| volume.name.as_str()).collect();
    for container in &pod.containers {
        for mount in &container.mounts {
            // Added by the API itself.
            let is_told = names.contains(&mount.volume.as_str())
                || mount.volume.starts_with("kube-api-access-")
                || pod.volumes.is_empty();
            if !is_told {
                let text = format!(
                    "{} is to be mounted from volume {}, which the pod does not have",
                    mount.path, mount.volume
                );
                let what = "add the volume under volumes, or correct its name";
                all.push(said("unknown_volume", Some(container), text, what));
            }
        }
    }
}

/// R64: a claim that somebody but root is to write.
fn owners(pod: &Pod, all: &mut Vec<Said>) {
    for container in &pod.containers {
        let user = container.run_as_user.or(pod.run_as_user).unwrap_or(0);
        let claim = container.mounts.iter().filter(|mount| !mount.read_only).find(|mount| {
            pod.volumes.iter().any(|it| it.name == mount.volume && it.kind == VolumeKind::Claim)
        });
        if let Some(mount) = claim.filter(|_| user != 0 && pod.fs_group.is_none()) {
            let text = format!(
                "it runs as user {user} and writes to claim volume {} without fsGroup: a fresh volume \
                 belongs to root, so writing fails with `Permission denied`",
                mount.volume
            );
            let what = "set securityContext.fsGroup of the pod to a group of that user";
            all.push(said("claim_without_group", Some(container), text, what));
        }
    }
}

/// R66: two mounts at one place, or one inside another that cannot take it.
fn clashes(pod: &Pod, container: &Container, all: &mut Vec<Said>) {
    let mut by_path: BTreeMap<&str, &Mount> = BTreeMap::new();
    for mount in &container.mounts {
        let path = mount.path.trim_end_matches('/');
        if let Some(other) = by_path.insert(path, mount) {
            let text = format!(
                "volumes {} and {} are both to be mounted at {path}: the API refuses the pod",
                other.volume, mount.volume
            );
            all.push(said("mount_twice", Some(container), text, "give each its own mountPath"));
        }
    }
    for outer in &container.mounts {
        let inner = container
            .mounts
            .iter()
            .find(|inner| inner.volume != outer.volume && is_below(&inner.path, &outer.path));
        let Some(inner) = inner else { continue };
        let kind = pod.volumes.iter().find(|it| it.name == outer.volume).map(|it| it.kind);
        let is_fixed = outer.read_only
            || matches!(
                kind,
                Some(VolumeKind::ConfigMap | VolumeKind::Secret | VolumeKind::Projected)
            );
        if is_fixed {
            let text = format!(
                "{} is mounted inside {}, which volume {} makes read-only: the runtime cannot make \
                 the folder there, and the container does not start",
                inner.path, outer.path, outer.volume
            );
            let what = "mount single files with subPath, or mount beside each other";
            all.push(said("mount_inside_read_only", Some(container), text, what));
        }
    }
}

/// R62: a path that the container is told, that a sibling has, and that it has not itself.
fn paths(pod: &Pod, container: &Container, all: &mut Vec<Said>) {
    let words = container.command.iter().chain(&container.args);
    for path in words.flat_map(|word| absolute(word)) {
        let own = container
            .mounts
            .iter()
            .any(|mount| is_below(path, &mount.path) || path == mount.path.trim_end_matches('/'));
        if own {
            continue;
        }
        let siblings = pod.containers.iter().filter(|other| other.name != container.name);
        let provider = siblings
            .flat_map(|other| other.mounts.iter().map(move |mount| (other, mount)))
            .find(|(_, mount)| is_below(path, &mount.path) && mount.path.len() > 1);
        if let Some((other, mount)) = provider {
            let here = container.mounts.iter().find(|own| own.volume == mount.volume);
            let here = here.map_or_else(
                || format!("{} does not mount it", container.name),
                |own| format!("{} mounts it at {}", container.name, own.path),
            );
            let text = format!(
                "it is told to use {path}; that lies in volume {}, which {} mounts at {}, but {here}",
                mount.volume, other.name, mount.path
            );
            let what = "mount the volume at the same path in both, or correct the path";
            all.push(said("path_only_in_sibling", Some(container), text, what));
        }
    }
}

/// Absolute paths in a word of a command.
fn absolute(word: &str) -> impl Iterator<Item = &str> {
    word.split([' ', '=', '"', '\'', ';', ',', '\n', '\t', '(', ')', '<', '>', '|', '&'])
        .filter(|piece| piece.len() > 2 && piece.starts_with('/') && !piece.starts_with("//"))
        .map(|piece| piece.trim_end_matches(['/', ':', '.']))
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder.trim_end_matches('/'))
        .is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
}
