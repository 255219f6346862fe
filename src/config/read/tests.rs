//! Stories of people who edit `monitoring/`: each mistake is told once, where it is, with its fix.

use std::path::Path;

use super::shape::{Need, Shape};
use super::*;
use crate::record::FromJson;

/// The shipped files, with replacements: (file, text there, text instead). A replacement that changes nothing is a defect.
fn shipped(edits: &[(&str, &str, &str)]) -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring");
    let mut sources = load(&folder).unwrap();
    for source in &mut sources {
        source.name = format!("monitoring/{}", base_name(&source.name));
        for (_, from, to) in edits.iter().filter(|(file, ..)| source.name.contains(file)) {
            assert!(source.text.contains(from), "{from} is not in {}", source.name);
            source.text = source.text.replacen(from, to, 1);
        }
    }
    sources
}

fn mistakes(edits: &[(&str, &str, &str)]) -> Vec<Diagnostic> {
    sources(&shipped(edits), Environment::Production).err().unwrap_or_default()
}

#[test]
fn every_shipped_file_is_valid_in_every_environment() {
    for environment in Environment::ALL {
        assert_eq!(sources(&shipped(&[]), environment).err(), None);
    }
}

#[test]
fn every_channel_the_readme_shows_reads() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let shown: Vec<&str> = readme.lines().filter(|line| line.starts_with("- { id: ")).collect();
    assert_eq!(shown.len(), 5);
    let channels = format!("    via: {{ sentry: {{}} }}\n  {}\n", shown.join("\n  "));
    let found = mistakes(&[("alerting", "    via: { sentry: {} }\n", &channels)]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_routes_the_readme_shows_read() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let shown = readme.split("```yaml\n").find(|block| block.contains("    routes:\n")).unwrap().split("```").next().unwrap();
    let found = mistakes(&[("alerting", "  - matchers: { team: ops }\n    channels: [slack-alerts]\n    group_by: [rule]\n", shown)]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_folder_with_ten_mistakes_gets_ten_diagnostics_in_one_go() {
    let found = mistakes(&[
        ("alerting", "severity: critical\n    when:\n      ratio:", "severity: crticial\n    when:\n      ratio:"),
        ("alerting", "for: 5m\n", "for: 5 minutes\n"),
        ("alerting", "channels: [slack-security]", "channels: [slack-securty]"),
        ("alerting", "id: latency-p95", "id: error-rate-warning"),
        ("alerting", "target: daily-revenue", "target: daily-revenu"),
        ("alerting", "series: http_origin_errors_total", "series: http_origin_eror_total"),
        ("security", "\"requests\": 5,", "\"requests\": 500,"),
        ("security", "\"on_failure\": \"deny\"", "\"onfailure\": \"deny\""),
        ("production", "\"Africa/Johannesburg\"", "\"Africa/Johanesburg\""),
        ("sentry", "\"origin_error_sample_rate\": 0.1", "\"origin_error_sample_rate\": \"10%\""),
    ]);
    let printed: Vec<String> = found.iter().map(|mistake| mistake.text(Paint::Plain)).collect();
    assert_eq!(found.len(), 10, "{}", printed.join("\n"));
    insta::assert_snapshot!(printed.join("\n"));
}

const RULES: &str = "alerting-configuration.yaml";
const LIMITS: &str = "security-monitoring-config.json";

/// File, what stands there, what is written instead, part of the message, part of the fix.
const SINGLE_MISTAKES: &[(&str, &str, &str, &str, &str)] = &[
    // Keys.
    (RULES, "owner: operations", "ownr: operations", "unknown key `ownr`", "did you mean `owner`?"),
    (RULES, "    owner: operations\n", "", "the key `owner` is missing here", "add `owner:` - Who owns it."),
    (
        RULES,
        "    no_data: ok",
        "    no_data: ok\n    colour: red",
        "unknown key `colour`",
        "the keys here are id, name, severity, when, by, recovery, for,",
    ),
    (RULES, "    for: 1m #", "    by: [rout]\n    for: 1m #", "`http_requests_total` has no label `rout`", "did you mean `route`?"),
    (
        RULES,
        "    for: 1m #",
        "    recovery: 0.06\n    for: 1m #",
        "0.06 is on the bad side of 0.05",
        "an alert ends where things are well again",
    ),
    (RULES, "        bound: 0.05 #", "        bound: 5 #", "5 is out of range", "0 to 1"),
    (RULES, "    for: 1m", "    for: 1m\n    for: 2m", "`for` is written twice; the first is on line", "keep one"),
    (LIMITS, "\"limits\"", "\"limit\"", "unknown key `limit`", "did you mean `limits`?"),
    // Texts.
    (
        RULES,
        "summary: More than 2 %",
        "annotations: { description: \"{{ vlaue }} of it\" }\n    summary: More than 2 %",
        "`vlaue` is not known here",
        "did you mean `value`?",
    ),
    (
        RULES,
        "summary: More than 2 %",
        "annotations: { description: \"{{ labels.route }}\" }\n    summary: More than 2 %",
        "this rule's alerts have no label `route`",
        "add it to `by`, or use one of: team,",
    ),
    (
        RULES,
        "summary: More than 2 %",
        "annotations: { description: \"at {{ $value }}\" }\n    summary: More than 2 %",
        "`$value` is not known here",
        "did you mean `value`?",
    ),
    (
        RULES,
        "summary: More than 2 %",
        "annotations: { description: \"{{ $labels.team }}\" }\n    summary: More than 2 %",
        "`$labels.team` is not known here",
        "did you mean `labels.team`?",
    ),
    (
        RULES,
        "summary: More than 2 %",
        "annotations: { description: \"at {{ value\" }\n    summary: More than 2 %",
        "two braces open here and nothing closes them",
        "write `{{ value }}`, with `}}` at the end",
    ),
    (
        RULES,
        "summary: More than 2 %",
        "annotations: { title: Oh }\n    summary: More than 2 %",
        "`title` is given to every message by Parapet",
        "choose another name",
    ),
    (
        RULES,
        "summary: More than 2 %",
        "annotations: { run-book: Oh }\n    summary: More than 2 %",
        "`run-book` is not an annotation's name",
        "use letters, digits and `_`",
    ),
    // What learns.
    (RULES, "    interval: 10m # an", "    interval: 1m # an", "a rule that learns reads eight weeks of hours", "set `interval: 10m`"),
    (
        RULES,
        "    interval: 10m # an hour is judged ten minutes after its end\n",
        "",
        "a rule that learns reads eight weeks",
        "set `interval: 10m`",
    ),
    (
        RULES,
        "aggregate: sum\n        finds: fewer",
        "aggregate: rate\n        finds: fewer",
        "only events that are counted can be fewer",
        "use sum or count",
    ),
    (RULES, "finds: fewer", "finds: less", "`less` is not one of the words used here", "use one of: fewer, unusual"),
    (
        "infrastructure-monitoring-config.json",
        "\"hour_days\": 90",
        "\"hour_days\": 56",
        "a rule that learns needs 57 days of hours, and `bookings-unusual` is one",
        "keep them for 57 days or more",
    ),
    // Levels.
    (RULES, "    for: 1m #", "        for: 1m #", "unknown key `for`", "it belongs to `rules`, further out: check the indentation"),
    (RULES, "        min_samples: 20 #", "    min_samples: 20 #", "unknown key `min_samples`", "it belongs inside `ratio`: indent it"),
    (RULES, "      ratio:\n", "      raito:\n", "unknown key `raito`", "did you mean `ratio`?"),
    (RULES, "    for: 1m #", "\tfor: 1m #", "a tab indents this line", "YAML wants spaces"),
    (RULES, "    for: 1m #", "   for: 1m #", "this does not parse", "lines up with its siblings"),
    (
        RULES,
        "when:\n      ratio:",
        "when:\n      absence: { of: { series: parapet_ticks_total }, over: 5m }\n      ratio:",
        "one key is enough here",
        "keep one",
    ),
    (RULES, "via: { sentry: {} }", "via: {}", "a key is missing here", "write one of slack, email, sentry"),
    (RULES, "via: { sentry: {} }", "via: sentry", "expected a map of keys, found `sentry`", "write one of the keys slack, email, sentry"),
    (RULES, "channels: [slack-default]", "channels: slack-default", "expected a list, found `slack-default`", "write `[…]`"),
    // Values.
    (RULES, "for: 1m", "for: 60", "`60` is not a duration", "write a whole number and a unit: 30s, 5m, 1h, 7d"),
    (RULES, "for: 1m", "for: 1min", "`1min` is not a duration", "write `1m`: the units are s, m, h and d"),
    (RULES, "for: 1m", "for: 30d", "30d is out of range", "use 0s to 7d"),
    (RULES, "over: 24h", "over: 9d", "9d is out of range", "use 10s to 8d"),
    (RULES, "over: today\n", "over: todya\n", "`todya` is not a duration", "7d, or today"),
    (RULES, "bound: 0.05", "bound: 5", "5 is out of range", "use a number from 0 to 1"),
    (RULES, "bound: 0.05", "bound: 5%", "expected a number, found `5%`", "write the share: 0.05"),
    (RULES, "bound: 1.5", "bound: 1.5s", "expected a number, found `1.5s`", "write a number, or the key of_target"),
    (RULES, "compare: above", "compare: over", "`over` is not one of the words used here", "above"),
    (RULES, "keep_firing_for: 5m", "keep_firing_for:", "expected a duration, found nothing", "write a whole number and a unit"),
    (RULES, "name: Pages are slow", "name: 404", "expected text, found `404`", "put it in quotes: \"404\""),
    (RULES, "    continue: true", "    continue: yes", "expected true or false, found `yes`", "write true or false"),
    (LIMITS, "\"requests\": 5", "\"requests\": \"5\"", "expected a whole number, found the text \"5\"", "remove the quotes"),
    (LIMITS, "\"requests\": 5", "\"requests\": 5.5", "expected a whole number, found `5.5`", "write it without a fraction"),
    (LIMITS, "\"requests\": 5,", "\"requests\": 5", "this does not parse", "check the commas"),
    // Meaning.
    (LIMITS, "\"/api/auth/login\"", "\"/api/auth/login/\"", "`/api/auth/login/` is not an exact path", "write it decoded"),
    (LIMITS, "\"/api/payments\"", "\"/api/bookings\"", "this limit is never reached: `bookings` above decides first", "merge the two"),
    (LIMITS, "\"POST\"", "\"Post\"", "`Post` is not a method", "did you mean `POST`?"),
    (
        RULES,
        "secret: SLACK_WEBHOOK_URL",
        "secret: https://hooks.slack.com/services/T/B/x",
        "an address stands here, and it is a secret",
        "write the NAME",
    ),
    (
        RULES,
        "via: { sentry: {} }",
        "via: { webhook: { secret: WEBHOOK_URL, signing_secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw } }",
        "a key stands here, and it is a secret",
        "revoke this key",
    ),
    (
        RULES,
        "via: { sentry: {} }",
        "via: { webhook: { secret: webhook-url, signing_secret: WEBHOOK_SIGNING_SECRET } }",
        "`webhook-url` is not a binding's name",
        "`WEBHOOK_URL`",
    ),
    (
        RULES,
        "secret: SLACK_WEBHOOK_URL",
        "secret: xoxb-17653672481-19874698323, channel: C0123ABCDEF",
        "a key stands here, and it is a secret",
        "such as `SLACK_BOT_TOKEN`",
    ),
    (
        RULES,
        "secret: SLACK_WEBHOOK_URL",
        "secret: SLACK_BOT_TOKEN, channel: ops-alerts",
        "`ops-alerts` is not a channel's id",
        "from the end of the channel's details in Slack",
    ),
    (
        RULES,
        "via: { sentry: {} }",
        "via: { statuspage: { secret: STATUSPAGE_API_KEY, page: status.example.com } }",
        "`status.example.com` is not a page's id",
        "manage.statuspage.io/pages/ID",
    ),
    (
        RULES,
        "via: { sentry: {} }",
        "via: { statuspage: { secret: STATUSPAGE_API_KEY, page: kctbh9vrtdwd, components: { ops: b13yz5g2cw10 } } }",
        "`ops` is not a label",
        "`team=ops`",
    ),
    (
        RULES,
        "via: { sentry: {} }",
        "via: { statuspage: { secret: STATUSPAGE_API_KEY, page: kctbh9vrtdwd, components: { route=/api/bookings: Bookings page } } }",
        "`Bookings page` is not a component's id",
        "`API info`",
    ),
    (
        RULES,
        "  - channels: [slack-default] #",
        "  - channels: [slack-default]\n  - channels: [email] #",
        "this route is never reached: route 5",
        "move it up",
    ),
    (RULES, "    channels: [slack-security]\n", "", "this route leads nowhere", "name at least one channel"),
    (RULES, "class: 5xx", "clas: 5xx", "`http_requests_total` has no label `clas`", "did you mean `class`?"),
    (RULES, "aggregate: p95", "aggregate: last", "is a distribution and has no such aggregate", "use avg, p50"),
    (RULES, "over: today\n", "over: 24h\n", "a target is a sum over the day", "use `aggregate: sum` and `over: today`"),
    (RULES, "series: booking_visits_total", "series: visits", "nothing counts `visits`", "belongs into `shown`"),
    (
        RULES,
        "team: business }\n    summary: Fewer",
        "severity: mild }\n    summary: Fewer",
        "`severity` is given to every alert",
        "choose another",
    ),
    ("business", "\"08:00\"", "\"8:00\"", "`8:00` to `18:00` is not a span of a day", "write `HH:MM` twice"),
    ("infrastructure", "\"/api/payments\",", "\"/api/:x\",\n    \"/api/payments\",", "`/api/payments` is never reached", "more specific"),
    ("infrastructure", "\"minute_days\": 7", "\"minute_days\": 91", "kept shorter than `minute_days` (91 days)", "keep the coarser"),
    ("production", "[\"ops.bookings.example\"]", "[]", "no console host", "name the host"),
    (
        "production",
        "https://ops.bookings.example\"",
        "https://opps.bookings.example\"",
        "links would lead to `opps.bookings.example`",
        "did you mean",
    ),
    ("production", "\"ZAR\"", "\"Rand\"", "`Rand` is not a currency code", "ZAR"),
    // What keeps alerts quiet.
    (RULES, "source: [rule=origin-down]", "source: [rule=origin-dwon]", "there is no rule `origin-dwon`", "did you mean `origin-down`?"),
    (RULES, "source: [rule=origin-down]", "source: [rle=origin-down]", "no alert has a label `rle`", "did you mean `rule`?"),
    (RULES, "source: [rule=origin-down]", "source: [severity=crit]", "there is no severity `crit`", "did you mean `critical`?"),
    (RULES, "depends_on: [origin-down]", "depends_on: [origin-dwon]", "there is no rule `origin-dwon`", "did you mean `origin-down`?"),
    (RULES, "depends_on: [origin-down]", "depends_on: [route-errors]", "`route-errors` depends on itself", "name the cause"),
    (RULES, "source: [rule=origin-down]", "source: [origin-down]", "this is not a matcher", "write `label=\"value\"`"),
    (RULES, "source: [rule=origin-down]", "source: []", "no matcher means every alert", "name the rule"),
    (RULES, "[rule=~error-rate-.*|latency-p95]", "[\"rule=~error-rate-[cw].*\"]", "this is not a matcher", "`[` at character 12 of"),
    (RULES, "id: origin-explains", "id: error-rate-explains", "`error-rate-explains` is already the id of entry 1", "give each its own"),
    (
        RULES,
        "maintenance: []",
        "maintenance: []\ntime_intervals: [{ id: Night, hours: { days: [mon], hours: { from: \"22:00\", to: \"06:00\" }, zone: UTC } }]",
        "`Night`",
        "",
    ),
    (
        RULES,
        "channels: [slack-security]",
        "channels: [slack-security]\n    mute_times: [night]",
        "there is no time interval `night`",
        "use the id of an entry",
    ),
    (RULES, "maintenance: []", WITHOUT_EXPIRY, "the key `expires` is missing here", "add `expires:` - The last day it begins on"),
    (RULES, "maintenance: []", BAD_EXPIRY, "`next year` is not a date", "write the last day it begins on: `2027-03-31`"),
    (RULES, "maintenance: []", BAD_ZONE, "`Africa/Johanesburg` is not a time zone", "did you mean `Africa/Johannesburg`?"),
    (RULES, "maintenance: []", BAD_HOURS, "`22:00` to `22:00` is not a span of a day", "write `HH:MM` twice"),
    (RULES, "maintenance: []", BAD_DAY, "`sunday` is not one of the words used here", "use one of: mon, tue"),
];

macro_rules! maintenance {
    ($days:literal, $to:literal, $zone:literal, $expires:literal) => {
        concat!(
            "maintenance:\n  - id: weekly\n    matchers: [rule=origin-down]\n    days: [",
            $days,
            "]\n    hours: { from: \"22:00\", to: \"",
            $to,
            "\" }\n    zone: ",
            $zone,
            "\n    reason: upgrade\n    author: ops\n",
            $expires
        )
    };
}

const WITHOUT_EXPIRY: &str = maintenance!("sun", "02:00", "UTC", "");
const BAD_EXPIRY: &str = maintenance!("sun", "02:00", "UTC", "    expires: next year\n");
const BAD_ZONE: &str = maintenance!("sun", "02:00", "Africa/Johanesburg", "    expires: \"2027-03-31\"\n");
const BAD_HOURS: &str = maintenance!("sun", "22:00", "UTC", "    expires: \"2027-03-31\"\n");
const BAD_DAY: &str = maintenance!("sunday", "02:00", "UTC", "    expires: \"2027-03-31\"\n");
const GOOD_WINDOW: &str = maintenance!("sat, sun", "02:00", "Africa/Johannesburg", "    expires: \"2027-03-31\"\n");

#[test]
fn a_maintenance_window_with_all_its_keys_reads() {
    assert_eq!(mistakes(&[("alerting", "maintenance: []", GOOD_WINDOW)]), []);
}

#[test]
fn a_mistake_in_a_route_inside_a_route_is_told_at_its_place() {
    // Below route 2, whose alerts are of team security.
    let below = |routes: &str| {
        let routes = format!("channels: [slack-security]\n    routes: [{routes}]");
        mistakes(&[("alerting", "channels: [slack-security]", &routes)])
    };
    for routes in [
        "{ matchers: { severity: critical }, continue: true }, { matchers: { severity: critical }, group_wait: 1m }",
        "{ matchers: [\"severity=~critical|info\", rule!=latency-p95] }, { matchers: { severity: warning } }, {}",
        "{ routes: [{ routes: [{}] }] }",
    ] {
        assert_eq!(below(routes), [], "{routes}");
    }
    for (routes, message, fix) in [
        ("{ matchers: { team: ops } }", "never reached: route 2 above it takes no alert with team=\"ops\"", "move it out"),
        ("{ routes: [{ matchers: [team=ops] }] }", "never reached: route 2 above it takes no alert with team=\"ops\"", "move it out"),
        ("{}, { matchers: [severity=info] }", "never reached: route 2.1 takes all its alerts and does not `continue`", "move it up"),
        (
            "{ matchers: [\"severity=~critical|warning\"] }, { matchers: { severity: critical } }",
            "never reached: route 2.1 takes all its alerts and does not `continue`",
            "set `continue: true` there",
        ),
        ("{ routes: [{ routes: [{ routes: [{}] }] }] }", "routes stand inside each other 4 deep at most", "with the matchers of both"),
        ("{ matchers: [severity=crit] }", "there is no severity `crit`", "did you mean `critical`?"),
        ("{ matchers: [\"severity=~[cw].*\"] }", "this is not a matcher", "is not supported"),
        ("{ channels: [slack-secruity] }", "there is no channel `slack-secruity`", "did you mean `slack-security`?"),
        ("{ mute_times: [night] }", "there is no time interval `night`", "use the id of an entry"),
        ("{ group_wiat: 1m }", "unknown key `group_wiat`", "did you mean `group_wait`?"),
    ] {
        let found = below(routes);
        assert_eq!(found.len(), 1, "{routes}: {found:#?}");
        assert!(found[0].message.contains(message) && found[0].fix.contains(fix), "{routes}: {found:#?}");
        assert!(found[0].line == 41, "{found:#?}");
    }
}

#[test]
fn one_mistake_is_one_diagnostic_with_its_fix() {
    for (file, from, to, message, fix) in SINGLE_MISTAKES {
        let found = mistakes(&[(file, from, to)]);
        let printed: Vec<String> = found.iter().map(|mistake| mistake.text(Paint::Plain)).collect();
        let [mistake] = found.as_slice() else { panic!("{from:?} → {to:?} gave {} diagnostics:\n{}", found.len(), printed.join("\n")) };
        assert!(mistake.message.contains(message) && mistake.fix.contains(fix), "{from:?} → {to:?} gave:\n{}", printed.join("\n"));
        assert!(mistake.file.contains(file) && mistake.line > 0, "{mistake:?}");
    }
}

#[test]
fn a_wrong_template_is_pointed_at_and_not_the_text_around_it() {
    let text = "annotations:\n      description: >-\n        Most of it is on {{ labels.team }},\n        by {{ labels.taem }}.\n    summary: More than 2 %";
    let found = mistakes(&[("alerting", "summary: More than 2 %", text)]);
    let printed: Vec<String> = found.iter().map(|mistake| mistake.text(Paint::Plain)).collect();
    insta::assert_snapshot!(printed.join("\n"));
}

#[test]
fn a_folder_without_routes_says_so_for_every_rule_that_reaches_nobody() {
    let found = mistakes(&[
        ("alerting", "  - channels: [slack-default] # nothing gets lost for want of a label\n", ""),
        ("alerting", "labels: { team: security }", ""),
    ]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].message, "nobody is told about `traffic-surge`: no route matches its labels");
}

#[test]
fn a_file_that_does_not_parse_hides_nothing_in_the_others() {
    let found = mistakes(&[
        ("business", "\"shown\": [", "\"shown\": "),
        ("alerting", "for: 1m", "for: 1q"),
        ("security", "\"mode\": \"enforce\"", "\"mode\": \"enforced\""),
    ]);
    let files: Vec<&str> = found.iter().map(|mistake| mistake.file.as_str()).collect();
    assert_eq!(
        files,
        ["monitoring/alerting-configuration.yaml", "monitoring/business-metrics-config.json", "monitoring/security-monitoring-config.json"],
        "rules that use business metrics are not blamed for the file that lists them: {found:#?}"
    );
}

#[test]
fn missing_and_misnamed_files_are_named() {
    let mut files = shipped(&[]);
    files.retain(|source| !source.name.contains("sentry"));
    for source in &mut files {
        source.name = source.name.replace("alerting-configuration.yaml", "alerting-configuration.yml");
    }
    files.push(Source { name: "monitoring/cloudflare.json".into(), text: "{}".into() });
    let found = sources(&files, Environment::Production).unwrap_err();
    let told: Vec<_> = found.iter().map(|mistake| (mistake.file.as_str(), mistake.message.as_str(), mistake.fix.as_str())).collect();
    assert_eq!(
        told,
        [
            ("alerting-configuration.yaml", "this file is missing", "rename `alerting-configuration.yml`"),
            ("monitoring/cloudflare.json", "nothing reads this file", "move it elsewhere, or remove it"),
            ("sentry-apm-config.json", "this file is missing", "add it, or take it from the repository's history"),
        ]
    );
}

#[test]
fn an_environment_overrides_single_values_and_only_those_that_are_there() {
    let overridden = |text: &str| {
        let edit = format!("\"currency\": \"ZAR\",\n  \"overrides\": {{ {text} }}");
        sources(&shipped(&[("production", "\"currency\": \"ZAR\"", &edit)]), Environment::Production)
    };
    let config = overridden(r#""security.limits.login.mode": "shadow", "alerting.rules.latency-p95.when.threshold.bound": 2.5"#).unwrap();
    assert_eq!(config.security.limits[0].mode, crate::config::security::LimitMode::Shadow);
    let plain = sources(&shipped(&[]), Environment::Production).unwrap();
    assert_eq!(plain.security.limits[1..], config.security.limits[1..]);

    for (text, message, fix) in [
        (
            r#""security.limits.logn.mode": "shadow""#,
            "`security.limits.logn.mode` leads to nothing: there is no `logn`",
            "did you mean `login`?",
        ),
        (r#""securty.limits.login.mode": "shadow""#, "there is no section `securty`", "did you mean `security`?"),
        (r#""security.limits.login.mode": "shadw""#, "`shadw` is not one of the words used here", "did you mean `shadow`?"),
        (r#""security.limits.login.requests": 500"#, "500 is out of range", "use a number from 1 to 64"),
        (
            r#""security.limits.login.requests.x": 5"#,
            "`security.limits.login.requests.x` leads to nothing: there is no `x`",
            "an override replaces",
        ),
    ] {
        let found = overridden(text).unwrap_err();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message == message && found[0].fix.contains(fix), "{:#?}", found[0]);
        assert!(found[0].file.ends_with("production-config.json"), "an override's mistake is where the override is: {:?}", found[0]);
    }
}

/// Values of a shape in which every word, every alternative and every key stands at least once.
fn examples(shape: &Shape) -> Vec<serde_json::Value> {
    use serde_json::json;
    match shape {
        Shape::Choice(words) => words.iter().map(|word| json!(word)).collect(),
        Shape::List(item) => examples(item).into_iter().map(|item| json!([item])).collect(),
        Shape::Labels => vec![json!({ "a": "b" })],
        Shape::Matchers => vec![json!({ "a": "b" }), json!(["a!=b"])],
        Shape::Lookback(_) => vec![shape.placeholder(), json!("today")],
        Shape::Integer(range) => vec![json!(range.start()), json!(range.end())],
        Shape::Map(keys) => {
            let varied = keys.iter().flat_map(|key| {
                examples(&key.shape).into_iter().map(|example| {
                    let mut map = shape.placeholder();
                    map[key.field] = example;
                    map
                })
            });
            let absent = || keys.iter().all(|key| key.need == Need::Optional).then(|| json!({}));
            std::iter::once(shape.placeholder()).chain(varied).chain(absent()).collect()
        }
        Shape::OneOf(keys) => {
            keys.iter().flat_map(|key| examples(&key.shape).into_iter().map(|value| json!({ key.field: value }))).collect()
        }
        Shape::NumberOr(keys) => examples(&Shape::OneOf(keys)).into_iter().chain([shape.placeholder()]).collect(),
        scalar => vec![scalar.placeholder()],
    }
}

#[test]
fn whatever_the_shapes_allow_the_types_read() {
    let plain = serde_json::to_value(sources(&shipped(&[]), Environment::Production).unwrap()).unwrap();
    let mut tried = 0;
    for file in files::SHARED.iter().chain(&files::OVERLAYS) {
        for mut example in examples(&file.shape) {
            if file.section == "site" {
                example["environment"] = "production".into();
            }
            let mut config = plain.clone();
            config[file.section] = example;
            let read = <Config as FromJson>::from_json(config.clone());
            assert!(read.is_ok(), "{}: {}: {:#}", file.name, read.unwrap_err(), config[file.section]);
            assert_eq!(serde_json::to_value(read.unwrap()).unwrap().as_object().unwrap().len(), 6);
            tried += 1;
        }
    }
    assert!(tried > 80, "{tried}");
}

#[test]
fn every_field_of_the_types_can_be_written() {
    /// The keys of every map in `value`, as paths.
    fn paths(value: &serde_json::Value, at: &str, out: &mut std::collections::BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(key, value)| {
                out.insert(format!("{at}/{key}"));
                paths(value, &format!("{at}/{key}"), out);
            }),
            serde_json::Value::Array(items) => items.iter().for_each(|item| paths(item, at, out)),
            _ => {}
        }
    }
    let config = sources(&shipped(&[]), Environment::Production).unwrap();
    let value = serde_json::to_value(&config).unwrap();
    for file in &files::SHARED {
        let (mut written, mut known) = Default::default();
        paths(&value[file.section], "", &mut written);
        for example in examples(&file.shape) {
            paths(&example, "", &mut known);
        }
        let free = |path: &&String| ["/labels/", "/matchers/", "/annotations/"].iter().any(|map| path.contains(map));
        let unknown: Vec<_> = written.difference(&known).filter(|path| !free(path)).collect();
        assert_eq!(unknown, Vec::<&String>::new(), "{}", file.name);
    }
}

#[test]
fn the_schemas_for_editors_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    for (name, text) in schema::all() {
        let stored = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
        assert_eq!(stored, text, "schema/{name} is stale: run `cargo run --bin parapet -- schema`");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), schema::all().len(), "a schema nobody makes");
}

#[test]
fn a_folder_that_is_not_there_is_unreadable_not_wrong() {
    let error = folder(Path::new("no-such-folder"), Environment::Dev).unwrap_err();
    assert!(matches!(&error, ReadError::Unreadable { path, .. } if path == "no-such-folder"), "{error}");
}

#[test]
fn text_that_is_not_utf8_is_a_mistake_with_a_place_not_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    for source in shipped(&[]) {
        std::fs::write(dir.path().join(base_name(&source.name)), source.text).unwrap();
    }
    let path = dir.path().join("production-config.json");
    let bytes: Vec<u8> =
        std::fs::read(&path).unwrap().iter().flat_map(|byte| if *byte == b'Z' { vec![0xff] } else { vec![*byte] }).collect();
    std::fs::write(&path, bytes).unwrap();
    let Err(ReadError::Mistakes(found)) = folder(dir.path(), Environment::Production) else { panic!() };
    assert_eq!(found.len(), 1);
    assert!(found[0].source.contains("\u{fffd}AR"), "{found:?}");
}
