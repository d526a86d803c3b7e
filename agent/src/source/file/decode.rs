//! Lines of a log file as lines of the component that writes it: whose they are and when they were
//! written. A file tells no zone: it is the difference between a line's clock and the moment at which
//! the file was last written to. Owns no reading.

use podwhy_parser::Origin;

use super::Kind;
use crate::source::{
    Line, Micros,
    input::Piece,
    text::{Reading, readable},
};

const SECOND: Micros = 1_000_000;
const QUARTER: Micros = 900 * SECOND;

/// The file may be stamped this much before its line: clock steps.
const AHEAD: Micros = 60 * SECOND;

/// A zone falls only by this much at once (daylight saving), and only by a line without lag.
const FALL: Micros = 2 * QUARTER;
const PROMPT: Micros = 5 * SECOND;

/// Zones reach from −12 to +14 hours.
const WEST: Micros = -12 * 4 * QUARTER;
const EAST: Micros = 14 * 4 * QUARTER;

/// What the lines so far tell about the next one.
#[derive(Debug)]
pub(super) struct Decoder {
    kind: Kind,
    stream: u64,
    reading: Reading,
    /// Clock of the lines minus UTC.
    zone: Option<Micros>,
    /// The clock of the last line that told one without a zone, and what became of it.
    last: Option<(Micros, Micros)>,
}

impl Decoder {
    /// Of a file that was last written to at `written`.
    pub(super) fn new(kind: Kind, path: &str, written: Micros, zone: Option<Micros>) -> Self {
        let stream = crate::source::stream_id(&[b"file", path.as_bytes()]);
        Self { kind, stream, reading: Reading::before(written), zone, last: None }
    }

    pub(super) const fn zone(&self) -> Option<Micros> {
        self.zone
    }

    /// Hands on the line of the component, where it is one.
    pub(super) fn line(
        &mut self,
        bytes: &[u8],
        is_cut: bool,
        written: Micros,
        sink: &mut dyn FnMut(Line<'_>),
    ) {
        let Self { kind, stream, reading, zone, last } = self;
        // Not the first line: what looks like a mark of the byte order in it is none.
        let piece = Piece { bytes, cut: is_cut, number: 2 };
        reading.take(piece, &mut |mut line| {
            if !line.dated {
                let at = match *last {
                    // A line without a clock has that of the line before.
                    Some((clock, at)) if clock == line.at => at,
                    _ => line.at.checked_sub(zone.unwrap_or(0)).unwrap_or(line.at),
                };
                *last = Some((line.at, at));
                // Without a zone it is a guess, which never lies in the future.
                line.at = if zone.is_some() { at } else { at.min(written) };
                line.dated = zone.is_some();
            }
            line.number = 0;
            match kind.origin() {
                // What the file is, counts more than what the line says.
                Some(origin) => {
                    line.origin = origin;
                    line.stream = *stream;
                }
                // All programs write there.
                None if line.origin == Origin::Any => return,
                None => {}
            }
            sink(line);
        });
    }

    /// The last line was read, and the file was last written to at `written`: that is when the line
    /// was written, or a little later.
    pub(super) fn caught_up(&mut self, written: Micros) {
        if let Some((clock, _)) = self.last {
            self.learn(clock, written);
        }
    }

    /// Learns the zone from the end of a file before its beginning is read.
    pub(super) fn look_ahead(&mut self, end: &[u8], written: Micros) {
        let mut reading = Reading::before(written);
        let mut last = None;
        let mut buffer = String::new();
        for bytes in end.split(|byte| *byte == b'\n').skip(1) {
            if readable(bytes, &mut buffer).is_empty() {
                continue;
            }
            let piece = Piece { bytes, cut: false, number: 2 };
            reading.take(piece, &mut |line| last = (!line.dated).then_some(line.at));
        }
        if let Some(clock) = last {
            self.learn(clock, written);
        }
    }

    fn learn(&mut self, clock: Micros, written: Micros) {
        let difference = clock.saturating_sub(written);
        let candidate = ((difference - AHEAD).div_euclid(QUARTER) + 1) * QUARTER;
        if !(WEST..=EAST).contains(&candidate) {
            return;
        }
        let is_newer = self.zone.is_none_or(|zone| {
            let is_prompt = (candidate - difference).abs() <= PROMPT;
            candidate > zone || (zone - candidate >= FALL && is_prompt)
        });
        if is_newer {
            self.zone = Some(candidate);
            self.last = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2031-03-17T10:02:07Z
    const NOW: Micros = 1_931_508_127_000_000;

    fn lines(decoder: &mut Decoder, text: &str) -> Vec<(String, Micros, bool, Origin)> {
        let mut found = Vec::new();
        for line in text.lines() {
            decoder.line(line.as_bytes(), false, NOW, &mut |line| {
                found.push((line.text.to_owned(), line.at, line.dated, line.origin));
            });
        }
        found
    }

    #[test]
    fn g6_the_zone_of_a_file_is_its_clock_minus_when_it_was_written() {
        for (hours, clock) in [(0, "0317 10:02:06"), (2, "0317 12:02:06"), (-8, "0317 02:02:06")] {
            let mut decoder = Decoder::new(Kind::Kubelet, "/k.log", NOW, None);
            let line = format!("E{clock}.412377    2148 kubelet.go:1] \"Problem\"");
            decoder.look_ahead(format!("cut\n{line}\n").as_bytes(), NOW);
            assert_eq!(decoder.zone(), Some(hours * 4 * QUARTER));
            let found = lines(&mut decoder, &format!("{line}\n\tits block"));
            assert_eq!(found.len(), 2);
            for (_, at, dated, origin) in found {
                assert_eq!((at, dated, origin), (NOW - SECOND + 412_377, true, Origin::Kubelet));
            }
        }
    }

    #[test]
    fn of_syslog_only_the_lines_of_kubelet_runtimes_and_kernel_are_handed_on() {
        let mut decoder = Decoder::new(Kind::Syslog, "/var/log/syslog", NOW, Some(0));
        let text = "Mar 17 10:02:05 w7 sshd[9]: E0317 10:02:05.000000 1 a.go:1] \"Error syncing pod\"\n\
                    Mar 17 10:02:06 w7 kubelet[2148]: E0317 10:02:06.412377 2148 kubelet.go:1] \"x\"\n\
                    Mar 17 10:02:06 w7 kernel: [ 5124.770215] Out of memory: Killed process 3 (a)\n\
                    no prefix at all";
        let origins: Vec<_> = lines(&mut decoder, text).into_iter().map(|it| it.3).collect();
        assert_eq!(origins, [Origin::Kubelet, Origin::Kernel]);
    }

    #[test]
    fn lines_with_a_zone_of_their_own_need_none() {
        let mut decoder = Decoder::new(Kind::Containerd, "/c.log", NOW, None);
        let line = "time=\"2031-03-17T12:02:06.000000000+02:00\" level=info msg=\"x\"";
        let found = lines(&mut decoder, line);
        assert_eq!((found[0].1, found[0].2), (NOW - SECOND, true));
    }
}
