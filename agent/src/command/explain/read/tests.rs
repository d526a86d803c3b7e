//! How an input is read: what is kept of it while it goes by.

use super::*;

/// An input that was read to its end, before anything is asked.
fn read<'o>(options: &'o Options, text: &str) -> Run<'o> {
    let mut run = Run::new(options, vec![None]);
    let bytes = NamedInput::text("paste", text).bytes;
    let mut reading = Reading::new(Paste::new(bytes, UNDATED, None).unwrap(), 0, UNDATED);
    while !reading.is_over {
        reading.step(&mut run).unwrap();
    }
    while let Some((at, item)) = run.order.pop() {
        run.apply(at, item);
    }
    run
}

#[test]
fn what_nobody_asks_for_is_not_kept_however_long_the_input_is() {
    let line = |minute: u32| {
        format!(
            "I1122 13:{minute:02}:00.123456    1234 pod_workers.go:1301] \"Error syncing pod, \
             skipping\" err=\"failed to \\\"StartContainer\\\" for \\\"app\\\" with ErrImagePull: \
             \\\"not found\\\"\" pod=\"shop/web-0\" podUID=\"8c1c0c9e-1111-2222-3333-444455556666\"\n"
        )
    };
    let options = Options::default();
    let run = read(&options, &(0..40).map(line).collect::<String>());
    let engine = run.engine.as_ref().unwrap();
    assert!(engine.counters().failures >= 40, "{:?}", engine.counters());
    assert_eq!((run.out.attempts.len(), run.out.records.len()), (0, 0));
    assert_eq!(run.out.incidents, []);
}

#[test]
fn pods_that_are_named_late_are_placed_all_the_same() {
    let pod = |number: usize| {
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"web-{number}\",\"namespace\":\
             \"shop\",\"creationTimestamp\":\"2026-11-22T13:{:02}:{:02}Z\"}},\"spec\":{{\"nodeName\":\"n{}\",\
             \"containers\":[]}}}}\n",
            number / 60,
            number % 60,
            number % 2
        )
    };
    let options = Options::default();
    let mut run = read(&options, &(0..400).map(pod).collect::<String>());
    run.feed(run.clock.unwrap(), Input::Asked);
    assert_eq!(run.placed, run.nodes.known() + run.told.len());
    assert!(run.nodes.known() >= 402, "{}", run.nodes.known());
    let places = run.nodes.whereabouts(&run.told);
    assert!(places.is_of_several);
    assert_eq!(places.pods.len(), 400);
}
