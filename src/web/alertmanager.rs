//! `/api/v2/`: the part of Prometheus Alertmanager's API that Prometheus, `amtool` and their kin use to push and read alerts and to
//! make, read and end silences, in Alertmanager's own JSON.
//!
//! Alertmanager knows no pending alerts, so only those that fire are listed: of Parapet's rules what the last tick found, of what
//! was pushed what holds now, be it that no tick saw it yet. A maintenance window shows as Alertmanager's time intervals do (`mutedBy`). Errors are a
//! JSON text, as its clients expect.

pub mod push;

use serde::Serialize;
use serde_json::json;

use super::auth::Principal;
use super::problem::Problem;
use super::silences::{self, Draft, SilenceState};
use crate::alert::incident::{AlertState, Phase, Subject};
use crate::alert::matcher::{Matcher, Operator, all_match};
use crate::alert::notification::{NotifyReason, dashboard_url, runbook_url};
use crate::alert::pushed;
use crate::alert::route::route;
use crate::alert::suppress::{SuppressedBy, Suppressors, labels};
use crate::alert::tell::notification;
use crate::channel::Addresses;
use crate::channel::email::percent_decoded;
use crate::config::Config;
use crate::ids;
use crate::order;
use crate::ports::{Db, DbError};
use crate::record::{self, record};
use crate::sorted::Map;
use crate::storage::pushed::{self as stored_pushes, Pushed};
use crate::storage::{alerts, silences as stored};
use crate::time::{MINUTE_MS, UnixMs};

/// How long a listed alert counts as firing without word from us: Alertmanager's `resolve_timeout`.
const RESOLVE_TIMEOUT_MS: i64 = 5 * MINUTE_MS;

/// A silence as Alertmanager shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GettableSilence {
    id: String,
    status: Status,
    matchers: Vec<Matcher>,
    comment: String,
    created_by: String,
    starts_at: String,
    ends_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct Status {
    state: SilenceState,
}

/// A silence as Alertmanager's clients ask for it.
#[derive(Debug)]
struct PostableSilence {
    id: Option<String>,
    matchers: Vec<serde_json::Value>,
    comment: String,
    created_by: String,
    starts_at: Option<String>,
    ends_at: Option<String>,
}

record!(PostableSilence { id, matchers = Vec::new(), comment = String::new(), created_by as "createdBy" = String::new(), starts_at as "startsAt", ends_at as "endsAt", .. });

/// An alert as Alertmanager shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GettableAlert {
    annotations: Map<String, String>,
    ends_at: String,
    fingerprint: String,
    receivers: Vec<Receiver>,
    starts_at: String,
    status: AlertStatus,
    updated_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    labels: Map<String, String>,
}

#[derive(Debug, Serialize)]
struct Receiver {
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AlertStatus {
    state: &'static str,
    silenced_by: Vec<String>,
    inhibited_by: Vec<String>,
    muted_by: Vec<String>,
}

/// What a query of alerts or silences asks for.
#[derive(Debug)]
struct Query {
    filter: Vec<Matcher>,
    receiver: Option<Matcher>,
    active: Wants,
    silenced: Wants,
    inhibited: Wants,
}

/// Whether a kind of alert is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wants {
    Them,
    Others,
}

fn query(text: &str) -> Result<Query, Problem> {
    let mut query = Query { filter: Vec::new(), receiver: None, active: Wants::Them, silenced: Wants::Them, inhibited: Wants::Them };
    for (key, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = percent_decoded(&value.replace('+', " "));
        let bad = |error: crate::alert::matcher::MatcherError| Problem::bad_request("bad_matcher", format!("{key}: {error}"));
        let wants = if value == "false" { Wants::Others } else { Wants::Them };
        match key {
            "filter" => query.filter.extend(Matcher::parse_all(&value).map_err(bad)?),
            "receiver" if !value.is_empty() => query.receiver = Some(Matcher::new("receiver", Operator::Matches, &value).map_err(bad)?),
            "active" => query.active = wants,
            "silenced" => query.silenced = wants,
            "inhibited" => query.inhibited = wants,
            // `unprocessed` is never the case here, and what later versions add narrows nothing down.
            _ => {}
        }
    }
    Ok(query)
}

