//! Alertmanager's dedup rule row by row, and a group from its first alert to its last end.

use super::*;
use crate::alert::incident::tests::subject;
use crate::alert::incident::{Signal, step as alert_step};
use crate::alert::respond::Response;
use crate::config::alerting::Route;
use crate::record::FromJson;
use crate::time::SECOND_MS;
use serde_json::json;

const T0: UnixMs = UnixMs(1_772_452_800_000);

fn ids(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|number| format!("alr_{number}")).collect()
}

/// Firing and resolved of the last message, if there was one; firing and resolved now; minutes since; whether ends are wanted; what is said.
type Row = (u32, Option<(&'static [u32], &'static [u32])>, &'static [u32], &'static [u32], i64, bool, Option<GroupReason>);

#[test]
fn alertmanagers_dedup_rule_row_by_row() {
    use GroupReason::{AllResolved, First, NewAlerts, Repeat, SomeResolved};
    let table: [Row; 12] = [
        (1, None, &[2, 3, 4], &[], 0, true, Some(First)),
        (2, None, &[], &[2, 3, 4], 0, true, None),
        (3, Some((&[1, 2, 3], &[])), &[2, 3, 4], &[], 0, true, Some(NewAlerts)),
        (4, Some((&[1, 2, 3], &[])), &[1, 2, 3], &[], 1_000_000, true, Some(Repeat)),
        (5, Some((&[1, 2, 3], &[])), &[1, 2, 3], &[], 9, true, None),
        (6, Some((&[1, 2, 3], &[])), &[1, 2, 3], &[], 11, true, Some(Repeat)),
        (7, Some((&[], &[1, 2, 3])), &[], &[3, 4, 5], 11, true, None),
        (8, Some((&[1, 2], &[3])), &[1], &[2, 3], 9, false, None),
        (9, Some((&[1, 2], &[3])), &[1], &[2, 3], 9, true, Some(SomeResolved)),
        (10, Some((&[1, 2], &[3])), &[], &[1, 2, 3], 9, false, Some(AllResolved)),
        (11, Some((&[1, 2], &[3])), &[], &[1, 2, 3], 9, true, Some(AllResolved)),
        // Exactly the interval is not longer than it.
        (12, Some((&[1], &[])), &[1], &[], 10, true, None),
    ];
    for (row, last, firing, resolved, minutes, wants_ends, expected) in table {
        let lists = last.map(|(firing, resolved)| (ids(firing), ids(resolved)));
        let last = lists.as_ref().map(|(firing, resolved)| Last { firing, resolved, at: T0 });
        let now = T0.plus(minutes * MINUTE_MS);
        let found = dedup(last, (&ids(firing), &ids(resolved)), now, Some(10 * MINUTE_MS), wants_ends);
        assert_eq!(found, expected, "row {row}");
    }
    let told = ids(&[1]);
    let last = Some(Last { firing: &told, resolved: &[], at: T0 });
    assert_eq!(dedup(last, (&told, &[]), T0.plus(DAYS), None, true), None, "never repeated");
}

const DAYS: i64 = 10 * 24 * HOUR_MS;

/// One channel, one route that groups by rule, and what its alerts do.
struct Play {
    config: Config,
    addresses: Addresses,
    states: Vec<AlertState>,
    quiet: Vec<String>,
    groups: Vec<GroupState>,
}

fn config(route: &serde_json::Value) -> Config {
    let mut config: Config = crate::record::read(include_bytes!("../../../tests/support/minimal-config.json")).unwrap();
    config.alerting = FromJson::from_json(json!({
        "channels": [{"id": "slack", "via": {"slack": {"secret": "HOOK"}}}], "routes": [route], "rules": [],
    }))
    .unwrap();
    config
}

impl Play {
    fn new(timings: &serde_json::Value) -> Self {
        let mut route = json!({"channels": ["slack"], "group_by": ["rule"]});
        route.as_object_mut().unwrap().extend(timings.as_object().unwrap().clone());
        let config = config(&route);
        let addresses = Addresses::resolve(&config.alerting, |_| Some("https://hooks.slack.com/x".to_owned()));
        Self { config, addresses, states: Vec::new(), quiet: Vec::new(), groups: Vec::new() }
    }

    fn opening(&self) -> Opening {
        Opening::of(&Branch::of(&self.config.alerting.routes[0], 0, None), "slack", &Map::from([("rule".to_owned(), "r".to_owned())]))
            .unwrap()
    }

