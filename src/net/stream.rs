//! Streams: what a task does for one, be it plain or within TLS. It cuts messages from what comes in, answers pings, and
//! writes what waits.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

use super::{FlowId, MAX_MESSAGE, NetEvent, OUTBOX, Shared, tls};
use crate::sip::framing::{Frame, Framer};
use crate::sip::message::Message;

/// How long a stream that we close may take to say so.
const CLOSING: Duration = Duration::from_secs(2);

/// The way to a stream's task.
pub(super) struct Handle {
    out: mpsc::Sender<Out>,
    /// Ends the task without ado.
    cut: Arc<Notify>,
    /// The phone wants it closed.
    closing: Arc<Notify>,
    /// Who connected, as long as the phone has said nothing to them.
    unknown: Option<IpAddr>,
    answered: AtomicBool,
}

pub(super) enum Out {
    Bytes(Vec<u8>),
    Close,
}

impl Handle {
    pub(super) fn new(unknown: Option<IpAddr>) -> (Handle, Queue) {
        let (out, waiting) = mpsc::channel(OUTBOX);
        let (cut, closing) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let queue = Queue { pong: out.clone(), waiting, cut: cut.clone(), closing: closing.clone() };
        (Handle { out, cut, closing, unknown, answered: AtomicBool::new(false) }, queue)
    }

    /// Queues a message. On a reliable transport none may be lost: a peer that lets the queue fill up is cut off.
    pub(super) fn send(&self, bytes: Vec<u8>) {
        self.answered.store(true, Ordering::Relaxed);
        if self.out.try_send(Out::Bytes(bytes)).is_err() {
            self.cut.notify_one();
        }
    }

    /// Closes once the queue is empty, within 2 s.
    pub(super) fn close(&self) {
        self.closing.notify_one();
        if self.out.try_send(Out::Close).is_err() {
            self.cut.notify_one();
        }
    }

    pub(super) fn unknown(&self) -> Option<IpAddr> {
        self.unknown.filter(|_| !self.answered.load(Ordering::Relaxed))
    }
}

/// The task's end of a [`Handle`].
pub(super) struct Queue {
    pub(super) pong: mpsc::Sender<Out>,
    pub(super) waiting: mpsc::Receiver<Out>,
    pub(super) cut: Arc<Notify>,
    closing: Arc<Notify>,
}

impl Queue {
    /// Ends when the phone has had enough of the stream; the reason is for people.
    pub(super) async fn enough(cut: Arc<Notify>, closing: Arc<Notify>) -> String {
        tokio::select! {
            () = cut.notified() => "the peer does not read".to_owned(),
            () = async { closing.notified().await; tokio::time::sleep(CLOSING).await } => "closed by us".to_owned(),
        }
    }

    /// The parts: answers to pings, what is to be written, and the end of patience.
    pub(super) fn take(self) -> (mpsc::Sender<Out>, mpsc::Receiver<Out>, impl Future<Output = String>) {
        (self.pong, self.waiting, Queue::enough(self.cut, self.closing))
    }
}

/// A stream's life once it is up. We never close it for being silent: a trunk may be so for days.
pub(super) async fn run<S>(shared: Arc<Shared>, flow: FlowId, stream: S, remote: SocketAddr, queue: Queue)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (reader, writer) = tokio::io::split(stream);
    let (pong, waiting, enough) = queue.take();
    let reason = tokio::select! {
        reason = read(&shared, flow, remote, reader, pong) => reason,
        reason = write(writer, waiting) => reason,
        reason = enough => reason,
        () = shared.inbox.closed() => return,
    };
    shared.ended(flow, reason).await;
}

async fn read(
    shared: &Shared,
    flow: FlowId,
    from: SocketAddr,
    mut reader: impl AsyncRead + Unpin,
    pong: mpsc::Sender<Out>,
) -> String {
    let mut framer = Framer::new(MAX_MESSAGE);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) => return "closed by the peer".into(),
            Ok(length) => framer.push(&buffer[..length]),
            Err(error) => return tls::plain(&error),
        }
        while let Some(frame) = framer.next() {
            match frame {
                Frame::Message(bytes) => shared.tell(NetEvent::Received { flow, from, bytes }).await,
                // RFC 5626 §4.4.1. With a full queue the peer sees that we live by what is in it.
                Frame::Ping => drop(pong.try_send(Out::Bytes(b"\r\n".to_vec()))),
                Frame::Pong => shared.tell(NetEvent::Received { flow, from, bytes: b"\r\n".to_vec() }).await,
                // Only the phone knows who may have an answer to it. A head that reads well without the body that it
                // lacks must not be taken for a message.
                Frame::Bad(error, head) => {
                    tracing::debug!(flow = flow.0, reason = ?error.reason, "bad message on a stream");
                    if Message::parse(&head).is_err() {
                        shared.tell(NetEvent::Received { flow, from, bytes: head }).await;
                    }
                }
                Frame::Broken(reason) => return reason,
            }
        }
    }
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut waiting: mpsc::Receiver<Out>) -> String {
    while let Some(Out::Bytes(bytes)) = waiting.recv().await {
        let written = async {
            writer.write_all(&bytes).await?;
            writer.flush().await // TLS keeps what it could not write
        };
        if let Err(error) = written.await {
            return tls::plain(&error);
        }
    }
    match writer.shutdown().await {
        Ok(()) => "closed by us".into(),
        Err(error) => error.to_string(),
    }
}
