//! The shell: the only place that names `worker`. One file per runtime event or binding.
//!
//! Entry points read the clock once, turn runtime types into the core's, call the core, and act on what it decided.
//! Nothing here decides.

mod access;
mod active;
mod alerts;
mod bindings;
mod clock;
mod collector;
mod collectors;
mod console;
mod d1;
mod direct;
mod engine;
mod fetch;
mod glue;
mod in_force;
mod isolate;
mod limiter;
mod outbound;
mod outward;
mod panic;
mod report;
mod scheduled;
