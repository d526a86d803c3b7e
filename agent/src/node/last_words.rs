//! The end of a dead container instance's own log, below a folder like `/var/log/pods`: which file,
//! its tail, and the line that says why. Bounded and redacted. The kubelet deletes it soon, so it is
//! to be read at once. Owns no policy of what may leave the node.

mod tail;

use std::{
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use podwhy_parser::pod_path::{Directory, LogFile};

use self::tail::Chunk;
use crate::{
    fact::{Instance, LastWords, PodRef},
    folder::{Folder, Log},
    limits,
    observation::{matters, text::plain},
    redact,
    source::Micros,
};

/// How much is read and kept, and where links may lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Lines that are kept.
    pub lines: usize,
    /// Bytes that are kept.
    pub bytes: usize,
    /// Bytes of the log that are looked at, from its end.
    pub read_bytes: usize,
    /// Folders that a log may be a link to: docker's own. None in a copy.
    pub links: Vec<PathBuf>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            lines: limits::LAST_WORDS_LINES,
            bytes: limits::LAST_WORDS_BYTES,
            read_bytes: limits::LAST_WORDS_READ_BYTES,
            links: Vec::new(),
        }
    }
}

/// Reads the last words of an instance.
///
/// Which attempt is meant: the one whose link names the container's id, the one with the attempt's
/// number, else the newest of the highest two that had begun before the instance ended.
///
/// # Errors
/// One clause for humans: what is missing, unreadable, or already gone.
pub fn read(root: &Path, instance: &Instance, bounds: &Bounds) -> Result<LastWords, String> {
    let place = root.display();
    let pods = Folder::open(root).map_err(|error| format!("{place}: {}", clause(&error)))?;
    let directory = directory(&pods, &instance.pod)
        .map_err(|error| format!("{place}: {}", clause(&error)))?
        .ok_or_else(|| format!("{place} holds no folder of this pod"))?;
    let path = root.join(&directory).join(&instance.container);
    let shown = path.display();
    let of = |error: io::Error| format!("{shown}: {}", clause(&error));
    let folder = pods.below(OsStr::new(&directory)).map_err(of)?;
    let folder = folder.below(OsStr::new(&instance.container)).map_err(of)?;
    let attempts = attempts(&folder).map_err(of)?;
    let logs = Logs { folder: &folder, bounds };
    let attempt = choose(&logs, &attempts, instance).map_err(|why| format!("{shown}: {why}"))?;
    let said = logs.said(attempt).map_err(of)?;
    let mut words = keep(&said.said.lines, bounds);
    words.total_lines = words.total_lines.filter(|_| said.is_whole);
    Ok(LastWords {
        instance: Instance { attempt: Some(attempt.number), ..instance.clone() },
        last_at: said.said.last_at,
        path: Some(plain(&path.join(format!("{}.log", attempt.number)).to_string_lossy())),
        ..words
    })
}

fn clause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "is not there".to_owned(),
        _ => plain(&error.to_string()),
    }
}

/// The pod's folder: by its uid, else the newest that has its namespace and name.
fn directory(pods: &Folder, pod: &PodRef) -> io::Result<Option<String>> {
    if let (Some(namespace), Some(name), Some(uid)) = (&pod.namespace, &pod.name, &pod.uid) {
        let name = format!("{namespace}_{name}_{uid}");
        if pods.below(OsStr::new(&name)).is_ok() {
            return Ok(Some(name));
        }
    }
    let same = |mine: &Option<String>, theirs: Option<&str>| match (mine, theirs) {
        (Some(mine), Some(theirs)) => mine == theirs,
        _ => true,
    };
    let names = pods.names(limits::POD_LOG_FOLDERS)?;
    let fitting = names.into_iter().filter(|entry| {
        let Some(found) = Directory::parse(entry) else { return false };
        match &pod.uid {
            Some(uid) => found.uid == uid.as_str(),
            None => {
                pod.name.is_some()
                    && found.pod == pod.name.as_deref()
                    && same(&pod.namespace, found.namespace)
            }
        }
    });
    Ok(fitting.max_by_key(|name| pods.below(OsStr::new(name)).and_then(|it| it.modified()).ok()))
}

