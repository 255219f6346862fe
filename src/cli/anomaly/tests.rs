//! Scores of a file of points, and what is no such file.

use std::fmt::Write as _;

use super::*;

fn judged(text: &str) -> Result<String, String> {
    let mut out = Vec::new();
    match judge(text.as_bytes(), &mut out) {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(Stop::Bad { line, why }) => Err(format!("{line}: {why}")),
        Err(Stop::Closed) => panic!("a Vec never closes"),
    }
}

#[test]
fn every_row_is_printed_as_it_was_with_score_and_alarm() {
    let mut text = String::from("timestamp,value\n");
    for minute in 0..300_u32 {
        let value = if minute == 250 { 900 } else { 100 + minute % 7 };
        writeln!(text, "2026-03-01 {:02}:{:02}:00,{value}", minute / 60, minute % 60).unwrap();
    }
    let printed = judged(&text).unwrap();
    let rows: Vec<&str> = printed.lines().collect();
    assert_eq!((rows.len(), rows[0], rows[1]), (301, "timestamp,value,score,alarm", "2026-03-01 00:00:00,100,0.000000,0"));
    let alarms: Vec<&&str> = rows.iter().filter(|row| row.ends_with(",1")).collect();
    assert_eq!(alarms.len(), 1);
    assert!(alarms[0].starts_with("2026-03-01 04:10:00,900,0.9"), "{alarms:?}");
}

#[test]
fn the_three_ways_to_write_a_moment_mean_the_same() {
    for text in ["2026-03-01 12:00:00", "2026-03-01 12:00:00.000000", "2026-03-01T14:00:00+02:00", "2026-03-01T12:00:00Z", "1772366400"] {
        assert_eq!(moment(text).unwrap().rfc3339(), "2026-03-01T12:00:00.000Z", "{text}");
    }
}

#[test]
fn line_ends_blank_lines_and_a_byte_order_mark_do_not_matter() {
    let printed = judged("\u{feff}timestamp,value\r\n1772366400,1.50\r\n\r\n").unwrap();
    assert_eq!(printed, "timestamp,value,score,alarm\n1772366400,1.50,0.000000,0\n");
}

#[test]
fn a_bad_row_says_its_line_what_is_wrong_and_what_to_do() {
    for (text, message) in [
        ("", r#"1: the header is ""; write `timestamp,value` as the first line"#),
        ("time,n\n1,2\n", r#"1: the header is "time,n"; write `timestamp,value` as the first line"#),
        ("timestamp,value\n1,2\n7\n", r#"3: "7" is not two columns; write one timestamp, a comma and one value"#),
        ("timestamp,value\n1,2,3\n", r#"2: "1,2,3" is not two columns; write one timestamp, a comma and one value"#),
        (
            "timestamp,value\n01/03/2026,2\n",
            r#"2: "01/03/2026" is not a time; write 2026-03-01 14:05:00 (UTC), 2026-03-01T14:05:00+02:00, or seconds since 1970"#,
        ),
        ("timestamp,value\n1,2\n2,\n", r#"3: "" is not a number; write one such as 12.5, or leave the row out"#),
        ("timestamp,value\n1,NaN\n", r#"2: "NaN" is not a number; write one such as 12.5, or leave the row out"#),
        ("timestamp,value\n1,\u{1b}[31m\n", r#"2: "\u{1b}[31m" is not a number; write one such as 12.5, or leave the row out"#),
    ] {
        assert_eq!(judged(text).unwrap_err(), message, "{text:?}");
    }
}

#[test]
fn several_files_are_told_apart_and_a_missing_one_is_an_error() {
    let args = |files: &[&str]| Args { files: files.iter().map(PathBuf::from).collect() };
    let mut out = Vec::new();
    caption(&args(&["a.csv"]), Path::new("a.csv"), &mut out).unwrap();
    assert!(out.is_empty());
    caption(&args(&["a.csv", "b.csv"]), Path::new("a.csv"), &mut out).unwrap();
    assert_eq!(out, b"# a.csv\n");
    assert_eq!(run(&args(&["no/such/file.csv"])), Exit::Unreadable);
}
