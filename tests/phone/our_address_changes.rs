//! Our own address changes in the midst of calls: bindings and dialogs learn the new Contact, plain RTP its new ports, WebRTC looks for
//! its path anew with credentials of its own; the certificate and o= stay, and no call ends.

use std::net::IpAddr;

use phoned::sdp::MediaKind;
use phoned::sip::dialog::Dialog;
use phoned::sip::message::{Message, Method};
use phoned::ua::command::{CallRef, Command};
use phoned::ua::io::{Input, Transport};
use phoned::ua::media::MediaCommand;
use serde_json::json;

use crate::net::{Net, Packet, UDP, Who};

fn phone(net: &mut Net, name: &str, media: MediaKind) -> Who {
    let who = net.phone_with(name, |_, account| account.media = media);
    listens_everywhere(net, who);
    who
}

/// Its UDP socket is bound to no address, as it is by default.
fn listens_everywhere(net: &mut Net, who: Who) {
    let local = "0.0.0.0:5060".parse().unwrap();
    net.feed(who, Input::FlowUp { flow: UDP, transport: Transport::Udp, local, remote: None });
    let at = net.addr(who).ip();
    net.move_phone(who, Some(at));
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 7, last])
}

/// A line of a message's body.
fn line<'a>(msg: &'a Message, start: &str) -> &'a str {
    let text = std::str::from_utf8(msg.body()).unwrap();
    text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in\n{text}"))
}

/// Where a phone's media engine sends now.
fn remote(net: &Net, who: Who) -> IpAddr {
    let last = net.phone_of(who).media.iter().rev().find_map(|(_, command)| match command {
        MediaCommand::Remote(negotiated) => Some(negotiated.remote_rtp.ip()),
        _ => None,
    });
    last.unwrap()
}

fn last_offer(net: &Net, who: Who) -> Message {
    net.sent(who, "INVITE").pop().unwrap()
}

#[test]
fn a_call_of_plain_rtp_goes_on_from_the_new_address() {
    for we_called in [true, false] {
        let mut net = Net::new(31);
        let (alice, bob) = (phone(&mut net, "alice", MediaKind::Rtp), phone(&mut net, "bob", MediaKind::Rtp));
        let (out, incoming) = net.connect(alice, bob);
        let (mover, other, call, theirs) =
            if we_called { (alice, bob, &out, &incoming) } else { (bob, alice, &incoming, &out) };
        let origin = net.addr(mover).ip();
        for last in [1, 2] {
            net.move_phone(mover, Some(ip(last)));
            let told = net.wait(mover, "media");
            assert_eq!(told.data["state"], "moved");
            net.wait(other, "reinvite");
            net.run_for(100);
            let offer = last_offer(&net, mover);
            assert_eq!(line(&offer, "c="), format!("c=IN IP4 {}", ip(last)));
            assert!(line(&offer, "o=").ends_with(&format!("IN IP4 {origin}")), "RFC 3264 §8: {}", line(&offer, "o="));
            assert!(offer.header("Contact").unwrap().contains(&ip(last).to_string()), "{:?}", offer.header("Contact"));
            assert_eq!(remote(&net, other), ip(last));
        }
        // The other side reaches it there.
        net.hold(other, theirs).unwrap();
        net.unhold(other, theirs).unwrap();
        net.hold(mover, call).unwrap();
        net.hangup(other, theirs).unwrap();
        net.wait(mover, "ended");
        net.run_to_rest();
    }
}

/// The end of its old stream reaches nobody: the other side has to notice that the newer one leads to the new Contact.
#[test]
fn a_call_over_a_stream_is_found_again_by_the_other_side() {
    let mut net = Net::new(38);
    let (alice, bob) = (phone(&mut net, "alice", MediaKind::Rtp), phone(&mut net, "bob", MediaKind::Rtp));
    net.listen_tcp(alice);
    let number = format!("{};transport=tcp", net.uri(bob));
    let out = net.call(alice, json!({ "number": number }));
    let theirs = net.wait(bob, "incoming").call_id.unwrap();
    net.answer(bob, &theirs).unwrap();
    net.wait(alice, "confirmed");
    for last in [1, 2] {
        net.move_phone(alice, Some(ip(last)));
        net.run_for(3_000);
        net.hold(bob, &theirs).unwrap();
        net.unhold(bob, &theirs).unwrap();
        net.hold(alice, &out).unwrap();
        net.unhold(alice, &out).unwrap();
    }
    net.hangup(bob, &theirs).unwrap();
    assert_eq!(net.wait(alice, "ended").data["by"], "remote");
    net.run_for(40_000);
    assert!(net.phone_of(alice).ua.is_idle() && net.phone_of(bob).ua.is_idle());
}

