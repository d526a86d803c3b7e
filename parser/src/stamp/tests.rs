//! Times in all their forms, by example.

use super::duration::{NANOS_PER_SECOND, duration};
use super::*;

fn civil_at(nanos: u32, offset_seconds: Option<i32>) -> Stamp {
    let (year, month, day, hour, minute, second) = (2031, 3, 17, 9, 15, 2);
    Stamp::Civil { year, month, day, hour, minute, second, nanos, offset_seconds }
}

fn civil_of(text: &str) -> Civil {
    let (rest, civil) = civil(text).unwrap();
    assert_eq!(rest, "");
    civil
}

#[test]
fn g61_all_civil_forms_give_what_they_say_and_no_zone_where_none_stands() {
    for (text, nanos, offset, separator, digits) in [
        ("2031-03-17T09:15:02.770113904Z", 770_113_904, Some(0), 'T', 9),
        ("2031-03-17T09:15:02.770113904+02:00", 770_113_904, Some(7_200), 'T', 9),
        ("2031-03-17 09:15:02.770113904-03:30", 770_113_904, Some(-12_600), ' ', 9),
        ("2031-03-17T09:15:02Z", 0, Some(0), 'T', 0),
        ("2031-03-17 09:15:02", 0, None, ' ', 0),
        ("2031-03-17T09:15:02.1+02:00", 100_000_000, Some(7_200), 'T', 1),
        ("2031-03-17T09:15:02+0000", 0, Some(0), 'T', 0),
        ("2031-03-17T09:15:02.306", 306_000_000, None, 'T', 3),
    ] {
        let civil = civil_of(text);
        assert_eq!(civil.stamp, civil_at(nanos, offset), "{text}");
        assert_eq!((civil.separator, civil.fraction_digits), (separator, digits), "{text}");
        assert_eq!(civil.has_zone, offset.is_some(), "{text}");
    }
}

#[test]
fn g3_impossible_dates_and_times_are_no_stamp() {
    for text in ["1317 08:42:15.306118", "0230 08:42:15.306118", "0431 08:42:15.306118"] {
        assert!(klog(text).is_err(), "{text}");
    }
    for text in ["0317 24:42:15.306118", "0317 08:60:15.306118", "0317 08:42:61.306118"] {
        assert!(klog(text).is_err(), "{text}");
    }
    for text in ["2031-02-29T00:00:00Z", "2031-00-01T00:00:00Z", "1900-02-29T00:00:00Z"] {
        assert!(civil(text).is_err(), "{text}");
    }
    assert!(civil("2031-03-17T09:15:02.7701139041Z").is_err(), "ten digits");
    assert!(klog("0317 08:42:15.30611").is_err(), "five digits");
}

#[test]
fn g5_a_leap_day_stands_without_a_year_and_with_a_leap_year() {
    assert!(klog("0229 08:42:15.306118").is_ok());
    assert!(civil("2032-02-29T00:00:00Z").is_ok());
    assert!(civil("2000-02-29T00:00:00Z").is_ok());
}

#[test]
fn g61_go_times_carry_one_to_nine_digits_a_zone_and_the_monotonic_reading() {
    for (text, nanos, offset) in [
        ("2031-03-17 09:15:02.41230557 +0000 UTC m=+5124.770215661", 412_305_570, 0),
        ("2031-03-17 09:15:02.0904 +0200 CEST m=-5266.448359127", 90_400_000, 7_200),
        ("2031-03-17 09:15:02.5 -0600 CST", 500_000_000, -21_600),
        ("2031-03-17 09:15:02 +0530 +0530 m=+0.1", 0, 19_800),
    ] {
        assert_eq!(go(text), Ok(("", civil_at(nanos, Some(offset)))), "{text}");
    }
    assert!(go("2031-03-17 09:15:02.5 -0600").is_err(), "the zone's name belongs to it");
}

