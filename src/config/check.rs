//! What types cannot say: URIs, addresses, ranges, names that must fit each other.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::{Config, crm, fleet, history, http};
use crate::sdp::{CodecKind, VideoCodec};
use crate::ua::dialable;
use crate::ua::io::Transport;
use crate::ua::settings::{AccountSettings, DialSettings, Secret};

/// The longest password that a file may hold, bytes.
const MAX_PASSWORD: u64 = 4096;

/// A fault: the key's path, and what would be right.
pub(super) type Wrong = (Vec<String>, String);

/// Every fault of a whole configuration.
pub(super) fn faults(config: &Config) -> Vec<Wrong> {
    let mut faults = Vec::new();
    let mut fault = |path: &[&str], result: Result<(), String>| {
        if let Err(why) = result {
            faults.push((path.iter().map(ToString::to_string).collect(), why));
        }
    };
    if let Some(socket) = &config.rpc.socket {
        fault(&["rpc", "socket"], when(socket.is_absolute(), "an absolute path"));
    }
    for (key, result) in http::faults(&config.http) {
        fault(&["http", key], result);
    }
    for (key, result) in history::faults(&config.history) {
        fault(&["history", key], result);
    }
    fault(&["sip", "listen"], config.sip.listen.iter().try_for_each(|entry| listen(entry)));
    let listens = config.sip.listen.iter().any(|entry| entry.starts_with("tls:"));
    fault(
        &["sip", "listen"],
        when(!listens || config.tls.certificate.is_some(), "a [tls] certificate and key beside \"tls:\" entries"),
    );
    let half = if config.tls.key.is_some() { "key" } else { "certificate" };
    fault(&["tls", half], pair(&config.tls.certificate, &config.tls.key));
    fault(&["sip", "user_agent"], when(printable(&config.sip.user_agent), "one line of printable text"));
    if let Some(address) = &config.sip.public_address {
        fault(&["sip", "public_address"], when(address.parse::<IpAddr>().is_ok(), "an IP address, as 203.0.113.7"));
    }
    fault(&["sip", "t1_ms"], when((10..=10_000).contains(&config.sip.t1_ms), "10 to 10000"));
    fault(&["media", "rtp_ports"], ports(&config.media.rtp_ports).map(drop));
    fault(
        &["media", "codecs"],
        codecs(&config.media.codecs).and(when(!config.media.codecs.is_empty(), "at least one codec")),
    );
    fault(&["media", "dscp"], when(config.media.dscp <= 63, "0 to 63"));
    let named = |uri: &String, scheme| {
        if uri.starts_with("turns:") {
            return Err("turn:, not turns: (TURN within TLS is not spoken; the media is encrypted all the same)".into());
        }
        when(
            server(uri, scheme).is_some(),
            "servers as \"stun:HOST:PORT\", \"turn:HOST:PORT\" or \"turn:HOST:PORT?transport=tcp\"",
        )
    };
    fault(&["webrtc", "stun"], config.webrtc.stun.iter().try_for_each(|uri| named(uri, "stun")));
    fault(&["webrtc", "turn"], config.webrtc.turn.iter().try_for_each(|turn| named(&turn.uri, "turn")));
    fault(
        &["audio", "host"],
        when(["auto", "pulse", "alsa", "none"].contains(&&*config.audio.host), "auto, pulse, alsa or none"),
    );
    fault(&["audio", "input"], device(&config.audio.input));
    fault(&["audio", "output"], device(&config.audio.output));
    fault(&["audio", "ringer"], device(&config.audio.ringer));
    for (key, volume) in [("input_volume", config.audio.input_volume), ("output_volume", config.audio.output_volume)] {
        fault(&["audio", key], when(volume <= 150, "0 to 150, percent"));
    }
    let whole = config.audio.play_dirs.iter().all(|dir| dir.is_absolute());
    fault(&["audio", "play_dirs"], when(whole, "absolute paths of directories"));
    for (key, result) in config.tones.faults() {
        fault(&["tones", key], result);
    }
    let video = &config.video;
    for (key, end) in [("source", &video.source), ("sink", &video.sink)] {
        fault(&["video", key], end.as_deref().map_or(Ok(()), video_end));
    }
    let known = video.codecs.iter().all(|name| VideoCodec::from_name(name).is_some()) && !video.codecs.is_empty();
    let file = [&video.source, &video.sink].into_iter().flatten().any(|end| end.starts_with("file:"));
    let vp8 = video.codecs.iter().any(|name| VideoCodec::from_name(name) == Some(VideoCodec::Vp8));
    fault(&["video", "codecs"], when(known && (vp8 || !file), "VP8, H264; VP8 among them where there is a file"));
    fault(&["phone", "max_calls"], when(config.phone.max_calls > 0, "at least 1"));
    fault(&["phone", "max_calls_per_seat"], when(config.phone.max_calls_per_seat > 0, "at least 1"));
    fault(&["phone", "dials_per_second"], when(config.phone.dials_per_second > 0, "at least 1"));
    fault(&["phone", "report_interval"], when(config.phone.report_interval > 0, "at least 1"));
    fault(&["phone", "record_permissions"], when(config.phone.record_permissions <= 2, "0, 1 or 2"));
    fault(&["phone", "wrap_up"], when(config.phone.wrap_up <= 86_400, "0 to 86400"));
    let refusal = (400..700).contains(&config.phone.not_ready_code);
    fault(&["phone", "not_ready_code"], when(refusal, "a status that refuses: 400 to 699"));
    if let Some(number) = &config.phone.not_ready_forward {
        fault(&["phone", "not_ready_forward"], when(dialable(number), "a number or a SIP URI"));
    }
    let record = &config.record;
    if let Some(dir) = &record.dir {
        fault(&["record", "dir"], when(dir.is_absolute(), "an absolute path"));
    }
    fault(&["record", "pattern"], crate::media::recorder::check_pattern(&record.pattern));
    fault(&["record", "format"], when(["wav", "ogg"].contains(&&*record.format), "wav or ogg"));
    let codes = [
        ("pbx_start", &record.pbx_start),
        ("pbx_pause", &record.pbx_pause),
        ("pbx_resume", &record.pbx_resume),
        ("pbx_stop", &record.pbx_stop),
    ];
    for (key, code) in codes {
        fault(&["record", key], code.as_deref().map_or(Ok(()), digits));
    }
    let toggles = record.pbx_pause.is_some() && [&record.pbx_start, &record.pbx_stop].contains(&&record.pbx_pause);
    fault(
        &["record", "pbx_pause"],
        when(!toggles, "a code of its own: one that starts, stops or pauses is none to rely on"),
    );
    if let Some(account) = &config.phone.default_account {
        fault(
            &["phone", "default_account"],
            when(
                config.accounts.contains_key(account),
                "the name of an account: an [accounts.NAME] of this configuration",
            ),
        );
    }
    if let Some(dir) = &config.store.dir {
        fault(&["store", "dir"], when(dir.is_absolute(), "an absolute path"));
    }
    fault(&["store", "max_age_days"], when(config.store.max_age_days > 0, "at least 1"));
    fault(&["store", "max_bytes"], when(config.store.max_bytes >= 262_144, "at least 262144"));
    let filter = tracing_subscriber::EnvFilter::builder().parse(&config.log.level);
    fault(
        &["log", "level"],
        filter.map(drop).map_err(|_| "error, warn, info, debug or trace, or a filter as info,phoned::sip=debug".into()),
    );
    fault(&["log", "format"], when(["text", "json"].contains(&&*config.log.format), "text or json"));
    for (key, result) in dial_faults(&config.dial) {
        fault(&["dial", key], result);
    }
    faults.extend(crm::faults(config));
    faults.extend(fleet::faults(config));
    let mut seen: BTreeMap<(String, &Option<String>), &str> = BTreeMap::new();
    for (name, account) in &config.accounts {
        for (key, why) in account_faults(name, account, true) {
            let key = Some(key).filter(|key| !key.is_empty());
            faults.push((["accounts", name].into_iter().map(str::to_owned).chain(key).collect(), why));
        }
        if let Some(other) = seen.insert((account.uri.to_ascii_lowercase(), &account.username), name)
            && !account.uri.is_empty()
        {
            let why = format!("another URI, or another username: account {other:?} has the same");
            faults.push((vec!["accounts".into(), name.clone(), "uri".into()], why));
        }
    }
    faults
}

