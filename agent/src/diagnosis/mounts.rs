//! The path that a dead container missed, held against the mounts of all containers of its pod and
//! the file names in its volumes (M4, R62–R67). Names only; without a listing what it says is likely.

use super::case::{Seat, names::path_in, telling};
use crate::fact::{self, FileKind, Listing, Mount, Pod, Role, VolumeKind};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Finding {
    /// The path that was missed, or refused.
    pub(super) path: Option<String>,
    /// It lies on a volume that another container mounts too.
    pub(super) shared: Option<bool>,
    /// The file is in a volume of the pod, under another path than it was looked for.
    pub(super) elsewhere: Option<bool>,
    /// The same by the mounts alone: it lies on no volume of this container, and they suggest where
    /// it is instead.
    pub(super) suggested: Option<bool>,
    /// It appeared after the container's end.
    pub(super) later: Option<bool>,
    /// No volume of the pod holds it.
    pub(super) absent: Option<bool>,
    /// In words, most telling first.
    pub(super) told: Vec<String>,
    /// What the container's words complain of.
    pub(super) complaint: Option<Complaint>,
}

/// What a program says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    Missing,
    Denied,
    ReadOnly,
}

/// Words of programs, lower case.
const MISSING: &[&str] = &[
    "no such file or directory",
    "cannot load config file",
    "enoent",
    "filenotfounderror",
    "file not found",
    "does not exist",
    "cannot find",
    "could not find",
    "can't open",
    "cannot open",
    "unable to open",
];
const DENIED: &[&str] = &["permission denied", "eacces", "operation not permitted"];
const READ_ONLY: &[&str] = &["read-only file system", "erofs"];

const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The complaint of last words, and the path or bare file name that it is about.
pub(super) fn complaint(lines: &[String]) -> Option<(Complaint, &str)> {
    lines.iter().rev().find_map(|line| {
        let lower = line.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let kind = if has(READ_ONLY) {
            Complaint::ReadOnly
        } else if has(DENIED) {
            Complaint::Denied
        } else if has(MISSING) {
            Complaint::Missing
        } else {
            return None;
        };
        Some((kind, path_in(line).or_else(|| file_in(line))?))
    })
}

/// A bare name with an ending that files of configuration have.
fn file_in(line: &str) -> Option<&str> {
    const ENDINGS: &[&str] = &[
        ".conf",
        ".cfg",
        ".yaml",
        ".yml",
        ".json",
        ".toml",
        ".ini",
        ".properties",
        ".xml",
        ".pem",
        ".crt",
        ".key",
        ".env",
        ".sh",
    ];
    line.split([' ', '"', '\'', '`', '(', ')', '=', ',', ';'])
        .map(|word| word.trim_end_matches([':', '.']))
        .find(|word| {
            ENDINGS.iter().any(|ending| word.ends_with(ending) && word.len() > ending.len())
        })
}

/// Looks at the last words of the instance that is meant.
pub(super) fn look(seat: &Seat<'_>) -> Finding {
    let mut found = Finding::default();
    let Some(words) = seat.instance.and_then(|it| it.last_words.as_ref()) else { return found };
    let listing = seat.case.key.as_ref().and_then(|key| seat.world.listing(key));
    let ended = seat.instance.and_then(|it| it.ended);
    let spec = seat.case.key.as_ref().and_then(|key| seat.world.mounts(key));
    let (Some(spec), Some(name)) = (spec, seat.container) else {
        let Some((kind, path)) = complaint(&words.lines) else { return found };
        found.complaint = Some(kind);
        found.path = Some(path.to_owned());
        if let Some(listing) = listing.filter(|_| kind == Complaint::Missing) {
            unmounted(listing, path, ended, &mut found);
        }
        return found;
    };
    env(spec, name, telling(words), &mut found);
    let Some((kind, path)) = complaint(&words.lines) else { return found };
    found.complaint = Some(kind);
    found.path = Some(path.to_owned());
    let Some(container) = spec.container(name) else { return found };
    if path.starts_with(TOKEN) {
        token(spec, &mut found);
    }
    let mine = mount_of(container, path);
    if let Some(mount) = mine {
        shared(spec, container, mount, path, &mut found);
    } else if path.starts_with('/') {
        found.shared = Some(false);
    }
    match kind {
        Complaint::Missing => missing(spec, container, path, (mine, listing, ended), &mut found),
        Complaint::Denied => denied(spec, container, mine, listing, path, &mut found),
        Complaint::ReadOnly => read_only(spec, container, mine, &mut found),
    }
    found
}

