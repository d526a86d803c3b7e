//! `podwhy why --watch`: prints each change once, and ends when everything that matched is over.
//! An agent that restarts meanwhile is waited for: its incidents survive it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use super::{Question, choice, json, tail, unseen};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::app::door::Knowledge;
use crate::command::explain::{plain, standing};
use crate::command::reach::{self, Agent};
use crate::command::{DONE, FAILED, complain, say};
use crate::incident::{Confidence, Incident, State};
use crate::limits::WATCH_EVERY;
use crate::source::Micros;
use crate::wall_clock;

/// 128 + SIGINT, as shells tell it.
const INTERRUPTED: u8 = 130;

/// What counts as a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    state: State,
    cause: String,
    confidence: Confidence,
    rung: u8,
    turns: u32,
}

impl Mark {
    fn of(incident: &Incident) -> Self {
        Self {
            state: incident.state,
            cause: incident.cause.id.clone(),
            confidence: incident.cause.confidence,
            rung: incident.rung,
            turns: incident.turns,
        }
    }
}

/// What was told so far.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<String, Mark>);

/// Asks again and again.
pub(super) fn run(agent: &Agent, question: &Question<'_>, first: Knowledge) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format_args!("cannot watch: {error}"));
            return FAILED;
        }
    };
    let code = runtime.block_on(async {
        tokio::select! {
            biased;
            interrupted = tokio::signal::ctrl_c() => {
                if interrupted.is_ok() { INTERRUPTED } else { FAILED }
            }
            code = follow(agent, question, first) => code,
        }
    });
    // A question that hangs must not hold up who leaves.
    runtime.shutdown_background();
    code
}

async fn follow(agent: &Agent, question: &Question<'_>, first: Knowledge) -> u8 {
    let mut told = Told::default();
    let mut known = first;
    let mut is_away = false;
    loop {
        let (text, goes_on) = question.changes(&known, &mut told, wall_clock::now());
        if !text.is_empty() {
            let code = say(&text, DONE);
            if code != DONE {
                return code;
            }
        }
        if goes_on.is_break() {
            return DONE;
        }
        known = loop {
            tokio::time::sleep(WATCH_EVERY).await;
            if !is_heard() {
                return DONE;
            }
            let folder = agent.folder().to_owned();
            let asked = tokio::task::spawn_blocking(move || reach::ask(&folder)).await;
            match asked {
                Ok(Ok(known)) => break known,
                Ok(Err(why)) if !is_away => complain(&format_args!("{why}; waiting for it")),
                Ok(Err(_)) => {}
                Err(_) => return FAILED,
            }
            is_away = true;
        };
        is_away = false;
    }
}

/// Whether anybody can still read what is said: `| head`, or a `kubectl exec` that was broken off,
/// leaves a pipe without a reader.
fn is_heard() -> bool {
    let out = std::io::stdout();
    let mut polled = [PollFd::new(&out, PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::HUP;
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // What cannot be asked is taken for a reader.
    poll(&mut polled, Some(&at_once)).is_err()
        || polled.iter().all(|it| !it.revents().intersects(gone))
}

impl Question<'_> {
    /// What is to be printed now, and whether there is more to come.
    pub(super) fn changes(
        &self,
        known: &Knowledge,
        told: &mut Told,
        now: Micros,
    ) -> (String, ControlFlow<()>) {
        // `--since` asks for a beginning: what was told is followed however old it grows.
        let chosen = self.subject.choose(&known.incidents, |incident| {
            told.0.contains_key(&incident.id)
                || (!choice::is_over(incident) && self.filter.wants(incident, Some(now)))
        });
        let mut text = String::new();
        for incident in &chosen {
            let mark = Mark::of(incident);
            let before = told.0.insert(incident.id.clone(), mark.clone());
            if before.as_ref() != Some(&mark) {
                text.push_str(&self.change(incident, before.as_ref(), now));
            }
        }
        // What was open and is not even remembered any more: nothing is claimed of it.
        let is_known = |id: &str| known.incidents.iter().any(|incident| incident.id == id);
        told.0.retain(|id, mark| {
            let stays = is_known(id);
            let was_over = matches!(mark.state, State::Resolved | State::Superseded);
            if !stays && !was_over {
                complain(&format_args!("incident {id} is no longer known to the agent"));
            }
            stays
        });
        if chosen.iter().any(|incident| !choice::is_over(incident)) {
            return (text, ControlFlow::Continue(()));
        }
        if self.form == super::Form::Text {
            text.push_str(&if chosen.is_empty() {
                format!(
                    "{}: nothing that matches is open\n{}",
                    plain(&known.agent.node),
                    unseen(known, now)
                )
            } else {
                tail(known, &chosen, now)
            });
        }
        (text, ControlFlow::Break(()))
    }

    /// Whole at its beginning and its end and where its cause is another one; else one line.
    fn change(&self, incident: &Incident, before: Option<&Mark>, now: Micros) -> String {
        if self.form == super::Form::Json {
            return json(incident);
        }
        let is_same_cause = before.is_some_and(|before| before.cause == incident.cause.id);
        if !is_same_cause || choice::is_over(incident) {
            return standing(&[incident], now, self.look);
        }
        let state = match incident.state {
            State::Open => "fails again",
            State::Recovering => "recovers",
            State::Resolved => "is resolved",
            State::Flapping => "flaps",
            State::Superseded => "is superseded",
            State::Stale => "is not known any more",
        };
        let mut text = format!("{}  {}", super::pod::told_at(now), state);
        let _ = write!(text, ": {}", plain(&incident.cause.title));
        if let Some(proof) = incident.proof.last().filter(|_| incident.rung > 0) {
            let _ = write!(text, " (rung {}: {})", incident.rung, plain(proof));
        }
        text.push('\n');
        text
    }
}
