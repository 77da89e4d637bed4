//! A hundred sessions in one process: 50 packets a second each, on time whenever a bare sleeping thread is, with the threads of one session.
//! With `PHONED_SOAK` five hundred for a minute. Twenty calls do so beside programs that never rest.
//! `cargo test --release --test media_many_sessions -- --ignored --nocapture` prints CPU and memory of a call.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

mod media_support;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use media_support::{Phone, negotiated};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use phoned::media::rtp;
use phoned::sdp::CodecKind;
use phoned::ua::media::MediaCommand;
use socket2::{Domain, Socket, Type};
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    RealtimeThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
};

/// RTP timestamps and the times (ns) at which they came, of each SSRC.
type Arrivals = BTreeMap<u32, Vec<(u32, i64)>>;

/// Sends everything back to where it came from, and notes when it came.
struct Echo {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Arrivals>,
}

impl Echo {
    fn start() -> Echo {
        use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
        use std::os::fd::AsRawFd;
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        socket.set_recv_buffer_size(4 << 20).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let socket = std::net::UdpSocket::from(socket);
        let (addr, stop) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let (mut arrivals, mut bytes) = (Arrivals::new(), [0u8; 2_000]);
            let mut room = nix::cmsg_space!(TimeSpec);
            while !stopped.load(Ordering::Relaxed) {
                let mut slices = [std::io::IoSliceMut::new(&mut bytes)];
                let got = recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut slices, Some(&mut room), MsgFlags::empty());
                let Ok(message) = got else { continue };
                let stamp = message.cmsgs().unwrap().find_map(|c| match c {
                    ControlMessageOwned::ScmTimestampns(t) => Some(t.tv_sec() * 1_000_000_000 + t.tv_nsec()),
                    _ => None,
                });
                let (len, from) = (message.bytes, message.address.unwrap());
                let Some((header, _)) = rtp::read(&bytes[..len]) else { continue };
                arrivals.entry(header.ssrc).or_default().push((header.timestamp, stamp.unwrap()));
                let _ = socket.send_to(&bytes[..len], SocketAddr::from((from.ip(), from.port())));
            }
            arrivals
        });
        Echo { addr, stop, thread }
    }

    fn end(self) -> Arrivals {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// What came of a run.
struct Timing {
    packets: f64,
    /// A second and session.
    rate: f64,
    /// More than 10 ms (in the short form three times that: the machine may be a shared one), where the bare clock was on time.
    late: usize,
    worst: i64,
}

/// `excused`: what the bare clock says.
fn timing(arrivals: &Arrivals, excused: &[i64]) -> Timing {
    let (mut packets, mut seconds, mut late, mut worst) = (0.0, 0.0, 0, 0);
    let allowed = if soak() { 10_000_000 } else { 30_000_000 };
    for stream in arrivals.values() {
        let (first, last) = (stream.first().unwrap(), stream.last().unwrap());
        packets += stream.len() as f64 - 1.0;
        seconds += (last.1 - first.1) as f64 / 1e9;
        let off = |(timestamp, at): &(u32, i64)| at - i64::from(timestamp.wrapping_sub(first.0)) * 125_000;
        let base = stream.iter().map(off).min().unwrap();
        for packet in stream {
            let behind = off(packet) - base;
            worst = worst.max(behind);
            let excuse = || excused.iter().any(|at| (at - packet.1).abs() < 30_000_000);
            late += usize::from(behind > allowed && !excuse());
        }
    }
    let rate = packets / seconds;
    println!(
        "{packets} packets, {rate:.4}/s a session, {late} late, worst {} us, {} ticks excused",
        worst / 1_000,
        excused.len()
    );
    Timing { packets, rate, late, worst }
}

/// Ticks each 10 ms like a worker, with nothing to do; gives the wall times (ns) around which it was more than 5 ms late.
/// `preferred`: with the workers' own real-time priority, where the system gives it.
fn bare_clock(stop: Arc<AtomicBool>, preferred: bool) -> thread::JoinHandle<Vec<i64>> {
    let now = |clock| clock_gettime(clock).map(|t| t.tv_sec() * 1_000_000_000 + t.tv_nsec()).unwrap();
    thread::spawn(move || {
        if preferred {
            let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
            let priority = ThreadPriority::Crossplatform(10u8.try_into().unwrap());
            let _ = set_thread_priority_and_policy(thread_native_id(), priority, policy);
        }
        let (mut late, mut next) = (Vec::new(), now(ClockId::CLOCK_MONOTONIC));
        while !stop.load(Ordering::Relaxed) {
            next += 10_000_000;
            let until = TimeSpec::new(next / 1_000_000_000, next % 1_000_000_000);
            let _ = clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &until);
            if now(ClockId::CLOCK_MONOTONIC) > next + 5_000_000 {
                late.push(now(ClockId::CLOCK_REALTIME));
            }
        }
        late
    })
}