/// Every fault of one account: the key (empty: its name), and what would be right. A part of an account (`whole` false) may
/// leave its URI out.
pub fn account_faults(name: &str, account: &AccountSettings, whole: bool) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    let mut fault = |key: &str, result: Result<(), String>| {
        if let Err(why) = result {
            faults.push((key.to_owned(), why));
        }
    };
    fault("", when(plain_name(name), "a name of letters, digits and -_.@+"));
    if whole || !account.uri.is_empty() {
        fault("uri", sip_uri(&account.uri, true));
    }
    if let Some(registrar) = &account.registrar {
        fault("registrar", sip_uri(registrar, false));
    }
    fault("proxies", account.proxies.iter().try_for_each(|proxy| sip_uri(proxy, false)));
    if let Some(transport) = &account.transport {
        let named = Transport::from_name(transport).is_some_and(|t| t.param() == transport);
        fault("transport", when(named, "udp, tcp, tls, ws or wss"));
    }
    for (key, text) in [("display_name", &account.display_name), ("username", &account.username)] {
        fault(key, when(text.as_deref().is_none_or(printable), "one line of printable text"));
    }
    let half = if account.tls_key.is_some() { "tls_key" } else { "tls_certificate" };
    fault(half, pair(&account.tls_certificate, &account.tls_key));
    if let Some(name) = &account.tls_server_name {
        fault("tls_server_name", when(is_host(name) || name.parse::<IpAddr>().is_ok(), "a host name or an address"));
    }
    if let Some(path) = &account.ws_path {
        let fine = path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic() && !"?#".contains(c));
        fault("ws_path", when(fine, "a path, as \"/ws\"; what follows a ? is ws_query"));
    }
    if let Some(query) = &account.ws_query {
        let fine = query.expose().chars().all(|c| c.is_ascii_graphic() && c != '#');
        fault("ws_query", when(fine, "what follows the ? of a URL, escaped"));
    }
    let value = |text: &str| text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    if let Some(origin) = &account.ws_origin {
        fault("ws_origin", when(!origin.is_empty() && value(origin), "an origin, as \"https://example.com\""));
    }
    fault(
        "ws_headers",
        when(
            account.ws_headers.iter().all(|header| ws_header(header.expose())),
            "entries as \"Name: value\", none of the WebSocket's own",
        ),
    );
    let ways = [account.password.is_some(), account.password_file.is_some(), account.password_credential.is_some()];
    let several = ways.iter().filter(|way| **way).count() > 1;
    let key = if account.password_file.is_some() { "password_file" } else { "password_credential" };
    fault(key, when(!several, "one of password, password_file, password_credential"));
    if let Some(name) = &account.password_credential {
        let plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.') && printable(name);
        fault("password_credential", when(plain, "the name of a LoadCredential= of the unit, as \"office\""));
    }
    if let Some(expires) = account.expires {
        fault("expires", when((10..=86_400).contains(&expires), "10 to 86400"));
    }
    if let Some(attempts) = account.register_max_attempts {
        fault("register_max_attempts", when(attempts > 0, "at least 1, or nothing for no limit"));
    }
    fault("trusted", account.trusted.iter().try_for_each(|peer| trusted(peer)));
    fault("codecs", codecs(&account.codecs));
    for (key, id) in [("input", &account.input), ("output", &account.output), ("ringer", &account.ringer)] {
        fault(key, id.as_deref().map_or(Ok(()), device));
    }
    for (key, end) in [("video_source", &account.video_source), ("video_sink", &account.video_sink)] {
        fault(key, end.as_deref().map_or(Ok(()), video_end));
    }
    if let Some(dial) = &account.dial {
        let own = dial.clone();
        let whole = DialSettings {
            strip: own.strip.unwrap_or_default(),
            prefix: own.prefix.unwrap_or_default(),
            country: own.country,
            allow: own.allow.unwrap_or_default(),
            deny: own.deny.unwrap_or_default(),
            ..DialSettings::default()
        };
        let wrong = dial_faults(&whole).into_iter().find_map(|(key, result)| Some(format!("{key}: {}", result.err()?)));
        fault("dial", wrong.map_or(Ok(()), Err));
    }
    faults
}