    /// Alert `number` fires from `at` on.
    fn fires(&mut self, number: u32, at: UnixMs) {
        let subject = Subject { id: format!("alr_{number}"), ..subject(0, 0) };
        let state = alert_step(None, &subject, Signal::On { measured: None, detail: None }, at).next.unwrap();
        let groups = vec![Membership { channel: "slack".into(), group: self.opening().id }];
        self.states.retain(|known| known.subject.id != subject.id);
        self.states.push(AlertState { groups, told_at: Some(at), ..state });
    }

    fn ends(&mut self, number: u32, at: UnixMs) {
        let state = self.states.iter_mut().find(|state| state.subject.id == format!("alr_{number}")).unwrap();
        *state = AlertState { phase: Phase::Resolved, resolved_at: Some(at), at, version: state.version + 1, ..state.clone() };
    }

    /// A tick: what is said, and how many fire and are over by it.
    fn tick(&mut self, now: UnixMs) -> Option<(GroupReason, u32, u32)> {
        let member = |state| Member { state, is_quiet: self.quiet.contains(&state.subject.id), has_settled: false, is_new: false };
        let members = self.states.iter().map(|state| (state.subject.id.as_str(), member(state))).collect();
        let changes = gather(now, &self.groups, vec![self.opening()], &members, (&self.config, &self.addresses));
        let mut said = None;
        for change in changes {
            said =
                change.message.map(|message| message.notification.group.unwrap()).map(|group| (group.reason, group.firing, group.resolved));
            self.groups.retain(|known| known.group.id != change.next.group.id);
            self.groups.push(change.next);
        }
        said
    }
}

use crate::alert::incident::Subject;

fn at(minute: i64) -> UnixMs {
    T0.plus(minute * MINUTE_MS)
}

#[test]
fn a_group_waits_grows_shrinks_and_ends() {
    use GroupReason::{AllResolved, First, NewAlerts, SomeResolved};
    let mut play = Play::new(&json!({"group_wait_ms": 60_000}));
    assert_eq!(play.tick(at(0)), None, "there is nothing");
    play.fires(1, at(1));
    assert_eq!(play.tick(at(1)), None, "it waits");
    play.fires(2, at(2));
    assert_eq!(play.tick(at(2)), Some((First, 2, 0)));
    play.fires(3, at(3));
    assert_eq!(play.tick(at(3)), None, "the interval is not over");
    assert_eq!(play.tick(at(6)), None);
    assert_eq!(play.tick(at(7)), Some((NewAlerts, 3, 0)));
    play.ends(1, at(8));
    assert_eq!(play.tick(at(8)), None);
    assert_eq!(play.tick(at(12)), Some((SomeResolved, 2, 1)));
    play.ends(2, at(13));
    play.ends(3, at(14));
    assert_eq!(play.tick(at(14)), Some((AllResolved, 0, 2)), "at once");
    assert_eq!(play.tick(at(18)), None);
    assert_eq!(play.groups[0].opened_at, None, "it is idle");
    // It begins anew, and waits anew.
    play.fires(1, at(20));
    assert_eq!(play.tick(at(20)), None);
    assert_eq!(play.tick(at(21)), Some((First, 1, 0)));
}

#[test]
fn what_changes_after_a_calm_is_told_at_once() {
    let mut play = Play::new(&json!({}));
    play.fires(1, at(0));
    assert_eq!(play.tick(at(0)), Some((GroupReason::First, 1, 0)));
    play.fires(2, at(60));
    assert_eq!(play.tick(at(60)), Some((GroupReason::NewAlerts, 2, 0)));
}

#[test]
fn what_ends_before_it_was_told_is_never_told() {
    let mut play = Play::new(&json!({"group_wait_ms": 120_000}));
    play.fires(1, at(0));
    assert_eq!(play.tick(at(0)), None);
    play.ends(1, at(1));
    assert_eq!(play.tick(at(1)), None);
    assert_eq!(play.tick(at(2)), None);
}

#[test]
fn a_silenced_alert_that_was_told_is_told_again_only_when_it_ends() {
    let mut play = Play::new(&json!({"repeat_interval_ms": 3_600_000}));
    play.fires(1, at(0));
    play.tick(at(0));
    play.quiet = ids(&[1]);
    assert_eq!(play.tick(at(120)), None, "it is not repeated");
    play.ends(1, at(121));
    assert_eq!(play.tick(at(121)), Some((GroupReason::AllResolved, 0, 1)));
}

