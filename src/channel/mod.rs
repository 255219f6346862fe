//! Receivers, one file each: `render` makes the request, `classify` reads the answer. Neither sends.

use serde::{Deserialize, Serialize};

pub mod sentry;

/// Why a notification could not be turned into a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RenderError {
    /// The secret that holds the address is not a URL (or DSN) this channel can use. Its text is not repeated here.
    #[error("the secret {secret} does not hold a usable address")]
    BadAddress {
        /// The binding's name.
        secret: String,
    },
    /// The body could not be written.
    #[error("the message could not be written: {why}")]
    Body {
        /// What went wrong.
        why: String,
    },
}
