//! A machine of its own: systemd as PID 1 in a container (systemd-nspawn) with a network of its own, over this host's files, of which
//! nothing is changed, or over another root. It takes root and a host whose control groups may be used.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, Uid};

use super::process::Process;
use super::wait::{poll, secs};

/// A test, or a part of one, cannot be done on this host: said past the capture of what tests print, and summed up by `make test`.
pub fn left_out(what: &str) {
    let _ = writeln!(std::io::stderr(), "LEFT OUT: {what}");
}

/// A running machine; it ends when dropped.
#[derive(Debug)]
pub struct Machine {
    leader: u32,
    _container: Process,
    _turn: File,
    _dir: tempfile::TempDir,
}

impl Machine {
    /// Starts it and waits until its basic services run; `/` as root: this host's files, as they are. `binds` are paths of this host
    /// and where they are in it. None, and said why: this host cannot.
    pub fn boot(root: &Path, binds: &[(&Path, &str)]) -> Option<Machine> {
        let said = |why: &str| {
            left_out(&format!("a real systemd in a container: {why}"));
            None
        };
        let has = |program: &str| Command::new("which").arg(program).output().is_ok_and(|found| found.status.success());
        if !Uid::effective().is_root() {
            return said("it takes root");
        }
        if !has("systemd-nspawn") || !Path::new("/usr/lib/systemd/systemd").exists() {
            return said("it takes systemd and systemd-container");
        }
        // One over the same files at a time.
        let turn = File::create("/tmp/phoned-test-machine.lock").unwrap();
        turn.lock().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        let script = "mount --bind \"$0\" \"$1\" && root=$1 && shift && exec systemd-nspawn -D \"$root\" \"$@\"";
        let tree = dir.path().join("root");
        std::fs::create_dir(&tree).unwrap();
        command.args(["-m", "sh", "-c", script]).arg(root).arg(&tree);
        if root == Path::new("/") {
            command.arg("--volatile=overlay");
        }
        command.args([
            "--quiet",
            "--boot",
            "--keep-unit",
            "--register=no",
            "--private-network",
            "--machine=phoned-test",
        ]);
        for (here, there) in binds {
            command.arg(format!("--bind={}:{there}", here.display()));
        }
        command.arg("systemd.unit=basic.target");
        let mut container = Process::start("systemd-nspawn", &mut command, &dir.path().join("log")).quiet();
        let pid = container.pid();
        let leader = poll(secs(60), || {
            if container.ended().is_some() {
                return Some(None);
            }
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
            let leader = children.split_whitespace().next()?.parse().ok()?;
            let state = inside(leader, "systemctl is-active basic.target").ok()?.stdout;
            (state == b"active\n").then_some(Some(leader))
        });
        match leader.flatten() {
            Some(leader) => Some(Machine { leader, _container: container, _turn: turn, _dir: dir }),
            None => said(&format!("it does not start: {}", container.log())),
        }
    }

    /// Runs a line of shell in it.
    pub fn run(&self, script: &str) -> Output {
        inside(self.leader, script).unwrap()
    }

    /// The same, which must succeed; what it printed.
    pub fn ok(&self, script: &str) -> String {
        let output = self.run(script);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}: {err}{out}{}", self.journal());
        out.trim_end().to_owned()
    }

    /// A property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.ok(&format!("systemctl show --value -p {name} {unit}"))
    }

    /// The last lines of its journal.
    pub fn journal(&self) -> String {
        String::from_utf8_lossy(&self.run("journalctl --no-pager -n 40").stdout).into_owned()
    }

    /// Where a path of it is for this host.
    pub fn path(&self, path: &str) -> PathBuf {
        format!("/proc/{}/root{path}", self.leader).into()
    }

    /// Writes a file in it, with folders.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The main process of a unit, as this host numbers it.
    pub fn main_pid(&self, unit: &str) -> u32 {
        let own = self.property(unit, "MainPID");
        let all =
            std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let is_it = |pid: &u32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
            field("PPid:") == self.leader.to_string() && field("NSpid:").split_whitespace().last() == Some(&own)
        };
        all.into_iter().find(is_it).unwrap_or_else(|| panic!("{unit} has no process {own}: {}", self.journal()))
    }
}

fn inside(leader: u32, script: &str) -> std::io::Result<Output> {
    Command::new("nsenter").args(["-t", &leader.to_string(), "-a", "--", "sh", "-c", script]).output()
}

/// A thread of a process that stands still, until it is dropped or killed.
#[derive(Debug)]
pub struct Frozen(Pid);

impl Frozen {
    /// Stops the thread of that name (the main one has the process's).
    pub fn thread(pid: u32, name: &str) -> Frozen {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let mut ids = tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse::<i32>().ok());
        let comm = |id: i32| std::fs::read_to_string(format!("/proc/{pid}/task/{id}/comm")).unwrap_or_default();
        let thread = Pid::from_raw(ids.find(|id| comm(*id).trim() == name).expect("a thread of that name"));
        ptrace::seize(thread, ptrace::Options::empty()).expect("root may trace it, and so may its parent");
        ptrace::interrupt(thread).unwrap();
        waitpid(thread, Some(WaitPidFlag::__WALL)).unwrap();
        Frozen(thread)
    }

    /// Lets go of it once it has been killed: its parent hears of that only then.
    pub fn buried(&self) -> bool {
        let seen = waitpid(self.0, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG));
        !matches!(seen, Ok(nix::sys::wait::WaitStatus::StillAlive))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.0, None);
    }
}
