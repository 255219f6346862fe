//! promtool's notation of series, form by form.

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> String {
    let word = |value: &Option<f64>| value.map_or("_".to_owned(), |value| value.to_string());
    samples(text).unwrap().iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_forms_of_promtool_mean_here_what_they_mean_there() {
    for (text, samples) in [
        ("1", "1"),
        ("1 2.5 -3", "1 2.5 -3"),
        ("-2+4x3", "-2 2 6 10"),
        ("1-2x4", "1 -1 -3 -5 -7"),
        ("1x4", "1 1 1 1 1"),
        ("1x0", "1"),
        ("3+0x2", "3 3 3"),
        ("_x3", "_ _ _"),
        ("1 _x3", "1 _ _ _"),
        ("1+1x2 _ stale 3x2", "1 2 3 _ _ 3 3 3"),
        ("0.5+0.25x2", "0.5 0.75 1"),
        ("1e3 1e-1 2e+1+1e1x1", "1000 0.1 20 30"),
        ("  7\t8\n9 ", "7 8 9"),
    ] {
        assert_eq!(read(text), samples, "{text}");
    }
}

#[test]
fn what_is_no_sample_says_where_and_what_to_write() {
    for (text, at, width, fix) in [
        ("1 two 3", 2, 3, "write samples such as"),
        ("1+1", 0, 3, "say how often: `1+1x5`"),
        ("1 1+1xtwo", 2, 7, "after the `x` comes a whole number"),
        ("stalex3", 0, 7, "`stale` stands alone"),
        ("é NaN", 0, 1, "write samples"),
        ("1 Inf", 2, 3, "write samples"),
        ("1 2+x3", 2, 4, "write samples"),
        ("1 2+ 3", 2, 2, "write samples"),
        ("1+-1x2", 0, 6, "write samples"),
        ("", 0, 1, "write samples"),
        ("0x100000", 0, 8, "use a wider interval"),
        ("0x99999999999999999999", 0, 22, "after the `x`"),
    ] {
        let unread = samples(text).unwrap_err();
        assert_eq!((unread.at, unread.width), (at, width), "{text}: {unread:?}");
        assert!(unread.fix.starts_with(fix), "{text}: {unread:?}");
    }
}

#[test]
fn series_are_read_as_prometheus_writes_them() {
    let labels = |text: &str| series(text).unwrap().1;
    assert_eq!(series("up").unwrap(), ("up".to_owned(), vec![]));
    assert_eq!(labels("a_total{}"), vec![]);
    assert_eq!(labels(r#"a{b="1", c="x\"y\\z\n",}"#), [("b".to_owned(), "1".to_owned()), ("c".to_owned(), "x\"y\\z\n".to_owned())]);
    for (text, at, message) in [
        ("{a=\"1\"}", 0, "this is no metric name"),
        ("9a", 0, "this is no metric name"),
        ("a b", 2, "labels begin with"),
        ("a{b}", 3, "`=` is expected here"),
        ("a{b!=\"1\"}", 3, "`=` is expected here"),
        ("a{b=1}", 4, "a value in double quotes"),
        ("a{b=\"1\"", 6, "`,` or `}`"),
        ("a{b=\"1\",b=\"2\"}", 8, "the label `b` is written twice"),
        ("a{b=\"1\"} x", 9, "nothing more"),
    ] {
        let unread = series(text).unwrap_err();
        assert!(unread.at == at && unread.message.starts_with(message), "{text}: {unread:?}");
    }
}

proptest! {
    #[test]
    fn a_series_reads_as_its_key_prints(name in "[a-z_][a-z0-9_]{0,8}", labels in prop::collection::vec(("[a-z]{1,3}", "[ -~\n]{0,6}"), 0..4)) {
        let key = key(Kind::Counter, &name, &labels);
        let (name, labels) = series(&key.canonical()).unwrap();
        prop_assert_eq!(super::key(Kind::Counter, &name, &labels), key);
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,20}") {
        let _ = (samples(&text), series(&text));
    }
}
