//! The shell: the only place that names `worker`. One file per runtime event or binding.
//!
//! Entry points read the clock once, turn runtime types into the core's, call the core, and act on what it decided.
//! Nothing here decides.

mod bindings;
mod clock;
mod collector;
mod d1;
mod engine;
mod fetch;
mod limiter;
mod outbound;
mod scheduled;
