//! The voice of all calls on one socket: every call's packets leave at their own moment of the 20 ms, what comes back is counted.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::measure::{now, until};
use crate::peer::Codec;

/// The generator's media side.
pub struct Rtp {
    socket: UdpSocket,
    /// RTCP comes here and is not read.
    _rtcp: UdpSocket,
    codec: Codec,
    received: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    sender: std::cell::RefCell<Option<JoinHandle<()>>>,
}

impl Rtp {
    /// Binds an even port and the next.
    pub fn start(codec: Codec) -> Rtp {
        let (socket, rtcp) = (38_000..40_000)
            .step_by(2)
            .find_map(|port| {
                Some((UdpSocket::bind(("127.0.0.1", port)).ok()?, UdpSocket::bind(("127.0.0.1", port + 1)).ok()?))
            })
            .expect("two ports in a row");
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20);
        let (received, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (ear, count, end) = (socket.try_clone().unwrap(), received.clone(), over.clone());
        ear.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        std::thread::spawn(move || {
            let mut packet = [0; 2048];
            while !end.load(Ordering::Relaxed) {
                if ear.recv(&mut packet).is_ok_and(|n| n > 12 && packet[1] & 0x7f == codec.payload_type()) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Rtp { socket, _rtcp: rtcp, codec, received, over, sender: None.into() }
    }

    /// Where the calls' voice is to come.
    pub fn port(&self) -> u16 {
        self.socket.local_addr().unwrap().port()
    }

    /// Packets of the codec that came so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Sends voice to these ports from now on, 50 packets a second each.
    pub fn send_to(&self, ports: &[u16]) {
        let (ports, codec, mouth, end) =
            (ports.to_vec(), self.codec, self.socket.try_clone().unwrap(), self.over.clone());
        let frames = codec.frames();
        let sender = std::thread::spawn(move || {
            let began = now();
            for step in 0u64.. {
                // 20 steps of 1 ms; a call has its step.
                let (turn, slot) = (step / 20, (step % 20) as usize);
                until(began + Duration::from_millis(step));
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let frame = &frames[turn as usize % frames.len()];
                for (call, port) in ports.iter().enumerate().skip(slot).step_by(20) {
                    let mut packet = vec![0x80, codec.payload_type()];
                    packet.extend_from_slice(&(turn as u16).to_be_bytes());
                    packet.extend_from_slice(&(turn as u32).wrapping_mul(codec.clock() / 50).to_be_bytes());
                    packet.extend_from_slice(&(call as u32 + 1).to_be_bytes());
                    packet.extend_from_slice(frame);
                    let _ = mouth.send_to(&packet, ("127.0.0.1", *port));
                }
            }
        });
        *self.sender.borrow_mut() = Some(sender);
    }

    /// Ends it.
    pub fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(sender) = self.sender.borrow_mut().take() {
            let _ = sender.join();
        }
    }
}

impl Drop for Rtp {
    fn drop(&mut self) {
        self.stop();
    }
}
