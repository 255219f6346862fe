//! An error as an event: what the origin did, what failed in Parapet, what panicked.

use sentry_core::protocol::{EnvelopeItem, Exception, Level, Map, Mechanism, MechanismMeta, Value};

use super::{Frame, RenderError, derived_id, request, tag};
use crate::edge::redact::Scrubber;
use crate::order;
use crate::ports::HttpRequest;
use crate::telemetry::errors::{ErrorKind, ErrorReport};
use crate::time::UnixMs;

/// The circumstances of one error event.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// When the error was seen.
    pub at: UnixMs,
    /// How many errors of its group this event stands for.
    pub occurrences: u32,
    /// The environment Sentry files it under.
    pub environment: &'a str,
}

/// The request that tells the project of `dsn` of `report`. Neither path, address, header nor body of the visitor's
/// request is in it: the route's template, the method and the request id are.
///
/// # Errors
///
/// The DSN is not one (its text is not repeated), or the envelope cannot be written.
pub fn error_event(dsn: &str, report: &ErrorReport, sent: &Sent<'_>, scrubber: &Scrubber) -> Result<HttpRequest, RenderError> {
    let frame = Frame {
        id: derived_id(&["error", report.kind.as_str(), &report.place, &report.text, &report.request_id, &sent.at.0.to_string()]),
        level: if report.kind == ErrorKind::Panic { Level::Fatal } else { Level::Error },
        at: sent.at,
        environment: sent.environment,
        logger: "parapet.error",
        fingerprint: report.group().into_iter().map(|part| scrubber.text(&part)).collect(),
    };
    let id = frame.id;
    let mut event = frame.event();
    event.exception = vec![exception(report, scrubber)].into();
    event.transaction = Some(scrubber.text(&report.where_text()));
    event.tags = tags(report, scrubber);
    event.extra = Map::from([("occurrences".to_owned(), Value::from(sent.occurrences))]);
    request(dsn, Some(id), EnvelopeItem::from(event))
}

fn exception(report: &ErrorReport, scrubber: &Scrubber) -> Exception {
    let mechanism = Mechanism {
        ty: "parapet".to_owned(),
        description: None,
        help_link: None,
        handled: Some(report.kind != ErrorKind::Panic),
        // A synthetic one has no title of its own at Sentry: its issue would be called `<unknown>`.
        synthetic: None,
        data: Map::new(),
        meta: MechanismMeta { errno: None, signal: None, mach_exception: None },
    };
    Exception {
        ty: report.kind.title().to_owned(),
        value: Some(scrubber.text(&report.text)),
        module: None,
        stacktrace: None,
        raw_stacktrace: None,
        thread_id: None,
        mechanism: Some(mechanism),
    }
}

fn tags(report: &ErrorReport, scrubber: &Scrubber) -> Map<String, String> {
    let status = report.status.map(|status| status.to_string()).unwrap_or_default();
    let tags = [
        ("kind", report.kind.as_str()),
        ("place", &report.place),
        ("method", &report.method),
        ("status", &status),
        ("request_id", &report.request_id),
    ];
    order::map(tags.into_iter().filter_map(|(key, value)| tag(scrubber, key, value)))
}
