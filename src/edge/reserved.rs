//! Whose path it is: Parapet's or the site's.
//!
//! On the site's hosts Parapet keeps to `/api/metrics`, `/api/test-alert` and `/_parapet/`; on the console's hosts it also
//! answers `/api/v1/` and `/api/v2/` (Alertmanager's), and nothing else goes to the origin unless the console serves the site too (development).

use crate::config::site::{ConsoleServes, Site};

/// Who answers a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Parapet's API and pages.
    Parapet,
    /// The customer's origin.
    Origin,
}

/// Who answers `path` on `host` (without port).
pub fn owner(host: &str, path: &str, site: &Site) -> Owner {
    let console = site.console_hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
    let ours = below(path, "/api/metrics")
        || path == "/api/test-alert"
        || below(path, "/_parapet")
        || (console && (below(path, "/api/v1") || below(path, "/api/v2")));
    if ours || (console && site.console_serves_site == ConsoleServes::ConsoleOnly) { Owner::Parapet } else { Owner::Origin }
}

fn below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::site::Environment;

    #[test]
    fn the_site_keeps_every_path_that_is_not_reserved() {
        let site = |serves| Site {
            environment: Environment::Dev,
            name: "Site".into(),
            console_hosts: vec!["console.example".into()],
            console_serves_site: serves,
            console_url: "https://console.example".into(),
            timezone: "Africa/Johannesburg".into(),
            currency: "ZAR".into(),
        };
        for (host, path, serves, expected) in [
            ("site.example", "/api/bookings", ConsoleServes::ConsoleOnly, Owner::Origin),
            ("site.example", "/api/v1/config", ConsoleServes::ConsoleOnly, Owner::Origin),
            ("site.example", "/api/v2/alerts", ConsoleServes::ConsoleOnly, Owner::Origin),
            ("console.example", "/api/v2/alerts", ConsoleServes::SiteToo, Owner::Parapet),
            ("console.example", "/api/v3/x", ConsoleServes::SiteToo, Owner::Origin),
            ("site.example", "/api/metrics", ConsoleServes::ConsoleOnly, Owner::Parapet),
            ("site.example", "/api/metrics/realtime", ConsoleServes::ConsoleOnly, Owner::Parapet),
            ("site.example", "/api/metricsx", ConsoleServes::ConsoleOnly, Owner::Origin),
            ("site.example", "/_parapet/x", ConsoleServes::ConsoleOnly, Owner::Parapet),
            ("CONSOLE.example", "/api/v1/config", ConsoleServes::ConsoleOnly, Owner::Parapet),
            ("console.example", "/", ConsoleServes::ConsoleOnly, Owner::Parapet),
            ("console.example", "/", ConsoleServes::SiteToo, Owner::Origin),
        ] {
            assert_eq!(owner(host, path, &site(serves)), expected, "{host}{path}");
        }
    }
}
