//! A file as a tree whose every part knows where it stands.
//!
//! One parser serves both formats, since JSON is YAML. In a `.json` file `// comments` and tabs are blanked first, one
//! space for one character, so places stay true. Values stay text here: whether `5` is a number or a mistake is for the
//! shape that is expected to say.

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::diagnostic::Diagnostic;

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name as diagnostics print it.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// The mistake at `place` of this file.
    pub(super) fn diagnostic(&self, place: Place, message: impl Into<String>, fix: impl Into<String>) -> Diagnostic {
        Diagnostic {
            file: self.name.clone(),
            line: place.line,
            column: place.column,
            width: place.width.max(1),
            message: message.into(),
            fix: fix.into(),
            source: place.line.checked_sub(1).and_then(|index| self.text.lines().nth(index)).unwrap_or_default().to_owned(),
        }
    }

    fn is_json(&self) -> bool {
        std::path::Path::new(&self.name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
    }
}

/// Where something stands; line 0 is the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Which of the files read.
    pub(super) file: usize,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) width: usize,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

/// What stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A scalar; `quoted` ones are text whatever they look like.
    Scalar {
        text: String,
        quoted: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Place,
    pub(super) node: Node,
}

impl Node {
    /// What it is, for "expected X, found …".
    pub(super) fn describe(&self) -> String {
        match &self.value {
            Value::Map(_) => "a map of keys".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Scalar { text, quoted: true } => format!("the text {text:?}"),
            Value::Scalar { .. } if self.is_empty() => "nothing".to_owned(),
            Value::Scalar { text, .. } => format!("`{text}`"),
        }
    }

    /// Whether nothing stands here: `key:` alone, `~` or `null`.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, quoted: false } if matches!(text.as_str(), "" | "~" | "null"))
    }
}

/// The tree of `source`, the `file`-th of those read. Mistakes of syntax go to `found`; after one there is no tree.
pub(super) fn parse(file: usize, source: &Source, found: &mut Vec<Diagnostic>) -> Option<Node> {
    let text = if source.is_json() { without_comments(&source.text) } else { source.text.clone() };
    if !source.is_json() && tabs(file, source, found) {
        return None;
    }
    let mut tree = Tree { file, source, found, open: Vec::new(), root: None };
    for next in Parser::new_from_str(&text) {
        match next {
            Ok((event, span)) => tree.take(event, span)?,
            Err(error) => {
                let line = error.marker().line();
                let place = Place { file, line, column: error.marker().col() + 1, width: 1 };
                let fix = if source.is_json() {
                    "check the commas, quotes and brackets here and on the line above"
                } else {
                    "check that this key lines up with its siblings, and the quotes and colons here and on the line above"
                };
                tree.found.push(source.diagnostic(place, format!("this does not parse: {}", error.info()), fix));
                return None;
            }
        }
    }
    let root = tree.root;
    if root.is_none() {
        found.push(source.diagnostic(
            Place { file, ..Place::default() },
            "the file is empty",
            "write its keys, or take it from the repository's history",
        ));
    }
    root
}

/// Reports every tab that indents a line: YAML forbids them, and its own message for that is obscure.
fn tabs(file: usize, source: &Source, found: &mut Vec<Diagnostic>) -> bool {
    let before = found.len();
    for (index, line) in source.text.lines().enumerate() {
        let indent: Vec<char> = line.chars().take_while(|c| c.is_whitespace()).collect();
        let rest_is_code = line.trim_start().chars().next().is_some_and(|c| c != '#');
        if let Some(column) = indent.iter().position(|c| *c == '\t').filter(|_| rest_is_code) {
            let place = Place { file, line: index + 1, column: column + 1, width: indent.len() - column };
            found.push(source.diagnostic(place, "a tab indents this line", "YAML wants spaces: two for each level"));
        }
    }
    found.len() > before
}

/// JSON with `// …` to the end of the line, and tabs, turned into spaces; text in quotes is left alone.
fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut comment) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => (quoted, comment) = (false, false),
            '/' if !quoted && chars.peek() == Some(&'/') => comment = true,
            '"' if !comment => quoted = !quoted,
            _ => {}
        }
        out.push(if comment || (c == '\t' && !quoted) { ' ' } else { c });
        if quoted && c == '\\' {
            out.extend(chars.next());
        }
    }
    out
}

/// A tree under construction: the containers that are open, innermost last.
struct Tree<'a> {
    file: usize,
    source: &'a Source,
    found: &'a mut Vec<Diagnostic>,
    open: Vec<Open>,
    root: Option<Node>,
}

enum Open {
    List(Place, Vec<Node>),
    Map(Place, Vec<Entry>, Option<(String, Place)>),
}

