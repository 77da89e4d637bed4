//! The media engine: real-time workers that tick all sessions, and the pure parts that they are made of.

pub mod codec;
pub mod delay;
pub mod jitter;
pub mod level;
pub mod lock;
pub mod plc;
pub mod quality;
pub mod reception;
pub mod resample;
pub mod rtcp;
pub mod rtp;
pub mod telephone_event;
