//! RFC 4475 at the phone: what the parser takes gets the phone's own verdict, and a call goes on through all of it.

#[path = "../torture/verdicts.rs"]
mod verdicts;

use phoned::ua::settings::Settings;

use crate::net::Net;
use verdicts::Verdict;

/// The status of the first final response that carries the message's Call-ID.
fn answer_to(name: &str) -> (Option<u16>, String) {
    let mut net = Net::new(1);
    let alice = net.phone_with("alice", |_: &mut Settings, _| ());
    let bob = net.phone("bob");
    let carol = net.peer("carol");
    let (_, incoming) = net.connect(bob, alice);
    let before = net.log.len();
    net.send_raw(carol, alice, &verdicts::bytes(name));
    net.run_for(1_000);
    let ours = net.addr(alice).ip();
    let answers = net.log[before..].iter().filter(|p| p.from.ip() == ours && p.bytes.starts_with(b"SIP/2.0"));
    let mut codes = answers.filter_map(|p| std::str::from_utf8(p.bytes.get(8..11)?).ok()?.parse::<u16>().ok());
    let status = codes.find(|code| *code >= 200);
    let alive = !crate::story_of(&net, alice, &incoming).iter().any(|e| e.starts_with("ended"));
    assert!(alive, "{name}: the call at hand goes on");
    (status, net.story())
}

#[test]
fn every_torture_message_has_its_verdict() {
    let mut wrong = Vec::new();
    for row in verdicts::TABLE {
        let expected = match row.parser {
            Verdict::Accept => row.phone,
            other => other,
        };
        let (status, story) = answer_to(row.name);
        let fits = match expected {
            Verdict::Status(code) => status == Some(code),
            Verdict::Drop => status.is_none(),
            // Well formed and for somebody else: the phone has no such user; or a response nobody asked for.
            Verdict::Accept => matches!(status, None | Some(200 | 404 | 405 | 481)),
        };
        if !fits {
            wrong.push(format!(
                "{}: expected {expected:?}, got {status:?}\n{}",
                row.name,
                story.lines().last().unwrap_or_default()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
