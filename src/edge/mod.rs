//! What happens around a request on the site's host.

pub mod redact;
