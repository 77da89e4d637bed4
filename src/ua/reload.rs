//! Other settings while calls are up: they hold for what comes, no call is touched.

use serde_json::{Value, json};

use super::Ua;
use super::command::Configure;
use super::error::{Code, Error};
use super::settings::{AccountSettings, Settings};

impl Ua {
    /// What the files say now; or why they are refused, and everything stays.
    pub(super) fn configure(&mut self, what: Configure) -> Result<Value, Error> {
        match what {
            Configure::Apply { was, will, changed, needs_restart } => {
                self.apply(&was, *will);
                let told = json!({"changed": changed, "needsRestart": needs_restart});
                self.tell_phone("daemon.reloaded", told.clone());
                Ok(told)
            }
            Configure::Refuse(faults) => {
                let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
                self.tell_phone("daemon.reloadFailed", json!({"faults": faults}));
                Err(Error::new(Code::ConfigRefused, lines.join("\n"))
                    .hint("nothing has changed; phoned --check-config says the same"))
            }
        }
    }

    fn apply(&mut self, was: &Settings, mut will: Settings) {
        let accounts = will.accounts.clone();
        // What was set over the socket stays, unless the files say something new about it.
        let keep = |mine: &str, was: &str, will: &mut String| {
            if was == will {
                *will = mine.to_owned();
            }
        };
        let (mine, audio) = (&self.settings.audio, &mut will.audio);
        keep(&mine.input, &was.audio.input, &mut audio.input);
        keep(&mine.output, &was.audio.output, &mut audio.output);
        keep(&mine.ringer, &was.audio.ringer, &mut audio.ringer);
        let (old, new) = (self.settings.phone.record_permissions, &mut will.phone.record_permissions);
        if was.phone.record_permissions == *new {
            *new = old;
        }
        let new = *new;
        will.instance.clone_from(&self.settings.instance); // the shell's, not the files'
        // These wait for a restart, whole.
        will.lookup = self.settings.lookup;
        will.tls.clone_from(&self.settings.tls);
        will.sip.listen.clone_from(&self.settings.sip.listen);
        let seats = self.seats_of_agents();
        self.settings = will;
        self.agents_follow(&seats);
        if old != new {
            self.tell_phone("recordPermissionsChange", json!({"recordPermissions": new, "oldRecordPermissions": old}));
        }
        for name in was.accounts.keys().filter(|name| !accounts.contains_key(*name)) {
            self.retire_account(name);
        }
        for (name, account) in accounts {
            if was.accounts.get(&name) != Some(&account) {
                self.put_account(name, account);
            }
        }
    }

    /// An account as the files have it: new, changed where it stands, or registered anew.
    fn put_account(&mut self, name: String, settings: AccountSettings) {
        let seats = self.seats_of_agents();
        let put = match self.accounts.get_mut(&name) {
            None => self.add_account(name.clone(), settings),
            Some(account) if !account.leaving && same_binding(&account.settings, &settings) => {
                account.settings = settings;
                self.tell_account("account.updated", &name, json!({}));
                self.agents_follow(&seats);
                Ok(Value::Null)
            }
            Some(_) => self.update_account(name.clone(), settings),
        };
        if let Err(error) = put {
            tracing::warn!(account = name, %error, "the account stays as it was");
        }
    }

    /// The files do not name it any more: it goes when its calls are over.
    fn retire_account(&mut self, name: &str) {
        if let Some(account) = self.accounts.get_mut(name) {
            account.leaving = true;
            self.release_account(name);
        }
    }

    /// A call of the account is over: was it the one that an account on its way out has waited for?
    pub(super) fn release_account(&mut self, name: &str) {
        let leaves = self.accounts.get(name).is_some_and(|account| account.leaving);
        if leaves && !self.sessions.values().any(|session| session.account == name) {
            let _ = self.remove_account(name); // it is there
        }
    }
}

/// Nothing differs that the registrar, the way to it, or the digest has to do with.
fn same_binding(old: &AccountSettings, new: &AccountSettings) -> bool {
    let AccountSettings { display_name, realms, register_max_attempts, auto_answer, input, output, ringer, .. } =
        new.clone();
    let AccountSettings { seat, hold_music, codecs, dial, password_file, password_credential, .. } = new.clone();
    let old = AccountSettings { display_name, realms, register_max_attempts, auto_answer, ..old.clone() };
    let old = AccountSettings { input, output, ringer, hold_music, ..old };
    let AccountSettings { echo_cancellation, noise_suppression, gain_control, .. } = *new;
    let old = AccountSettings { echo_cancellation, noise_suppression, gain_control, ..old };
    let old = AccountSettings { seat, codecs, dial, password_file, password_credential, ..old };
    old == *new
}
