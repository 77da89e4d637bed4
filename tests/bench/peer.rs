//! The two phones of the bench: each as it comes, answering at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::caller::ok;
use crate::measure::{now, sleep};

/// Which phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// Ours, release build.
    Phoned,
    /// Debian's baresip.
    Baresip,
}

/// Which codec the calls use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// Opus, 48 kHz.
    Opus,
    /// G.722, 16 kHz.
    G722,
}

impl Codec {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Opus => "Opus",
            Codec::G722 => "G722",
        }
    }
    /// RTP's payload type.
    pub fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Opus => 96,
            Codec::G722 => 9,
        }
    }
    /// SDP's rtpmap.
    pub fn rtpmap(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU/8000",
            Codec::Opus => "opus/48000/2",
            Codec::G722 => "G722/8000",
        }
    }
    /// RTP's clock, Hz.
    pub fn clock(self) -> u32 {
        match self {
            Codec::Pcmu | Codec::G722 => 8000,
            Codec::Opus => 48000,
        }
    }
    /// Samples of its sound a second.
    pub fn rate(self) -> u32 {
        if self == Codec::G722 { 16000 } else { self.clock() }
    }
    /// A second of voice-like sound (three partials that beat), 50 payloads.
    pub fn frames(self) -> Vec<Vec<u8>> {
        let sample = |i: u32, rate: u32| {
            let t = f64::from(i) / f64::from(rate) * std::f64::consts::TAU;
            ((150.0 * t).sin() * 5000.0
                + (450.0 * t).sin() * 3000.0 * (3.0 * t).sin()
                + (1800.0 * t).sin() * 1500.0 * (5.0 * t).cos()) as i16
        };
        match self {
            Codec::Pcmu => {
                use audio_codec_algorithms::encode_ulaw;
                (0..50).map(|f| (0..160).map(|i| encode_ulaw(sample(f * 160 + i, 8000))).collect()).collect()
            }
            Codec::Opus => {
                let mut encoder = opus::Encoder::new(48000, opus::Channels::Mono, opus::Application::Voip).unwrap();
                let frame = |f: u32| -> Vec<i16> { (0..960).map(|i| sample(f * 960 + i, 48000)).collect() };
                (0..50).map(|f| encoder.encode_vec(&frame(f), 1275).unwrap()).collect()
            }
            Codec::G722 => Vec::new(), // no load is of this codec
        }
    }
}

/// What it says and hears.
#[derive(Debug, Clone)]
pub enum Sound {
    /// It plays a tone, for so many seconds.
    Tone(u32),
    /// It plays this file once, at the codec's rate (Opus: stereo, as baresip wants it).
    Say(PathBuf),
    /// It writes what it hears.
    Hear,
    /// It has the sound card of this number, with the sound server's environment; `raw`: what the microphone gives stays as it is.
    Card { number: usize, env: Vec<(String, String)>, raw: bool },
}

/// How its media travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// RTP.
    Plain,
    /// ICE and DTLS-SRTP.
    Webrtc,
}

/// A running phone.
pub struct Peer {
    make: Make,
    child: Child,
    sip: SocketAddr,
    control: u16,
    dir: tempfile::TempDir,
}

impl Make {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Make::Phoned => "phoned",
            Make::Baresip => "baresip",
        }
    }

    /// What it says of itself.
    pub fn version(self) -> String {
        match self {
            Make::Phoned => format!("phoned {}", env!("CARGO_PKG_VERSION")),
            Make::Baresip => {
                let dpkg = Command::new("dpkg-query").args(["-W", "-f", "${Version}", "baresip-core"]).output();
                let version =
                    dpkg.ok().map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).filter(|v| !v.is_empty());
                format!("baresip {}", version.unwrap_or_else(|| "(not by dpkg)".into()))
            }
        }
    }
}

impl Peer {
    /// Starts it, without a registrar, with so many seconds of sound to play, and waits until it answers.
    pub fn start(make: Make, codec: Codec, wire: Wire, seconds: u32) -> Peer {
        Peer::with(make, codec, wire, &Sound::Tone(seconds))
    }

