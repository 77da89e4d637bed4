//! Chromium without a window, with JsSIP in its page: steered through its debugging pipe by expressions that the page evaluates.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::machine::left_out;
use super::tone::{self, Sound};
use super::wait::{now, poll, secs, until};

/// Pipes 3 and 4 are how it is steered; a shell makes them out of its input and output.
const START: &str = r#"exec chromium --headless=new --no-sandbox --disable-gpu --no-first-run --user-data-dir="$0/profile" \
--remote-debugging-pipe --use-fake-device-for-media-stream --use-fake-ui-for-media-stream \
--use-file-for-fake-audio-capture="$0/microphone.wav" --disable-features=WebRtcHideLocalIpsWithMdns \
--allow-loopback-in-peer-connection --ignore-certificate-errors --autoplay-policy=no-user-gesture-required \
"file://$0/page.html" 3<&0 4>&1 >"$0/log" 2>&1"#;

/// True where there is no Chromium and nothing that could install it; says so.
pub fn impossible() -> bool {
    let there = |name: &str| {
        let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output();
        found.is_ok_and(|o| o.status.success())
    };
    let impossible = !there("chromium") && !there("apt-get");
    if impossible {
        left_out("the browser: there is no chromium here, and no apt to install it with");
    }
    impossible
}

/// A running Chromium with one page.
#[derive(Debug)]
pub struct Chromium {
    child: Child,
    pipe: ChildStdin,
    messages: Receiver<Value>,
    page: Option<String>,
    id: u64,
    dir: tempfile::TempDir,
}

impl Chromium {
    /// Starts it with a microphone that plays `hz`, and loads the agent into its page.
    pub fn start(hz: u32) -> Chromium {
        let mut chromium = Chromium::empty(hz);
        let agent = include_str!("../browser/agent.js");
        chromium.eval(&format!("{}\n{agent}; 0", modules()));
        chromium
    }

    /// Starts it with nothing in its page.
    pub fn empty(hz: u32) -> Chromium {
        let dir = tempfile::tempdir().unwrap();
        tone::write(&dir.path().join("microphone.wav"), 48_000, f64::from(hz), 10);
        std::fs::write(dir.path().join("page.html"), "<!doctype html><title>agent</title>").unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", START]).arg(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (pipe, mut out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, messages) = sync_channel(1024);
        std::thread::spawn(move || {
            let (mut bytes, mut chunk) = (Vec::new(), [0; 65536]);
            while let Ok(n @ 1..) = out.read(&mut chunk) {
                bytes.extend_from_slice(&chunk[..n]);
                while let Some(end) = bytes.iter().position(|b| *b == 0) {
                    let message = serde_json::from_slice(&bytes[..end]).unwrap();
                    bytes.drain(..=end);
                    if sender.send(message).is_err() {
                        return;
                    }
                }
            }
        });
        let mut chromium = Chromium { child, pipe, messages, page: None, id: 0, dir };
        let target = poll(secs(30), || {
            let targets = chromium.command("Target.getTargets", json!({}), secs(30));
            let page = targets["targetInfos"].as_array()?.iter().find(|t| t["type"] == "page")?;
            Some(page["targetId"].clone())
        });
        let target = target.unwrap_or_else(|| panic!("Chromium shows no page: {}", chromium.log()));
        let attached =
            chromium.command("Target.attachToTarget", json!({"targetId": target, "flatten": true}), secs(30));
        chromium.page = attached["sessionId"].as_str().map(str::to_owned);
        let loaded = "document.title === 'agent' && document.readyState === 'complete'";
        until("the page is there", secs(20), || (chromium.eval(loaded) == true).then_some(()));
        chromium
    }

