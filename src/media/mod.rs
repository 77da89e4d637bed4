//! The media engine: real-time workers that tick all sessions, and the pure parts that they are made of.

mod clock;
pub mod codec;
pub mod delay;
mod dtls;
mod engine;
mod ice;
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
mod servers;
mod session;
mod srtp;
mod streams;
mod symmetric;
pub mod telephone_event;
mod tones;
mod transport;
mod worker;

pub use engine::{Engine, MediaConfig};
pub use ice::TurnServer;
pub use recordings::{Answer, Recordings};
pub use servers::IceConfig;
