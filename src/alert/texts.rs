//! A rule's templates with what its alert has: `{{ value }} of requests fail` as `6.4 % of requests fail`.
//!
//! Rendered once, when the notification is made, so every channel says the same and a retry says it again. Invariants: what the
//! configuration's check let through renders; what it did not see (a text of somebody else's with braces) stays as it is.

use super::notification::Notification;
use crate::config::template::{LABEL, Piece, pieces};

/// `notification` with its summary and annotations rendered.
pub fn rendered(mut notification: Notification) -> Notification {
    let summary = render(&notification.summary, &notification);
    let annotations: Vec<(String, String)> =
        notification.annotations.iter().map(|(name, text)| (name.clone(), render(text, &notification))).collect();
    notification.summary = summary;
    notification.annotations.extend(annotations);
    notification
}

fn render(text: &str, of: &Notification) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(part) | Piece::Unclosed(part) => out.push_str(part),
            Piece::Hole { whole, name } => out.push_str(&filling(name, of).unwrap_or_else(|| whole.to_owned())),
        }
    }
    out
}

/// What `name` stands for; a value that was not measured is said so.
fn filling(name: &str, of: &Notification) -> Option<String> {
    let unknown = || "an unknown value".to_owned();
    let currency = &of.site.currency;
    let value = || of.measured.map(|measured| measured.value_text(currency));
    Some(match name {
        // Of what is over the text tells what was: its worst.
        "value" if of.reason.is_end() => of.peak_text().or_else(value).unwrap_or_else(unknown),
        "value" => value().unwrap_or_else(unknown),
        "threshold" => of.measured.map_or_else(unknown, |measured| measured.threshold_text(currency)),
        "peak" => of.peak_text().unwrap_or_else(unknown),
        "since" => of.since_clock(),
        "lasted" => of.lasted(),
        "name" => of.name.clone(),
        "rule" => of.rule.clone(),
        "severity" => of.severity.as_str().to_owned(),
        "environment" => of.site.environment.clone(),
        name => of.labels.get(name.strip_prefix(LABEL)?)?.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::tests::{firing, resolved};
    use crate::config::template::NAMES;

    fn said(text: &str, of: Notification) -> String {
        rendered(Notification { summary: text.to_owned(), ..of }).summary.replace('\u{a0}', " ")
    }

    #[test]
    fn a_template_says_what_the_alert_has() {
        for (text, expected) in [
            ("{{ value }} fail on {{labels.route}}, beyond {{ threshold }}", "6.4 % fail on /api/bookings, beyond 2 %"),
            ("since {{ since }} ({{ lasted }}), at worst {{ peak }}", "since 13:55 SAST (5 min), at worst 6.4 %"),
            ("{{ severity }} {{ rule }} in {{ environment }}: {{ name }}", "critical api-error-rate in production: API error rate"),
            ("{{ labels.country }} {{ nonsense }} {{ value", "{{ labels.country }} {{ nonsense }} {{ value"),
        ] {
            assert_eq!(said(text, firing()), expected);
        }
        assert_eq!(said("{{ value }} fail", resolved()), "7.1 % fail", "what is over tells its worst, not the value it ended with");
        assert_eq!(
            said("{{ value }} of {{ threshold }}", Notification { measured: None, ..firing() }),
            "an unknown value of an unknown value"
        );
    }

    #[test]
    fn every_name_stands_for_something() {
        for name in NAMES {
            let text = format!("{{{{ {name} }}}}");
            assert_ne!(said(&text, firing()), text);
        }
    }

    #[test]
    fn annotations_render_and_a_value_with_braces_stays_itself() {
        let mut odd = firing();
        odd.labels.insert("route".into(), "{{ value }}".into());
        odd.annotations = [("description".into(), "on {{ labels.route }}".into())].into();
        assert_eq!(rendered(odd).annotations.get("description").unwrap(), "on {{ value }}");
    }
}
