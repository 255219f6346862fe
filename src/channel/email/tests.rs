//! Requests as e-mail providers read them, and the message as its reader does.

use super::super::tests::{firing, resolved};
use super::*;

fn account(url: &str, token: Option<&str>) -> Account {
    Account::new(url, "ops@example.com, Owner <owner@example.com>,", token.map(str::to_owned))
}

fn rendered(notification: &Notification, format: EmailFormat) -> (HttpRequest, Value) {
    let request =
        render(notification, "email", (format, "Parapet <alerts@example.com>"), &account("https://mail.example.com/send", Some("key")))
            .unwrap();
    let body = serde_json::from_slice(&request.body).unwrap();
    (request, body)
}

fn without_parts(mut body: Value) -> String {
    body.as_object_mut().unwrap().retain(|name, _| name != "html" && name != "text" && name != "content");
    serde_json::to_string_pretty(&body).unwrap().replace('\u{a0}', "␣")
}

#[test]
fn the_text_part_reads_like_the_message() {
    insta::assert_snapshot!(text_part(&firing(), &[]).replace('\u{a0}', "␣"));
    insta::assert_snapshot!(text_part(&resolved(), &[]).replace('\u{a0}', "␣"));
}

#[test]
fn the_html_part_is_one_escaped_table() {
    let html = html_part(&firing(), &[]);
    assert!(html.contains("&lt;errors&gt; &amp; cannot book") && !html.contains("<errors>"));
    insta::assert_snapshot!(html.replace('\u{a0}', "␣"));
}

#[test]
fn resend_gets_its_shape_and_an_idempotency_key() {
    let (request, body) = rendered(&firing(), EmailFormat::Resend);
    assert!(request.headers.contains(&("idempotency-key".into(), "msg_0123456789abcdef0123".into())));
    assert!(request.headers.contains(&("authorization".into(), "Bearer key".into())));
    assert!(body["html"].as_str().unwrap().starts_with("<!DOCTYPE html>") && body["text"].is_string());
    insta::assert_snapshot!(without_parts(body));
}

#[test]
fn sendgrid_gets_its_shape_text_before_html() {
    let (_, body) = rendered(&firing(), EmailFormat::Sendgrid);
    let types: Vec<&str> = body["content"].as_array().unwrap().iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["text/plain", "text/html"]);
    insta::assert_snapshot!(without_parts(body));
}

#[test]
fn a_plain_endpoint_gets_the_message_id_in_the_body() {
    let (_, body) = rendered(&resolved(), EmailFormat::Plain);
    insta::assert_snapshot!(without_parts(body));
}

#[test]
fn the_same_notification_always_makes_the_same_bytes() {
    assert_eq!(rendered(&firing(), EmailFormat::Resend).0, rendered(&firing(), EmailFormat::Resend).0);
}

#[test]
fn credentials_leave_the_url_for_the_header() {
    for (url, token, bare, authorization) in [
        ("https://mail.example.com/send", None, "https://mail.example.com/send", None),
        ("https://user:p%40ss@mail.example.com/send?x=1", None, "https://mail.example.com/send?x=1", Some("Basic dXNlcjpwQHNz")),
        ("https://re_abc@mail.example.com", None, "https://mail.example.com", Some("Bearer re_abc")),
        ("https://u:p@mail.example.com", Some("t"), "https://mail.example.com", Some("Bearer t")),
        ("https://mail.example.com/a@b", None, "https://mail.example.com/a@b", None),
    ] {
        let account = account(url, token);
        assert_eq!((account.url.as_str(), account.authorization.as_deref()), (bare, authorization), "{url}");
    }
    assert_eq!(
        render(&firing(), "email", (EmailFormat::Plain, "a@b.c"), &account("mail.example.com", None)),
        Err(RenderError::BadAddress { secret: EMAIL_URL.into() })
    );
}

#[test]
fn a_subject_is_one_line() {
    let nasty = Notification { name: format!("A\r\nBcc: x@y.z {}", "x".repeat(900)), ..firing() };
    let subject = subject(&nasty);
    assert!(!subject.contains(['\r', '\n']) && subject.chars().count() == MAX_SUBJECT_CHARS);
}

#[test]
fn an_e_mail_that_calls_somebody_has_links_that_act_and_the_same_ones_each_time() {
    let signer = Signer::new("a-secret-of-more-than-24-characters").unwrap();
    let account = account("https://mail.example.com/send", Some("key")).signing(Some(signer.clone()));
    let links = account.links(&firing(), "email");
    assert_eq!(links, account.links(&firing(), "email"));
    assert_ne!(links, account.links(&firing(), "on-call"), "each channel has its own");
    for ((does, url), act) in links.iter().zip(LinkAct::ALL) {
        let token = url.strip_prefix("https://ops.example.com/_parapet/a/").unwrap();
        assert_eq!((*does, signer.read(token)), (act.label(), Some(Link::new(&firing(), act, "email"))));
    }
    let request = render(&firing(), "email", (EmailFormat::Plain, "a@b.c"), &account).unwrap();
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    for part in ["html", "text"] {
        let shown = body[part].as_str().unwrap();
        assert!(links.iter().all(|(does, url)| shown.contains(does) && shown.contains(url.as_str())), "{shown}");
    }
    insta::assert_snapshot!(body["text"].as_str().unwrap().replace('\u{a0}', "␣"));
    assert_eq!(account.links(&resolved(), "email"), []);
}
