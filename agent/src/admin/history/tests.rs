//! The past, its bounds, and what of it outlives the agent.

use super::*;
use crate::node::Disk;

const NOW: Micros = 1_800_000_000_000_000;

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

fn commit(day: &mut Day, now: Micros, durable: &mut Entries) {
    day.changes(now, &mut |(key, value)| match value {
        Some(value) => drop(durable.insert(key, value)),
        None => drop(durable.remove(&key)),
    });
}

fn restored(durable: &Entries) -> Day {
    let mut day = Day::default();
    day.restore(durable.iter().map(|(key, value)| (key.as_slice(), value.as_slice())));
    day
}

fn view(free: u64, inodes: u64, is_ready: bool) -> View {
    let disk = Disk {
        role: DiskRole::Kubelet,
        at: NOW,
        free_bytes: free,
        total_bytes: 1000,
        inodes_free: Some(inodes),
        inodes_total: Some(100),
        read_only: None,
    };
    let cni = crate::node::Cni {
        at: NOW,
        ready: is_ready,
        reason: None,
        detail: None,
        leases_used: None,
        leases_free: None,
    };
    View { disks: vec![disk], cni: Some(cni), ..View::default() }
}

#[test]
fn a_day_is_told_by_quarters_and_outlives_the_agent() {
    let (mut day, mut durable) = (Day::default(), Entries::new());
    for minutes in [0, 1, 20, 1_000] {
        day.failed(NOW - minutes * 60_000_000);
    }
    day.worked(NOW);
    day.opened(NOW);
    day.resolved(NOW);
    day.looked(NOW, &view(700, 50, true));
    day.looked(NOW, &view(40, 60, false));
    commit(&mut day, NOW, &mut durable);
    let told: Vec<_> = day.until(NOW).map(|(at, it)| (at, it.clone())).collect();
    assert_eq!(told.iter().map(|(_, it)| it.failed).sum::<u32>(), 4);
    let (_, last) = told.last().unwrap();
    assert_eq!((last.worked, last.opened, last.resolved, last.network), (1, 1, 1, (1, 1)));
    assert_eq!(last.free, [(DiskRole::Kubelet, Free { bytes: 40, inodes: Some(500) })]);
    let again = restored(&durable);
    assert_eq!(again.until(NOW).map(|(at, it)| (at, it.clone())).collect::<Vec<_>>(), told);
    let mut silent = again;
    silent.changes(NOW, &mut |change| panic!("nothing is new: {change:?}"));
}

#[test]
fn what_is_older_than_a_day_or_of_the_future_goes_for_good() {
    let (mut day, mut durable) = (Day::default(), Entries::new());
    day.failed(NOW);
    commit(&mut day, NOW, &mut durable);
    assert_eq!(durable.len(), 1);
    let tomorrow = NOW + 25 * 3_600_000_000;
    assert_eq!(day.until(tomorrow).count(), 0);
    day.failed(tomorrow + 40 * 3_600_000_000);
    commit(&mut day, tomorrow, &mut durable);
    assert_eq!((durable.len(), day.quarters.len()), (0, 0));
    for hour in 0..1_000 {
        day.failed(NOW + hour * 3_600_000_000);
    }
    assert_eq!(day.quarters.len(), limits::HISTORY_QUARTERS);
}

#[test]
fn what_another_release_wrote_is_let_go_and_not_believed() {
    let key = (NOW / QUARTER * QUARTER).to_be_bytes().to_vec();
    let mut durable = Entries::from([(key, vec![0xff; 3]), (b"odd".to_vec(), vec![1])]);
    let mut day = restored(&durable);
    assert_eq!(day.until(NOW).count(), 0);
    commit(&mut day, NOW, &mut durable);
    assert_eq!(durable.len(), 1, "only what is no key of ours stays");
}

#[test]
fn an_incident_keeps_its_beginning_and_its_latest_turns() {
    let mut past = Past::default();
    let states = [State::Open, State::Recovering];
    for number in 0..100_u8 {
        let state = states[usize::from(number) % 2];
        let incident = Incident { id: "a".to_owned(), state, ..Incident::default() };
        past.incident(&incident, Micros::from(number));
        past.incident(&incident, Micros::from(number) + 1);
    }
    let turns: Vec<_> = past.turns("a").map(|turn| turn.at).collect();
    assert_eq!(turns.len(), limits::HISTORY_TURNS);
    assert_eq!((turns[0], *turns.last().unwrap()), (0, 99));
    for number in 0..2 * limits::HISTORY_INCIDENTS {
        let incident = Incident { id: number.to_string(), ..Incident::default() };
        past.incident(&incident, 1_000 + Micros::try_from(number).unwrap());
    }
    assert_eq!(past.turns.len(), limits::HISTORY_INCIDENTS);
    assert_eq!(past.turns("a").count(), 0, "the quietest goes first");
}

#[test]
fn a_check_is_kept_where_it_is_news() {
    let mut past = Past::default();
    let check = |status, text: &str| Check {
        name: "source_journal".to_owned(),
        status,
        value: None,
        threshold: None,
        text: text.to_owned(),
    };
    for _ in 0..3 {
        past.checked(&check(CheckStatus::Failed, "gone"), 1);
    }
    past.checked(&check(CheckStatus::Ok, "back"), 2);
    let told: Vec<_> = past.checks().map(|it| (it.at, status_word(it.check.status))).collect();
    assert_eq!(told, [(2, "ok"), (1, "failed")]);
    for number in 0..500 {
        past.checked(&check(CheckStatus::Failed, &number.to_string()), number);
    }
    assert_eq!(past.checks().count(), limits::HISTORY_CHECKS);
}
