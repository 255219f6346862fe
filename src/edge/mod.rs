//! What happens around a request: the layers, in the order [`pipeline`] lists them.

pub mod client;
pub mod limit;
pub mod pipeline;
pub mod redact;
pub mod reserved;
pub mod route;