/// The long proof is wanted (`make soak`).
fn soak() -> bool {
    std::env::var_os("PHONED_SOAK").is_some()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

fn open(phone: &Phone, ids: std::ops::Range<u64>, echo: SocketAddr, kind: CodecKind, input: &str) {
    for id in ids {
        phone.open(id, input, "null");
        phone.tell(id, MediaCommand::Remote(negotiated(echo, kind)));
    }
}

#[test]
fn many_sessions_keep_time() {
    let (count, seconds) = if soak() { (500, 60) } else { (100, 4) };
    let (mut phone, echo, stop) = (Phone::new(), Echo::start(), Arc::new(AtomicBool::new(false)));
    let clock = bare_clock(stop.clone(), false);
    open(&phone, 1..2, echo.addr, CodecKind::Pcmu, "null");
    phone.pass(0.3);
    let with_one = threads();
    open(&phone, 2..count + 1, echo.addr, CodecKind::Pcmu, "null");
    phone.pass(seconds as f64);
    assert_eq!(threads(), with_one, "no thread per call");
    let stats = phone.report(count);
    assert!(stats.rx_packets > 45 * seconds && stats.rx_lost == 0, "{stats:?}");
    stop.store(true, Ordering::Relaxed);
    let (arrivals, excused) = (echo.end(), clock.join().unwrap());
    assert_eq!(arrivals.len() as u64, count);
    let Timing { packets, rate, late, worst } = timing(&arrivals, &excused);
    assert!((rate - 50.0).abs() < 0.05, "{rate} packets a second");
    assert!(late as f64 <= packets / 1_000.0, "{late} of {packets} late, worst {worst} ns");
}

/// Twenty Opus calls beside programs that want all of the processor, two a core. With `PHONED_SOAK` for ten minutes.
#[test]
fn twenty_calls_keep_time_under_load() {
    let (count, seconds) = (20, if soak() { 600.0 } else { 6.0 });
    let cores = thread::available_parallelism().unwrap().get();
    let load: Vec<Busy> = (0..2 * cores).map(|_| Busy::start()).collect();
    let (mut phone, echo, stop) = (Phone::new(), Echo::start(), Arc::new(AtomicBool::new(false)));
    let clock = bare_clock(stop.clone(), true);
    open(&phone, 1..count + 1, echo.addr, CodecKind::Opus, "tone:440");
    phone.pass(seconds);
    stop.store(true, Ordering::Relaxed);
    let (mut arrivals, excused) = (echo.end(), clock.join().unwrap());
    drop(load);
    assert_eq!(arrivals.len() as u64, count);
    // Opus counts 48,000 a second: to the 8,000 that are reckoned with.
    for (timestamp, first) in arrivals.values_mut().flat_map(|stream| {
        let first = stream[0].0;
        stream.iter_mut().map(move |(timestamp, _)| (timestamp, first))
    }) {
        *timestamp = timestamp.wrapping_sub(first) / 6;
    }
    let Timing { packets, rate, late, worst } = timing(&arrivals, &excused);
    assert!((rate - 50.0).abs() < 0.05, "{rate} packets a second");
    assert!(late as f64 <= packets / 1_000.0, "{late} of {packets} late, worst {worst} ns");
}

/// A program that never rests.
struct Busy(std::process::Child);

impl Busy {
    fn start() -> Busy {
        Busy(std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU ticks (10 ms) of the media threads.
fn media_ticks() -> u64 {
    let tasks = fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|t| fs::read_to_string(t.unwrap().path().join("stat")).ok());
    tasks
        .filter(|stat| stat.contains("(media-"))
        .map(|stat| {
            let rest: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            rest[11].parse::<u64>().unwrap() + rest[12].parse::<u64>().unwrap()
        })
        .sum()
}

fn resident_kb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "a measurement"]
fn what_a_call_costs() {
    for (kind, input, counts) in [
        (CodecKind::Pcmu, "null", &[10, 100, 500][..]),
        (CodecKind::Pcmu, "tone:440", &[100]),
        (CodecKind::Opus, "null", &[10, 50]),
        (CodecKind::Opus, "tone:440", &[10, 50]),
    ] {
        for &count in counts {
            let (mut phone, echo) = (Phone::new(), Echo::start());
            phone.pass(0.2);
            let idle = resident_kb();
            open(&phone, 1..count + 1, echo.addr, kind, input);
            phone.pass(2.0);
            let (ticks, begun) = (media_ticks(), Instant::now());
            phone.pass(8.0);
            let cpu = (media_ticks() - ticks) as f64 / 100.0;
            let minutes = begun.elapsed().as_secs_f64() / 60.0 * count as f64;
            let stats = phone.report(count);
            println!(
                "{kind:?} {input} {count} calls: {:.3} CPU s a call-min, {} KB a call over {idle} KB, lost {} late {}",
                cpu / minutes,
                (resident_kb() - idle) / count,
                stats.rx_lost,
                stats.late
            );
            echo.end();
        }
    }
}
