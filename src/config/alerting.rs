//! Rules, channels, routes, inhibitions and maintenance windows.
//!
//! Durations are written `30s`, `5m`, `1h`, `7d` in the file and are milliseconds here.

use serde::Serialize;

use super::business::minute_of_day;
use super::matchers::Matchers;
use crate::record::{choice, record, words};
use crate::sorted::Map;

/// The alerting configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Alerting {
    /// Where notifications can go.
    pub channels: Vec<Channel>,
    /// Which alerts go where, in order; every route that matches is used until one that does not `continue`.
    pub routes: Vec<Route>,
    /// What is watched.
    pub rules: Vec<Rule>,
    /// Which alerts explain which others, so that people hear of the cause alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inhibitions: Vec<Inhibition>,
    /// When which alerts are expected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintenance: Vec<Maintenance>,
    /// Who is told next of an alert nobody has taken; the first that fits is in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub escalations: Vec<Escalation>,
    /// Who is on call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rotations: Vec<Rotation>,
    /// Hours that routes name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub time_intervals: Vec<TimeInterval>,
    /// When an alert comes and goes too often to be told each time; never, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flapping: Option<Flapping>,
    /// When who is sent a report of the week; never, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<WeeklyReport>,
}

/// When who is sent a report of the alerts of the week before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeeklyReport {
    /// The day of the week.
    pub day: Weekday,
    /// The time, `HH:MM`.
    pub at: String,
    /// IANA zone of both, and of the week.
    pub zone: String,
    /// The channels: Slack and e-mail only.
    pub channels: Vec<String>,
}

record!(WeeklyReport { day, at, zone, channels });

impl WeeklyReport {
    /// Minutes since midnight; `None` unless `at` is `HH:MM`.
    pub fn minute(&self) -> Option<u32> {
        minute_of_day(&self.at).filter(|minute| *minute < 24 * 60)
    }
}

/// When an alert flaps, and when it has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Flapping {
    /// How often it begins to fire.
    pub times: u32,
    /// Within how long.
    pub within_ms: i64,
    /// How long it has to stand still to have settled.
    pub settled_after_ms: i64,
}

record!(Flapping { times, within_ms, settled_after_ms });

record!(Alerting { channels, routes, rules, inhibitions = Vec::new(), maintenance = Vec::new(), escalations = Vec::new(), rotations = Vec::new(), time_intervals = Vec::new(), flapping, report });

/// While an alert that matches `source` fires, alerts that match `target` are kept quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inhibition {
    /// Stable and unique.
    pub id: String,
    /// Matchers of the cause.
    pub source: Vec<String>,
    /// Matchers of what it explains.
    pub target: Vec<String>,
    /// Labels that both must have with the same value; one that neither has is the same.
    pub equal: Vec<String>,
}

record!(Inhibition { id, source, target, equal = Vec::new() });

/// A recurring window in which alerts are expected and nobody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Maintenance {
    /// Stable and unique.
    pub id: String,
    /// Matchers of what is expected; none means every alert.
    pub matchers: Vec<String>,
    /// The days it begins on, in its zone.
    pub days: Vec<Weekday>,
    /// From when to when, in its zone.
    pub hours: Span,
    /// IANA zone.
    pub zone: String,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub author: String,
    /// The last day it begins on, `YYYY-MM-DD`.
    pub expires: String,
}

record!(Maintenance { id, matchers, days, hours, zone, reason, author, expires });

impl Maintenance {
    /// Year, month and day of `expires`; `None` unless it is a date.
    pub fn last_day(&self) -> Option<Date> {
        date(&self.expires)
    }
}

/// Year, month and day.
pub type Date = (i32, u32, u32);

/// `YYYY-MM-DD`.
pub fn date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()));
    let (year, month, day) = (number(4)?.parse().ok()?, number(2)?.parse().ok()?, number(2)?.parse().ok()?);
    (parts.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day)).then_some((year, month, day))
}

/// `YYYY-MM-DD HH:MM` as the day and the minutes since its midnight.
pub fn local_moment(text: &str) -> Option<(Date, u32)> {
    let (day, clock) = text.split_once(' ')?;
    Some((date(day)?, minute_of_day(clock)?))
}

