//! Parapet: monitoring and alerting that stands at the edge, in front of a web platform.
//!
//! One Worker wraps every request with timing, limits and security events, keeps aggregates in D1, and from a
//! cron trigger evaluates alert rules and tells people. Eight laws hold everywhere:
//!
//! 1. The site stays up: nothing here can take the customer's site down or slow it noticeably.
//! 2. Acknowledged means durable: a `202` is sent after the data is on disk.
//! 3. Cost grows with cardinality, never with traffic.
//! 4. Decide, return a value, then act: the value says why, and the same value is logged, served and shown.
//! 5. `now` is a parameter, read once at the entry point.
//! 6. The core is pure and the shell is thin: only [`cloudflare`](self) names `worker`, and the compiler enforces it.
//! 7. No panic, ever, in the Worker.
//! 8. One evaluator for live ticks, rule tests, dry runs, `explain` and backtests.
//!
//! The two lifelines to read first: a request's way is `edge::pipeline`, an alert's way is `alert::tick`.

pub mod alert;
mod base64;
pub mod channel;
#[cfg(not(target_family = "wasm"))]
pub mod cli;
pub mod config;
pub mod edge;
pub mod embedded;
mod hmac;
pub mod ids;
pub mod incident;
pub mod order;
pub mod outbox;
pub mod ports;
pub mod record;
pub mod sorted;
pub mod storage;
pub mod telemetry;
pub mod time;
pub mod upkeep;
pub mod web;

#[cfg(target_family = "wasm")]
mod cloudflare;
