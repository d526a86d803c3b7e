//! Years, zones and lag, as data.

use podwhy_parser::Origin;

use super::*;

/// A klog stamp from `2026-11-22T22:54:03.754378`; the year is only the reader's.
fn klog(text: &str) -> Stamp {
    let at: civil::DateTime = text.parse().unwrap();
    Stamp::Klog {
        month: at.month().unsigned_abs(),
        day: at.day().unsigned_abs(),
        hour: at.hour().unsigned_abs(),
        minute: at.minute().unsigned_abs(),
        second: at.second().unsigned_abs(),
        micros: at.subsec_nanosecond().unsigned_abs() / 1000,
    }
}

fn at(text: &str) -> Micros {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

fn line(received: &str) -> Line<'static> {
    Line {
        text: "",
        origin: Origin::Kubelet,
        unit: "kubelet.service",
        stream: 1,
        pid: None,
        at: at(received),
        dated: true,
        boot: 7,
        cut: false,
        number: 0,
    }
}

fn resolve(times: &mut Times, stamp: &str, received: &str) -> (String, String) {
    let resolved = times.resolve(Some(klog(stamp)), &line(received));
    (utc(resolved.at), resolved.written)
}

#[test]
fn g5_the_year_comes_from_the_journal() {
    for (stamp, received, expected) in [
        (
            "2026-11-22T22:54:03.754378",
            "2026-11-22T22:54:03.754460Z",
            "2026-11-22T22:54:03.754378Z",
        ),
        // 31 December read in January is last year, and the other way round.
        (
            "2026-12-31T23:59:59.900000",
            "2027-01-01T00:00:00.100000Z",
            "2026-12-31T23:59:59.900000Z",
        ),
        (
            "2027-01-01T01:59:59.900000",
            "2026-12-31T23:59:59.990000Z",
            "2026-12-31T23:59:59.900000Z",
        ),
        // 29 February needs a leap year.
        (
            "2028-02-29T12:00:00.000000",
            "2028-02-29T12:00:00.100000Z",
            "2028-02-29T12:00:00.000000Z",
        ),
        (
            "2028-02-29T23:59:59.900000",
            "2028-03-01T00:00:01.000000Z",
            "2028-02-29T23:59:59.900000Z",
        ),
    ] {
        let (resolved, written) = resolve(&mut Times::default(), stamp, received);
        assert_eq!((resolved.as_str(), written.as_str()), (expected, stamp));
    }
}

#[test]
fn g6_the_zone_is_the_difference_at_the_quarter_of_an_hour() {
    for (stamp, received, expected) in [
        (
            "2026-06-01T14:00:00.000000",
            "2026-06-01T12:00:00.100000Z",
            "2026-06-01T12:00:00.000000Z",
        ),
        (
            "2026-06-01T06:30:00.000000",
            "2026-06-01T12:00:00.100000Z",
            "2026-06-01T12:00:00.000000Z",
        ),
        (
            "2026-06-01T17:45:00.000000",
            "2026-06-01T12:00:00.100000Z",
            "2026-06-01T12:00:00.000000Z",
        ),
        // A journal that lags by minutes (6 have been seen) does not move the zone.
        (
            "2026-06-01T14:00:00.000000",
            "2026-06-01T12:06:00.000000Z",
            "2026-06-01T12:00:00.000000Z",
        ),
        (
            "2026-06-01T14:00:00.000000",
            "2026-06-01T12:13:00.000000Z",
            "2026-06-01T12:00:00.000000Z",
        ),
        // A clock that was set back a little between the two.
        (
            "2026-06-01T14:00:00.000000",
            "2026-06-01T11:59:58.000000Z",
            "2026-06-01T12:00:00.000000Z",
        ),
    ] {
        let (resolved, written) = resolve(&mut Times::default(), stamp, received);
        assert_eq!((resolved.as_str(), written.as_str()), (expected, stamp));
    }
}

