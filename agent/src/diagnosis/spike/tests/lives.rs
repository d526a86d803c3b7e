//! The lives that nodes lead: weeks without trouble, deployments, broken pods, faults of the node.

use super::{DAY, Dice, Event, HOUR, LINES, Life, MINUTE, Micros, SECOND, Truth};

const QUIET: &str = "quiet weeks, a pod breaks every other day";
const BUSY: &str = "busy weeks, five pods a day break by themselves";
const DRIFT: &str = "more and more pods break, over two weeks";
const DEPLOYMENTS: &str = "deployments all day, failing for moments";
const CLOCK: &str = "clock set forward and back";
/// Pods break at random in these.
pub(super) const BY_CHANCE: [&str; 5] = [QUIET, BUSY, DRIFT, DEPLOYMENTS, CLOCK];
pub(super) const FLAPPING: &str = "a fault that comes and goes for hours";

type Kind = (&'static str, u64, fn(&mut Dice) -> Life);

/// Name, how many of each, and what happens.
pub(super) const ALL: &[Kind] = &[
    (QUIET, 24, quiet),
    (BUSY, 12, busy),
    (DEPLOYMENTS, 12, deployments),
    ("one pod in back-off for days, each kubelet's pace", 8, crash_looper),
    ("three broken pods, hours apart", 12, apart),
    ("a CronJob that fails each minute", 4, cron),
    (DRIFT, 8, drift),
    ("reboots, all pods fail for a minute", 8, reboots),
    (CLOCK, 12, clock_steps),
    ("error lines: few, and bursts at restarts", 6, chatter),
    ("pod network or runtime dies", 60, node_death),
    ("the same beside pods that were broken before", 30, death_beside_broken),
    ("two pods at once, after a day without trouble", 20, pair),
    ("a bad Deployment, three to six of its pods here", 40, bad_rollout),
    (FLAPPING, 12, flapping),
    ("dead after a reboot", 12, dead_after_reboot),
    ("dies while the clock is set", 16, death_and_clock),
    ("error lines without end", 12, line_storm),
];

const STEPS: [&str; 3] = ["StartContainer", "CreatePodSandbox", "MountVolume"];

/// How soon a kubelet tries again: up to 1.33, and since.
const PACES: [Micros; 2] = [12 * SECOND, 75 * SECOND];

/// One pod fails at one step at a pace.
pub(super) fn repeats(
    life: &mut Life,
    step: &'static str,
    pod: &str,
    pace: Micros,
    (from, to): (Micros, Micros),
) {
    let mut at = from;
    while at < to {
        let failed = Event::Failed { step, pod: pod.to_owned(), is_of_node: false };
        life.events.push((at, failed));
        at += pace;
    }
}

fn broken(
    life: &mut Life,
    dice: &mut Dice,
    (step, pod): (&'static str, &str),
    (from, to): (Micros, Micros),
) {
    let pace = dice.one_of(&PACES) + dice.below(5) * SECOND;
    // The first attempts come faster than any back-off.
    for second in [0, 2, 11] {
        if from + second * SECOND < to {
            repeats(life, step, pod, pace, (from + second * SECOND, from + second * SECOND + 1));
        }
    }
    repeats(life, step, pod, pace, (from + 12 * SECOND, to));
}

/// Pods break one by one, at random, and are mended or deleted after a while.
fn background(life: &mut Life, dice: &mut Dice, every: Micros, (from, to): (Micros, Micros)) {
    let mut at = from + dice.wait(every);
    while at < to {
        let step = dice.one_of(&STEPS);
        let pod = format!("ns-{}/app-{}", dice.below(6), at);
        let until = (at + dice.wait(40 * MINUTE)).min(to);
        broken(life, dice, (step, &pod), (at, until));
        at += dice.wait(every);
    }
}

/// Many pods fail from one moment on, at one step.
pub(super) fn outage(
    life: &mut Life,
    dice: &mut Dice,
    (step, pods): (&'static str, i64),
    (from, to): (Micros, Micros),
) {
    for number in 0..pods {
        let begins = from + dice.below(40) * SECOND;
        let pod = format!("ns-{}/dead-{from}-{number}", number % 4);
        broken(life, dice, (step, &pod), (begins, to));
    }
    life.truths.push(Truth { name: step, from, to });
}

fn quiet(dice: &mut Dice) -> Life {
    let mut life = Life { ends: 14 * DAY, ..Life::default() };
    background(&mut life, dice, 2 * DAY, (0, 14 * DAY));
    life
}

fn busy(dice: &mut Dice) -> Life {
    let mut life = Life { ends: 14 * DAY, ..Life::default() };
    background(&mut life, dice, DAY / 5, (0, 14 * DAY));
    life
}

/// Each wave replaces some pods; half of them fail once or thrice until a volume or a name is there.
fn deployments(dice: &mut Dice) -> Life {
    let mut life = Life { ends: 7 * DAY, ..Life::default() };
    let mut at = HOUR;
    while at < life.ends {
        for number in 0..dice.between(1, 12) {
            if dice.below(2) == 0 {
                continue;
            }
            let step = dice.one_of(&STEPS);
            let begins = at + dice.below(90) * SECOND;
            let pod = format!("shop/web-{at}-{number}");
            for _ in 0..dice.between(1, 3) {
                let within = begins + dice.below(9_000_000);
                repeats(&mut life, step, &pod, SECOND, (within, within + 1));
            }
        }
        at += dice.wait(40 * MINUTE);
    }
    background(&mut life, dice, 3 * DAY, (0, 7 * DAY));
    life
}

fn crash_looper(dice: &mut Dice) -> Life {
    let mut life = Life { ends: 4 * DAY, ..Life::default() };
    let from = dice.between(2, 20) * HOUR;
    broken(&mut life, dice, ("StartContainer", "shop/web-0"), (from, 4 * DAY));
    life
}

fn apart(dice: &mut Dice) -> Life {
    let mut life = Life { ends: 3 * DAY, ..Life::default() };
    let mut from = 5 * HOUR;
    for pod in ["shop/web-0", "mail/imap-0", "shop/cart-1"] {
        broken(&mut life, dice, ("StartContainer", pod), (from, 3 * DAY));
        from += dice.between(30, 400) * MINUTE;
    }
    life
}

/// Its pods are one after the other the same thing: the engine gives them one name.
fn cron(dice: &mut Dice) -> Life {
    let mut life = Life { ends: 2 * DAY, ..Life::default() };
    let mut at = dice.between(2, 6) * HOUR;
    while at < life.ends {
        for second in [0, 3, 14, 25] {
            let at = at + second * SECOND;
            repeats(&mut life, "StartContainer", "shop/backup", SECOND, (at, at + 1));
        }
        at += MINUTE;
    }
    life
}

fn drift(dice: &mut Dice) -> Life {
    let mut life = Life { ends: 14 * DAY, ..Life::default() };
    for day in 0..14 {
        let every = DAY / (1 + day / 2);
        background(&mut life, dice, every, (day * DAY, (day + 1) * DAY));
    }
    life
}

fn reboots(dice: &mut Dice) -> Life {
    let mut life = Life { ends: 10 * DAY, ..Life::default() };
    let mut at = 8 * HOUR;
    while at < life.ends - HOUR {
        life.events.push((at, Event::Boot));
        for number in 0..dice.between(5, 30) {
            let pod = format!("ns-{}/app-{number}", number % 5);
            let until = at + dice.between(20, 120) * SECOND;
            broken(&mut life, dice, ("CreatePodSandbox", &pod), (at + 8 * SECOND, until));
        }
        at += dice.between(10, 40) * HOUR;
    }
    life
}

fn clock_steps(dice: &mut Dice) -> Life {
    let mut life = Life { ends: 5 * DAY, ..Life::default() };
    background(&mut life, dice, DAY, (0, 5 * DAY));
    for _ in 0..6 {
        let by = dice.one_of(&[SECOND, MINUTE, 45 * MINUTE, 9 * HOUR, 365 * DAY]);
        let at = dice.between(2, 110) * HOUR;
        let back = at + dice.between(1, 300) * MINUTE;
        let sign = if dice.below(2) == 0 { 1 } else { -1 };
        life.events.push((at, Event::Step(sign * by)));
        life.events.push((back, Event::Step(-sign * by)));
    }
    life
}

fn errors(life: &mut Life, dice: &mut Dice, a_minute: i64) {
    for minute in 0..life.ends / MINUTE {
        let lines = dice.below(2 * a_minute + 1);
        for _ in 0..lines {
            let at = minute * MINUTE + dice.below(MINUTE);
            life.events.push((at, Event::Error { lines: 1 }));
        }
    }
}

fn chatter(dice: &mut Dice) -> Life {
    let mut life = Life { ends: 3 * DAY, ..Life::default() };
    let a_minute = dice.one_of(&[0, 2, 10, 60]);
    errors(&mut life, dice, a_minute);
    let mut at = 2 * HOUR;
    while at < life.ends {
        // A kubelet or a runtime begins anew and complains of each container.
        for second in 0..dice.between(2, 12) {
            let lines = u32::try_from(dice.between(20, 200)).unwrap();
            life.events.push((at + second * SECOND, Event::Error { lines }));
        }
        at += dice.between(2, 20) * HOUR;
    }
    life
}

fn node_death(dice: &mut Dice) -> Life {
    let from = dice.between(6 * 60, 40 * 60) * MINUTE;
    let to = from + dice.between(10, 360) * MINUTE;
    let mut life = Life { ends: to + 4 * HOUR, ..Life::default() };
    let step = dice.one_of(&STEPS);
    let pods = dice.between(3, 25);
    outage(&mut life, dice, (step, pods), (from, to));
    let ends = life.ends;
    background(&mut life, dice, 3 * DAY, (0, ends));
    life.truths.truncate(1);
    life
}

fn death_beside_broken(dice: &mut Dice) -> Life {
    let mut life = node_death(dice);
    let mut at = HOUR / 2;
    for number in 0..dice.between(1, 4) {
        let pod = format!("old/broken-{number}");
        let step = life.truths[0].name;
        let until = life.ends;
        broken(&mut life, dice, (step, &pod), (at, until));
        at += dice.between(20, 90) * MINUTE;
    }
    life
}

fn pair(dice: &mut Dice) -> Life {
    let from = dice.between(20, 60) * HOUR;
    let to = from + dice.between(10, 120) * MINUTE;
    let mut life = Life { ends: to + 2 * HOUR, ..Life::default() };
    outage(&mut life, dice, ("CreatePodSandbox", 2), (from, to));
    life
}

fn bad_rollout(dice: &mut Dice) -> Life {
    let from = dice.between(26 * 60, 60 * 60) * MINUTE;
    let to = from + dice.between(15, 200) * MINUTE;
    let mut life = Life { ends: to + 2 * HOUR, ..Life::default() };
    background(&mut life, dice, 2 * DAY, (0, from - HOUR));
    for number in 0..dice.between(3, 6) {
        let begins = from + dice.below(20) * SECOND;
        let pod = format!("shop/web-6d4cf56db6-{number}");
        broken(&mut life, dice, ("StartContainer", &pod), (begins, to));
    }
    life.truths.push(Truth { name: "StartContainer", from, to });
    life
}

fn flapping(dice: &mut Dice) -> Life {
    let from = dice.between(6, 30) * HOUR;
    let mut life = Life::default();
    let mut at = from;
    let pods = dice.between(5, 15);
    for _ in 0..dice.between(6, 14) {
        let on = dice.between(2, 5) * MINUTE;
        for number in 0..pods {
            let pod = format!("ns-{}/dead-{number}", number % 3);
            let begins = at + dice.below(20) * SECOND;
            broken(&mut life, dice, ("CreatePodSandbox", &pod), (begins, at + on));
        }
        at += on + dice.between(1, 6) * MINUTE;
    }
    life.truths.push(Truth { name: "CreatePodSandbox", from, to: at });
    life.ends = at + 3 * HOUR;
    life
}

fn dead_after_reboot(dice: &mut Dice) -> Life {
    let at = dice.between(6, 60) * HOUR;
    let to = at + dice.between(30, 200) * MINUTE;
    let mut life = Life { ends: to + 2 * HOUR, ..Life::default() };
    life.events.push((at, Event::Boot));
    let pods = dice.between(5, 30);
    outage(&mut life, dice, ("CreatePodSandbox", pods), (at + 5 * SECOND, to));
    // What fails within ten minutes of a boot is the boot's.
    life.truths[0].from = at + 10 * MINUTE;
    life
}

fn death_and_clock(dice: &mut Dice) -> Life {
    let mut life = node_death(dice);
    let truth = life.truths[0].clone();
    let by = dice.one_of(&[MINUTE, 45 * MINUTE, 9 * HOUR]);
    let sign = if dice.below(2) == 0 { 1 } else { -1 };
    let at = truth.from - dice.between(1, 60) * MINUTE;
    life.events.push((at, Event::Step(sign * by)));
    life
}

fn line_storm(dice: &mut Dice) -> Life {
    let from = dice.between(3, 60) * HOUR;
    let to = from + dice.between(5, 90) * MINUTE;
    let mut life = Life { ends: to + 2 * HOUR, ..Life::default() };
    let usual = dice.one_of(&[0, 2, 10]);
    errors(&mut life, dice, usual);
    let a_second = dice.one_of(&[3, 10, 100]);
    for second in 0..(to - from) / SECOND {
        life.events.push((from + second * SECOND, Event::Error { lines: a_second }));
    }
    life.truths.push(Truth { name: LINES[0], from, to });
    life
}