/// The mount whose path is the longest that `path` lies below.
fn mount_of<'a>(container: &'a fact::Container, path: &str) -> Option<&'a Mount> {
    let is_below = |mount: &&Mount| below_root(mount, path).is_some();
    container.mounts.iter().filter(is_below).max_by_key(|mount| mount.path.len())
}

/// What is left of `path` below where the volume is mounted; `None` where it lies elsewhere.
fn below_root<'a>(mount: &Mount, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(mount.path.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// Who else mounts the volume of a mount, and where.
fn others<'a>(
    spec: &'a Pod,
    container: &'a fact::Container,
    volume: &'a str,
) -> impl Iterator<Item = (&'a fact::Container, &'a Mount)> {
    spec.containers.iter().filter(move |it| it.name != container.name).flat_map(move |it| {
        it.mounts.iter().filter(move |mount| mount.volume == volume).map(move |mount| (it, mount))
    })
}

fn shared(spec: &Pod, container: &fact::Container, mount: &Mount, path: &str, found: &mut Finding) {
    let with: Vec<String> = others(spec, container, &mount.volume)
        .map(|(other, mount)| format!("`{}` at {}", other.name, mount.path))
        .collect();
    found.shared = Some(!with.is_empty());
    if !with.is_empty() {
        found.told.push(format!(
            "{path} lies on volume `{}`, which {} mounts, too",
            mount.volume,
            with.join(" and ")
        ));
    }
}

type Known<'a> = (Option<&'a Mount>, Option<&'a Listing>, Option<i64>);

/// Where the file is instead.
fn missing(
    spec: &Pod,
    container: &fact::Container,
    path: &str,
    (mine, listing, ended): Known<'_>,
    found: &mut Finding,
) {
    let wanted = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path);
    let expected = mine.and_then(|mount| Some((mount.volume.as_str(), below(mount, path)?)));
    let places = places(spec, listing, wanted);
    for place in &places {
        let is_there = expected
            .as_ref()
            .is_some_and(|(volume, rest)| *volume == place.volume && *rest == place.path);
        if is_there {
            let is_later = place.modified.zip(ended).is_some_and(|(made, ended)| made > ended);
            found.later = Some(is_later || found.later == Some(true));
            if is_later {
                found.told.insert(0, format!("{path} appeared only after the container had ended"));
            }
            continue;
        }
        if place.is_listed {
            found.elsewhere = Some(true);
        } else {
            found.suggested = Some(true);
        }
        found.told.insert(0, elsewhere(spec, container, wanted, path, place));
    }
    let is_whole = listing.is_some_and(|listing| rest(listing, &places, wanted, found));
    if !is_whole && places.is_empty() && mine.is_none() && path.starts_with('/') {
        likely(spec, container, path, found);
    }
    found.suggested.get_or_insert(false);
}

/// Without a specification: a file that a volume of the pod holds, and that was missed all the same,
/// was looked for where that volume is not mounted, or too early.
fn unmounted(listing: &Listing, path: &str, ended: Option<i64>, found: &mut Finding) {
    let wanted = path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path);
    let places = places(&Pod::default(), Some(listing), wanted);
    for place in &places {
        let is_later = place.modified.zip(ended).is_some_and(|(made, ended)| made > ended);
        let volume = &place.volume;
        if is_later {
            found.later = Some(true);
            found.told.push(format!(
                "`{wanted}` appeared in volume `{volume}` only after the container had ended"
            ));
        } else {
            found.elsewhere = Some(true);
            found.told.push(format!(
                "`{wanted}` is in volume `{volume}` of the pod, at {} there; the container looked \
                 for it at {path}",
                place.path
            ));
        }
    }
    rest(listing, &places, wanted, found);
}

/// What follows where nothing was left out of the listing; whether that is so.
fn rest(listing: &Listing, places: &[Place], wanted: &str, found: &mut Finding) -> bool {
    let is_whole = listing.volumes.iter().all(|volume| !volume.truncated);
    if is_whole {
        found.elsewhere.get_or_insert(false);
        found.later.get_or_insert(false);
        found.absent = Some(places.is_empty());
        if places.is_empty() {
            found.told.push(format!("no volume of the pod holds a file named {wanted}"));
        }
    }
    is_whole
}

