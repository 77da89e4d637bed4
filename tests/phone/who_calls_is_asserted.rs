//! The caller is whom the trusted side asserts, unless he wants privacy; listed headers reach the status.

use serde_json::json;

use crate::net::Net;

#[test]
fn the_asserted_number_and_the_listed_headers_are_shown() {
    let mut net = Net::new(1);
    let (alice, carol) = (net.phone("alice"), net.peer("carol"));
    let mut invite = net.invite(carol, alice);
    invite.push("P-Asserted-Identity", "\"Anna Example\" <sip:+4930123456@pbx.test>");
    invite.push("Diversion", "<sip:800@pbx.test>;reason=no-answer");
    invite.push("X-Campaign", "spring");
    invite.push("Subject", "not on the list");
    net.send(carol, alice, &invite);
    let status = net.wait(alice, "incoming").data["session"]["status"].clone();
    assert_eq!((&status["number"], &status["name"]), (&json!("+4930123456"), &json!("Anna Example")));
    assert_eq!(status["headers"], json!({"X-Campaign": "spring"}));
    assert_eq!((&status["diversion"], &status["calledNumber"]), (&json!("800"), &json!("alice")));
}
