//! Random scripts of calls, consultations, conferences, holds, transfers and hang-ups over three phones and a bad network: no session has
//! two ends, no transfer two outcomes, no seat two live microphones, and in the end nothing is left.

use std::collections::BTreeMap;

use phoned::ua::command::{
    Answer, AttendedTransfer, BlindTransfer, Call, CallRef, Command, Merge, Split, TransferHangup,
};
use phoned::ua::settings::ReferLeg;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::net::{Net, Weather, Who, microphones};

/// A step of the script.
fn step(net: &mut Net, phones: &[Who], rng: &mut ChaCha20Rng) {
    let mut pick = |n: usize| (rng.next_u64() % n as u64) as usize;
    let who = phones[pick(phones.len())];
    let number = net.uri(phones[pick(phones.len())]);
    let living: Vec<String> = {
        let events = &net.phone_of(who).events;
        let of = |name: &'static str| events.iter().filter(move |e| e.name == name).filter_map(|e| e.call_id.clone());
        let gone: Vec<String> = of("deleteSession").collect();
        of("newRTCSession").filter(|id| !gone.contains(id)).collect()
    };
    let command = if living.is_empty() {
        Command::Call(Call { number, ..Call::default() })
    } else {
        let call_id = living[pick(living.len())].clone();
        match pick(16) {
            0 => Command::Call(Call { number, ..Call::default() }),
            1 | 2 => Command::Call(Call { number, transfer_id: Some(call_id), ..Call::default() }),
            3..=5 => Command::Answer(Answer { call_id, option: None }),
            6 => Command::Hold(CallRef { call_id }),
            7 => Command::Unhold(CallRef { call_id }),
            8 => Command::Hangup(CallRef { call_id }),
            9 => {
                let hangup = if pick(4) == 0 { TransferHangup::Immediately } else { TransferHangup::OnSuccess };
                Command::BlindTransfer(BlindTransfer { call_id, number, hangup })
            }
            10..=12 => Command::Merge(Merge { call_ids: living }),
            13 => Command::Split(Split { call_id: (pick(2) == 0).then_some(call_id) }),
            _ => Command::AttendedTransfer(AttendedTransfer { call_id, number: None }),
        }
    };
    net.command(who, command);
    net.run_for([5, 60, 400, 3_000][pick(4)]);
    for who in phones {
        let live = microphones(net.phone_of(*who).streams.values());
        assert!(live <= 1, "{live} live microphones\n{}", net.story());
    }
}

/// How often each event of a kind was told of each session.
fn counts(net: &Net, who: Who) -> BTreeMap<String, BTreeMap<&str, usize>> {
    let mut counts = BTreeMap::<String, BTreeMap<&str, usize>>::new();
    for event in net.phone_of(who).events.iter().filter(|e| !e.sample) {
        let Some(call_id) = event.call_id.clone() else { continue };
        let kind = match event.name.as_str() {
            "ended" | "failed" | "clientError" => "end",
            name => name,
        };
        *counts.entry(call_id).or_default().entry(kind).or_default() += 1;
    }
    counts
}

fn script(seed: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut net = Net::new(seed);
    let phones = ["alice", "bob", "carol"].map(|name| {
        net.phone_with(name, |settings, account| {
            account.seat = Some("desk".into());
            settings.phone.ring_timeout = 20;
            settings.phone.no_answer_timeout = 20;
            if seed % 2 == 1 {
                settings.transfer.refer = ReferLeg::Consultation;
            }
        })
    });
    net.weather = Weather { loss: (seed % 4) as u32 * 5, duplicates: 5, delay: 1..=60 };
    for _ in 0..40 {
        step(&mut net, &phones, &mut rng);
    }
    crate::transfers_on_a_bad_network::clean_up(&mut net, &phones, seed);
    for who in phones {
        for (call_id, told) in counts(&net, who) {
            let of = |kind: &str| told.get(kind).copied().unwrap_or(0);
            let story = || format!("seed {seed}, {call_id}: {told:?}\n{}", net.story());
            assert_eq!((of("newRTCSession"), of("end"), of("deleteSession")), (1, 1, 1), "{}", story());
            assert!(of("accepted") <= 1 && of("confirmed") <= 1 && of("transferred") <= 1, "{}", story());
        }
        let bug = net.phone_of(who).events.iter().any(|e| e.data["cause"] == "Internal Error");
        assert!(!bug, "seed {seed}: a panic\n{}", net.story());
    }
}

#[test]
fn nothing_is_left_of_any_script() {
    (0..150).for_each(script);
}