#[test]
fn webrtc_looks_for_its_path_anew_and_keeps_its_certificate() {
    let mut net = Net::new(32);
    let (alice, bob) = (phone(&mut net, "alice", MediaKind::Webrtc), phone(&mut net, "bob", MediaKind::Webrtc));
    let (out, _) = net.connect(alice, bob);
    let (first, answer) = (last_offer(&net, alice), net.sent(bob, "SIP/2.0 200").pop().unwrap());
    net.move_phone(alice, Some(ip(1)));
    net.wait(bob, "reinvite");
    net.run_for(100);
    let (offer, restarted) = (last_offer(&net, alice), net.sent(bob, "SIP/2.0 200").pop().unwrap());
    assert!(line(&offer, "a=candidate:").contains(&ip(1).to_string()), "{}", line(&offer, "a=candidate:"));
    for (before, after, who) in [(&first, &offer, "ours"), (&answer, &restarted, "theirs")] {
        for fresh in ["a=ice-ufrag:", "a=ice-pwd:"] {
            assert_ne!(line(before, fresh), line(after, fresh), "{who}");
        }
        assert_eq!(line(before, "a=fingerprint:"), line(after, "a=fingerprint:"), "{who}");
    }
    // What is said later belongs to the same search.
    net.hold(alice, &out).unwrap();
    assert_eq!(line(&last_offer(&net, alice), "a=ice-ufrag:"), line(&offer, "a=ice-ufrag:"));
    net.hangup(alice, &out).unwrap();
    net.run_to_rest();
}

/// A refused offer leaves what was agreed: the peer's own next offer is no restart, and is answered as none.
#[test]
fn a_restart_that_is_refused_changes_nothing_that_was_agreed() {
    let mut net = Net::new(33);
    let alice = phone(&mut net, "alice", MediaKind::Webrtc);
    let pbx = net.peer("pbx");
    let number = net.uri(pbx);
    let out = net.call(alice, json!({ "number": number }));
    let first = net.expect(pbx, "INVITE");
    let ok = accept(&mut net, pbx, alice, &first, 1);
    net.wait(alice, "confirmed");
    net.move_phone(alice, Some(ip(1)));
    let restart = net.expect(pbx, "INVITE");
    assert_ne!(line(&first, "a=ice-ufrag:"), line(&restart, "a=ice-ufrag:"));
    let busy = net.response(pbx, &restart, 491);
    net.send(pbx, alice, &busy);
    // It asks for something itself.
    let mut theirs = Dialog::uas(&first, &ok.to_tag().unwrap()).unwrap();
    theirs.remote_target = restart.header("Contact").unwrap().trim_matches(['<', '>']).to_owned();
    let body = webrtc_answer(&first, 1).replace("setup:active", "setup:actpass");
    let answer = ask(&mut net, pbx, alice, &mut theirs, body);
    assert_eq!(line(&first, "a=ice-ufrag:"), line(&answer, "a=ice-ufrag:"), "{}", net.story());
    // Then we try again.
    let again = net.expect(pbx, "INVITE");
    assert_eq!(line(&restart, "a=ice-ufrag:"), line(&again, "a=ice-ufrag:"));
    accept(&mut net, pbx, alice, &again, 2);
    net.run_for(100);
    assert!(!net.phone_of(alice).names_of(&out).contains(&"ended"));
}

