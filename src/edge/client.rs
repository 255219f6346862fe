//! Who is asking: the key limits and counts use, and the class of the user agent.
//!
//! Invariant: the address is `CF-Connecting-IP` and nothing else; `X-Forwarded-For` is attacker text. One subscriber owns
//! a whole IPv6 /64, so the key is the /64; v4-mapped (`::ffff:0:0/96`) and NAT64 (`64:ff9b::/96`, RFC 6052) addresses
//! are their IPv4 address, or one client would have two keys.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The identity a limit counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientKey {
    /// One IPv4 address.
    V4(Ipv4Addr),
    /// One IPv6 /64, as its first address.
    V6Prefix64(Ipv6Addr),
    /// The address other zones' Workers share (`2a06:98c0:3600::103`): never to be blocked as one client.
    OtherWorkers,
    /// No usable address: one bucket of its own.
    Unknown,
}

/// The address from which sub-requests of other zones' Workers come.
const OTHER_WORKERS: Ipv6Addr = Ipv6Addr::new(0x2a06, 0x98c0, 0x3600, 0, 0, 0, 0, 0x103);

impl ClientKey {
    /// The key of the address in `CF-Connecting-IP`.
    pub fn of(address: Option<&str>) -> Self {
        match address.and_then(|text| text.trim().parse::<IpAddr>().ok()) {
            None => Self::Unknown,
            Some(IpAddr::V4(v4)) => Self::V4(v4),
            Some(IpAddr::V6(OTHER_WORKERS)) => Self::OtherWorkers,
            Some(IpAddr::V6(v6)) => embedded_v4(v6).map_or_else(|| Self::V6Prefix64(prefix_64(v6)), Self::V4),
        }
    }
}

impl std::fmt::Display for ClientKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V4(address) => write!(f, "{address}"),
            Self::V6Prefix64(prefix) => write!(f, "{prefix}/64"),
            Self::OtherWorkers => f.write_str("other-workers"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    address.to_ipv4_mapped().or_else(|| match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))),
        _ => None,
    })
}

fn prefix_64(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(address) & (u128::MAX << 64))
}

/// What kind of program says it is asking. A tag for counting, never a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientClass {
    /// A person's browser.
    Browser,
    /// A declared crawler, bot or monitor.
    Crawler,
    /// A library or command-line tool.
    Tool,
    /// No user agent at all.
    Empty,
}

impl ClientClass {
    /// Every class.
    pub const ALL: [Self; 4] = [Self::Browser, Self::Crawler, Self::Tool, Self::Empty];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Crawler => "crawler",
            Self::Tool => "tool",
            Self::Empty => "empty",
        }
    }

    /// The class called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// The class of a user agent: declared crawlers first, then browsers (`Mozilla/` or `Opera/`), the rest are tools.
    pub fn of(user_agent: &str) -> Self {
        let agent = user_agent.as_bytes();
        let head = agent.get(..USER_AGENT_BYTES).unwrap_or(agent).trim_ascii();
        if head.is_empty() || head == b"-" {
            Self::Empty
        } else if names_a_crawler(head) {
            Self::Crawler
        } else if starts_with(head, "mozilla/") || starts_with(head, "opera/") {
            Self::Browser
        } else {
            Self::Tool
        }
    }
}

/// Whether a mark stands anywhere in it. One pass: each request pays for it, and few places begin a mark.
fn names_a_crawler(agent: &[u8]) -> bool {
    let mut rest = agent;
    while let Some((first, after)) = rest.split_first() {
        if marks_that_begin(first.to_ascii_lowercase()).iter().any(|mark| starts_with(rest, mark)) {
            return true;
        }
        rest = after;
    }
    false
}

fn starts_with(text: &[u8], mark: &str) -> bool {
    text.get(..mark.len()).is_some_and(|head| head.eq_ignore_ascii_case(mark.as_bytes()))
}

/// What is read of a user agent: real ones say who they are well before this.
const USER_AGENT_BYTES: usize = 300;

/// Words by which crawlers, feed readers, previewers and monitors name themselves, by their first letter.
fn marks_that_begin(letter: u8) -> &'static [&'static str] {
    match letter {
        b'a' => &["archiver"],
        b'b' => &["bot"],
        b'c' => &["crawl"],
        b'f' => &["facebookexternalhit", "feed"],
        b'i' => &["index"],
        b'm' => &["monitor"],
        b'p' => &["preview"],
        b'r' => &["reader", "rss"],
        b's' => &["scan", "slurp", "spider"],
        b'+' => &["+http"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_seen_wherever_it_stands() {
        for mark in (u8::MIN..=u8::MAX).flat_map(marks_that_begin) {
            assert!(!marks_that_begin(mark.as_bytes()[0]).is_empty());
            for agent in [mark.to_uppercase(), format!("Mozilla/5.0 ({mark}"), format!("x{mark}y")] {
                assert_eq!(ClientClass::of(&agent), ClientClass::Crawler, "{agent}");
            }
        }
    }

    #[test]
    fn one_client_has_one_key() {
        let key = |text: &str| ClientKey::of(Some(text)).to_string();
        assert_eq!(key("203.0.113.7"), "203.0.113.7");
        assert_eq!(key("::ffff:203.0.113.7"), "203.0.113.7", "v4-mapped");
        assert_eq!(key("64:ff9b::cb00:7107"), "203.0.113.7", "NAT64");
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(key("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64", "the same /64");
        assert_eq!(key("2a06:98c0:3600::103"), "other-workers");
        assert_eq!(key("203.0.113.7, 10.0.0.1"), "unknown", "a list is forged");
        assert_eq!(ClientKey::of(None).to_string(), "unknown");
    }

    #[test]
    fn user_agents_are_told_apart() {
        for (agent, class) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36", ClientClass::Browser),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", ClientClass::Crawler),
            ("UniversalFeedParser/4.2-pre-314-svn +http://feedparser.org/", ClientClass::Crawler),
            ("curl/8.5.0", ClientClass::Tool),
            ("-", ClientClass::Empty),
            ("", ClientClass::Empty),
        ] {
            assert_eq!(ClientClass::of(agent), class, "{agent}");
        }
        for class in ClientClass::ALL {
            assert_eq!(ClientClass::from_str(class.as_str()), Some(class));
        }
    }
}
