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
        let found = route(&labels, &alerting, &addresses(&alerting, bound), except);
        assert_eq!((found.channels, found.off, found.why), (owned(channels), owned(off), why), "{labels:?} {bound:?} {except:?}");
    }
}
