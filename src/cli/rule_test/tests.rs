//! The shipped tests of the shipped rules, and what people see of a test that fails.

use super::*;
use crate::config::alerting::Rule;
use crate::time::HOUR_MS;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring")
}

fn shipped() -> (Vec<Source>, BTreeMap<&'static str, Config>) {
    let sources = sources(&folder().join(FOLDER)).unwrap();
    let configs = configs(&folder(), &sources).unwrap_or_default();
    (sources, configs)
}

fn ran(sources: &[Source], configs: &BTreeMap<&'static str, Config>) -> Vec<(String, Outcome)> {
    sources.iter().map(|source| (base(&source.name), run_file(source, configs))).collect()
}

fn base(name: &str) -> String {
    Path::new(name).file_name().unwrap().to_string_lossy().into_owned()
}

fn uncoloured(text: &str) -> String {
    [RED, GREEN, OFF].iter().fold(text.to_owned(), |text, code| text.replace(code, ""))
}

#[test]
fn every_shipped_test_passes() {
    let (sources, configs) = shipped();
    let ran = ran(&sources, &configs);
    let failed: String = ran.iter().filter(|(_, outcome)| !is_well(outcome)).map(|(name, outcome)| text(name, outcome)).collect();
    assert!(failed.is_empty(), "{failed}");
    assert!(closing(&ran).ends_with("tests passed."), "{}", closing(&ran));
}

/// The shipped tests, read, that look at one rule.
fn tests_of(rule: &str, sources: &[Source], configs: &BTreeMap<&'static str, Config>) -> Vec<(&'static str, Test)> {
    let read = |source: &Source| {
        let environment = file::environment(source).as_str();
        file::read(source, &configs[environment]).unwrap().into_iter().map(move |test| (environment, test)).collect::<Vec<_>>()
    };
    sources.iter().flat_map(read).filter(|(_, test)| test.rules.iter().any(|known| known == rule)).collect()
}

#[test]
fn every_shipped_rule_is_seen_firing_and_seen_not_firing_by_a_shipped_test() {
    let (sources, configs) = shipped();
    for rule in &configs["production"].alerting.rules {
        let tests = tests_of(&rule.id, &sources, &configs);
        let expectations = || tests.iter().flat_map(|(_, test)| &test.expect).filter_map(|expected| expected.alerts.as_ref());
        let fires = |alerts: &&Vec<file::ExpectedAlert>| {
            alerts.iter().any(|alert| alert.rule == rule.id && alert.state == crate::alert::incident::Phase::Firing)
        };
        assert!(expectations().any(|alerts| fires(&alerts)), "no shipped test expects {} to fire: add one to monitoring/tests/", rule.id);
        assert!(
            expectations().any(|alerts| !fires(&alerts)),
            "no shipped test expects {} not to fire: add one to monitoring/tests/",
            rule.id
        );
    }
}

#[test]
fn a_shipped_rule_that_waits_or_keeps_firing_longer_fails_its_tests() {
    let (sources, configs) = shipped();
    let waits = |rule: &mut Rule| rule.for_ms += HOUR_MS;
    let keeps_firing = |rule: &mut Rule| rule.keep_firing_for_ms += HOUR_MS;
    for (index, shipped) in configs["production"].alerting.rules.iter().enumerate() {
        for (what, change) in [("waits", &waits as &dyn Fn(&mut Rule)), ("keeps firing", &keeps_firing)] {
            let mut changed = configs["production"].clone();
            change(&mut changed.alerting.rules[index]);
            let noticed = tests_of(&shipped.id, &sources, &configs).iter().any(|(_, test)| !run::run(test, &changed).is_empty());
            assert!(noticed, "{} {what} an hour longer, and no shipped test notices", shipped.id);
        }
    }
}