#[test]
fn syslog_months_are_read_by_name_in_many_tongues() {
    let at = |day, micros| Stamp::Klog { month: 3, day, hour: 8, minute: 42, second: 15, micros };
    for (text, stamp) in [
        ("Mar 17 08:42:15", at(17, 0)),
        ("Mar  7 08:42:15", at(7, 0)),
        ("Mar 17 08:42:15.306401", at(17, 306_401)),
        ("3月 17 08:42:15", at(17, 0)),
        ("Mär 17 08:42:15", at(17, 0)),
        ("mars 17 08:42:15", at(17, 0)),
        ("мар 17 08:42:15", at(17, 0)),
    ] {
        assert_eq!(syslog(text), Ok(("", stamp)), "{text}");
    }
    for text in ["Mrz17 08:42:15", "13月 17 08:42:15", "Mar 32 08:42:15", "Mar 0 08:42:15", "März"]
    {
        assert!(syslog(text).is_err(), "{text}");
    }
}

#[test]
fn kernel_stamps_are_seconds_since_boot_or_a_date() {
    let boot = |input| kernel(input).map(|(_, stamp)| stamp);
    assert_eq!(boot("[ 5124.770215] x"), Ok(Stamp::SinceBootMicros(5_124_770_215)));
    assert_eq!(boot("[    0.000000] x"), Ok(Stamp::SinceBootMicros(0)));
    let (rest, stamp) = kernel("[Mon Mar 17 09:15:02 2031] x").unwrap();
    assert_eq!((rest, stamp), ("x", civil_at(0, None)));
    for text in ["[5124] x", "[5124.77] x", "[5124.770215]x", "[+1.000000] x", "[x"] {
        assert!(kernel(text).is_err(), "{text}");
    }
}

#[test]
fn klog_json_is_in_milliseconds_whose_fraction_is_microseconds() {
    let micros = |text| epoch_millis(text);
    assert_eq!(micros("1931594535306.1182"), Some(Stamp::EpochMicros(1_931_594_535_306_118)));
    assert_eq!(micros("1931594540118.2"), Some(Stamp::EpochMicros(1_931_594_540_118_200)));
    assert_eq!(micros("1931594540118"), Some(Stamp::EpochMicros(1_931_594_540_118_000)));
    for text in ["", "-1", "1e12", "1.2.3", "99999999999999999999", "9223372036854775807"] {
        assert_eq!(micros(text), None, "{text}");
    }
}

#[test]
fn g41_go_durations_of_every_unit_add_up() {
    for (text, nanos) in [
        ("1m20s", 80 * NANOS_PER_SECOND),
        ("5m0s", 300 * NANOS_PER_SECOND),
        ("2m2s", 122 * NANOS_PER_SECOND),
        ("500ms", NANOS_PER_SECOND / 2),
        ("1h0m0.5s", 3_600 * NANOS_PER_SECOND + NANOS_PER_SECOND / 2),
        ("4m12.5s", 252 * NANOS_PER_SECOND + NANOS_PER_SECOND / 2),
        ("1.5µs", 1_500),
        ("10ns", 10),
        ("0s", 0),
        ("-2s", -2 * NANOS_PER_SECOND),
    ] {
        assert_eq!(duration(text), Ok(("", nanos)), "{text}");
    }
    assert_eq!(duration("10s)"), Ok((")", 10 * NANOS_PER_SECOND)));
    for text in ["", "s", "10", "99999999999h", "x1s"] {
        assert!(duration(text).is_err(), "{text}");
    }
    assert_eq!(seconds("1m20s restarting"), Some(80.0));
}

#[test]
fn dates_before_and_after_1970_count_in_the_same_calendar() {
    let micros = |text| civil_of(text).stamp.epoch_micros();
    assert_eq!(micros("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(micros("1969-12-31T23:59:59Z"), Some(-1_000_000));
    assert_eq!(micros("2000-03-01T00:00:00Z"), Some(951_868_800_000_000));
    assert_eq!(micros("2031-03-17T10:42:15.306118+02:00"), Some(1_931_503_335_306_118));
    assert_eq!(micros("2031-03-17 08:42:15"), None);
    assert_eq!(klog("0317 08:42:15.306118").unwrap().1.epoch_micros(), None);
}
