//! `;name=value` lists of URIs and header values.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::headers::{split_outside, trim};

/// Parameters in their order; values stand as on the wire (a quoted string keeps its quotes).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params(pub Vec<(String, Option<String>)>);

impl Params {
    /// Reads `;a=b;c`, with or without the first semicolon. Empty parameters are passed over.
    pub fn parse(text: &str) -> Params {
        let mut params = Vec::new();
        for piece in split_outside(text, b';').map(trim).filter(|piece| !piece.is_empty()) {
            params.push(match piece.split_once('=') {
                Some((name, value)) => (trim(name).to_owned(), Some(trim(value).to_owned())),
                None => (piece.to_owned(), None),
            });
        }
        Params(params)
    }

    /// The value of a parameter (its name in any case); "" for one without a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_deref().unwrap_or(""))
    }

    /// Whether the parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets or adds a parameter; "" makes it one without a value.
    pub fn set(&mut self, name: &str, value: &str) {
        let value = (!value.is_empty()).then(|| value.to_owned());
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// Takes a parameter away.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            match value {
                Some(value) => write!(f, ";{name}={value}")?,
                None => write!(f, ";{name}")?,
            }
        }
        Ok(())
    }
}
