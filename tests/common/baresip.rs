//! baresip, Debian's, as the other phone: plays a tone, writes what it hears, is told what to do over its `ctrl_tcp`.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::Process;
use super::tone::{self, Sound};
use super::wait::{free_port, now, poll, secs, until};

/// How it is to be started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The user part of its address.
    pub user: String,
    /// The domain of its address.
    pub domain: String,
    /// The digest password.
    pub password: String,
    /// The proxy, `sip:ADDRESS:PORT`, with which it registers; None: no registration.
    pub proxy: Option<String>,
    /// The tone that it plays, Hz.
    pub hz: u32,
    /// It answers at once.
    pub auto_answer: bool,
    /// `pcmu`, `pcma`, `g722` or `opus`.
    pub codec: &'static str,
    /// How its media is encrypted: `srtp`, `srtp-mand`, `dtls_srtp`.
    pub mediaenc: Option<&'static str>,
    /// It searches for a path (ICE), and RTP and RTCP share a port.
    pub ice: bool,
}

impl Setup {
    /// Answers by hand, plays 440 Hz in PCMU, registers at the proxy.
    pub fn new(user: &str, domain: &str, password: &str, proxy: &str) -> Setup {
        Setup {
            user: user.into(),
            domain: domain.into(),
            password: password.into(),
            proxy: Some(proxy.into()),
            hz: 440,
            auto_answer: false,
            codec: "pcmu",
            mediaenc: None,
            ice: false,
        }
    }
}

/// A running baresip.
#[derive(Debug)]
pub struct Baresip {
    /// Its SIP port on 127.0.0.1, UDP and TCP.
    pub port: u16,
    control: TcpStream,
    bytes: Vec<u8>,
    events: Vec<Value>,
    taken: usize,
    dir: tempfile::TempDir,
    process: Process,
}