#[test]
fn g6_the_zone_is_kept_for_boot_and_unit_through_any_lag() {
    let mut times = Times::default();
    resolve(&mut times, "2026-06-01T14:00:00.000000", "2026-06-01T12:00:00.100000Z");
    let late = resolve(&mut times, "2026-06-01T14:10:00.000000", "2026-06-01T12:31:00.000000Z");
    assert_eq!(late.0, "2026-06-01T12:10:00.000000Z");
    // Another boot knows nothing of it.
    let other = Line { boot: 8, ..line("2026-06-01T12:31:00.000000Z") };
    let resolved = times.resolve(Some(klog("2026-06-01T14:10:00.000000")), &other);
    assert_ne!(utc(resolved.at), late.0);
}

#[test]
fn g6_one_prompt_line_puts_right_what_a_late_first_line_said() {
    let mut times = Times::default();
    let late = resolve(&mut times, "2026-06-01T14:00:00.000000", "2026-06-01T12:20:00.000000Z");
    assert_eq!(late.0, "2026-06-01T12:15:00.000000Z");
    let prompt = resolve(&mut times, "2026-06-01T14:21:00.000000", "2026-06-01T12:21:00.200000Z");
    assert_eq!(prompt.0, "2026-06-01T12:21:00.000000Z");
}

#[test]
fn g6_daylight_saving_moves_the_zone_both_ways() {
    let mut times = Times::default();
    resolve(&mut times, "2026-03-29T01:59:59.000000", "2026-03-29T00:59:59.100000Z");
    let spring = resolve(&mut times, "2026-03-29T03:00:01.000000", "2026-03-29T01:00:01.100000Z");
    assert_eq!(spring.0, "2026-03-29T01:00:01.000000Z");
    let autumn = resolve(&mut times, "2026-10-25T02:00:01.000000", "2026-10-25T01:00:01.100000Z");
    assert_eq!(autumn.0, "2026-10-25T01:00:01.000000Z");
}

#[test]
fn g5_without_a_time_around_it_a_klog_time_gets_no_year() {
    let bare = Line { at: 5, dated: false, ..line("2026-06-01T12:00:00Z") };
    let resolved = Times::default().resolve(Some(klog("2026-06-01T14:00:00.5")), &bare);
    assert_eq!(
        resolved,
        Resolved { at: 5, written: "06-01T14:00:00.500000".to_owned(), dated: false }
    );
}

#[test]
fn g6_another_clock_is_no_zone() {
    let (resolved, written) =
        resolve(&mut Times::default(), "2026-06-01T14:00:00.000000", "2026-08-01T12:00:00.000000Z");
    assert_eq!(resolved, "2026-08-01T12:00:00.000000Z");
    assert_eq!(written, "2026-06-01T14:00:00.000000");
}

#[test]
fn g61_full_dates_keep_their_zone_in_the_written_form() {
    let stamp = Stamp::Civil {
        year: 2031,
        month: 3,
        day: 17,
        hour: 11,
        minute: 15,
        second: 2,
        nanos: 770_113_904,
        offset_seconds: Some(7200),
    };
    let resolved = Times::default().resolve(Some(stamp), &line("2031-03-17T09:15:02.8Z"));
    assert_eq!(utc(resolved.at), "2031-03-17T09:15:02.770113Z");
    assert_eq!(resolved.written, "2031-03-17T11:15:02.770113904+02:00");
}

#[test]
fn clocks_are_bounded_and_survive_a_restart() {
    let mut times = Times::default();
    for boot in 0..200 {
        let other = Line { boot, ..line("2026-06-01T12:00:00.1Z") };
        times.resolve(Some(klog("2026-06-01T14:00:00")), &other);
    }
    let mut kept = Vec::new();
    times.changes(&mut |clock, zone| kept.push((clock.clone(), zone.copied())));
    let alive: Vec<_> = kept.into_iter().filter_map(|(clock, zone)| Some((clock, zone?))).collect();
    assert_eq!(alive.len(), limits::CLOCKS);
    let mut again = Times::default();
    for (clock, zone) in alive {
        again.restore(clock, zone);
    }
    let late = Line { boot: 199, ..line("2026-06-01T12:40:00Z") };
    let resolved = again.resolve(Some(klog("2026-06-01T14:00:00")), &late);
    assert_eq!(utc(resolved.at), "2026-06-01T12:00:00.000000Z");
}
