//! Every method of a session in every state of a session: what it returns, what is told of it, what goes on the wire; or
//! the code that refuses it. The table is the whole of it.

use std::collections::BTreeSet;

use phoned::rpc::METHODS;
use serde_json::Value;

use crate::states::{Outcome, STATES, Scene, command_of};

/// A method, its params besides `callId`, and what it comes to in each of the states.
#[rustfmt::skip]
const TABLE: &[(&str, &str, &str)] = &[
    //                                                                          calli ringi early rings unack talki held  heldb both  muted ours  their trans recor pause consu confr endin ended
    ("session.get",                    "{}",                                  "GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   -211  -211"),
    ("phone.getSession",               "{}",                                  "GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   -211  -211"),
    ("session.on",                     r#"{"eventName": "*"}"#,               "ON    ON    ON    ON    ON    ON    ON    ON    ON    ON    ON    ON    ON    ON    ON    ON    ON    -211  -211"),
    ("session.off",                    r#"{"subscription": 1}"#,              "*     *     *     *     *     *     *     *     *     *     *     *     *     *     *     *     *     *     *"),
    ("session.answer",                 "{}",                                  "-215  -215  -215  ANS   -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -211  -211"),
    ("session.progress",               r#"{"code": 183}"#,                    "-215  -215  -215  183   -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -211  -211"),
    ("session.reject",                 "{}",                                  "-215  -215  -215  486   -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -211  -211"),
    ("session.hangup",                 "{}",                                  "LEAVE CANC  CANC  486   END   BYE   BYE   BYE   BYE   BYE   BYE   BYE   BYE+T BYE+R BYE+R BYE   BYE   -211  -211"),
    ("session.terminate",              "{}",                                  "LEAVE CANC  CANC  486   END   BYE   BYE   BYE   BYE   BYE   BYE   BYE   BYE+T BYE+R BYE+R BYE   BYE   -211  -211"),
    ("session.terminate",              r#"{"type": "reject"}"#,               "-215  -215  -215  486   -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -211  -211"),
    ("session.destroy",                "{}",                                  "LEAVE CANC  CANC  480   END   BYE   BYE   BYE   BYE   BYE   BYE   BYE   BYE+T BYE+R BYE+R BYE   BYE   -211  -211"),
    ("phone.destroy",                  "{}",                                  "LEAVE CANC  CANC  480   END   BYE   BYE   BYE   BYE   BYE   BYE   BYE   BYE+T BYE+R BYE+R BYE   BYE   -211  -211"),
    ("session.audioToVideo",             "{}",                                  "-215  -215  -215  -215  -215  -291  -291  -291  -291  -291  -291  -291  -291  -291  -291  -291  -291  -211  -211"),
    ("session.videoToAudio",             "{}",                                  "-215  -215  -215  -215  -215  true  true  true  true  true  true  true  true  true  true  true  true  -211  -211"),
    ("session.hold",                   "{}",                                  "-215  -215  -215  -215  -215  HOLD  true  INACT true  HOLD  HOLD  HOLD  true  HOLD  HOLD  true  HOLD  -211  -211"),
    ("session.unhold",                 "{}",                                  "-215  -215  -215  -215  -215  true  RESUM true  RESUM true  true  true  RESUM true  true  SWAP  true  -211  -211"),
    ("session.renegotiate",            "{}",                                  "-215  -215  -215  -215  -215  ANEW  ANEW- ANEW  ANEW= ANEW  ANEW  ANEW  ANEW- ANEW  ANEW  ANEW- ANEW  -211  -211"),
    ("session.mute",                   "{}",                                  "MUTE  MUTE  MUTE  -215  MUTE  MUTE  MUTE  MUTE  MUTE  true  MUTE  MUTE  MUTE  MUTE  MUTE  MUTE  MUTE  -211  -211"),
    ("session.unmute",                 "{}",                                  "true  true  true  -215  true  true  true  true  true  MUTE  true  true  true  true  true  true  true  -211  -211"),
    ("session.dtmf",                   r#"{"dtmf": "1"}"#,                    "-215  -215  -215  -215  -215  DTMF  DTMF  DTMF  DTMF  DTMF  DTMF  DTMF  DTMF  DTMF  DTMF  DTMF  DTMF  -211  -211"),
    ("session.dtmf",                   r#"{"dtmf": "1", "method": "info"}"#,  "-215  -215  -215  -215  -215  INFO  INFO  INFO  INFO  INFO  INFO  INFO  INFO  INFO  INFO  INFO  INFO  -211  -211"),
    ("session.blindTransfer",          r#"{"number": "sip:dave@10.0.0.99"}"#, "-215  -215  -215  -215  -215  H+REF REFER I+REF REFER H+REF H+REF H+REF -215  H+REF H+REF REFER H+REF -211  -211"),
    ("session.attendedTransfer",       "{}",                                  "-207  -207  -207  -207  -207  -207  -207  -207  -207  -207  -207  -207  -207  -207  -207  REFER -207  -211  -211"),
    ("phone.call",                     r#"{"number": "sip:dave@10.0.0.99"}"#, "-210  -210  -210  -207  CALL  H+CAL CALL  I+CAL CALL  H+CAL CAL+H CAL+H CALL  H+CAL H+CAL SECND ALL+C -207  -207"),
    ("session.startRecord",            "{}",                                  "-215  -215  -215  -215  -215  REC   REC   REC   REC   REC   REC   REC   REC   true  GO-ON REC   REC   -211  -211"),
    ("session.pauseRecord",            "{}",                                  "-215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  PAUSE true  -215  -215  -211  -211"),
    ("session.stopRecord",             "{}",                                  "-215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  -215  STOP  STOP  -215  -215  -211  -211"),
    ("session.setStatus",              r#"{"status": {"tags": ["vip"]}}"#,    "TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  TAGS  -211  -211"),
    ("session.setStaticStatus",        r#"{"staticStatus": {"name": "C"}}"#,  "NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  -211  -211"),
    ("phone.setSessionStaticStatus",   r#"{"staticStatus": {"name": "C"}}"#,  "NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  NAME  -211  -211"),
    ("session.stopTimer",              "{}",                                  "GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   -211  -211"),
    ("session.diagnose",               "{}",                                  "GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET   GET"),
    ("phone.setCurrentSession",        "{}",                                  "true  true  true  true  true  true  true  true  true  true  true  true  true  true  true  true  true  -211  -211"),
    ("phone.merge",                    "{}",                                  "-215  -215  -215  -215  -215  JOIN  BACK  JOIN  BACK  JOIN  JOIN  JOIN  -215  JOIN  JOIN  BACK2 MORE  -211  -211"),
    ("phone.split",                    "{}",                                  "true  true  true  true  true  true  true  true  true  true  true  true  true  true  true  true  SPLIT -211  -211"),
];

/// What the short words of the table stand for: result, events, wire. A word that is not here is a code, and nothing
/// is told or sent.
#[rustfmt::skip]
const OUTCOMES: &[(&str, &str, &str, &str)] = &[
    ("GET", "snapshot", "", ""),
    ("ON", "subscribed", "", ""),
    ("*", "of no session", "", ""),
    ("ANS", "success", "statusChange(callStartTime,isRing) startSession accepted statusChange(callStatus) confirmed streamAdded", "200"),
    ("183", "true", "progress(183) streamAdded", "183"),
    ("486", "true", "failed(Rejected) deleteSession", "486"),
    ("LEAVE", "true", "failed(Canceled) deleteSession", ""),
    ("CANC", "true", "failed(Canceled) deleteSession", "CANCEL"),
    ("END", "true", "ended(Terminated) deleteSession", ""),
    ("BYE", "true", "ended(Terminated) deleteSession", "BYE"),
    ("BYE+T", "true", "transferFailed ended(Terminated) deleteSession", "BYE"),
    ("BYE+R", "true", "ended(Terminated) deleteSession recording.stopped", "BYE"),
    ("480", "true", "failed(Terminated) deleteSession", "480"),
    ("HOLD", "true", "statusChange(isHold)", "INVITE:sendonly"),
    ("true", "true", "", ""),
    ("INACT", "true", "statusChange(isHold)", "INVITE:inactive"),
    ("RESUM", "true", "statusChange(isHold)", "INVITE:sendrecv"),
    ("SWAP", "true", "statusChange(isHold)", "INVITE:sendonly INVITE:sendrecv"),
    ("SECND", "called", "", "INVITE:sendonly INVITE"),
    ("ANEW", "true", "", "INVITE:sendrecv"),
    ("ANEW-", "true", "", "INVITE:sendonly"),
    ("ANEW=", "true", "", "INVITE:inactive"),
    ("MUTE", "true", "statusChange(isMute)", ""),
    ("DTMF", "true", "dtmfSent", ""),
    ("INFO", "true", "dtmfSent", "INFO"),
    ("H+REF", "true", "statusChange(isHold)", "INVITE:sendonly REFER"),
    ("REFER", "true", "", "REFER"),
    ("I+REF", "true", "statusChange(isHold)", "INVITE:inactive REFER"),
    ("CALL", "called", "", "INVITE"),
    ("H+CAL", "called", "statusChange(isHold)", "INVITE:sendonly INVITE"),
    ("ALL+C", "called", "statusChange(isHold)", "INVITE:sendonly INVITE:sendonly INVITE"),
    ("I+CAL", "called", "statusChange(isHold)", "INVITE:inactive INVITE"),
    ("CAL+H", "called", "statusChange(isHold)", "INVITE INVITE:sendonly"),
    ("JOIN", "true", "statusChange(isConference)", "INVITE:sendrecv"),
    ("BACK", "true", "statusChange(isConference) statusChange(isHold)", "INVITE:sendrecv INVITE:sendrecv"),
    ("BACK2", "true", "statusChange(isConference) statusChange(isHold)", "INVITE:sendonly INVITE:sendrecv INVITE:sendrecv"),
    ("MORE", "true", "", "INVITE:sendrecv"),
    ("SPLIT", "true", "statusChange(isConference) statusChange(isHold)", "INVITE:sendonly"),
    ("REC", "true", "recording.started statusChange(recordStatus)", ""),
    ("GO-ON", "true", "recording.resumed statusChange(recordStatus)", ""),
    ("PAUSE", "true", "recording.paused statusChange(recordStatus)", ""),
    ("STOP", "file", "statusChange(recordStatus) recording.stopped", ""),
    ("TAGS", "snapshot", "statusChange(tags)", ""),
    ("NAME", "snapshot", "staticStatusChange", ""),
];

#[test]
fn every_cell_is_as_the_table_says() {
    let mut wrong = String::new();
    for (method, params, row) in TABLE {
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells.len(), STATES.len(), "{method}");
        for (state, cell) in STATES.iter().zip(cells) {
            let scene = if *method == "phone.merge" { Scene::beside_another(state) } else { Scene::new(state) };
            let params = params_of(method, params, &scene.call, &scene.other);
            let (is, wanted) = (scene.tries(method, &params), outcome(cell));
            if is != wanted {
                wrong += &format!("{method} {params} in {state}:\n  wanted {wanted:?} ({cell})\n      is {is:?}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_method_of_a_session_is_in_the_table() {
    let of_a_session = METHODS.iter().filter(|method| {
        let takes_one = method.params.iter().any(|param| matches!(*param, "callId" | "callIds" | "transferId"));
        method.name.starts_with("session.") || (method.name.starts_with("phone.") && takes_one)
    });
    // These are answered by what is remembered of calls, whatever their state: tests/call_trace.rs, tests/call_report.rs.
    let remembered = ["session.trace", "session.report"];
    let there: BTreeSet<&str> =
        of_a_session.map(|method| method.name).filter(|name| !remembered.contains(name)).collect();
    let here: BTreeSet<&str> = TABLE.iter().map(|(method, ..)| *method).collect();
    assert_eq!(there, here);
}

/// The browser SDK calls the two names equal: what holds of one holds of the other.
#[test]
fn the_twins_of_phone_ask_the_same() {
    for (method, params, _) in TABLE {
        let verb = method.split('.').nth(1).unwrap_or_default();
        if method.starts_with("phone.") || ["get", "on", "off", "destroy"].contains(&verb) {
            continue; // these mean something else there
        }
        let params = params_of(method, params, "some-call", "");
        let (one, twin) = (command_of(method, &params), command_of(&format!("phone.{verb}"), &params));
        assert_eq!(one, twin, "{method}");
    }
}

#[test]
fn no_word_of_the_table_is_without_use() {
    let said: BTreeSet<&str> = TABLE.iter().flat_map(|(.., row)| row.split_whitespace()).collect();
    let unsaid: Vec<&str> = OUTCOMES.iter().map(|row| row.0).filter(|word| !said.contains(word)).collect();
    assert_eq!(unsaid, [""; 0]);
}

fn params_of(method: &str, params: &str, call: &str, other: &str) -> Value {
    let mut params: Value = serde_json::from_str(params).unwrap();
    match method {
        "session.off" => {}
        "phone.call" => params["transferId"] = call.into(),
        "phone.merge" => params["callIds"] = [call, other].into(),
        _ => params["callId"] = call.into(),
    }
    params
}

fn outcome(cell: &str) -> Outcome {
    let found = OUTCOMES.iter().find(|row| row.0 == cell);
    let (_, result, events, wire) = *found.unwrap_or(&("", cell, "", ""));
    Outcome { result: result.into(), events: events.into(), wire: wire.into() }
}
