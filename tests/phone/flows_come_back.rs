//! A lost flow to the registrar: its calls go on, it comes back by itself at a fair pace, the peers learn the new Contact, and
//! either side can hold and hang up again.

use phoned::sdp::MediaKind;
use phoned::sip::dialog::Dialog;
use phoned::sip::message::{Message, Method};
use phoned::ua::settings::Settings;
use serde_json::json;

use crate::net::{Net, Who};

/// A phone whose account works over that transport with a server played by hand, which plays the callee too.
fn over(net: &mut Net, transport: &str) -> (Who, Who) {
    let pbx = net.peer("pbx");
    (phone(net, "alice", pbx, transport), pbx)
}

fn phone(net: &mut Net, name: &str, pbx: Who, transport: &str) -> Who {
    let uri = format!("sip:{}", net.addr(pbx).ip());
    net.phone_with(name, |_: &mut Settings, account| {
        account.uri = format!("sip:{name}@pbx.test");
        account.register = None;
        account.registrar = Some(uri);
        account.transport = Some(transport.into());
        account.media = MediaKind::Rtp; // over a WebSocket too: what is asked here is the signalling
        account.trusted.clear();
    })
}

/// Lets time pass while the server answers what comes: a registrar, and a callee whose calls go on.
fn serve(net: &mut Net, pbx: Who, phone: Who, ms: u64) -> Vec<Message> {
    let (end, mut seen) = (net.now() + ms, Vec::new());
    while net.now() < end {
        net.run_for(5);
        while let Some(msg) = net.inbox(pbx).pop_front() {
            match msg.method() {
                Method::Register if msg.is_request() => {
                    let mut ok = net.response(pbx, &msg, 200);
                    ok.set("Contact", msg.header("Contact").unwrap());
                    net.send(pbx, phone, &ok);
                }
                Method::Invite | Method::Bye | Method::Update if msg.is_request() => {
                    let ok = net.response(pbx, &msg, 200);
                    net.send(pbx, phone, &ok);
                }
                _ => {}
            }
            seen.push(msg);
        }
    }
    seen
}

fn of<'a>(seen: &'a [Message], method: &Method) -> Vec<&'a Message> {
    seen.iter().filter(|m| m.is_request() && m.method() == *method).collect()
}

/// A call to the server, talking: its callId, and the callee's dialog.
fn call(net: &mut Net, pbx: Who, alice: Who) -> (String, Dialog) {
    let call = net.call(alice, json!({ "number": "200" }));
    let invite = net.expect(pbx, "INVITE");
    let ok = net.response(pbx, &invite, 200);
    net.send(pbx, alice, &ok);
    net.expect(pbx, "ACK");
    net.wait(alice, "confirmed");
    (call, Dialog::uas(&invite, &ok.to_tag().unwrap()).unwrap())
}

/// The server is gone for so long, and comes back.
fn outage(net: &mut Net, pbx: Who, ms: u64) {
    net.refuse_streams(pbx);
    net.break_streams(pbx);
    net.run_for(ms);
    net.take_streams(pbx);
}

fn registered(net: &Net, who: Who) -> bool {
    let news = net
        .phone_of(who)
        .events
        .iter()
        .rfind(|e| ["registered", "registrationFailed", "disconnected"].contains(&e.name.as_str()));
    news.is_some_and(|e| e.name == "registered")
        || net
            .phone_of(who)
            .events
            .iter()
            .rfind(|e| e.name == "isRegisteredChange")
            .is_some_and(|e| e.data["isRegistered"] == true)
}

/// In the callee's dialog, over the newest stream to the phone.
fn request(net: &mut Net, pbx: Who, transport: &str, dialog: &mut Dialog, method: Method, target: &str) -> Message {
    dialog.remote_target = target.trim_start_matches('<').split('>').next().unwrap().to_owned();
    let mut request = net.in_dialog(pbx, dialog, method);
    let via = request.header("Via").unwrap().replace("UDP", &transport.to_ascii_uppercase());
    request.remove_first("Via");
    request.push_front("Via", via);
    request
}

