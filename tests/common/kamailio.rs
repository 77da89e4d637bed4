//! Kamailio as registrar and proxy of the domain `pbx.test`: digest with MD5 or SHA-256, UDP and TCP on one port of loopback;
//! TLS on the next; WebSockets on both.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::wait::{free_port, secs, until};

/// The domain of its users.
pub const DOMAIN: &str = "pbx.test";

/// How it is to be started.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The digest algorithm: None is MD5.
    pub sha256: bool,
    /// Users and their passwords.
    pub users: Vec<(String, String)>,
    /// Users that are not looked up but sent on, to `ADDRESS:PORT`: a peer that does not register.
    pub routes: Vec<(String, String)>,
    /// Users that may call without a digest, for peers that have none.
    pub open: Vec<String>,
    /// What it shows as a TLS server; none: it is none, and takes no WebSockets.
    pub secure: Option<super::pki::Identity>,
    /// It gives no names of its own (GRUU): a phone is reached by its Contact.
    pub no_gruu: bool,
}

impl Setup {
    /// With these users, each with its name and "-secret" as password.
    pub fn users(names: &[&str]) -> Setup {
        Setup { users: names.iter().map(|n| (n.to_string(), password(n))).collect(), ..Setup::default() }
    }
}

/// The password that `Setup::users` gives.
pub fn password(user: &str) -> String {
    format!("{user}-secret")
}

/// A running Kamailio.
#[derive(Debug)]
pub struct Kamailio {
    /// Its port, UDP and TCP.
    pub port: u16,
    process: Process,
    dir: tempfile::TempDir,
}

impl Kamailio {
    /// Starts it and waits until it answers OPTIONS.
    pub fn start(setup: &Setup) -> Kamailio {
        Kamailio::start_at(free_port(), setup)
    }

    /// As `start`, on that port.
    pub fn start_at(port: u16, setup: &Setup) -> Kamailio {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kamailio.cfg");
        let secure = setup.secure.as_ref().map(|identity| {
            let tls = dir.path().join("tls.cfg");
            let (certificate, key) = (identity.certificate.display(), identity.key.display());
            let text = format!(
                "[server:default]\nmethod = TLSv1.2+\nverify_certificate = no\nrequire_certificate = no\n\
                 certificate = {certificate}\nprivate_key = {key}\n"
            );
            std::fs::write(&tls, text).unwrap();
            secure(port, &tls.display().to_string(), setup.no_gruu)
        });
        std::fs::write(&file, config(port, setup, &secure.unwrap_or_default())).unwrap();
        let run = dir.path().join("run");
        std::fs::create_dir(&run).unwrap();
        let mut command = Command::new("kamailio");
        command.args(["-DD", "-E", "-m", "32", "-M", "4", "-f"]).arg(&file).arg("-Y").arg(&run).arg("-w").arg(&run);
        command.arg("-P").arg(run.join("pid"));
        let mut process = Process::start("kamailio", &mut command, &dir.path().join("log"));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let from = socket.local_addr().unwrap();
        let ping = format!(
            "OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKready;rport\r\nFrom: <sip:test@{DOMAIN}>;tag=1\r\n\
             To: <sip:{DOMAIN}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 10\r\nContent-Length: 0\r\n\r\n"
        );
        until("Kamailio answers OPTIONS", secs(30), || {
            assert!(process.ended().is_none(), "Kamailio ended: {}", process.log());
            socket.send_to(ping.as_bytes(), ("127.0.0.1", port)).unwrap();
            socket.recv(&mut [0; 2048]).ok()
        });
        Kamailio { port, process, dir }
    }

    /// Its URI for a registrar or an outbound proxy: `sip:127.0.0.1:PORT`.
    pub fn uri(&self) -> String {
        format!("sip:127.0.0.1:{}", self.port)
    }

    /// The same for TLS and secure WebSockets.
    pub fn secure_uri(&self) -> String {
        format!("sip:127.0.0.1:{}", self.port + 1)
    }

    /// Its log: one line `request METHOD from USER via PROTO (ALGORITHM)` a request it took.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Where its files are.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().into()
    }
}

/// What the configuration has besides, for TLS and WebSockets.
#[derive(Default)]
struct Secure {
    modules: String,
    nat: String,
    alias: String,
    route: String,
}