impl Tree<'_> {
    /// One event; `None` when what follows cannot be read.
    fn take(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let place = self.place(span);
        match event {
            Event::Scalar(text, style, ..) => {
                let quoted = !matches!(style, ScalarStyle::Plain);
                self.put(Node { at: place, value: Value::Scalar { text: text.into_owned(), quoted } })
            }
            Event::SequenceStart(..) => self.enter(Open::List(Place { width: 1, ..place }, Vec::new())),
            Event::MappingStart(..) => self.enter(Open::Map(Place { width: 1, ..place }, Vec::new(), None)),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop()? {
                Open::List(at, items) => self.put(Node { at, value: Value::List(items) }),
                Open::Map(at, entries, _) => self.put(Node { at, value: Value::Map(entries) }),
            },
            Event::Alias(_) => {
                self.refuse(place, "aliases are not used here", "write the value out: a reader should not have to look elsewhere")
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                self.refuse(place, "a second document starts here", "one file is one document: remove the `---`")
            }
            _ => Some(()),
        }
    }

    fn enter(&mut self, open: Open) -> Option<()> {
        if let Some(Open::Map(_, _, None)) = self.open.last() {
            let (Open::List(at, _) | Open::Map(at, ..)) = open;
            return self.refuse(at, "a key must be plain text", "quote it, or remove the brackets");
        }
        self.open.push(open);
        Some(())
    }

    /// A finished node goes into the innermost open container: as an item, a key or a key's value.
    fn put(&mut self, node: Node) -> Option<()> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, entries, key)) => {
                if let Some((name, at)) = key.take() {
                    entries.push(Entry { key: name, at, node });
                    return Some(());
                }
                let Value::Scalar { text, .. } = node.value else { return None };
                if let Some(first) = entries.iter().find(|entry| entry.key == text) {
                    let message = format!("`{text}` is written twice; the first is on line {}", first.at.line);
                    self.found.push(self.source.diagnostic(node.at, message, "keep one"));
                }
                *key = Some((text, node.at));
            }
        }
        Some(())
    }

    fn refuse(&mut self, place: Place, message: &str, fix: &str) -> Option<()> {
        self.found.push(self.source.diagnostic(place, message, fix));
        None
    }

    fn place(&self, span: Span) -> Place {
        let same_line = span.start.line() == span.end.line();
        let width = if same_line { span.end.col().saturating_sub(span.start.col()) } else { 1 };
        Place { file: self.file, line: span.start.line(), column: span.start.col() + 1, width: width.max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_json_become_spaces_and_text_stays() {
        let text = "{\n\t\"a\": 1, // one \"x\n  \"url\": \"https://x\\\"//y\" // two\n}";
        let blank = without_comments(text);
        assert_eq!(blank.chars().count(), text.chars().count());
        assert_eq!(blank, "{\n \"a\": 1,          \n  \"url\": \"https://x\\\"//y\"       \n}");
    }

    #[test]
    fn every_value_knows_its_place() {
        let mut found = Vec::new();
        let source = Source { name: "a.yaml".into(), text: "rules:\n  - id: über\n    for: 5m\n".into() };
        let node = parse(3, &source, &mut found).unwrap();
        assert_eq!(found, []);
        let Value::Map(entries) = node.value else { panic!() };
        let Value::List(items) = &entries[0].node.value else { panic!() };
        let Value::Map(rule) = &items[0].value else { panic!() };
        assert_eq!(rule[1].at, Place { file: 3, line: 3, column: 5, width: 3 });
        assert_eq!(rule[1].node.at, Place { file: 3, line: 3, column: 10, width: 2 });
        assert_eq!(rule[0].node.at.width, 4, "columns count characters, not bytes");
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        for (text, line, message) in [
            ("a: 1\nb: [1, 2\nc: 3\n", 3, "this does not parse"),
            ("a: &x 1\nb: *x\n", 2, "aliases are not used here"),
            ("a: 1\n---\nb: 1\n", 2, "a second document"),
            ("a: 1\nb:\n\tc: 1\n", 3, "a tab indents this line"),
            ("? [a]\n: 1\n", 1, "a key must be plain text"),
            ("# nothing\n", 0, "the file is empty"),
        ] {
            let mut found = Vec::new();
            assert_eq!(parse(0, &Source { name: "a.yaml".into(), text: text.into() }, &mut found), None, "{text}");
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].line, line, "{text}");
            assert!(found[0].message.starts_with(message), "{text}: {}", found[0].message);
        }
    }

    #[test]
    fn a_key_written_twice_is_reported_and_the_rest_is_read() {
        let mut found = Vec::new();
        assert!(parse(0, &Source { name: "a.json".into(), text: "{\"a\": 1,\n\"a\": 2}".into() }, &mut found).is_some());
        assert_eq!((found.len(), found[0].line, found[0].message.as_str()), (1, 2, "`a` is written twice; the first is on line 1"));
    }
}
