//! Parapet's own paths: which endpoint, for which methods, for which role. The one table.

use super::auth::Role;
use super::incidents;
use super::problem::Problem;
use crate::alert::respond::Verb;

/// The names and values of a query, as written; a name alone has an empty value.
pub(super) fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// One thing that can be asked of Parapet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `GET /api/metrics/realtime`.
    Realtime,
    /// `GET /api/metrics`.
    Exposition,
    /// `POST /api/metrics`.
    Ingest,
    /// `POST /api/test-alert`.
    TestAlert,
    /// `GET /api/v1/deliveries`.
    ListDeliveries,
    /// `POST /api/v1/deliveries/redrive`.
    RedriveChannel,
    /// `POST /api/v1/deliveries/{id}/redrive`.
    Redrive(String),
    /// `GET /api/v1/deliveries/{id}`.
    Delivery(String),
    /// `GET /api/v1/rules/{id}/explain?at=`.
    Explain(String),
    /// `GET /api/v1/health`.
    Health,
    /// `GET /api/v1/config`.
    ReadConfig,
    /// `POST /api/v1/config`.
    ApplyConfig,
    /// `POST /api/v1/config/activate`.
    ActivateConfig,
    /// `GET /api/v1/tokens`.
    ListTokens,
    /// `POST /api/v1/tokens`.
    CreateToken,
    /// `DELETE /api/v1/tokens/{id}`.
    RevokeToken(String),
    /// `GET /api/v1/silences`.
    ListSilences,
    /// `POST /api/v1/silences`.
    CreateSilence,
    /// `DELETE /api/v1/silences/{id}`.
    EndSilence(String),
    /// `GET /api/v1/alerts`.
    ListAlerts,
    /// `GET /api/v1/alerts/{id}`.
    Alert(String),
    /// `POST /api/v1/alerts/{id}/{verb}`.
    Act(String, Verb),
    /// `GET /api/v1/reports/alerts`.
    Report,
    /// `GET /api/v1/incidents`.
    ListIncidents,
    /// `POST /api/v1/incidents`.
    OpenIncident,
    /// `GET /api/v1/incidents/{id}`.
    Incident(String),
    /// `GET /api/v1/incidents/{id}/postmortem`.
    Postmortem(String),
    /// `POST /api/v1/incidents/{id}/{verb}`.
    EditIncident(String, incidents::Verb),
    /// `POST /api/v1/slack/actions`: signed by Slack, and has no token.
    SlackAction,
    /// `GET` and `POST /_parapet/a/{token}`: signed by us, and has no other token.
    Link(String, LinkStep),
    /// `GET /api/v1/deploys`.
    ListDeploys,
    /// `POST /api/v1/deploys`.
    RecordDeploy,
    /// Alertmanager's, below `/api/v2/`.
    Alertmanager(Alertmanager),
}

/// What is done with a link of an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStep {
    /// Its page.
    Look,
    /// What its button does.
    Act,
}

/// One thing that can be asked of the Alertmanager API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alertmanager {
    /// `GET /api/v2/alerts`.
    Alerts,
    /// `POST /api/v2/alerts`.
    PushAlerts,
    /// `GET /api/v2/silences`.
    Silences,
    /// `POST /api/v2/silences`.
    CreateSilence,
    /// `GET /api/v2/silence/{id}`.
    Silence(String),
    /// `DELETE /api/v2/silence/{id}`.
    EndSilence(String),
    /// `GET /api/v2/status`.
    Status,
}

impl Endpoint {
    /// Another role that suffices: a pipeline tells of a deploy, and so may a person.
    pub fn or_role(&self) -> Option<Role> {
        (*self == Self::RecordDeploy).then_some(Role::Operator)
    }
}

