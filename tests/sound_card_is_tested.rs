//! `device.test` before the shift: it says in plain words whether the loudspeaker plays and the microphone hears, and leaves devices
//! alone that a call uses.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test may read the clock and panic")]

mod common;
#[path = "common/vcards.rs"]
mod vcards;

use common::daemon::{Daemon, Setup, trunk};
use common::wait::{secs, until};
use serde_json::json;
use vcards::{beside_cards, level, sine};

#[test]
fn devices_are_tried_out() {
    beside_cards(2, |cards| {
        let far = Daemon::start(&Setup { tables: trunk("far", 700), ..Setup::default() });
        let tables = trunk("agent", 440).replace("tone:440", "pulse:mic1");
        let agent = Daemon::start(&Setup { tables, env: cards.env(), ..Setup::default() });
        let mut client = agent.connect();
        until("the daemon has seen its cards", secs(30), || {
            let list = client.call("device.list", json!({})).unwrap().to_string();
            ["mic2", "spk2"].iter().all(|id| list.contains(id)).then_some(())
        });
        let ear = cards.listen("spk2");
        let silent =
            client.call("device.test", json!({"input": "pulse:mic2", "output": "pulse:spk2", "seconds": 1})).unwrap();
        assert_eq!(
            (&silent["finding"], &silent["played"], &silent["heard"]),
            (&json!("silentMicrophone"), &json!(true), &json!(false))
        );
        until("the test sound is played", secs(15), || {
            ear.since(0).iter().any(|s| s.unsigned_abs() > 2_000).then_some(())
        });

        let speaking = cards.say("mic2", sine(1_000.0, 20.0));
        until("somebody speaks", secs(15), || {
            let well = client.call("device.test", json!({"id": "pulse:mic2", "seconds": 1})).unwrap();
            assert_eq!((&well["played"], &well["output"]), (&json!(false), &json!(null)));
            (well["finding"] == "ok" && (well["levelDbov"].as_f64().unwrap() + 15.0).abs() < 3.0).then_some(())
        });
        drop(speaking);

        // The microphone stands before the loudspeaker.
        cards.pactl(&["load-module", "module-loopback", "source=spk2.monitor", "sink=mic2_in", "latency_msec=50"]);
        let both = json!({"input": "pulse:mic2", "output": "pulse:spk2", "seconds": 3});
        let looped = until("the microphone hears the loudspeaker", secs(30), || {
            let looped = client.call("device.test", both.clone()).unwrap();
            println!("{looped}");
            (looped["finding"] == "loopHeard").then_some(looped)
        });
        assert_eq!(looped["heard"], true);
        assert!((20.0..900.0).contains(&looped["delayMs"].as_f64().unwrap()), "{looped}");

        // Another two may use their devices meanwhile, a call's are left alone.
        let mut f = far.connect();
        let call = client.dial("agent", &format!("sip:far@127.0.0.1:{}", far.port));
        let there = f.wait_event("incoming", |_| true)["callId"].as_str().unwrap().to_owned();
        f.verb("answer", &there);
        client.wait_event("confirmed", |_| true);
        let busy = client.call("device.test", json!({"input": "pulse:mic1"})).unwrap_err();
        assert_eq!((busy.code, &*busy.message), (-223, "DEVICE_BUSY"));
        assert!(busy.data.to_string().contains(&call), "{busy:?}");
        let forced = client.call("device.test", json!({"input": "pulse:mic1", "seconds": 1, "force": true})).unwrap();
        assert_eq!(forced["finding"], "silentMicrophone");
        let first = client.send("device.test", json!({"output": "pulse:spk2", "seconds": 2}));
        let second = client.call("device.test", json!({"output": "pulse:spk2", "seconds": 1})).unwrap_err();
        assert_eq!(second.code, -223);
        assert_eq!(client.reply(first, secs(30)).unwrap()["finding"], "ok");
        assert!(level(&ear.since(ear.len() - 4_800), vcards::RATE, 700.0) < -60.0, "the call is heard there");

        let nobody = client.call("device.test", json!({"id": "pulse:nothing"})).unwrap_err();
        assert_eq!(nobody.code, -290);
        let nothing = client.call("device.test", json!({})).unwrap_err();
        assert_eq!(nothing.code, -32602);
    });
}
