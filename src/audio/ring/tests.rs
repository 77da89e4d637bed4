//! Writers and readers with clocks of their own, in virtual time: what is heard, and how late.

use super::*;

fn sine(i: usize) -> i16 {
    ((std::f64::consts::TAU * 440.0 * i as f64 / 48_000.0).sin() * 10_000.0) as i16
}

/// A microphone's thread gives 10 ms and a session takes 20; a session gives 20 and a loudspeaker's thread takes 10; both 10;
/// a microphone of 1,024 samples, and a loudspeaker of as many.
const PATTERNS: [(usize, usize); 5] = [(480, 960), (960, 480), (480, 480), (1_024, 960), (960, 1_024)];

/// Who writes, who reads, for how long.
struct Run<'a> {
    write: usize,
    read: usize,
    /// When the reader begins, µs.
    phase: u64,
    /// By how much the writer's clock is fast.
    ppm: i64,
    /// How late its nth writing is, µs.
    late: &'a dyn Fn(u64) -> u64,
    seconds: u64,
    reserve: Reserve,
}

/// What came of it, once sound was heard.
#[derive(Debug)]
struct Heard {
    /// When silence was heard, s, and for how many samples.
    gaps: Vec<(u64, usize)>,
    /// The least that was left in the last 10 s, samples.
    least: usize,
    /// When sound was first heard, ms.
    begin: u64,
}

impl Run<'_> {
    fn go(&self) -> Heard {
        let (mut producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
        let mut reader = Reader::new(consumer, self.reserve.clone());
        let mut heard = Heard { gaps: Vec::new(), least: usize::MAX, begin: 0 };
        let (mut writings, mut written, mut last) = (0u64, 0usize, None::<i16>);
        let mut out = vec![0; self.read];
        let readings = self.seconds * 48_000 / self.read as u64;
        for reading in 0..readings {
            let now = self.phase + reading * self.read as u64 * 1_000 / 48;
            loop {
                let due = (writings + 1) * self.write as u64 * 1_000_000_000 / (48 * (1_000_000 + self.ppm) as u64);
                if due + (self.late)(writings) > now {
                    break;
                }
                let block: Vec<i16> = (written..written + self.write).map(sine).collect();
                assert!(producer.push_entire_slice(&block).is_ok());
                (writings, written) = (writings + 1, written + self.write);
            }
            reader.read(&mut []); // its turn, and nothing to do
            reader.read(&mut out);
            if last.is_none() && out.iter().all(|s| *s == 0) {
                continue;
            }
            if last.is_none() {
                heard.begin = now / 1_000;
            }
            let silent = out.iter().rev().take_while(|s| **s == 0).count();
            if silent > 1 && last.is_some() {
                heard.gaps.push((now / 1_000_000, silent));
            } else if heard.gaps.last().is_none_or(|(at, _)| now / 1_000_000 > *at) {
                for s in &out {
                    let step = i32::from(*s) - i32::from(last.unwrap_or(*s));
                    assert!(step.abs() < 700, "a click of {step} at {now} µs");
                    last = Some(*s);
                }
            }
            last = out.last().copied();
            if reading + 10 * 48_000 / self.read as u64 > readings {
                heard.least = heard.least.min(reader.left);
            }
        }
        assert_eq!(reader.dropped, 0);
        heard
    }
}

/// On a host that is in time, from whatever moment on: sound within 60 ms, no gap, 10 ms left when the least is left.
#[test]
fn little_is_kept() {
    for (write, read) in PATTERNS {
        for phase in (0..40).map(|n| n * 1_000 + 37) {
            let run = Run { write, read, phase, ppm: 0, late: &|_| 0, seconds: 40, reserve: Reserve::default() };
            let heard = run.go();
            assert!(heard.begin <= phase / 1_000 + 60, "{write} {read} {phase}: {heard:?}");
            if write.max(read) == 1_024 {
                // Blocks that fit no turn: by and by they meet at their worst.
                assert!(heard.gaps.iter().map(|(_, gap)| gap).sum::<usize>() <= 1_024, "{phase}: {heard:?}");
                assert!(Keeper::new(run.reserve).get() <= 960, "{phase}: {heard:?}");
                continue;
            }
            assert!(heard.gaps.is_empty(), "{write} {read} {phase}: {heard:?}");
            assert!((240..=720).contains(&heard.least), "{write} {read} {phase}: {heard:?}");
        }
    }
}

