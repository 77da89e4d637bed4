//! The events that users can be told of: for topics and for `rpc.discover`.

/// An event's name, its data and when it comes.
pub(super) struct Known {
    pub name: &'static str,
    /// Members of `data`; a `?` marks those that may be left out.
    pub data: &'static [&'static str],
    pub when: &'static str,
    /// The newest replaces the older of the same session; it is not counted.
    pub sample: bool,
}

const fn event(name: &'static str, data: &'static [&'static str], when: &'static str) -> Known {
    Known { name, data, when, sample: false }
}

const fn sample(name: &'static str, data: &'static [&'static str], when: &'static str) -> Known {
    Known { name, data, when, sample: true }
}

/// Families whose members are told by `family.member`.
pub(super) const FAMILIES: &[&str] = &["device", "account", "daemon", "recording", "agent"];

/// Every event that has a name of its own.
pub(super) const NAMES: &[Known] = &[
    event("newRTCSession", &["callId", "originator", "session", "referredBy?"], "a session exists"),
    event("incoming", &["callId", "session"], "it is an inbound one and rings"),
    event(
        "startSession",
        &["callId", "originator", "session", "referredBy?"],
        "an outbound session begins, or an inbound one is being answered",
    ),
    event("progress", &["callId", "code", "earlyMedia"], "a provisional response came or was sent"),
    event("accepted", &["callId", "session"], "200 OK received (outbound) or sent (inbound)"),
    event("confirmed", &["callId", "session"], "ACK sent (outbound) or received (inbound)"),
    event("ended", &["callId", "cause", "by", "sipCode?", "q850?"], "an answered session is over"),
    event("failed", &["callId", "cause", "code", "by"], "a session that was never answered is over"),
    event("clientError", &["callId", "cause"], "a local fault stopped the call from being made"),
    event("deleteSession", &["callId"], "the session is forgotten"),
    event(
        "statusChange",
        &["callId", "newStatus", "oldStatus", "changed"],
        "the status changed, save name, avatar, company",
    ),
    event("staticStatusChange", &["callId", "newStatus", "oldStatus"], "name, avatar or company changed"),
    event("streamAdded", &["callId", "communicationType", "stream"], "a remote stream starts"),
    event("reinvite", &["callId", "session", "reason"], "the peer re-invited, or was replaced by another"),
    event("dtmf", &["callId", "dtmf", "durationMs", "method"], "a digit was received"),
    event("dtmfSent", &["callId", "dtmf", "method"], "a digit was sent"),
    event("identity", &["callId", "number", "name", "oldNumber", "oldName"], "who we talk to became known or changed"),
    event("media", &["callId", "state", "reason?"], "media flows, stalls or goes one way"),
    event(
        "alert",
        &["callId?", "kind", "state?", "reason?", "code?"],
        "something wants a look: a silent microphone, clipping, the disk",
    ),
    event("transferProgress", &["callId", "code", "number", "otherCallId?"], "a transfer goes on"),
    event(
        "transferred",
        &["callId", "number", "otherCallId?"],
        "a transfer succeeded; the session, and the other leg, end",
    ),
    event(
        "transferFailed",
        &["callId", "code?", "cause", "number", "otherCallId?"],
        "a transfer failed; the call is kept",
    ),
    event("connected", &["account", "transport", "server"], "the way to the registrar is there"),
    event("disconnected", &["account", "cause", "reason?"], "the way to the registrar is gone"),
    event("registered", &["account", "expires", "contact"], "an account is registered"),
    event(
        "registrationFailed",
        &["account", "cause", "code", "failures", "retryInMs"],
        "a registration failed; the next try is planned",
    ),
    event(
        "isRegisteredChange",
        &["account", "isRegistered", "code?"],
        "an account became, or is no longer, registered",
    ),
    event("currentSessionChange", &["callId", "oldCallId"], "another session of the seat is the current one"),
    event("callRejected", &["account", "number", "code", "cause"], "an INVITE was refused before it could ring"),
    event("recordPermissionsChange", &["recordPermissions", "oldRecordPermissions"], "what may be recorded changed"),
    event(
        "recording.started",
        &["callId", "target", "path?"],
        "it records: the file is open, or the code is on its way",
    ),
    event("recording.paused", &["callId", "target"], "silence from here on"),
    event("recording.resumed", &["callId", "target"], "sound again"),
    event(
        "recording.stopped",
        &["callId", "target", "path?", "sha256?", "durationMs?"],
        "the file is closed; may come after deleteSession",
    ),
    event("recording.failed", &["callId", "target", "reason", "path?"], "the disk failed; the call goes on"),
    event("account.added", &["account"], "an account was added"),
    event("account.updated", &["account"], "its settings changed"),
    event("account.removed", &["account"], "it is gone, and its calls with it"),
    event("account.notify", &["account", "event", "body"], "its server tells something, of waiting messages say"),
    event("device.added", &["device"], "a sound device is there"),
    event("device.removed", &["device"], "it is gone"),
    event("device.changed", &["id", "role", "account"], "it has another role"),
    event("cdrChange", &["callId", "cdr"], "the call detail record of a session that is over"),
    sample("callReport", &["callId", "callReport", "metrics"], "at the answer, then every 3 s while talking"),
    sample("updateTimer", &["callId", "timer"], "each second"),
    sample("lagged", &["fromSeq", "toSeq"], "this subscription lost these events, because they were not read in time"),
];