#[test]
fn a_silenced_alert_that_was_not_told_waits_for_the_end_of_its_silence() {
    let mut play = Play::new(&json!({}));
    play.fires(1, at(0));
    play.tick(at(0));
    play.fires(2, at(10));
    play.quiet = ids(&[2]);
    assert_eq!(play.tick(at(10)), None);
    play.quiet.clear();
    assert_eq!(play.tick(at(11)), Some((GroupReason::NewAlerts, 2, 0)));
}

#[test]
fn it_is_repeated_until_somebody_has_all_of_it() {
    let mut play = Play::new(&json!({"repeat_interval_ms": 3_600_000}));
    play.fires(1, at(0));
    play.tick(at(0));
    assert_eq!(play.tick(at(60)), None);
    assert_eq!(play.tick(at(61)), Some((GroupReason::Repeat, 1, 0)));
    let until = Some(at(200));
    play.states[0].response = Some(Response { by: "ann".into(), at: at(62), until, note: None });
    assert_eq!(play.tick(at(150)), None, "ann has it");
    assert_eq!(play.tick(at(200)), Some((GroupReason::Repeat, 1, 0)), "her snooze is over");
    let mut never = Play::new(&json!({"repeat_interval_ms": 0}));
    never.fires(1, at(0));
    never.tick(at(0));
    assert_eq!(never.tick(T0.plus(DAYS)), None);
}

#[test]
fn what_an_escalation_told_of_the_group_ends_by_the_group() {
    let mut play = Play::new(&json!({"group_wait_ms": 300_000}));
    play.fires(1, at(0));
    assert_eq!(play.tick(at(0)), None);
    play.states[0].told = vec!["slack".into()];
    assert_eq!(play.tick(at(1)), None);
    play.ends(1, at(2));
    assert_eq!(play.tick(at(2)), None, "the group still waits");
    assert_eq!(play.tick(at(5)), Some((GroupReason::AllResolved, 0, 1)));
    assert_eq!(play.tick(at(6)), None, "once");
}

#[test]
fn an_alert_that_moves_to_another_group_is_over_in_the_first() {
    let mut play = Play::new(&json!({}));
    play.fires(1, at(0));
    play.fires(2, at(0));
    play.tick(at(0));
    play.states[0].groups[0].group = "grp_other".into();
    assert_eq!(play.tick(at(5)), Some((GroupReason::SomeResolved, 1, 1)));
}

#[test]
fn what_somebody_changed_after_this_moment_waits_for_the_next() {
    let mut play = Play::new(&json!({}));
    play.fires(1, at(0).plus(3 * SECOND_MS));
    assert_eq!(play.tick(at(0)), None);
    assert_eq!(play.tick(at(1)), Some((GroupReason::First, 1, 0)));
}

#[test]
fn a_group_survives_the_round_trip() {
    let mut play = Play::new(&json!({}));
    play.fires(1, at(0));
    play.tick(at(0));
    let text = serde_json::to_string(&play.groups[0]).unwrap();
    assert_eq!(crate::record::read::<GroupState>(text.as_bytes()).unwrap(), play.groups[0]);
    insta::assert_snapshot!(text);
}

#[test]
fn groups_are_told_apart_by_route_labels_and_channel() {
    let route = |json| -> Route { FromJson::from_json(json).unwrap() };
    let labels = |rule: &str| Map::from([("rule".to_owned(), rule.to_owned()), ("severity".to_owned(), "info".to_owned())]);
    let by_rule = route(json!({"channels": [], "group_by": ["rule"]}));
    let id = |route: &Route, channel: &str, rule: &str| {
        Opening::of(&Branch::of(route, 0, None), channel, &labels(rule)).map(|opening| opening.id)
    };
    let one = id(&by_rule, "slack", "a");
    assert_eq!(one, id(&by_rule, "slack", "a"));
    assert_ne!(one, id(&by_rule, "slack", "b"));
    assert_ne!(one, id(&by_rule, "email", "a"));
    assert_ne!(one, id(&route(json!({"channels": [], "group_by": ["rule"], "matchers": {"severity": "info"}})), "slack", "a"));
    assert_eq!(id(&route(json!({"channels": []})), "slack", "a"), None);
    let every = route(json!({"channels": [], "group_by": ["..."]}));
    let every = Opening::of(&Branch::of(&every, 0, None), "slack", &labels("a")).unwrap();
    assert_eq!(every.labels, labels("a"));
}
