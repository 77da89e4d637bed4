//! What users do: one row an operation, with how often it is done in each mood.

use phoned::ua::command::{
    AccountAdd, AccountRef, Answer, AttendedTransfer, BlindTransfer, Call, CallOption, CallRef, Command, Dtmf,
    DtmfMethod, GetSession, Merge, Progress, Record, RecordTarget, Reject, SetRecordPermissions, SetStaticStatus,
    SetStatus, Split, StaticPatch, StatusPatch, Terminate, TerminateType, TransferHangup,
};

use phoned::ua::settings::AccountSettings;
use serde_json::Value;

use super::{Mood, Script};
use crate::net::Who;

/// How often where everything is done, how often where transfers are what matters, which session is meant for the most
/// part, the method, and what is wished.
type Row = (u64, u64, Meant, &'static str, fn(&mut Wish<'_>) -> Command);

/// Which session makes sense, by its status. Seldom any other is taken.
type Meant = fn(&Value) -> bool;

fn any(_: &Value) -> bool {
    true
}
fn rings(status: &Value) -> bool {
    status["isRing"] == true
}
fn talks(status: &Value) -> bool {
    status["callStatus"] == "talking"
}
fn consults(status: &Value) -> bool {
    status["callStatus"] == "talking" && status["isTransfer"] == true
}
fn confers(status: &Value) -> bool {
    status["isConference"] == true
}
fn records(status: &Value) -> bool {
    status["recordStatus"] != "stop"
}

const OPERATIONS: &[Row] = &[
    (8, 3, any, "phone.call", |w| w.dial(None)),
    (4, 7, talks, "phone.call", |w| w.dial(Some(w.call_id.clone()))),
    (16, 12, rings, "session.answer", |w| Command::Answer(Answer { call_id: w.call_id.clone(), option: None })),
    (1, 0, rings, "session.progress", |w| {
        Command::Progress(Progress { call_id: w.call_id.clone(), code: w.of([180, 183, 183]) })
    }),
    (2, 0, rings, "session.reject", |w| {
        Command::Reject(Reject { call_id: w.call_id.clone(), code: w.of([None, Some(480), Some(603)]) })
    }),
    (2, 2, any, "session.hangup", |w| Command::Hangup(w.one())),
    (1, 0, any, "session.destroy", |w| Command::Destroy(w.one())),
    (1, 0, any, "session.terminate", |w| {
        let kind = w.of([TerminateType::Terminate, TerminateType::Hangup, TerminateType::Reject]);
        Command::Terminate(Terminate { call_id: w.call_id.clone(), kind })
    }),
    (6, 2, talks, "session.hold", |w| Command::Hold(w.one())),
    (4, 2, talks, "session.unhold", |w| Command::Unhold(w.one())),
    (2, 1, talks, "session.renegotiate", |w| Command::Renegotiate(w.one())),
    (2, 0, any, "session.mute", |w| Command::Mute(w.one())),
    (2, 0, any, "session.unmute", |w| Command::Unmute(w.one())),
    (3, 1, talks, "session.dtmf", |w| {
        let method = w.of([DtmfMethod::Auto, DtmfMethod::Info, DtmfMethod::Rtp, DtmfMethod::Inband]);
        let dtmf = w.of(["1,2", "12#", "0", "\r\nEvil: 1"]).to_owned();
        Command::Dtmf(Dtmf { call_id: w.call_id.clone(), dtmf, method, redact: false })
    }),
    (8, 5, talks, "session.blindTransfer", |w| {
        let hangup = w.of([TransferHangup::OnSuccess, TransferHangup::OnSuccess, TransferHangup::Immediately]);
        let number = w.number();
        Command::BlindTransfer(BlindTransfer { call_id: w.call_id.clone(), number, hangup, by: None })
    }),
    (5, 9, consults, "session.attendedTransfer", |w| {
        Command::AttendedTransfer(AttendedTransfer { call_id: w.call_id.clone(), number: None })
    }),
    (14, 10, talks, "phone.merge", |w| w.merge()),
    (1, 1, confers, "phone.split", |w| Command::Split(Split { call_id: Some(w.call_id.clone()) })),
    (1, 1, any, "phone.split", |_| Command::Split(Split { call_id: None })),
    (3, 0, talks, "session.startRecord", |w| Command::StartRecord(w.record())),
    (2, 0, records, "session.startRecord", |w| Command::StartRecord(w.record())),
    (3, 0, records, "session.pauseRecord", |w| Command::PauseRecord(w.record())),
    (2, 0, records, "session.stopRecord", |w| Command::StopRecord(w.one())),
    (1, 0, any, "session.setStatus", |w| {
        let status =
            StatusPatch { name: Some("x\r\nEvil: 1".into()), tags: Some(vec!["vip".into()]), ..StatusPatch::default() };
        Command::SetStatus(SetStatus { call_id: w.call_id.clone(), status })
    }),
    (1, 0, any, "session.setStaticStatus", |w| {
        let static_status = StaticPatch { company: Some("Acme".into()), ..StaticPatch::default() };
        let start_manual_model = w.of([None, Some(true), Some(false)]);
        Command::SetStaticStatus(SetStaticStatus { call_id: w.call_id.clone(), static_status, start_manual_model })
    }),
    (1, 0, any, "session.stopTimer", |w| Command::StopTimer(w.one())),
    (1, 1, any, "session.get", |w| Command::GetSession(GetSession { call_id: Some(w.call_id.clone()) })),
    (2, 1, any, "phone.setCurrentSession", |w| Command::SetCurrentSession(w.one())),
    (1, 0, any, "phone.setRecordPermissions", |w| {
        Command::SetRecordPermissions(SetRecordPermissions { permissions: w.of([2, 1, 2]) })
    }),
    (1, 0, any, "phone.disconnect", |_| Command::Disconnect),
    (1, 0, any, "phone.reRegister", |_| Command::ReRegister),
    (1, 0, any, "account.add", |w| Command::AccountAdd(w.spare())),
    (2, 0, any, "account.update", |w| Command::AccountUpdate(w.changed())),
    (1, 0, any, "account.remove", |_| Command::AccountRemove(AccountRef { name: SPARE.into() })),
    (1, 0, any, "account.unregister", |w| Command::AccountUnregister(AccountRef { name: w.account.clone() })),
    (1, 0, any, "account.register", |w| Command::AccountRegister(AccountRef { name: w.account.clone() })),
];