/// The files of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Attempt {
    number: u32,
    /// The file that is written to, where it is there.
    current: Option<String>,
    /// Rotated away, newest first, and whether compressed.
    rotated: Vec<(String, bool)>,
}

/// All attempts, highest first.
fn attempts(folder: &Folder) -> io::Result<Vec<Attempt>> {
    let mut attempts: Vec<Attempt> = Vec::new();
    // Stamps sort as texts.
    for name in folder.names(limits::POD_LOG_FILES)?.into_iter().rev() {
        let Some(file) = LogFile::parse(&name).filter(|file| !file.is_leftover) else { continue };
        let (number, is_rotated, is_compressed) =
            (file.restarts, file.rotated.is_some(), file.is_compressed);
        let at = attempts.iter().position(|attempt| attempt.number == number);
        let at = at.unwrap_or_else(|| {
            attempts.push(Attempt { number, ..Attempt::default() });
            attempts.len() - 1
        });
        let Some(attempt) = attempts.get_mut(at) else { continue };
        if is_rotated {
            attempt.rotated.push((name, is_compressed));
        } else {
            attempt.current = Some(name);
        }
    }
    attempts.sort_by_key(|attempt| std::cmp::Reverse(attempt.number));
    Ok(attempts)
}

fn choose<'a>(
    logs: &Logs<'_>,
    attempts: &'a [Attempt],
    instance: &Instance,
) -> Result<&'a Attempt, String> {
    let highest = attempts.first().ok_or("holds no log")?;
    if let Some(id) = &instance.container_id
        && let Some(linked) = attempts.iter().find(|attempt| logs.is_of(attempt, id))
    {
        return Ok(linked);
    }
    if let Some(number) = instance.attempt {
        let found = attempts.iter().find(|attempt| attempt.number == number);
        return found.ok_or_else(|| format!("the log of attempt {number} is deleted already"));
    }
    let Some(ended) = instance.ended else { return Ok(highest) };
    // The API tells seconds.
    let ended = if ended % SECOND == 0 { ended + SECOND - 1 } else { ended };
    let mut newest = attempts.iter().take(2);
    let begun = newest.find(|attempt| logs.begins(attempt).is_none_or(|begins| begins <= ended));
    begun.ok_or_else(|| "the log of this instance is deleted already".to_owned())
}

const SECOND: Micros = 1_000_000;

/// The logs of one container.
struct Logs<'a> {
    folder: &'a Folder,
    bounds: &'a Bounds,
}

/// The end of an attempt's log.
struct End {
    said: tail::Said,
    is_whole: bool,
}

