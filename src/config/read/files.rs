//! The files of `monitoring/`: their names, the sections they fill and the keys they may have.

mod condition;

use super::shape::{Key, Shape};
use crate::config::check;
use crate::config::site::Environment;

/// A file and the section of the configuration it fills.
#[derive(Debug)]
pub(super) struct File {
    /// Its name in the folder.
    pub(super) name: &'static str,
    /// The field of `Config`.
    pub(super) section: &'static str,
    /// What it holds; the schema's title.
    pub(super) doc: &'static str,
    /// Its keys.
    pub(super) shape: Shape,
}

/// The files every environment shares.
pub(super) static SHARED: [File; 5] = [
    File {
        name: "infrastructure-monitoring-config.json",
        section: "infrastructure",
        doc: "What is measured and how much of it is kept",
        shape: Shape::Map(&INFRASTRUCTURE),
    },
    File { name: "security-monitoring-config.json", section: "security", doc: "Rate limits", shape: Shape::Map(&SECURITY) },
    File {
        name: "sentry-apm-config.json",
        section: "sentry",
        doc: "Error events and cron check-ins to Sentry",
        shape: Shape::Map(&SENTRY),
    },
    File {
        name: "business-metrics-config.json",
        section: "business",
        doc: "Business metrics and daily targets",
        shape: Shape::Map(&BUSINESS),
    },
    File { name: "alerting-configuration.yaml", section: "alerting", doc: "Rules, channels and routes", shape: Shape::Map(&ALERTING) },
];

/// The overlay of each environment, in the order of [`Environment::ALL`].
pub(super) static OVERLAYS: [File; 3] = [
    File { name: "dev-config.json", section: "site", doc: OVERLAY_DOC, shape: Shape::Map(&SITE) },
    File { name: "staging-config.json", section: "site", doc: OVERLAY_DOC, shape: Shape::Map(&SITE) },
    File { name: "production-config.json", section: "site", doc: OVERLAY_DOC, shape: Shape::Map(&SITE) },
];

const OVERLAY_DOC: &str = "One deployment: its hosts, links and names, and the values it has for itself";

/// The overlay of `environment`.
pub(super) fn overlay(environment: Environment) -> &'static File {
    let [dev, staging, production] = &OVERLAYS;
    match environment {
        Environment::Dev => dev,
        Environment::Staging => staging,
        Environment::Production => production,
    }
}

/// The key of an overlay that replaces single values of the shared files.
pub(super) const OVERRIDES: &str = "overrides";

static SITE: [Key; 6] = [
    Key::new("name", Shape::Text, "The platform's name as messages print it."),
    Key::new("console_hosts", Shape::List(&Shape::Text), "Hosts, without port, on which Parapet answers its own pages and API."),
    Key::new(
        "console_serves_site",
        Shape::Choice(&["console_only", "site_too"]),
        "What a console host answers beside Parapet's own paths.",
    ),
    Key::new("console_url", Shape::Text, "Absolute base of links in messages, no slash at the end."),
    Key::new("timezone", Shape::Text, "IANA zone of business days, schedules and printed times."),
    Key::new("currency", Shape::Text, "ISO 4217 code of amounts."),
];

static INFRASTRUCTURE: [Key; 5] = [
    Key::new("routes", Shape::List(&Shape::Text), "Route templates, most specific first: `/bookings/:id`."),
    Key::new("max_routes", Shape::Integer(check::MAX_ROUTES), "Most route templates counted apart; the rest is `(other)`."),
    Key::new("max_series", Shape::Integer(check::MAX_SERIES), "Most series one Collector shard holds."),
    Key::new(
        "retention",
        Shape::Map(&[
            Key::new("minute_days", Shape::Integer(check::RETENTION_DAYS), "Days one-minute rows are kept."),
            Key::new("hour_days", Shape::Integer(check::RETENTION_DAYS), "Days one-hour rows are kept."),
            Key::new("day_days", Shape::Integer(check::RETENTION_DAYS), "Days one-day rows are kept."),
        ]),
        "How long each resolution is kept in D1.",
    ),
    Key::new(
        "ingest",
        Shape::Map(&[
            Key::new("max_batch", Shape::Integer(check::INGEST_BATCH), "Most metrics in one array."),
            Key::new("max_body_bytes", Shape::Integer(check::INGEST_BODY_BYTES), "Largest request body."),
            Key::new("max_tags", Shape::Integer(check::INGEST_TAGS), "Most tags on one metric."),
            Key::new("max_series_per_name", Shape::Integer(check::INGEST_SERIES), "Most label sets of one metric name."),
        ]),
        "Bounds of POST /api/metrics.",
    ),
];

