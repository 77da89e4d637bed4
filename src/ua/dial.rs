//! Dial rules: what becomes of a number before it is called, and who may call what how often. Nothing is on the wire yet.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Ua;
use super::account::Account;
use super::clock::{SECOND, seconds};
use super::e164::Country;
use super::error::{Code, Error};
use super::number::request_uri;
use super::settings::{AccountDial, DialSettings};
use crate::sip::uri::{SipUri, escape_typed_user};

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The user's number in the system.
    pub user: u32,
    /// It may do everything.
    pub admin: bool,
}

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dialled {
    /// The Request-URI.
    pub uri: String,
    /// What users see: without the prefix for an outside line.
    pub number: String,
    /// Nothing may stop it.
    pub emergency: bool,
}

/// The rules of an account: its own, else those of `[dial]`.
struct Rules<'a> {
    strip: &'a str,
    prefix: &'a str,
    e164: bool,
    short: usize,
    country: Option<Country>,
    allow: &'a [String],
    deny: &'a [String],
    emergency: &'a [String],
}

/// A number under the rules.
#[derive(Debug, PartialEq, Eq)]
struct Number {
    wire: String,
    shown: String,
    emergency: bool,
}

impl Ua {
    /// Where a call of an account to what a user typed goes; -209 where that is no number, -231 where a rule forbids it.
    pub(super) fn dialled(&self, account: &Account, typed: &str) -> Result<Dialled, Error> {
        let invalid = || {
            Error::new(Code::InvalidNumber, format!("{typed:?} is neither a number nor a SIP URI"))
                .path("number")
                .hint("digits with + * #, a user name, sip:user@domain or tel:+4930…")
        };
        let uri = request_uri(typed, &account.domain()).ok_or_else(invalid)?;
        let mut parsed = SipUri::parse(&uri).map_err(|_| invalid())?;
        let user = parsed.user_unescaped();
        let user = user.split(';').next().unwrap_or_default();
        let Some(number) = number_of(user) else {
            let number = if user.is_empty() { typed } else { user };
            return Ok(Dialled { uri, number: number.to_owned(), emergency: false });
        };
        let rules = Rules::of(&self.settings.dial, account.settings.dial.as_ref());
        let number = rules.apply(user, number)?;
        if number.wire != user {
            parsed.user = Some(escape_typed_user(&number.wire));
        }
        let uri = if number.wire == user { uri } else { parsed.to_string() };
        Ok(Dialled { uri, number: number.shown, emergency: number.emergency })
    }

    /// A peer wants us to call somebody (REFER, 3xx): the lists count there too.
    pub(super) fn may_dial(&self, account: &str, target: &SipUri) -> bool {
        let user = target.user_unescaped();
        let number = number_of(user.split(';').next().unwrap_or_default());
        let (Some(account), Some(number)) = (self.accounts.get(account), number) else { return true };
        let rules = Rules::of(&self.settings.dial, account.settings.dial.as_ref());
        rules.is_emergency(&number) || rules.judge(&rules.forms(&number)).is_ok()
    }

    /// Counts a call of a user, or one that it has somebody else make: -208 where there were too many in a minute.
    pub(super) fn count_caller(&mut self, by: Option<Caller>) -> Result<(), Error> {
        let Some(by) = by else { return Ok(()) };
        let limits = self.settings.dial.calls_per_minute;
        let (role, most) = if by.admin { ("admin", limits.admin) } else { ("call", limits.call) };
        if most == 0 {
            return Ok(());
        }
        let now = self.now.mono;
        let recent = |dials: &mut VecDeque<u64>| {
            dials.retain(|at| at + seconds(60) > now);
            !dials.is_empty()
        };
        self.callers.retain(|_, dials| recent(dials));
        let dials = self.callers.entry(by.user).or_default();
        if dials.len() < most as usize {
            dials.push_back(now);
            return Ok(());
        }
        let wait = dials.front().map_or(60, |first| (first + seconds(60)).saturating_sub(now).div_ceil(SECOND));
        Err(Error::new(Code::TooManyDials, format!("{most} calls a minute are allowed to a user with the role {role}"))
            .hint(format!("wait {wait} s, or raise [dial] calls_per_minute")))
    }
}

