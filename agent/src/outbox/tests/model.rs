//! Random commits, acknowledgements, kills and power losses against a model.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{storage::Storage, *};

#[derive(Clone, Debug)]
enum Step {
    /// So many records of this worth, and a key of the state set or deleted.
    Commit { records: usize, worth: u8, key: u8, is_set: bool },
    /// The oldest so many are acknowledged.
    Acknowledge(usize),
    /// The file forgets what was acknowledged.
    Maintain,
    /// Killed at the n-th operation of a commit of two records.
    Kill { operation: u64, is_power_loss: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_usize, 0..3_u8, 0..6_u8, any::<bool>()).prop_map(
            |(records, worth, key, is_set)| Step::Commit { records, worth, key, is_set }
        ),
        2 => (0..6_usize).prop_map(Step::Acknowledge),
        1 => Just(Step::Maintain),
        2 => (0..14_u64, any::<bool>())
            .prop_map(|(operation, is_power_loss)| Step::Kill { operation, is_power_loss }),
    ]
}

/// What must be there.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    records: Vec<String>,
    state: BTreeMap<Vec<u8>, Vec<u8>>,
    position: Option<u64>,
    made: u64,
}

impl Model {
    /// Adds to the model what the returned commit adds to the outbox.
    fn commit(&mut self, records: usize, worth: u8, key: u8, is_set: bool) -> Commit {
        let worth = [Worth::Repeat, Worth::Failure, Worth::Incident][usize::from(worth)];
        let mut commit = Commit::default();
        for _ in 0..records {
            self.made += 1;
            let text = format!("record {}", self.made);
            commit.records.push(entry(self.made.cast_signed(), worth, &text));
            self.records.push(text);
        }
        let value = is_set.then(|| self.made.to_le_bytes().to_vec());
        match &value {
            Some(value) => self.state.insert(vec![key], value.clone()),
            None => self.state.remove(&vec![key]),
        };
        commit.state_changes.push((vec![key], value));
        self.position = Some(self.made);
        let value = self.made.to_le_bytes().to_vec();
        commit.positions.push(Position { source: "s".into(), value, at: 0 });
        commit
    }

    fn of(outbox: &Outbox, made: u64) -> Self {
        let position = outbox
            .position("s")
            .map(|position| u64::from_le_bytes(position.value.as_slice().try_into().unwrap()));
        let state = outbox.state().into_iter().collect();
        Self { records: texts(outbox), state, position, made }
    }
}

/// Which of the acknowledged records a kill may bring back: they are at the front.
fn is_after(found: &Model, expected: &Model, acknowledged: &[String]) -> bool {
    let mut found = found.clone();
    while found.records.len() > expected.records.len()
        && found.records.first().is_some_and(|first| acknowledged.contains(first))
    {
        found.records.remove(0);
    }
    found.made = expected.made;
    found == *expected
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_kill_everything_is_there_up_to_a_whole_commit(steps in prop::collection::vec(step(), 1..24)) {
        let folder = folder();
        let mut storage = Storage::default();
        let mut outbox = over(&storage, folder.path(), Limits::default()).outbox;
        let mut model = Model::default();
        let mut acknowledged: Vec<String> = Vec::new();
        for step in steps {
            match step {
                Step::Commit { records, worth, key, is_set } => {
                    let committed = outbox.commit(model.commit(records, worth, key, is_set));
                    prop_assert_eq!(committed, Committed::default());
                }
                Step::Acknowledge(count) => {
                    let found = outbox.fetch(0, count, usize::MAX);
                    prop_assert_eq!(found.len(), count.min(model.records.len()));
                    outbox.acknowledge(found.iter().map(|stored| stored.seq));
                    acknowledged.extend(model.records.drain(..found.len()));
                }
                Step::Maintain => prop_assert_eq!(outbox.maintain(Instant::now()), None),
                Step::Kill { operation, is_power_loss } => {
                    let before = model.clone();
                    storage.die_in(operation);
                    outbox.commit(model.commit(2, 1, 0, true));
                    let content = match is_power_loss {
                        true => storage.after_power_loss(),
                        false => storage.after_kill(),
                    };
                    drop(outbox);
                    storage = Storage::holding(content);
                    outbox = over(&storage, folder.path(), Limits::default()).outbox;
                    let found = Model::of(&outbox, model.made);
                    let made = model.made;
                    if !is_after(&found, &model, &acknowledged) {
                        prop_assert!(
                            is_after(&found, &before, &acknowledged),
                            "found {found:?}, neither {before:?} nor {model:?}"
                        );
                        model = before;
                    }
                    // What was acknowledged and came back is delivered once more.
                    model.records = found.records;
                    model.made = made;
                }
            }
            prop_assert_eq!(&Model::of(&outbox, model.made), &model);
            let stats = outbox.stats();
            prop_assert_eq!(stats.records, u64::try_from(model.records.len()).unwrap());
        }
        prop_assert!(storage.operations() > 0);
    }
}