static SECURITY: [Key; 1] = [Key::new(
    "limits",
    Shape::List(&Shape::Map(&[
        Key::new("id", Shape::Text, "The limit's name in RateLimit-Policy, metrics and logs."),
        Key::new("path", Shape::Text, "The path it guards, exactly."),
        Key::optional("methods", Shape::List(&Shape::Text), "The methods it guards; left out, all."),
        Key::new("requests", Shape::Integer(check::LIMIT_REQUESTS), "Requests one client may make in any window."),
        Key::new("window_s", Shape::Integer(check::LIMIT_WINDOW_S), "The window in seconds."),
        Key::new("mode", Shape::Choice(&["enforce", "shadow"]), "Whether a denied request gets 429 or is only counted."),
        Key::new("on_failure", Shape::Choice(&["allow", "edge", "deny"]), "What happens when the Limiter does not answer within 250 ms."),
    ])),
    "Exact limits; the first whose path and method fit decides.",
)];

static SENTRY: [Key; 4] = [
    Key::new("origin_error_sample_rate", Shape::Number(check::SHARE), "Share of origin 5xx that become events."),
    Key::new("max_events_per_minute", Shape::Integer(check::SENTRY_EVENTS), "Most events one isolate sends a minute."),
    Key::new(
        "monitor",
        Shape::Map(&[
            Key::new("slug", Shape::Text, "The monitor's slug."),
            Key::new("checkin_margin_min", Shape::Integer(check::MONITOR_MINUTES), "Minutes a check-in may be late."),
            Key::new("max_runtime_min", Shape::Integer(check::MONITOR_MINUTES), "Minutes a tick may take."),
            Key::new("failure_issue_threshold", Shape::Integer(check::MONITOR_CHECKINS), "Bad check-ins in a row before an issue opens."),
            Key::new("recovery_threshold", Shape::Integer(check::MONITOR_CHECKINS), "Good check-ins in a row before it closes."),
        ]),
        "The cron monitor the tick checks in with.",
    ),
    Key::new("scrub_keys", Shape::List(&Shape::Text), "Parts of key names whose values never leave."),
];

static BUSINESS: [Key; 2] = [
    Key::new("shown", Shape::List(&Shape::Text), "Metric names shown under `business` in realtime; also what rules may select."),
    Key::new(
        "targets",
        Shape::List(&Shape::Map(&[
            Key::new("id", Shape::Text, "What rules call it."),
            Key::new("series", Shape::Text, "The counter it counts."),
            Key::new("per_day", Shape::Number(check::AMOUNT), "The goal per day, in the counter's unit."),
            Key::new(
                "hours",
                Shape::Map(&[Key::new("from", Shape::Text, "Opening, HH:MM."), Key::new("to", Shape::Text, "Closing, HH:MM.")]),
                "The hours over which the goal is expected to come in evenly.",
            ),
        ])),
        "Daily goals.",
    ),
];

