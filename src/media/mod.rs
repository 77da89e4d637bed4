//! The media engine: real-time workers that tick all sessions, and the pure parts that they are made of.

mod clock;
pub mod codec;
pub mod delay;
mod engine;
mod inbound;
pub mod jitter;
pub mod lateness;
pub mod level;
pub mod lock;
mod mixer;
mod network;
mod outbound;
pub mod plc;
mod ports;
pub mod quality;
pub mod reception;
pub mod recorder;
mod recordings;
pub mod resample;
pub mod rtcp;
pub mod rtp;
mod session;
mod streams;
pub mod telephone_event;
mod worker;

pub use engine::{Engine, MediaConfig};
pub use recordings::{Answer, Recordings};