fn gettable(silence: stored::Silence, now: UnixMs) -> GettableSilence {
    GettableSilence {
        status: Status { state: SilenceState::of(&silence, now) },
        id: silence.id,
        matchers: silence.matchers,
        comment: silence.reason,
        created_by: silence.author,
        starts_at: silence.starts_at.rfc3339(),
        ends_at: silence.ends_at.rfc3339(),
        updated_at: silence.updated_at.rfc3339(),
    }
}

/// `GET /api/v2/silences`: 200. A filter looks at a silence's matchers as if they were labels.
pub async fn list_silences<D: Db>(db: &D, text: &str, now: UnixMs) -> Result<Vec<GettableSilence>, Problem> {
    let query = query(text)?;
    let meant = |silence: &stored::Silence| {
        let labels = order::map(silence.matchers.iter().map(|matcher| (matcher.name().to_owned(), matcher.value().to_owned())));
        all_match(&query.filter, &labels)
    };
    Ok(silences::recent(db, now).await?.into_iter().filter(meant).map(|silence| gettable(silence, now)).collect())
}

/// `GET /api/v2/silence/{id}`: 200.
pub async fn silence<D: Db>(db: &D, id: &str, now: UnixMs) -> Result<GettableSilence, Problem> {
    Ok(gettable(silences::one(db, id).await?, now))
}

/// `POST /api/v2/silences`: 200 with `{silenceID}`. One that names the id of another takes its place under a new id.
pub async fn create_silence<D: Db>(db: &D, body: &[u8], by: &Principal, now: UnixMs) -> Result<serde_json::Value, Problem> {
    let bad = |error| Problem::bad_request("bad_json", format!("The body does not read: {error}."));
    let wanted: PostableSilence = record::read(body).map_err(bad)?;
    let at = |text: Option<&String>| text.and_then(|text| silences::moment(text));
    let draft = Draft {
        matchers: wanted.matchers.into_iter().map(|parts| Matcher::from_parts(parts).map_err(|error| error.to_string())).collect(),
        reason: wanted.comment,
        author: wanted.created_by,
        starts_at: at(wanted.starts_at.as_ref()),
        ends_at: at(wanted.ends_at.as_ref()),
    };
    // Clients read a 400's text; a 422 is "unknown" to them.
    let refused = |problem| Problem { status: 400, ..problem };
    let silence = silences::checked(draft, ["comment", "createdBy", "startsAt", "endsAt"], by, now).map_err(refused)?;
    let replaces = wanted.id.as_deref().filter(|id| !id.is_empty());
    silences::store(db, &silence, replaces, now).await?;
    Ok(json!({ "silenceID": silence.id }))
}

/// `DELETE /api/v2/silence/{id}`: 200.
pub async fn end_silence<D: Db>(db: &D, id: &str, now: UnixMs) -> Result<serde_json::Value, Problem> {
    silences::end(db, id, now).await.map(|_| json!({}))
}

/// `GET /api/v2/alerts`: 200 with what fires.
pub async fn list_alerts<D: Db>(
    db: &D,
    text: &str,
    (config, addresses): (&Config, &Addresses),
    now: UnixMs,
) -> Result<Vec<GettableAlert>, Problem> {
    let query = query(text)?;
    let unavailable = |_: DbError| Problem::unavailable("The database that knows the alerts");
    let mut results =
        db.batch(vec![alerts::all(), stored::in_force(now), stored_pushes::firing(now)]).await.map_err(unavailable)?.into_iter();
    let states = alerts::states(results.next().unwrap_or_default()).map_err(unavailable)?;
    let silences = stored::silences(results.next().unwrap_or_default()).map_err(unavailable)?;
    let pushed = stored_pushes::alerts(results.next().unwrap_or_default()).map_err(unavailable)?;
    let pushed: Vec<(Subject, Pushed)> = pushed.into_iter().map(|alert| (pushed::subject(&alert), alert)).collect();
    let firing = states.iter().filter(|state| state.phase == Phase::Firing);
    let own: Vec<&AlertState> = firing.clone().filter(|state| !pushed::is_pushed(&state.subject.rule)).collect();
    let firing: Map<&str, &AlertState> = order::map(firing.map(|state| (state.subject.id.as_str(), state)));
    let subjects: Vec<&Subject> = own.iter().map(|state| &state.subject).chain(pushed.iter().map(|(subject, _)| subject)).collect();
    let suppressors = Suppressors::at(now, &silences, &config.alerting, &subjects);
    let standing = |subject: &Subject| {
        let heard_on = firing.get(subject.id.as_str()).map(|state| state.heard_on()).unwrap_or_default();
        (receivers(subject, heard_on, (config, addresses)), status_of(subject, &suppressors, now))
    };
    let own = own.into_iter().map(|state| alert(state, standing(&state.subject), config, now));
    let mut shown: Vec<GettableAlert> = own.filter(|alert| wanted(alert, &query)).collect();
    let pushed = pushed.iter().map(|(subject, alert)| push::shown(alert, standing(subject)));
    shown.extend(pushed.filter(|alert| wanted(alert, &query)));
    Ok(shown)
}