static ALERTING: [Key; 10] = [
    Key::new("channels", Shape::List(&Shape::Map(&CHANNEL)), "Where notifications can go."),
    Key::new("routes", Shape::List(&Shape::Map(&ROUTE)), "Which alerts go where, in order."),
    Key::new("rules", Shape::List(&Shape::Map(&RULE)), "What is watched."),
    Key::optional(
        "inhibitions",
        Shape::List(&Shape::Map(&INHIBITION)),
        "Which alerts explain which others, so that people hear of the cause alone.",
    ),
    Key::optional("maintenance", Shape::List(&Shape::Map(&MAINTENANCE)), "When which alerts are expected and nobody is told."),
    Key::optional(
        "escalations",
        Shape::List(&Shape::Map(&ESCALATION)),
        "Who is told next of an alert nobody has acknowledged; the first that fits is in force.",
    ),
    Key::optional("rotations", Shape::List(&Shape::Map(&ROTATION)), "Who is on call: channels that take turns, a week each."),
    Key::optional("time_intervals", Shape::List(&Shape::Map(&TIME_INTERVAL)), "Hours that routes name in `mute_times` and `active_times`."),
    Key::optional(
        "flapping",
        Shape::Map(&[
            Key::new("times", Shape::Integer(check::FLAPS), "How often an alert begins to fire."),
            Key::duration("within", "within_ms", check::FLAP_WITHIN_MS, "Within how long."),
            Key::duration("settled_after", "settled_after_ms", check::SETTLED_AFTER_MS, "How long it has to stand still to have settled."),
        ]),
        "When an alert comes and goes too often to be told each time: one message says that it flaps, one that it has settled.",
    ),
    Key::optional(
        "report",
        Shape::Map(&[
            Key::new("day", Shape::Choice(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), "The day of the week it is sent."),
            Key::new("at", Shape::Text, "The time, `HH:MM`."),
            Key::new("zone", Shape::Text, "IANA time zone of both, and of the week from Monday to Monday that it is of."),
            Key::new("channels", Shape::List(&Shape::Text), "The channels' ids: Slack and e-mail only."),
        ]),
        "A report of the last week's alerts: which rules are worth their noise, and who bore it; left out, none is sent.",
    ),
];

static ESCALATION: [Key; 5] = [
    Key::new("id", Shape::Text, "Stable and unique."),
    Key::optional("matchers", Shape::Labels, "Labels an alert must have; none matches all."),
    Key::optional("hours", Shape::Map(&HOURS), "When this one is in force; left out, always."),
    Key::new(
        "steps",
        Shape::List(&Shape::Map(&[
            Key::optional_duration(
                "after",
                "after_ms",
                check::ESCALATE_AFTER_MS,
                "How long after people were first told; left out, together with them.",
            ),
            Key::new("notify", Shape::List(&Shape::Text), "The ids of channels and rotations."),
        ])),
        "In order, until somebody acknowledges the alert or it is over.",
    ),
    Key::optional_duration("repeat", "repeat_ms", check::ESCALATE_REPEAT_MS, "How often the last step is repeated; left out, never."),
];

static TIME_INTERVAL: [Key; 2] =
    [Key::new("id", Shape::Text, "What routes call it."), Key::new("hours", Shape::Map(&HOURS), "When it is.")];

static HOURS: [Key; 3] = [DAYS, SPAN, Key::new("zone", Shape::Text, "IANA time zone, such as `Africa/Johannesburg`.")];

