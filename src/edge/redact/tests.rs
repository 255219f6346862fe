//! What is scrubbed of texts, kind by kind, and what stays.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn scrubbed(text: &str) -> String {
    Scrubber::new(&[]).text(text)
}

#[track_caller]
fn becomes(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(scrubbed(text), *expected, "of {text}");
    }
}

#[track_caller]
fn stays(texts: &[&str]) {
    for text in texts {
        assert_eq!(scrubbed(text), *text);
    }
}

#[test]
fn card_numbers_of_every_length_and_print_go() {
    becomes(&[
        ("paid with 4111111111111111 today", "paid with [card] today"),
        ("4111 1111 1111 1111", "[card]"),
        ("4111-1111-1111-1111,", "[card],"),
        ("amex 3782 822463 10005.", "amex [card]."),
        ("diners 3056 930902 5904", "diners [card]"),
        ("old visa 4222222222222", "old visa [card]"),
        ("19 digits 6304000000000000000", "19 digits [card]"),
        ("padded 0004111111111111111", "padded [card]"),
        ("card4111111111111111x", "card[card]x"),
        ("4111\u{a0}1111\u{a0}1111\u{a0}1111 and 5500\u{2011}0000\u{2011}0000\u{2011}0004", "[card] and [card]"),
        ("order 200 4111 1111 1111 1111", "order 200 [card]"),
        ("+4111111111111111", "+[card]"),
    ]);
}

#[test]
fn south_african_id_numbers_go() {
    becomes(&[
        ("id 8001015009087 given", "id [id] given"),
        ("800101 5009 087", "[id]"),
        ("800101 5009 08 7", "[id]"),
        ("0002290001086 was born on a leap day", "[id] was born on a leap day"),
    ]);
}

#[test]
fn phone_numbers_go() {
    becomes(&[
        ("call +27821234567 now", "call [phone] now"),
        ("call +27 82 123 4567 200 0", "call [phone] 200 0"),
        ("+27 (0)82 123 4567", "[phone]"),
        ("082 123 4567, 0821234567; (011) 555-1234", "[phone], [phone]; ([phone]"),
        ("0027821234567", "[phone]"),
        ("wa.me/27821234567", "wa.me/[phone]"),
        ("London +44 20 7946 0958", "London [phone]"),
        ("+1 (415) 555-2671", "[phone]"),
    ]);
}

#[test]
fn addresses_go_whatever_stands_around_them() {
    becomes(&[
        ("mail thandi.m+book@example.co.za.", "mail [email]."),
        ("mailto:a_b@x.io>", "mailto:[email]>"),
        ("(zoë@bücher.example)", "([email])"),
        ("/u/thandi%40example.com/x", "/u/[email]/x"),
        ("0821234567@sms.example.com", "[phone][email]"),
        ("a@b.co,c@d.co", "[email],[email]"),
    ]);
}

#[test]
fn tokens_go() {
    becomes(&[
        ("got Bearer abc.DEF-123 back", "got Bearer [token] back"),
        ("Basic dXNlcjpwYXNz", "Basic [token]"),
        ("x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl y", "x [token] y"),
        ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "[token]"),
        ("key sk_live_51H8abcdefghij", "key [token]"),
        ("ppt_Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4", "[token]"),
        ("xoxb-123456789012-abcdefghij", "[token]"),
    ]);
}