/// Who is told next of an alert that fires and that nobody has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Escalation {
    /// Stable and unique.
    pub id: String,
    /// Labels an alert must have; empty matches all.
    pub matchers: Map<String, String>,
    /// When this policy is in force; always, if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<Hours>,
    /// In order.
    pub steps: Vec<EscalationStep>,
    /// After the last step, how often it is repeated; 0, never.
    pub repeat_ms: i64,
}

record!(Escalation { id, matchers = Map::new(), hours, steps, repeat_ms = 0 });

/// One step of an escalation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EscalationStep {
    /// How long after people were first told; 0 is together with them.
    pub after_ms: i64,
    /// Channels and rotations.
    pub notify: Vec<String>,
}

record!(EscalationStep { after_ms = 0, notify });

/// Hours of a week, in a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hours {
    /// The days they begin on.
    pub days: Vec<Weekday>,
    /// From when to when.
    pub hours: Span,
    /// IANA zone.
    pub zone: String,
}

record!(Hours { days, hours, zone });

/// Hours with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeInterval {
    /// What routes call it.
    pub id: String,
    /// When it is.
    pub hours: Hours,
}

record!(TimeInterval { id, hours });

/// Channels that take turns, a week each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// What escalations call it; no channel is called the same.
    pub id: String,
    /// IANA zone of everything below.
    pub zone: String,
    /// When a shift ends and the next begins.
    pub handover: Handover,
    /// The day the first member's shift begins, or a day in it, `YYYY-MM-DD`.
    pub starts: String,
    /// The channels, in turn.
    pub members: Vec<String>,
    /// Who stands in, the first that covers a moment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

record!(Rotation { id, zone, handover, starts, members, overrides = Vec::new() });

/// When a shift ends and the next begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Handover {
    /// The day of the week.
    pub day: Weekday,
    /// The time, `HH:MM`.
    pub at: String,
}

record!(Handover { day, at });

impl Handover {
    /// Minutes since midnight; `None` unless `at` is `HH:MM`.
    pub fn minute(&self) -> Option<u32> {
        minute_of_day(&self.at).filter(|minute| *minute < 24 * 60)
    }
}

/// Somebody stands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Override {
    /// From when, local, `YYYY-MM-DD HH:MM`.
    pub from: String,
    /// Until when.
    pub until: String,
    /// The channel.
    pub member: String,
}

record!(Override { from, until, member });

/// Part of a day, over midnight if it ends before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Beginning, `HH:MM`.
    pub from: String,
    /// End, `HH:MM`, not included; may be `24:00`.
    pub to: String,
}

record!(Span { from, to });

impl Span {
    /// Both as minutes since local midnight; `None` unless both are `HH:MM` and different.
    pub fn minutes(&self) -> Option<(u32, u32)> {
        let (from, to) = (minute_of_day(&self.from)?, minute_of_day(&self.to)?);
        (from != to && from < 24 * 60).then_some((from, to))
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// 0 for Monday to 6 for Sunday.
    pub fn from_monday(self) -> u32 {
        match self {
            Self::Mon => 0,
            Self::Tue => 1,
            Self::Wed => 2,
            Self::Thu => 3,
            Self::Fri => 4,
            Self::Sat => 5,
            Self::Sun => 6,
        }
    }
}

words!(Weekday { Mon "mon", Tue "tue", Wed "wed", Thu "thu", Fri "fri", Sat "sat", Sun "sun" });

/// A destination.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Channel {
    /// What routes and deliveries call it.
    pub id: String,
    /// How messages get there.
    pub via: Via,
    /// Whether the end of an alert is told too.
    pub send_resolved: bool,
}

record!(Channel { id, via, send_resolved = true });