/// The endpoint of a method and path, and the role it needs.
pub fn resolve(method: &str, path: &str) -> Result<(Endpoint, Role), Problem> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let parts: Vec<&str> = trimmed.split('/').skip(1).collect();
    if let ["api", "v2", rest @ ..] = parts.as_slice() {
        return alertmanager(method, rest).map(|(endpoint, role)| (Endpoint::Alertmanager(endpoint), role));
    }
    let found = |endpoint, role| Ok((endpoint, role));
    match (parts.as_slice(), method) {
        (["api", "metrics", "realtime"], "GET" | "HEAD") => found(Endpoint::Realtime, Role::Viewer),
        (["api", "metrics"], "GET" | "HEAD") => found(Endpoint::Exposition, Role::Viewer),
        (["api", "metrics"], "POST") => found(Endpoint::Ingest, Role::Ingest),
        (["api", "test-alert"], "POST") => found(Endpoint::TestAlert, Role::Operator),
        (["api", "v1", "deliveries"], "GET" | "HEAD") => found(Endpoint::ListDeliveries, Role::Viewer),
        (["api", "v1", "deliveries", "redrive"], "POST") => found(Endpoint::RedriveChannel, Role::Operator),
        (["api", "v1", "deliveries", id, "redrive"], "POST") => found(Endpoint::Redrive((*id).to_owned()), Role::Operator),
        (["api", "v1", "deliveries", id], "GET" | "HEAD") => found(Endpoint::Delivery((*id).to_owned()), Role::Viewer),
        (["api", "v1", "rules", id, "explain"], "GET" | "HEAD") => found(Endpoint::Explain((*id).to_owned()), Role::Viewer),
        (["api", "v1", "health"], "GET" | "HEAD") => found(Endpoint::Health, Role::Viewer),
        (["api", "v1", "config"], "GET" | "HEAD") => found(Endpoint::ReadConfig, Role::Viewer),
        (["api", "v1", "config"], "POST") => found(Endpoint::ApplyConfig, Role::Admin),
        (["api", "v1", "config", "activate"], "POST") => found(Endpoint::ActivateConfig, Role::Admin),
        (["api", "v1", "tokens"], "GET" | "HEAD") => found(Endpoint::ListTokens, Role::Admin),
        (["api", "v1", "tokens"], "POST") => found(Endpoint::CreateToken, Role::Admin),
        (["api", "v1", "tokens", id], "DELETE") => found(Endpoint::RevokeToken((*id).to_owned()), Role::Admin),
        (["api", "v1", "silences"], "GET" | "HEAD") => found(Endpoint::ListSilences, Role::Viewer),
        (["api", "v1", "silences"], "POST") => found(Endpoint::CreateSilence, Role::Operator),
        (["api", "v1", "silences", id], "DELETE") => found(Endpoint::EndSilence((*id).to_owned()), Role::Operator),
        (["api", "v1", "slack", "actions"], "POST") => found(Endpoint::SlackAction, Role::Operator),
        (["_parapet", "a", token], "GET" | "HEAD") => found(Endpoint::Link((*token).to_owned(), LinkStep::Look), Role::Viewer),
        (["_parapet", "a", token], "POST") => found(Endpoint::Link((*token).to_owned(), LinkStep::Act), Role::Operator),
        (["api", "v1", "alerts"], "GET" | "HEAD") => found(Endpoint::ListAlerts, Role::Viewer),
        (["api", "v1", "alerts", id], "GET" | "HEAD") => found(Endpoint::Alert((*id).to_owned()), Role::Viewer),
        (["api", "v1", "alerts", id, verb], "POST") => {
            let verb = Verb::from_str(verb).ok_or_else(|| {
                Problem::not_found("An alert is acknowledged, snoozed, resolved or escalated: /acknowledge, /snooze, /resolve, /escalate.")
            })?;
            found(Endpoint::Act((*id).to_owned(), verb), Role::Operator)
        }
        (["api", "v1", "deploys"], "GET" | "HEAD") => found(Endpoint::ListDeploys, Role::Viewer),
        (["api", "v1", "deploys"], "POST") => found(Endpoint::RecordDeploy, Role::Ingest),
        (["api", "v1", "reports", "alerts"], "GET" | "HEAD") => found(Endpoint::Report, Role::Viewer),
        (["api", "v1", "incidents"], "GET" | "HEAD") => found(Endpoint::ListIncidents, Role::Viewer),
        (["api", "v1", "incidents"], "POST") => found(Endpoint::OpenIncident, Role::Operator),
        (["api", "v1", "incidents", id], "GET" | "HEAD") => found(Endpoint::Incident((*id).to_owned()), Role::Viewer),
        (["api", "v1", "incidents", id, "postmortem"], "GET" | "HEAD") => found(Endpoint::Postmortem((*id).to_owned()), Role::Viewer),
        (["api", "v1", "incidents", id, verb], "POST") => {
            let verb = incidents::Verb::from_str(verb)
                .ok_or_else(|| Problem::not_found("An incident takes /notes, /owner, /severity, /status-updates and /resolve."))?;
            found(Endpoint::EditIncident((*id).to_owned(), verb), Role::Operator)
        }
        (["api", "metrics"] | ["_parapet", "a", _] | ["api", "v1", "config" | "tokens" | "silences" | "incidents" | "deploys"], _) => {
            Err(Problem::method_not_allowed("GET or POST"))
        }
        (
            ["api", "metrics", "realtime"]
            | ["api", "v1", "health" | "alerts" | "deliveries"]
            | ["api", "v1", "deliveries" | "alerts" | "incidents", _]
            | ["api", "v1", "reports", "alerts"]
            | ["api", "v1", "rules", _, "explain"],
            _,
        ) => Err(Problem::method_not_allowed("GET")),
        (
            ["api", "test-alert"]
            | ["api", "v1", "slack", "actions"]
            | ["api", "v1", "config", "activate"]
            | ["api", "v1", "alerts" | "incidents", _, _]
            | ["api", "v1", "deliveries", _, "redrive"],
            _,
        ) => Err(Problem::method_not_allowed("POST")),
        (["api", "v1", "tokens" | "silences", _], _) => Err(Problem::method_not_allowed("DELETE")),
        _ => Err(Problem::not_found("Nothing of Parapet's answers this path. Its API is below /api/metrics and /api/v1/.")),
    }
}

