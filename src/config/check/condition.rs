//! Checks of conditions: every selector selects something, every number is one the condition can use.

use super::{Findings, alerting::ids_of, suggest};
use crate::config::Config;
use crate::config::alerting::{Aggregate, Bound, Compare, Finds, Over, Rule, Selector, When};
use crate::order;
use crate::sorted::Map;
use crate::telemetry::series::{Kind, name};

pub(super) fn condition(config: &Config, when: &When, at: &str, found: &mut Findings) {
    match when {
        When::Threshold { of, aggregate, over, bound, .. } => {
            let at = format!("{at}/threshold");
            selector(config, of, &format!("{at}/of"), found);
            found.over(format!("{at}/over"), *over);
            fits_kind(of, *aggregate, &at, found);
            match bound {
                Bound::Value(value) if !value.is_finite() => {
                    found.add(format!("{at}/bound"), "not a number", "write a number in the series' unit");
                }
                Bound::Value(_) => {}
                Bound::OfTarget { target, share } => {
                    found.number(format!("{at}/bound/of_target/share"), *share, &super::SHARE);
                    of_target(config, target, of, (*aggregate, *over), &at, found);
                }
            }
        }
        When::Ratio { part, whole, over, bound, min_samples, .. } => {
            let at = format!("{at}/ratio");
            selector(config, part, &format!("{at}/part"), found);
            selector(config, whole, &format!("{at}/whole"), found);
            found.over(format!("{at}/over"), *over);
            found.number(format!("{at}/bound"), *bound, &super::SHARE);
            found.number(format!("{at}/min_samples"), *min_samples, &super::AMOUNT);
        }
        When::Absence { of, over } => {
            selector(config, of, &format!("{at}/absence/of"), found);
            found.over(format!("{at}/absence/over"), *over);
        }
        When::Change { of, aggregate, over_ms, against_ms, bound, min_baseline, .. } => {
            let at = format!("{at}/change");
            selector(config, of, &format!("{at}/of"), found);
            fits_kind(of, *aggregate, &at, found);
            found.duration(format!("{at}/over_ms"), *over_ms, &super::LOOKBACK_MS);
            found.duration(format!("{at}/against_ms"), *against_ms, &super::LOOKBACK_MS);
            found.number(format!("{at}/bound"), *bound, &super::CHANGE);
            found.number(format!("{at}/min_baseline"), *min_baseline, &super::AMOUNT);
            if against_ms < over_ms {
                found.add_drawn_from(
                    vec![format!("{at}/over_ms")],
                    format!("{at}/against_ms"),
                    "the two windows overlap, so a change would be measured against itself",
                    "make `against` at least as long as `over`",
                );
            }
        }
        When::BurnRate { bad, all, objective, .. } => {
            let at = format!("{at}/burn_rate");
            selector(config, bad, &format!("{at}/bad"), found);
            selector(config, all, &format!("{at}/all"), found);
            found.number(format!("{at}/objective"), *objective, &super::OBJECTIVE);
        }
        When::Anomaly { of, aggregate, finds } => {
            let at = format!("{at}/anomaly");
            selector(config, of, &format!("{at}/of"), found);
            fits_kind(of, *aggregate, &at, found);
            if *finds == Finds::Fewer && !matches!(aggregate, Aggregate::Sum | Aggregate::Count) {
                let what = "only events that are counted can be fewer than usual";
                found.add_drawn_from(vec![format!("{at}/finds")], format!("{at}/aggregate"), what, "use sum or count, or `finds: unusual`");
            }
        }
        When::All(of) => combination(config, of, &format!("{at}/all"), found),
        When::Any(of) => combination(config, of, &format!("{at}/any"), found),
    }
}

fn combination(config: &Config, of: &[When], at: &str, found: &mut Findings) {
    if of.len() < 2 {
        found.add(at, "a combination of fewer than two conditions", "write two or more, or the one without `all` or `any`");
    }
    for (index, when) in of.iter().enumerate() {
        condition(config, when, &format!("{at}/{index}"), found);
        if matches!(when, When::Anomaly { .. }) {
            found.add(format!("{at}/{index}"), "an anomaly within a combination", "write a rule of its own");
        }
        if matches!(when, When::All(_) | When::Any(_)) {
            found.add(format!("{at}/{index}"), "a combination within a combination", "write two rules, or one flat combination");
        }
    }
}