impl<'a> Rules<'a> {
    fn of(all: &'a DialSettings, own: Option<&'a AccountDial>) -> Rules<'a> {
        let country = own.and_then(|own| own.country.as_deref()).or(all.country.as_deref());
        Rules {
            strip: own.and_then(|own| own.strip.as_deref()).unwrap_or(&all.strip),
            prefix: own.and_then(|own| own.prefix.as_deref()).unwrap_or(&all.prefix),
            e164: own.and_then(|own| own.e164).unwrap_or(all.e164),
            short: own.and_then(|own| own.short).unwrap_or(all.short),
            country: country.and_then(Country::named),
            allow: own.and_then(|own| own.allow.as_deref()).unwrap_or(&all.allow),
            deny: own.and_then(|own| own.deny.as_deref()).unwrap_or(&all.deny),
            emergency: &all.emergency,
        }
    }

    fn apply(&self, typed: &str, number: String) -> Result<Number, Error> {
        if self.is_emergency(&number) {
            return Ok(Number { wire: number.clone(), shown: number, emergency: true });
        }
        let stripped = self.stripped(&number);
        let is_short = self.is_short(stripped);
        let shown = Some(stripped).filter(|_| self.e164 && !is_short).and_then(|number| self.international(number));
        let shown = shown.unwrap_or_else(|| stripped.to_owned());
        let abroad = self.country.map_or("00", |country| country.international());
        let wire = match shown.strip_prefix('+') {
            _ if is_short || self.prefix.is_empty() => shown.clone(),
            Some(digits) => format!("{}{abroad}{digits}", self.prefix),
            None => format!("{}{shown}", self.prefix),
        };
        self.judge(&self.forms(&number))?;
        // What users wrote between the digits stays where no rule touches the number.
        let untouched = wire == number;
        Ok(Number { wire: if untouched { typed.to_owned() } else { wire }, shown, emergency: false })
    }

    fn is_emergency(&self, number: &str) -> bool {
        [number, self.stripped(number)].iter().any(|form| self.emergency.iter().any(|known| known == form))
    }

    fn stripped<'n>(&self, number: &'n str) -> &'n str {
        number.strip_prefix(self.strip).filter(|rest| !rest.is_empty()).unwrap_or(number)
    }

    /// An extension, or a service of the PBX.
    fn is_short(&self, number: &str) -> bool {
        number.len() <= self.short || number.starts_with(['*', '#'])
    }

    fn international(&self, number: &str) -> Option<String> {
        self.country?.e164(number)
    }

    /// A number as it was dialled, without what is stripped, and as the world writes it: a rule for one counts for all.
    fn forms(&self, number: &str) -> Vec<String> {
        let stripped = self.stripped(number);
        let worldwide = [number, stripped].into_iter().filter_map(|form| self.international(form));
        [number.to_owned(), stripped.to_owned()].into_iter().chain(worldwide).collect()
    }

    /// The longest prefix that fits decides; of two alike the one that denies.
    fn judge(&self, forms: &[String]) -> Result<(), Error> {
        let longest = |list: &[String]| {
            let fitting = list.iter().filter(|prefix| forms.iter().any(|form| begins(form, prefix)));
            fitting.map(String::len).max()
        };
        let (allowed, denied) = (longest(self.allow), longest(self.deny));
        let refuse = |why: &str, hint: &str| Err(Error::new(Code::Forbidden, why).path("number").hint(hint));
        if denied.is_some() && denied >= allowed {
            return refuse("[dial] deny forbids this number", "call another, or change [dial] deny");
        }
        let is_short = forms.get(1).is_some_and(|stripped| self.is_short(stripped));
        if !self.allow.is_empty() && allowed.is_none() && !is_short {
            return refuse("[dial] allow does not have this number", "call another, or change [dial] allow");
        }
        Ok(())
    }
}

