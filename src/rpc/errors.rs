//! Refusals as JSON-RPC's error object: `{code, message, data: {describe, hint, sipCode?, retryable, path?}}`.

use jsonrpsee::types::error::{self, ErrorObjectOwned};
use serde_json::{Value, json};

use crate::ua::error::{Code, Error};

/// The error object of a phone's refusal.
pub(super) fn object(error: &Error) -> ErrorObjectOwned {
    build(
        error.code.number(),
        error.code.message(),
        error.code.retryable(),
        &error.describe,
        &error.hint,
        error.sip_code,
        error.path,
    )
}

/// -32602: a param is missing, unknown or of the wrong type. `path` names it.
pub(super) fn params(path: &str, describe: &str, hint: &str) -> ErrorObjectOwned {
    build(Code::InvalidParams.number(), Code::InvalidParams.message(), false, describe, hint, None, Some(path))
}

/// -32700: not JSON.
pub(super) fn parse(describe: &str) -> ErrorObjectOwned {
    plain(error::PARSE_ERROR_CODE, error::PARSE_ERROR_MSG, describe, "one JSON document a line, UTF-8")
}

/// -32600: JSON, but not a request.
pub(super) fn request(describe: &str) -> ErrorObjectOwned {
    let hint = r#"{"jsonrpc":"2.0","id":1,"method":"daemon.info","params":{}}"#;
    plain(error::INVALID_REQUEST_CODE, error::INVALID_REQUEST_MSG, describe, hint)
}

/// -32601: no such method.
pub(super) fn method(name: &str) -> ErrorObjectOwned {
    let name: String = name.chars().take(64).collect();
    plain(
        error::METHOD_NOT_FOUND_CODE,
        error::METHOD_NOT_FOUND_MSG,
        &format!("there is no method {name:?}"),
        "rpc.discover lists them",
    )
}

/// -32007: the line is too long.
pub(super) fn line_too_long() -> ErrorObjectOwned {
    let describe = format!("a line may have {} bytes", super::MAX_LINE);
    plain(error::OVERSIZED_REQUEST_CODE, error::OVERSIZED_REQUEST_MSG, &describe, "")
}

/// -32010: the batch is too long.
pub(super) fn batch_too_long() -> ErrorObjectOwned {
    let describe = format!("a batch may have {} requests", super::MAX_BATCH);
    plain(error::TOO_BIG_BATCH_REQUEST_CODE, error::TOO_BIG_BATCH_REQUEST_MSG, &describe, "")
}

/// -32006: the connection has as many subscriptions as it may.
pub(super) fn subscriptions() -> ErrorObjectOwned {
    let describe = format!("a connection may have {} subscriptions", super::MAX_SUBSCRIPTIONS);
    plain(
        error::TOO_MANY_SUBSCRIPTIONS_CODE,
        error::TOO_MANY_SUBSCRIPTIONS_MSG,
        &describe,
        "end one, or widen a filter",
    )
}

/// -32009: as many connections as there may be.
pub(super) fn busy() -> ErrorObjectOwned {
    let describe = format!("{} connections are open", super::MAX_CONNECTIONS);
    build(error::SERVER_IS_BUSY_CODE, error::SERVER_IS_BUSY_MSG, true, &describe, "", None, None)
}

/// -32603: the daemon dropped the request (it stops, or has a fault).
pub(super) fn internal() -> ErrorObjectOwned {
    build(
        error::INTERNAL_ERROR_CODE,
        error::INTERNAL_ERROR_MSG,
        true,
        "the daemon did not answer: it is about to stop",
        "",
        None,
        None,
    )
}

/// -230.
pub(super) fn timeout() -> ErrorObjectOwned {
    object(&Error::new(Code::Timeout, "no answer within 10 s").hint("the work goes on: its events tell how it ends"))
}

/// -231.
pub(super) fn forbidden(describe: &str) -> ErrorObjectOwned {
    object(&Error::new(Code::Forbidden, describe).hint("[rpc.roles] in phoned.toml says who may do what"))
}

fn plain(code: i32, message: &str, describe: &str, hint: &str) -> ErrorObjectOwned {
    build(code, message, false, describe, hint, None, None)
}

fn build(
    code: i32,
    message: &str,
    retryable: bool,
    describe: &str,
    hint: &str,
    sip: Option<u16>,
    path: Option<&str>,
) -> ErrorObjectOwned {
    let mut data = json!({ "describe": describe, "hint": hint, "retryable": retryable });
    if let Some(sip) = sip {
        data["sipCode"] = Value::from(sip);
    }
    if let Some(path) = path {
        data["path"] = Value::from(path);
    }
    ErrorObjectOwned::owned(code, message, Some(data))
}
