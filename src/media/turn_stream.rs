//! A TCP connection to a TURN server (RFC 8656 §3.1): what goes over it is cut into messages again. It never blocks: whoever ticks it
//! writes what the kernel takes and reads what is there.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};

use bytes::{Buf, BytesMut};
use socket2::{Domain, Protocol, Socket, Type};

/// Bytes that may wait for a slow connection: some 2 s of one call. What comes on top is lost, as a datagram would be.
const MOST_WAITING: usize = 32 * 1024;
/// The head of a STUN message, and that of channel data (RFC 8656 §12.4).
const STUN_HEAD: usize = 20;
const CHANNEL_HEAD: usize = 4;

/// The connection.
pub struct TurnStream {
    socket: TcpStream,
    waiting: BytesMut,
    read: BytesMut,
}

impl TurnStream {
    /// Begins to connect.
    pub fn connect(from: IpAddr, server: SocketAddr) -> io::Result<TurnStream> {
        let socket =
            Socket::new(Domain::for_address(server), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
            _ => Ok(TurnStream { socket: socket.into(), waiting: BytesMut::new(), read: BytesMut::new() }),
        }
    }

    /// Sends a message, now or as soon as the connection takes it.
    pub fn send(&mut self, message: &[u8]) -> io::Result<()> {
        if self.waiting.len() + message.len() <= MOST_WAITING {
            self.waiting.extend_from_slice(message);
        }
        self.write()
    }

    /// Writes what waits. Until it is connected nothing is taken.
    fn write(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            match self.socket.write(&self.waiting) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => self.waiting.advance(length),
                Err(error) if is_patience(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives `each` the messages that came.
    pub fn poll(&mut self, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        self.write()?;
        let mut bytes = [0; 4_096];
        loop {
            match self.socket.read(&mut bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.read.extend_from_slice(&bytes[..length]),
                Err(error) if is_patience(&error) => break,
                Err(error) => return Err(error),
            }
            self.cut(each)?;
        }
        Ok(())
    }

    fn cut(&mut self, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        while let Some((length, padded)) = measure(&self.read)? {
            if self.read.len() < padded {
                break;
            }
            each(&self.read[..length]);
            self.read.advance(padded);
        }
        Ok(())
    }
}

/// It is not connected yet, or has nothing, or takes nothing just now.
fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted)
}

/// The length of the message that begins here, without and with its padding; none: its head is not whole yet.
fn measure(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(head) = bytes.first_chunk::<CHANNEL_HEAD>() else { return Ok(None) };
    let body = usize::from(u16::from_be_bytes([head[2], head[3]]));
    match head[0] {
        0..=63 => Ok(Some((STUN_HEAD + body, STUN_HEAD + body))),
        64..=79 => Ok(Some((CHANNEL_HEAD + body, CHANNEL_HEAD + body.next_multiple_of(4)))),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "no TURN")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn messages(stream: &mut TurnStream, count: usize) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while all.len() < count {
            stream.poll(&mut |message| all.push(message.to_vec())).expect("it is open");
            std::thread::yield_now();
        }
        all
    }

    #[test]
    fn messages_are_cut_wherever_the_bytes_break() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("bound");
        let mut stream = TurnStream::connect(at.ip(), at).expect("it begins");
        stream.send(&[0, 1, 0, 0]).expect("it waits");
        let (mut peer, _) = listener.accept().expect("connected");
        let stun = [&[0, 1, 0, 4][..], &[7; 20]].concat();
        let channel = [&[0x40, 0, 0, 5][..], &[9; 5]].concat();
        let sent = [&stun[..], &channel, &[0; 3], &stun].concat();
        for byte in sent {
            peer.write_all(&[byte]).expect("written");
        }
        assert_eq!(messages(&mut stream, 3), [stun.clone(), channel, stun]);
        let mut heard = [0; 4];
        while !stream.waiting.is_empty() {
            stream.poll(&mut |_| ()).expect("it is open");
        }
        peer.read_exact(&mut heard).expect("what waited for the connection");
        assert_eq!(heard, [0, 1, 0, 0]);
        peer.write_all(&[0xff; 4]).expect("written");
        let mut end = Ok(());
        while end.is_ok() {
            end = stream.poll(&mut |_| ());
        }
        assert_eq!(end.expect_err("rubbish").kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error_and_no_wait() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("bound");
        drop(listener);
        let refused = TurnStream::connect(at.ip(), at).and_then(|mut stream| {
            for _ in 0..1_000 {
                stream.send(&[0; 20])?;
                stream.poll(&mut |_| ())?;
                std::thread::yield_now();
            }
            Ok(())
        });
        assert_eq!(refused.expect_err("nobody listens").kind(), ErrorKind::ConnectionRefused);
    }
}
