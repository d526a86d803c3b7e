//! Nodes that never were, through the real detector: what it takes for a spike, what it misses, and how
//! soon. Prints a table; the bounds below are what is promised.

mod lives;

use super::{Change, Failed, LINES, Spikes, When, series::SECOND};
use crate::{diagnosis::clock::Clock, source::Micros};

const MINUTE: Micros = 60 * SECOND;
const HOUR: Micros = 60 * MINUTE;
const DAY: Micros = 24 * HOUR;

/// Xorshift: the same seed gives the same lives everywhere.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: i64) -> i64 {
        i64::try_from(self.roll() >> 2).unwrap() % bound.max(1)
    }

    fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below(to - from + 1)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.roll() >> 33).unwrap() % all.len()]
    }

    /// Exponential, as the time to the next of many independent things is.
    #[expect(clippy::cast_possible_truncation, reason = "some days in microseconds")]
    fn wait(&mut self, mean: Micros) -> Micros {
        let unit = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        (-(1.0 - unit).ln() * mean as f64) as Micros
    }
}

/// What happens at one moment of a life.
#[derive(Clone, Debug)]
enum Event {
    /// A line that tells of no failure.
    Line,
    Failed {
        step: &'static str,
        pod: String,
        is_of_node: bool,
    },
    Error {
        lines: u32,
    },
    Boot,
    /// The node's clock is set by so much, from here on.
    Step(Micros),
}

/// Something that must be seen: from when to when, and what it is about.
#[derive(Clone, Debug)]
struct Truth {
    name: &'static str,
    from: Micros,
    to: Micros,
}

#[derive(Default)]
struct Life {
    events: Vec<(Micros, Event)>,
    truths: Vec<Truth>,
    ends: Micros,
}

/// How one life was told.
#[derive(Default)]
struct Verdict {
    starts: usize,
    wrong: Vec<String>,
    missed: Vec<String>,
    seconds_to_fire: Vec<i64>,
    left_on: usize,
}

/// How long after the end of a fault a start may still be about it.
const LATE: Micros = 2 * MINUTE;

fn judge(mut life: Life) -> Verdict {
    life.events.extend((0..life.ends / MINUTE).map(|minute| (minute * MINUTE, Event::Line)));
    life.events.sort_by_key(|(at, _)| *at);
    let (mut spikes, mut clock) = (Spikes::default(), Clock::default());
    let (mut booted, mut step, mut told) = (None, 0, Vec::<(Micros, Change)>::new());
    for (at, event) in life.events {
        let source = START + at + step;
        let before = clock.now();
        // Error lines alone do not move the engine's clock.
        let is_line = matches!(event, Event::Error { .. });
        let now = if is_line { clock.engine_time(source) } else { clock.advance(source) };
        spikes.advanced(before, clock.now());
        while let Some(due) = spikes.next_due().filter(|due| *due <= now) {
            told.extend(spikes.fire(due).map(|change| (at, change)));
        }
        let ahead = now - clock.now();
        let when = When { now, at: source, ahead, booted };
        match event {
            Event::Line => {}
            Event::Boot => booted = Some(now),
            Event::Step(by) => step += by,
            Event::Failed { step, pod, is_of_node } => {
                let failed = Failed {
                    step,
                    reason: "Why",
                    pod: &pod,
                    incident: None,
                    is_of_node,
                    is_once: false,
                };
                spikes.failed(when, &failed);
            }
            Event::Error { lines } => {
                for _ in 0..lines {
                    spikes.line(when, LINES[0], || "E1122 what it says".to_owned());
                }
            }
        }
        while let Some(due) = spikes.next_due().filter(|due| *due <= now) {
            told.extend(spikes.fire(due).map(|change| (at, change)));
        }
    }
    verdict(&life.truths, &told, &spikes)
}

fn verdict(truths: &[Truth], told: &[(Micros, Change)], spikes: &Spikes) -> Verdict {
    let mut verdict = Verdict::default();
    let starts: Vec<_> = told.iter().filter(|(_, change)| !change.is_over).collect();
    verdict.starts = starts.len();
    let is_about = |truth: &Truth, (at, change): &(Micros, Change)| {
        truth.name == change.name && truth.from <= *at && *at <= truth.to + LATE
    };
    for start in &starts {
        if !truths.iter().any(|truth| is_about(truth, start)) {
            let (at, change) = start;
            let active = &change.active;
            verdict.wrong.push(format!(
                "{} after {} h: {:?} {} of {:.4}",
                change.name,
                at / HOUR,
                active.measure,
                active.observed,
                active.expected
            ));
        }
    }
    for truth in truths {
        let first = starts.iter().find(|start| is_about(truth, start));
        match first {
            Some((at, _)) => verdict.seconds_to_fire.push((at - truth.from) / SECOND),
            None => verdict.missed.push(format!("{} after {} h", truth.name, truth.from / HOUR)),
        }
    }
    verdict.left_on = spikes.present().filter(|(_, score)| score.is_some()).count();
    verdict
}

