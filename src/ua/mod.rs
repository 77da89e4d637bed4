//! The phone as a value.
pub mod command;
pub mod error;
pub mod event;
pub mod io;
pub mod media;
pub mod settings;
pub mod status;