/// How messages reach a channel.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Slack: an incoming webhook, or a bot that keeps one message of each episode up to date.
    Slack {
        /// The binding that holds the webhook's URL, or the bot's token.
        secret: String,
        /// The id of the Slack channel the bot posts to; a webhook has its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<String>,
    },
    /// An e-mail provider's HTTP API at `EMAIL_WEBHOOK_URL`.
    Email {
        /// The shape of its request.
        format: EmailFormat,
        /// The sender, `Name <address>` or an address.
        from: String,
        /// The binding that holds the addresses; `ALERT_EMAIL_RECIPIENTS` while it is not set, or not named.
        #[serde(skip_serializing_if = "Option::is_none")]
        recipients: Option<String>,
    },
    /// Sentry, at `SENTRY_DSN`.
    Sentry {},
    /// Any endpoint that takes Alertmanager's webhook, signed as Standard Webhooks says.
    Webhook {
        /// The binding that holds the URL.
        secret: String,
        /// The binding that holds the signing key: `whsec_` and base64.
        signing_secret: String,
    },
    /// PagerDuty's Events API v2.
    Pagerduty {
        /// The binding that holds the integration's routing key.
        secret: String,
        /// Where the account lives.
        region: PagerDutyRegion,
    },
    /// Atlassian Statuspage.
    Statuspage {
        /// The binding that holds the API key.
        secret: String,
        /// The page's id.
        page: String,
        /// Labels as `name=value`, each with the id of the component it is about.
        components: Map<String, String>,
    },
    /// A consumer of CloudEvents 1.0 in structured mode.
    Cloudevents {
        /// The binding that holds the URL.
        secret: String,
    },
}

choice!(Via {
    Slack "slack" { secret, channel },
    Email "email" { format, from, recipients },
    Sentry "sentry" {},
    Webhook "webhook" { secret, signing_secret },
    Pagerduty "pagerduty" { secret, region = PagerDutyRegion::Us },
    Statuspage "statuspage" { secret, page, components = Map::new() },
    Cloudevents "cloudevents" { secret },
});

impl Via {
    /// Whether a report can go there: to people who read it when they have time, where it opens nothing.
    pub fn takes_reports(&self) -> bool {
        match self {
            Self::Slack { .. } | Self::Email { .. } => true,
            Self::Sentry {} | Self::Webhook { .. } | Self::Pagerduty { .. } | Self::Cloudevents { .. } | Self::Statuspage { .. } => false,
        }
    }
}

/// Where a PagerDuty account lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PagerDutyRegion {
    /// The United States, the default.
    #[default]
    Us,
    /// The European Union.
    Eu,
}

words!(PagerDutyRegion { Us "us", Eu "eu" });

/// The shapes of e-mail providers' requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EmailFormat {
    /// Resend: `{from, to, subject, html, text}`, `Idempotency-Key`.
    Resend,
    /// SendGrid v3: `{personalizations, from, subject, content}`.
    Sendgrid,
    /// `{from, to, subject, html, text, message_id}`.
    Plain,
}

words!(EmailFormat { Resend "resend", Sendgrid "sendgrid", Plain "plain" });

/// Sends alerts to channels.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Route {
    /// What an alert must have (`severity`, `rule` and the rule's own labels); empty matches all.
    pub matchers: Matchers,
    /// The channels' ids.
    pub channels: Vec<String>,
    /// Whether later routes are tried too.
    pub r#continue: bool,
    /// Routes for some of its alerts; what they do not say they have from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Self>,
    /// Time intervals in which it tells nobody.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mute_times: Vec<String>,
    /// Time intervals outside which it tells nobody; none, it always may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub active_times: Vec<String>,
    /// Alerts with the same values of these labels are told of together; `...` is every label; none, each by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_by: Vec<String>,
    /// How the messages of a group follow each other; not used without `group_by`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_wait_ms: Option<i64>,
    /// The least time between two messages of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_interval_ms: Option<i64>,
    /// How long after its last message a group that fires on is told of again; 0, never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_interval_ms: Option<i64>,
}

record!(Route {
    matchers = Matchers::default(),
    channels = Vec::new(),
    r#continue as "continue" = false,
    routes = Vec::new(),
    mute_times = Vec::new(),
    active_times = Vec::new(),
    group_by = Vec::new(),
    group_wait_ms,
    group_interval_ms,
    repeat_interval_ms,
});

/// Every label, in `group_by`: Alertmanager's word for it.
pub const EVERY_LABEL: &str = "...";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it today.
    Warning,
    /// Wakes somebody.
    Critical,
}

words!(Severity { Info "info", Warning "warning", Critical "critical" });

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The configured, stored and sent text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text)
    }
}

/// Whether an alert that fires opens an incident.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OpensIncident {
    /// It does.
    Always,
    /// It does not, nor does it join one.
    Never,
    /// If it is critical, the default; a milder one joins the incident that is open.
    #[default]
    Critical,
}

words!(OpensIncident { Always "always", Never "never", Critical "critical" });