const DAYS: Key = Key::new(
    "days",
    Shape::List(&Shape::Choice(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"])),
    "The days it begins on, in its zone.",
);

const SPAN: Key = Key::new(
    "hours",
    Shape::Map(&[
        Key::new("from", Shape::Text, "Beginning, `HH:MM`."),
        Key::new("to", Shape::Text, "End, `HH:MM`; before the beginning means on the next day."),
    ]),
    "From when to when, in its zone.",
);

static ROTATION: [Key; 6] = [
    Key::new("id", Shape::Text, "What escalations call it; no channel is called the same."),
    Key::new("zone", Shape::Text, "IANA time zone of the times below."),
    Key::new(
        "handover",
        Shape::Map(&[
            Key::new("day", Shape::Choice(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), "The day of the week."),
            Key::new("at", Shape::Text, "The time, `HH:MM`."),
        ]),
        "When a shift ends and the next begins.",
    ),
    Key::new("starts", Shape::Text, "A day in the first member's first shift, `YYYY-MM-DD`."),
    Key::new("members", Shape::List(&Shape::Text), "The channels' ids, in turn."),
    Key::optional(
        "overrides",
        Shape::List(&Shape::Map(&[
            Key::new("from", Shape::Text, "From when, `YYYY-MM-DD HH:MM`."),
            Key::new("until", Shape::Text, "Until when."),
            Key::new("member", Shape::Text, "The channel's id."),
        ])),
        "Who stands in; the first that covers a moment.",
    ),
];

static INHIBITION: [Key; 4] = [
    Key::new("id", Shape::Text, "Stable and unique."),
    Key::new("source", Shape::List(&Shape::Text), "Matchers of the cause: `rule=origin-down`, `severity!=info`, `rule=api-*`."),
    Key::new("target", Shape::List(&Shape::Text), "Matchers of what it explains."),
    Key::optional("equal", Shape::List(&Shape::Text), "Labels that both must have with the same value."),
];

static MAINTENANCE: [Key; 8] = [
    Key::new("id", Shape::Text, "Stable and unique."),
    Key::new("matchers", Shape::List(&Shape::Text), "Matchers of what is expected; `[]` means every alert."),
    DAYS,
    SPAN,
    Key::new("zone", Shape::Text, "IANA time zone, such as `Africa/Johannesburg`."),
    Key::new("reason", Shape::Text, "Why, for whoever wonders at the quiet."),
    Key::new("author", Shape::Text, "Who answers for it."),
    Key::new("expires", Shape::Text, "The last day it begins on, `YYYY-MM-DD`: nothing is quiet for ever."),
];

static CHANNEL: [Key; 3] = [
    Key::new("id", Shape::Text, "What routes call it."),
    Key::new(
        "via",
        Shape::OneOf(&[
            Key::new(
                "slack",
                Shape::Map(&[
                    Key::new("secret", Shape::Text, "The binding that holds the webhook's address, or with `channel` the bot's token."),
                    Key::optional(
                        "channel",
                        Shape::Text,
                        "The id of the channel a bot posts to, such as `C0123ABCDEF`; left out, a webhook.",
                    ),
                ]),
                "A Slack incoming webhook, or a bot that keeps one message of each alert up to date.",
            ),
            Key::new(
                "email",
                Shape::Map(&[
                    Key::new("format", Shape::Choice(&["resend", "sendgrid", "plain"]), "The shape of the provider's request."),
                    Key::new("from", Shape::Text, "The sender."),
                    Key::optional(
                        "recipients",
                        Shape::Text,
                        "The binding that holds the addresses; ALERT_EMAIL_RECIPIENTS while it is not set, or not named.",
                    ),
                ]),
                "An e-mail provider's HTTP API at EMAIL_WEBHOOK_URL.",
            ),
            Key::new("sentry", Shape::Map(&[]), "Sentry, at SENTRY_DSN."),
            Key::new(
                "webhook",
                Shape::Map(&[
                    Key::new("secret", Shape::Text, "The binding that holds the endpoint's address."),
                    Key::new("signing_secret", Shape::Text, "The binding that holds the signing key: whsec_ and base64."),
                ]),
                "Any endpoint that takes Alertmanager's webhook, signed as Standard Webhooks says.",
            ),
            Key::new(
                "pagerduty",
                Shape::Map(&[
                    Key::new("secret", Shape::Text, "The binding that holds the integration's routing key."),
                    Key::optional("region", Shape::Choice(&["us", "eu"]), "Where the account lives; left out, us."),
                ]),
                "PagerDuty's Events API v2.",
            ),
            Key::new(
                "statuspage",
                Shape::Map(&[
                    Key::new("secret", Shape::Text, "The binding that holds the API key."),
                    Key::new("page", Shape::Text, "The page's id."),
                    Key::optional("components", Shape::Labels, "Labels as `name=value`, each with the id of its component."),
                ]),
                "Atlassian Statuspage: names and summaries of rules become public there.",
            ),
            Key::new(
                "cloudevents",
                Shape::Map(&[Key::new("secret", Shape::Text, "The binding that holds the consumer's address.")]),
                "A consumer of CloudEvents 1.0 in structured mode.",
            ),
        ]),
        "How messages get there.",
    ),
    Key::optional("send_resolved", Shape::Flag, "Whether the end of an alert is told too; left out, yes."),
];

static ROUTE: [Key; 10] = [
    Key::optional(
        "matchers",
        Shape::Matchers,
        "What an alert must have: labels with their values, or a list of matchers such as `severity=~\"critical|warning\"`; none matches all.",
    ),
    Key::optional("channels", Shape::List(&Shape::Text), "The channels' ids; left out, those of the route above."),
    Key::optional("continue", Shape::Flag, "Whether later routes are tried too; left out, no."),
    Key::optional(
        "routes",
        Shape::List(&Shape::Again(&ROUTE, "#/properties/routes/items")),
        "Routes for some of its alerts; what none of them takes is its own, and what they do not say they have from it.",
    ),
    Key::optional(
        "mute_times",
        Shape::List(&Shape::Text),
        "Time intervals in which this route tells nobody; what still fires is told afterwards.",
    ),
    Key::optional(
        "active_times",
        Shape::List(&Shape::Text),
        "Time intervals outside which this route tells nobody; left out, it always may.",
    ),
    Key::optional(
        "group_by",
        Shape::List(&Shape::Text),
        "Alerts with the same values of these labels are one message in Slack, e-mail and webhooks; `...` is every label; left out, each is told by itself.",
    ),
    Key::optional_duration(
        "group_wait",
        "group_wait_ms",
        check::GROUP_WAIT_MS,
        "How long the first message of a group waits for more alerts; left out, for those of the same tick.",
    ),
    Key::optional_duration(
        "group_interval",
        "group_interval_ms",
        check::GROUP_INTERVAL_MS,
        "The least time between two messages of a group; left out, 5 minutes.",
    ),
    Key::optional_duration(
        "repeat_interval",
        "repeat_interval_ms",
        check::REPEAT_INTERVAL_MS,
        "How long after its last message a group that nobody has taken is told of again; left out, 4 hours; 0s, never.",
    ),
];

static RULE: [Key; 18] = [
    Key::new("id", Shape::Text, "Stable and unique."),
    Key::new("name", Shape::Text, "What a person reads."),
    Key::new("severity", Shape::Choice(&["info", "warning", "critical"]), "How bad it is when it fires."),
    Key::new("when", Shape::OneOf(&condition::WHEN), "The condition."),
    Key::optional("by", Shape::List(&Shape::Text), "One alert for each set of values of these labels."),
    Key::optional("recovery", Shape::Number(check::LEVEL), "Where the value has to get back to before a firing alert ends."),
    Key::optional_duration("for", "for_ms", check::HOLD_MS, "How long the condition must hold before it fires."),
    Key::optional_duration(
        "keep_firing_for",
        "keep_firing_for_ms",
        check::HOLD_MS,
        "How long it keeps firing after the condition last held.",
    ),
    Key::optional_duration(
        "interval",
        "interval_ms",
        check::INTERVAL_MS,
        "How often it is evaluated; a minute unless set. With one below a minute Parapet ticks every ten seconds.",
    ),
    Key::new("no_data", Shape::Choice(&["ok", "alert", "keep"]), "What no data means."),
    Key::new("error", Shape::Choice(&["alert", "keep"]), "What a failed evaluation means."),
    Key::optional("depends_on", Shape::List(&Shape::Text), "Ids of rules: while one of them fires, people are not told of this one."),
    Key::optional(
        "incident",
        Shape::Choice(&["always", "never", "critical"]),
        "Whether its alerts open an incident; left out, if they are critical. A milder one joins an open incident, unless `never`.",
    ),
    Key::optional("labels", Shape::Labels, "Extra labels for routing."),
    Key::new("summary", Shape::Text, "One sentence: what is wrong and what it does to people. `{{ value }}` and the like are filled in."),
    Key::optional(
        "annotations",
        Shape::Labels,
        "More texts by name, with templates: `{{ value }}`, `{{ labels.route }}`. People see `description`, programs all.",
    ),
    Key::new("runbook", Shape::Text, "Where to read what to do."),
    Key::new("owner", Shape::Text, "Who owns it."),
];