fn twenty_times(transport: &str, seed: u64) {
    let mut net = Net::new(seed);
    let (alice, pbx) = over(&mut net, transport);
    serve(&mut net, pbx, alice, 200);
    net.wait(alice, "registered");
    let (talk, mut theirs) = call(&mut net, pbx, alice);
    for round in 0..20 {
        let lasts = 500 + round * 500; // up to 10 s
        outage(&mut net, pbx, lasts);
        assert_eq!(net.wait(alice, "disconnected").data["reason"], "closed", "round {round}");
        let seen = serve(&mut net, pbx, alice, 5_000);
        assert_eq!(net.wait(alice, "connected").data["transport"], transport, "round {round}\n{}", net.story());
        assert!(registered(&net, alice), "round {round}: registered within 5 s");
        let invites = of(&seen, &Method::Invite);
        assert_eq!(invites.len(), 1, "round {round}: the peer learns the new Contact\n{}", net.story());
        let contact = invites[0].header("Contact").unwrap().to_owned();
        if transport != "wss" {
            let port = net.streams_between(alice, pbx)[0].port();
            assert!(contact.contains(&format!(":{port};transport={transport}")), "{contact} {port}");
        }
        // Both sides hold and resume.
        let hold = net
            .command(alice, phoned::ua::command::Command::Hold(phoned::ua::command::CallRef { call_id: talk.clone() }));
        serve(&mut net, pbx, alice, 100);
        net.answer_to(alice, hold).unwrap();
        let unhold = net.command(
            alice,
            phoned::ua::command::Command::Unhold(phoned::ua::command::CallRef { call_id: talk.clone() }),
        );
        serve(&mut net, pbx, alice, 100);
        net.answer_to(alice, unhold).unwrap();
        for (version, direction) in [(2, "sendonly"), (3, "sendrecv")] {
            let mut again = request(&mut net, pbx, transport, &mut theirs, Method::Invite, &contact);
            again.set_body("application/sdp", net.sdp(pbx, version, direction).into_bytes());
            net.send(pbx, alice, &again);
            let ok = net.expect(pbx, "SIP/2.0 200");
            let mut ack = request(&mut net, pbx, transport, &mut theirs, Method::Ack, &contact);
            theirs.local_cseq -= 1;
            ack.set("CSeq", format!("{} ACK", ok.cseq()));
            net.send(pbx, alice, &ack);
            net.run_for(50);
            assert_eq!(crate::status_of(&net, alice, &talk)["isRemoteHold"], direction == "sendonly");
        }
    }
    if seed.is_multiple_of(2) {
        net.hangup(alice, &talk).unwrap();
        net.expect(pbx, "BYE");
    } else {
        let bye = request(&mut net, pbx, transport, &mut theirs, Method::Bye, "<sip:alice@x>");
        net.send(pbx, alice, &bye);
        assert_eq!(net.wait(alice, "ended").data["by"], "remote");
    }
    let names = net.phone_of(alice).names_of(&talk);
    assert_eq!(names.iter().filter(|n| **n == "ended").count(), 1, "{names:?}");
}

#[test]
fn twenty_times_over_wss() {
    twenty_times("wss", 2);
    twenty_times("wss", 3);
}

#[test]
fn twenty_times_over_tls() {
    twenty_times("tls", 4);
    twenty_times("tls", 5);
}

#[test]
fn twenty_times_over_tcp() {
    twenty_times("tcp", 6);
    twenty_times("tcp", 7);
}

