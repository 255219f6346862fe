//! Paths become routes: a bounded set of templates, so that cost grows with the site's shape and not with its traffic.
//!
//! A configured template (`/bookings/:id`) wins; any other path goes through [`normalise`]. At most `max_routes` different
//! templates are counted apart by one isolate; what comes after is `(other)`. Memory: 200 templates of at most 160 bytes
//! are 32 KB an isolate, whatever is requested.

use std::collections::BTreeMap;

use crate::telemetry::series::OTHER;

/// A route's index in its [`RouteTable`]; 0 is `(other)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(u16);

/// Longest template kept, in bytes; a longer one is `(other)`.
const MAX_TEMPLATE_BYTES: usize = 160;
/// Segments kept apart by the normaliser; deeper ones become `*`.
const MAX_DEPTH: usize = 4;

/// The templates this isolate has met.
#[derive(Debug)]
pub struct RouteTable {
    configured: Vec<Vec<String>>,
    names: Vec<String>,
    by_name: BTreeMap<String, RouteId>,
    max_routes: usize,
}

impl RouteTable {
    /// A table of the configured templates, most specific first, that meets at most `max_routes` in all.
    pub fn new(templates: &[String], max_routes: u32) -> Self {
        Self {
            configured: templates.iter().map(|template| segments(template).map(str::to_owned).collect()).collect(),
            names: vec![OTHER.to_owned()],
            by_name: BTreeMap::new(),
            max_routes: usize::try_from(max_routes).unwrap_or(usize::MAX).min(usize::from(u16::MAX) - 1),
        }
    }

    /// The route of a path (without query).
    pub fn route_of(&mut self, path: &str) -> RouteId {
        let template = self.template_of(path);
        if let Some(id) = self.by_name.get(&template) {
            return *id;
        }
        if self.names.len() > self.max_routes || template.len() > MAX_TEMPLATE_BYTES {
            return RouteId(0);
        }
        let id = RouteId(u16::try_from(self.names.len()).unwrap_or_default());
        self.names.push(template.clone());
        self.by_name.insert(template, id);
        id
    }

    /// The template of a route.
    pub fn name(&self, id: RouteId) -> &str {
        self.names.get(usize::from(id.0)).map_or(OTHER, String::as_str)
    }

    fn template_of(&self, path: &str) -> String {
        let fits = |template: &&Vec<String>| {
            let mut parts = segments(path);
            template.iter().all(|expected| parts.next().is_some_and(|part| expected.starts_with(':') || part == expected))
                && parts.next().is_none()
        };
        self.configured.iter().find(fits).map_or_else(|| normalise(path), |template| format!("/{}", template.join("/")))
    }
}

/// The template of a path nobody configured: ids, dates and hashes become placeholders, files their extension, and
/// everything below the fourth segment `*`.
pub fn normalise(path: &str) -> String {
    let parts: Vec<&str> = segments(path).collect();
    let Some((last, parents)) = parts.split_last() else { return "/".to_owned() };
    let mut template = String::with_capacity(path.len() + 1);
    for part in parents.iter().take(MAX_DEPTH - 1) {
        template.push('/');
        template.push_str(placeholder(part));
    }
    template.push('/');
    match extension(last) {
        Some(extension) => {
            template.push_str("*.");
            template.push_str(&extension);
        }
        None if parts.len() > MAX_DEPTH => template.push('*'),
        None => template.push_str(placeholder(last)),
    }
    template
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}

fn placeholder(part: &str) -> &str {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let hex = part.bytes().filter(u8::is_ascii_hexdigit).count();
    let dashes = part.bytes().filter(|byte| *byte == b'-').count();
    if digits == part.len() {
        ":id"
    } else if part.len() == 36 && dashes == 4 && hex == 32 {
        ":uuid"
    } else if part.len() == 10 && dashes == 2 && digits == 8 {
        ":date"
    } else if part.len() >= 16 && hex == part.len() && digits > 0 {
        ":hash"
    } else if part.len() > 48 || (part.len() >= 20 && digits >= 6) {
        ":token"
    } else {
        part
    }
}

/// The lower-case extension of a file name: two to five letters or digits, the first a letter.
fn extension(part: &str) -> Option<String> {
    let (stem, extension) = part.rsplit_once('.')?;
    let plausible = (2..=5).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && extension.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    (plausible && !stem.is_empty()).then(|| extension.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_dates_hashes_and_files_become_placeholders() {
        for (path, template) in [
            ("/", "/"),
            ("//", "/"),
            ("/bookings/4711", "/bookings/:id"),
            ("/bookings/4711/", "/bookings/:id"),
            ("/b/0190b6a2-7c3e-7d55-9f4e-1a2b3c4d5e6f/x", "/b/:uuid/x"),
            ("/slots/2026-03-01", "/slots/:date"),
            ("/o/9f86d081884c7d659a2feaa0c55ad015", "/o/:hash"),
            ("/presentations/logstash/images/kibana-search.png", "/presentations/logstash/images/*.png"),
            ("/a/b/c/d/e/f", "/a/b/c/*"),
            ("/favicon.ico", "/*.ico"),
            ("/v1.2", "/v1.2"),
            ("/%zz/%ff", "/%zz/%ff"),
        ] {
            assert_eq!(normalise(path), template, "{path}");
        }
    }

    #[test]
    fn a_configured_template_wins() {
        let mut table = RouteTable::new(&["/clinics/:name/slots".into()], 10);
        let id = table.route_of("/clinics/rosebank/slots");
        assert_eq!(table.name(id), "/clinics/:name/slots");
        assert_eq!(table.route_of("/clinics/sandton/slots"), id);
        let other = table.route_of("/clinics/sandton");
        assert_eq!(table.name(other), "/clinics/sandton");
    }

    #[test]
    fn beyond_the_bound_everything_is_other() {
        let mut table = RouteTable::new(&[], 3);
        let names: Vec<String> = ["/a", "/b", "/c", "/d", "/e", "/a"]
            .iter()
            .map(|path| {
                let id = table.route_of(path);
                table.name(id).to_owned()
            })
            .collect();
        assert_eq!(names, ["/a", "/b", "/c", "(other)", "(other)", "/a"]);
    }

    proptest! {
        #[test]
        fn any_path_has_a_bounded_template(path in "\\PC{0,300}") {
            let template = normalise(&path);
            prop_assert!(template.starts_with('/'));
            prop_assert!(template.split('/').count() <= MAX_DEPTH + 1);
        }
    }
}
