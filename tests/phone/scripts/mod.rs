//! Random scripts: up to 40 operations of users over three phones and a bad network, by a seed.
//!
//! `operations` is the table of what users do, `invariants` what must hold after each step; here is how a script runs, and
//! how many scripts do.

mod invariants;
mod operations;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::process::Command as Process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use phoned::ua::command::{CallRef, Command};
use phoned::ua::io::ReplyId;
use phoned::ua::settings::{AccountSettings, AutoAnswer, ReferLeg, Settings};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::net::{Fate, Net, Weather, Who};
use invariants::Told;

/// What the scripts are about: it decides how often each operation is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Everything that users do.
    Everything,
    /// Consultations and transfers above all.
    Transfers,
}

/// Runs `scripts` scripts on all cores (`PHONED_SCRIPTS`: so many; `PHONED_FUZZ`: one for a hundred messages). Their seeds
/// count up from that of the commit, or from `PHONED_SEED`. What fails is run again, and its whole story told.
pub fn run_all(test: &str, mood: Mood, scripts: u64) {
    count_panics();
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("a number"));
    let share = |messages: u64| (messages / 100 * scripts / 4_000).max(1);
    let scripts = number("PHONED_SCRIPTS").or(number("PHONED_FUZZ").map(share)).unwrap_or(scripts);
    let first = number("PHONED_SEED").unwrap_or_else(seed_of_the_commit);
    let (next, failed) = (AtomicU64::new(0), Mutex::new(None));
    let seen = Mutex::new(BTreeMap::<String, u64>::new());
    let work = || {
        loop {
            let seed = first.wrapping_add(next.fetch_add(1, Ordering::Relaxed));
            if seed.wrapping_sub(first) >= scripts {
                return;
            }
            match catch_unwind(|| run(seed, mood, false)) {
                Ok(told) => told.into_iter().for_each(|name| *seen.lock().unwrap().entry(name).or_default() += 1),
                Err(_) => {
                    next.store(scripts, Ordering::Relaxed);
                    failed.lock().unwrap().get_or_insert(seed);
                }
            }
        }
    };
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    eprintln!("{scripts} scripts from seed {first} on in {:.1} s", began.elapsed().as_secs_f32());
    if let Some(seed) = failed.into_inner().unwrap() {
        eprintln!("again: PHONED_SEED={seed} PHONED_SCRIPTS=1 cargo test --test phone {test}");
        run(seed, mood, true);
        panic!("seed {seed} failed, and then did not: it depends on more than its seed");
    }
    // Scripts that come to nothing prove nothing.
    let seen = seen.into_inner().unwrap();
    eprintln!("{seen:?}");
    for name in OFTEN {
        assert!(scripts < 500 || seen.get(name).is_some_and(|n| *n >= scripts / 20), "seldom {name}: {seen:?}");
    }
}

/// What happens in many a script, whatever they are about.
const OFTEN: [&str; 8] =
    ["confirmed", "ended", "failed", "reinvite", "transferProgress", "transferred", "transferFailed", "a conference"];

/// Another commit, other scripts; the same commit, the same.
fn seed_of_the_commit() -> u64 {
    let head = Process::new("git").args(["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "HEAD"]).output();
    let hash = head.ok().map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    hash.get(..12).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(1)
}

thread_local! {
    static PANICS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

/// A phone survives its own panics: here they count.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            default(info);
        }));
    });
}