    /// Goes to a page of `width` × `height`; before anything else there, `script` runs.
    pub fn visit(&mut self, url: &str, script: &str, (width, height): (u32, u32)) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.command("Emulation.setDeviceMetricsOverride", size, secs(30));
        self.command("Page.enable", json!({}), secs(30));
        self.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }), secs(30));
        let gone = self.command("Page.navigate", json!({ "url": url }), secs(30));
        assert!(gone["errorText"].is_null(), "{url}: {gone}");
    }

    /// Waits until an expression of the page is true.
    pub fn shows(&mut self, what: &str, expression: &str) {
        if poll(secs(30), || (self.eval(expression) == true).then_some(())).is_none() {
            panic!("the page does not show {what}: {}", self.eval("document.body.innerText"));
        }
    }

    /// The colours that it asks pages for: light or dark.
    pub fn prefers(&mut self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.command("Emulation.setEmulatedMedia", features, secs(30));
    }

    /// What it shows, as PNG.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let shot = self.command("Page.captureScreenshot", json!({ "format": "png" }), secs(30));
        let png = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
        png
    }

    /// The value of an expression of the page, of a promise when it resolves, 30 s at most.
    pub fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.command("Runtime.evaluate", params, secs(30));
        let short: String = expression.chars().take(100).collect();
        assert!(result["exceptionDetails"].is_null(), "{short}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    /// The agent's next event of that name.
    pub fn event(&mut self, name: &str) -> Value {
        self.eval(&format!("agent.wait({})", json!(name)))
    }

    /// Registers the agent at a WebSocket.
    pub fn register(&mut self, user: &str, domain: &str, password: &str, socket: &str) {
        let [user, domain, password, socket] = [user, domain, password, socket].map(|text| json!(text));
        self.eval(&format!("agent.start({user}, {domain}, {password}, {socket})"));
    }

    /// What it plays just now.
    pub fn sound(&mut self) -> Sound {
        let heard = self.eval("agent.heard()");
        let samples = heard["samples"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap() / 32768.0).collect();
        Sound { rate: heard["rate"].as_u64().unwrap() as u32, samples }
    }

    /// Waits until it plays a clear tone of `hz`.
    pub fn hears(&mut self, hz: f64) {
        self.plays(&format!("{hz} Hz"), |sound| sound.has_tone(hz));
    }

    /// Waits until it plays nothing.
    pub fn hears_nothing(&mut self) {
        self.plays("silence", |sound| !sound.samples.is_empty() && sound.is_silent());
    }

    /// Waits until what it plays fits.
    pub fn plays(&mut self, what: &str, fits: impl Fn(&Sound) -> bool) {
        let mut last = (0.0, 0.0, 0.0);
        let found = poll(secs(20), || {
            let sound = self.sound();
            last = (sound.level(), sound.share(440.0), sound.share(1000.0));
            fits(&sound).then_some(())
        });
        assert!(found.is_some(), "the browser does not hear {what} (level, share of 440 and 1000 Hz): {last:?}");
    }

    fn command(&mut self, method: &str, params: Value, limit: Duration) -> Value {
        self.id += 1;
        let mut message = json!({"id": self.id, "method": method, "params": params});
        if let Some(page) = &self.page {
            message["sessionId"] = json!(page);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.pipe.write_all(&bytes).unwrap_or_else(|e| panic!("Chromium does not run ({e}): {}", self.log()));
        let end = now() + limit;
        loop {
            let message = self.messages.recv_timeout(end.saturating_duration_since(now()));
            let message = message.unwrap_or_else(|e| panic!("no answer to {method} ({e}): {}", self.log()));
            if message["id"] == self.id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It ends its children when it is asked to stop.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        if poll(secs(10), || self.child.try_wait().unwrap()).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// JsSIP and what it needs, each file a function, and `load` that gives what a package exports.
fn modules() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/npm.sh");
    let output = Command::new(script).arg("jssip@3.13.8").stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "npm.sh failed");
    let root = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let mut page = String::from("window.files = {};\n");
    let folders =
        ["jssip/lib", "jssip/lib/RTCSession", "jssip/lib/Dialog", "debug/src", "events", "ms", "sdp-transform/lib"];
    for folder in folders {
        for entry in std::fs::read_dir(root.join(folder)).unwrap().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "js") {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                let text = std::fs::read_to_string(&path).unwrap();
                let _ = writeln!(page, "files[{}] = (require, module, exports) => {{ {text}\n}};", json!(name));
            }
        }
    }
    let package = std::fs::read_to_string(root.join("jssip/package.json")).unwrap();
    let _ = writeln!(page, "files['jssip/package.json'] = (require, module) => {{ module.exports = {package} }};");
    page + include_str!("../browser/load.js")
}
