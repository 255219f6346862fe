//! Rules: what is looked at, when it is wrong, and what is done about it.
//!
//! Durations are written `30s`, `5m`, `1h`, `7d` in the file and are milliseconds here.

use serde::Serialize;

use super::Severity;
use crate::record::{choice, record, words};
use crate::sorted::Map;

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
