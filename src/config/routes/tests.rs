//! Where the examples of Alertmanager's documentation and of its own tests lead, here.

use serde_json::json;

use super::*;
use crate::record::FromJson;

/// Routes below one that takes everything, as Alertmanager's root does.
fn below_root(receiver: &str, routes: &serde_json::Value) -> Vec<Route> {
    vec![FromJson::from_json(json!({ "channels": [receiver], "routes": routes })).unwrap()]
}

fn labels(text: &str) -> Map<String, String> {
    text.split_whitespace().filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn leads<'a>(alert: &str, routes: &'a [Route]) -> Vec<Branch<'a>> {
    tried(&labels(alert), routes).into_iter().filter(|(_, tried)| tried.takes()).map(|(branch, _)| branch).collect()
}

fn receivers(alert: &str, routes: &[Route]) -> String {
    leads(alert, routes).iter().map(|branch| branch.channels.join("+")).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_example_of_the_documentation_leads_where_it_does_there() {
    // `doc/examples/simple.yml`.
    let routes = below_root(
        "team-X-mails",
        &json!([
            { "matchers": ["service=~\"foo1|foo2|baz\""], "channels": ["team-X-mails"], "routes": [
                { "matchers": ["severity=\"critical\""], "channels": ["team-X-pager"] } ] },
            { "matchers": ["service=\"files\""], "channels": ["team-Y-mails"], "routes": [
                { "matchers": ["severity=\"critical\""], "channels": ["team-Y-pager"] } ] },
            { "matchers": ["service=\"database\""], "channels": ["team-DB-pager"], "group_by": ["alertname", "cluster", "database"], "routes": [
                { "matchers": ["owner=\"team-X\""], "channels": ["team-X-pager"], "continue": true },
                { "matchers": ["owner=\"team-Y\""], "channels": ["team-Y-pager"] } ] },
        ]),
    );
    for (alert, expected) in [
        ("service=foo1", "team-X-mails"),
        ("service=foo1 severity=critical", "team-X-pager"),
        ("service=foo3 severity=critical", "team-X-mails"),
        ("service=files", "team-Y-mails"),
        ("service=files severity=critical", "team-Y-pager"),
        ("service=database", "team-DB-pager"),
        ("service=database owner=team-X", "team-X-pager"),
        ("service=database owner=team-Y severity=critical", "team-Y-pager"),
        ("", "team-X-mails"),
    ] {
        assert_eq!(receivers(alert, &routes), expected, "{alert}");
    }
    let of_database = leads("service=database owner=team-X", &routes);
    assert_eq!(of_database[0].group_by, ["alertname", "cluster", "database"], "what it does not say it has from above");
}

/// The tree of `dispatch/route_test.go`.
fn of_route_test() -> Vec<Route> {
    below_root(
        "notify-def",
        &json!([
            { "matchers": { "owner": "team-A" }, "channels": ["notify-A"], "routes": [
                { "matchers": { "env": "testing" }, "channels": ["notify-testing"], "group_by": ["..."] },
                { "matchers": { "env": "production" }, "channels": ["notify-productionA"], "group_wait_ms": 60_000, "continue": true },
                { "matchers": ["env=~\"produ.*\"", "job=~\".*\""], "channels": ["notify-productionB"], "group_wait_ms": 30_000,
                  "group_interval_ms": 300_000, "repeat_interval_ms": 3_600_000, "group_by": ["job"] } ] },
            { "matchers": ["owner=~\"team-B|team-C\""], "channels": ["notify-BC"], "group_by": ["foo", "bar"], "group_wait_ms": 120_000 },
            { "matchers": { "group_by": "role" }, "group_by": ["role"], "routes": [
                { "matchers": { "env": "testing" }, "channels": ["notify-testing"], "routes": [
                    { "matchers": { "wait": "long" }, "group_wait_ms": 120_000 } ] } ] },
        ]),
    )
}

#[test]
fn alertmanagers_own_table_of_matches_holds() {
    let routes = of_route_test();
    for (alert, receivers_expected, group_by, waits_ms) in [
        ("owner=team-A", "notify-A", "", vec![None]),
        ("owner=team-A env=unset", "notify-A", "", vec![None]),
        ("owner=team-C", "notify-BC", "foo bar", vec![Some(120_000)]),
        ("owner=team-A env=testing", "notify-testing", "...", vec![None]),
        ("owner=team-A env=production", "notify-productionA, notify-productionB", "", vec![Some(60_000), Some(30_000)]),
        ("group_by=role", "notify-def", "role", vec![None]),
        ("env=testing group_by=role", "notify-testing", "role", vec![None]),
        ("env=testing group_by=role wait=long", "notify-testing", "role", vec![Some(120_000)]),
        ("owner=team-D", "notify-def", "", vec![None]),
    ] {
        let found = leads(alert, &routes);
        assert_eq!(receivers(alert, &routes), receivers_expected, "{alert}");
        assert_eq!(found[0].group_by.join(" "), group_by, "{alert}");
        assert_eq!(found.iter().map(|branch| branch.group_wait_ms).collect::<Vec<_>>(), waits_ms, "{alert}");
    }
}

#[test]
fn every_route_says_what_became_of_it_and_where_it_stands() {
    let routes = of_route_test();
    let said: Vec<String> = tried(&labels("owner=team-A env=production"), &routes)
        .iter()
        .map(|(branch, tried)| format!("{} {tried:?}", branch.place()))
        .collect();
    assert_eq!(
        said,
        [
            "1 TakenBelow",
            "1.1 TakenBelow",
            r#"1.1.1 Differs(Unmet { label: "env", has: Some("production") })"#,
            "1.1.2 TakesAndContinues",
            "1.1.3 TakesAndEnds",
            "1.2 NotTried",
            "1.3 NotTried",
            "1.3.1 NotTried",
            "1.3.1.1 NotTried",
        ]
    );
    let pointers: Vec<String> = every(&routes).iter().map(Branch::pointer).collect();
    assert_eq!((pointers.len(), pointers[8].as_str()), (9, "/alerting/routes/0/routes/2/routes/0/routes/0"));
    assert_eq!(every(&routes)[8].asks, ["group_by=role", "env=testing", "wait=long"]);
}

#[test]
fn a_route_that_goes_on_does_so_when_one_below_it_took_the_alert_too() {
    let routes: Vec<Route> = FromJson::from_json(json!([
        { "matchers": { "team": "web" }, "channels": ["a"], "mute_times": ["night"], "continue": true, "routes": [
            { "matchers": { "severity": "critical" }, "channels": ["b"] },
            { "matchers": { "severity": "info" }, "channels": ["c"], "mute_times": ["day"] } ] },
        { "channels": ["d"] },
    ]))
    .unwrap();
    for (alert, expected) in [
        ("team=web severity=critical", "b, d"),
        ("team=web severity=info", "c, d"),
        ("team=web severity=warning", "a, d"),
        ("team=ops severity=critical", "d"),
    ] {
        assert_eq!(receivers(alert, &routes), expected, "{alert}");
    }
    assert_eq!(leads("team=web severity=critical", &routes)[0].mute_times, ["night"]);
    assert_eq!(leads("team=web severity=info", &routes)[0].mute_times, ["day"]);
}
