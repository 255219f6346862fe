//! Alerting, in the order an alert travels: `tick` (the list of steps) → `observe` → `evaluate` → `incident` → `suppress` →
//! `tell` and `route` → `outbox::enqueue`.
//!
//! Every step is a pure function that returns a value saying why; only `tick` and `outbox` touch the database. `respond` is what a
//! person does about an alert, `link` how an e-mail lets them, `escalate` who is told while nobody does. `watch` holds the alerts about Parapet itself,
//! `notification`, `texts` and `quantity` what people read, `anomaly` (asked by `unusual`) the detectors that know what is usual. `boundary` says when a tick is, `due` which rules it
//! evaluates, `warm_up` when a condition waits for its window, `origin_of_change` and `contributors` where an alert comes from,
//! `usual` what is normal there, `surroundings` how its number went (`trend`, drawn by `sparkline`) and what changed before it (`nearby`), `pushed` what a tick makes of alerts
//! that others send. `rehearsal` takes the tick's steps over a `history` without a deployment, for the command line; `explain` says what
//! they make of one rule now, or made of it earlier. `weekly` writes the week's report, `shift` says
//! who bore its alerts.

pub mod anomaly;
pub mod audit;
pub mod boundary;
pub mod burn;
pub mod contributors;
pub mod dispatch;
pub mod due;
pub mod escalate;
pub mod evaluate;
pub mod explain;
pub mod flapping;
pub mod group;
#[cfg(not(target_family = "wasm"))]
pub mod history;
pub mod incident;
pub mod link;
pub mod maintenance;
pub mod matcher;
pub mod nearby;
pub mod notification;
pub mod observe;
pub mod origin_of_change;
pub mod pushed;
pub mod quantity;
#[cfg(not(target_family = "wasm"))]
pub mod rehearsal;
pub mod respond;
pub mod route;
pub mod shift;
pub mod sparkline;
pub mod storm;
pub mod suppress;
mod surroundings;
pub mod tell;
pub mod texts;
pub mod tick;
mod trend;
mod unusual;
mod usual;
pub mod warm_up;
pub mod watch;
pub mod weekly;
