//! What a recording is called. Nothing that a peer or user can say leads out of the directory.

use std::path::PathBuf;

use super::side::Moment;
use crate::ua::media::RecordInfo;

/// The pattern of who names none.
pub(super) const DEFAULT: &str = "{date}/{account}-{number}-{callid}";
/// What a pattern may hold.
const FIELDS: [&str; 6] = ["date", "time", "account", "number", "direction", "callid"];
/// The longest value of a field, bytes.
const LONGEST: usize = 64;

/// A pattern is a relative path of plain names and `{date} {time} {account} {number} {direction} {callid}`.
pub fn check(pattern: &str) -> Result<(), String> {
    let right = || format!("a relative path without .., as \"{DEFAULT}\"; fields: {}", FIELDS.join(", "));
    let parts = pieces(pattern).ok_or_else(right)?;
    let known = parts.iter().all(|part| match part {
        Piece::Field(name) => FIELDS.contains(name),
        Piece::Text(text) => !text.chars().any(|c| c.is_control() || c == '\\'),
    });
    let plain = pattern.split('/').all(|name| !name.is_empty() && !name.starts_with('.') && name.len() <= 128);
    if known && plain && pattern.split('/').count() <= 8 { Ok(()) } else { Err(right()) }
}

/// The path of a recording below the directory, without its extension.
pub fn file(pattern: &str, info: &RecordInfo) -> PathBuf {
    let moment = Moment::of(info.wall);
    let pieces = pieces(pattern).or_else(|| pieces(DEFAULT)).unwrap_or_default();
    let text: String = pieces
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => text.to_owned(),
            Piece::Field("date") => moment.date(),
            Piece::Field("time") => moment.time(),
            Piece::Field("account") => plain(&info.account),
            Piece::Field("number") => plain(&info.number),
            Piece::Field("direction") => if info.inbound { "in" } else { "out" }.to_owned(),
            Piece::Field(_) => plain(&info.call_id),
        })
        .collect();
    // whatever the pattern: only plain names remain
    text.split('/')
        .filter(|name| !name.is_empty())
        .map(|name| if name.starts_with('.') { format!("_{}", name.trim_start_matches('.')) } else { name.to_owned() })
        .map(|name| cut(&name, 220).to_owned())
        .collect()
}

enum Piece<'a> {
    Text(&'a str),
    Field(&'a str),
}

fn pieces(pattern: &str) -> Option<Vec<Piece<'_>>> {
    let (mut pieces, mut rest) = (Vec::new(), pattern);
    while let Some((text, after)) = rest.split_once('{') {
        let (field, after) = after.split_once('}')?;
        pieces.extend([Piece::Text(text), Piece::Field(field)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Some(pieces)
}

/// A value as a part of a name: letters, digits and `+-_.@`, anything else an underscore.
fn plain(value: &str) -> String {
    let fine = |c: char| if c.is_alphanumeric() || "+-_.@".contains(c) { c } else { '_' };
    let text: String = cut(value, LONGEST).chars().map(fine).collect();
    if text.is_empty() { "_".into() } else { text }
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