/// `site.yaml` with one text instead of another.
fn edited(from: &str, to: &str) -> Vec<(String, Outcome)> {
    let (mut sources, configs) = shipped();
    sources.retain(|source| source.name.ends_with("site.yaml"));
    assert!(sources[0].text.contains(from), "{from}");
    sources[0].text = sources[0].text.replacen(from, to, 1);
    // The first test alone: the others would only repeat themselves.
    let end = sources[0].text.match_indices("\n  - name:").nth(1).unwrap().0;
    sources[0].text.truncate(end + 1);
    ran(&sources, &configs)
}

#[test]
fn a_failure_shows_line_time_expected_and_got_lined_up() {
    let ran = edited("state: firing, value: 0.08, labels: { team: ops,", "state: pending, value: 0.09, labels: { team: dev,");
    insta::assert_snapshot!(text_of(&ran));
    assert_eq!(closing(&ran), "1 of 1 tests failed. `-` was expected, `+` is what the rules did.");
}

/// Where the first test expects nobody to be told.
const QUIET: [(&str, i64); 2] = [("notifications", 8), ("notifications", 16)];

#[test]
fn every_failure_of_a_test_is_shown() {
    let ran = edited("reason: resolved", "reason: first");
    let both = edited("channel: sentry", "channel: slack-default");
    let failures = |ran: &[(String, Outcome)]| match &ran[0].1 {
        Outcome::Ran(tests) => tests[0].failures.iter().map(|failure| (failure.about, failure.at_ms / MINUTE_MS)).collect::<Vec<_>>(),
        Outcome::Mistakes(mistakes) => panic!("{mistakes:?}"),
    };
    assert_eq!(failures(&ran), [("notifications", 17)]);
    assert_eq!(failures(&both), [("notifications", 9)]);
    let all = edited("values: 0x4 10x4", "values: 0x4 0x4");
    assert_eq!(
        failures(&all),
        [8, 9, 16, 17, 18]
            .into_iter()
            .flat_map(|at| [("alerts", at), ("notifications", at)])
            .filter(|of| !QUIET.contains(of))
            .collect::<Vec<_>>(),
        "{}",
        uncoloured(&text("site.yaml", &all[0].1))
    );
}

#[test]
fn programs_get_one_versioned_document() {
    let document = json(&edited("state: firing, value: 0.08", "state: pending, value: 0.08"));
    assert_eq!(document["schema"], 1);
    let test = &document["files"][0]["tests"][0];
    assert_eq!(
        (&test["passed"], &test["failures"][0]["at_ms"], &test["failures"][0]["about"]),
        (&false.into(), &540_000.into(), &"alerts".into())
    );
    let found: Vec<_> = test["failures"][0]["rows"].as_array().unwrap().iter().map(|row| row["found"].as_str().unwrap()).collect();
    assert_eq!(found, ["missing", "unexpected", "as_expected"]);
}

#[test]
fn a_file_with_mistakes_does_not_run_and_the_others_do() {
    let (mut sources, configs) = shipped();
    sources.retain(|source| source.name.ends_with("own.yaml"));
    sources.push(Source { name: "bad.yaml".into(), text: "tests: 5\n".into() });
    let ran = ran(&sources, &configs);
    assert!(text(&ran[1].0, &ran[1].1).contains("bad.yaml:1:8"), "{}", text(&ran[1].0, &ran[1].1));
    assert_eq!(closing(&ran), "3 tests passed. 1 of 2 files did not run: correct the mistakes above.");
    assert_eq!(ran.iter().map(|(_, outcome)| is_well(outcome)).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn the_test_the_readme_shows_passes() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let text = readme.split("```yaml\n").find(|block| block.starts_with("tests:")).unwrap().split("```").next().unwrap().to_owned();
    let (_, configs) = shipped();
    let ran = ran(&[Source { name: "README.md".into(), text }], &configs);
    assert!(is_well(&ran[0].1), "{}", text_of(&ran));
}

fn text_of(ran: &[(String, Outcome)]) -> String {
    ran.iter().map(|(name, outcome)| uncoloured(&text(name, outcome))).collect()
}
