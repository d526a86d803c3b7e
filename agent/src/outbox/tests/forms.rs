//! Files of other releases: what this one reads, what it sets aside, and what it says of it.

use super::*;

const TOTALS: redb::TableDefinition<'static, &str, u64> = redb::TableDefinition::new("totals");

/// A file of this form that says of itself that it has another; `None` takes the word away.
fn file(folder: &Path, numbers: &[(&str, Option<u64>)]) {
    let mut outbox = open(folder);
    outbox.commit(Commit {
        positions: vec![position("p")],
        state_changes: vec![(b"k".to_vec(), Some(b"v".to_vec()))],
        ..failures(&["a", "b"])
    });
    drop(outbox);
    let database = redb::Database::open(folder::file(folder)).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut table = transaction.open_table(TOTALS).unwrap();
        for (name, number) in numbers {
            match number {
                Some(number) => drop(table.insert(name, number).unwrap()),
                None => drop(table.remove(name).unwrap()),
            }
        }
    }
    transaction.commit().unwrap();
}

fn number(folder: &Path, name: &str) -> Option<u64> {
    use redb::ReadableDatabase;
    let database = redb::Database::open(folder::file(folder)).unwrap();
    let read = database.begin_read().unwrap();
    let table = read.open_table(TOTALS).unwrap();
    table.get(name).unwrap().map(|found| found.value())
}

#[test]
fn a_file_of_another_form_is_set_aside_with_a_clear_message_and_a_loss() {
    for (schema, by) in [(0, None), (7, None), (7, Some(7)), (2, Some(2))] {
        let folder = folder();
        file(folder.path(), &[("schema", Some(schema)), ("readable_by", by)]);
        let Opened { mut outbox, start } = Outbox::open(folder.path(), Limits::default()).unwrap();
        let loss = start.loss().expect("it is told");
        let Start::Salvaged { moved_to, why } = start else { panic!("{start:?}") };
        let says = format!("its form is number {schema}, this release reads {}", disk::SCHEMA);
        assert!(why.contains("another release") && why.contains(&says), "{why}");
        assert_eq!((loss.kind, &*loss.component), (crate::source::LossKind::Corrupt, "podwhy"));
        assert!(
            loss.why.contains(&says) && loss.why.contains("read again by time"),
            "{}",
            loss.why
        );
        // Nothing of it is gone: its own release can be given it back.
        assert!(moved_to.exists());
        assert_eq!((texts(&outbox), outbox.position("journal")), (vec![], None));
        assert_eq!(outbox.commit(failures(&["new"])), Committed::default());
        drop(outbox);
        std::fs::rename(&moved_to, folder::file(folder.path())).unwrap();
        assert_eq!(number(folder.path(), "schema"), Some(schema), "it is as it was");
    }
}

#[test]
fn a_later_form_that_says_we_can_read_it_is_gone_on_with_and_left_what_it_is() {
    let folder = folder();
    file(folder.path(), &[("schema", Some(9)), ("readable_by", Some(1))]);
    for text in ["c", "d"] {
        let Opened { mut outbox, start } = Outbox::open(folder.path(), Limits::default()).unwrap();
        assert_eq!((&start, start.loss()), (&Start::Resumed, None));
        assert_eq!(outbox.position("journal"), Some(position("p")));
        assert_eq!(outbox.state(), [(b"k".to_vec(), b"v".to_vec())]);
        outbox.commit(failures(&[text]));
    }
    assert_eq!(texts(&open(folder.path())), ["a", "b", "c", "d"], "a rollback loses nothing");
    assert_eq!(number(folder.path(), "schema"), Some(9), "the later release finds its own form");
}

#[test]
fn a_file_from_before_the_second_number_is_gone_on_with_and_gets_it() {
    let folder = folder();
    file(folder.path(), &[("readable_by", None)]);
    assert_eq!(texts(&open(folder.path())), ["a", "b"]);
    assert_eq!(number(folder.path(), "readable_by"), Some(1));
}