/// The keys of a telephone that are pressed for it; none: a name. What else stands between digits hides no number.
fn number_of(user: &str) -> Option<String> {
    let keys: String = user.chars().filter(|c| c.is_ascii_digit() || "+*#".contains(*c)).collect();
    (keys.contains(|c| c != '+') && !user.contains(char::is_alphabetic)).then_some(keys)
}

/// `x` in a prefix is any digit.
fn begins(number: &str, prefix: &str) -> bool {
    let mut digits = number.bytes();
    prefix.bytes().all(|wanted| match (wanted, digits.next()) {
        (b'x' | b'X', Some(digit)) => digit.is_ascii_digit(),
        (wanted, digit) => digit == Some(wanted),
    })
}

#[cfg(test)]
mod tests {
    use super::{AccountDial, DialSettings, Number, Rules, number_of};

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(ToString::to_string).collect()
    }

    fn wire(all: &DialSettings, typed: &str) -> Option<String> {
        Rules::of(all, None).apply(typed, number_of(typed)?).ok().map(|number: Number| number.wire)
    }

    #[test]
    fn numbers_are_rewritten() {
        let german = DialSettings { country: Some("DE".into()), e164: true, ..DialSettings::default() };
        let outside = DialSettings { prefix: "0".into(), ..german.clone() };
        let national = DialSettings { prefix: "0".into(), country: Some("DE".into()), ..DialSettings::default() };
        let stripping = DialSettings { strip: "9".into(), ..german.clone() };
        for (rules, typed, on_the_wire) in [
            (&DialSettings::default(), "030 123-45", "030 123-45"),
            (&german, "030 1234567", "+49301234567"),
            (&german, "0044 20 7946 0958", "+442079460958"),
            (&german, "1001", "1001"),
            (&german, "*72", "*72"),
            (&german, "112", "112"),
            (&outside, "030 1234567", "00049301234567"),
            (&outside, "1001", "1001"),
            (&outside, "112", "112"),
            (&national, "030 1234567", "00301234567"),
            (&national, "+44 20 79460958", "000442079460958"),
            (&stripping, "9 030 1234567", "+49301234567"),
            (&stripping, "9112", "9112"),
        ] {
            assert_eq!(wire(rules, typed).as_deref(), Some(on_the_wire), "{typed:?}");
        }
        let own = AccountDial { prefix: Some("8".into()), e164: Some(false), ..AccountDial::default() };
        let number = Rules::of(&german, Some(&own)).apply("030 1234567", "0301234567".into()).expect("it is allowed");
        assert_eq!((number.wire.as_str(), number.shown.as_str()), ("80301234567", "0301234567"));
    }

    #[test]
    fn the_longest_prefix_decides() {
        let rules = DialSettings {
            country: Some("DE".into()),
            prefix: "0".into(),
            deny: list(&["00", "+", "+49900", "0137x0"]),
            allow: list(&["+49", "+4315"]),
            emergency: list(&["112", "00900"]),
            ..DialSettings::default()
        };
        for (typed, allowed) in [
            ("030 1234567", true),
            ("+49 30 1234567", true),
            ("0049 30 1234567", true),
            ("0900 1234567", false),
            ("+49 900 1234567", false),
            ("0049900 1234567", false),
            ("+43 1 5123456", true),
            ("+43 1 6123456", false),
            ("0137 10 12345", false),
            ("0137 11 12345", true),
            ("1001", true),
            ("*72", true),
            ("5555555", false),
            ("112", true),
            ("00900", true),
        ] {
            assert_eq!(wire(&rules, typed).is_some(), allowed, "{typed:?}");
        }
    }
}