fn dial_faults(dial: &DialSettings) -> Vec<(&'static str, Result<(), String>)> {
    let number =
        |text: &str, more: &str| text.chars().all(|c| c.is_ascii_digit() || "+*#".contains(c) || more.contains(c));
    let lists = |list: &[String]| {
        let fine = list.iter().all(|prefix| !prefix.is_empty() && number(prefix, "xX"));
        when(fine, "beginnings of numbers, as [\"+49\", \"0900\"]; x is any digit")
    };
    vec![
        ("strip", when(number(&dial.strip, ""), "digits, as \"0\"")),
        ("prefix", when(number(&dial.prefix, ""), "digits, as \"0\"")),
        ("country", dial.country.as_deref().map_or(Ok(()), crm::known_country)),
        ("e164", when(!dial.e164 || dial.country.is_some(), "with [dial] country")),
        ("allow", lists(&dial.allow)),
        ("deny", lists(&dial.deny)),
        (
            "emergency",
            when(
                dial.emergency.iter().all(|known| !known.is_empty() && number(known, "")),
                "whole numbers, as [\"112\"]",
            ),
        ),
    ]
}

/// A name that may stand in a path, and in a log.
pub(super) fn plain_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_alphanumeric() || "-_.@+".contains(c))
}

/// The key that says where the password is, if it is not in the configuration itself.
pub(super) fn password_key(account: &AccountSettings) -> &'static str {
    if account.password_credential.is_some() { "password_credential" } else { "password_file" }
}

