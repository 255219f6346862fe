//! Templates in a rule's texts: `{{ value }} of requests fail on {{ labels.route }}`.
//!
//! Two braces, a name, two braces, and nothing else: no condition, no function, so whatever was checked here renders. What the names
//! stand for is said by [`crate::alert::texts`]. Invariant: the pieces of a text, put together, are the text.

/// What a template may name beside `labels.…`; spaces around a name are free.
pub const NAMES: [&str; 9] = ["value", "threshold", "peak", "since", "lasted", "name", "rule", "severity", "environment"];

/// Before the name of a label.
pub const LABEL: &str = "labels.";

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// `{{ name }}`.
    Hole {
        /// With its braces.
        whole: &'a str,
        /// What is named.
        name: &'a str,
    },
    /// Two braces that nothing closes, up to the next two or the end.
    Unclosed(&'a str),
}

/// The pieces of a text, in order.
#[derive(Debug)]
pub struct Pieces<'a>(&'a str);

/// The pieces of `text`.
pub fn pieces(text: &str) -> Pieces<'_> {
    Pieces(text)
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let opens_at = |text: &str| text.find("{{").unwrap_or(text.len());
        let (before, from) = self.0.split_at_checked(opens_at(self.0))?;
        if !before.is_empty() {
            self.0 = from;
            return Some(Piece::Text(before));
        }
        let inside = from.get(2..)?;
        let next_opens_at = opens_at(inside);
        let closes_at = inside.find("}}").filter(|at| *at < next_opens_at);
        let (whole, rest) = from.split_at_checked(closes_at.map_or(2 + next_opens_at, |at| at + 4))?;
        self.0 = rest;
        Some(match closes_at.and_then(|at| inside.get(..at)) {
            Some(name) => Piece::Hole { whole, name: name.trim() },
            None => Piece::Unclosed(whole),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn braces_make_holes_and_the_rest_is_text() {
        use Piece::{Hole, Text, Unclosed};
        for (text, expected) in [
            ("", vec![]),
            ("all is { well }", vec![Text("all is { well }")]),
            ("{{value}}", vec![Hole { whole: "{{value}}", name: "value" }]),
            ("a {{ labels.x }} b", vec![Text("a "), Hole { whole: "{{ labels.x }}", name: "labels.x" }, Text(" b")]),
            ("a {{ value", vec![Text("a "), Unclosed("{{ value")]),
            ("{{ a {{ b }}", vec![Unclosed("{{ a "), Hole { whole: "{{ b }}", name: "b" }]),
            ("{{}}}}", vec![Hole { whole: "{{}}", name: "" }, Text("}}")]),
            ("{{", vec![Unclosed("{{")]),
        ] {
            assert_eq!(pieces(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_text(text in "[{}a é.]{0,20}") {
            let together: String = pieces(&text).map(|piece| match piece {
                Piece::Text(part) | Piece::Unclosed(part) | Piece::Hole { whole: part, .. } => part,
            }).collect();
            prop_assert_eq!(together, text);
        }
    }
}
