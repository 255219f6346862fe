//! The conditions a rule may have.

use crate::config::check;
use crate::config::read::shape::{Key, Shape};

/// One level of combinations, so that a person can say what a rule does.
pub(super) static WHEN: [Key; 8] = [
    THRESHOLD,
    RATIO,
    ABSENCE,
    CHANGE,
    BURN_RATE,
    ANOMALY,
    Key::new("all", Shape::List(&Shape::OneOf(&SIMPLE)), "Every one of these holds."),
    Key::new("any", Shape::List(&Shape::OneOf(&SIMPLE)), "One of these holds."),
];

static SIMPLE: [Key; 5] = [THRESHOLD, RATIO, ABSENCE, CHANGE, BURN_RATE];

const THRESHOLD: Key = Key::new(
    "threshold",
    Shape::Map(&[
        Key::new("of", SELECTOR, "What is read."),
        Key::new("aggregate", AGGREGATES, "How values become one number."),
        OVER,
        COMPARE,
        Key::new(
            "bound",
            Shape::NumberOr(&[Key::new(
                "of_target",
                Shape::Map(&[
                    Key::new("target", Shape::Text, "The target's id."),
                    Key::new("share", Shape::Number(check::SHARE), "Of what it expects by now, 0 to 1."),
                ]),
                "A share of what a target expects by now.",
            )]),
            "A number in the series' unit, or a share of a target.",
        ),
    ]),
    "An aggregate of a series beyond a bound.",
);

const RATIO: Key = Key::new(
    "ratio",
    Shape::Map(&[
        Key::new("part", SELECTOR, "The numerator."),
        Key::new("whole", SELECTOR, "The denominator."),
        OVER,
        COMPARE,
        Key::new("bound", Shape::Number(check::SHARE), "The bound, 0 to 1."),
        Key::new("min_samples", Shape::Number(check::AMOUNT), "Below this many in the whole there is no verdict."),
    ]),
    "Part over whole beyond a bound.",
);

const ABSENCE: Key = Key::new("absence", Shape::Map(&[Key::new("of", SELECTOR, "What should be there."), OVER]), "Nothing came.");

const CHANGE: Key = Key::new(
    "change",
    Shape::Map(&[
        Key::new("of", SELECTOR, "What is read."),
        Key::new("aggregate", AGGREGATES, "How values become one number."),
        Key::duration("over", "over_ms", check::LOOKBACK_MS, "Over how long."),
        Key::duration(
            "against",
            "against_ms",
            check::LOOKBACK_MS,
            "How long before it the other window ends: `7d` is this time last week.",
        ),
        COMPARE,
        Key::new("bound", Shape::Number(check::CHANGE), "The change, as a share of what was: 1 is twice as much, -0.5 is half."),
        Key::new("min_baseline", Shape::Number(check::AMOUNT), "Below this much then there is no verdict."),
    ]),
    "A number against itself some time ago.",
);

const BURN_RATE: Key = Key::new(
    "burn_rate",
    Shape::Map(&[
        Key::new("bad", SELECTOR, "What counts against the objective."),
        Key::new("all", SELECTOR, "All there is."),
        Key::new("objective", Shape::Number(check::OBJECTIVE), "The share that must be good."),
        Key::new(
            "pace",
            Shape::Choice(&["page", "ticket"]),
            "page: 14.4x over 1h and 5m, or 6x over 6h and 30m; ticket: 3x over 1d and 2h, or 1x over 3d and 6h.",
        ),
    ]),
    "An error budget burns too fast.",
);

const ANOMALY: Key = Key::new(
    "anomaly",
    Shape::Map(&[
        Key::new("of", SELECTOR, "What is read."),
        Key::new("aggregate", AGGREGATES, "How an hour becomes one number."),
        Key::new(
            "finds",
            Shape::Choice(&["fewer", "unusual"]),
            "fewer: fewer events than chance explains; unusual: an hour far from its level and season.",
        ),
    ]),
    "Whole hours against what eight weeks say is usual for them.",
);

const AGGREGATES: Shape = Shape::Choice(&["sum", "rate", "count", "avg", "min", "max", "last", "p50", "p95", "p99"]);
const OVER: Key = Key::new("over", Shape::Lookback(check::LOOKBACK_MS), "Over how long: a duration, or `today`.");
const COMPARE: Key = Key::new("compare", Shape::Choice(&["above", "below"]), "Fires above or below the bound.");
const SELECTOR: Shape = Shape::Map(&[
    Key::new("series", Shape::Text, "The metric name."),
    Key::optional("labels", Shape::Labels, "Labels that must be equal; a value may end in `*`."),
]);
