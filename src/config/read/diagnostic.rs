//! One mistake in one file, and the three ways to print it: for people, for programs, for GitHub.
//!
//! Lines and columns count from 1, columns in characters. Printed lines are cut to `SHOWN_CHARS` around the mistake, so
//! a minified file stays readable.

use std::fmt::Write as _;

/// Characters of a source line that are printed.
const SHOWN_CHARS: usize = 140;

/// A mistake, where it is and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Diagnostic {
    /// The file, as the reader was given it.
    pub file: String,
    /// 1-based; 0 when the mistake is the file itself (missing, unknown).
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub width: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// The line it stands on.
    pub source: String,
}

/// Whether a text carries terminal colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Plain text.
    Plain,
    /// ANSI escapes.
    Ansi,
}

impl Diagnostic {
    /// The message, the place, the line with a caret below, the fix.
    pub fn text(&self, paint: Paint) -> String {
        let [red, blue, bold, off] = match paint {
            Paint::Plain => [""; 4],
            Paint::Ansi => ["\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"],
        };
        let mut out = format!("{red}error{off}{bold}: {}{off}\n", self.message);
        if self.line == 0 {
            let _ = write!(out, " {blue}-->{off} {}\n  {blue}={off} {}\n", self.file, self.fix);
            return out;
        }
        let gutter = self.line.to_string().len();
        let (shown, column) = self.shown();
        let width = self.width.clamp(1, shown.chars().count().saturating_sub(column - 1).max(1));
        let _ = writeln!(out, "{:gutter$}{blue}-->{off} {}:{}:{}", "", self.file, self.line, self.column);
        let _ = writeln!(out, "{blue}{:gutter$} |{off}", "");
        let _ = writeln!(out, "{blue}{} |{off} {shown}", self.line);
        let _ = writeln!(out, "{blue}{:gutter$} |{off} {:indent$}{red}{}{off}", "", "", "^".repeat(width), indent = column - 1);
        let _ = writeln!(out, "{blue}{:gutter$} ={off} {}", "", self.fix);
        out
    }

    /// The part of the line around the mistake, tabs as spaces, and the mistake's column in it.
    fn shown(&self) -> (String, usize) {
        let column = self.column.max(1);
        let skipped = if self.source.chars().count() <= SHOWN_CHARS { 0 } else { column.saturating_sub(SHOWN_CHARS / 2) };
        let shown = self.source.chars().skip(skipped).take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
        (shown, column - skipped)
    }

    /// A workflow command of GitHub Actions, which puts the mistake on the pull request's line.
    pub fn github(&self) -> String {
        let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
        format!(
            "::error file={},line={},col={},endColumn={},title={}::{}",
            property(&self.file),
            self.line.max(1),
            self.column.max(1),
            self.column.max(1) + self.width,
            property("monitoring configuration"),
            data(&format!("{}. {}", self.message, self.fix))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake() -> Diagnostic {
        Diagnostic {
            file: "monitoring/a,b.yaml".into(),
            line: 12,
            column: 5,
            width: 7,
            message: "unknown key `severty`".into(),
            fix: "did you mean `severity`?".into(),
            source: "    severty: 100%".into(),
        }
    }

    #[test]
    fn people_see_the_line_with_a_caret() {
        insta::assert_snapshot!(mistake().text(Paint::Plain), @r"
        error: unknown key `severty`
          --> monitoring/a,b.yaml:12:5
           |
        12 |     severty: 100%
           |     ^^^^^^^
           = did you mean `severity`?
        ");
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let painted = mistake().text(Paint::Ansi);
        let plain = ["\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"].iter().fold(painted.clone(), |text, code| text.replace(code, ""));
        assert_ne!(painted, plain);
        assert_eq!(plain, mistake().text(Paint::Plain));
    }

    #[test]
    fn github_gets_its_separators_escaped() {
        insta::assert_snapshot!(mistake().github(), @"::error file=monitoring/a%2Cb.yaml,line=12,col=5,endColumn=12,title=monitoring configuration::unknown key `severty`. did you mean `severity`?");
    }

    #[test]
    fn a_long_line_is_cut_around_the_mistake() {
        let long = Diagnostic { column: 5_001, source: format!("{}wrong{}", "x".repeat(5_000), "y".repeat(5_000)), ..mistake() };
        let text = long.text(Paint::Plain);
        assert!(text.lines().all(|line| line.chars().count() < SHOWN_CHARS + 20), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[3].find("wrong").unwrap(), lines[4].find('^').unwrap());
    }
}
