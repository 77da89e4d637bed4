//! Who may do what: the peer's credentials against `[rpc.roles]`.

use std::ffi::CString;
use std::sync::Arc;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use tokio::sync::watch;

use crate::config::Roles;

/// What a user may do; each role may do all of the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// See.
    Observe,
    /// See and make calls.
    Call,
    /// Everything.
    Admin,
}

impl Role {
    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Observe => "observe",
            Role::Call => "call",
            Role::Admin => "admin",
        }
    }
}

/// The highest role of a peer; none: it has no business here. Root and the daemon's own user are admin. Asks the system's user
/// database, which may block.
pub(super) fn role_of(roles: &Roles, uid: u32, gid: u32) -> Option<Role> {
    let own = Uid::effective().as_raw();
    if uid == 0 || uid == own {
        return Some(Role::Admin);
    }
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name).unwrap_or_default();
    let groups = groups_of(&user, gid);
    let listed = |list: &[String]| {
        list.iter().any(|entry| match entry.strip_prefix('@') {
            Some(group) => groups.iter().any(|name| name == group),
            None => *entry == user || *entry == uid.to_string(),
        })
    };
    if listed(&roles.admin) {
        Some(Role::Admin)
    } else if listed(&roles.call) {
        Some(Role::Call)
    } else if listed(&roles.observe) {
        Some(Role::Observe)
    } else {
        None
    }
}

/// Whether a peer, by its uid and gid, may do what the role call may: for sockets besides that of the API. The roles are those of
/// the moment.
pub fn who_may_call(roles: watch::Receiver<Roles>) -> Arc<dyn Fn(u32, u32) -> bool + Send + Sync> {
    Arc::new(move |uid, gid| {
        let roles = roles.borrow().clone();
        role_of(&roles, uid, gid).is_some_and(|role| role >= Role::Call)
    })
}

/// The names of a user's groups. The peer's own gid counts too.
fn groups_of(user: &str, gid: u32) -> Vec<String> {
    let primary = Gid::from_raw(gid);
    let mut gids = CString::new(user).ok().and_then(|user| getgrouplist(&user, primary).ok()).unwrap_or_default();
    gids.push(primary);
    gids.into_iter().filter_map(|gid| Group::from_gid(gid).ok().flatten()).map(|group| group.name).collect()
}