impl OpensIncident {
    /// Whether it is what a rule does that does not say.
    pub fn is_default(&self) -> bool {
        *self == Self::Critical
    }
}

/// One thing that is watched.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rule {
    /// Stable and unique: letters, digits, `-`.
    pub id: String,
    /// What a person reads.
    pub name: String,
    /// How bad it is when it fires.
    pub severity: Severity,
    /// The condition.
    pub when: When,
    /// One alert for each set of values of these labels; empty, one alert in all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// Where the value has to get back to before a firing alert ends, on the good side of the bound; `None`, the bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<f64>,
    /// How long the condition must hold before it fires; 0 fires at once.
    pub for_ms: i64,
    /// How long it keeps firing after the condition last held.
    pub keep_firing_for_ms: i64,
    /// How often it is evaluated; between evaluations its alerts stay as they are.
    #[serde(skip_serializing_if = "is_a_minute")]
    pub interval_ms: i64,
    /// What no data means.
    pub no_data: NoData,
    /// What a failed evaluation means.
    pub error: OnError,
    /// Rules whose alerts explain this one's: while one of them fires, people are not told of this.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Whether its alerts open incidents.
    #[serde(skip_serializing_if = "OpensIncident::is_default")]
    pub incident: OpensIncident,
    /// Extra labels for routing.
    pub labels: Map<String, String>,
    /// One sentence: what is wrong and what it does to people; may hold templates.
    pub summary: String,
    /// More texts with templates, by name; people see `description`, programs all.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, String>,
    /// Where to read what to do; an absolute URL or a path below the console.
    pub runbook: String,
    /// Who owns it.
    pub owner: String,
}

/// How often a rule is evaluated that does not say.
const A_MINUTE_MS: i64 = 60_000;

#[cfg_attr(target_pointer_width = "64", expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference"))]
fn is_a_minute(interval_ms: &i64) -> bool {
    *interval_ms == A_MINUTE_MS
}

record!(Rule {
    id,
    name,
    severity,
    when,
    by = Vec::new(),
    recovery,
    for_ms = 0,
    keep_firing_for_ms = 0,
    interval_ms = A_MINUTE_MS,
    no_data,
    error,
    depends_on = Vec::new(),
    incident = OpensIncident::Critical,
    labels = Map::new(),
    summary,
    annotations = Map::new(),
    runbook,
    owner,
});

/// The condition of a rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// An aggregate of a series beyond a bound.
    Threshold {
        /// What is read.
        of: Selector,
        /// How the cells become one number.
        aggregate: Aggregate,
        /// Over how long.
        over: Over,
        /// The comparison.
        compare: Compare,
        /// The bound.
        bound: Bound,
    },
    /// Part over whole beyond a bound (0 to 1).
    Ratio {
        /// The numerator.
        part: Selector,
        /// The denominator.
        whole: Selector,
        /// Over how long.
        over: Over,
        /// The comparison.
        compare: Compare,
        /// The bound, 0 to 1.
        bound: f64,
        /// Below this many in the whole there is no verdict (no data).
        min_samples: f64,
    },
    /// Nothing came: the series has no amount over the window.
    Absence {
        /// What should be there.
        of: Selector,
        /// For how long it may be missing.
        over: Over,
    },
    /// An aggregate against itself some time ago: (now − then) / then beyond a bound.
    Change {
        /// What is read.
        of: Selector,
        /// How the cells become one number.
        aggregate: Aggregate,
        /// Over how long, in milliseconds.
        over_ms: i64,
        /// How long before it the other window ends: the window's own length for the one before, 7 days for last week's.
        against_ms: i64,
        /// The comparison.
        compare: Compare,
        /// The bound: 1 is twice as much, -0.5 is half.
        bound: f64,
        /// Below this `then` there is no verdict (no data).
        min_baseline: f64,
    },
    /// The error budget of an objective burns too fast, over a long and a short window at once.
    BurnRate {
        /// What counts against the objective.
        bad: Selector,
        /// All there is.
        all: Selector,
        /// The share that must be good: 0.999.
        objective: f64,
        /// Which windows.
        pace: Pace,
    },
    /// The last whole hours are not what is usual for their hour of the week; eight weeks are learnt from.
    Anomaly {
        /// What is read.
        of: Selector,
        /// How an hour becomes one number.
        aggregate: Aggregate,
        /// What is looked for.
        finds: Finds,
    },
    /// Every one of these holds.
    All(Vec<When>),
    /// One of these holds.
    Any(Vec<When>),
}

