//! What the end-to-end stories share: the runtime, a byte-exact HTTP client, and the peers Parapet calls.
//!
//! Nothing here sleeps, and every wait is bounded: a story that cannot go on fails with what it was waiting for.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test support: a broken fixture must stop the story, and each story uses its own part of it"
)]

pub mod hmac;
pub mod http;
pub mod peers;

pub mod runtime;
pub mod wait;
