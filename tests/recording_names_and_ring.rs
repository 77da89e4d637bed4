//! No name leads out of the recordings' directory, whatever a peer, a user or the configuration says; and a disk that stands
//! still costs sound in the recording, told and marked, never a moment of the tick.
#![allow(clippy::unwrap_used)]

use std::path::{Component, Path};

use phoned::media::recorder::{Mark, MarkKind, Side, check_pattern, file_name, tap};
use phoned::ua::media::{RecordEvent, RecordInfo};

#[test]
fn a_pattern_that_leads_out_is_refused() {
    for right in ["{date}/{account}-{number}-{callid}", "{callid}", "calls/{direction}/{time}-{callid}"] {
        assert_eq!(check_pattern(right), Ok(()), "{right}");
    }
    for wrong in [
        "",
        "/{callid}",
        "../{callid}",
        "a/../{callid}",
        "a//{callid}",
        "{callid}/",
        ".hidden",
        "{call",
        "{nobody}",
        "a\0b",
    ] {
        assert!(check_pattern(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn what_peers_say_stays_one_plain_name() {
    let evil = [
        "../../etc/passwd",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a/b\\c",
        "x\0y\r\nz",
        "sip:bob@evil;x=1",
        &"9".repeat(500),
        "号码/../",
    ];
    let patterns =
        ["{date}/{account}-{number}-{callid}", "{number}/{callid}", "{account}", "../{number}", "/{number}/..", "{bad"];
    for text in evil {
        for pattern in patterns {
            let info = RecordInfo {
                call_id: text.into(),
                account: text.into(),
                number: text.into(),
                wall: 1_795_392_000_000,
                ..RecordInfo::default()
            };
            let path = file_name(pattern, &info);
            let shown = format!("{pattern:?} {text:?}: {path:?}");
            assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{shown}");
            assert!(path.components().count() > 0 && !path.to_str().unwrap().contains(['\0', '\n', '\\']), "{shown}");
            assert!(path.iter().all(|name| name.len() < 240), "{shown}");
            assert!(Path::new("/var/rec").join(&path).starts_with("/var/rec"), "{shown}");
        }
    }
    let info = RecordInfo {
        call_id: "c1".into(),
        account: "office".into(),
        number: "+49-30".into(),
        wall: 951_782_399_999,
        ..RecordInfo::default()
    };
    assert_eq!(
        file_name("{date}/{time}-{direction}-{account}-{number}-{callid}", &info).to_str(),
        Some("2000-02-28/235959-out-office-+49-30-c1")
    );
}

/// One tick of 20 ms at 8 kHz.
fn tick(tap: &mut phoned::media::recorder::Tap, value: i16, told: &mut Vec<RecordEvent>) {
    tap.note(Side::Agent, &[value; 160]);
    tap.note(Side::Customer, &[-value; 160]);
    tap.commit(20, &mut |event| told.push(event));
}

#[test]
fn a_reader_that_stands_still_costs_a_gap_that_is_told() {
    let (mut tap, mut samples, mut marks) = tap(8_000, false);
    let mut told = Vec::new();
    // 2 s fit; 1 s more does not
    (0..150).for_each(|_| tick(&mut tap, 100, &mut told));
    assert_eq!(told, [RecordEvent::Stalled], "once");
    assert_eq!(samples.slots(), 2 * 16_000);
    samples.read_chunk(2 * 16_000).unwrap().commit_all();
    tick(&mut tap, 100, &mut told);
    assert_eq!(told[1..], [RecordEvent::Gap { at_ms: 2_000, length_ms: 1_000 }]);
    tap.control().pause(true);
    tick(&mut tap, 100, &mut told);
    tap.control().pause(false);
    tap.missed(40);
    tick(&mut tap, 100, &mut told);
    assert_eq!(told.len(), 2);
    let all: Vec<Mark> = std::iter::from_fn(|| marks.pop().ok()).collect();
    assert_eq!(
        all,
        [
            Mark { at: 16_000, kind: MarkKind::Gap(8_000) },
            Mark { at: 24_160, kind: MarkKind::Pause },
            Mark { at: 24_320, kind: MarkKind::Gap(320) },
            Mark { at: 24_640, kind: MarkKind::Resume },
        ]
    );
    let sound: Vec<i16> = samples.read_chunk(2 * 480).unwrap().into_iter().collect();
    assert_eq!(sound[..2], [100, -100]);
    assert!(sound[320..640].iter().all(|s| *s == 0), "paused");
    assert_eq!(sound[640..642], [100, -100]);
}

#[test]
fn another_codec_keeps_the_rate_of_the_file() {
    let (mut tap, samples, _marks) = tap(8_000, false);
    tap.set_clock(48_000);
    for _ in 0..10 {
        tap.note(Side::Agent, &[1_000; 960]);
        tap.silence(Side::Customer);
        tap.commit(20, &mut |event| panic!("{event:?}"));
    }
    assert_eq!(samples.slots(), 2 * 10 * 160);
    drop(samples);
    assert!(tap.is_over());
}
