//! The thread that listens, with terminals in the place of the kernel's devices: what is written at one end is read at the other.

use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;

use nix::pty::openpty;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::ttyname;
use tokio::sync::mpsc::{self, Receiver};

use super::report::tests::HEADSET;
use super::*;

/// A keyboard.
const KEYBOARD: [u8; 19] =
    [0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02, 0xc0];

/// A host with places for raw HID devices.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Host {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("class")).unwrap();
        fs::create_dir(dir.path().join("dev")).unwrap();
        Host { dir }
    }

    /// Plugs a device into a USB port: its far end, and its hardware.
    fn plug_in(&self, name: &str, port: &str, descriptor: &[u8]) -> (File, OwnedFd, String) {
        let root = fs::canonicalize(self.dir.path()).unwrap();
        let usb = root.join("devices/usb1").join(port);
        let place = usb.join("interface/0003:1234:5678.0001");
        fs::create_dir_all(&place).unwrap();
        fs::write(usb.join("idVendor"), "1234\n").unwrap();
        fs::write(place.join("report_descriptor"), descriptor).unwrap();
        fs::write(place.join("uevent"), "DRIVER=hid-generic\nHID_NAME=Maker Headset 40\n").unwrap();
        let pty = openpty(None, None).unwrap();
        let mut raw = tcgetattr(&pty.slave).unwrap();
        cfmakeraw(&mut raw);
        tcsetattr(&pty.slave, SetArg::TCSANOW, &raw).unwrap();
        symlink(ttyname(&pty.slave).unwrap(), root.join("dev").join(name)).unwrap();
        fs::create_dir(root.join("class").join(name)).unwrap();
        symlink(&place, root.join("class").join(name).join("device")).unwrap();
        (File::from(pty.master), pty.slave, usb.to_string_lossy().into_owned())
    }

    fn pull_out(&self, name: &str) {
        fs::remove_dir_all(self.dir.path().join("class").join(name)).unwrap();
        fs::remove_file(self.dir.path().join("dev").join(name)).unwrap();
    }

    fn listen(&self) -> (Headsets, Receiver<Told>) {
        let (told, heard) = mpsc::channel(4);
        let places = Places { class: self.dir.path().join("class"), dev: self.dir.path().join("dev") };
        (Headsets::start(places, told).unwrap(), heard)
    }
}

async fn next(heard: &mut Receiver<Told>) -> Told {
    tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.expect("within 10 s").expect("it listens")
}

fn pressed(hardware: &str, button: Button) -> Told {
    Told::Pressed { hardware: hardware.to_owned(), button }
}

#[tokio::test]
async fn buttons_are_heard_and_lights_shown() {
    let host = Host::new();
    let (_keys, _, _) = host.plug_in("hidraw0", "1-1", &KEYBOARD);
    let (mut far, _near, hardware) = host.plug_in("hidraw1", "1-2", HEADSET);
    let (headsets, mut heard) = host.listen();
    let headset = Headset { hardware: hardware.clone(), name: "Maker Headset 40".into() };
    assert_eq!(next(&mut heard).await, Told::Present(vec![headset]));
    for (report, button) in [([2, 1], Button::OffHook), ([2, 5], Button::Mute), ([2, 0], Button::OnHook)] {
        far.write_all(&report).unwrap();
        assert_eq!(next(&mut heard).await, pressed(&hardware, button));
    }
    let mut shown = [0; 2];
    far.read_exact(&mut shown).unwrap();
    assert_eq!(shown, [2, 0], "dark at first, whatever it was");
    headsets.light(&hardware, Lights { off_hook: true, mute: true, ..Lights::default() });
    far.read_exact(&mut shown).unwrap();
    assert_eq!(shown, [2, 0b0011]);
    headsets.light("another", Lights { ring: true, ..Lights::default() });
    for _ in 0..2 {
        headsets.light(&hardware, Lights::default());
        far.read_exact(&mut shown).unwrap();
        assert_eq!(shown, [2, 0], "a second time too, where it is asked for");
    }
    // It ends with its owner.
    drop(headsets);
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), heard.recv()).await.expect("the end"), None);
}

#[tokio::test]
async fn a_headset_comes_and_goes() {
    let host = Host::new();
    let (headsets, mut heard) = host.listen();
    assert_eq!(next(&mut heard).await, Told::Present(Vec::new()));
    for _ in 0..2 {
        let (mut far, near, hardware) = host.plug_in("hidraw0", "1-2", HEADSET);
        assert!(matches!(next(&mut heard).await, Told::Present(present) if present[0].hardware == hardware));
        far.write_all(&[2, 1]).unwrap();
        assert_eq!(next(&mut heard).await, pressed(&hardware, Button::OffHook));
        // What it showed when it was pulled out is forgotten.
        let mut shown = [0; 2];
        far.read_exact(&mut shown).unwrap();
        assert_eq!(shown, [2, 0]);
        headsets.light(&hardware, Lights { ring: true, ..Lights::default() });
        far.read_exact(&mut shown).unwrap();
        assert_eq!(shown, [2, 0b0100]);
        host.pull_out("hidraw0");
        drop((far, near));
        assert_eq!(next(&mut heard).await, Told::Present(Vec::new()));
    }
}

/// udev makes the device before it gives it away.
#[tokio::test]
async fn a_headset_that_opens_later_is_opened_then() {
    let host = Host::new();
    let (_far, _near, hardware) = host.plug_in("hidraw0", "1-2", HEADSET);
    let (dev, away) = (host.dir.path().join("dev/hidraw0"), host.dir.path().join("dev/not_yet"));
    fs::rename(&dev, &away).unwrap();
    let (_headsets, mut heard) = host.listen();
    assert_eq!(next(&mut heard).await, Told::Present(Vec::new()));
    fs::rename(&away, &dev).unwrap();
    assert!(matches!(next(&mut heard).await, Told::Present(present) if present[0].hardware == hardware));
}

/// What the package's udev rule asks before it gives a device to the group audio.
#[test]
fn the_rule_opens_headsets_and_no_keyboards() {
    let host = Host::new();
    let both = [HEADSET, &KEYBOARD].concat();
    let is_headset = |name: &str, descriptor: &[u8]| {
        let _kept = host.plug_in(name, name, descriptor);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/phoned-is-headset");
        std::process::Command::new("sh")
            .arg(script)
            .arg(host.dir.path().join("class").join(name))
            .status()
            .unwrap()
            .success()
    };
    assert!(is_headset("hidraw0", HEADSET));
    assert!(!is_headset("hidraw1", &KEYBOARD) && !is_headset("hidraw2", &both) && !is_headset("hidraw3", &[]));
}