/// Reads `password_file` or `password_credential`, where there is one, into `password`. The error never holds what the file does.
pub fn read_password(account: &mut AccountSettings) -> Result<(), String> {
    let path = match (&account.password_file, &account.password_credential) {
        (Some(path), _) => PathBuf::from(path),
        (None, Some(name)) => {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
            let folder =
                folder.ok_or("with a unit that has LoadCredential= of that name; there are no credentials here")?;
            PathBuf::from(folder).join(name)
        }
        (None, None) => return Ok(()),
    };
    account.password = Some(first_line(&path, "password")?);
    Ok(())
}

/// The first line of a file that holds a secret. The error never holds what the file does.
pub(super) fn first_line(path: &Path, what: &str) -> Result<Secret, String> {
    let failed = |why: &dyn std::fmt::Display| format!("a file whose first line is the {what}; {path:?}: {why}");
    let metadata = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if !metadata.is_file() || metadata.len() > MAX_PASSWORD {
        return Err(failed(&"not a small ordinary file"));
    }
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let mut line = String::new();
    BufReader::new(file).read_line(&mut line).map_err(|_| failed(&"not UTF-8 text"))?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(failed(&"its first line is empty"));
    }
    Ok(Secret::new(password))
}

/// `FIRST-LAST`.
pub(super) fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let parsed =
        text.split_once('-').and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    match parsed {
        Some((first, last)) if first >= 1024 && first < last => Ok(first..=last),
        _ => Err("a range of ports above 1023, as \"20000-29999\"".into()),
    }
}

pub(super) fn when(right: bool, what: &str) -> Result<(), String> {
    if right { Ok(()) } else { Err(what.to_owned()) }
}

pub(super) fn pair(certificate: &Option<String>, key: &Option<String>) -> Result<(), String> {
    when(certificate.is_some() == key.is_some(), "both a certificate and its key, or neither")
}

pub(super) fn printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn listen(entry: &str) -> Result<(), String> {
    let address = ["udp:", "tcp:", "tls:"].iter().find_map(|transport| entry.strip_prefix(transport));
    when(
        address.is_some_and(|address| address.parse::<SocketAddr>().is_ok()),
        "entries as \"udp:0.0.0.0:5060\", \"tcp:[::]:5060\" or \"tls:0.0.0.0:5061\"",
    )
}

/// A header of the upgrade request that is not the WebSocket's own (RFC 6455 §4.1).
fn ws_header(text: &str) -> bool {
    let Some((name, value)) = text.split_once(':') else { return false };
    let token = |c: char| c.is_ascii_alphanumeric() || "-_.!#$%&'*+^`|~".contains(c);
    let name = name.trim().to_ascii_lowercase();
    let own = ["host", "connection", "upgrade", "origin", "content-length", "transfer-encoding"];
    !name.is_empty()
        && name.chars().all(token)
        && !own.contains(&name.as_str())
        && !name.starts_with("sec-websocket-")
        && value.chars().all(|c| c == ' ' || c.is_ascii_graphic())
}

fn codecs(names: &[String]) -> Result<(), String> {
    let known: Vec<_> = CodecKind::ALL.iter().map(|kind| kind.name().to_ascii_lowercase()).collect();
    when(names.iter().all(|name| CodecKind::from_name(name).is_some()), &known.join(", "))
}

fn digits(code: &str) -> Result<(), String> {
    let fine = !code.is_empty() && code.len() <= 32 && code.chars().all(|c| "0123456789*#ABCDabcd,".contains(c));
    when(fine, "a feature code, as \"*1\": 0-9 * # A-D, a comma pauses 2 s")
}