/// The labels by which a rule's alerts are set apart, and the level at which they end.
pub(super) fn instances(rule: &Rule, at: &str, found: &mut Findings) {
    for (index, label) in rule.by.iter().enumerate() {
        let pointer = format!("{at}/by/{index}");
        if rule.by.iter().take(index).any(|earlier| earlier == label) {
            found.add(pointer.clone(), format!("`{label}` is named twice"), "name it once");
        }
        if rule.labels.contains_key(label) {
            found.add_drawn_from(
                vec![format!("{at}/labels")],
                pointer.clone(),
                format!("`{label}` is a label of the rule's own"),
                "choose another name in `labels`",
            );
        }
        for selector in rule.when.selectors() {
            let Some((_, _, labels)) = name::OWN.iter().find(|(name, _, _)| *name == selector.series) else { continue };
            if !labels.contains(&label.as_str()) {
                let fix = suggest(label, labels.iter().copied(), "leave it out");
                found.add_drawn_from(
                    vec![format!("{at}/when")],
                    pointer.clone(),
                    format!("`{}` has no label `{label}`", selector.series),
                    fix,
                );
                break;
            }
        }
    }
    let bound = match &rule.when {
        When::Threshold { compare, bound: Bound::Value(bound), .. }
        | When::Ratio { compare, bound, .. }
        | When::Change { compare, bound, .. } => Some((*compare, *bound)),
        _ => None,
    };
    let (Some(recovery), at) = (rule.recovery, format!("{at}/recovery")) else { return };
    let wrong_side = bound.is_some_and(|(compare, bound)| match compare {
        Compare::Above => recovery > bound,
        Compare::Below => recovery < bound,
    });
    match bound {
        None => found.add(at, "only a threshold with a number, a ratio or a change can recover at a level", "leave it out"),
        Some((_, bound)) if wrong_side => {
            found.add(at, format!("{recovery} is on the bad side of {bound}"), "an alert ends where things are well again");
        }
        Some(_) => {}
    }
}

fn of_target(config: &Config, id: &str, of: &Selector, (aggregate, over): (Aggregate, Over), at: &str, found: &mut Findings) {
    let targets = &config.business.targets;
    let Some(target) = targets.iter().find(|target| target.id == id) else {
        let ids = targets.iter().map(|target| target.id.as_str());
        let fix = suggest(id, ids, "add it to `targets` in business-metrics-config.json");
        found.add_drawn_from(
            ids_of("/business/targets", targets.len()),
            format!("{at}/bound/of_target/target"),
            format!("there is no target `{id}`"),
            fix,
        );
        return;
    };
    if aggregate != Aggregate::Sum || over != Over::Today {
        let drawn_from = vec![format!("{at}/aggregate"), format!("{at}/over")];
        found.add_drawn_from(
            drawn_from,
            format!("{at}/bound/of_target"),
            "a target is a sum over the day",
            "use `aggregate: sum` and `over: today`",
        );
    }
    if target.series != of.series {
        let what = format!("the target `{id}` counts `{}`, this rule `{}`", target.series, of.series);
        let drawn_from = vec![format!("{at}/of/series"), "/business/targets".to_owned()];
        found.add_drawn_from(drawn_from, format!("{at}/bound/of_target/target"), what, "compare the series with its own target");
    }
}

fn selector(config: &Config, selector: &Selector, at: &str, found: &mut Findings) {
    let own: Map<&str, &[&str]> = order::map(name::OWN.iter().map(|(name, _, labels)| (*name, *labels)));
    let business = || config.business.shown.iter().chain(config.business.targets.iter().map(|target| &target.series)).map(String::as_str);
    match own.get(selector.series.as_str()) {
        Some(labels) => {
            for label in selector.labels.keys().filter(|label| !labels.contains(&label.as_str())) {
                found.add(
                    format!("{at}/labels/{label}"),
                    format!("`{}` has no label `{label}`", selector.series),
                    suggest(
                        label,
                        labels.iter().copied(),
                        &format!("it has: {}", if labels.is_empty() { "none".to_owned() } else { labels.join(", ") }),
                    ),
                );
            }
        }
        None if business().any(|known| known == selector.series) => {}
        None => found.add_drawn_from(
            vec!["/business/shown".to_owned(), "/business/targets".to_owned()],
            format!("{at}/series"),
            format!("nothing counts `{}`", selector.series),
            suggest(
                &selector.series,
                own.keys().copied().chain(business()),
                "a metric of your own belongs into `shown` of business-metrics-config.json first",
            ),
        ),
    }
}

/// Parapet knows the kinds of its own series: a quantile of a counter would never have data.
fn fits_kind(of: &Selector, aggregate: Aggregate, at: &str, found: &mut Findings) {
    use Aggregate::{Avg, Count, Last, Max, Min, P50, P95, P99, Rate, Sum};
    let Some((_, kind, _)) = name::OWN.iter().find(|(name, _, _)| *name == of.series) else { return };
    let (fits, fix) = match kind {
        Kind::Counter => (matches!(aggregate, Sum | Rate), "use sum or rate"),
        Kind::Gauge => (matches!(aggregate, Last | Min | Max), "use last, min or max"),
        Kind::Distribution => (
            matches!(aggregate, Sum | Count | Rate | Avg | Min | Max | P50 | P95 | P99),
            "use avg, p50, p95, p99, min, max, sum, count or rate",
        ),
    };
    if !fits {
        let drawn_from = vec![format!("{at}/of/series")];
        found.add_drawn_from(
            drawn_from,
            format!("{at}/aggregate"),
            format!("`{}` is a {} and has no such aggregate", of.series, kind.as_str()),
            fix,
        );
    }
}
