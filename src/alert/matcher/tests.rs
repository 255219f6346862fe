//! What matchers read, match and refuse.

use proptest::prelude::*;

use super::*;

fn labels(of: &[(&str, &str)]) -> Map<String, String> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_operator_reads_back() {
    for operator in Operator::ALL {
        assert_eq!(Operator::from_str(operator.as_str()), Some(operator));
    }
}

#[test]
fn matchers_mean_what_alertmanagers_do() {
    let alert = labels(&[("rule", "api-error-rate"), ("severity", "critical"), ("host", "a.b")]);
    for (text, expected) in [
        ("severity=critical", true),
        ("severity=\"critical\"", true),
        (" severity = \"critical\" ", true),
        ("severity=warning", false),
        ("severity!=warning", true),
        ("severity!=critical", false),
        // A star is any text.
        ("rule=api-*", true),
        ("rule=*rate", true),
        ("rule=*error*", true),
        ("rule=web-*", false),
        ("rule!=api-*", false),
        // What an alert does not have is empty.
        ("team=\"\"", true),
        ("team!=ops", true),
        ("team=ops", false),
        ("team=~.*", true),
        ("team=~.+", false),
        // Regular expressions are anchored.
        ("rule=~api", false),
        ("rule=~api-.*", true),
        ("rule=~^api-.*$", true),
        ("rule=~web|api-.+", true),
        ("rule=~(web|api-error-rate)", true),
        ("rule=~(?:web|api-error-rat.)", true),
        ("rule!~web|mail", true),
        ("host=~a\\.b", true),
        ("host=~\"a\\\\.b\"", true),
        ("host=~\"a\\.b\"", true),
        ("rule=~api\\.error.rate", false),
        ("rule=~", false),
        ("team=~", true),
    ] {
        assert_eq!(Matcher::parse(text).unwrap().matches(&alert), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_translated_is_refused_with_its_place() {
    for (text, found, at) in [
        ("rule=~api-[ab]", '[', 5),
        ("rule=~ab?", '?', 3),
        ("rule=~a*", '*', 2),
        ("rule=~a(b|c)d", '(', 2),
        ("rule=~^(a|b(c))$", '(', 6),
        ("rule=~a\\d", 'd', 2),
        ("rule!~(?i)x", '(', 1),
        ("rule=~x{2}", '{', 2),
    ] {
        match Matcher::parse(text) {
            Err(MatcherError::Unsupported { found: what, at: place, .. }) => assert_eq!((what, place), (found, at), "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    let said = Matcher::parse("rule=~[a]").unwrap_err().to_string();
    assert!(said.starts_with("`[` at character 1 of `[a]` is not supported") && said.contains("`api-.*|web`"), "{said}");
    assert!(matches!(Matcher::parse("severity"), Err(MatcherError::NoOperator { .. })));
    assert!(matches!(Matcher::parse("severity!critical"), Err(MatcherError::NoOperator { .. })));
    assert!(matches!(Matcher::parse("=critical"), Err(MatcherError::BadName { .. })));
    assert!(matches!(Matcher::parse("a b=critical"), Err(MatcherError::BadName { .. })));
    assert!(matches!(Matcher::parse("a=\"b"), Err(MatcherError::BadQuote { .. })));
    assert!(matches!(Matcher::parse("a=\"b\"c"), Err(MatcherError::BadQuote { .. })));
    assert!(matches!(Matcher::new("a", Operator::Equal, &"x".repeat(600)), Err(MatcherError::TooLong { .. })));
}

#[test]
fn a_set_is_read_with_and_without_braces_and_commas_in_quotes_are_text() {
    let texts = |set: &str| Matcher::parse_all(set).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts("{a=\"b\",c!=\"d\"}"), ["a=\"b\"", "c!=\"d\""]);
    assert_eq!(texts("a=b, c=~\"d,e\\\",f\","), ["a=\"b\"", "c=~\"d,e\\\",f\""]);
    assert_eq!(texts("{}"), Vec::<String>::new());
}

#[test]
fn the_json_form_is_alertmanagers() {
    let json = r#"{"name":"rule","value":"api-.*","isRegex":true,"isEqual":false}"#;
    let from = |text: &str| Matcher::from_parts(serde_json::from_str(text).unwrap());
    let matcher = from(json).unwrap();
    assert_eq!(matcher, Matcher::parse("rule!~api-.*").unwrap());
    assert_eq!(serde_json::to_string(&matcher).unwrap(), json);
    // Older clients send no `isEqual`.
    let old = from(r#"{"name":"rule","value":"a","isRegex":false}"#).unwrap();
    assert_eq!(old, Matcher::parse("rule=a").unwrap());
    assert!(from(r#"{"name":"rule","value":"[","isRegex":true}"#).is_err());
    assert_eq!(from(r#"{"name":7}"#).unwrap_err().to_string(), "it is not a matcher: /name: expected a text");
}

/// What [`fits`] means, written as plainly as can be.
fn plainly_fits(pattern: &[Piece], value: &[char]) -> bool {
    match (pattern.split_first(), value.split_first()) {
        (None, None) => true,
        (Some((Piece::AnyText, rest)), _) => (0..=value.len()).any(|skip| plainly_fits(rest, &value[skip..])),
        (None, Some(_)) | (Some(_), None) => false,
        (Some((Piece::AnyOne, pieces)), Some((_, chars))) => plainly_fits(pieces, chars),
        (Some((Piece::One(wanted), pieces)), Some((found, chars))) => wanted == found && plainly_fits(pieces, chars),
    }
}

proptest! {
    #[test]
    fn a_matchers_text_and_json_read_back_as_the_same(name in "[a-z_:.-]{1,8}", value in "\\PC{0,12}", at in 0_usize..4) {
        let Ok(matcher) = Matcher::new(&name, Operator::ALL[at], &value) else { return Ok(()) };
        prop_assert_eq!(&Matcher::parse(&matcher.to_string()).unwrap(), &matcher);
        let set = format!("{{{matcher},{matcher}}}");
        prop_assert_eq!(Matcher::parse_all(&set).unwrap(), vec![matcher.clone(), matcher.clone()]);
        let json = serde_json::to_value(&matcher).unwrap();
        prop_assert_eq!(Matcher::from_parts(json).unwrap(), matcher);
    }

    #[test]
    fn any_text_reads_or_is_refused_and_nothing_else(text in "\\PC{0,30}") {
        let _ = Matcher::parse_all(&text);
    }

    #[test]
    fn not_is_the_opposite(value in "[a-c.*|]{0,6}", label in "[a-c]{0,5}") {
        let alert = labels(&[("a", &label)]);
        for (yes, no) in [(Operator::Equal, Operator::NotEqual), (Operator::Matches, Operator::DoesNotMatch)] {
            if let (Ok(yes), Ok(no)) = (Matcher::new("a", yes, &value), Matcher::new("a", no, &value)) {
                prop_assert_ne!(yes.matches(&alert), no.matches(&alert));
            }
        }
    }

    #[test]
    fn a_pattern_takes_what_its_plain_meaning_takes(
        pattern in prop::collection::vec(prop::sample::select(vec![Piece::One('a'), Piece::One('b'), Piece::AnyOne, Piece::AnyText]), 0..7),
        value in "[abc]{0,8}",
    ) {
        let value: Vec<char> = value.chars().collect();
        prop_assert_eq!(fits(&pattern, &value), plainly_fits(&pattern, &value));
    }
}