impl Baresip {
    /// Starts it and waits until it is registered.
    pub fn start(setup: &Setup) -> Baresip {
        let dir = tempfile::tempdir().unwrap();
        // It listens for TLS on the next port.
        let (port, control_port) = (free_port(), free_port());
        let path = dir.path();
        let (source, codec) = match setup.codec {
            "opus" => (format!("ausine,{}", setup.hz), "opus/48000/2"),
            name => {
                let rate = if name == "g722" { 16000 } else { 8000 };
                tone::write(&path.join("tone.wav"), rate, f64::from(setup.hz), 120);
                (format!("aufile,{}", path.join("tone.wav").display()), name)
            }
        };
        let config = format!(
            "poll_method epoll\nsip_listen 127.0.0.1:{port}\nnet_interface 127.0.0.1\nrtp_ports 24000-29000\njitter_buffer_delay 2-5\n\
             audio_source {source}\naudio_player aubridge,ear\naudio_alert aubridge,bell\ncall_max_calls 20\nmodule_path {}\n\
             module g711.so\nmodule g722.so\nmodule opus.so\nmodule sndfile.so\nmodule aufile.so\nmodule ausine.so\nmodule aubridge.so\n\
             module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control_port}\nsnd_path {}\n",
            module_path(),
            path.display()
        );
        let (mediaenc, module) = match setup.mediaenc {
            Some(name) => (
                format!(";mediaenc={name}"),
                if name == "dtls_srtp" { "module dtls_srtp.so\n" } else { "module srtp.so\n" },
            ),
            None => Default::default(),
        };
        let (medianat, ice) =
            if setup.ice { (";medianat=ice", "module ice.so\nrtcp_mux yes\n") } else { Default::default() };
        let config = config + module + ice;
        let answer = if setup.auto_answer { "auto" } else { "manual" };
        let registration = match &setup.proxy {
            Some(proxy) => format!("outbound=\"{proxy}\";regint=60"),
            None => "regint=0".into(),
        };
        let account = format!(
            "<sip:{}@{}>;auth_pass={};{registration};answermode={answer};audio_codecs={codec}{mediaenc}{medianat}\n",
            setup.user, setup.domain, setup.password
        );
        std::fs::write(path.join("config"), config).unwrap();
        std::fs::write(path.join("accounts"), account).unwrap();
        std::fs::write(path.join("contacts"), "").unwrap();
        // Line by line, so that a failing test has its log.
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "baresip", "-v", "-f"]).arg(path);
        let mut process = Process::start(&format!("baresip {}", setup.user), &mut command, &path.join("log"));
        let control = until("baresip opens its control port", secs(30), || {
            assert!(process.ended().is_none(), "baresip ended: {}", process.log());
            TcpStream::connect(("127.0.0.1", control_port)).ok()
        });
        control.set_nodelay(true).unwrap();
        let mut phone = Baresip { port, control, bytes: Vec::new(), events: Vec::new(), taken: 0, dir, process };
        if setup.proxy.is_some() {
            until("baresip registers", secs(30), || {
                let info = phone.command("reginfo", "");
                info["data"].as_str().is_some_and(|text| text.contains("OK")).then_some(())
            });
        }
        phone
    }

    /// Calls; the call is under way when this returns.
    pub fn dial(&mut self, uri: &str) {
        self.done("dial", uri);
    }

    /// Answers the call that rings.
    pub fn accept(&mut self) {
        self.done("accept", "");
    }

    /// Ends the current call.
    pub fn hangup(&mut self) {
        self.done("hangup", "");
    }

    /// Holds the current call.
    pub fn hold(&mut self) {
        self.done("hold", "");
    }

    /// Takes it up again.
    pub fn resume(&mut self) {
        self.done("resume", "");
    }

    /// Presses keys, one after the other (RFC 4733).
    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            self.done("sndcode", &key.to_string());
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// The next event of that type (`CALL_ESTABLISHED`, `CALL_CLOSED`, `CALL_INCOMING`, `CALL_DTMF_START` …), 20 s at most.
    pub fn event(&mut self, kind: &str) -> Value {
        let end = now() + secs(20);
        loop {
            while let Some(event) = self.events.get(self.taken) {
                self.taken += 1;
                if event["type"] == kind {
                    return event.clone();
                }
            }
            match self.message(end.saturating_duration_since(now())) {
                Some(message) => self.keep(message),
                None => panic!(
                    "baresip told no {kind} within 20 s, but {:?}",
                    self.events.iter().map(|e| &e["type"]).collect::<Vec<_>>()
                ),
            }
        }
    }

    /// What it has heard so far in its newest call.
    pub fn heard(&self) -> Option<Sound> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.dir.path()).unwrap().map(|f| f.unwrap().path()).collect();
        files.retain(|f| f.to_string_lossy().ends_with("-dec.wav"));
        files.sort();
        Sound::read(files.last()?)
    }

    /// Waits until the last second of what it heard is a clear tone of `hz`.
    pub fn hears(&self, hz: f64) {
        let heard = poll(secs(20), || self.heard().filter(|s| s.seconds() > 1.0 && s.last(1.0).has_tone(hz)));
        assert!(
            heard.is_some(),
            "baresip does not hear {hz} Hz: {:?}",
            self.heard().map(|s| (s.seconds(), s.last(1.0).level(), s.last(1.0).share(hz)))
        );
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its log.
    pub fn log(&self) -> String {
        self.process.log()
    }

    fn done(&mut self, command: &str, params: &str) {
        let reply = self.command(command, params);
        assert_eq!(reply["ok"], true, "baresip refuses {command} {params}: {reply}");
    }

    /// Sends a command and waits for its response.
    pub fn command(&mut self, command: &str, params: &str) -> Value {
        let body = json!({"command": command, "params": params, "token": "t"}).to_string();
        self.control.write_all(format!("{}:{body},", body.len()).as_bytes()).unwrap();
        loop {
            let message = self.message(secs(20)).unwrap_or_else(|| panic!("baresip does not answer {command}"));
            if message["response"] == true {
                return message;
            }
            self.keep(message);
        }
    }

    fn keep(&mut self, message: Value) {
        if message["event"] == true {
            self.events.push(message);
        }
    }

    /// The next netstring.
    fn message(&mut self, limit: Duration) -> Option<Value> {
        let end = now() + limit;
        loop {
            if let Some(colon) = self.bytes.iter().position(|b| *b == b':') {
                let length: usize = std::str::from_utf8(&self.bytes[..colon]).unwrap().parse().unwrap();
                let last = colon + 1 + length;
                if self.bytes.len() > last {
                    let message = serde_json::from_slice(&self.bytes[colon + 1..last]).unwrap();
                    self.bytes.drain(..=last);
                    return Some(message);
                }
            }
            let left = end.saturating_duration_since(now()).max(Duration::from_millis(1));
            self.control.set_read_timeout(Some(left)).unwrap();
            let mut chunk = [0; 4096];
            match self.control.read(&mut chunk) {
                Ok(0) => panic!("baresip closed its control port: {}", self.process.log()),
                Ok(n) => self.bytes.extend_from_slice(&chunk[..n]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if now() >= end {
                        return None;
                    }
                }
                Err(e) => panic!("baresip's control port failed: {e}"),
            }
        }
    }
}

/// Where the distribution keeps its modules.
pub fn module_path() -> String {
    let places = ["/usr/lib/baresip/modules", "/usr/lib64/baresip/modules", "/usr/local/lib/baresip/modules"];
    places.iter().find(|p| std::path::Path::new(p).is_dir()).unwrap_or(&places[0]).to_string()
}