impl Logs<'_> {
    fn open(&self, name: &str) -> io::Result<Log> {
        self.folder.log(name, &self.bounds.links)
    }

    /// Docker names its files by the container's id.
    fn is_of(&self, attempt: &Attempt, id: &str) -> bool {
        let log = attempt.current.as_deref().and_then(|name| self.open(name).ok());
        let name = log.and_then(|log| log.link?.file_name().map(OsStr::to_owned));
        !id.is_empty() && name.is_some_and(|name| name.to_string_lossy().starts_with(id))
    }

    /// When the attempt began, as far as its files tell. An empty log is as old as its file.
    fn begins(&self, attempt: &Attempt) -> Option<Micros> {
        let oldest = attempt.rotated.last().map(|(name, packed)| (name, *packed));
        let (name, packed) = oldest.or(attempt.current.as_ref().map(|name| (name, false)))?;
        let log = self.open(name).ok()?;
        let modified = log.file.metadata().and_then(|it| it.modified()).ok();
        tail::begins(log.file, packed).or_else(|| {
            let since = modified?.duration_since(std::time::UNIX_EPOCH).ok()?;
            Micros::try_from(since.as_micros()).ok()
        })
    }

    /// The current file, and what was rotated away just before where it holds too little.
    fn said(&self, attempt: &Attempt) -> io::Result<End> {
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut room = self.bounds.read_bytes;
        let current = attempt.current.iter().map(|name| (name, false));
        let rotated = attempt.rotated.iter().map(|(name, packed)| (name, *packed));
        let mut files = current.chain(rotated).peekable();
        let mut lines = 0;
        while let Some((name, packed)) = files.next() {
            let read = self.open(name).and_then(|log| match packed {
                true => tail::compressed(log.file, room),
                false => tail::plain(log.file, room),
            });
            let chunk = match read {
                Ok(chunk) => chunk,
                // What is there is better than nothing.
                Err(_) if !chunks.is_empty() => {
                    return Ok(End { said: tail::said(&reversed(chunks)), is_whole: false });
                }
                Err(error) => return Err(error),
            };
            room = room.saturating_sub(chunk.bytes.len());
            lines += chunk.bytes.iter().filter(|byte| **byte == b'\n').count();
            let is_whole = chunk.is_whole;
            chunks.push(chunk);
            if !is_whole || lines >= self.bounds.lines || room == 0 {
                let is_whole = is_whole && files.peek().is_none();
                return Ok(End { said: tail::said(&reversed(chunks)), is_whole });
            }
        }
        Ok(End { said: tail::said(&reversed(chunks)), is_whole: true })
    }
}

fn reversed(mut chunks: Vec<Chunk>) -> Vec<Chunk> {
    chunks.reverse();
    chunks
}

/// Redacts, picks the line that matters, and keeps the end: that line stays even where it stands
/// further up.
fn keep(lines: &[String], bounds: &Bounds) -> LastWords {
    let lines = clean(lines);
    let matters = matters::pick(&lines);
    let total_lines = u64::try_from(lines.len()).ok();
    let mut room = bounds.bytes;
    let mut kept: Vec<(usize, String)> = Vec::new();
    let mut take = |at: usize, kept: &mut Vec<(usize, String)>| {
        let Some(line) = lines.get(at) else { return };
        let (line, _) = limits::cut(line, limits::LAST_WORDS_LINE_BYTES.min(room));
        if !line.is_empty() {
            room -= line.len();
            kept.push((at, line.to_owned()));
        }
    };
    if let Some(at) = matters {
        take(at, &mut kept);
    }
    for at in (0..lines.len()).rev().filter(|at| Some(*at) != matters) {
        if kept.len() >= bounds.lines {
            break;
        }
        take(at, &mut kept);
    }
    kept.sort_by_key(|(at, _)| *at);
    LastWords {
        matters: matters.and_then(|matters| kept.iter().position(|(at, _)| *at == matters)),
        lines: kept.into_iter().map(|(_, line)| line).collect(),
        total_lines,
        ..LastWords::default()
    }
}

/// Without colours, control characters, secrets and empty lines. Redacted as one text: a key has
/// many lines.
fn clean(lines: &[String]) -> Vec<String> {
    let mut text = String::new();
    for line in lines {
        // A control character inside a secret must not hide its shape.
        text.push_str(plain(&uncoloured(line)).replace('\n', " ").trim_end());
        text.push('\n');
    }
    // A key whose beginning lies before what was read.
    if let Some(end) = text.find("-----END ")
        && !text.get(..end).is_some_and(|before| before.contains("-----BEGIN "))
    {
        let behind = text.get(end..).unwrap_or_default();
        text = behind.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned());
    }
    let text = redact::scrub(&text, &mut redact::Counts::default());
    text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// Without terminal sequences (`ESC [ … letter`), of which only the escape is a control character.
fn uncoloured(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '\u{1b}' {
            plain.push(character);
        } else if rest.next_if_eq(&'[').is_some() {
            while rest.next_if(|c| matches!(c, '0'..='?' | ' '..='/')).is_some() {}
            rest.next_if(|c| matches!(c, '@'..='~'));
        }
    }
    plain
}

#[cfg(test)]
mod tests;
