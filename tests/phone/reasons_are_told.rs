//! Why a call is over, as the far end says it (RFC 3326), and what becomes of a transfer whose call ends under it.

use phoned::sip::message::Method;
use serde_json::json;

use crate::net::Net;
use crate::{story_of, talking_to_peer};

#[test]
fn a_bye_tells_its_reasons() {
    let mut net = Net::new(1);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (_, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let mut bye = net.in_dialog(carol, &mut dialog, Method::Bye);
    bye.push("Reason", "SIP;cause=480;text=\"gone, for now\", Q.850 ;cause=31");
    net.send(carol, alice, &bye);
    let ended = net.wait(alice, "ended").data;
    assert_eq!((&ended["sipCode"], &ended["q850"], &ended["cause"]), (&json!(480), &json!(31), &json!("Terminated")));
}

#[test]
fn a_bye_without_reasons_has_none() {
    let mut net = Net::new(2);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (_, mut dialog) = talking_to_peer(&mut net, alice, carol);
    let bye = net.in_dialog(carol, &mut dialog, Method::Bye);
    net.send(carol, alice, &bye);
    let ended = net.wait(alice, "ended").data;
    assert!(ended.get("sipCode").is_none() && ended.get("q850").is_none(), "{}", ended.text());
}

#[test]
fn a_cancel_tells_why_it_rings_no_more() {
    let mut net = Net::new(3);
    for (reason, q850, words) in [
        ("Q.850;cause=16", json!(16), json!(null)),
        ("SIP;cause=200;text=\"Call completed elsewhere\"", json!(null), json!("answered elsewhere")),
    ] {
        let (alice, carol) = (net.phone("alice"), net.peer("carol"));
        let invite = net.invite(carol, alice);
        net.send(carol, alice, &invite);
        net.wait(alice, "incoming");
        let mut cancel = net.cancel(&invite);
        cancel.push("Reason", reason);
        net.send(carol, alice, &cancel);
        let failed = net.wait(alice, "failed").data;
        assert_eq!(
            (&failed["code"], &failed["cause"], &failed["by"]),
            (&json!(487), &json!("Canceled"), &json!("remote"))
        );
        assert_eq!((&failed["q850"], &failed["reason"]), (&q850, &words));
        assert!(failed.get("sipCode").is_none());
    }
}

#[test]
fn a_lost_dialog_has_its_status() {
    let mut net = Net::new(4);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    net.command(alice, phoned::ua::command::Command::Hold(phoned::ua::command::CallRef { call_id: call }));
    let reinvite = net.expect(carol, "INVITE");
    net.reply(carol, &reinvite, 481);
    let ended = net.wait(alice, "ended").data;
    assert_eq!((&ended["cause"], &ended["sipCode"]), (&json!("Dialog Error"), &json!(481)));
}

#[test]
fn a_transfer_that_is_hung_up_has_failed() {
    let mut net = Net::new(5);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    let reply = net.transfer(alice, &call, "200");
    let reinvite = net.expect(carol, "INVITE");
    net.reply(carol, &reinvite, 200);
    let refer = net.expect(carol, "REFER");
    net.reply(carol, &refer, 202);
    assert_eq!(net.answer_to(alice, reply), Ok(json!(true)));
    net.hangup(alice, &call).unwrap();
    let story = story_of(&net, alice, &call);
    let end = ["transferFailed".to_owned(), "ended(Terminated)".into(), "deleteSession".into()];
    assert!(story.ends_with(&end), "{story:?}");
}

#[test]
fn who_hung_up_at_the_202_is_on_record_as_transferred() {
    let mut net = Net::new(6);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let (call, _) = talking_to_peer(&mut net, alice, carol);
    let wish = json!({"callId": call, "number": "200", "hangup": "immediately"});
    net.command(alice, phoned::ua::command::Command::BlindTransfer(serde_json::from_value(wish).unwrap()));
    let reinvite = net.expect(carol, "INVITE");
    net.reply(carol, &reinvite, 200);
    let refer = net.expect(carol, "REFER");
    net.reply(carol, &refer, 202);
    assert_eq!(net.wait(alice, "cdrChange").data["cdr"]["transferredTo"], "200");
}
