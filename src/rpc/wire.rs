//! A line of text to what it asks. Every wrong line has one right answer here; no line can do harm.

use std::collections::BTreeMap;

use jsonrpsee::types::{ErrorObjectOwned, Id, InvalidRequest, Request};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Command, Keyed, MAX_BATCH, Role, errors, methods};

/// What a line holds.
#[derive(Debug)]
pub enum Parsed {
    /// Nothing but white space: no answer.
    Blank,
    /// One request, or what cannot be answered otherwise than as one.
    One(Call),
    /// A batch: answered by one array.
    Batch(Vec<Call>),
}

/// One request: its id and what it asks ([`Command::Refuse`] where it is wrong).
#[derive(Debug)]
pub struct Call {
    /// Goes back with the answer.
    pub id: Id<'static>,
    /// What is asked.
    pub command: Command,
}

/// Reads one line (without its newline) of a client that has this role.
pub fn parse_line(line: &[u8], role: Role) -> Parsed {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Parsed::Blank;
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return refuse(Id::Null, errors::parse("the line is not UTF-8"));
    };
    if line[0] == b'[' { batch(text, role) } else { Parsed::One(call(text, role, false)) }
}

fn batch(text: &str, role: Role) -> Parsed {
    let entries: Vec<&RawValue> = match serde_json::from_str(text) {
        Ok(entries) => entries,
        Err(error) => return refuse(Id::Null, errors::parse(&error.to_string())),
    };
    match entries.len() {
        0 => refuse(Id::Null, errors::request("an empty batch")),
        1..=MAX_BATCH => Parsed::Batch(entries.into_iter().map(|entry| call(entry.get(), role, true)).collect()),
        _ => refuse(Id::Null, errors::batch_too_long()),
    }
}

fn call(text: &str, role: Role, in_batch: bool) -> Call {
    let request: Request<'_> = match serde_json::from_str(text) {
        Ok(request) => request,
        Err(error) => return wrong(text, &error),
    };
    let command = command(&request, role, in_batch).unwrap_or_else(Command::Refuse);
    Call { id: request.id.into_owned(), command }
}

fn command(request: &Request<'_>, role: Role, in_batch: bool) -> Result<Command, ErrorObjectOwned> {
    let method = methods::find(&request.method).ok_or_else(|| errors::method(&request.method))?;
    if role < method.role {
        return Err(errors::forbidden(&format!("{} needs the role {}", method.name, method.role.name())));
    }
    let (key, params) = match request.params.as_deref() {
        Some(params) if method.role > Role::Observe => idempotency_key(params)?,
        _ => (None, None),
    };
    let params = params.as_deref().or(request.params.as_deref());
    let command = match ((method.read)(method.params, params)?, key) {
        (Command::Ua(command), Some(key)) => {
            let print = print(method.name, params);
            Command::Keyed(Box::new(Keyed { key, print, command: *command }))
        }
        (command, _) => command,
    };
    if in_batch && matches!(command, Command::Subscribe(_)) {
        return Err(errors::request("a subscription cannot begin inside a batch"));
    }
    Ok(command)
}

/// Takes `idempotencyKey` out of params by name.
fn idempotency_key(params: &RawValue) -> Result<(Option<String>, Option<Box<RawValue>>), ErrorObjectOwned> {
    const NAME: &str = "idempotencyKey";
    if !params.get().starts_with('{') || !params.get().contains(NAME) {
        return Ok((None, None));
    }
    let wrong = |why: &str| errors::params(NAME, why, "a string of 1 to 128 characters");
    let mut members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(params.get()).map_err(|error| errors::params("", &error.to_string(), ""))?;
    let Some(key) = members.remove(NAME) else { return Ok((None, None)) };
    let key: String = serde_json::from_str(key.get()).map_err(|_| wrong("not a string"))?;
    if key.is_empty() || key.chars().count() > 128 || key.chars().any(char::is_control) {
        return Err(wrong("empty, too long, or not printable"));
    }
    let rest = serde_json::value::to_raw_value(&members).map_err(|error| wrong(&error.to_string()))?;
    Ok((Some(key), Some(rest)))
}

/// The same for the same method and params, whatever their order and spacing.
fn print(method: &str, params: Option<&RawValue>) -> u64 {
    let mut params: Value = params.and_then(|params| serde_json::from_str(params.get()).ok()).unwrap_or_default();
    // The print is kept on disk, and a few digits are soon found by trying: only how many they are goes into it.
    if let Some(digits) = params.get_mut("dtmf") {
        *digits = Value::from(digits.as_str().map_or(0, str::len));
    }
    let hash = Sha256::digest(format!("{method} {params}"));
    hash.iter().take(8).fold(0, |print, byte| print << 8 | u64::from(*byte))
}

/// Not a request: not JSON at all, or JSON of another shape. Its id goes back where it has one.
fn wrong(text: &str, error: &serde_json::Error) -> Call {
    let id = match serde_json::from_str::<&RawValue>(text) {
        Err(error) => return Call { id: Id::Null, command: Command::Refuse(errors::parse(&error.to_string())) },
        Ok(_) => serde_json::from_str::<InvalidRequest<'_>>(text).map_or(Id::Null, |request| request.id.into_owned()),
    };
    let describe = error.to_string();
    let describe = describe.split(" at line ").next().unwrap_or_default();
    let describe = match describe {
        "missing field `id`" => "a request needs an id: there are no calls without an answer here",
        "data did not match any variant of untagged enum Id" => "an id is a string, a whole number or null",
        other => other,
    };
    Call { id, command: Command::Refuse(errors::request(describe)) }
}

fn refuse(id: Id<'static>, error: ErrorObjectOwned) -> Parsed {
    Parsed::One(Call { id, command: Command::Refuse(error) })
}

#[cfg(test)]
mod tests {
    use super::print;
    use serde_json::value::RawValue;

    #[test]
    fn a_print_tells_params_apart_and_keeps_digits_to_itself() {
        let of = |text: &str| print("session.dtmf", Some(&RawValue::from_string(text.into()).unwrap()));
        assert_eq!(of(r#"{"callId": "1", "dtmf": "49"}"#), of(r#"{"dtmf":"16","callId":"1"}"#));
        assert_ne!(of(r#"{"callId": "1", "dtmf": "49"}"#), of(r#"{"callId": "1", "dtmf": "491"}"#));
        assert_ne!(of(r#"{"callId": "1", "dtmf": "49"}"#), of(r#"{"callId": "2", "dtmf": "49"}"#));
    }
}