fn wanted(alert: &GettableAlert, query: &Query) -> bool {
    let by = &alert.status;
    let unwanted = (query.active == Wants::Others && by.state == "active")
        || (query.silenced == Wants::Others && !by.silenced_by.is_empty())
        || (query.inhibited == Wants::Others && !by.inhibited_by.is_empty());
    let received = |matcher: &Matcher| {
        let named = |receiver: &Receiver| matcher.matches(&order::map([("receiver".to_owned(), receiver.name.clone())]));
        alert.receivers.iter().any(named)
    };
    !unwanted && all_match(&query.filter, &alert.labels) && query.receiver.as_ref().is_none_or(received)
}

/// Who was told of it; who would be, if nobody was.
fn receivers(subject: &Subject, heard_on: Vec<String>, (config, addresses): (&Config, &Addresses)) -> Vec<Receiver> {
    let channels = if heard_on.is_empty() { route(&subject.labels, &config.alerting, addresses, None, None).channels } else { heard_on };
    channels.into_iter().map(|name| Receiver { name }).collect()
}

fn status_of(subject: &Subject, suppressors: &Suppressors<'_>, now: UnixMs) -> AlertStatus {
    let reasons = suppressors.all(subject, now);
    let named = |by: SuppressedBy| reasons.iter().filter(move |why| why.by == by);
    let silenced_by = named(SuppressedBy::Silence).map(|why| why.id.clone()).collect();
    let muted_by = named(SuppressedBy::Maintenance).map(|why| why.id.clone()).collect();
    let inhibited_by = named(SuppressedBy::Inhibition).filter_map(|why| why.source.as_deref().map(fingerprint)).collect();
    AlertStatus { state: if reasons.is_empty() { "active" } else { "suppressed" }, silenced_by, inhibited_by, muted_by }
}

fn alert(state: &AlertState, (receivers, status): (Vec<Receiver>, AlertStatus), config: &Config, now: UnixMs) -> GettableAlert {
    let subject = &state.subject;
    let runbook = runbook_url(&config.site, &subject.runbook).map(|url| ("runbook_url", url));
    let told = notification(state, NotifyReason::First, String::new(), config);
    let description = told.explanation().map(|text| ("description", text));
    let given = [("summary", told.summary)].into_iter().chain(runbook).chain(description);
    let own = told.annotations.into_iter().chain(given.map(|(name, text)| (name.to_owned(), text)));
    GettableAlert {
        annotations: own.collect(),
        ends_at: now.plus(RESOLVE_TIMEOUT_MS).rfc3339(),
        fingerprint: fingerprint(&subject.id),
        receivers,
        starts_at: state.fired_at.unwrap_or(state.since).rfc3339(),
        status,
        updated_at: state.at.rfc3339(),
        generator_url: dashboard_url(&config.site, state.since, now),
        labels: labels(subject),
    }
}

/// Alertmanager names an alert by 16 hex digits.
fn fingerprint(alert: &str) -> String {
    format!("{:016x}", ids::hash64(alert.as_bytes()))
}

/// `GET /api/v2/status`: 200. There is no cluster, and the configuration is not shown here: it is not Alertmanager's.
pub fn status(config: &Config, now: UnixMs) -> serde_json::Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "cluster": { "status": "disabled", "peers": [] },
        "config": { "original": format!("# Parapet, configuration {}\n", config.hash()) },
        "uptime": now.rfc3339(),
        "versionInfo": { "version": version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "" },
    })
}

/// A problem as Alertmanager's clients read it: one JSON text.
pub fn error_text(problem: &Problem) -> String {
    let members: Vec<String> = problem.errors.iter().map(|error| format!("{}: {}", error.pointer, error.detail)).collect();
    let said = if members.is_empty() { problem.detail.clone() } else { members.join(" ") };
    serde_json::to_string(&format!("{}: {said}", problem.title)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
