//! A registrar that takes everybody, and shows the requests that it got.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

use super::wait::poll;

/// Its socket, and whom it has answered.
#[derive(Debug)]
pub struct Registrar {
    socket: UdpSocket,
    /// The transactions that it has answered.
    answered: RefCell<BTreeSet<String>>,
}

impl Registrar {
    /// On a free port of loopback.
    pub fn new() -> Registrar {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
        Registrar { socket, answered: RefCell::default() }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().expect("an address").port()
    }

    /// The next REGISTER, answered with 200; none: none comes in that time.
    pub fn next(&self, limit: Duration) -> Option<String> {
        poll(limit, || {
            let mut buffer = [0; 4096];
            let (length, from) = self.socket.recv_from(&mut buffer).ok()?;
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !text.starts_with("REGISTER ") {
                return None;
            }
            let copied = ["Via", "From", "To", "Call-ID", "CSeq", "Contact", "Expires"];
            let copied =
                text.lines().filter(|line| line.split_once(':').is_some_and(|(name, _)| copied.contains(&name)));
            let headers: String = copied.map(|line| format!("{line}\r\n")).collect();
            let answer = format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
            self.socket.send_to(answer.as_bytes(), from).expect("sent");
            // What a busy machine made the phone send again is no other request.
            self.answered.borrow_mut().insert(header(&text, "Via")).then_some(text)
        })
    }
}

/// A header of such a request; empty: it has none.
pub fn header(text: &str, name: &str) -> String {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_default().to_owned()
}
