//! A device is as loud as `device.setVolume` says, both ways, and its level is seen while it is open.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

#[path = "common/vcards.rs"]
mod vcards;

use std::time::Duration;

use phoned::audio::{Config, Devices};
use phoned::ua::io::DeviceGauge;
use vcards::{RATE, run, sine, steady_level, with_cards};

/// What a sine of −12 dBFS at half the volume reads, dBov, and its peak.
const HALF: (f64, f64) = (-21.0, -18.0);

#[test]
fn as_loud_as_it_was_set() {
    with_cards(1, "as_loud_as_it_was_set", |cards| {
        let config = Config { output_volume: 50, ..Config::default() };
        let devices = Devices::start(config, tokio::sync::mpsc::channel(8).0);
        let gauge = |id: &str| devices.gauges().into_iter().find(|gauge| gauge.id == id);
        while gauge("pulse:spk1").is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let closed = DeviceGauge { id: "pulse:spk1".into(), output_volume: Some(50), ..DeviceGauge::default() };
        assert_eq!(gauge("pulse:spk1"), Some(closed), "as configured, and not open");
        devices.set_volume("pulse:mic1", Some(150), None);
        let _playing = cards.say("mic1", sine(1_000.0, 8.0));
        let recording = std::thread::scope(|scope| {
            let recording = scope.spawn(|| cards.hear("spk1", Duration::from_secs(4)));
            let mut sinks = [(devices.sink("pulse:spk1", RATE).unwrap(), 700.0)];
            let mut sources = [(devices.source("pulse:mic1", RATE).unwrap(), Vec::new())];
            run(3.0, &mut sinks, &mut sources);
            let level = gauge("pulse:spk1").unwrap().output_level.unwrap();
            assert!((level.rms_dbov - HALF.0).abs() < 3.0 && (level.peak_dbov - HALF.1).abs() < 1.0, "{level:?}");
            let level = gauge("pulse:mic1").unwrap().input_level.unwrap();
            // 15 dB down, 3.5 up; a late sound server leaves gaps, which the peak does not know.
            assert!((level.peak_dbov + 8.5).abs() < 1.0 && (-20.0..-10.0).contains(&level.rms_dbov), "{level:?}");
            let louder = steady_level(&sources[0].1[2 * RATE as usize..], 1_000.0);
            assert!((louder + 8.5).abs() < 1.0, "{louder} dBFS");
            // Both are turned in the middle of it.
            devices.set_volume("pulse:spk1", None, Some(100));
            devices.set_volume("pulse:mic1", Some(0), None);
            let mut later = [(sources.into_iter().next().unwrap().0, Vec::new())];
            run(2.0, &mut sinks, &mut later);
            let silent = steady_level(&later[0].1[RATE as usize..], 1_000.0);
            assert!(silent < -80.0, "{silent} dBFS");
            recording.join().unwrap()
        });
        let rate = RATE as usize;
        let (half, full) =
            (steady_level(&recording[2 * rate..5 * rate / 2], 700.0), steady_level(&recording[7 * rate / 2..], 700.0));
        assert!((half + 18.0).abs() < 1.0 && (full + 12.0).abs() < 1.0, "{half}, then {full} dBFS");
        while gauge("pulse:mic1").unwrap().input_level.is_some() {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}
