//! `podwhy why`: asks the agent of this node what fails here and why. The command: its arguments, its
//! exit codes and what is said where nothing fails. Rendering is `explain`'s.

use std::process::ExitCode;

use super::explain::{Colour, Filter, Form, Look, look, plain, standing};
use super::reach::{Agent, Reach};
use super::{BAD_ARGUMENTS, DONE, FAILED, complain, say};
use crate::app::door::Knowledge;
use crate::incident::Incident;
use crate::source::Micros;
use crate::wall_clock;

mod choice;
mod elsewhere;
mod pod;
#[cfg(test)]
mod tests;
mod watch;

use choice::Subject;

/// Ask the agent of this node what fails here, why, and what to do.
///
/// Without an argument: every open incident of the node. With a pod: its incidents, those that ended
/// a short while ago too, or what is known of it where nothing failed. With `node`: what concerns
/// the node as a whole.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// NAMESPACE/POD, a pod's or workload's NAME, `node`, or node/NAME.
    #[arg(value_name = "WHAT", num_args = 0..=2)]
    what: Vec<String>,

    #[command(flatten)]
    filter: Filter,

    /// Also incidents that ended a short while ago.
    #[arg(long)]
    all: bool,

    /// Go on until everything that matches is proven fixed, and print each change once.
    #[arg(long)]
    watch: bool,

    /// How to answer: text for people, or one JSON object a line for programs.
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Form::Text)]
    output: Form,

    /// When to use colours; `auto` means on a terminal, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    color: Colour,

    #[command(flatten)]
    reach: Reach,
}

const AFTER_HELP: &str = "\
Examples:
  podwhy why                           everything that fails on this node
  podwhy why shop/web-0                one pod: why, since when, what to do (pod shop/web-0 works too)
  podwhy why node                      what concerns the node: network, disk, runtime
  podwhy why --cause image_not_found --since 1h --output json
  podwhy why shop/web-0 --watch        wait here until it is proven fixed
  kubectl -n podwhy exec PODWHY-POD -- podwhy why shop/web-0

Exit codes: 0 answered (with --watch: everything is over), 1 no agent answers or the pod is not on
this node, 2 bad arguments, 64 bad configuration, 130 interrupted.";

/// What is asked for.
#[derive(Debug)]
struct Question<'a> {
    subject: Subject,
    filter: &'a Filter,
    with_ended: bool,
    form: Form,
    look: Look,
}

/// Asks, answers, and tells the exit code.
#[must_use]
pub(super) fn run(arguments: &Args) -> ExitCode {
    let what = match choice::written(&arguments.what) {
        Ok(what) => what,
        Err(why) => {
            complain(&why);
            return BAD_ARGUMENTS.into();
        }
    };
    let agent = match arguments.reach.agent() {
        Ok(agent) => agent,
        Err(code) => return code.into(),
    };
    let known = match agent.ask() {
        Ok(known) => known,
        Err(why) => {
            complain(&why);
            return FAILED.into();
        }
    };
    let question = Question {
        subject: Subject::of(what.as_deref(), &known.agent.node),
        filter: &arguments.filter,
        with_ended: arguments.all,
        form: arguments.output,
        look: look(arguments.color),
    };
    let code = if arguments.watch {
        watch::run(&agent, &question, known)
    } else {
        question.answer(&agent, &known)
    };
    code.into()
}