/// A file of the wanted name.
struct Place {
    volume: String,
    path: String,
    modified: Option<i64>,
    /// Seen, not only named by the specification.
    is_listed: bool,
}

fn places(spec: &Pod, listing: Option<&Listing>, wanted: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for volume in listing.iter().flat_map(|listing| &listing.volumes) {
        let is_it = |path: &str| path.rsplit('/').next() == Some(wanted) && !path.starts_with("..");
        for entry in volume.files.iter().filter(|entry| is_it(&entry.path)) {
            if entry.kind != FileKind::Directory {
                places.push(Place {
                    volume: volume.volume.clone(),
                    path: entry.path.clone(),
                    modified: entry.modified,
                    is_listed: true,
                });
            }
        }
    }
    for volume in &spec.volumes {
        let is_listed = places.iter().any(|place| place.volume == volume.name);
        for item in volume.items.iter().filter(|item| item.rsplit('/').next() == Some(wanted)) {
            if !is_listed {
                let (volume, path) = (volume.name.clone(), item.clone());
                places.push(Place { volume, path, modified: None, is_listed: false });
            }
        }
    }
    places.truncate(4);
    places
}

/// `fluent.conf` is in volume `config`, which `init` mounts at /a and `fluentd` at /b.
fn elsewhere(
    spec: &Pod,
    container: &fact::Container,
    wanted: &str,
    path: &str,
    place: &Place,
) -> String {
    let all: Vec<String> = spec
        .containers
        .iter()
        .flat_map(|it| it.mounts.iter().map(move |mount| (it, mount)))
        .filter(|(_, mount)| mount.volume == place.volume)
        .enumerate()
        .map(|(index, (it, mount))| {
            let verb = if index == 0 { " mounts" } else { "" };
            format!("`{}`{verb} at {}", it.name, mount.path)
        })
        .collect();
    let own = container.mounts.iter().find(|mount| mount.volume == place.volume);
    let verb = if place.is_listed { "is" } else { "should be" };
    let mut text = format!("`{wanted}` {verb} in volume `{}`", place.volume);
    if !all.is_empty() {
        text.push_str(&format!(", which {}", all.join(" and ")));
    }
    match own {
        Some(mount) => {
            let there =
                format!("{}/{}", mount.path.trim_end_matches('/'), inside(mount, &place.path));
            text.push_str(&format!("; `{}` finds it at {there}, not at {path}", container.name));
        }
        None => text.push_str(&format!("; `{}` does not mount it", container.name)),
    }
    text
}

/// Without names of files: volumes that siblings mount where this container looks, that it mounts
/// near by, or that an init container can have filled for it.
fn likely(spec: &Pod, container: &fact::Container, path: &str, found: &mut Finding) {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    for volume in &spec.volumes {
        let own = container.mounts.iter().find(|mount| mount.volume == volume.name);
        let with: Vec<(&fact::Container, &Mount)> = others(spec, container, &volume.name)
            .filter(|(_, other)| own.is_none_or(|own| own.path != other.path))
            .collect();
        let is_near = own.is_some_and(|own| {
            let root = own.path.trim_end_matches('/');
            !folder.is_empty() && (root.starts_with(folder) || folder.starts_with(root))
        });
        let is_made = own.is_some()
            && volume.kind == VolumeKind::EmptyDir
            && with.iter().any(|(other, _)| other.role == Role::Init);
        let is_there = with.iter().any(|(_, mount)| below_root(mount, path).is_some());
        if with.is_empty() || !(is_near || is_made || is_there) {
            continue;
        }
        let with: Vec<String> = with
            .iter()
            .map(|(other, mount)| format!("`{}` at {}", other.name, mount.path))
            .collect();
        let ours = match own {
            Some(own) => format!("by `{}` at {}", container.name, own.path),
            None => format!("not by `{}`", container.name),
        };
        found.suggested = Some(true);
        found.told.push(format!(
            "likely: {path} lies on no volume; volume `{}` is mounted by {} and {ours}",
            volume.name,
            with.join(" and "),
        ));
    }
}

