//! Who we talk to, when that changes within a session: an asserted identity (RFC 3325), or the From of a request (RFC 4916).

use serde_json::json;

use super::Ua;
use super::identity::user_of;
use super::io::{Hop, SessionId};
use crate::sip::message::Message;
use crate::sip::uri::NameAddr;

impl Ua {
    /// What a request or response in a session says of the peer. Asserted identities count from known sources only;
    /// the From counts where it is a new one.
    pub(super) fn learn_party(&mut self, id: SessionId, hop: Hop, msg: &Message, new_dialog: bool) {
        let asserted = ["P-Asserted-Identity", "Remote-Party-ID"].into_iter().find_map(|name| msg.header(name));
        let asserted = asserted.filter(|_| self.is_known(hop)).and_then(|value| NameAddr::parse(value).ok());
        let from = || {
            let from = msg.from().filter(|_| msg.is_request())?;
            let known = self.sessions.get(&id)?.dialog().and_then(|d| NameAddr::parse(&d.remote_uri).ok());
            Some(from).filter(|from| new_dialog || known.is_some_and(|known| known.uri != from.uri))
        };
        if let Some(who) = asserted.or_else(from) {
            self.set_party(id, &who);
        }
    }

    /// The number counts; the name follows it, and fills an empty one. What a user has set by hand stays.
    fn set_party(&mut self, id: SessionId, who: &NameAddr) {
        let (number, name) = (user_of(who), who.display.clone().unwrap_or_default());
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let old_number = std::mem::replace(&mut session.number, number.clone());
        let old_name = session.person.name.clone();
        let other = old_number != number;
        let follows = !session.manual && (other || old_name.is_empty());
        let name = if follows { name } else { old_name.clone() };
        if other || name != old_name {
            let data = json!({"number": number, "name": name, "oldNumber": old_number, "oldName": old_name});
            self.tell_session(id, "identity", data);
            self.tell_status(id);
            self.set_person(id, |person| person.name = name);
        }
        if other {
            self.ask_contact(id);
        }
    }
}
