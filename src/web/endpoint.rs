//! Parapet's own paths: which endpoint, for which methods, for which role. The one table.

use super::auth::Role;
use super::problem::Problem;

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
    /// `GET /api/v1/deliveries/{id}`.
    Delivery(String),
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
}

/// The endpoint of a method and path, and the role it needs.
pub fn resolve(method: &str, path: &str) -> Result<(Endpoint, Role), Problem> {
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    let parts: Vec<&str> = trimmed.split('/').skip(1).collect();
    let wrong_method = |allowed: &str| Err(Problem::method_not_allowed(allowed));
    match (parts.as_slice(), method) {
        (["api", "metrics", "realtime"], "GET" | "HEAD") => Ok((Endpoint::Realtime, Role::Viewer)),
        (["api", "metrics", "realtime"], _) => wrong_method("GET"),
        (["api", "metrics"], "GET" | "HEAD") => Ok((Endpoint::Exposition, Role::Viewer)),
        (["api", "metrics"], "POST") => Ok((Endpoint::Ingest, Role::Ingest)),
        (["api", "metrics"], _) => wrong_method("GET to read, POST to record"),
        (["api", "test-alert"], "POST") => Ok((Endpoint::TestAlert, Role::Operator)),
        (["api", "test-alert"], _) => wrong_method("POST"),
        (["api", "v1", "deliveries", id], "GET") => Ok((Endpoint::Delivery((*id).to_owned()), Role::Viewer)),
        (["api", "v1", "deliveries", _], _) => wrong_method("GET"),
        (["api", "v1", "health"], "GET" | "HEAD") => Ok((Endpoint::Health, Role::Viewer)),
        (["api", "v1", "health"], _) => wrong_method("GET"),
        (["api", "v1", "config"], "GET") => Ok((Endpoint::ReadConfig, Role::Viewer)),
        (["api", "v1", "config"], "POST") => Ok((Endpoint::ApplyConfig, Role::Admin)),
        (["api", "v1", "config"], _) => wrong_method("GET to read, POST to apply"),
        (["api", "v1", "config", "activate"], "POST") => Ok((Endpoint::ActivateConfig, Role::Admin)),
        (["api", "v1", "config", "activate"], _) => wrong_method("POST"),
        (["api", "v1", "tokens"], "GET") => Ok((Endpoint::ListTokens, Role::Admin)),
        (["api", "v1", "tokens"], "POST") => Ok((Endpoint::CreateToken, Role::Admin)),
        (["api", "v1", "tokens"], _) => wrong_method("GET to list, POST to create"),
        (["api", "v1", "tokens", id], "DELETE") => Ok((Endpoint::RevokeToken((*id).to_owned()), Role::Admin)),
        (["api", "v1", "tokens", _], _) => wrong_method("DELETE"),
        _ => Err(Problem::not_found("Nothing of Parapet's answers this path. Its API is below /api/metrics and /api/v1/.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_a_role_and_says_its_methods() {
        assert_eq!(resolve("GET", "/api/metrics/").unwrap(), (Endpoint::Exposition, Role::Viewer));
        assert_eq!(resolve("GET", "/api/v1/deliveries/msg_1").unwrap(), (Endpoint::Delivery("msg_1".into()), Role::Viewer));
        assert_eq!(resolve("DELETE", "/api/metrics").unwrap_err().status, 405);
        assert_eq!(resolve("GET", "/api/v2/x").unwrap_err().status, 404);
        assert_eq!(resolve("POST", "/api/v1/config").unwrap().1, Role::Admin);
    }
}
