//! Alerting, in the order an alert travels: `tick` (the list of steps) → `observe` → `evaluate` → `incident` → `suppress` →
//! `tell` and `route` → `outbox::enqueue`.
//!
//! Every step is a pure function that returns a value saying why; only `tick` and `outbox` touch the database. `respond`
//! is what a person does about an alert, `escalate` who is told while nobody does. `watch` holds the alerts about Parapet itself, `notification` and `quantity` what people read, `anomaly` the detectors that know what is usual.

pub mod anomaly;
pub mod burn;
pub mod dispatch;
pub mod escalate;
pub mod evaluate;
pub mod incident;
pub mod maintenance;
pub mod matcher;
pub mod notification;
pub mod observe;
pub mod quantity;
pub mod respond;
pub mod route;
pub mod suppress;
pub mod tell;
pub mod tick;
pub mod watch;