/// Who may write there, and who runs.
fn denied(
    spec: &Pod,
    container: &fact::Container,
    mine: Option<&Mount>,
    listing: Option<&Listing>,
    path: &str,
    found: &mut Finding,
) {
    let user = container.run_as_user.or(spec.run_as_user);
    let runs = user.map_or("the image's user".to_owned(), |user| format!("uid {user}"));
    let Some(mount) = mine else {
        found
            .told
            .push(format!("{path} lies on no volume: it is the image's own, and {runs} may not"));
        return;
    };
    let entry = below(mount, path).and_then(|rest| {
        let volumes = listing.iter().flat_map(|listing| &listing.volumes);
        let mut volumes = volumes.filter(|volume| volume.volume == mount.volume);
        volumes.find_map(|volume| volume.files.iter().find(|entry| entry.path == rest))
    });
    match entry {
        Some(entry) => found.told.insert(
            0,
            format!(
                "{path} belongs to uid {}, gid {} with mode {:04o}; `{}` runs as {runs}",
                entry.uid,
                entry.gid,
                entry.mode & 0o7777,
                container.name
            ),
        ),
        None => {
            let group = match spec.fs_group {
                Some(group) => format!("fsGroup is {group}"),
                None => "no fsGroup is set".to_owned(),
            };
            found.told.push(format!("`{}` runs as {runs}; {group}", container.name));
        }
    }
    for (other, _) in others(spec, container, &mount.volume) {
        let theirs = other.run_as_user.or(spec.run_as_user);
        if theirs != user
            && let Some(theirs) = theirs
        {
            found
                .told
                .push(format!("`{}`, which writes there, too, runs as uid {theirs}", other.name));
        }
    }
}

/// R65: the same volume, for one to write and for the other not.
fn read_only(spec: &Pod, container: &fact::Container, mine: Option<&Mount>, found: &mut Finding) {
    let Some(mount) = mine else {
        if container.read_only_root == Some(true) {
            found.told.push(format!("`{}` has readOnlyRootFilesystem set", container.name));
        }
        return;
    };
    if !mount.read_only {
        return;
    }
    found.told.insert(
        0,
        format!(
            "`{}` mounts volume `{}` read-only at {}",
            container.name, mount.volume, mount.path
        ),
    );
    for (other, theirs) in others(spec, container, &mount.volume).filter(|(_, it)| !it.read_only) {
        found.told.push(format!("`{}` mounts it to write at {}", other.name, theirs.path));
    }
}

/// R69
fn token(spec: &Pod, found: &mut Finding) {
    if spec.automount_token == Some(false) {
        found.told.push(
            "the pod has automountServiceAccountToken: false, so no token is mounted".to_owned(),
        );
    }
}

/// R67: a name that only a sibling has. Names, never values.
fn env(spec: &Pod, container: &str, line: &str, found: &mut Finding) {
    let lower = line.to_lowercase();
    let speaks = ["environment variable", "not set", "keyerror", "is required", "missing env"]
        .iter()
        .any(|word| lower.contains(word));
    if !speaks {
        return;
    }
    let Some(own) = spec.container(container) else { return };
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    for word in words.filter(|word| is_variable(word) && !own.env.iter().any(|it| it == word)) {
        let has: Vec<String> = spec
            .containers
            .iter()
            .filter(|it| it.env.iter().any(|name| name == word))
            .map(|it| format!("`{}`", it.name))
            .collect();
        if !has.is_empty() {
            found.told.insert(
                0,
                format!("{word} is set for {} and not for `{container}`", has.join(", ")),
            );
        }
    }
}

fn is_variable(word: &str) -> bool {
    word.len() > 2
        && word.bytes().any(|byte| byte.is_ascii_uppercase())
        && word
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The path inside the volume that a path in the container stands for.
fn below(mount: &Mount, path: &str) -> Option<String> {
    let rest = path.strip_prefix(mount.path.trim_end_matches('/'))?.trim_start_matches('/');
    Some(match mount.sub_path.as_deref().map(|sub| sub.trim_matches('/')) {
        Some(sub) if rest.is_empty() => sub.to_owned(),
        Some(sub) => format!("{sub}/{rest}"),
        None => rest.to_owned(),
    })
}

/// The path in the mount that a path inside the volume stands for.
fn inside<'a>(mount: &Mount, path: &'a str) -> &'a str {
    let sub = mount.sub_path.as_deref().map(|sub| sub.trim_matches('/'));
    sub.and_then(|sub| path.strip_prefix(sub)).map_or(path, |rest| rest.trim_start_matches('/'))
}

#[cfg(test)]
mod tests;
