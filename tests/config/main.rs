//! The configuration: what is in it, where it comes from, what is said of its faults.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod config_errors_point_at_the_key;
mod config_example_equals_defaults;
mod config_merges_files_and_environment;