fn alertmanager(method: &str, path: &[&str]) -> Result<(Alertmanager, Role), Problem> {
    match (path, method) {
        (["alerts"], "GET" | "HEAD") => Ok((Alertmanager::Alerts, Role::Viewer)),
        (["alerts"], "POST") => Ok((Alertmanager::PushAlerts, Role::Ingest)),
        (["silences"], "GET" | "HEAD") => Ok((Alertmanager::Silences, Role::Viewer)),
        (["silences"], "POST") => Ok((Alertmanager::CreateSilence, Role::Operator)),
        (["silence", id], "GET" | "HEAD") => Ok((Alertmanager::Silence((*id).to_owned()), Role::Viewer)),
        (["silence", id], "DELETE") => Ok((Alertmanager::EndSilence((*id).to_owned()), Role::Operator)),
        (["status"], "GET" | "HEAD") => Ok((Alertmanager::Status, Role::Viewer)),
        (["status"], _) => Err(Problem::method_not_allowed("GET")),
        (["alerts" | "silences"], _) => Err(Problem::method_not_allowed("GET or POST")),
        (["silence", _], _) => Err(Problem::method_not_allowed("GET or DELETE")),
        _ => Err(Problem::not_found("Of Alertmanager's API there are alerts, silences, silence/{id} and status.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_a_role_and_says_its_methods() {
        assert_eq!(resolve("GET", "/api/metrics/").unwrap(), (Endpoint::Exposition, Role::Viewer));
        assert_eq!(resolve("GET", "/api/v1/deliveries/msg_1").unwrap(), (Endpoint::Delivery("msg_1".into()), Role::Viewer));
        let role = |method, path| resolve(method, path).map(|(endpoint, role)| (endpoint, role.as_str()));
        assert_eq!(role("GET", "/api/v1/deliveries"), Ok((Endpoint::ListDeliveries, "viewer")));
        assert_eq!(role("POST", "/api/v1/deliveries/redrive"), Ok((Endpoint::RedriveChannel, "operator")));
        assert_eq!(role("POST", "/api/v1/deliveries/msg_1/redrive"), Ok((Endpoint::Redrive("msg_1".into()), "operator")));
        assert_eq!(resolve("GET", "/api/v1/deliveries/msg_1/redrive").unwrap_err().status, 405);
        assert_eq!(resolve("DELETE", "/api/metrics").unwrap_err().status, 405);
        assert_eq!(resolve("GET", "/api/v2/x").unwrap_err().status, 404);
        let am = |method, path| resolve(method, path).map(|(endpoint, role)| (endpoint, role.as_str()));
        assert_eq!(am("GET", "/api/v2/alerts"), Ok((Endpoint::Alertmanager(Alertmanager::Alerts), "viewer")));
        assert_eq!(am("POST", "/api/v2/silences"), Ok((Endpoint::Alertmanager(Alertmanager::CreateSilence), "operator")));
        assert_eq!(
            am("DELETE", "/api/v2/silence/sil_1"),
            Ok((Endpoint::Alertmanager(Alertmanager::EndSilence("sil_1".into())), "operator"))
        );
        assert_eq!(am("POST", "/api/v2/alerts"), Ok((Endpoint::Alertmanager(Alertmanager::PushAlerts), "ingest")));
        assert_eq!(resolve("DELETE", "/api/v2/alerts").unwrap_err().status, 405);
        assert_eq!(resolve("POST", "/api/v1/silences").unwrap().1, Role::Operator);
        assert_eq!(resolve("DELETE", "/api/v1/silences/sil_1").unwrap(), (Endpoint::EndSilence("sil_1".into()), Role::Operator));
        assert_eq!(resolve("POST", "/api/v1/config").unwrap().1, Role::Admin);
        assert_eq!(resolve("GET", "/_parapet/a/x.y").unwrap().0, Endpoint::Link("x.y".into(), LinkStep::Look));
        assert_eq!(resolve("POST", "/_parapet/a/x.y").unwrap().0, Endpoint::Link("x.y".into(), LinkStep::Act));
        assert_eq!(resolve("PUT", "/_parapet/a/x.y").unwrap_err().status, 405);
        assert_eq!(resolve("POST", "/api/v1/slack/actions").unwrap().0, Endpoint::SlackAction);
        assert_eq!(resolve("POST", "/api/v1/alerts/alr_1/snooze").unwrap().0, Endpoint::Act("alr_1".into(), Verb::Snooze));
        assert_eq!(resolve("POST", "/api/v1/alerts/alr_1/forget").unwrap_err().status, 404);
        assert_eq!(resolve("GET", "/api/v1/rules/r-1/explain").unwrap(), (Endpoint::Explain("r-1".into()), Role::Viewer));
        assert_eq!(resolve("POST", "/api/v1/rules/r-1/explain").unwrap_err().status, 405);
        assert_eq!(resolve("GET", "/api/v1/rules/r-1").unwrap_err().status, 404);
        assert_eq!(resolve("GET", "/api/v1/deploys").unwrap(), (Endpoint::ListDeploys, Role::Viewer));
        assert_eq!(resolve("POST", "/api/v1/deploys").unwrap(), (Endpoint::RecordDeploy, Role::Ingest));
        assert_eq!((Endpoint::RecordDeploy.or_role(), Endpoint::Ingest.or_role()), (Some(Role::Operator), None));
        assert_eq!(resolve("DELETE", "/api/v1/deploys").unwrap_err().status, 405);
        assert_eq!(resolve("GET", "/api/v1/reports/alerts").unwrap(), (Endpoint::Report, Role::Viewer));
        assert_eq!(resolve("POST", "/api/v1/reports/alerts").unwrap_err().status, 405);
        assert_eq!(resolve("GET", "/api/v1/incidents").unwrap(), (Endpoint::ListIncidents, Role::Viewer));
        assert_eq!(resolve("POST", "/api/v1/incidents").unwrap(), (Endpoint::OpenIncident, Role::Operator));
        assert_eq!(resolve("GET", "/api/v1/incidents/inc_1").unwrap(), (Endpoint::Incident("inc_1".into()), Role::Viewer));
        for verb in incidents::Verb::ALL {
            let edit = (Endpoint::EditIncident("inc_1".into(), verb), Role::Operator);
            assert_eq!(resolve("POST", &format!("/api/v1/incidents/inc_1/{}", verb.as_str())).unwrap(), edit);
        }
        assert_eq!(resolve("POST", "/api/v1/incidents/inc_1/forget").unwrap_err().status, 404);
        assert_eq!(resolve("GET", "/api/v1/incidents/inc_1/postmortem").unwrap(), (Endpoint::Postmortem("inc_1".into()), Role::Viewer));
        for (method, path) in [("DELETE", ""), ("DELETE", "/inc_1"), ("GET", "/inc_1/notes")] {
            assert_eq!(resolve(method, &format!("/api/v1/incidents{path}")).unwrap_err().status, 405, "{method} {path}");
        }
    }
}
