//! The outbox: messages that are owed, until a peer has them or they are given up for good.
//!
//! `enqueue` writes them in the batch that changes the alert; `deliver` claims, sends and records; `retry` says when again,
//! `redrive` whether a message that was given up may be sent all the same.
//! At least once: a message is sent twice only when its peer took it and the answer (or our note of it) was lost.

pub mod deliver;
pub mod enqueue;
pub mod message;
pub mod redrive;
pub mod retry;
