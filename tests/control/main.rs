//! Who controls a phone, over the socket and over HTTP: in order, within limits, and nobody else.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

#[path = "../fake_phone/mod.rs"]
mod fake_phone;
#[path = "../http_client/mod.rs"]
mod http_client;
mod http_keeps_order_and_limits;
mod http_who_may_come_in;
mod rpc_bad_requests_get_the_right_code;
mod rpc_events_reach_subscribers;
mod rpc_only_users_with_a_role;
mod rpc_order_is_kept;
mod rpc_socket_path_and_limits;
