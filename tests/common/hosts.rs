//! Two hosts and a cable between them: network namespaces of this one, and what can happen to their addresses. It takes root.

use std::fs::File;
use std::process::Command;

use nix::sched::{CloneFlags, setns};
use nix::unistd::Uid;

use super::machine::left_out;
use super::process::Process;
use super::wait::{secs, until};

/// A host; it ends when dropped.
#[derive(Debug)]
pub struct Host {
    keeper: Process,
    _dir: tempfile::TempDir,
}

/// Two hosts, `10.9.0.1` and `10.9.0.9`, whose interfaces are called `wire`. None, and said why: this host cannot.
pub fn two_hosts() -> Option<(Host, Host)> {
    let has = |program: &str| Command::new("which").arg(program).output().is_ok_and(|found| found.status.success());
    if !Uid::effective().is_root() || !has("ip") {
        left_out("two hosts on a wire: it takes root and iproute2");
        return None;
    }
    let (one, two) = (Host::new(), Host::new());
    let pid = two.keeper.pid();
    if !one.run(&format!("ip link add wire type veth peer name wire netns {pid}")) {
        left_out("two hosts on a wire: the kernel has no veth");
        return None;
    }
    for (host, address) in [(&one, "10.9.0.1/24"), (&two, "10.9.0.9/24")] {
        assert!(host.run("ip link set lo up && ip link set wire up"));
        host.add(address);
    }
    Some((one, two))
}

impl Host {
    fn new() -> Host {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        command.args(["--net", "sleep", "infinity"]);
        let keeper = Process::start("a host", &mut command, &dir.path().join("log")).quiet();
        let (own, its) = ("/proc/self/ns/net".to_owned(), format!("/proc/{}/ns/net", keeper.pid()));
        let link = |path: &str| std::fs::read_link(path).ok();
        until("a namespace of its own", secs(30), || (link(&its)? != link(&own)?).then_some(()));
        Host { keeper, _dir: dir }
    }

    /// Runs a line of shell there; whether it succeeded.
    pub fn run(&self, script: &str) -> bool {
        self.within(|| Command::new("sh").args(["-c", script]).status().unwrap().success())
    }

    /// It gets an address (`10.9.0.2/24`).
    pub fn add(&self, address: &str) {
        assert!(self.run(&format!("ip addr add {address} dev wire")));
    }

    /// It loses one.
    pub fn remove(&self, address: &str) {
        assert!(self.run(&format!("ip addr del {address} dev wire")));
    }

    /// Does something there: sockets that it opens and processes that it starts are that host's.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.keeper.pid())).unwrap();
        let there = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        std::thread::scope(|scope| scope.spawn(there).join().unwrap())
    }
}
