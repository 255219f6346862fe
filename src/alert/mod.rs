//! Alerting, in the order an alert travels: `tick` (the list of steps) → `observe` → `evaluate` → `incident` → `route` →
//! `outbox::enqueue`.
//!
//! Every step is a pure function that returns a value saying why; only `tick` and `outbox` touch the database.

pub mod evaluate;
pub mod incident;
pub mod notification;
pub mod observe;
pub mod quantity;
pub mod route;
