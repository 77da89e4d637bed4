//! Nothing secret of a SIP message is kept: credentials, keys of media, passwords in URIs, digits.

/// What stands in a digest and helps nobody to make another one.
const HARMLESS: [&str; 9] = ["username", "realm", "nonce", "nextnonce", "uri", "algorithm", "opaque", "qop", "nc"];

/// The Call-ID of a message.
pub(super) fn call_id(bytes: &[u8]) -> Option<&str> {
    let lines = bytes.split(|byte| *byte == b'\n').skip(1).take_while(|line| !line.trim_ascii().is_empty());
    let values = lines.filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = line.get(..at)?.trim_ascii();
        let named = name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i");
        named.then(|| line.get(at + 1..)).flatten()
    });
    values.filter_map(|value| std::str::from_utf8(value.trim_ascii()).ok()).find(|value| !value.is_empty())
}

/// The message as text. What is masked in its body keeps its length, so that Content-Length stays true.
pub(super) fn mask(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let end = ["\r\n\r\n", "\n\n"].iter().filter_map(|blank| text.find(blank).map(|at| at + blank.len())).min();
    let (head, body) = text.split_at(end.unwrap_or(text.len()));
    let mut out = String::with_capacity(text.len());
    let (mut kind, mut lines) = (String::new(), head.split_inclusive('\n').peekable());
    while let Some(line) = lines.next() {
        let mut whole = line.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
            whole += more;
        }
        let name = whole.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "authorization" | "proxy-authorization" | "authentication-info" | "proxy-authentication-info" => {
                let value = whole.split_once(':').map(|(_, value)| value).unwrap_or_default();
                let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
                let (shown, ending) = (whole.split(':').next().unwrap_or_default(), ending(&whole));
                out += &format!("{shown}: {}{ending}", credentials(&value, name.ends_with("info")));
            }
            _ => {
                if ["content-type", "c"].contains(&name.as_str()) {
                    kind = whole.to_ascii_lowercase();
                }
                out += &without_passwords(&whole);
            }
        }
    }
    let digits = ["dtmf", "kpml", "telephone-event", "digits"].iter().any(|word| kind.contains(word));
    for line in body.split_inclusive('\n') {
        let (text, ending) = line.split_at(line.len() - ending(line).len());
        out += &masked_line(text, digits);
        out += ending;
    }
    out
}

/// The end of a line, as it was.
fn ending(line: &str) -> &str {
    let text = line.trim_end_matches(['\r', '\n']);
    line.get(text.len()..).unwrap_or_default()
}

fn stars(text: &str) -> String {
    "*".repeat(text.len())
}

/// A line of a body: of a session description, or with a digit.
fn masked_line(line: &str, digits: bool) -> String {
    let low = line.to_ascii_lowercase();
    let tail = |from: usize| {
        format!("{}{}", line.get(..from).unwrap_or_default(), stars(line.get(from..).unwrap_or_default()))
    };
    if low.starts_with("a=crypto:") {
        return inline_keys(line, &low);
    }
    for secret in ["a=ice-pwd:", "a=key-mgmt:", "k="] {
        if low.starts_with(secret) {
            return tail(secret.len());
        }
    }
    let key = low.split('=').next().unwrap_or_default().trim();
    if key == "signal" || digits && key != "duration" {
        return tail(line.find('=').map_or(0, |at| at + 1));
    }
    line.to_owned()
}

/// `a=crypto:1 SUITE inline:KEY|LIFETIME;inline:…`: every key.
fn inline_keys(line: &str, low: &str) -> String {
    let (mut out, mut at) = (String::new(), 0);
    while let Some(found) = low.get(at..).and_then(|rest| rest.find("inline:")) {
        let from = at + found + "inline:".len();
        let key = line.get(from..).unwrap_or_default().split([' ', ';', '\t']).next().unwrap_or_default();
        out += line.get(at..from).unwrap_or_default();
        out += &stars(key);
        at = from + key.len();
    }
    out + line.get(at..).unwrap_or_default()
}

/// `Digest username="…", response="…"`: what proves the password is gone. Of any other scheme all is.
fn credentials(value: &str, info: bool) -> String {
    let (scheme, params) = if info { ("", value) } else { value.split_once(' ').unwrap_or((value, "")) };
    if !info && !scheme.eq_ignore_ascii_case("digest") {
        return if params.is_empty() { "***".to_owned() } else { format!("{scheme} ***") };
    }
    let (mut shown, mut quoted, mut from) = (Vec::new(), false, 0);
    let ends = params.char_indices().filter_map(|(at, c)| {
        quoted ^= c == '"';
        (c == ',' && !quoted).then_some(at)
    });
    for end in ends.collect::<Vec<_>>().into_iter().chain([params.len()]) {
        let param = params.get(from..end).unwrap_or_default().trim();
        let name = param.split('=').next().unwrap_or_default().trim();
        let harmless = HARMLESS.iter().any(|known| name.eq_ignore_ascii_case(known));
        shown.push(if harmless { param.to_owned() } else { format!("{name}=***") });
        from = end + 1;
    }
    format!("{scheme} {}", shown.join(", ")).trim_start().to_owned()
}