choice!(When {
    Threshold "threshold" { of, aggregate, over, compare, bound },
    Ratio "ratio" { part, whole, over, compare, bound, min_samples },
    Absence "absence" { of, over },
    Change "change" { of, aggregate, over_ms, against_ms, compare, bound, min_baseline },
    BurnRate "burn_rate" { bad, all, objective, pace },
    Anomaly "anomaly" { of, aggregate, finds },
    All "all" (each),
    Any "any" (each),
});

impl When {
    /// Everything it selects.
    pub fn selectors(&self) -> Vec<&Selector> {
        match self {
            Self::Threshold { of, .. } | Self::Absence { of, .. } | Self::Change { of, .. } | Self::Anomaly { of, .. } => vec![of],
            Self::Ratio { part: some, whole: all, .. } | Self::BurnRate { bad: some, all, .. } => vec![some, all],
            Self::All(of) | Self::Any(of) => of.iter().flat_map(Self::selectors).collect(),
        }
    }

    /// Whether it reads weeks of hours.
    pub fn learns(&self) -> bool {
        match self {
            Self::Anomaly { .. } => true,
            Self::Threshold { .. } | Self::Ratio { .. } | Self::Absence { .. } | Self::Change { .. } | Self::BurnRate { .. } => false,
            Self::All(of) | Self::Any(of) => of.iter().any(Self::learns),
        }
    }
}

/// What an anomaly condition looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Finds {
    /// Fewer events than chance explains, summed over 1, 2, 3 or 6 hours: bookings, payments, sign-ups.
    Fewer,
    /// An hour far from its level and season, or outside everything seen: what is busy or has a level.
    Unusual,
}

words!(Finds { Fewer "fewer", Unusual "unusual" });

/// The windows and factors of a burn rate; those of the SRE workbook for a budget of 30 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pace {
    /// 2 % of the budget in an hour or 5 % in six: wakes somebody.
    Page,
    /// 10 % of the budget in a day or in three: looked at in the morning.
    Ticket,
}

words!(Pace { Page "page", Ticket "ticket" });

/// Which series: a name and label values. A value may end in `*` to match a prefix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Selector {
    /// The metric name.
    pub series: String,
    /// Labels that must be equal.
    pub labels: Map<String, String>,
}

record!(Selector { series, labels = Map::new() });

/// How cells become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// Counter increase, or a distribution's sum.
    Sum,
    /// Increase per second.
    Rate,
    /// Number of values.
    Count,
    /// A distribution's mean.
    Avg,
    /// Lowest value.
    Min,
    /// Highest value.
    Max,
    /// A gauge's last value.
    Last,
    /// Median.
    P50,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
}

words!(Aggregate { Sum "sum", Rate "rate", Count "count", Avg "avg", Min "min", Max "max", Last "last", P50 "p50", P95 "p95", P99 "p99" });

/// Over how long a condition looks back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// The last that many milliseconds.
    Ms(i64),
    /// The business day so far, in the site's zone.
    Today,
}

choice!(Over { Ms "ms" (window_ms), Today "today" });

/// The comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compare {
    /// Fires when the value is greater than the bound.
    Above,
    /// Fires when the value is less than the bound.
    Below,
}

words!(Compare { Above "above", Below "below" });

/// What a threshold compares with.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// A number in the series' unit.
    Value(f64),
    /// A share of what a target expects by now (its goal paced evenly over its hours; no verdict before a quarter of them).
    OfTarget {
        /// The target's id.
        target: String,
        /// 0 to 1.
        share: f64,
    },
}

choice!(Bound { Value "value" (bound), OfTarget "of_target" { target, share } });

/// What no data means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoData {
    /// All is well.
    Ok,
    /// The condition holds.
    Alert,
    /// The state stays as it was.
    Keep,
}

words!(NoData { Ok "ok", Alert "alert", Keep "keep" });

/// What a failed evaluation (not missing data: our own blindness) means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The rule raises an alert of its own.
    Alert,
    /// The state stays as it was.
    Keep,
}

words!(OnError { Alert "alert", Keep "keep" });
