//! Transfers on a network that loses, repeats and reorders: each has one outcome, a failed one keeps its call, and nothing is
//! left of anything in the end.

use phoned::ua::command::{CallRef, Command, GetSession};
use phoned::ua::settings::AutoAnswer;
use serde_json::json;

use crate::net::{Net, Weather, Who};

const OUTCOMES: [&str; 2] = ["transferred", "transferFailed"];

fn outcomes(net: &Net, who: Who) -> Vec<&str> {
    net.phone_of(who).names().into_iter().filter(|name| OUTCOMES.contains(name)).collect()
}

/// Ends every session that is left, until there is none and nothing is under way.
pub fn clean_up(net: &mut Net, phones: &[Who], seed: u64) {
    net.weather = Weather::default();
    for who in phones {
        let all = net.ask(*who, Command::GetSession(GetSession::default())).unwrap();
        for session in all.as_array().unwrap() {
            let call_id = session["callId"].as_str().unwrap().to_owned();
            net.command(*who, Command::Hangup(CallRef { call_id }));
        }
    }
    net.run_for(1_000);
    net.run_to_rest();
    for who in phones {
        assert!(net.phone_of(*who).ua.is_idle(), "seed {seed}\n{}", net.story());
        assert!(net.phone_of(*who).streams.is_empty(), "seed {seed}: media that is never closed");
    }
}

/// Alice, Bob and Carol, who answers by herself; Alice talks to Bob.
fn three(seed: u64) -> (Net, [Who; 3], String) {
    let mut net = Net::new(seed);
    let (alice, bob) = (net.phone("alice"), net.phone("bob"));
    let carol = net.phone_with("carol", |_, account| account.auto_answer = Some(AutoAnswer::After(300)));
    let (call, _) = net.connect(alice, bob);
    (net, [alice, bob, carol], call)
}

fn bad(seed: u64) -> Weather {
    Weather { loss: 10 + (seed % 3) as u32 * 10, duplicates: 10, delay: 1..=120 }
}

#[test]
fn blind() {
    let mut succeeded = 0;
    for seed in 0..30 {
        let (mut net, [alice, bob, carol], call) = three(seed);
        net.weather = bad(seed);
        let number = net.uri(carol);
        net.transfer(alice, &call, &number);
        net.run_until("an outcome", |net| !outcomes(net, alice).is_empty());
        net.run_for(2_000);
        let told = outcomes(&net, alice);
        assert_eq!(told.len(), 1, "seed {seed}: {told:?}\n{}", net.story());
        succeeded += usize::from(told == ["transferred"]);
        clean_up(&mut net, &[alice, bob, carol], seed);
    }
    assert!(succeeded >= 28, "{succeeded} of 30");
}

#[test]
fn attended() {
    let mut succeeded = 0;
    for seed in 100..130 {
        let (mut net, [alice, bob, carol], parent) = three(seed);
        let number = net.uri(carol);
        let consultation = net.call(alice, json!({"number": number, "transferId": parent}));
        net.wait(carol, "confirmed");
        net.run_for(100);
        net.weather = bad(seed);
        net.attended(alice, &consultation);
        net.run_until("an outcome", |net| !outcomes(net, alice).is_empty());
        net.run_for(2_000);
        let told = outcomes(&net, alice);
        assert_eq!(told.len(), 1, "seed {seed}: {told:?}\n{}", net.story());
        succeeded += usize::from(told == ["transferred"]);
        clean_up(&mut net, &[alice, bob, carol], seed);
    }
    assert!(succeeded >= 28, "{succeeded} of 30");
}
