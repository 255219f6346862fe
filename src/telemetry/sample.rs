//! One observed request, in bounded words: what the buffer counts.

use crate::edge::client::ClientClass;
use crate::edge::route::RouteId;

/// The methods counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// Anything else.
    Other,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 8] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options, Self::Other];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "(other)",
        }
    }

    /// The method called `text`; unknown ones are [`Method::Other`].
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str; every text has a method")]
    pub fn from_str(text: &str) -> Self {
        Self::ALL.into_iter().find(|method| method.as_str() == text).unwrap_or(Self::Other)
    }
}

/// The hundreds of a status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusClass {
    /// 100 to 199.
    Informational,
    /// 200 to 299.
    Success,
    /// 300 to 399.
    Redirection,
    /// 400 to 499.
    ClientError,
    /// 500 and above.
    ServerError,
}

impl StatusClass {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Success, Self::Redirection, Self::ClientError, Self::ServerError];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "1xx",
            Self::Success => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }

    /// The class called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// The class of a status code.
    pub fn of(status: u16) -> Self {
        match status {
            0..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

/// What Cloudflare's cache did, as the origin's response says in `CF-Cache-Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheStatus {
    /// Served from cache.
    Hit,
    /// Fetched from the origin.
    Miss,
    /// Cached but stale.
    Expired,
    /// Checked with the origin.
    Revalidated,
    /// Not eligible by its headers.
    Bypass,
    /// Not eligible by its kind.
    Dynamic,
    /// Not said.
    None,
}

impl CacheStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [Self::Hit, Self::Miss, Self::Expired, Self::Revalidated, Self::Bypass, Self::Dynamic, Self::None];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Expired => "expired",
            Self::Revalidated => "revalidated",
            Self::Bypass => "bypass",
            Self::Dynamic => "dynamic",
            Self::None => "none",
        }
    }

    /// The status of a header's text in any case; unknown and missing ones are [`CacheStatus::None`].
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str; every text has a status")]
    pub fn from_str(text: &str) -> Self {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text)).unwrap_or(Self::None)
    }
}

/// What a limit did to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitEffect {
    /// Refused with 429.
    Limited,
    /// Would have been refused; the rule is in shadow mode.
    WouldLimit,
    /// The Limiter did not answer and the rule let the request through.
    FailedOpen,
    /// The Limiter did not answer and this isolate's own log decided.
    FailedToEdge,
    /// The Limiter did not answer and the rule refused with 503.
    FailedClosed,
}

impl LimitEffect {
    /// Every effect.
    pub const ALL: [Self; 5] = [Self::Limited, Self::WouldLimit, Self::FailedOpen, Self::FailedToEdge, Self::FailedClosed];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limited => "limited",
            Self::WouldLimit => "would_limit",
            Self::FailedOpen => "failed_open",
            Self::FailedToEdge => "failed_to_edge",
            Self::FailedClosed => "failed_closed",
        }
    }

    /// The effect called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| effect.as_str() == text)
    }
}

/// Why the origin gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OriginFailure {
    /// The connection failed or broke.
    Unreachable,
    /// No headers within the bound.
    Timeout,
}

impl OriginFailure {
    /// Every failure.
    pub const ALL: [Self; 2] = [Self::Unreachable, Self::Timeout];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
        }
    }

    /// The failure called `text`.
    #[expect(clippy::should_implement_trait, reason = "the house pair is as_str/from_str, and an Option says enough")]
    pub fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.as_str() == text)
    }
}

/// Two upper-case letters; anything else is `XX`, Cloudflare's own word for unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The country of `request.cf.country` (`T1` is Tor).
    pub fn of(text: &str) -> Self {
        match text.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && (b.is_ascii_uppercase() || b.is_ascii_digit()) => Self([*a, *b]),
            _ => Self(*b"XX"),
        }
    }

    /// The label value.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX")
    }
}

/// Three upper-case letters of the Cloudflare location; anything else is `XXX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Colo([u8; 3]);

impl Colo {
    /// The location of `request.cf.colo`.
    pub fn of(text: &str) -> Self {
        match text.as_bytes() {
            [a, b, c] if [a, b, c].into_iter().all(u8::is_ascii_uppercase) => Self([*a, *b, *c]),
            _ => Self(*b"XXX"),
        }
    }

    /// The label value.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

/// One observed request.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Its route.
    pub route: RouteId,
    /// Its method.
    pub method: Method,
    /// The class of the status the client got.
    pub class: StatusClass,
    /// Until the origin's headers came; `None` when the origin was not asked or did not answer.
    pub duration_ms: Option<f64>,
    /// The declared length of the response body.
    pub response_bytes: u64,
    /// Where the client is.
    pub country: Country,
    /// Which location answered.
    pub colo: Colo,
    /// What the client says it is.
    pub client: ClientClass,
    /// What the cache did.
    pub cache: CacheStatus,
    /// What a limit did: the rule's index and the effect.
    pub limit: Option<(usize, LimitEffect)>,
    /// Why the origin gave no answer.
    pub origin_failure: Option<OriginFailure>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_survives_the_round_trip() {
        for it in Method::ALL {
            assert_eq!(Method::from_str(it.as_str()), it);
        }
        for it in StatusClass::ALL {
            assert_eq!(StatusClass::from_str(it.as_str()), Some(it));
        }
        for it in CacheStatus::ALL {
            assert_eq!(CacheStatus::from_str(it.as_str()), it);
        }
        for it in LimitEffect::ALL {
            assert_eq!(LimitEffect::from_str(it.as_str()), Some(it));
        }
        for it in OriginFailure::ALL {
            assert_eq!(OriginFailure::from_str(it.as_str()), Some(it));
        }
        assert_eq!(Method::from_str("BREW"), Method::Other);
        assert_eq!(CacheStatus::from_str("HIT"), CacheStatus::Hit);
    }

    #[test]
    fn countries_and_locations_are_bounded() {
        assert_eq!((Country::of("ZA").as_str(), Country::of("T1").as_str(), Country::of("zz;").as_str()), ("ZA", "T1", "XX"));
        assert_eq!((Colo::of("JNB").as_str(), Colo::of("").as_str()), ("JNB", "XXX"));
    }
}