/// A script under way.
pub struct Script {
    seed: u64,
    mood: Mood,
    rng: ChaCha20Rng,
    net: Net,
    phones: Vec<Who>,
    /// Those whose sessions share a microphone.
    seated: Vec<Who>,
    /// One of them registers, or they use streams: their timers never rest.
    restless: bool,
    /// They know the codes of a PBX that records.
    codes: bool,
    /// Commands that have no answer yet: when, whose, which, and the method.
    asked: Vec<(u64, Who, ReplyId, &'static str)>,
    /// What was told of each session.
    told: BTreeMap<(Who, String), Told>,
    /// The sessions that are not over.
    living: BTreeMap<Who, Vec<String>>,
    /// The settings of their accounts.
    accounts: BTreeMap<Who, AccountSettings>,
    /// The current session, as it was told.
    current: BTreeMap<Who, serde_json::Value>,
    /// What was done, for who reads the failure.
    done: Vec<String>,
}

/// Gives the names of the events that were told of sessions, and "a conference" if there was any.
fn run(seed: u64, mood: Mood, loud: bool) -> Vec<String> {
    PANICS.set(0);
    let mut script = Script::new(seed, mood, loud);
    for _ in 0..10 + script.pick(31) {
        script.step();
    }
    script.end();
    let conferred = script.told.values().any(|told| told.conferred);
    let names = script.told.into_values().flat_map(|told| told.names);
    names.chain(conferred.then(|| "a conference".to_owned())).collect()
}

impl Script {
    fn new(seed: u64, mood: Mood, loud: bool) -> Script {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let mut net = Net::new(seed);
        net.logging = loud;
        net.tap(|packet| {
            let added = packet.bytes.windows(6).any(|w| w == b"\nEvil:");
            assert!(!added, "a user's text became a header: {}", String::from_utf8_lossy(&packet.bytes));
            Fate::Pass
        });
        let mut one_in = |n: u64| rng.next_u64().is_multiple_of(n);
        let (codes, tcp) = (one_in(3), one_in(8));
        let (sofa, bench) = (one_in(2), one_in(2));
        let common = |settings: &mut Settings, account: &mut AccountSettings| {
            if codes {
                let code = |digits: &str| Some(digits.to_owned());
                let record = &mut settings.record;
                (record.pbx_start, record.pbx_pause, record.pbx_stop) = (code("*1"), code("*2"), code("*3"));
            }
            account.transport = tcp.then(|| "tcp".to_owned());
        };
        let accounts = RefCell::new(Vec::new());
        let keep = |account: &AccountSettings| accounts.borrow_mut().push(account.clone());
        let agent = net.phone_with("agent", |settings, account| {
            common(settings, account);
            account.seat = Some("desk".into());
            settings.phone.hold_others = !one_in(4);
            settings.phone.max_calls_per_seat = 4;
            if one_in(2) {
                settings.transfer.refer = ReferLeg::Consultation;
            }
            keep(account);
        });
        let impatient = net.phone_with("impatient", |settings, account| {
            common(settings, account);
            settings.phone.no_answer_timeout = 3;
            settings.phone.ring_timeout = 4;
            settings.phone.max_call_length = if one_in(3) { 8 } else { 0 };
            account.seat = sofa.then(|| "sofa".into());
            account.auto_answer = one_in(2).then_some(AutoAnswer::After(700));
            keep(account);
        });
        let registrar = one_in(4).then(|| net.registrar("registrar"));
        let uri = registrar.map(|who| format!("sip:{}", net.addr(who).ip()));
        let third = net.phone_with("third", |settings, account| {
            common(settings, account);
            settings.phone.session_expires = if one_in(2) { 90 } else { 1_800 };
            settings.phone.accept_refer = !one_in(8);
            account.seat = bench.then(|| "bench".into());
            account.register = uri.is_none().then_some(false);
            account.registrar = uri;
            keep(account);
        });
        let phones = vec![agent, impatient, third];
        let seats = [(agent, true), (impatient, sofa), (third, bench)];
        let seated = seats.into_iter().filter_map(|(who, seated)| seated.then_some(who)).collect();
        net.phone_mut(third).records = !one_in(3);
        net.phone_mut(impatient).hears = !one_in(4);
        if tcp {
            phones.iter().for_each(|who| net.listen_tcp(*who));
        }
        let (loss, slow) = (rng.next_u64() % 4 * 8, rng.next_u64() % 5 * 60);
        net.weather = Weather { loss: loss as u32, duplicates: 5, delay: 1..=1 + slow };
        Script {
            seed,
            mood,
            rng,
            net,
            seated,
            restless: tcp || registrar.is_some(),
            codes,
            accounts: phones.iter().copied().zip(accounts.into_inner()).collect(),
            living: phones.iter().map(|who| (*who, Vec::new())).collect(),
            phones,
            asked: Vec::new(),
            told: BTreeMap::new(),
            current: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    fn pick(&mut self, of: u64) -> usize {
        (self.rng.next_u64() % of) as usize
    }

    /// A user does something; then time passes, or does not.
    fn step(&mut self) {
        let who = self.pick(3);
        let who = self.phones[who];
        let (method, command) = operations::next(self, who);
        self.give(who, method, command);
        self.check();
        self.compare(who);
        match (self.mood, self.pick(40)) {
            (_, 0) => self.wait(46_000), // a session timer
            (_, 1) => self.net.break_streams(who),
            (Mood::Transfers, n) => self.wait([5, 60, 400, 3_000][n % 4]),
            (Mood::Everything, n) => {
                for _ in 0..n % 4 {
                    let ms = self.rng.next_u64() % 400;
                    self.wait(ms);
                }
            }
        }
    }

    fn wait(&mut self, ms: u64) {
        self.net.run_for(ms);
        self.check();
    }

    fn give(&mut self, who: Who, method: &'static str, command: Command) {
        let line = format!("{:>6} {}: {command:?}", self.net.now(), self.net.phone_of(who).name);
        self.done.push(line);
        let reply = self.net.command(who, command);
        self.asked.push((self.net.now(), who, reply, method));
    }

    /// Every call ends, by hang-ups or because the phones stop; then nothing is left of anything.
    fn end(&mut self) {
        let stops = self.pick(3) == 0;
        for who in self.phones.clone() {
            if stops {
                self.give(who, "daemon.shutdown", Command::Shutdown);
                let ms = self.pick(4) as u64 * 300;
                self.wait(ms);
                continue;
            }
            for call_id in self.living[&who].clone() {
                self.give(who, "session.hangup", Command::Hangup(CallRef { call_id }));
            }
            self.give(who, "phone.disconnect", Command::Disconnect);
        }
        (0..20).for_each(|_| self.wait(1_000));
        match self.restless {
            true => self.net.run_for(300_000),
            false => self.net.run_to_rest(),
        }
        self.check();
        self.check_nothing_is_left();
    }
}
