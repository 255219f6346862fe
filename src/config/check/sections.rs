//! Checks of the sections that are settings: site, infrastructure, limits, Sentry, business.

use super::{Findings, suggest};
use crate::config::business::Business;
use crate::config::infrastructure::Infrastructure;
use crate::config::security::Limit;
use crate::config::sentry::Sentry;
use crate::config::site::Site;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

pub(super) fn site(site: &Site, found: &mut Findings) {
    found.filled("/site/name", &site.name);
    if site.console_hosts.is_empty() {
        found.add("/site/console_hosts", "no console host", "name the host on which people open the dashboards and the API");
    }
    for (index, host) in site.console_hosts.iter().enumerate() {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if host.is_empty() || !host.chars().all(fits) {
            found.add(
                format!("/site/console_hosts/{index}"),
                format!("`{host}` is not a host name"),
                "write it without scheme, port and path, in lower case: `ops.example.com`",
            );
        }
    }
    let host = site.console_url.strip_prefix("https://").or_else(|| site.console_url.strip_prefix("http://"));
    match host.map(|rest| rest.split([':', '/']).next().unwrap_or_default()) {
        Some(host) if !host.is_empty() && !site.console_url.ends_with('/') => {
            if !site.console_hosts.is_empty() && site.console_hosts.iter().all(|known| known != host) {
                let hosts = (0..site.console_hosts.len()).map(|index| format!("/site/console_hosts/{index}"));
                found.add_drawn_from(
                    std::iter::once("/site/console_hosts".to_owned()).chain(hosts).collect(),
                    "/site/console_url",
                    format!("links would lead to `{host}`, which is not a console host"),
                    suggest(host, site.console_hosts.iter().map(String::as_str), "add it to `console_hosts`"),
                );
            }
        }
        _ => found.add(
            "/site/console_url",
            format!("`{}` is not a base for links", site.console_url),
            "write `https://host`, no slash at the end",
        ),
    }
    found.zone("/site/timezone", &site.timezone);
    if site.currency.len() != 3 || !site.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        found.add("/site/currency", format!("`{}` is not a currency code", site.currency), "use three capitals of ISO 4217: `ZAR`");
    }
}

pub(super) fn infrastructure(infrastructure: &Infrastructure, found: &mut Findings) {
    let at = |key: &str| format!("/infrastructure/{key}");
    for (index, route) in infrastructure.routes.iter().enumerate() {
        if !is_path(route) {
            found.add(
                at(&format!("routes/{index}")),
                format!("`{route}` is not a route"),
                "start with `/`, no slash at the end, no empty part",
            );
        } else if let Some(earlier) = infrastructure.routes.iter().take(index).find(|earlier| covers(earlier, route)) {
            found.add(
                at(&format!("routes/{index}")),
                format!("`{route}` is never reached: `{earlier}` above takes all its paths"),
                "put the more specific template first",
            );
        }
    }
    found.integer(at("max_routes"), infrastructure.max_routes, &super::MAX_ROUTES);
    let most = usize::try_from(infrastructure.max_routes).unwrap_or(usize::MAX);
    if infrastructure.routes.len() > most {
        found.add_drawn_from(
            vec![at("max_routes")],
            at("routes"),
            format!("more than `max_routes` ({most}) templates"),
            "raise it, or merge some",
        );
    }
    found.integer(at("max_series"), infrastructure.max_series, &super::MAX_SERIES);
    let kept = &infrastructure.retention;
    for (key, days) in [("minute_days", kept.minute_days), ("hour_days", kept.hour_days), ("day_days", kept.day_days)] {
        found.integer(at(&format!("retention/{key}")), days, &super::RETENTION_DAYS);
    }
    for (key, days, finer_key, finer) in
        [("hour_days", kept.hour_days, "minute_days", kept.minute_days), ("day_days", kept.day_days, "hour_days", kept.hour_days)]
    {
        if days < finer {
            found.add_drawn_from(
                vec![at(&format!("retention/{finer_key}"))],
                at(&format!("retention/{key}")),
                format!("kept shorter than `{finer_key}` ({finer} days)"),
                "keep the coarser rows at least as long",
            );
        }
    }
    let ingest = &infrastructure.ingest;
    found.integer(at("ingest/max_batch"), ingest.max_batch, &super::INGEST_BATCH);
    found.integer(at("ingest/max_body_bytes"), ingest.max_body_bytes, &super::INGEST_BODY_BYTES);
    found.integer(at("ingest/max_tags"), ingest.max_tags, &super::INGEST_TAGS);
    found.integer(at("ingest/max_series_per_name"), ingest.max_series_per_name, &super::INGEST_SERIES);
}

