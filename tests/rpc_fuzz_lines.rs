//! No line can make the reader panic: right lines, mutated and cut, PHONED_FUZZ of them (1,500,000 unless told), on all cores.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

use std::time::Instant;

use phoned::rpc::{METHODS, Parsed, Role, parse_line};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::json;

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "null",
    "true",
    "-1",
    "1e999",
    "18446744073709551616",
    "0.1",
    "\n",
    "\0",
    "\u{feff}",
    "é",
    "\"id\"",
    "\"params\"",
    "\"jsonrpc\":\"2.0\"",
    "\"method\":\"session.on\"",
    "\"callId\"",
    "*",
    "[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":",
    "\"session.\"",
    "phone.",
    "device.*",
];

fn seeds() -> Vec<Vec<u8>> {
    let mut lines: Vec<String> = METHODS
        .iter()
        .map(|method| {
            let params: serde_json::Map<String, serde_json::Value> =
                method.params.iter().map(|name| ((*name).to_owned(), json!("1"))).collect();
            json!({ "jsonrpc": "2.0", "id": 1, "method": method.name, "params": params }).to_string()
        })
        .collect();
    lines.push(json!({ "jsonrpc": "2.0", "id": "x", "method": "phone.call", "params": ["100", { "video": true, "extraHeaders": ["A: b"] }, null, "office"] }).to_string());
    lines.push(json!({ "jsonrpc": "2.0", "id": 2, "method": "account.add", "params": { "name": "x", "account": { "uri": "sip:a@[::1]:5060", "trusted": ["10.0.0.0/8"], "codecs": ["opus"] } } }).to_string());
    lines.push(json!({ "jsonrpc": "2.0", "id": 3, "method": "events.subscribe", "params": { "topics": ["*", "device.*"], "snapshot": true } }).to_string());
    let batch = format!("[{}]", lines[..8].join(","));
    lines.push(batch);
    lines.into_iter().map(String::into_bytes).collect()
}

fn mutate(line: &mut Vec<u8>, rng: &mut ChaCha20Rng) {
    for _ in 0..=rng.next_u32() % 6 {
        let at = rng.next_u32() as usize % (line.len() + 1);
        let to = (at + rng.next_u32() as usize % 16).min(line.len());
        match rng.next_u32() % 6 {
            0 if at < line.len() => line[at] ^= 1 << (rng.next_u32() % 8),
            1 => drop(line.drain(at..to)),
            2 => drop(line.splice(at..to, WORDS[rng.next_u32() as usize % WORDS.len()].bytes())),
            3 => line.insert(at, rng.next_u32() as u8),
            4 => line.truncate(at),
            _ => {
                let part = line[at..to].to_vec();
                let times = rng.next_u32() as usize % 8;
                drop(line.splice(at..at, part.repeat(times)));
            }
        }
    }
}

#[test]
fn fuzz_mutated_lines_are_harmless() {
    let count: u64 = std::env::var("PHONED_FUZZ").ok().map_or(1_500_000, |count| count.parse().unwrap());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let seeds = seeds();
    let begin = Instant::now();
    let threads: Vec<_> = (0..cores)
        .map(|core| {
            let seeds = seeds.clone();
            std::thread::spawn(move || {
                let mut rng = ChaCha20Rng::seed_from_u64(core);
                let mut accepted = 0_u64;
                for turn in 0..count / cores {
                    let mut line = seeds[turn as usize % seeds.len()].clone();
                    mutate(&mut line, &mut rng);
                    let role = [Role::Observe, Role::Call, Role::Admin][turn as usize % 3];
                    accepted += u64::from(!matches!(parse_line(&line, role), Parsed::Blank));
                }
                accepted
            })
        })
        .collect();
    let read: u64 = threads.into_iter().map(|thread| thread.join().expect("no line panics")).sum();
    println!("{count} mutated lines, {read} not blank, {:.1} s", begin.elapsed().as_secs_f64());
}

#[test]
fn fuzz_every_line_is_cut_at_every_byte() {
    for line in seeds() {
        for at in 0..line.len() {
            parse_line(&line[..at], Role::Admin);
        }
    }
}
