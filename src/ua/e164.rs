//! E.164: how each country writes its numbers, and the one form that all share.

/// How a country's numbers are dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country {
    name: &'static str,
    code: &'static str,
    /// What stands before a foreign number.
    international: &'static str,
    /// What stands before an area code; empty: nothing does.
    trunk: &'static str,
    /// The least digits of a national number that is dialled without the trunk prefix; 0: none is.
    bare: usize,
}

/// ISO 3166 name, country code, international prefix, trunk prefix, least digits without it.
const COUNTRIES: &[(&str, &str, &str, &str, usize)] = &[
    ("AE", "971", "00", "0", 0),
    ("AR", "54", "00", "0", 0),
    ("AT", "43", "00", "0", 0),
    ("AU", "61", "0011", "0", 0),
    ("BE", "32", "00", "0", 0),
    ("BG", "359", "00", "0", 0),
    ("BR", "55", "00", "0", 0),
    ("CA", "1", "011", "1", 10),
    ("CH", "41", "00", "0", 0),
    ("CN", "86", "00", "0", 11),
    ("CZ", "420", "00", "", 9),
    ("DE", "49", "00", "0", 0),
    ("DK", "45", "00", "", 8),
    ("EE", "372", "00", "", 7),
    ("EG", "20", "00", "0", 0),
    ("ES", "34", "00", "", 9),
    ("FI", "358", "00", "0", 0),
    ("FR", "33", "00", "0", 0),
    ("GB", "44", "00", "0", 0),
    ("GR", "30", "00", "", 10),
    ("HK", "852", "001", "", 8),
    ("HR", "385", "00", "0", 0),
    ("HU", "36", "00", "06", 0),
    ("ID", "62", "001", "0", 0),
    ("IE", "353", "00", "0", 0),
    ("IL", "972", "00", "0", 0),
    ("IN", "91", "00", "0", 10),
    ("IT", "39", "00", "", 6),
    ("JP", "81", "010", "0", 0),
    ("KR", "82", "00", "0", 0),
    ("LT", "370", "00", "0", 0),
    ("LU", "352", "00", "", 6),
    ("LV", "371", "00", "", 8),
    ("MX", "52", "00", "", 10),
    ("MY", "60", "00", "0", 0),
    ("NL", "31", "00", "0", 0),
    ("NO", "47", "00", "", 8),
    ("NZ", "64", "00", "0", 0),
    ("PH", "63", "00", "0", 0),
    ("PL", "48", "00", "", 9),
    ("PT", "351", "00", "", 9),
    ("RO", "40", "00", "0", 0),
    ("RS", "381", "00", "0", 0),
    ("RU", "7", "810", "8", 10),
    ("SA", "966", "00", "0", 0),
    ("SE", "46", "00", "0", 0),
    ("SG", "65", "000", "", 8),
    ("SI", "386", "00", "0", 0),
    ("SK", "421", "00", "0", 0),
    ("TH", "66", "001", "0", 0),
    ("TR", "90", "00", "0", 0),
    ("TW", "886", "002", "0", 0),
    ("UA", "380", "00", "0", 0),
    ("US", "1", "011", "1", 10),
    ("VN", "84", "00", "0", 0),
    ("ZA", "27", "00", "0", 0),
];

impl Country {
    /// A country by its two letters (ISO 3166); none: the table does not have it.
    pub fn named(name: &str) -> Option<Country> {
        let row = COUNTRIES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
        let (name, code, international, trunk, bare) = *row;
        Some(Country { name, code, international, trunk, bare })
    }

    /// What stands before a foreign number here.
    pub fn international(&self) -> &'static str {
        self.international
    }

    /// A number as it is dialled or shown here, as `+` and digits. None where it has no such form: an extension, a service
    /// code, a number without its area code.
    pub fn e164(&self, number: &str) -> Option<String> {
        let number = plain(number);
        if number.starts_with('+') {
            return whole(&number);
        }
        let is_long = |digits: &str, least: usize| digits.len() >= least;
        if let Some(foreign) = number.strip_prefix(self.international).filter(|rest| is_long(rest, 7)) {
            return whole(&format!("+{foreign}"));
        }
        if let Some(national) =
            number.strip_prefix(self.trunk).filter(|rest| !self.trunk.is_empty() && is_long(rest, 5))
        {
            return whole(&format!("+{}{national}", self.code));
        }
        // Some trunks leave the plus out; no number of a place is so long.
        if number.starts_with(self.code) && is_long(&number, 11.max(self.code.len() + self.bare)) {
            return whole(&format!("+{number}"));
        }
        if self.bare > 0 && is_long(&number, self.bare) {
            return whole(&format!("+{}{number}", self.code));
        }
        None
    }
}

/// A number without what people write between its digits.
pub fn plain(number: &str) -> String {
    number.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/' | '\u{a0}')).collect()
}

/// `+` and 7 to 15 digits, the first of them not 0.
fn whole(number: &str) -> Option<String> {
    let digits = number.strip_prefix('+')?;
    let right =
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    right.then(|| number.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Country;

    #[test]
    fn each_country_has_its_way() {
        for (country, number, e164) in [
            ("DE", "030 1234567", Some("+49301234567")),
            ("DE", "0049 30/1234567", Some("+49301234567")),
            ("DE", "+49 (30) 1234-567", Some("+49301234567")),
            ("DE", "49301234567", Some("+49301234567")),
            ("DE", "0044 20 7946 0958", Some("+442079460958")),
            ("DE", "1234567", None),
            ("DE", "1001", None),
            ("DE", "112", None),
            ("DE", "*72", None),
            ("DE", "alice", None),
            ("de", "0171 2345678", Some("+491712345678")),
            ("GB", "020 7946 0958", Some("+442079460958")),
            ("US", "(415) 555-0132", Some("+14155550132")),
            ("US", "1 415 555 0132", Some("+14155550132")),
            ("US", "011 49 30 1234567", Some("+49301234567")),
            ("US", "911", None),
            ("IT", "06 1234 5678", Some("+390612345678")),
            ("IT", "0039 06 1234 5678", Some("+390612345678")),
            ("ES", "912 345 678", Some("+34912345678")),
            ("FR", "01 23 45 67 89", Some("+33123456789")),
            ("RU", "8 495 123-45-67", Some("+74951234567")),
            ("RU", "8 10 49 30 1234567", Some("+49301234567")),
            ("HU", "06 1 234 5678", Some("+3612345678")),
            ("CN", "138 0013 8000", Some("+8613800138000")),
            ("CN", "010 1234 5678", Some("+861012345678")),
            ("AU", "0011 49 30 1234567", Some("+49301234567")),
            ("DE", "+0123456789", None),
            ("DE", "+49301234567890123", None),
        ] {
            let found = Country::named(country).expect("a country").e164(number);
            assert_eq!(found.as_deref(), e164, "{country} {number:?}");
        }
        assert!(Country::named("XX").is_none());
    }
}
