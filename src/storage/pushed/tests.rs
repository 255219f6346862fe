//! Two pushes of one alert, row by row as Alertmanager merges them, and the bound on how many are kept.

use super::*;
use crate::alert::incident::tests::subject;
use crate::alert::incident::{AlertState, Phase, Signal, step};
use crate::ports::Db;
use crate::storage::alerts as stored_states;
use crate::storage::sqlite::{Sqlite, now_or_never};

const NOW: UnixMs = UnixMs(1_000);

fn pushed(id: &str, starts_at: i64, ends_at: i64) -> Pushed {
    Pushed {
        id: id.into(),
        labels: [("alertname".to_owned(), "x".to_owned())].into(),
        annotations: Map::new(),
        starts_at: UnixMs(starts_at),
        ends_at: UnixMs(ends_at),
        generator_url: String::new(),
        updated_at: NOW,
    }
}

fn push(db: &Sqlite, alerts: &[(Pushed, End)], now: UnixMs) -> Vec<String> {
    kept(now_or_never(db.batch(vec![upsert(alerts, now)])).unwrap().remove(0)).unwrap()
}

fn all(db: &Sqlite) -> Vec<Pushed> {
    alerts(now_or_never(db.batch(vec![firing(UnixMs(0))])).unwrap().remove(0)).unwrap()
}

#[test]
fn two_pushes_become_what_alertmanager_makes_of_them() {
    use End::{Said, TimesOut};
    // Kept (start, end, whose), pushed at 1,000 (start, end, whose), then kept.
    for (old, new, expected, why) in [
        ((100, 2_000, Said), (100, 3_000, Said), (100, 3_000), "pushed again: it fires on"),
        ((100, 2_000, Said), (100, 1_000, Said), (100, 1_000), "its end"),
        ((100, 2_000, TimesOut), (1_000, 2_500, TimesOut), (100, 2_500), "no start was said: the first one stays"),
        ((100, 2_000, Said), (200, 1_500, TimesOut), (100, 2_000), "an end that was said and is later stays"),
        ((100, 2_000, TimesOut), (200, 1_500, Said), (100, 1_500), "one that was not does not"),
        ((100, 900, Said), (100, 800, Said), (100, 900), "of two ends that are past the later one"),
        ((100, 500, Said), (900, 2_000, Said), (900, 2_000), "they do not touch: the younger alone"),
        ((100, 500, Said), (500, 2_000, Said), (500, 2_000), "they only touch"),
        ((900, 2_000, Said), (100, 950, Said), (100, 950), "an end before the one that is kept, from before its start"),
    ] {
        let db = Sqlite::new();
        push(&db, &[(pushed("a", old.0, old.1), old.2)], UnixMs(old.1.min(900)));
        push(&db, &[(pushed("a", new.0, new.1), new.2)], NOW);
        assert_eq!(all(&db), [pushed("a", expected.0, expected.1)], "{why}");
        // What one request says twice is said one after the other.
        let db = Sqlite::new();
        push(&db, &[(pushed("a", old.0, old.1), old.2), (pushed("a", new.0, new.1), new.2)], NOW);
        assert_eq!(all(&db), [pushed("a", expected.0, expected.1)], "{why}, at once");
    }
}

#[test]
fn the_younger_push_says_what_is_said_of_it() {
    let db = Sqlite::new();
    let said = |text: &str, url: &str| Pushed {
        annotations: [("summary".to_owned(), text.to_owned())].into(),
        generator_url: url.to_owned(),
        ..pushed("a", 100, 2_000)
    };
    push(&db, &[(said("it is \"slow\" → 3 s", "http://one"), End::Said)], UnixMs(500));
    push(&db, &[(said("it is slower", "http://two"), End::Said)], NOW);
    assert_eq!(all(&db), [said("it is slower", "http://two")]);
}

#[test]
fn there_is_room_for_so_many_and_what_is_known_is_never_refused() {
    let db = Sqlite::new();
    let many: Vec<(Pushed, End)> = (0..MAX_KEPT - 1).map(|n| (pushed(&format!("old_{n}"), 100, 2_000), End::Said)).collect();
    assert_eq!(push(&db, &many, NOW).len(), many.len());
    let later = |id: &str| (pushed(id, 100, 3_000), End::Said);
    assert_eq!(push(&db, &[later("old_1"), later("new_1"), later("old_2"), later("new_2")], NOW), ["old_1", "new_1", "old_2"]);
    assert_eq!(push(&db, &[later("new_2"), later("new_1")], NOW), ["new_1"]);
}

#[test]
fn what_is_over_is_dropped_with_its_alert_and_sooner_when_there_are_many() {
    let db = Sqlite::new();
    let state = |id: &str, phase: Phase| {
        let mut subject = subject(0, 0);
        (subject.id, subject.rule) = (id.to_owned(), "pushed:x".to_owned());
        AlertState { phase, ..step(None, &subject, Signal::On { measured: None, detail: None }, NOW).next.unwrap() }
    };
    let own = step(None, &subject(0, 0), Signal::On { measured: None, detail: None }, NOW).next.unwrap();
    let own = AlertState { phase: Phase::Resolved, ..own };
    let (old, fresh, fires) = (state("old", Phase::Resolved), state("fresh", Phase::Resolved), state("fires", Phase::Firing));
    now_or_never(db.batch(stored_states::swap(&[&own, &old, &fresh, &fires]))).unwrap();
    push(&db, &[(pushed("old", 0, 10), End::Said), (pushed("fresh", 0, 20), End::Said)], NOW);
    let expire = |long_ago: i64, just_now: i64| now_or_never(db.batch(expire(UnixMs(long_ago), UnixMs(just_now)).to_vec())).unwrap();
    let ids = || {
        let found = now_or_never(db.batch(vec![stored_states::all()])).unwrap().remove(0);
        stored_states::states(found).unwrap().into_iter().map(|state| state.subject.id).collect::<Vec<_>>()
    };
    expire(15, 500);
    assert_eq!(all(&db), [pushed("fresh", 0, 20)]);
    assert_eq!(ids(), [own.subject.id.as_str(), "fires", "fresh"], "a rule's own stay, and what fires");
    let many: Vec<(Pushed, End)> = (0..MAX_ENDED).map(|n| (pushed(&format!("n_{n}"), 0, 30), End::Said)).collect();
    push(&db, &many, NOW);
    expire(15, 20);
    assert_eq!(all(&db).len(), many.len() + 1, "it ended just now");
    expire(15, 500);
    assert!(all(&db).len() == many.len() && !ids().contains(&"fresh".to_owned()));
}
