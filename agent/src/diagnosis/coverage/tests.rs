//! Shares of time, by hand.

use super::*;

const S: Micros = 1_000_000;

fn loss(kind: LossKind, from: Option<Micros>, to: Option<Micros>) -> Loss {
    Loss {
        kind,
        component: "kubelet".to_owned(),
        unit: None,
        lines: Some(7),
        from,
        to,
        destination: None,
        why: String::new(),
    }
}

#[test]
fn m10_gaps_that_overlap_are_counted_once() {
    let mut blind = Blind::default();
    assert_eq!(blind.share(0, 100 * S), Some(1.0));
    blind.lost(&loss(LossKind::Suppressed, Some(10 * S), Some(30 * S)));
    blind.lost(&loss(LossKind::Suppressed, Some(20 * S), Some(40 * S)));
    blind.lost(&loss(LossKind::Vacuumed, Some(90 * S), Some(400 * S)));
    assert_eq!(blind.share(0, 100 * S), Some(0.6));
    assert_eq!(blind.share(41 * S, 80 * S), Some(1.0), "what lies beside a gap was seen");
}

#[test]
fn m10_a_gap_that_nobody_can_date_leaves_the_share_unknown() {
    let mut blind = Blind::default();
    blind.lost(&loss(LossKind::Vacuumed, None, None));
    assert_eq!(blind.share(0, 100 * S), None);
    let mut blind = Blind::default();
    blind.lost(&loss(LossKind::Vacuumed, None, Some(5 * S)));
    assert_eq!(blind.share(10 * S, 100 * S), Some(1.0), "it ended before");
    assert_eq!(blind.share(0, 100 * S), None);
}

#[test]
fn m10_what_a_backend_refused_was_seen() {
    let mut blind = Blind::default();
    assert_eq!(blind.lost(&loss(LossKind::Refused, Some(0), Some(50 * S))), None);
    assert_eq!(blind.share(0, 100 * S), Some(1.0));
}

#[test]
fn m10_a_kubelet_that_says_nothing_is_a_gap_until_it_speaks() {
    let mut blind = Blind::default();
    blind.kubelet_silent(20 * S);
    assert_eq!(blind.share(0, 100 * S), Some(0.2));
    blind.kubelet_spoke(40 * S);
    assert_eq!(blind.share(0, 100 * S), Some(0.8));
}

#[test]
fn m10_what_was_lost_long_before_is_no_loss_of_this_incident() {
    let mut blind = Blind::default();
    blind.lost(&loss(LossKind::Suppressed, Some(0), Some(30 * S)));
    assert_eq!(blind.texts(3600 * S), Vec::<String>::new());
    assert_eq!(blind.texts(60 * S).len(), 1);
}