/// A WebSocket client is known by the connection it came on; a name that the registrar gave it (GRUU) is looked up.
fn secure(port: u16, tls: &str, no_gruu: bool) -> Secure {
    Secure {
        modules: format!(
            r#"listen=tls:127.0.0.1:{}
enable_tls=yes
tcp_accept_no_cl=yes
tcp_crlf_ping=yes
loadmodule "tls.so"
loadmodule "xhttp.so"
loadmodule "websocket.so"
loadmodule "nathelper.so"
modparam("tls", "config", "{tls}")
modparam("websocket", "keepalive_mechanism", 0)
modparam("nathelper|registrar", "received_avp", "$avp(RECEIVED)")
modparam("registrar", "gruu_enabled", {})"#,
            port + 1,
            u8::from(!no_gruu)
        ),
        nat: r#"if ($proto =~ "^ws") { force_rport(); if (is_method("REGISTER")) fix_nated_register(); else add_contact_alias(); }"#
            .into(),
        alias: r#"if (is_gruu()) { if (!lookup("location")) { sl_send_reply("480", "Gone"); exit; } } else if ($du == $null) handle_ruri_alias();"#
            .into(),
        route: r#"
onreply_route { if ($proto =~ "^ws") add_contact_alias(); }
event_route[xhttp:request] {
  set_reply_close();
  set_reply_no_connect();
  xlog("L_ALERT", "upgrade $hu origin [$hdr(Origin)] [$hdr(X-Token)]\n");
  if ($hdr(Upgrade) =~ "websocket" && $hdr(Sec-WebSocket-Protocol) =~ "sip") { if (ws_handle_handshake()) exit; }
  xhttp_reply("404", "Not Found", "", "");
}"#
        .into(),
    }
}

/// The configuration file.
///
/// No alias for 127.0.0.1 without a port: with it every Contact on loopback would be "myself", and loose routing would turn in circles.
fn config(port: u16, setup: &Setup, secure: &Secure) -> String {
    let Secure { modules, nat, alias, route } = secure;
    let mut passwords = String::new();
    for (user, password) in &setup.users {
        let _ = writeln!(passwords, "  $sht(pw=>{user}) = \"{password}\";");
    }
    let mut routes = String::new();
    for (user, target) in &setup.routes {
        let _ = writeln!(routes, "  if ($rU == \"{user}\") {{ $du = \"sip:{target}\"; t_relay(); exit; }}");
    }
    let mut open = String::from("0");
    for user in &setup.open {
        let _ = write!(open, " || $fU == \"{user}\"");
    }
    let algorithm = if setup.sha256 { "modparam(\"auth\", \"algorithm\", \"SHA-256\")" } else { "" };
    format!(
        r#"#!KAMAILIO
debug=1
log_stderror=yes
fork=yes
children=2
tcp_children=2
auto_aliases=no
alias="{DOMAIN}"
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "htable.so"
modparam("htable", "htable", "pw=>size=8;")
{modules}
{algorithm}
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", 1)
modparam("tm", "fr_timer", 10000)
modparam("tm", "fr_inv_timer", 60000)

request_route {{
  xlog("L_ALERT", "request $rm from $fU via $proto to $ru ($adu) [$hdr(Authorization)$hdr(Proxy-Authorization)]\n");
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  {nat}
  if (has_totag()) {{
    if (loose_route()) {{ {alias} t_relay(); exit; }}
    if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
    sl_send_reply("404", "Not Here"); exit;
  }}
  t_check_trans();
  if (is_method("OPTIONS") && uri == myself && $rU == $null) {{ sl_send_reply("200", "OK"); exit; }}
  if (is_method("REGISTER")) {{
    if ($sht(pw=>$fU) == $null) {{ sl_send_reply("403", "Unknown User"); exit; }}
    if (!pv_auth_check("{DOMAIN}", "$sht(pw=>$fU)", "0", "1")) {{ auth_challenge("{DOMAIN}", "1"); exit; }}
    if (!save("location")) sl_reply_error();
    exit;
  }}
  if (!({open})) {{
    if ($sht(pw=>$fU) == $null) {{ sl_send_reply("403", "Unknown User"); exit; }}
    if (!pv_proxy_authenticate("{DOMAIN}", "$sht(pw=>$fU)", "0")) {{ proxy_challenge("{DOMAIN}", "1"); exit; }}
    consume_credentials();
  }}
  remove_hf("Route");
  record_route();
{routes}
  if (!(uri == myself)) {{ t_relay(); exit; }}
  if (!lookup("location")) {{ sl_send_reply("404", "Not Found"); exit; }}
  if (!t_relay()) sl_reply_error();
}}

event_route[htable:mod-init] {{
{passwords}}}
{route}
"#
    )
}