    /// The same with other sound.
    pub fn with(make: Make, codec: Codec, wire: Wire, sound: &Sound) -> Peer {
        let peer = Peer::spawn(make, codec, wire, sound, None);
        let end = now() + Duration::from_secs(10);
        while now() < end {
            if peer.control().is_some() {
                sleep(Duration::from_millis(300));
                return peer;
            }
            sleep(Duration::from_millis(5));
        }
        panic!(
            "{} does not start: {}",
            make.name(),
            std::fs::read_to_string(peer.dir.path().join("log")).unwrap_or_default()
        );
    }

    fn spawn(make: Make, codec: Codec, wire: Wire, sound: &Sound, registrar: Option<SocketAddr>) -> Peer {
        let dir = tempfile::tempdir().unwrap();
        let (sip, control) = (free_port(), free_port());
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = match make {
            Make::Phoned => phoned(&dir, sip, (codec, sound), wire, registrar),
            Make::Baresip => baresip(&dir, sip, control, (codec, sound), wire, registrar),
        };
        if let Sound::Card { env, .. } = sound {
            command.envs(env.iter().cloned());
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let child = child.unwrap_or_else(|e| panic!("{}: {e}", make.name()));
        Peer { make, child, sip: SocketAddr::from(([127, 0, 0, 1], sip)), control, dir }
    }

    /// Its SIP address.
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// The file of sound that each of its calls holds in memory, KB: the bench's doing, not the phone's.
    pub fn sound_kb(&self) -> f64 {
        std::fs::metadata(self.dir.path().join("tone.wav")).map_or(0.0, |file| file.len() as f64 / 1024.0)
    }

    /// What it has heard, where it writes that.
    pub fn heard(&self) -> Option<PathBuf> {
        let files = std::fs::read_dir(self.dir.path()).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let mut files: Vec<PathBuf> =
            files.filter(|p| p.ends_with("heard.wav") || p.to_string_lossy().ends_with("-dec.wav")).collect();
        files.pop()
    }

    /// The control socket of a phoned.
    pub fn socket(&self) -> std::path::PathBuf {
        self.dir.path().join("phoned.sock")
    }

    /// Its pid.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Round trips on its control socket, one after the other, µs.
    pub fn round_trips(&self, count: usize) -> Vec<f64> {
        let mut control = self.control().expect("the control socket");
        let mut times = Vec::with_capacity(count);
        for n in 0..count + 100 {
            let began = now();
            control(n);
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
        times.split_off(100)
    }

    /// A function that makes one round trip; None while the socket is not there.
    fn control(&self) -> Option<Box<dyn FnMut(usize)>> {
        match self.make {
            Make::Phoned => {
                let stream = UnixStream::connect(self.socket()).ok()?;
                let (mut out, mut lines, mut line) = (stream.try_clone().ok()?, BufReader::new(stream), String::new());
                Some(Box::new(move |n| {
                    let request = format!("{{\"jsonrpc\":\"2.0\",\"id\":{n},\"method\":\"account.list\"}}\n");
                    out.write_all(request.as_bytes()).unwrap();
                    line.clear();
                    lines.read_line(&mut line).unwrap();
                }))
            }
            Make::Baresip => {
                let mut stream = TcpStream::connect(("127.0.0.1", self.control)).ok()?;
                stream.set_nodelay(true).ok()?;
                Some(Box::new(move |_| {
                    let body = r#"{"command":"uastat","params":"","token":"t"}"#;
                    stream.write_all(format!("{}:{body},", body.len()).as_bytes()).unwrap();
                    let mut bytes = [0; 4096];
                    let mut got = stream.read(&mut bytes).unwrap();
                    while bytes[got - 1] != b',' {
                        got += stream.read(&mut bytes[got..]).unwrap();
                    }
                }))
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let end = now() + Duration::from_secs(3);
        while now() < end {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// From the start of the process to the moment its REGISTER with a digest is accepted, µs.
pub fn start_to_registered(make: Make) -> Option<f64> {
    let registrar = UdpSocket::bind("127.0.0.1:0").unwrap();
    registrar.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let began = now();
    let _peer = Peer::spawn(make, Codec::Pcmu, Wire::Plain, &Sound::Tone(2), Some(registrar.local_addr().unwrap()));
    let mut bytes = [0; 8192];
    loop {
        let (length, from) = registrar.recv_from(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        let answer = ok(&text);
        if text.contains("\nAuthorization:") {
            let contact = text.lines().find(|l| l.starts_with("Contact:")).unwrap_or_default();
            let answer = answer.replace("Content-Length", &format!("{contact};expires=300\r\nContent-Length"));
            registrar.send_to(answer.as_bytes(), from).ok()?;
            return Some(began.elapsed().as_secs_f64() * 1e6);
        }
        let challenge =
            "WWW-Authenticate: Digest realm=\"bench\", nonce=\"5f3a\", algorithm=MD5, qop=\"auth\"\r\nContent-Length";
        let answer = answer.replace("200 OK", "401 Unauthorized").replace("Content-Length", challenge);
        registrar.send_to(answer.as_bytes(), from).ok()?;
    }
}

fn phoned(
    dir: &tempfile::TempDir,
    port: u16,
    (codec, sound): (Codec, &Sound),
    wire: Wire,
    registrar: Option<SocketAddr>,
) -> Command {
    let path = dir.path().display();
    let (input, output) = match sound {
        Sound::Tone(_) => ("tone:440".into(), "null".into()),
        Sound::Say(file) => (format!("file:{}", file.display()), "null".into()),
        Sound::Hear => ("null".into(), format!("file:{path}/heard.wav")),
        Sound::Card { number, .. } => (format!("pulse:mic{number}"), format!("pulse:spk{number}")),
    };
    let raw = matches!(sound, Sound::Card { raw: true, .. });
    let clean = if raw { "echo_cancellation = false\nnoise_suppression = \"off\"\n" } else { "" };
    let media = if wire == Wire::Webrtc { "webrtc" } else { "auto" };
    let account = match registrar {
        Some(at) => format!("uri = \"sip:alice@{at}\"\nregistrar = \"sip:{at}\"\npassword = \"secret\"\n"),
        None => format!(
            "uri = \"sip:alice@127.0.0.1:{port}\"\nregister = false\ntrusted = [\"127.0.0.1\"]\nauto_answer = 0\n\
             media = \"{media}\"\n"
        ),
    };
    let text = format!(
        "[rpc]\nsocket = \"{path}/phoned.sock\"\n[sip]\nlisten = [\"udp:127.0.0.1:{port}\"]\n[media]\nrtp_ports = \"20000-29999\"\n\
         codecs = [\"{}\"]\n[audio]\ninput = \"{input}\"\noutput = \"{output}\"\nringer = \"null\"\n{clean}[phone]\nmax_calls = 2000\nmax_calls_per_seat = 2000\ndrain_timeout = 0\ndials_per_second = 1000\n\
         [store]\ndir = \"{path}/state\"\n[accounts.alice]\n{account}",
        codec.name().to_ascii_lowercase()
    );
    std::fs::write(dir.path().join("phoned.toml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_phoned"));
    command.arg("--config").arg(dir.path().join("phoned.toml"));
    command
}

fn baresip(
    dir: &tempfile::TempDir,
    port: u16,
    control: u16,
    (codec, sound): (Codec, &Sound),
    wire: Wire,
    registrar: Option<SocketAddr>,
) -> Command {
    let path = dir.path();
    let seconds = if let Sound::Tone(seconds) = sound { *seconds } else { 60 };
    let codecs = match codec {
        Codec::Opus => "opus/48000/2",
        Codec::Pcmu => "pcmu",
        Codec::G722 => "g722/16000",
    };
    let source = match (sound, codec) {
        (Sound::Say(file), _) => format!("aufile,{}", file.display()),
        (Sound::Card { number, .. }, _) => {
            let way = |name: &str, device: &str| format!("pcm.{name} {{ type pulse device {device}{number} }}\n");
            std::fs::write(path.join(".asoundrc"), way("mouth", "mic") + &way("ear", "spk")).unwrap();
            "alsa,mouth".to_string()
        }
        (_, Codec::Opus) => "ausine,440".to_string(),
        (_, Codec::Pcmu | Codec::G722) => {
            let rate = codec.rate();
            let file = path.join("tone.wav");
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: rate,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut wav = hound::WavWriter::create(&file, spec).unwrap();
            for i in 0..rate * seconds {
                wav.write_sample(
                    (8000.0 * (std::f64::consts::TAU * 440.0 * f64::from(i) / f64::from(rate)).sin()) as i16,
                )
                .unwrap();
            }
            wav.finalize().unwrap();
            format!("aufile,{}", file.display())
        }
    };
    let modules = ["/usr/lib/baresip/modules", "/usr/lib64/baresip/modules", "/usr/local/lib/baresip/modules"];
    let modules = modules.iter().find(|p| std::path::Path::new(p).is_dir()).unwrap_or(&modules[0]);
    let config = format!(
        "poll_method epoll\nsip_listen 127.0.0.1:{port}\nnet_interface 127.0.0.1\nrtp_ports 20000-29999\ncall_max_calls 2000\n\
         audio_source {source}\naudio_player aubridge,ear\naudio_alert aubridge,bell\nmodule_path {modules}\nmodule g711.so\nmodule g722.so\nmodule opus.so\n\
         module aufile.so\nmodule ausine.so\nmodule aubridge.so\nmodule_tmp account.so\nmodule_app debug_cmd.so\nmodule_app ctrl_tcp.so\n\
         ctrl_tcp_listen 127.0.0.1:{control}\n{}",
        if wire == Wire::Webrtc { "module dtls_srtp.so\nmodule ice.so\nrtcp_mux yes\n" } else { "" }
    );
    let ear = match sound {
        Sound::Hear => format!("module sndfile.so\nsnd_path {}\n", path.display()),
        _ => String::new(),
    };
    // its plc is for mono alone: with Opus, which is stereo here, it would end the chain of filters before `sndfile`
    let plc = if codec == Codec::Pcmu && matches!(sound, Sound::Hear) { "module plc.so\n" } else { "" };
    // as much as phoned has
    let rate = if matches!(sound, Sound::Tone(_)) { "" } else { "opus_bitrate 64000\n" };
    let mut config = config + plc + &ear + rate;
    if matches!(sound, Sound::Card { .. }) {
        config = config.replace("aubridge,ear", "alsa,ear") + "module alsa.so\n";
    }
    let secure = if wire == Wire::Webrtc { ";mediaenc=dtls_srtp;medianat=ice" } else { "" };
    let account = match registrar {
        Some(at) => format!("<sip:alice@{at}>;auth_pass=secret;regint=300;audio_codecs={codecs}\n"),
        None => format!("<sip:alice@127.0.0.1:{port}>;regint=0;answermode=auto;audio_codecs={codecs}{secure}\n"),
    };
    std::fs::write(path.join("config"), config).unwrap();
    std::fs::write(path.join("accounts"), account).unwrap();
    std::fs::write(path.join("contacts"), "").unwrap();
    let mut command = Command::new("baresip");
    command.arg("-f").arg(path).env("HOME", path);
    command
}

/// A port that is free for UDP and TCP, and the next one too.
fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 12_000 + (std::process::id() as u16 % 1000 * 4 + NEXT.fetch_add(4, Ordering::Relaxed)) % 8000;
        let free =
            |p: u16| UdpSocket::bind(("127.0.0.1", p)).is_ok() && std::net::TcpListener::bind(("127.0.0.1", p)).is_ok();
        if free(port) && free(port + 1) {
            return port;
        }
    }
}
