//! Whether the OTLP endpoint answers, and whether its clock is ours.

use std::time::{Duration, SystemTime};

use jiff::fmt::rfc2822;

use super::{Finding, Status};
use crate::{
    config,
    export::{
        self,
        transport::{Reached, Said, Way},
    },
    record::Signal,
};

/// A check is not a delivery: nobody waits longer for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Beyond this, records of this node stand in the wrong place of every chart.
const SKEW_MAX: Duration = Duration::from_secs(30);

/// The day of the first release: a clock before it was never set.
const EARLIEST: Duration = Duration::from_secs(1_763_769_600);

pub(super) fn look(section: &config::Export, environment: &config::Environment) -> Vec<Finding> {
    let (destinations, odd) = export::Destinations::of(section, environment);
    let mut findings: Vec<Finding> = odd
        .into_iter()
        .map(|why| Finding::degraded("environment", why, "mend the variable, or remove it"))
        .collect();
    let reached = one(&destinations.logs, &mut findings);
    if let Some(traces) = &destinations.traces {
        one(traces, &mut findings);
    }
    findings.push(clock(SystemTime::now(), reached.and_then(|reached| reached.date).as_deref()));
    findings
}

/// What a destination is called in the list.
fn title(signal: Signal) -> &'static str {
    match signal {
        Signal::Logs => "endpoint",
        Signal::Traces => "traces endpoint",
    }
}

fn one(destination: &export::Config, findings: &mut Vec<Finding>) -> Option<Reached> {
    let title = title(destination.signal);
    match (destination.url(), destination.place()) {
        (Err(error), _) => findings.push(Finding::failed(title, error.to_string(), FIX_SETTING)),
        (Ok(_), None) => {
            let what = "none is set: records will be printed";
            findings.push(Finding::new(title, Status::Ok, what));
        }
        (Ok(_), Some(place)) => {
            let place = format!("{place} ({})", destination.protocol.name());
            let (finding, reached) = probe(destination.clone(), &place);
            findings.push(finding);
            return reached;
        }
    }
    None
}

const FIX_SETTING: &str = "set export.endpoint or OTEL_EXPORTER_OTLP_ENDPOINT, or the form for one \
                           signal";

fn probe(destination: export::Config, place: &str) -> (Finding, Option<Reached>) {
    let title = title(destination.signal);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        runtime.block_on(async {
            let mut connection = Way::new(destination).map_err(|error| error.to_string())?;
            let asked = tokio::time::timeout(PATIENCE, connection.reach()).await;
            asked.map_err(|_| format!("no answer within {PATIENCE:?}"))?
        })
    });
    match asked {
        Ok(reached) => (judged(title, place, &reached), Some(reached)),
        Err(why) => {
            let fix = "the receiver, the name, the network or the certificate: the words above say which; \
                       what cannot be delivered is kept";
            (Finding::failed(title, format!("{place}: {why}"), fix), None)
        }
    }
}

const FIX_CREDENTIALS: &str = "the credentials are refused: see OTEL_EXPORTER_OTLP_HEADERS, \
                               headers_file and token_file of export, or of export.traces";

/// Over HTTP the question is OPTIONS, which no receiver takes: what matters is who refuses.
fn judged(title: &'static str, place: &str, reached: &Reached) -> Finding {
    let status = match reached.answer {
        Said::Http(status) => status,
        Said::Grpc(code) => return judged_grpc(title, place, code),
    };
    let what = format!("{place} answers (HTTP {status} to OPTIONS)");
    match status {
        401 | 403 => Finding::failed(title, what, FIX_CREDENTIALS),
        404 => Finding::degraded(
            title,
            what,
            "the path may be wrong: /v1/logs or /v1/traces is appended to export.endpoint, \
             export.logs_endpoint and export.traces.endpoint are used as they are",
        ),
        500.. => Finding::degraded(title, what, "it answers, and is not well: see its own log"),
        300..=399 => Finding::degraded(title, what, "it points elsewhere: set that URL"),
        _ => Finding::ok(title, what),
    }
}

/// Over gRPC it is an export of nothing.
fn judged_grpc(title: &'static str, place: &str, code: i32) -> Finding {
    let name = export::retry::grpc_name(code);
    let what = format!("{place} answers (gRPC {name} to an export of nothing)");
    match code {
        0 => Finding::ok(title, what),
        7 | 16 => Finding::failed(title, what, FIX_CREDENTIALS),
        12 => Finding::failed(
            title,
            what,
            "it takes no such export over gRPC: see the protocol, export.protocol",
        ),
        _ => Finding::degraded(title, what, "it answers, and is not well: see its own log"),
    }
}

fn clock(now: SystemTime, theirs: Option<&str>) -> Finding {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if since < EARLIEST {
        let fix = "set it: timedatectl set-ntp true";
        return Finding::failed("clock", "stands before this program was made", fix);
    }
    let theirs = theirs.and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    let Some(theirs) = theirs else {
        return Finding::ok("clock", "plausible; nothing to compare it with");
    };
    let theirs = Duration::from_secs(u64::try_from(theirs.as_second()).unwrap_or_default());
    let skew = since.abs_diff(theirs);
    if skew > SKEW_MAX {
        let ahead = if since > theirs { "ahead of" } else { "behind" };
        let what = format!("{} s {ahead} the endpoint's", skew.as_secs());
        return Finding::degraded(
            "clock",
            what,
            "see chronyc tracking or timedatectl, on both sides",
        );
    }
    Finding::ok("clock", "within 30 s of the endpoint's")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refuses_decides() {
        for (status, expected) in [
            (200, Status::Ok),
            (204, Status::Ok),
            (405, Status::Ok),
            (415, Status::Ok),
            (301, Status::Degraded),
            (404, Status::Degraded),
            (502, Status::Degraded),
            (401, Status::Failed),
            (403, Status::Failed),
        ] {
            let reached = Reached { answer: Said::Http(status), date: None };
            let finding = judged("endpoint", "http://store", &reached);
            assert_eq!(finding.status, expected, "{status}");
            assert_eq!(finding.fix.is_some(), expected != Status::Ok, "{status}");
        }
    }

    #[test]
    fn o3_over_grpc_an_export_of_nothing_tells_who_refuses() {
        for (code, expected) in [
            (0, Status::Ok),
            (7, Status::Failed),
            (12, Status::Failed),
            (16, Status::Failed),
            (13, Status::Degraded),
            (14, Status::Degraded),
        ] {
            let reached = Reached { answer: Said::Grpc(code), date: None };
            let finding = judged("traces endpoint", "http://store (grpc)", &reached);
            assert_eq!(finding.status, expected, "{code}");
            assert!(finding.what.contains(export::retry::grpc_name(code)), "{}", finding.what);
        }
    }

    #[test]
    fn a_clock_is_compared_with_the_endpoints() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let theirs = Some("Sun, 22 Nov 2026 10:00:00 GMT");
        let noon = 1_795_341_600;
        assert_eq!(clock(at(noon), theirs).status, Status::Ok);
        assert_eq!(clock(at(noon - 20), theirs).status, Status::Ok);
        let behind = clock(at(noon - 3600), theirs);
        assert_eq!(behind.status, Status::Degraded);
        assert_eq!(behind.what, "3600 s behind the endpoint's");
        assert_eq!(clock(at(noon), Some("yesterday")).status, Status::Ok);
        assert_eq!(clock(at(0), None).status, Status::Failed);
    }
}