impl Question<'_> {
    /// Once.
    fn answer(&self, agent: &Agent, known: &Knowledge) -> u8 {
        let now = wall_clock::now();
        let chosen = self.subject.choose(&known.incidents, |it| self.wants(it, now));
        if chosen.is_empty() {
            return self.nothing(agent, known, now);
        }
        let text = match self.form {
            Form::Json => chosen.iter().map(|incident| json(incident)).collect(),
            Form::Text => {
                let mut text = standing(&chosen, now, self.look);
                text.push_str(&tail(known, &chosen, now));
                text
            }
        };
        say(&text, DONE)
    }

    fn wants(&self, incident: &Incident, now: Micros) -> bool {
        // Of a pod that somebody asks for, what ended is part of the answer.
        let with_ended = self.with_ended || matches!(self.subject, Subject::Pod { .. });
        (with_ended || !choice::is_over(incident)) && self.filter.wants(incident, Some(now))
    }

    /// What is known where nothing matches.
    fn nothing(&self, agent: &Agent, known: &Knowledge, now: Micros) -> u8 {
        let (sentence, code) = match &self.subject {
            Subject::Pod { namespace, name } => {
                let pods = pod::known(known, namespace.as_deref(), name);
                if pods.is_empty() {
                    complain(&elsewhere::tell(agent, known, namespace.as_deref(), name));
                    return FAILED;
                }
                let told: Vec<String> =
                    pods.iter().map(|pod| pod::told(pod, known, self.filter.is_set())).collect();
                (told.join("\n"), DONE)
            }
            Subject::OtherNode(name) => {
                complain(&elsewhere::other_node(&known.agent.node, name));
                return FAILED;
            }
            Subject::Node => (self.none_of("of the node as a whole", known), DONE),
            Subject::All => (self.none_of("on this node", known), DONE),
        };
        let mut text = sentence;
        text.push('\n');
        text.push_str(&unseen(known, now));
        match self.form {
            Form::Text => say(&text, code),
            Form::Json => {
                let hint = serde_json::Value::from(text.trim_end());
                complain_json(&format!("{{\"kind\":\"nothing\",\"hint\":{hint}}}"));
                code
            }
        }
    }

    fn none_of(&self, whose: &str, known: &Knowledge) -> String {
        let open = known.incidents.iter().filter(|it| !choice::is_over(it)).count();
        let node = plain(&known.agent.node);
        let since = pod::since(known).map(|since| format!(" since {since}")).unwrap_or_default();
        if open > 0 && (self.filter.is_set() || matches!(self.subject, Subject::Node)) {
            return format!("{node}: nothing of that kind is open {whose}; {open} others are");
        }
        format!("{node}: no failure {whose} is open; the agent watches{since}")
    }
}

/// Behind the incidents: how many, and what was not seen.
fn tail(known: &Knowledge, chosen: &[&Incident], now: Micros) -> String {
    let open = chosen.iter().filter(|incident| !choice::is_over(incident)).count();
    let over = chosen.len() - open;
    let node = plain(&known.agent.node);
    format!(
        "{node}: {open} unsolved, {over} over, as of {}\n{}",
        pod::told_at(now),
        unseen(known, now)
    )
}

/// What the agent did not see: an answer may be incomplete for it.
fn unseen(known: &Knowledge, now: Micros) -> String {
    /// An agent that is further behind than this has not read of the last failures yet.
    const BEHIND: Micros = 60_000_000;
    let mut text = String::new();
    let read = known.agent.read_up_to.as_deref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
    match read.map(|at| at.as_microsecond()) {
        Some(at) if now.saturating_sub(at) > BEHIND => {
            let seconds = now.saturating_sub(at) / 1_000_000;
            text.push_str(&format!(
                "incomplete: the agent has read up to {}, {seconds} s ago\n",
                pod::told_at(at)
            ));
        }
        Some(_) => {}
        None => text.push_str("incomplete: the agent has read nothing yet\n"),
    }
    for blind in &known.agent.blind {
        text.push_str(&format!("incomplete: {}\n", plain(blind)));
    }
    text
}

/// One object of design 5.3.
fn json(incident: &Incident) -> String {
    let object = serde_json::to_string(incident).unwrap_or_default();
    format!("{}\n", crate::export::terminal::escaped(&object))
}

#[expect(clippy::print_stderr, reason = "as explain does: what is no incident goes here")]
fn complain_json(object: &str) {
    eprintln!("{}", crate::export::terminal::escaped(object));
}
