//! The pages: one plain column without script; the style is allowed by its hash, and nothing else is loaded.

use maud::{DOCTYPE, Markup, html};

use super::{Page, Refused};
use crate::alert::link::{Link, LinkAct};
use crate::alert::notification::Notification;
use crate::config::site::Site;
use crate::time::UnixMs;

/// The content type of every page.
pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// Colours have 7:1 contrast, the button is 44 px high.
const STYLE: &str = "body{margin:2rem auto;max-width:40rem;padding:0 1rem;font:1rem/1.5 Helvetica,Arial,sans-serif;color:#111827;background:#fff}\
h1{font-size:1.5rem}th{text-align:left;font-weight:normal;color:#4b5563;padding-right:1rem}\
button{font:inherit;font-weight:bold;padding:.75rem 1.5rem;border:0;border-radius:.25rem;color:#fff;background:#1e40af}";

/// The headers of every page beside its type: names and values, one after the other.
pub const HEADERS: [&str; 6] = [
    "content-security-policy",
    "default-src 'none'; style-src 'sha256-KK7r6dVnl0MssvIk0ZrvT4oh0x6FydCegn+/tuGao7A='; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "referrer-policy",
    "no-referrer",
    "x-robots-tag",
    "noindex, nofollow",
];

fn page(status: u16, title: &str, body: &Markup) -> Page {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title) }
                style { (maud::PreEscaped(STYLE)) }
            }
            body { main { h1 { (title) } (body) } }
        }
    };
    Page { status, html: page.into_string() }
}

/// `14:02 SAST on 28 Feb`.
fn moment(at: UnixMs, zone: &str) -> String {
    let zone = zone.parse().unwrap_or(chrono_tz::UTC);
    format!("{} on {}", at.clock_in(zone), at.date_in(zone))
}

/// Most alerts of a group that are named.
const MAX_NAMED: usize = 50;

/// All there is to say of one alert; of several a line for each.
fn facts(said: &[Notification]) -> Markup {
    let line = |alert: &Notification| {
        let place = alert.place().map(|place| format!(" · {place}")).unwrap_or_default();
        format!("{}: {}{place} · since {}", alert.severity.as_str(), alert.headline(), alert.since_clock())
    };
    html! {
        @if let [alert] = said {
            p { (alert.effect()) }
            @if let Some(text) = alert.explanation() { p { (text) } }
            table { @for (label, text) in alert.facts() { tr { th scope="row" { (label) } td { (text) } } } }
        } @else {
            ul {
                @for alert in said.iter().take(MAX_NAMED) { li { (line(alert)) } }
                @if said.len() > MAX_NAMED { li { "and " (said.len() - MAX_NAMED) " more" } }
            }
        }
        @if let Some(worst) = said.first() {
            p { a href=(worst.dashboard) { "Dashboard" } @if let Some(url) = &worst.runbook { " · " a href=(url) { "Runbook" } } }
        }
    }
}

/// `API error rate 6.4 % > 2 %`, `API error rate and 3 more`.
fn headline(said: &[Notification]) -> String {
    match said {
        [] => String::new(),
        [alert] => alert.headline(),
        [worst, others @ ..] => format!("{} and {} more", worst.name, others.len()),
    }
}

fn zone(said: &[Notification]) -> &str {
    said.first().map_or("UTC", |alert| alert.site.timezone.as_str())
}

/// What the alerts are, and the button.
pub(super) fn button(said: &[Notification], link: &Link) -> Page {
    let does = match link.act {
        LinkAct::Acknowledge => {
            "Everybody who was told hears that somebody has this, and nobody else is called until it is over or somebody escalates it."
        }
        LinkAct::Snooze => "Everybody who was told hears that somebody has this for an hour. If it still fires then, they are told again.",
        LinkAct::Escalate => "The next ones are told now, and go on being told until one of them has it.",
        LinkAct::Resolve => "Everybody who was told hears that it is over. While what is wrong holds, it fires again: snooze it instead.",
    };
    let has_it = said.iter().find_map(|alert| alert.response.as_ref());
    let body = html! {
        form method="post" { button { (link.act.label()) } }
        p { (does) " The link works once, until " (moment(link.expires_at, zone(said))) "." }
        @if let Some(response) = has_it { p { (response.by) " has it now." } }
        (facts(said))
    };
    let state = said.first().map(|worst| format!("{} {}: ", worst.state_word(), worst.severity.as_str())).unwrap_or_default();
    page(200, &format!("{state}{}", headline(said)), &body)
}

/// What was done.
pub(super) fn done(said: &[Notification], link: &Link) -> Page {
    let (title, does) = match link.act {
        LinkAct::Acknowledge => {
            ("Acknowledged", "Everybody who was told of it hears so now. Nobody else is called until it is over or somebody escalates it.")
        }
        LinkAct::Snooze => {
            ("Snoozed for 1 hour", "Everybody who was told of it hears so now. If it still fires in an hour, they are told again.")
        }
        LinkAct::Escalate => ("Escalated", "The next ones are told now."),
        LinkAct::Resolve => ("Resolved", "Everybody who was told of it hears so now. While what is wrong holds, it fires again."),
    };
    let body = html! { p { (does) } (facts(said)) };
    page(200, &format!("{title}: {}", headline(said)), &body)
}

/// Why nothing was done, and what to do instead.
pub(super) fn refused(why: &Refused, site: &Site) -> Page {
    let at = |at: UnixMs| moment(at, &site.timezone);
    let elsewhere = "While the alert fires, the newest e-mail about it, the buttons in Slack and the API take it.";
    let (status, title, text) = match why {
        Refused::Off => (
            503,
            "Links in e-mails are switched off",
            "This deployment has no LINK_SIGNING_SECRET of at least 24 characters, so it knows no link. Take the alert in Slack or by the API."
                .to_owned(),
        ),
        Refused::NotOurs => (
            404,
            "This link is not whole",
            "It was cut, changed, or signed with a secret that is no longer in use. Open it from the e-mail, or copy all of it.".to_owned(),
        ),
        Refused::Expired(end) => {
            (410, "This link has expired", format!("It worked for 24 hours, until {}. {elsewhere}", at(*end)))
        }
        Refused::Used(used) => {
            let text = format!("It was already used by {} at {}, and works once. {elsewhere}", used.by, at(used.used_at));
            (410, "This link was used", text)
        }
        Refused::Over => {
            (409, "This alert is over", "Nothing is to be done. If it fires again, or does already, a new e-mail tells of it, with links of its own.".to_owned())
        }
        Refused::Taken(response) => {
            (409, "Somebody has this alert", format!("{} acknowledged it at {}. Nothing is to be done.", response.by, at(response.at)))
        }
        Refused::Unavailable => {
            (503, "Parapet cannot do this right now", "Its database does not answer. Go back and try again in a few seconds.".to_owned())
        }
    };
    page(status, title, &html! { p { (text) } p { a href=(site.console_url) { "Dashboard" } } })
}
