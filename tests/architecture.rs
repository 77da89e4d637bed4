//! The rooms of docs/ARCHITECTURE.md stay apart: the centre (`ua`, `sip`, `sdp`) knows neither the OS nor the edges, the edges do
//! not know each other, rsip has one door, no file grows past 600 lines, nothing is a stub, every test says what it promises.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every `.rs` file under a folder of the repository, with its text.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut files) = (vec![root.join(folder)], Vec::<PathBuf>::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(end) if end == "rs" => files.push(path),
                _ => {}
            }
        }
    }
    let name = |path: &Path| path.strip_prefix(root).expect("inside").to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("text"))).collect()
}

/// The code of a file: without comments, string contents and its unit tests (`#[cfg(test)]` to the end of the item or file).
fn code(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut tests = None::<usize>;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if tests.is_none() && trimmed.starts_with("#[cfg(test)]") {
            tests = Some(indent);
            continue;
        }
        if let Some(depth) = tests {
            let ends =
                indent == depth && (trimmed.starts_with('}') || (trimmed.ends_with(';') && !trimmed.starts_with('#')));
            if ends {
                tests = None;
            }
            continue;
        }
        if !trimmed.starts_with("//") {
            lines.push((number + 1, strip(line)));
        }
    }
    lines
}

/// A line without what stands in quotes and behind `//`.
fn strip(line: &str) -> String {
    let (mut out, mut quoted, mut last) = (String::new(), false, ' ');
    for c in line.chars() {
        match c {
            '"' if last != '\\' && last != '\'' => quoted = !quoted,
            '/' if !quoted && last == '/' => return out,
            _ if !quoted => out.push(c),
            _ => {}
        }
        last = if c == '\\' && last == '\\' { ' ' } else { c };
    }
    out
}

/// A word stands in a line as a path's part: `tokio` in `use tokio::sync`, not in `tokio_like` or `.tokio`.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(|c| part(c) || c == '.') && (word.ends_with(':') || !after.is_some_and(part))
    })
}

/// Every line of a room that names one of the words.
fn trespasses(room: &str, forbidden: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in sources("src") {
        let inside = file.starts_with(&format!("{room}/")) || file == format!("{room}.rs");
        if !inside {
            continue;
        }
        for (number, line) in code(&text) {
            for word in forbidden {
                if names(&line, word) {
                    found.push(format!("{file}:{number} names {word}: {}", line.trim()));
                }
            }
        }
    }
    found
}

fn none(found: Vec<String>) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// A callback that waits is heard. rtrb's rings and atomics do not; allocations are counted beside the code.
#[test]
fn a_device_callback_never_waits() {
    let waits = [
        "Mutex",
        "RwLock",
        "Condvar",
        "OnceLock",
        "LazyLock",
        "Barrier",
        "lock",
        "mpsc",
        "crossbeam_channel",
        "tokio",
        "thread",
        "tracing",
        "println",
        "eprintln",
        "format",
        "vec",
        "Vec",
        "Box",
        "String",
        "collect",
        "to_vec",
        "cpal",
        "nix",
        "Duration",
    ];
    none(trespasses("src/audio/callback", &waits));
    let stream = &sources("src")["src/audio/stream.rs"];
    for callback in ["heard.take(pcm)", "played.fill(pcm)"] {
        let line = stream.lines().find(|line| line.contains(callback)).expect("the callback");
        assert!(
            line.trim().starts_with("let") && line.contains('|') && line.ends_with(';'),
            "no more than that: {line}"
        );
    }
}

#[test]
fn the_centre_has_no_os() {
    let os = [
        "tokio",
        "socket2",
        "nix",
        "cpal",
        "jsonrpsee",
        "hickory_resolver",
        "webrtc",
        "sd_notify",
        "config::",
        "toml::",
        "clap",
        "thread_priority",
        "rtrb",
        "crossbeam_channel",
        "rubato",
        "opus::",
        "hound",
        "tracing_subscriber",
        "UdpSocket",
        "TcpStream",
        "TcpListener",
        "UnixStream",
        "Instant",
        "SystemTime",
        "std::fs",
        "std::thread",
        "std::process",
        "std::env",
        "std::sync::atomic",
        "std::sync::mpsc",
        "Mutex",
        "RwLock",
        "OnceLock",
        "LazyLock",
        "thread_local",
        "getrandom",
        "OsRng",
        "SysRng",
        "rand::rng",
        "async",
        "await",
        "HashMap",
        "HashSet",
        "rtc_rtp",
        "rtc_rtcp",
        "hyper",
        "rustls",
        "rtc_srtp",
        "rtc_dtls",
        "rtc_ice",
        "rtc_turn",
        "rtc_stun",
        "rtc_shared",
    ];
    for room in ["src/ua", "src/sip", "src/sdp"] {
        none(trespasses(room, &os));
    }
}

#[test]
fn the_centre_does_not_know_the_edges() {
    let edges = [
        "crate::media",
        "crate::audio",
        "crate::net",
        "crate::rpc",
        "crate::store",
        "crate::config",
        "crate::crm",
        "crate::fleet",
        "crate::daemon",
        "crate::ctl",
    ];
    for room in ["src/ua", "src/sip", "src/sdp"] {
        none(trespasses(room, &edges));
    }
    none(trespasses("src/sip", &["crate::ua", "crate::sdp"]));
    none(trespasses("src/sdp", &["crate::ua"]));
}

