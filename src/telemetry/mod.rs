//! Counting: from one observed request to rows in D1, in the order the data travels.
//!
//! `sample` → `buffer` (isolate, ≤ 1 s) → `window` (Collector: exactly-once merge) → `storage::series` (D1).

pub mod buffer;
pub mod cell;
pub mod errors;
pub mod sample;
pub mod series;
pub mod sketch;
pub mod window;
mod wire;