#[test]
fn drift_is_slipped_away() {
    for (write, read) in PATTERNS.into_iter().take(3) {
        for ppm in [-300, -50, 50, 300] {
            let run = Run { write, read, phase: 5_000, ppm, late: &|_| 0, seconds: 120, reserve: Reserve::default() };
            let heard = run.go();
            assert!(heard.gaps.is_empty(), "{write} {read} {ppm} ppm: {heard:?}");
            // It may be nothing: blocks of 10 ms that drift past the reading are missed whole by it, and there in time for the next one.
            assert!(heard.least <= 960, "{write} {read} {ppm} ppm: {heard:?}");
        }
    }
}

/// Each gap is as long as the writer was late beyond what was kept, and makes another less likely; who comes next has none.
#[test]
fn a_host_that_is_late_gets_a_longer_reserve() {
    for (write, read) in PATTERNS.into_iter().take(3) {
        // 25 ms each 700 ms, and a little always.
        let late = |n: u64| n * 7_919 % 4_000 + if n % (33_600 / write as u64) == 17 { 25_000 } else { 0 };
        let reserve = Reserve::default();
        let run = |seconds| Run { write, read, phase: 3_000, ppm: 0, late: &late, seconds, reserve: reserve.clone() };
        let heard = run(60).go();
        let silence: usize = heard.gaps.iter().map(|(_, gap)| gap).sum();
        println!("{write} {read}: {:?}", heard.gaps);
        assert!(!heard.gaps.is_empty() && silence <= 1_440, "{write} {read}: {heard:?}");
        assert!(heard.gaps.iter().all(|(at, _)| *at < 10), "{write} {read}: {heard:?}");
        let next = run(30).go();
        assert!(next.gaps.len() <= 1, "{write} {read}: {next:?}");
    }
}

#[test]
fn what_is_late_is_dropped_and_counted() {
    let (mut producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
    let mut reader = Reader::new(consumer, Reserve::default());
    let ramp: Vec<i16> = (0..9600).collect();
    let _ = producer.push_partial_slice(&ramp);
    let mut out = [0; 480];
    assert!(reader.read(&mut out));
    assert_eq!(u64::try_from(out[0]).unwrap(), reader.dropped, "the oldest");
    assert!(reader.left <= 2_400, "{}", reader.left);
}

/// A stream that ends and begins again later is no gap: the device keeps its reserve.
#[test]
fn the_end_of_a_stream_is_no_gap() {
    let (mut producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
    let mut reader = Reader::new(consumer, Reserve::default());
    let mut out = [0; 480];
    for _ in 0..5 {
        for _ in 0..10 {
            let _ = producer.push_entire_slice(&[7; 480]);
            reader.read(&mut out);
        }
        for _ in 0..20 {
            reader.read(&mut out);
        }
        assert!(!reader.is_flowing());
    }
    assert_eq!(reader.keeper.get(), 480);
}

/// What is too much goes where nobody speaks; what is said keeps its length.
#[test]
fn delay_is_mended_in_pauses() {
    for read in [480, 960] {
        let (mut producer, consumer) = rtrb::RingBuffer::new(CAPACITY);
        let mut reader = Reader::new(consumer, Reserve::default());
        let mut out = vec![0; read];
        // In steps of 20 ms; what is left after the last one.
        let mut sound = |reader: &mut Reader, ms: usize, pcm: i16, extra: usize| {
            let _ = producer.push_entire_slice(&vec![pcm; extra]);
            for _ in 0..ms / 20 {
                assert!(producer.push_entire_slice(&[pcm; 960]).is_ok());
                (0..960 / read).for_each(|_| _ = reader.read(&mut out));
            }
            reader.left
        };
        let usual = sound(&mut reader, 5_000, 5_000, 0);
        // It is looked at for ten seconds, from the twentieth at the latest.
        let spoken = sound(&mut reader, 18_000, 5_000, 960);
        assert!(
            (usual + 840..=usual + 940).contains(&spoken),
            "{read}: {usual}, then {spoken}: slowly in what is said"
        );
        assert_eq!(sound(&mut reader, 200, 100, 0), usual, "{read}: at once in a pause");
    }
}

#[test]
fn a_slip_fades_from_where_it_begins_to_where_it_ends() {
    for (len, n) in [(481, 480), (479, 480), (600, 480), (360, 480), (720, 960)] {
        let from: Vec<i16> = (0..len).map(|i| (10 * i) as i16).collect();
        let mut to = vec![0; n];
        slip(&from, &mut to);
        let least = n.saturating_sub(len);
        // Its own time is each sample's value: from none late to all of it.
        for (i, s) in to.iter().enumerate() {
            let late = i as i64 - i64::from(*s) / 10;
            let all = n as i64 - len as i64;
            assert!((all.min(0)..=all.max(0)).contains(&late), "{len} {n}: sample {i} is {late} late");
            assert!(i > least || late == 0, "{len} {n}: sample {i} is {late} late");
        }
        assert_eq!(to[n - 1], from[len - 1], "{len} {n}");
    }
}
