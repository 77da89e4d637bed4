//! The transaction layer keeps RFC 3261 §17 and RFC 6026: two of them joined by a wire in virtual time.

#![allow(clippy::unwrap_used)]

mod matching;
mod pipe;
mod races;
mod timers;