/// The name of an account that comes and goes.
const SPARE: &str = "spare";

/// The next operation of a phone's user.
pub fn next(script: &mut Script, who: Who) -> (&'static str, Command) {
    let mood = script.mood;
    let often = |row: &Row| if mood == Mood::Everything { row.0 } else { row.1 };
    let mut at = script.pick(OPERATIONS.iter().map(often).sum()) as u64;
    let picked = OPERATIONS.iter().find(|row| match at.checked_sub(often(row)) {
        Some(left) => {
            at = left;
            false
        }
        None => true,
    });
    let mut row = picked.unwrap_or(&OPERATIONS[0]);
    let (living, seldom) = (script.living[&who].clone(), script.pick(6) == 0);
    let needed = if row.3 == "phone.merge" { 2 } else { 1 };
    if living.len() < needed && !seldom {
        row = &OPERATIONS[0]; // all but a call would be refused
    }
    let meant = living.iter().filter(|call| (row.2)(script.status(who, call)));
    let meant: Vec<&String> = if seldom { living.iter().collect() } else { meant.collect() };
    let call_id = match (meant.len(), living.last()) {
        (0, Some(newest)) => newest.clone(),
        (0, None) => script.over(who).unwrap_or_else(|| "none".into()),
        (n, _) => meant[script.pick(n as u64)].clone(),
    };
    let at = script.phones.iter().position(|phone| *phone == who).unwrap_or(0);
    let callee = (at + [1, 1, 1, 1, 2, 2, 2, 2, 0][script.pick(9)]) % 3; // seldom itself
    let number = script.net.uri(script.phones[callee]);
    let account = script.net.phone_of(who).name.clone();
    let mut wish = Wish { script, who, call_id, number, account };
    (row.3, (row.4)(&mut wish))
}

/// What an operation is about.
struct Wish<'a> {
    script: &'a mut Script,
    who: Who,
    call_id: String,
    number: String,
    account: String,
}

impl Wish<'_> {
    fn of<T: Copy>(&mut self, three: impl AsRef<[T]>) -> T {
        let all = three.as_ref();
        all[self.script.pick(all.len() as u64)]
    }

    fn one(&self) -> CallRef {
        CallRef { call_id: self.call_id.clone() }
    }

    /// Somebody's number, seldom one that is none.
    fn number(&mut self) -> String {
        match self.script.pick(20) {
            0 => "1\r\nEvil: 1".into(),
            1 => "sip:nobody@10.0.0.99".into(),
            _ => self.number.clone(),
        }
    }

    fn dial(&mut self, transfer_id: Option<String>) -> Command {
        let lines = match self.script.pick(20) {
            0 => Some(vec!["X-A: b\r\nEvil: 1".into()]),
            1 => Some(vec!["X-A: b".into()]),
            _ => None,
        };
        let option = lines.map(|lines| CallOption { extra_headers: Some(lines), ..CallOption::default() });
        let account = self.of([None, Some(SPARE), None]).map(str::to_owned).or(Some(self.account.clone()));
        Command::Call(Call { number: self.number(), option, transfer_id, account, by: None })
    }

    /// A second account beside its own.
    fn spare(&mut self) -> AccountAdd {
        let own = self.script.accounts[&self.who].clone();
        let uri = own.uri.replace(&format!("sip:{}@", self.account), "sip:spare@");
        AccountAdd { name: SPARE.into(), account: AccountSettings { uri, ..own } }
    }

    /// One of the two as it was made, or without its automatic answer.
    fn changed(&mut self) -> AccountAdd {
        let add = AccountAdd { name: self.account.clone(), account: self.script.accounts[&self.who].clone() };
        let mut add = if self.of([true, false]) { self.spare() } else { add };
        if self.of([true, false]) {
            add.account.auto_answer = None;
        }
        add
    }

    /// Its session and others that talk; seldom any others.
    fn merge(&mut self) -> Command {
        let seldom = self.script.pick(4) == 0;
        let mut call_ids = vec![self.call_id.clone()];
        for call in self.script.living[&self.who].clone() {
            let meant = seldom || talks(self.script.status(self.who, &call));
            if meant && self.script.pick(6) != 0 {
                call_ids.push(call);
            }
        }
        Command::Merge(Merge { call_ids })
    }

    fn record(&mut self) -> Record {
        let target = self.of([RecordTarget::Local, RecordTarget::Local, RecordTarget::Pbx, RecordTarget::Both]);
        Record { call_id: self.call_id.clone(), target }
    }
}
