//! Where routes lead, tables of labels, secrets and hours.

use serde_json::json;

use super::*;
use crate::record::FromJson;

/// Channels a, b, c on Slack, each with a secret of its own name, and d by e-mail.
fn alerting(routes: &serde_json::Value) -> Alerting {
    let slack = |id: &str| json!({"id": id, "via": {"slack": {"secret": id}}});
    FromJson::from_json(json!({
        "channels": [slack("a"), slack("b"), slack("c"), {"id": "d", "via": {"email": {"format": "plain", "from": "x@y.z"}}}],
        "routes": routes,
        "rules": [],
    }))
    .unwrap()
}

fn addresses(alerting: &Alerting, bound: &[&str]) -> Addresses {
    Addresses::resolve(alerting, |name| bound.contains(&name).then(|| format!("https://{name}.example/hook")))
}

#[test]
fn routes_lead_where_their_matchers_say() {
    let routes = json!([
        {"matchers": {"severity": "critical"}, "channels": ["a"], "continue": true},
        {"matchers": {"team": "pay", "severity": "critical"}, "channels": ["b", "a"]},
        {"matchers": {"team": "web"}, "channels": ["c"]},
    ]);
    let alerting = alerting(&routes);
    let all = ["a", "b", "c"];
    let fallback = RoutingWhy::Fallback;
    let nobody = RoutingWhy::Nobody;
    let matched = RoutingWhy::Matched;
    for (labels, bound, except, channels, off, why) in [
        (vec![("severity", "critical")], &all[..], None, vec!["a"], vec![], matched),
        (vec![("severity", "critical"), ("team", "pay")], &all[..], None, vec!["a", "b"], vec![], matched),
        (vec![("severity", "warning"), ("team", "web")], &all[..], None, vec!["c"], vec![], matched),
        (vec![("severity", "critical"), ("team", "web")], &all[..], None, vec!["a", "c"], vec![], matched),
        // Nothing matches: nobody is told, and the report says so.
        (vec![("severity", "info")], &all[..], None, vec![], vec![], nobody),
        // One of two is off: the other is told.
        (vec![("severity", "critical"), ("team", "pay")], &["b"][..], None, vec!["b"], vec!["a"], matched),
        // Every channel it names is off: whoever is on is told.
        (vec![("severity", "critical")], &["b", "c"][..], None, vec!["b", "c"], vec!["a"], fallback),
        (vec![("severity", "critical")], &[][..], None, vec![], vec!["a"], nobody),
        // An alert about a channel never goes to that channel, and finds another even when no route names one.
        (vec![("severity", "critical"), ("team", "web")], &all[..], Some("a"), vec!["c"], vec![], matched),
        (vec![("severity", "critical")], &all[..], Some("a"), vec!["b", "c"], vec![], fallback),
        (vec![("severity", "info")], &["a"][..], Some("a"), vec![], vec![], nobody),
    ] {
        let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let found = route(&labels, &alerting, &addresses(&alerting, bound), except, None);
        assert_eq!((found.channels, found.off, found.why), (owned(channels), owned(off), why), "{labels:?} {bound:?} {except:?}");
    }
}

#[test]
fn a_muted_route_takes_its_alerts_and_tells_nobody_for_now() {
    let hours = |from: &str, to: &str| json!({"days": ["mon"], "hours": {"from": from, "to": to}, "zone": "UTC"});
    let routes = json!([
        {"matchers": {"team": "web"}, "channels": ["a", "b"], "mute_times": ["noon"], "continue": true},
        {"matchers": {"team": "web"}, "channels": ["b"], "active_times": ["noon", "evening"], "continue": true},
        {"matchers": {"severity": "info"}, "channels": ["c"], "mute_times": ["noon"]},
        {"channels": ["d"]},
    ]);
    let mut alerting = alerting(&routes);
    let interval = |id: &str, hours| FromJson::from_json(json!({"id": id, "hours": hours})).unwrap();
    alerting.time_intervals = vec![interval("noon", hours("12:00", "13:00")), interval("evening", hours("18:00", "19:00"))];
    // Monday 2026-03-02, 12:00 UTC.
    let at = |minute: i64| UnixMs(1_772_452_800_000 + minute * 60_000);
    let (web, info) = (("team", "web"), ("severity", "info"));
    for (name, label, minute, bound, channels, muted, why) in [
        ("before", web, -1, &["a", "b", "c"][..], vec!["a", "b"], vec![], RoutingWhy::Matched),
        ("one route is open, the other is not", web, 0, &["a", "b", "c"][..], vec!["b"], vec!["a"], RoutingWhy::Matched),
        ("the last minute", web, 59, &["a", "b", "c"][..], vec!["b"], vec!["a"], RoutingWhy::Matched),
        ("after, outside the other's active times", web, 60, &["a", "b", "c"][..], vec!["a", "b"], vec![], RoutingWhy::Matched),
        ("the only route: nobody, and no fallback either", info, 0, &["a", "b", "c"][..], vec![], vec!["c"], RoutingWhy::Muted),
        ("the open one cannot be used: whoever is on is told", web, 0, &["c"][..], vec!["c"], vec!["a"], RoutingWhy::Fallback),
        ("Tuesday", info, 24 * 60, &["a", "b", "c"][..], vec!["c"], vec![], RoutingWhy::Matched),
    ] {
        let labels = [(label.0.to_owned(), label.1.to_owned())].into();
        let found = route(&labels, &alerting, &addresses(&alerting, bound), None, Some(at(minute)));
        assert_eq!((found.channels, found.muted, found.why), (owned(channels), owned(muted), why), "{name}");
    }
}