#[test]
fn a_long_outage_is_met_with_backoff() {
    let mut net = Net::new(10);
    let (alice, pbx) = over(&mut net, "wss");
    serve(&mut net, pbx, alice, 200);
    net.wait(alice, "registered");
    net.attempts.clear();
    let lost = net.now();
    outage(&mut net, pbx, 600_000);
    let at: Vec<u64> = net.attempts.iter().map(|(at, ..)| at / 1000 - lost).collect();
    let gaps: Vec<u64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(at[0] <= 1_500 && gaps.iter().all(|gap| *gap >= 1_000), "{at:?}");
    let late: Vec<u64> = at.iter().zip(&gaps).filter(|(at, _)| **at > 90_000).map(|(_, gap)| *gap).collect();
    assert!(late.len() > 8 && late.iter().all(|gap| (15_000..=46_000).contains(gap)), "30 s ± 50 %: {late:?}");
    assert!(late.iter().max().unwrap() - late.iter().min().unwrap() > 3_000, "with jitter: {late:?}");
    serve(&mut net, pbx, alice, 46_000);
    assert!(registered(&net, alice));
}

#[test]
fn accounts_share_the_pace_of_their_server() {
    let mut net = Net::new(11);
    let pbx = net.peer("pbx");
    let uri = format!("sip:{};transport=wss", net.addr(pbx).ip());
    let alice = net.phone_with("alice", |settings, account| {
        account.register = None;
        account.registrar = Some(uri.clone());
        // Three of them need a flow of their own, two share one.
        for (name, query) in [("b", Some("b")), ("c", Some("c")), ("d", None)] {
            let mut other = account.clone();
            other.uri = format!("sip:{name}@pbx.test");
            other.ws_query = query.map(phoned::ua::settings::Secret::new);
            settings.accounts.insert(name.into(), other);
        }
    });
    serve(&mut net, pbx, alice, 5_000);
    assert_eq!(net.phone_of(alice).names().iter().filter(|n| **n == "registered").count(), 4);
    assert_eq!(net.streams_of(alice), 3);
    for lasts in [5_000, 200_000] {
        outage(&mut net, pbx, lasts);
        serve(&mut net, pbx, alice, 60_000);
    }
    let at: Vec<u64> = net.attempts.iter().map(|(at, ..)| at / 1000).collect();
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= 1_000), "at most one a second: {at:?}");
    assert_eq!(net.streams_of(alice), 3);
    let names = net.phone_of(alice).names();
    assert_eq!(names.iter().filter(|n| **n == "disconnected").count(), 8, "{names:?}");
    assert_eq!(names.iter().filter(|n| **n == "connected").count(), 12, "{names:?}");
}

#[test]
fn a_dead_flow_is_noticed_by_its_pings() {
    let mut net = Net::new(12);
    let (alice, pbx) = over(&mut net, "wss");
    serve(&mut net, pbx, alice, 200);
    let (talk, _) = call(&mut net, pbx, alice);
    serve(&mut net, pbx, alice, 120_000);
    let at: Vec<u64> = net.pings.iter().map(|(at, ..)| at / 1000).collect();
    assert!(at.windows(2).all(|pair| (25_000..=29_000).contains(&(pair[1] - pair[0]))), "{at:?}");
    assert!(!net.phone_of(alice).names().contains(&"disconnected"));
    net.cut_off(pbx, true);
    let cut = net.now();
    let told = net.wait(alice, "disconnected");
    assert_eq!(told.data["reason"], "the server does not answer");
    assert!(net.now() - cut <= 40_000, "{} ms", net.now() - cut);
    net.cut_off(pbx, false);
    serve(&mut net, pbx, alice, 20_000);
    assert!(registered(&net, alice));
    net.hangup(alice, &talk).unwrap();
    net.expect(pbx, "BYE");
}

#[test]
fn who_never_answered_a_ping_is_not_dead() {
    let mut net = Net::new(13);
    let (alice, pbx) = over(&mut net, "tcp");
    serve(&mut net, pbx, alice, 200);
    net.mute_pongs(pbx);
    serve(&mut net, pbx, alice, 200_000);
    assert!(!net.phone_of(alice).names().contains(&"disconnected"));
}

