//! Events: what the phone tells everyone (docs/API.md, "Events").

use std::cell::OnceCell;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Rises by one per event. A sample carries the seq of the last event before it.
    pub seq: u64,
    /// `callReport`, `updateTimer`: not counted, the newest replaces the older of the same session.
    pub sample: bool,
    /// When, ms since 1970.
    pub wall: i64,
    /// Its name, as the seed spells it.
    pub name: String,
    /// The session it is about.
    pub call_id: Option<String>,
    /// The account it is about.
    pub account: Option<String>,
    /// The payload.
    pub data: Data,
}

impl Event {
    /// Does a topic name it: its name, `family.*` or `*`?
    pub fn is_of(&self, topic: &str) -> bool {
        match topic.strip_suffix('*') {
            Some("") => true,
            Some(family) => family.ends_with('.') && self.name.starts_with(family),
            None => topic == self.name,
        }
    }
}

/// Which events are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    /// None.
    Nothing,
    /// Those that are counted: for the log.
    Lasting,
    /// Those, and `callReport`.
    Reports,
    /// Samples too.
    All,
}

/// A payload: text that is made once, for the log and for every subscriber; a tree ([`Deref`]) for who looks inside.
#[derive(Debug, Clone)]
pub struct Data {
    text: Box<RawValue>,
    tree: OnceCell<Value>,
}

impl Data {
    /// The text of a value; `null` where it cannot be JSON.
    pub fn of(value: &impl Serialize) -> Data {
        to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned()).into()
    }

    /// As JSON.
    pub fn text(&self) -> &str {
        self.text.get()
    }

    /// As it is, to stand in other JSON.
    pub fn raw(&self) -> &RawValue {
        &self.text
    }

    /// The parts that a reader knows; none where they are not as it knows them.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.text()).ok()
    }
}

impl From<Box<RawValue>> for Data {
    fn from(text: Box<RawValue>) -> Data {
        Data { text, tree: OnceCell::new() }
    }
}

impl From<Value> for Data {
    fn from(tree: Value) -> Data {
        Data::of(&tree)
    }
}

impl Deref for Data {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.tree.get_or_init(|| self.read().unwrap_or_default())
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Data) -> bool {
        **self == **other
    }
}

impl PartialEq<Value> for Data {
    fn eq(&self, other: &Value) -> bool {
        **self == *other
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Data, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Data::from)
    }
}

/// RFC 3339, UTC, milliseconds.
pub fn rfc3339(wall: i64) -> String {
    let (days, ms) = (wall.div_euclid(86_400_000), wall.rem_euclid(86_400_000));
    // Days since 1970 to a date, in years that begin in March (so that the leap day is the last one).
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + carry;
    let (h, m, s, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_rfc_3339() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_395_346_001, "2026-11-23T00:55:46.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ];
        for (wall, text) in table {
            assert_eq!(rfc3339(wall), text);
        }
    }
}
