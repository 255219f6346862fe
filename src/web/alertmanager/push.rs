//! `POST /api/v2/alerts`: alerts that others found, to be told of as Parapet's own are.
//!
//! Times are read as Alertmanager reads them; what cannot be taken is named, and the rest is taken all the same. Bounds of a request:
//! twice the alerts that Prometheus sends at once, and 1 MB, which stays below D1's 2 MB a value when escapes make it longer. Bounds of
//! an alert: a tick keeps 2,000 of them in memory twice.

use serde_json::{Value, json};

use super::{AlertStatus, GettableAlert, RESOLVE_TIMEOUT_MS, Receiver, fingerprint};
use crate::alert::pushed;
use crate::alert::watch::ALERTNAME;
use crate::order;
use crate::ports::Db;
use crate::record::{self, FromJson, record};
use crate::sorted::Map;
use crate::storage::pushed::{self as stored, End, MAX_KEPT, Pushed};
use crate::time::UnixMs;
use crate::web::problem::Problem;
use crate::web::silences::moment;

/// Alerts of one request.
const MAX_ALERTS: usize = 512;
/// Bytes of one request.
const MAX_REQUEST_BYTES: usize = 1_000_000;
/// Labels of one alert, and as many annotations.
const MAX_LABELS: usize = 40;
/// Bytes of all of its labels.
const MAX_LABEL_BYTES: usize = 2_000;
/// Bytes of all of its annotations, and of where it comes from.
const MAX_ANNOTATION_BYTES: usize = 4_000;
/// Mistakes that are named.
const MAX_NAMED: usize = 10;

/// An alert as Alertmanager's clients push it.
#[derive(Debug)]
struct PostableAlert {
    labels: Map<String, String>,
    annotations: Option<Map<String, String>>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    generator_url: Option<String>,
}

record!(PostableAlert { labels, annotations, starts_at as "startsAt", ends_at as "endsAt", generator_url as "generatorURL", .. });

/// From and until when an alert fires that is pushed at `now`, and whose word the end is.
fn times(starts: Option<UnixMs>, ends: Option<UnixMs>, now: UnixMs) -> (UnixMs, UnixMs, End) {
    match (starts, ends) {
        (starts, None) => (starts.unwrap_or(now), now.plus(RESOLVE_TIMEOUT_MS), End::TimesOut),
        (starts, Some(ends)) => (starts.unwrap_or(ends), ends, End::Said),
    }
}

/// A moment that may be left out; clients also say so by one long ago, Go's year 1.
fn said(text: Option<&String>, name: &str) -> Result<Option<UnixMs>, String> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let at = moment(text).ok_or_else(|| format!("/{name} is a moment like 2026-03-01T12:00:00Z"))?;
    Ok(Some(at).filter(|at| at.0 > 0))
}

/// A name as Prometheus has them.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn bytes(pairs: &Map<String, String>) -> usize {
    pairs.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// The alert to keep, or what is wrong with it.
fn read(value: Value, now: UnixMs) -> Result<(Pushed, End), String> {
    let wanted = PostableAlert::from_json(value).map_err(|misread| misread.to_string())?;
    // A label that is empty is one that is not there.
    let mut labels = wanted.labels;
    labels.retain(|_, value| !value.is_empty());
    let annotations = wanted.annotations.unwrap_or_default();
    let generator_url = wanted.generator_url.unwrap_or_default();
    if !labels.contains_key(ALERTNAME) {
        return Err("/labels/alertname is missing: it says what is wrong".to_owned());
    }
    for (what, pairs) in [("labels", &labels), ("annotations", &annotations)] {
        if let Some(name) = pairs.keys().find(|name| !is_name(name)) {
            let name: String = name.chars().take(40).collect();
            return Err(format!("/{what}: `{name}` is not a name of letters, digits and _"));
        }
        if pairs.len() > MAX_LABELS {
            return Err(format!("/{what} are {}; {MAX_LABELS} are taken", pairs.len()));
        }
    }
    for (what, has, most) in [
        ("labels", bytes(&labels), MAX_LABEL_BYTES),
        ("annotations and generatorURL", bytes(&annotations) + generator_url.len(), MAX_ANNOTATION_BYTES),
    ] {
        if has > most {
            return Err(format!("/{what} have {has} bytes; {most} are taken"));
        }
    }
    let (starts_at, ends_at, end) = times(said(wanted.starts_at.as_ref(), "startsAt")?, said(wanted.ends_at.as_ref(), "endsAt")?, now);
    if ends_at < starts_at {
        return Err("/endsAt is before /startsAt".to_owned());
    }
    Ok((Pushed { id: pushed::id(&labels), labels, annotations, starts_at, ends_at, generator_url, updated_at: now }, end))
}

/// `POST /api/v2/alerts`: 200 once all are kept; 400 says which are not, and the others are.
pub async fn push<D: Db>(db: &D, body: &[u8], now: UnixMs) -> Result<Value, Problem> {
    let bad = |code, detail: String| Problem::bad_request(code, detail);
    if body.len() > MAX_REQUEST_BYTES {
        return Err(bad("too_large", format!("At most {MAX_REQUEST_BYTES} bytes are taken at once; send fewer alerts.")));
    }
    let values: Vec<Value> =
        record::read(body).map_err(|error| bad("bad_json", format!("The body does not read: {error}. It is a list of alerts.")))?;
    if values.len() > MAX_ALERTS {
        return Err(bad("too_many", format!("At most {MAX_ALERTS} alerts are taken at once; these are {}.", values.len())));
    }
    let (mut alerts, mut wrong): (Vec<(Pushed, End)>, Vec<String>) = (Vec::new(), Vec::new());
    for (place, value) in values.into_iter().enumerate() {
        match read(value, now) {
            Ok(alert) => alerts.push(alert),
            Err(why) => wrong.push(format!("alert {place}: {why}.")),
        }
    }
    let refused = wrong.len();
    wrong.truncate(MAX_NAMED);
    if refused > MAX_NAMED {
        wrong.push(format!("And {} more.", refused - MAX_NAMED));
    }
    if !alerts.is_empty() {
        let stored = db.batch(vec![stored::upsert(&alerts, now)]).await.map_err(Problem::no_database)?.pop().unwrap_or_default();
        let kept = order::set(stored::kept(stored).map_err(Problem::no_database)?);
        let left_out = alerts.iter().filter(|(alert, _)| !kept.contains(&alert.id)).count();
        if left_out > 0 {
            wrong.push(format!("{left_out} are not kept, since {MAX_KEPT} others are: push fewer, with labels that last."));
        }
    }
    if wrong.is_empty() {
        return Ok(json!({}));
    }
    Err(Problem::new(400, "bad_alerts", "Not every alert was taken", wrong.join(" ")))
}

/// A pushed alert, as it was pushed.
pub(super) fn shown(alert: &Pushed, (receivers, status): (Vec<Receiver>, AlertStatus)) -> GettableAlert {
    GettableAlert {
        annotations: alert.annotations.clone(),
        ends_at: alert.ends_at.rfc3339(),
        fingerprint: fingerprint(&alert.id),
        receivers,
        starts_at: alert.starts_at.rfc3339(),
        status,
        updated_at: alert.updated_at.rfc3339(),
        generator_url: alert.generator_url.clone(),
        labels: alert.labels.clone(),
    }
}

#[cfg(test)]
mod tests;