/// The peer takes an INVITE of ours; its 200.
fn accept(net: &mut Net, pbx: Who, alice: Who, invite: &Message, n: usize) -> Message {
    let mut ok = net.response(pbx, invite, 200);
    ok.set_body("application/sdp", webrtc_answer(invite, n).into_bytes());
    net.send(pbx, alice, &ok);
    net.expect(pbx, "ACK");
    ok
}

/// The peer sends a re-INVITE; our 200, acknowledged.
fn ask(net: &mut Net, pbx: Who, alice: Who, theirs: &mut Dialog, body: String) -> Message {
    let mut invite = net.in_dialog(pbx, theirs, Method::Invite);
    invite.set_body("application/sdp", body.into_bytes());
    net.send(pbx, alice, &invite);
    let ok = net.expect(pbx, "SIP/2.0 200");
    let mut ack = net.in_dialog(pbx, theirs, Method::Ack);
    theirs.local_cseq -= 1;
    ack.set("CSeq", format!("{} ACK", ok.cseq()));
    net.send(pbx, alice, &ack);
    net.run_for(50);
    ok
}

#[test]
fn no_network_for_a_while_ends_no_call() {
    let mut net = Net::new(34);
    let (alice, bob) = (phone(&mut net, "alice", MediaKind::Webrtc), phone(&mut net, "bob", MediaKind::Webrtc));
    let (out, _) = net.connect(alice, bob);
    net.move_phone(alice, None);
    net.run_for(15_000);
    let before = net.sent(alice, "INVITE").len();
    net.move_phone(alice, Some(ip(9)));
    net.wait(bob, "reinvite");
    assert_eq!(net.sent(alice, "INVITE").len(), before + 1, "{}", net.story());
    assert!(!net.phone_of(alice).names_of(&out).contains(&"ended"));
}

#[test]
fn a_binding_by_udp_follows_and_its_old_contact_is_removed() {
    let mut net = Net::new(35);
    let registrar = net.registrar("pbx");
    let uri = net.uri(registrar);
    let alice = net.phone_with("alice", |_, account| {
        (account.register, account.registrar, account.uri) =
            (Some(true), Some(uri.clone()), uri.replace("pbx@", "alice@"));
    });
    listens_everywhere(&mut net, alice);
    net.run_for(2_000);
    let old = net.sent(alice, "REGISTER").pop().unwrap().header("Contact").unwrap().to_owned();
    let old = old.split('>').next().unwrap().to_owned();
    net.move_phone(alice, Some(ip(3)));
    net.run_for(2_000);
    let register = net.sent(alice, "REGISTER").pop().unwrap();
    let contacts: Vec<&str> = register.headers("Contact").collect();
    assert!(
        contacts[0].contains("10.0.7.3") && contacts[1].starts_with(&old) && contacts[1].contains("expires=0"),
        "{contacts:?}"
    );
    assert!(!net.phone_of(alice).names().contains(&"registrationFailed"));
    // The same address again is no change.
    let count = net.sent(alice, "REGISTER").len();
    net.move_phone(alice, Some(ip(3)));
    net.run_for(2_000);
    assert_eq!(net.sent(alice, "REGISTER").len(), count);
}

