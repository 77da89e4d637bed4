//! `auto_answer = "header"`: a call is answered by itself when its INVITE asks for it, and rings else.

use phoned::ua::settings::{AutoAnswer, AutoAnswerPolicy};

use crate::net::{Net, Who};

/// A call with a header comes; whether it is answered so many ms later.
fn answered(policy: Option<AutoAnswer>, header: Option<(&str, &str)>, ms: u64) -> bool {
    let mut net = Net::new(1);
    let alice: Who = net.phone_with("alice", |_, account| account.auto_answer = policy);
    let carol = net.peer("carol");
    let mut invite = net.invite(carol, alice);
    if let Some((name, value)) = header {
        invite.push(name, value);
    }
    net.send(carol, alice, &invite);
    net.wait(alice, "incoming");
    net.run_for(ms);
    net.phone_of(alice).names().contains(&"accepted")
}

#[test]
fn a_header_answers_where_the_account_says_so() {
    let header = Some(AutoAnswer::Policy(AutoAnswerPolicy::Header));
    let at_once = Some(("Call-Info", "<sip:10.0.0.2>;answer-after=0"));
    let alert = Some(("Alert-Info", "<http://10.0.0.2/ring>;info=alert-autoanswer;delay=0"));
    let later = Some(("Call-Info", "<http://10.0.0.2/a.png>;purpose=icon, <sip:10.0.0.2>;Answer-After=2"));
    assert!(answered(header, at_once, 200));
    assert!(answered(header, alert, 200));
    assert!(!answered(header, later, 1_800));
    assert!(answered(header, later, 2_300));
    for other in [
        None,
        Some(("Alert-Info", "<http://10.0.0.2/ring>;info=external")),
        Some(("Call-Info", "<sip:x>;answer-after=soon")),
    ] {
        assert!(!answered(header, other, 10_000), "{other:?}");
    }
    assert!(!answered(None, at_once, 10_000));
}
