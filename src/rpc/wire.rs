//! A line of text to what it asks. Every wrong line has one right answer here; no line can do harm.

use jsonrpsee::types::{ErrorObjectOwned, Id, InvalidRequest, Request};
use serde_json::value::RawValue;

use super::{Command, MAX_BATCH, Role, errors, methods};

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
    let command = (method.read)(method.params, request.params.as_deref())?;
    if in_batch && matches!(command, Command::Subscribe(_)) {
        return Err(errors::request("a subscription cannot begin inside a batch"));
    }
    Ok(command)
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
