//! `session.diagnose`: what is wrong with a call, in words. The facts are gathered in one place; each rule looks at them alone and
//! says one thing or nothing.

mod ending;
mod facts;
mod hearing;
mod path;
mod signalling;
mod speaking;
mod words;

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::Ua;
use super::error::Error;
use super::io::SessionId;
use facts::Facts;
pub use facts::{Device, Kind};

/// So many sessions that are over can be asked about.
const KEPT: usize = 100;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody is not heard, or the call is lost.
    Error,
    /// It is worse than it could be, or soon will be.
    Warning,
    /// Worth knowing.
    Info,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    /// Its name, always the same.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is so, in plain words and figures.
    pub text: String,
    /// What may help.
    pub hint: String,
    /// The figures that the text speaks of, and what they belong to.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub facts: Value,
}

/// What a rule says.
struct Said {
    severity: Severity,
    text: String,
    hint: String,
    facts: Value,
}

impl Said {
    fn new(severity: Severity, text: impl Into<String>, hint: impl Into<String>, facts: Value) -> Option<Said> {
        Some(Said { severity, text: text.into(), hint: hint.into(), facts })
    }
}

/// Looks at the facts.
type Rule = fn(&Facts) -> Option<Said>;

/// All rules, by room.
const RULES: [&[(&str, Rule)]; 5] = [hearing::RULES, speaking::RULES, path::RULES, signalling::RULES, ending::RULES];

/// Everything that the rules find, the worst first.
fn findings(facts: &Facts) -> Vec<Finding> {
    let said = RULES.iter().copied().flatten().filter_map(|(rule, look)| Some((*rule, look(facts)?)));
    let finding = |(rule, Said { severity, text, hint, facts })| Finding { rule, severity, text, hint, facts };
    let mut all: Vec<Finding> = said.map(finding).collect();
    all.sort_by_key(|finding| finding.severity);
    all
}

/// The facts of sessions that are over, the newest last.
#[derive(Debug, Default)]
pub(super) struct Past(VecDeque<(String, Box<Facts>)>);

impl Ua {
    /// `session.diagnose`: of a living session, or of one of the last that are over.
    pub(super) fn diagnose(&mut self, call_id: &str) -> Result<Value, Error> {
        let past = self.past.0.iter().find(|(id, _)| id == call_id).map(|(_, facts)| findings(facts));
        let findings = match past {
            Some(findings) => findings,
            None => {
                let id = self.find(call_id)?;
                self.facts(id).map(|facts| findings(&facts)).unwrap_or_default()
            }
        };
        Ok(json!({"callId": call_id, "findings": findings}))
    }

    /// A session is about to be forgotten: what was known of it is kept for a while.
    pub(super) fn keep_facts(&mut self, id: SessionId, data: &Value) {
        let Some(mut facts) = self.facts(id) else { return };
        let text = |key: &str| data.get(key).and_then(Value::as_str).map(str::to_owned);
        facts.end = Some(facts::End {
            cause: text("cause").unwrap_or_default(),
            by: text("by").unwrap_or_default(),
            reason: text("reason"),
            code: data.get("code").or(data.get("sipCode")).and_then(Value::as_u64),
            q850: data.get("q850").and_then(Value::as_u64),
        });
        let Some(session) = self.sessions.get(&id) else { return };
        if self.past.0.len() == KEPT {
            self.past.0.pop_front();
        }
        self.past.0.push_back((session.call_id.clone(), Box::new(facts)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_call_has_nothing_to_tell() {
        assert_eq!(findings(&Facts::good()), []);
    }

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        let names: Vec<&str> = RULES.iter().copied().flatten().map(|(name, _)| *name).collect();
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len(), "{names:?}");
        let plain = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(names.iter().all(|name| plain(name)), "{names:?}");
    }

    #[test]
    fn the_worst_stands_first() {
        let mut facts = Facts::good();
        facts.muted = true;
        facts.stats.rx_lost = 400;
        facts.input.kind = facts::Kind::Null;
        let found: Vec<Severity> = findings(&facts).iter().map(|finding| finding.severity).collect();
        assert!(found.is_sorted() && found.len() >= 3, "{found:?}");
    }
}