#[test]
fn a_server_that_takes_streams_and_says_nothing_is_left_and_tried_again() {
    let mut net = Net::new(21);
    let (alice, pbx) = over(&mut net, "tls");
    net.expect(pbx, "REGISTER");
    net.wait(alice, "registrationFailed");
    assert!(net.now() >= 32_000);
    net.expect(pbx, "REGISTER");
    assert_eq!((net.attempts.len(), net.streams_of(alice)), (2, 1), "on a stream of its own");
    net.run_for(300_000);
    assert!((5..=12).contains(&net.attempts.len()), "{:?}", net.attempts);
}

#[test]
fn what_is_wanted_meanwhile_is_done_when_it_is_back() {
    for verb in ["hold", "hangup"] {
        let mut net = Net::new(14);
        let (alice, pbx) = over(&mut net, "wss");
        serve(&mut net, pbx, alice, 200);
        let (talk, _) = call(&mut net, pbx, alice);
        net.refuse_streams(pbx);
        net.break_streams(pbx);
        net.run_for(2_000);
        let which = phoned::ua::command::CallRef { call_id: talk };
        let reply = match verb {
            "hold" => net.command(alice, phoned::ua::command::Command::Hold(which)),
            _ => net.command(alice, phoned::ua::command::Command::Hangup(which)),
        };
        net.run_for(3_000);
        net.take_streams(pbx);
        let seen = serve(&mut net, pbx, alice, 5_000);
        net.answer_to(alice, reply).unwrap();
        let method = if verb == "hold" { Method::Invite } else { Method::Bye };
        assert!(!of(&seen, &method).is_empty(), "{verb}\n{}", net.story());
        assert!(registered(&net, alice));
    }
}

#[test]
fn what_waited_too_long_is_not_sent_any_more() {
    let mut net = Net::new(15);
    let (alice, pbx) = over(&mut net, "tls");
    serve(&mut net, pbx, alice, 200);
    let (talk, _) = call(&mut net, pbx, alice);
    net.refuse_streams(pbx);
    net.break_streams(pbx);
    net.run_for(1_000);
    net.hangup(alice, &talk).unwrap();
    net.run_for(60_000);
    net.take_streams(pbx);
    let seen = serve(&mut net, pbx, alice, 60_000);
    assert!(registered(&net, alice) && of(&seen, &Method::Bye).is_empty(), "{}", net.story());
    assert!(net.phone_of(alice).ua.is_idle());
}

#[test]
fn a_trunk_that_does_not_register_comes_back_too() {
    let mut net = Net::new(16);
    let pbx = net.peer("pbx");
    let uri = format!("sip:{};transport=tls", net.addr(pbx).ip());
    let alice = net.phone_with("alice", |_, account| account.proxies = vec![uri]);
    net.run_for(100);
    assert_eq!(net.wait(alice, "connected").data["transport"], "tls");
    let (_, _) = call(&mut net, pbx, alice);
    outage(&mut net, pbx, 8_000);
    let seen = serve(&mut net, pbx, alice, 5_000);
    net.wait(alice, "disconnected");
    net.wait(alice, "connected");
    assert_eq!(of(&seen, &Method::Invite).len(), 1, "{}", net.story());
}

#[test]
fn a_peer_that_is_not_back_yet_is_asked_again() {
    let mut net = Net::new(17);
    let (alice, pbx) = over(&mut net, "wss");
    serve(&mut net, pbx, alice, 200);
    let (talk, _) = call(&mut net, pbx, alice);
    outage(&mut net, pbx, 1_000);
    let mut refused = 0;
    while refused < 2 {
        net.run_for(5);
        while let Some(msg) = net.inbox(pbx).pop_front() {
            let status = match msg.method() {
                Method::Invite if msg.is_request() => {
                    refused += 1;
                    404
                }
                Method::Register => 200,
                _ => continue,
            };
            let mut answer = net.response(pbx, &msg, status);
            if status == 200 {
                answer.set("Contact", msg.header("Contact").unwrap());
            }
            net.send(pbx, alice, &answer);
        }
        assert!(net.now() < 60_000, "{}", net.story());
    }
    let seen = serve(&mut net, pbx, alice, 10_000);
    assert_eq!(of(&seen, &Method::Invite).len(), 1, "{}", net.story());
    assert!(!net.phone_of(alice).names_of(&talk).contains(&"ended"));
}