#[test]
fn a_stream_of_the_old_address_is_opened_anew_at_once() {
    let mut net = Net::new(36);
    let pbx = net.peer("pbx");
    let uri = format!("sip:{}", net.addr(pbx).ip());
    let alice = net.phone_with("alice", |_, account| {
        (account.uri, account.register, account.registrar) = ("sip:alice@pbx.test".into(), None, Some(uri));
        account.transport = Some("wss".into());
        account.trusted.clear();
    });
    let at = net.addr(alice).ip();
    net.move_phone(alice, Some(at));
    let mut invites: Vec<Message> = Vec::new();
    let mut serve = |net: &mut Net, ms: u64| {
        let end = net.now() + ms;
        while net.now() < end {
            net.run_for(5);
            while let Some(msg) = net.inbox(pbx).pop_front() {
                let mut ok = net.response(pbx, &msg, 200);
                match msg.method() {
                    Method::Register if msg.is_request() => ok.set("Contact", msg.header("Contact").unwrap()),
                    Method::Invite if msg.is_request() => {
                        invites.push(msg.clone());
                        ok.set_body("application/sdp", webrtc_answer(&msg, invites.len()).into_bytes());
                    }
                    _ => continue,
                }
                net.send(pbx, alice, &ok);
            }
        }
        invites.clone()
    };
    serve(&mut net, 200);
    let call = net.call(alice, json!({ "number": "200" }));
    serve(&mut net, 200);
    net.wait(alice, "confirmed");
    net.move_phone(alice, Some(ip(4)));
    let invites = serve(&mut net, 6_000);
    assert_eq!(net.wait(alice, "disconnected").data["reason"], "our address is gone");
    net.wait(alice, "connected");
    let [first, second] = &invites[..] else { panic!("{} INVITEs\n{}", invites.len(), net.story()) };
    assert!(line(second, "a=candidate:").contains("10.0.7.4"));
    assert_ne!(line(first, "a=ice-ufrag:"), line(second, "a=ice-ufrag:"));
    assert_eq!(line(first, "a=fingerprint:"), line(second, "a=fingerprint:"));
    assert!(!net.phone_of(alice).names_of(&call).contains(&"ended"));
}

/// Asterisk does not begin DTLS anew for a new certificate of ours: there is never one, whatever happens to the call.
#[test]
fn every_description_of_a_call_names_the_same_certificate() {
    let mut net = Net::new(37);
    let alice = phone(&mut net, "alice", MediaKind::Webrtc);
    let pbx = net.peer("pbx");
    let number = net.uri(pbx);
    let out = net.call(alice, json!({ "number": number }));
    let mut count = 0;
    let mut answer = |net: &mut Net| {
        let invite = net.expect(pbx, "INVITE");
        count += 1;
        let ok = accept(net, pbx, alice, &invite, count);
        (invite, ok)
    };
    let (invite, ok) = answer(&mut net);
    net.wait(alice, "confirmed");
    let which = || CallRef { call_id: out.clone() };
    let hold = net.command(alice, Command::Hold(which()));
    answer(&mut net);
    net.answer_to(alice, hold).unwrap();
    let unhold = net.command(alice, Command::Unhold(which()));
    answer(&mut net);
    net.answer_to(alice, unhold).unwrap();
    // The peer has another certificate and begins its search anew, as when a transfer put somebody else in its place.
    let mut theirs = Dialog::uas(&invite, &ok.to_tag().unwrap()).unwrap();
    let other = webrtc_answer(&invite, 9).replace("AB:", "CD:").replace("setup:active", "setup:actpass");
    ask(&mut net, pbx, alice, &mut theirs, other);
    net.move_phone(alice, Some(ip(5)));
    let (moved, _) = answer(&mut net);
    net.run_for(100);
    assert!(line(&moved, "a=candidate:").contains("10.0.7.5"));
    let own = |packet: &&Packet| packet.from.ip() == ip(5) || packet.from.to_string().starts_with("10.0.0.1:");
    let said: Vec<String> = net
        .log
        .iter()
        .filter(own)
        .flat_map(|p| {
            String::from_utf8_lossy(&p.bytes)
                .lines()
                .filter(|l| l.starts_with("a=fingerprint"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(said.len() >= 5 && said.iter().all(|print| *print == said[0]), "{said:?}");
    assert!(!net.phone_of(alice).names_of(&out).contains(&"ended"));
}

/// What a browser behind the server answers.
fn webrtc_answer(invite: &Message, n: usize) -> String {
    let number = line(invite, "m=audio").split(' ').nth(3).unwrap().to_owned();
    let map = line(invite, &format!("a=rtpmap:{number} ")).to_owned();
    let print = vec!["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 7 {n} IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=audio 9000 UDP/TLS/RTP/SAVPF {number}\r\n{map}\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=ice-ufrag:theirs{n}\r\n\
         a=ice-pwd:theirpasswordtheirpassword{n}\r\na=fingerprint:sha-256 {print}\r\na=setup:active\r\n\
         a=candidate:1 1 udp 2130706431 10.0.0.1 9000 typ host\r\n"
    )
}