const START: Micros = 1_795_384_800 * SECOND;

/// Of one kind of life, over all its seeds.
struct Row {
    name: &'static str,
    lives: u64,
    truths: usize,
    verdict: Verdict,
}

fn row(name: &'static str, seeds: std::ops::Range<u64>, life: fn(&mut Dice) -> Life) -> Row {
    let lives = seeds.end - seeds.start;
    let (mut all, mut truths) = (Verdict::default(), 0);
    for seed in seeds {
        let life = life(&mut Dice::new(seed));
        truths += life.truths.len();
        let one = judge(life);
        all.starts += one.starts;
        all.left_on += one.left_on;
        all.seconds_to_fire.extend(one.seconds_to_fire);
        let named =
            |texts: Vec<String>| texts.into_iter().map(move |it| format!("seed {seed}: {it}"));
        all.wrong.extend(named(one.wrong));
        all.missed.extend(named(one.missed));
    }
    all.seconds_to_fire.sort_unstable();
    Row { name, lives, truths, verdict: all }
}

/// The value below which this many hundredths lie.
fn percentile(sorted: &[i64], hundredths: usize) -> Option<i64> {
    sorted.get((sorted.len() * hundredths / 100).min(sorted.len().checked_sub(1)?)).copied()
}

/// As a table in Markdown, with the first of what went wrong below each row.
#[expect(clippy::print_stdout, reason = "the figures are what somebody runs this for")]
fn print(seed: u64, rows: &[Row], figures: &str) {
    println!("seed {seed}");
    println!("| lives | | spikes | seen | missed | wrong | seconds to fire: half, most, all |");
    println!("|---|--:|--:|--:|--:|--:|---|");
    for Row { name, lives, truths, verdict } in rows {
        let told = [50, 95, 100].map(|it| {
            let seconds = percentile(&verdict.seconds_to_fire, it);
            seconds.map_or_else(|| "-".to_owned(), |seconds| seconds.to_string())
        });
        println!(
            "| {name} | {lives} | {truths} | {} | {} | {} | {} |",
            verdict.seconds_to_fire.len(),
            verdict.missed.len(),
            verdict.wrong.len(),
            told.join(", ")
        );
        for text in verdict.wrong.iter().chain(&verdict.missed).take(5) {
            println!("    {text}");
        }
    }
    println!("{figures}");
}

#[test]
fn o22_what_is_a_spike_is_told_soon_and_nothing_else_is() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = variable("PODWHY_SEED").unwrap_or(1) % 1_000_000;
    let times = variable("PODWHY_SOAK").unwrap_or(1);
    let seeds = |count: u64| seed..seed + count * times;
    let rows: Vec<Row> =
        lives::ALL.iter().map(|(name, count, life)| row(name, seeds(*count), *life)).collect();
    let sum = |of: fn(&Verdict) -> usize| rows.iter().map(|row| of(&row.verdict)).sum::<usize>();
    let seen = sum(|verdict| verdict.seconds_to_fire.len());
    let (missed, wrong) = (sum(|verdict| verdict.missed.len()), sum(|verdict| verdict.wrong.len()));
    let mut all: Vec<i64> =
        rows.iter().flat_map(|row| row.verdict.seconds_to_fire.iter().copied()).collect();
    all.sort_unstable();
    let share = |part: usize, rest: usize| part as f64 / (part + rest) as f64;
    let (precision, recall) = (share(seen, wrong), share(seen, missed));
    let [half, most] = [50, 95].map(|it| percentile(&all, it).unwrap());
    let figures = format!(
        "precision {precision:.3}, recall {recall:.3}, seconds to fire: half within {half}, 95 % \
         within {most}"
    );
    print(seed, &rows, &figures);
    assert!(precision >= 0.97 && recall >= 0.99, "{figures}");
    assert!(half <= 60 && most <= 180, "{figures}");
    for Row { name, lives, truths, verdict } in &rows {
        assert_eq!(verdict.left_on, 0, "{name}: a spike that never ends");
        // Two pods that break at once may be chance, in some weeks of a node; what one broken pod
        // does in days never is.
        let may_err = if lives::BY_CHANCE.contains(name) { lives * 3 / 8 } else { 0 };
        let wrong = verdict.wrong.len() as u64;
        assert!(*truths > 0 || wrong <= may_err, "{name}: {:?}", verdict.wrong);
    }
    let flapping = rows.iter().find(|row| row.name == lives::FLAPPING).unwrap();
    assert_eq!(flapping.verdict.starts, flapping.truths, "told once, however often it comes again");
}