#[test]
fn values_of_secret_keys_go_however_they_are_written() {
    becomes(&[
        ("password=hunter2 user=x", "password=[filtered] user=x"),
        ("x-api-key: k1", "x-api-key: [filtered]"),
        ("Authorization: Bearer abc def", "Authorization: [filtered]"),
        ("access_token => Bearer abc, then", "access_token => [filtered], then"),
        ("Cookie: a=1; b=2\nHost: x", "Cookie: [filtered]\nHost: x"),
        (r#"{"Password":"a\"b","user":"x"}"#, r#"{"Password":"[filtered]","user":"x"}"#),
        (r#"{\"apiKey\":\"abc\",\"n\":1}"#, r#"{\"apiKey\":\"[filtered]\",\"n\":1}"#),
        (r#"credentials: {"a":"}","b":[1]} end"#, "credentials: [filtered] end"),
        ("Login { password: abc, name: x }", "Login { password: [filtered], name: x }"),
        ("cvv=123&name=x", "cvv=[filtered]&name=x"),
        ("4111111111111111-token=abc", "[card]-token=[filtered]"),
    ]);
}

#[test]
fn urls_keep_host_path_and_keys() {
    becomes(&[
        ("https://user:pa@ss@db.example/x", "https://[filtered]@db.example/x"),
        ("https://0123456789abcdef@o1.ingest.sentry.io/42", "https://[filtered]@o1.ingest.sentry.io/42"),
        ("POST https://hooks.slack.com/services/T0/B0/xyz failed", "POST https://hooks.slack.com/[filtered] failed"),
        ("https://discord.com/api/webhooks/1/abc?wait=1", "https://discord.com/api/webhooks/[filtered]"),
        ("/search?q=thandi&page=2&name=", "/search?q=[filtered]&page=2&name="),
        ("/x?page=0821234567&sort=a%20b", "/x?page=[filtered]&sort=[filtered]"),
        ("/x?thandi@example.com&a=1#access_token=abc", "/x?[email]&a=[filtered]#access_token=[filtered]"),
        (r#"<a href="https://x.example/?reset=abc">"#, r#"<a href="https://x.example/?reset=[filtered]">"#),
    ]);
}

#[test]
fn what_operators_need_stays() {
    stays(&[
        "at 1772366400000 ms, 1772366400 s, 1772366400000000 µs",
        "1772366400000-1772366460000",
        "2026-03-01T12:00:00.000Z 2026-03-01 12:00:00 2026-03-01 2026-03-02 +02:00 +0200",
        "550e8400-e29b-41d4-a716-446655440000 and 018f4e66-0000-7000-8000-000000000001",
        "alr_0123456789abcdef0123 msg_08212345670821234567 0821234567abcdef",
        "booking 4711, BK-20260301-0042, BK2026-000123, INV-000123456, REF 100000123456",
        "196.25.1.200 10.0.0.1:8787 2001:db8::1 ::ffff:196.25.1.1",
        "worker@0.8.7, user@localhost, @scope/pkg, 5 @ 12",
        "http_requests_total{route=\"/bookings/:id\",class=\"5xx\"} 12",
        "GET https://book.example.co.za/bookings/4711 -> 502 in 1250 ms",
        "what? a=b, is it? yes",
        "src/web/auth.rs:12:5 called auth::login, session timed out",
        "bearer of news, Basic Authentication required, token expired",
        "R 14 250,00 of R 412 300,00 (3.5 %) 200 5316 1024",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "Zoë's coiffeur ☂ 予約 [draft] [1]",
        "",
    ]);
}

#[test]
fn configured_keys_add_to_the_built_in_ones() {
    let scrubber = Scrubber::new(&["Salon_Code".to_owned(), String::new()]);
    assert_eq!(scrubber.text("salon-code=7 password=8 other=9"), "salon-code=[filtered] password=[filtered] other=9");
}

#[test]
fn a_short_key_must_be_a_whole_part_of_the_key() {
    let scrubber = Scrubber::new(&["pan".to_owned()]);
    for key in ["pan", "card_pan", "cardPan", "CARD-PAN", "pan2", "Cvv", "cvv2"] {
        assert!(scrubber.is_secret(key), "{key}");
    }
    for key in ["company", "timespan", "expand", "panel"] {
        assert!(!scrubber.is_secret(key), "{key}");
    }
}

#[test]
fn headers_that_name_the_client_or_a_secret_are_filtered() {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let shown = Scrubber::new(&[]).headers(&[
        header("Accept", "text/html"),
        header("Cookie", "a=b"),
        header("X-Forwarded-For", "196.25.1.1"),
        header("Referer", "https://x.example/?email=a@b.co"),
    ]);
    assert_eq!(
        shown,
        [
            header("Accept", "text/html"),
            header("Cookie", "[filtered]"),
            header("X-Forwarded-For", "[filtered]"),
            header("Referer", "https://x.example/?email=[filtered]"),
        ]
    );
}

#[test]
fn json_is_scrubbed_by_key_and_by_value() {
    let value = json!({
        "user": {"password": "x", "has_password": true, "mail": "a@b.co"},
        "numbers": [4_111_111_111_111_111_u64, 1_772_366_400_000_u64, 8_001_015_009_087_u64, 4.111_111_111_111_111, -5],
        "tokens": ["a", "b"], "session": null, "a@b.co": 1,
    });
    let expected = json!({
        "user": {"password": "[filtered]", "has_password": true, "mail": "[email]"},
        "numbers": ["[card]", 1_772_366_400_000_u64, "[id]", 4.111_111_111_111_111, -5],
        "tokens": "[filtered]", "session": null, "[email]": 1,
    });
    let scrubber = Scrubber::new(&[]);
    assert_eq!(scrubber.json(value), expected);
    assert_eq!(scrubber.json(expected.clone()), expected);
}

#[test]
fn json_beyond_the_depth_is_filtered_whole() {
    let deep = (0..100).fold(json!("secret in the deep"), |inner, _| json!([inner]));
    let shown = Scrubber::new(&[]).json(deep).to_string();
    assert_eq!(shown, format!("{}\"[filtered]\"{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)));
}

#[test]
fn a_long_text_is_cut_before_the_address_it_would_halve() {
    let text = format!("{} thandi@example.co.za", "x".repeat(MAX_TEXT_BYTES - 10));
    assert_eq!(scrubbed(&text), format!("{}…", "x".repeat(MAX_TEXT_BYTES - 10)));
    let umlauts = "ü".repeat(MAX_TEXT_BYTES);
    assert_eq!(scrubbed(&umlauts).chars().count(), MAX_TEXT_BYTES / 2 + 1);
}

#[test]
fn every_marker_is_known_by_its_text() {
    for marker in Marker::ALL {
        assert_eq!(Marker::starting(marker.as_str()), Some(marker));
        stays(&[marker.as_str()]);
    }
    assert_eq!(Marker::starting("[x]"), None);
}

/// Digits with the check digit that makes them pass the Luhn test.
fn with_check_digit(mut digits: Vec<u8>) -> String {
    let sum: u32 = digits.iter().rev().enumerate().fold(0, |sum, (place, digit)| {
        let weighed = u32::from(*digit) * if place % 2 == 0 { 2 } else { 1 };
        sum + weighed / 10 + weighed % 10
    });
    digits.push(u8::try_from((10 - sum % 10) % 10).unwrap());
    digits.iter().map(|digit| char::from(b'0' + digit)).collect()
}

fn in_groups_of(digits: &str, size: usize, separator: &str) -> String {
    digits.as_bytes().chunks(size).map(|group| std::str::from_utf8(group).unwrap()).collect::<Vec<_>>().join(separator)
}

fn any_card() -> impl Strategy<Value = String> {
    let digits = (2_u8..=9, prop::collection::vec(0_u8..10, 11..=17)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        with_check_digit(rest)
    });
    let print = prop::sample::select(vec![(19, ""), (4, " "), (4, "-"), (5, " "), (3, "-")]);
    (digits, print).prop_map(|(digits, (size, separator))| in_groups_of(&digits, size, separator))
}

fn any_id_number() -> impl Strategy<Value = String> {
    (0_u8..100, 1_u8..=12, 1_u8..=28, 0_u16..10_000, 0_u8..=2, 0_u8..10).prop_map(|(year, month, day, sequence, citizenship, other)| {
        let text = format!("{year:02}{month:02}{day:02}{sequence:04}{citizenship}{other}");
        with_check_digit(text.bytes().map(|byte| byte - b'0').collect())
    })
}

/// Text that knows the scanners' weak spots: separators, markers, prefixes of everything.
fn any_noise() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "Z",
        "_",
        "-",
        " ",
        ".",
        ",",
        ";",
        ":",
        "=",
        "&",
        "?",
        "@",
        "%40",
        "+",
        "/",
        "://",
        "\"",
        "'",
        "\\",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "\n",
        "0",
        "1",
        "27",
        "082",
        "4111",
        "4111111111111111",
        "8001015009087",
        "0821234567",
        "123 4567",
        "+27",
        "token",
        "password",
        "api",
        "key",
        "Bearer",
        "basic",
        "Cookie",
        "eyJ",
        "eyJhbGciOi",
        "sk_live_",
        "abcdefgh1",
        "https",
        "hooks.",
        "/webhooks/",
        "x.com",
        "foo@x.com",
        "page",
        "[card]",
        "[filtered]",
        "[email",
        "550e8400-e29b-41d4-a716-446655440000",
        "\u{a0}",
        "é",
        "☂",
        "\u{2011}",
    ];
    prop_oneof![
        4 => prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn scrubbing_twice_is_scrubbing_once(text in any_noise()) {
        let once = scrubbed(&text);
        prop_assert_eq!(scrubbed(&once), once);
    }

    #[test]
    fn any_text_is_scrubbed_without_a_panic_and_within_its_bound(text in any::<String>(), times in 1_usize..400) {
        let long = text.repeat(times);
        prop_assert!(scrubbed(&long).len() <= 4 * MAX_TEXT_BYTES + 4);
    }

    #[test]
    fn a_planted_card_never_comes_out(before in any_noise(), card in any_card(), after in any_noise()) {
        let text = format!("{before}\n{card}\n{after}");
        prop_assert!(!scrubbed(&text).contains(&card), "{text}");
    }

    #[test]
    fn a_planted_id_number_never_comes_out(before in any_noise(), id in any_id_number(), after in any_noise()) {
        let text = format!("{before} {id}/{after}");
        prop_assert!(!scrubbed(&text).contains(&id), "{text}");
    }

    #[test]
    fn a_planted_address_never_comes_out(before in any_noise(), local in "[a-z][a-z0-9._+-]{0,20}", host in "[a-z]{2,10}", after in any_noise()) {
        let address = format!("{local}@{host}.co.za");
        let text = format!("{before}{address}{after}");
        prop_assert!(!scrubbed(&text).contains(&address), "{text}");
    }

    #[test]
    fn a_planted_phone_number_never_comes_out(before in any_noise(), number in 100_000_000_u32..900_000_000, after in any_noise()) {
        for phone in [format!("+27{number}"), format!("0{number}")] {
            let text = format!("{before}\n{phone}\n{after}");
            prop_assert!(!scrubbed(&text).contains(&phone), "{text}");
        }
    }

    #[test]
    fn the_value_of_a_secret_key_never_comes_out(before in any_noise(), key in prop::sample::select(SECRET_KEYS.to_vec()), value in "[A-Z]{9}[a-z0-9]{3}") {
        for text in [format!("{before}\n{key}={value} x"), format!("{before}\n\"{key}\": \"{value}\""), format!("{before} ?{key}={value}&a=b")] {
            prop_assert!(!scrubbed(&text).contains(&value), "{text}");
        }
    }
}
