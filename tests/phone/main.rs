//! The phone's promises, on a virtual network in virtual time: a module a behaviour.
#![allow(clippy::unwrap_used)]

#[path = "../common/net/mod.rs"]
mod net;

mod a_2xx_is_acknowledged_for_ever;
mod a_conference_is_one_call;
mod a_microphone_is_watched;
mod a_phone_is_destroyed;
mod an_agent_is_ready_or_not;
mod an_announcement_before_the_answer;
mod any_order_of_operations;
mod attended_transfer_joins_the_far_ends;
mod blind_transfer_follows_its_outcome;
mod blind_transfer_keeps_the_call;
mod cancel_races_are_won;
mod devices_have_roles;
mod digests_only_to_whom_we_registered_with;
mod digits_go_out_in_order;
mod each_session_leaves_one_record;
mod encryption_is_kept;
mod every_event_is_caused;
mod every_method_in_every_state;
mod every_timeline_is_told_in_order;
mod flows_come_back;
mod glare_is_resolved;
mod headsets_have_buttons;
mod hold_plays_music;
mod hold_refused_keeps_the_call;
mod identity_follows_the_peer;
mod it_answers_when_the_pbx_asks;
mod large_requests_go_over_a_stream;
mod malformed_requests_get_their_status;
mod nothing_is_hidden_or_put_off;
mod numbers_follow_dial_rules;
mod one_microphone_a_seat;
mod our_address_changes;
mod provisionals_are_acknowledged;
mod reasons_are_told;
mod record_follows_its_session;
mod refer_received_makes_a_call;
mod refusals_have_their_codes;
mod registration_never_gives_up;
mod replaces_keeps_the_session;
mod scripts;
mod session_timers_end_dead_calls;
mod seven_timelines_to_the_letter;
mod sound_from_outside;
mod states;
mod strangers_get_nothing;
mod streams_are_opened_again;
mod targets_are_tried_in_turn;
mod the_far_end_is_watched;
mod tones_follow_the_call;
mod transfers_in_any_order;
mod transfers_on_a_bad_network;
mod update_changes_a_call;
mod video_comes_and_goes;
mod video_is_asked_for;
mod webrtc_is_chosen_and_ends_in_words;
mod what_is_wrong_is_said;
mod who_calls_is_asserted;
mod who_calls_is_looked_up;

use net::{Net, Who};
use phoned::sip::dialog::Dialog;

/// A call from the phone to a peer played by hand, talking: the callId and the peer's dialog.
fn talking_to_peer(net: &mut Net, phone: Who, peer: Who) -> (String, Dialog) {
    let call = net.call(phone, serde_json::json!({ "number": net.uri(peer) }));
    let invite = net.expect(peer, "INVITE");
    let ok = net.reply(peer, &invite, 200);
    net.expect(peer, "ACK");
    net.wait(phone, "confirmed");
    (call, Dialog::uas(&invite, &ok.to_tag().unwrap()).unwrap())
}

/// What users see of a session now.
fn seen_of(net: &mut Net, who: Who, call: &str) -> serde_json::Value {
    let which = phoned::ua::command::GetSession { call_id: Some(call.into()) };
    net.ask(who, phoned::ua::command::Command::GetSession(which)).unwrap()["status"].clone()
}

/// The names of a session's events and, where it is told, what changed.
fn story_of(net: &Net, who: Who, call: &str) -> Vec<String> {
    // The record comes when the session is gone: it has a test of its own.
    let of_it =
        |e: &&phoned::ua::event::Event| !e.sample && e.name != "cdrChange" && e.call_id.as_deref() == Some(call);
    let word = |e: &phoned::ua::event::Event| match e.name.as_str() {
        "statusChange" => {
            let changed = e.data["changed"].as_array().unwrap().iter().map(|c| c.as_str().unwrap().to_owned());
            format!("statusChange({})", changed.collect::<Vec<_>>().join(","))
        }
        "ended" | "failed" => format!("{}({})", e.name, e.data["cause"].as_str().unwrap()),
        "progress" => format!("progress({})", e.data["code"]),
        name => name.to_owned(),
    };
    net.phone_of(who).events.iter().filter(of_it).map(word).collect()
}

/// A NOTIFY of a peer's about the REFER it took.
fn sipfrag(net: &mut Net, peer: Who, dialog: &mut Dialog, state: &str, line: &str) -> phoned::sip::message::Message {
    let mut notify = net.in_dialog(peer, dialog, phoned::sip::message::Method::Notify);
    notify.push("Event", "refer");
    notify.push("Subscription-State", state);
    notify.set_body("message/sipfrag;version=2.0", format!("{line}\r\n").into_bytes());
    notify
}

/// The newest status that a session was told with.
fn status_of(net: &Net, who: Who, call: &str) -> serde_json::Value {
    let of_it = |e: &&phoned::ua::event::Event| e.name == "statusChange" && e.call_id.as_deref() == Some(call);
    net.phone_of(who).events.iter().rfind(of_it).map_or(serde_json::Value::Null, |e| e.data["newStatus"].clone())
}