#[test]
fn o22_a_long_outage_is_not_learned() {
    let outage = |life: &mut Life, dice: &mut Dice, from: Micros, hours: Micros| {
        lives::outage(life, dice, ("CreatePodSandbox", 8), (from, from + hours * HOUR));
    };
    let (mut life, mut dice) = (Life::default(), Dice::new(7));
    outage(&mut life, &mut dice, 10 * HOUR, 14);
    outage(&mut life, &mut dice, 30 * HOUR, 1);
    life.ends = 34 * HOUR;
    let verdict = judge(life);
    assert_eq!((verdict.starts, verdict.wrong.len(), verdict.missed.len()), (2, 0, 0));
}

#[test]
fn a_state_of_days_is_no_jump_any_more_and_does_not_begin_anew() {
    let (mut life, mut dice) = (Life::default(), Dice::new(9));
    lives::outage(&mut life, &mut dice, ("StartContainer", 5), (10 * HOUR, 5 * DAY));
    life.ends = 6 * DAY;
    let verdict = judge(life);
    assert_eq!((verdict.starts, verdict.missed.len(), verdict.left_on), (1, 0, 0));
}

#[test]
fn one_pod_is_enough_where_the_node_is_to_blame_and_nowhere_else() {
    for (is_of_node, expected) in [(true, 1), (false, 0)] {
        let mut life = Life::default();
        lives::repeats(
            &mut life,
            "CreatePodSandbox",
            "shop/web-0",
            12 * SECOND,
            (8 * HOUR, 12 * HOUR),
        );
        for (_, event) in &mut life.events {
            if let Event::Failed { is_of_node: it, .. } = event {
                *it = is_of_node;
            }
        }
        life.ends = 14 * HOUR;
        assert_eq!(judge(life).starts, expected);
    }
}

#[test]
fn failures_beyond_what_back_off_explains_are_a_spike_of_attempts() {
    let mut life = Life::default();
    // Two that are known to be broken, and from a moment on are tried again without any pause.
    for pod in ["shop/web-0", "mail/imap-0"] {
        let from = if pod.starts_with("shop") { HOUR } else { 4 * HOUR };
        lives::repeats(&mut life, "StartContainer", pod, 12 * SECOND, (from, 12 * HOUR));
        lives::repeats(
            &mut life,
            "StartContainer",
            pod,
            SECOND,
            (9 * HOUR, 9 * HOUR + 20 * MINUTE),
        );
    }
    life.truths.push(Truth { name: "StartContainer", from: 9 * HOUR, to: 9 * HOUR + 20 * MINUTE });
    life.ends = 13 * HOUR;
    let verdict = judge(life);
    assert_eq!((verdict.starts, verdict.missed.len(), verdict.left_on), (1, 0, 0));
}

#[test]
fn nothing_is_a_spike_while_the_node_is_getting_to_be_known() {
    let (mut life, mut dice) = (Life::default(), Dice::new(3));
    lives::outage(&mut life, &mut dice, ("CreatePodSandbox", 20), (MINUTE, 50 * MINUTE));
    life.truths.clear();
    life.ends = 3 * HOUR;
    assert_eq!(judge(life).starts, 0);
}

#[test]
fn names_beyond_the_bounds_cost_no_more_memory() {
    let mut spikes = Spikes::default();
    let long = "x".repeat(4096);
    for number in 0..20_000_i64 {
        let (step, pod) = (format!("{number}{long}"), format!("a/{number}-{long}"));
        let failed = Failed {
            step: if number % 2 == 0 { &step } else { "StartContainer" },
            reason: "Why",
            pod: &pod,
            incident: None,
            is_of_node: false,
            is_once: false,
        };
        let now = START + number * 1000;
        spikes.failed(When { now, at: now, ahead: 0, booted: None }, &failed);
    }
    assert!(spikes.series.len() <= crate::limits::SPIKE_SERIES + LINES.len() + 1);
    assert!(spikes.pods.values().all(|pods| pods.len() <= crate::limits::SPIKE_PODS));
    assert_eq!(spikes.present().filter(|(name, _)| name.len() > 128).count(), 0);
}

#[test]
fn a_storm_of_lines_is_a_spike_within_a_minute_and_a_burst_is_none() {
    let storm = |seconds: i64| {
        let mut life = Life { ends: 8 * HOUR, ..Life::default() };
        for second in 0..seconds {
            life.events.push((6 * HOUR + second * SECOND, Event::Error { lines: 500 }));
        }
        life.truths.push(Truth { name: LINES[0], from: 6 * HOUR, to: 6 * HOUR + seconds * SECOND });
        judge(life)
    };
    let lasting = storm(300);
    assert_eq!((lasting.starts, lasting.missed.len(), lasting.left_on), (1, 0, 0));
    assert!(lasting.seconds_to_fire[0] <= 60, "{:?}", lasting.seconds_to_fire);
    assert_eq!(storm(5).starts, 0);
}