fn device(id: &str) -> Result<(), String> {
    match id.split_once(':') {
        Some(("tone", hz)) => {
            when(hz.parse::<f64>().is_ok_and(|hz| hz > 0.0 && hz < 24_000.0), "a tone below 24000 Hz, as \"tone:440\"")
        }
        Some(("file", path)) => when(!path.is_empty(), "a path, as \"file:/usr/share/sounds/x.wav\""),
        _ => when(
            !id.is_empty() && printable(id),
            "\"default\", \"null\", \"tone:HZ\", \"file:PATH\" or an id of device.list",
        ),
    }
}

/// A file, or a port of this host: RTP has no lock that would keep strangers out.
fn video_end(text: &str) -> Result<(), String> {
    let right = match text.split_once(':') {
        Some(("file", path)) => !path.is_empty() && printable(path),
        Some(("rtp", address)) => {
            address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback() && address.port() > 0)
        }
        _ => false,
    };
    when(right, "\"file:PATH\" or a port of this host, as \"rtp:127.0.0.1:5004\"")
}

fn trusted(peer: &str) -> Result<(), String> {
    let right = match peer.split_once('/') {
        Some((address, bits)) => match (address.parse::<IpAddr>(), bits.parse::<u8>()) {
            (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
            (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
            _ => false,
        },
        None => is_host(peer) || peer.parse::<IpAddr>().is_ok(),
    };
    when(right, "addresses, networks or host names, as \"192.0.2.7\", \"192.0.2.0/24\", \"pbx.example.com\"")
}

/// `sip:user@host:port;params`, RFC 3261 §19.1.1, as far as a configuration has to be checked.
fn sip_uri(text: &str, with_user: bool) -> Result<(), String> {
    let right = (|| {
        let rest = text.strip_prefix("sip:").or_else(|| text.strip_prefix("sips:"))?;
        let (user, rest) = match rest.split_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let address = rest.split([';', '?']).next()?;
        let (host, port) = match address.strip_prefix('[') {
            Some(literal) => {
                let (host, port) = literal.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, port.strip_prefix(':').or(if port.is_empty() { Some("5060") } else { None })?)
            }
            None => address.split_once(':').unwrap_or((address, "5060")),
        };
        let fine = |c: char| !c.is_control() && !c.is_whitespace() && !"<>\"@".contains(c);
        let user_fine = user.map_or(!with_user, |user| !user.is_empty() && !user.starts_with(':'));
        let host_fine = is_host(host) || host.parse::<IpAddr>().is_ok();
        Some(
            user_fine
                && host_fine
                && port.parse::<u16>().is_ok_and(|port| port > 0)
                && text.replacen('@', "", 1).chars().all(fine),
        )
    })();
    when(
        right == Some(true),
        if with_user {
            "a SIP URI, as \"sip:alice@example.com\""
        } else {
            "a SIP URI, as \"sip:pbx.example.com:5060\""
        },
    )
}

/// `stun:HOST:PORT` as `HOST:PORT` (RFC 7064, RFC 7065), without a port it is 3478; and whether it is to be reached by TCP, which TURN
/// may be. None: something else.
pub(super) fn server(uri: &str, scheme: &str) -> Option<(String, bool)> {
    let rest = uri.strip_prefix(scheme)?.strip_prefix(':')?;
    let (rest, tcp) = match rest.strip_suffix("?transport=tcp").filter(|_| scheme == "turn") {
        Some(rest) => (rest, true),
        None => (rest.strip_suffix("?transport=udp").unwrap_or(rest), false),
    };
    if rest.parse::<SocketAddr>().is_ok() {
        return Some((rest.to_owned(), tcp));
    }
    if let Some(ip) = rest.strip_prefix('[').and_then(|r| r.strip_suffix(']')) {
        return ip.parse::<std::net::Ipv6Addr>().ok().map(|ip| (format!("[{ip}]:3478"), tcp));
    }
    let (host, port) = rest.split_once(':').unwrap_or((rest, "3478"));
    let fine = is_host(host) || host.parse::<std::net::Ipv4Addr>().is_ok();
    (fine && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| (format!("{host}:{port}"), tcp))
}

pub(super) fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !label.starts_with('-')
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253
        && name.split('.').all(label)
        && !name.split('.').next_back().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()))
}
