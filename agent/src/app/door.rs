//! The door for `why` and `bundle`: a Unix socket in the state folder, for the agent's own user
//! only. One question per connection, answered by the core with what it knows at that moment.
//!
//! question := JSON line `{"ask":"all"}`; answer := JSON lines, the last of them `{"kind":"end"}`.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{fact::Dated, incident::Incident, limits, source::Micros};

/// The socket's name in the state folder.
pub const SOCKET: &str = "podwhy.sock";

/// What the core is asked; it answers once.
pub type Ask = oneshot::Sender<Knowledge>;

/// What the agent knows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Knowledge {
    /// Who answers.
    pub agent: About,
    /// Present incidents, and those that ended a short while ago.
    pub incidents: Vec<Incident>,
    /// The facts behind them: pods, the node, last words.
    pub facts: Vec<Dated>,
}

/// The agent that answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// Its node.
    pub node: String,
    /// Its release.
    pub version: String,
    /// What this run began to read at, RFC 3339.
    pub read_from: Option<String>,
    /// The newest time that it has read up to, RFC 3339.
    pub read_up_to: Option<String>,
    /// What it cannot see, in words.
    pub blind: Vec<String>,
}

impl About {
    /// This release, on that node, as far as it has read.
    #[must_use]
    pub fn of(node: &str, read_up_to: Micros) -> Self {
        Self {
            node: node.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            read_from: None,
            read_up_to: stamp(read_up_to),
            blind: Vec::new(),
        }
    }
}

/// RFC 3339; nothing for what is no time yet.
pub(super) fn stamp(at: Micros) -> Option<String> {
    let at = jiff::Timestamp::from_microsecond(at).ok().filter(|_| at > 0);
    at.map(|at| at.to_string())
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Said {
    Agent(About),
    Incident(Box<Incident>),
    Fact(Box<Dated>),
    End,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
enum Question {
    /// Everything.
    All,
}

/// Says what the agent cannot see, in words.
pub type Sight = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// The open door; closed, and its file taken away, when dropped.
#[derive(Debug)]
pub struct Door {
    path: PathBuf,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.listening.abort();
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens the door in `folder`. Must be called within the runtime that serves it.
///
/// # Errors
/// When the socket cannot be made there; the agent works without it.
pub fn open(folder: &Path, core: mpsc::Sender<Ask>, sight: Sight) -> io::Result<Door> {
    let path = folder.join(SOCKET);
    // One of an agent that ended without a word; a living one would hold the state folder's lock.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let listening = tokio::spawn(listen(listener, core, sight));
    Ok(Door { path, listening })
}

async fn listen(listener: UnixListener, core: mpsc::Sender<Ask>, sight: Sight) {
    let places = Arc::new(Semaphore::new(limits::DOOR_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (core, sight) = (core.clone(), sight.clone());
                tokio::spawn(async move {
                    let answered = answer(stream, core, sight);
                    match tokio::time::timeout(limits::DOOR_ANSWER, answered).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => tracing::debug!(%error, "a question was not answered"),
                        Err(_) => tracing::debug!("a question was not answered in time"),
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the door for podwhy why cannot take a connection");
                tokio::time::sleep(limits::DOOR_ANSWER).await;
            }
        }
    }
}

async fn answer(stream: UnixStream, core: mpsc::Sender<Ask>, sight: Sight) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read).take(limits::DOOR_QUESTION_BYTES).read_line(&mut line).await?;
    let Question::All = serde_json::from_str(&line)?;
    let (reply, replied) = oneshot::channel();
    let gone = || io::Error::new(io::ErrorKind::BrokenPipe, "the agent ends");
    core.send(reply).await.map_err(|_| gone())?;
    let Knowledge { mut agent, incidents, facts } = replied.await.map_err(|_| gone())?;
    agent.blind = sight();
    let incidents = incidents.into_iter().map(|incident| Said::Incident(Box::new(incident)));
    let facts = facts.into_iter().map(|fact| Said::Fact(Box::new(fact)));
    for said in std::iter::once(Said::Agent(agent)).chain(incidents).chain(facts) {
        write.write_all(&line_of(&said)?).await?;
    }
    write.write_all(&line_of(&Said::End)?).await?;
    write.shutdown().await
}

fn line_of(said: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    Ok(line)
}

/// Asks the agent whose state folder this is.
///
/// # Errors
/// When nobody answers there, or not in these words.
pub fn ask(folder: &Path) -> io::Result<Knowledge> {
    use std::io::{BufRead as _, Read as _, Write as _};
    let mut stream = std::os::unix::net::UnixStream::connect(folder.join(SOCKET))?;
    stream.set_read_timeout(Some(limits::DOOR_ANSWER))?;
    stream.set_write_timeout(Some(limits::DOOR_ANSWER))?;
    stream.write_all(&line_of(&Question::All)?)?;
    let mut known = Knowledge::default();
    for line in std::io::BufReader::new(stream.take(limits::DOOR_ANSWER_BYTES)).lines() {
        match serde_json::from_str(&line?)? {
            Said::Agent(agent) => known.agent = agent,
            Said::Incident(incident) => known.incidents.push(*incident),
            Said::Fact(fact) => known.facts.push(*fact),
            Said::End => return Ok(known),
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the agent ended in mid-sentence"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_is_answered_whole_and_the_door_is_for_its_user_only() {
        let folder = tempfile::tempdir().unwrap();
        let (asks, mut asked) = mpsc::channel::<Ask>(1);
        let door = open(folder.path(), asks, Arc::new(Vec::new)).unwrap();
        let mode = std::fs::metadata(folder.path().join(SOCKET)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let known = Knowledge {
            agent: About::of("node-7", 1_800_000_000_000_000),
            incidents: vec![Incident { id: "1f".to_owned(), rung: 2, ..Incident::default() }],
            facts: Vec::new(),
        };
        let path = folder.path().to_owned();
        let told = tokio::task::spawn_blocking(move || ask(&path));
        asked.recv().await.unwrap().send(known.clone()).unwrap();
        assert_eq!(told.await.unwrap().unwrap(), known);
        drop(door);
        assert_eq!(ask(folder.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn what_is_no_question_costs_only_its_own_connection() {
        let folder = tempfile::tempdir().unwrap();
        let (asks, mut asked) = mpsc::channel::<Ask>(1);
        let _door = open(folder.path(), asks, Arc::new(Vec::new)).unwrap();
        let mut stream = UnixStream::connect(folder.path().join(SOCKET)).await.unwrap();
        stream.write_all(b"who are you?\n").await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.is_empty());
        let path = folder.path().to_owned();
        let told = tokio::task::spawn_blocking(move || ask(&path));
        asked.recv().await.unwrap().send(Knowledge::default()).unwrap();
        assert_eq!(told.await.unwrap().unwrap(), Knowledge::default());
    }
}
