//! How times, sizes and states are said on the page. Every text of others goes through `plain`; that
//! it is no markup is the templates' part.

use maud::{Markup, html};

use crate::admin::figures::is_over;
use crate::incident::{Confidence, Incident, Pod, Scope, State};
use crate::observation::text;
use crate::source::Micros;

/// One line, without what a screen or a screen reader would obey.
pub(super) fn plain(given: &str) -> String {
    text::plain(given).replace(['\n', '\t'], " ")
}

/// The same with its lines.
pub(super) fn lines(given: &str) -> String {
    text::plain(given)
}

/// Present, and no other present one stands above it.
pub(super) fn is_root(all: &[Incident], incident: &Incident) -> bool {
    let is_above = |it: &Incident| is_present(it) && Some(&it.id) == incident.parent.as_ref();
    is_present(incident) && !all.iter().any(is_above)
}

/// How a time is to be read once the page is alive.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// `6m 12s ago`
    Ago,
    /// `6m 12s`, growing.
    Lasting,
    /// `in 48s`, falling.
    Until,
    /// As it is.
    Clock,
}

/// A time: what it is, and how the page is to tell it. Without scripts it stays what it is.
pub(super) fn time(at: Micros, form: Form) -> Markup {
    let stamp = jiff::Timestamp::from_microsecond(at).unwrap_or_default();
    let text = stamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let form = match form {
        Form::Ago => "ago",
        Form::Lasting => "lasting",
        Form::Until => "until",
        Form::Clock => "clock",
    };
    html! { time datetime=(stamp.strftime("%Y-%m-%dT%H:%M:%SZ")) data-form=(form) { (text) } }
}

/// `13:22`
pub(super) fn hour(at: Micros) -> String {
    let stamp = jiff::Timestamp::from_microsecond(at).unwrap_or_default();
    stamp.strftime("%H:%M").to_string()
}

/// `1.2 GiB`
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let (mut tenths, mut unit) = (u128::from(count) * 10 / 1024, "KiB");
    for next in UNITS.into_iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        (tenths, unit) = (tenths / 1024, next);
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// `1,234`
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 pod`, `2 pods`
pub(super) fn counted(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {one}{plural}", count(number))
}

pub(super) const fn state(incident: &Incident) -> (&'static str, &'static str) {
    match incident.state {
        _ if incident.harmless => ("harmless", "quiet"),
        State::Open => ("open", "bad"),
        State::Flapping => ("flapping", "bad"),
        State::Recovering => ("recovering", "warn"),
        State::Resolved => ("resolved", "good"),
        State::Superseded => ("superseded", "quiet"),
        State::Stale => ("stale", "quiet"),
    }
}

/// What it says, and the colour's name.
pub(super) fn badge(incident: &Incident) -> Markup {
    let (word, shade) = state(incident);
    html! { span.badge.(shade) { (word) } }
}

pub(super) const fn confidence(sure: Confidence) -> &'static str {
    match sure {
        Confidence::Certain => "certain",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
    }
}

pub(super) fn pod(pod: &Pod) -> String {
    let names = [pod.namespace.as_deref(), pod.name.as_deref()];
    let mut name = names.into_iter().flatten().map(plain).collect::<Vec<_>>().join("/");
    if let Some(container) = &pod.container {
        name = match name.as_str() {
            "" => format!("container {}", plain(container)),
            _ => format!("{name} (container {})", plain(container)),
        };
    }
    name
}

/// `node`, `shop/web-0`, `ReplicaSet/web`
pub(super) fn scope(incident: &Incident) -> String {
    let one = incident.pods.first();
    match incident.scope {
        Scope::Node => "node".to_owned(),
        Scope::Workload => incident.workload.as_deref().map_or("workload".to_owned(), plain),
        Scope::Pod => one
            .map(|it| pod(&Pod { container: None, ..it.clone() }))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "pod".to_owned()),
    }
}

/// The address of an incident's page: ids are hex digits of ours, and nothing else becomes one.
pub(super) fn address(incident: &Incident) -> String {
    let id: String = incident.id.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("/incident/{id}")
}

/// Something is left to be done about it, and it is told to people.
pub(super) const fn is_present(incident: &Incident) -> bool {
    !is_over(incident.state) && !incident.harmless && !incident.told_elsewhere
}

/// What is broken now comes before what heals, the node before its pods, the longest first.
pub(super) const fn rank(incident: &Incident) -> (u8, u8) {
    let state = match incident.state {
        State::Open | State::Flapping => 0,
        State::Recovering => 1,
        State::Stale => 2,
        State::Resolved | State::Superseded => 3,
    };
    let scope = match incident.scope {
        Scope::Node => 0,
        Scope::Workload => 1,
        Scope::Pod => 2,
    };
    (state, scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_said_as_people_say_them() {
        let told = [0, 1023, 1024, 1_572_864, u64::MAX].map(bytes);
        assert_eq!(told, ["0 B", "1023 B", "1.0 KiB", "1.5 MiB", "16383.9 PiB"]);
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1, 2].map(|it| counted(it, "pod")), ["1 pod", "2 pods"]);
    }

    #[test]
    fn what_a_screen_would_obey_is_gone() {
        assert_eq!(plain("a\u{1b}[31mb\u{202e}c\nd"), "a[31mbc d");
    }
}