#[test]
fn the_edges_do_not_know_each_other() {
    none(trespasses(
        "src/media",
        &["crate::net", "crate::rpc", "crate::daemon", "crate::ctl", "jsonrpsee", "rsip", "cpal"],
    ));
    none(trespasses(
        "src/audio",
        &[
            "crate::net",
            "crate::rpc",
            "crate::media",
            "crate::daemon",
            "crate::ctl",
            "jsonrpsee",
            "rsip",
            "crate::sip",
            "crate::sdp",
        ],
    ));
    none(trespasses(
        "src/net",
        &[
            "crate::audio",
            "crate::rpc",
            "crate::media",
            "crate::daemon",
            "crate::ctl",
            "jsonrpsee",
            "rsip",
            "cpal",
            "crate::sdp",
        ],
    ));
    none(trespasses(
        "src/rpc",
        &[
            "crate::audio",
            "crate::net",
            "crate::media",
            "crate::daemon",
            "crate::ctl",
            "rsip",
            "cpal",
            "crate::sip",
            "crate::sdp",
        ],
    ));
    none(trespasses(
        "src/store",
        &[
            "crate::audio",
            "crate::net",
            "crate::media",
            "crate::rpc",
            "crate::daemon",
            "crate::ctl",
            "crate::sip",
            "crate::sdp",
            "tokio",
            "jsonrpsee",
            "rsip",
            "cpal",
        ],
    ));
    none(trespasses(
        "src/crm",
        &[
            "crate::audio",
            "crate::net",
            "crate::media",
            "crate::rpc",
            "crate::daemon",
            "crate::ctl",
            "crate::sip",
            "crate::sdp",
            "jsonrpsee",
            "rsip",
            "cpal",
        ],
    ));
    none(trespasses(
        "src/fleet",
        &[
            "crate::audio",
            "crate::net",
            "crate::media",
            "crate::crm",
            "crate::daemon",
            "crate::ctl",
            "crate::sip",
            "crate::sdp",
            "jsonrpsee",
            "rsip",
            "cpal",
        ],
    ));
    none(trespasses(
        "src/history",
        &[
            "crate::audio",
            "crate::net",
            "crate::media",
            "crate::rpc",
            "crate::store",
            "crate::config",
            "crate::daemon",
            "crate::ctl",
            "tokio",
            "nix",
            "std::fs",
            "rsip",
        ],
    ));
    none(trespasses(
        "src/doctor",
        &["crate::audio", "crate::media", "crate::rpc", "crate::store", "crate::daemon", "crate::ctl", "rsip", "cpal"],
    ));
    none(trespasses(
        "src/ctl",
        &["crate::audio", "crate::net", "crate::media", "crate::daemon", "rsip", "cpal", "crate::sip", "crate::sdp"],
    ));
}

#[test]
fn rsip_has_one_door() {
    let mut found = trespasses("src", &["rsip"]);
    // The message, and the files that it keeps private.
    found.retain(|line| !line.starts_with("src/sip/message.rs:") && !line.starts_with("src/sip/message/"));
    none(found);
}

#[test]
fn only_media_names_the_webrtc_crates() {
    let crates = ["rtc_srtp", "rtc_dtls", "rtc_ice", "rtc_turn", "rtc_stun", "rtc_shared", "rtc_rtcp", "sansio"];
    let mut found = trespasses("src", &crates);
    found.retain(|line| !line.starts_with("src/media/"));
    none(found);
}

#[test]
fn only_the_fleet_names_its_broker() {
    let mut found = trespasses("src", &["async_nats", "nkeys"]);
    found.retain(|line| !line.starts_with("src/fleet/"));
    none(found);
}

#[test]
fn files_stay_readable() {
    let mut long = Vec::new();
    for folder in ["src", "tests"] {
        for (file, text) in sources(folder) {
            let lines = text.lines().count();
            if lines > 600 {
                long.push(format!("{file}: {lines} lines, split it by verb or noun"));
            } else if lines > 350 {
                println!("{file}: {lines} lines");
            }
        }
    }
    none(long);
}

#[test]
fn nothing_is_a_stub() {
    let stubs = ["todo", "unimplemented"].map(|word| format!("{word}!"));
    let mut found = Vec::new();
    for (file, text) in sources("src") {
        for (number, line) in code(&text) {
            if stubs.iter().any(|stub| line.contains(stub.as_str())) {
                found.push(format!("{file}:{number}: {}", line.trim()));
            }
        }
    }
    none(found);
}

#[test]
fn every_test_says_what_it_promises() {
    let mut silent = Vec::new();
    for (file, text) in sources("tests") {
        if file.matches('/').count() == 1 && !text.starts_with("//!") {
            silent.push(format!("{file} has no doc comment on top"));
        }
    }
    none(silent);
}

#[test]
fn queues_have_bounds() {
    none(trespasses("src", &["unbounded_channel", "unbounded", "UnboundedSender", "mpsc::channel()"]));
}

#[test]
fn this_reader_of_code_can_read() {
    let text = "use a; // tokio\n/// tokio\nlet s = \"tokio\";\nuse tokio::sync;\n#[cfg(test)]\nmod tests {\n    use tokio;\n}\nuse tokio_util;\n";
    let hits: Vec<usize> = code(text).iter().filter(|(_, line)| names(line, "tokio")).map(|(n, _)| *n).collect();
    assert_eq!(hits, [4]);
}
