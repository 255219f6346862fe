//! The project a DSN names: `https://KEY@HOST[:PORT]/[PATH/]PROJECT`.
//!
//! Read by hand: sentry-core's `Dsn` parses with the `url` crate, whose tables for international host names would be a
//! sixth of the Worker (100 KB gzipped). The tests hold the two against each other. Stricter where the crate is not:
//! only what can stand in a header and in a path unescaped is taken, so nothing of a DSN can break out of either.

/// Where envelopes go, and the public key that lets them in. Holds what is half a secret: no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Project {
    /// The envelope endpoint.
    pub(super) endpoint: String,
    /// The public key.
    pub(super) key: String,
}

impl Project {
    /// The project of `dsn`; `None` when it is not a DSN.
    pub(super) fn of(dsn: &str) -> Option<Self> {
        let (scheme, rest) = dsn.trim().split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "https" => "443",
            "http" => "80",
            _ => return None,
        };
        let (userinfo, address) = rest.split_once('@')?;
        // Old DSNs have a secret after the key, which nobody asks for any more.
        let (key, secret) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let (authority, path) = address.trim_end_matches('/').split_once('/')?;
        let (host, port) = host_and_port(authority)?;
        let (folder, project) = path.rsplit_once('/').map_or(("", path), |(folder, project)| (folder, project));
        let plain = |text: &str, also: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c));
        if key.is_empty() || project.is_empty() || !plain(key, "_-") || !plain(secret, "_-") || !plain(project, "_-") {
            return None;
        }
        let folder_is_plain = folder.is_empty() || folder.split('/').all(|part| !part.is_empty() && plain(part, "_-"));
        let shown_port = if port == default_port || port.is_empty() { String::new() } else { format!(":{port}") };
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        folder_is_plain.then(|| Self {
            endpoint: format!("{scheme}://{}{shown_port}/{folder}api/{project}/envelope/", host.to_ascii_lowercase()),
            key: key.to_owned(),
        })
    }
}

/// A name, an IPv4 address or a bracketed IPv6 address, and the port's digits, which may be missing.
fn host_and_port(authority: &str) -> Option<(&str, &str)> {
    let split_at = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(split_at)?;
    let bracketed = host.strip_prefix('[').and_then(|inside| inside.strip_suffix(']'));
    let host_is_plain = match bracketed {
        Some(address) => address.contains(':') && address.chars().all(|c| c.is_ascii_hexdigit() || c == ':' || c == '.'),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-'),
    };
    let port = if port.is_empty() { "" } else { port.strip_prefix(':').filter(|digits| is_port(digits))? };
    host_is_plain.then_some((host, port))
}

fn is_port(digits: &str) -> bool {
    !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
}
