//! Where RTP sockets are born: an even port and the odd one above it (RFC 3550 §11), and how they are read.

use std::io::{self, Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

/// What a socket can hold unread: more than a second of any codec.
const RECEIVE_BUFFER: usize = 128 * 1024;
/// Packets that one system call reads.
const BATCH: usize = 8;
/// Batches of one socket in one tick: a flood waits, and is dropped by the kernel.
const BATCHES: usize = 4;
/// More than any packet of ours; longer ones are cut, and no codec takes them.
const PACKET: usize = 2_048;

/// A session's sockets.
#[derive(Debug)]
pub struct Ports {
    /// The even port.
    pub rtp: UdpSocket,
    /// The odd one.
    pub rtcp: UdpSocket,
    /// The address of `rtp`.
    pub local: SocketAddr,
}

/// Binds the next free pair of `range` from `next` on, and moves `next` behind it.
pub fn bind(ip: IpAddr, range: &RangeInclusive<u16>, next: &mut u16, dscp: u8) -> io::Result<Ports> {
    let first = range.start() + range.start() % 2;
    let pairs = (u32::from(*range.end()) + 1).saturating_sub(u32::from(first)) / 2;
    for _ in 0..pairs {
        if !(first..*range.end()).contains(next) {
            *next = first;
        }
        let port = *next & !1;
        *next = port.saturating_add(2);
        let local = SocketAddr::new(ip, port);
        let pair = socket(local, dscp).and_then(|rtp| Ok((rtp, socket(SocketAddr::new(ip, port + 1), dscp)?)));
        match pair {
            Ok((rtp, rtcp)) => return Ok(Ports { local, rtp, rtcp }),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(ErrorKind::AddrInUse, format!("no free pair of RTP ports in {}-{}", range.start(), range.end())))
}

fn socket(at: SocketAddr, dscp: u8) -> io::Result<UdpSocket> {
    let socket = Socket::new_raw(Domain::for_address(at), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let class = i32::from(dscp) << 2;
    match at {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4Tos, &class)?,
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6TClass, &class)?,
    }
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    socket.bind(&at.into())?;
    Ok(socket.into())
}

/// Gets a packet: from whom, when (wall clock, ns; none when the kernel does not tell), the bytes.
pub type Each<'a> = dyn FnMut(SocketAddr, Option<i64>, &[u8]) + 'a;

/// Reads many packets with one system call, with the times at which the kernel got them. One a worker: everything is allocated once.
pub struct Inbox {
    // one for each family: the kernel shortens the room for an address to the length of the last one
    v4: MultiHeaders<SockaddrIn>,
    v6: MultiHeaders<SockaddrIn6>,
    buffers: Box<[[u8; PACKET]; BATCH]>,
}

impl Default for Inbox {
    fn default() -> Self {
        let room = || Some(nix::cmsg_space!(nix::sys::time::TimeSpec));
        Inbox {
            v4: MultiHeaders::preallocate(BATCH, room()),
            v6: MultiHeaders::preallocate(BATCH, room()),
            buffers: Box::new([[0; PACKET]; BATCH]),
        }
    }
}

impl Inbox {
    /// Gives `each` whatever is there.
    pub fn drain(&mut self, socket: &UdpSocket, v4: bool, each: &mut Each<'_>) {
        for _ in 0..BATCHES {
            let count = if v4 {
                read(socket, &mut self.v4, &mut self.buffers, |a| Some(SocketAddr::from((a.ip(), a.port()))), each)
            } else {
                read(socket, &mut self.v6, &mut self.buffers, |a| Some(SocketAddr::from((a.ip(), a.port()))), each)
            };
            if count < BATCH {
                return;
            }
        }
    }
}

fn read<S: SockaddrLike + Copy>(
    socket: &UdpSocket,
    headers: &mut MultiHeaders<S>,
    buffers: &mut [[u8; PACKET]; BATCH],
    address: impl Fn(&S) -> Option<SocketAddr>,
    each: &mut Each<'_>,
) -> usize {
    let mut slices = buffers.each_mut().map(|b| [io::IoSliceMut::new(b)]);
    let Ok(messages) = recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) else {
        return 0;
    };
    let mut count = 0;
    for message in messages {
        count += 1;
        let stamp = message.cmsgs().ok().and_then(|mut c| {
            c.find_map(|c| match c {
                ControlMessageOwned::ScmTimestampns(t) => Some(t.tv_sec() * 1_000_000_000 + t.tv_nsec()),
                _ => None,
            })
        });
        if let (Some(from), Some(bytes)) = (message.address.as_ref().and_then(&address), message.iovs().next()) {
            each(from, stamp, bytes);
        }
    }
    count
}