/// `/`, or parts that are not empty, each after a slash.
fn is_path(path: &str) -> bool {
    path == "/"
        || path
            .strip_prefix('/')
            .is_some_and(|rest| rest.split('/').all(|part| !part.is_empty() && part != ":" && !part.contains(['?', '#', ' '])))
}

/// Whether every path of the template `later` fits `earlier` too.
fn covers(earlier: &str, later: &str) -> bool {
    earlier.split('/').count() == later.split('/').count()
        && earlier.split('/').zip(later.split('/')).all(|(e, l)| e == l || e.starts_with(':'))
}

pub(super) fn limits(limits: &[Limit], found: &mut Findings) {
    found.unique("/security/limits", "/id", limits.iter().map(|limit| limit.id.as_str()));
    for (index, limit) in limits.iter().enumerate() {
        let at = |key: &str| format!("/security/limits/{index}/{key}");
        found.id(at("id"), &limit.id);
        if !is_path(&limit.path) || limit.path.contains([':', '*', '%']) {
            found.add(
                at("path"),
                format!("`{}` is not an exact path", limit.path),
                "write it decoded, without parameters: `/api/bookings`",
            );
        }
        for (place, method) in limit.methods.iter().enumerate() {
            if !METHODS.contains(&method.as_str()) {
                found.add(
                    at(&format!("methods/{place}")),
                    format!("`{method}` is not a method"),
                    suggest(method, METHODS, "use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"),
                );
            }
        }
        let admits = |earlier: &Limit| {
            earlier.methods.is_empty() || (!limit.methods.is_empty() && limit.methods.iter().all(|m| earlier.methods.contains(m)))
        };
        if let Some(earlier) = limits.iter().take(index).find(|earlier| earlier.path == limit.path && admits(earlier)) {
            found.add(
                at("path"),
                format!("this limit is never reached: `{}` above decides first", earlier.id),
                "merge the two, or narrow the methods above",
            );
        }
        found.integer(at("requests"), limit.requests, &super::LIMIT_REQUESTS);
        found.integer(at("window_s"), limit.window_s, &super::LIMIT_WINDOW_S);
    }
}

pub(super) fn sentry(sentry: &Sentry, found: &mut Findings) {
    found.number("/sentry/origin_error_sample_rate", sentry.origin_error_sample_rate, &super::SHARE);
    found.integer("/sentry/max_events_per_minute", sentry.max_events_per_minute, &super::SENTRY_EVENTS);
    let monitor = &sentry.monitor;
    found.id("/sentry/monitor/slug", &monitor.slug);
    found.integer("/sentry/monitor/checkin_margin_min", monitor.checkin_margin_min, &super::MONITOR_MINUTES);
    found.integer("/sentry/monitor/max_runtime_min", monitor.max_runtime_min, &super::MONITOR_MINUTES);
    found.integer("/sentry/monitor/failure_issue_threshold", monitor.failure_issue_threshold, &super::MONITOR_CHECKINS);
    found.integer("/sentry/monitor/recovery_threshold", monitor.recovery_threshold, &super::MONITOR_CHECKINS);
    for (index, key) in sentry.scrub_keys.iter().enumerate() {
        found.filled(format!("/sentry/scrub_keys/{index}"), key);
    }
}

pub(super) fn business(business: &Business, found: &mut Findings) {
    found.unique("/business/shown", "", business.shown.iter().map(String::as_str));
    for (index, name) in business.shown.iter().enumerate() {
        found.metric_name(format!("/business/shown/{index}"), name);
    }
    found.unique("/business/targets", "/id", business.targets.iter().map(|target| target.id.as_str()));
    for (index, target) in business.targets.iter().enumerate() {
        let at = |key: &str| format!("/business/targets/{index}/{key}");
        found.id(at("id"), &target.id);
        found.metric_name(at("series"), &target.series);
        found.number(at("per_day"), target.per_day, &super::AMOUNT);
        if target.per_day == 0.0 {
            found.add(
                at("per_day"),
                "a goal of 0 is always reached",
                "use the amount a good day brings, in the series' unit (cents for revenue)",
            );
        }
        if target.hours.minutes().is_none() {
            found.add(
                at("hours"),
                format!("`{}` to `{}` is not a span of a day", target.hours.from, target.hours.to),
                "write `HH:MM` twice, closing later than opening: \"08:00\" and \"18:00\"",
            );
        }
    }
}