/// `sip:user:password@host`
fn without_passwords(line: &str) -> String {
    let low = line.to_ascii_lowercase();
    let (mut out, mut at) = (String::new(), 0);
    for scheme in low.match_indices("sip:").chain(low.match_indices("sips:")).map(|(at, name)| at + name.len()) {
        let uri = line.get(scheme..).unwrap_or_default();
        let user = uri.split(['>', ' ', '"', ',', '\r', '\n']).next().unwrap_or_default();
        let Some((user, _)) = user.split_once('@') else { continue };
        let Some((name, password)) = user.split_once(':').filter(|_| scheme >= at) else { continue };
        out += line.get(at..scheme + name.len() + 1).unwrap_or_default();
        out += "***";
        at = scheme + name.len() + 1 + password.len();
    }
    out + line.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{call_id, mask};

    #[test]
    fn call_ids_are_found() {
        assert_eq!(call_id(b"INVITE sip:a@b SIP/2.0\r\nCALL-id : x@y \r\n\r\n"), Some("x@y"));
        assert_eq!(call_id(b"SIP/2.0 200 OK\r\ni:z\r\n\r\nCall-ID: body"), Some("z"));
        assert_eq!(call_id(b"SIP/2.0 200 OK\r\nVia: i:z\r\n\r\nCall-ID: body"), None);
        assert_eq!(call_id(b"\r\n\r\n"), None);
    }

    #[test]
    fn what_is_secret_is_gone_and_the_rest_is_there() {
        let table = [
            (
                "Authorization: Digest username=\"a\", realm=\"x, y\", response=\"s3cret\",cnonce=\"s3cret\", nc=00000001\r\n",
                "Authorization: Digest username=\"a\", realm=\"x, y\", response=***, cnonce=***, nc=00000001\r\n",
            ),
            (
                "proxy-authorization:Digest\r\n response=\"s3cret\",\r\n\tuser=s3cret\r\nVia: v\r\n",
                "proxy-authorization: Digest response=***, user=***\r\nVia: v\r\n",
            ),
            ("Authorization: Bearer s3cret\r\n", "Authorization: Bearer ***\r\n"),
            ("Authorization: s3cret\r\n", "Authorization: ***\r\n"),
            (
                "Authentication-Info: rspauth=\"s3cret\", nextnonce=\"n\"\r\n",
                "Authentication-Info: rspauth=***, nextnonce=\"n\"\r\n",
            ),
            (
                "Contact: <sip:bob:s3cret@h>, <SIPS:eve:s3cret@h:5061>\r\nTo: <sip:carol@h:5060>\r\n",
                "Contact: <sip:bob:***@h>, <SIPS:eve:***@h:5061>\r\nTo: <sip:carol@h:5060>\r\n",
            ),
            (
                "Content-Type: application/sdp\r\n\r\nv=0\r\na=crypto:1 AES inline:s3cret|2^20;inline:s3cret|1:4 UNENCRYPTED\r\na=ice-pwd:s3cret\r\nk=clear:s3cret\r\nm=audio 1 RTP/AVP 0\r\n",
                "Content-Type: application/sdp\r\n\r\nv=0\r\na=crypto:1 AES inline:***********;inline:********** UNENCRYPTED\r\na=ice-pwd:******\r\nk=************\r\nm=audio 1 RTP/AVP 0\r\n",
            ),
            (
                "c: application/dtmf-relay\r\n\r\nSignal= 5\r\nDuration=160\r\n",
                "c: application/dtmf-relay\r\n\r\nSignal=**\r\nDuration=160\r\n",
            ),
            ("Content-Type: application/dtmf\r\n\r\n5", "Content-Type: application/dtmf\r\n\r\n*"),
        ];
        for (given, wanted) in table {
            let masked = mask(format!("INVITE sip:a@b SIP/2.0\r\n{given}").as_bytes());
            assert_eq!(masked, format!("INVITE sip:a@b SIP/2.0\r\n{wanted}"));
            assert!(!masked.contains("s3cret"));
        }
        let whole = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h:5060\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(mask(whole.as_bytes()), whole);
    }
}
