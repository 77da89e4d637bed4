//! A look-up fills name, avatar and company when its answer comes, for the one we talk to then; what a user set by hand stays.

use phoned::ua::contact::{Contact, Lookup, Person};
use serde_json::json;

use crate::net::{Net, Who};
use crate::seen_of;

fn found(number: &str, name: &str) -> Contact {
    let person = Person { name: Some(name.into()), company: Some("Example Ltd".into()), avatar: None };
    Contact { number: number.into(), lookup: Lookup::Found(person) }
}

fn ringing(net: &mut Net, alice: Who, number: &str) -> String {
    let carol = net.peer("carol");
    let mut invite = net.invite(carol, alice);
    invite.push("P-Asserted-Identity", format!("<sip:{number}@pbx.test>"));
    net.send(carol, alice, &invite);
    net.wait(alice, "incoming").call_id.unwrap()
}

#[test]
fn the_answer_counts_for_whom_it_was_asked() {
    let mut net = Net::new(1);
    let alice = net.phone_with("alice", |settings, _| settings.lookup = true);
    let call = ringing(&mut net, alice, "+4930123456");
    let wanted = net.phone_of(alice).wanted.clone();
    assert_eq!(wanted.len(), 1);
    assert_eq!((wanted[0].number.as_str(), wanted[0].account.as_str()), ("+4930123456", "alice"));
    net.contact(alice, wanted[0].session, found("+4930999", "Nobody"));
    net.contact(alice, wanted[0].session, Contact { number: "+4930123456".into(), lookup: Lookup::Nothing });
    assert!(!net.phone_of(alice).names().contains(&"staticStatusChange"));
    net.contact(alice, wanted[0].session, found("+4930123456", "Front Desk"));
    let status = seen_of(&mut net, alice, &call);
    assert_eq!(
        (&status["name"], &status["company"], &status["avatar"]),
        (&json!("Front Desk"), &json!("Example Ltd"), &json!(""))
    );
    assert_eq!(net.phone_of(alice).names().iter().filter(|name| **name == "staticStatusChange").count(), 1);
}

#[test]
fn nobody_is_asked_for_who_hides_or_where_no_server_is() {
    let mut net = Net::new(2);
    let (alice, bob) = (net.phone_with("alice", |settings, _| settings.lookup = true), net.phone("bob"));
    ringing(&mut net, alice, "Anonymous");
    ringing(&mut net, bob, "+4930123456");
    assert!(net.phone_of(alice).wanted.is_empty() && net.phone_of(bob).wanted.is_empty());
}