#[test]
fn a_websocket_has_no_address_and_a_name_of_the_registrars() {
    let mut net = Net::new(18);
    let (alice, pbx) = over(&mut net, "wss");
    let register = net.expect(pbx, "REGISTER");
    let via = register.via().unwrap();
    assert!(via.transport == "WSS" && via.host.ends_with(".invalid"), "{via}");
    let contact = register.header("Contact").unwrap().to_owned();
    assert!(
        contact.contains(".invalid;transport=ws>") && contact.contains(";reg-id=1;+sip.instance=\"<urn:uuid:"),
        "{contact}"
    );
    assert_eq!(register.header("Supported").unwrap(), "path, outbound, gruu");
    let mut ok = net.response(pbx, &register, 200);
    ok.set("Contact", format!("{contact};pub-gruu=\"sip:alice@pbx.test;gr=urn:uuid:1\""));
    ok.push("Require", "outbound");
    ok.push("Flow-Timer", "20");
    net.send(pbx, alice, &ok);
    net.wait(alice, "registered");
    net.call(alice, json!({ "number": "200" }));
    let invite = net.expect(pbx, "INVITE");
    assert_eq!(invite.header("Contact"), Some("<sip:alice@pbx.test;gr=urn:uuid:1>"));
    net.run_for(60_000);
    let at: Vec<u64> = net.pings.iter().map(|(at, ..)| at / 1000).collect();
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] == 16_000) && at.len() > 1, "a Flow-Timer is obeyed: {at:?}");
}

#[test]
fn a_secure_identity_is_never_less_than_tls() {
    let mut net = Net::new(19);
    let pbx = net.peer("pbx");
    let uri = format!("sips:alice@{}", net.addr(pbx).ip());
    let alice = net.phone_with("alice", |_, account| {
        account.uri = uri;
        account.register = None;
    });
    let register = net.expect(pbx, "REGISTER");
    assert!(register.uri().starts_with("sips:") && register.via().unwrap().transport == "TLS", "{}", register.uri());
    assert!(register.header("Contact").unwrap().starts_with("<sips:alice@"));
    let mut ok = net.response(pbx, &register, 200);
    ok.set("Contact", register.header("Contact").unwrap());
    net.send(pbx, alice, &ok);
    net.wait(alice, "registered");
    net.call(alice, json!({ "number": "200" }));
    let invite = net.expect(pbx, "INVITE");
    assert!(
        invite.uri().starts_with("sips:200@") && invite.header("From").unwrap().contains("<sips:alice@"),
        "{}",
        invite.uri()
    );
}

#[test]
fn a_binding_by_udp_is_kept_open() {
    let mut net = Net::new(20);
    let (alice, pbx) = over(&mut net, "udp");
    serve(&mut net, pbx, alice, 200);
    net.wait(alice, "registered");
    serve(&mut net, pbx, alice, 150_000);
    let at: Vec<u64> = net.pings.iter().map(|(at, ..)| at / 1000).collect();
    assert!(at.len() >= 4 && at.windows(2).all(|p| (25_000..=29_000).contains(&(p[1] - p[0]))), "{at:?}");
    let which = phoned::ua::command::AccountRef { name: "alice".into() };
    net.command(alice, phoned::ua::command::Command::AccountUnregister(which));
    serve(&mut net, pbx, alice, 40_000);
    let before = net.pings.len();
    serve(&mut net, pbx, alice, 60_000);
    assert_eq!(net.pings.len(), before);
}
