//! One cpal stream, opened, kept and closed by a thread of its own: cpal waits for the sound server, nobody else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, DeviceId, ErrorKind, HostId, StreamConfig};
use rtrb::{Consumer, Producer, RingBuffer};

use super::callback::{Heard, Played, Vitals};
use super::directory::{Direction, Directory, Present};
use super::ring::{CAPACITY, RATE};

/// 10 ms a callback, asked for. What comes differs; nothing here depends on it.
const CONFIG: StreamConfig = StreamConfig { channels: 1, sample_rate: RATE, buffer_size: BufferSize::Fixed(480) };
/// cpal's own limit for making a stream.
const LIMIT: Duration = Duration::from_secs(2);
/// Streams that exist or hang at once. A sound server that leaves more than this hanging gets no new ones.
const MOST: usize = 64;

/// An open device. Dropping it closes it, elsewhere.
pub(super) struct Stream {
    pub ring: RingEnd,
    pub vitals: Arc<Vitals>,
    here: Arc<AtomicBool>,
    seen: Arc<AtomicBool>,
    _stop: SyncSender<()>,
}

impl Stream {
    /// The device is still that which was opened.
    pub(super) fn here(&self) -> bool {
        self.here.load(Ordering::Acquire)
    }

    /// It was seen there: sound passes.
    pub(super) fn seen(&self) -> bool {
        self.seen.load(Ordering::Acquire)
    }
}

/// Our end of the ring to the callback.
pub(super) enum RingEnd {
    Input(Consumer<i16>),
    Output(Producer<i16>),
}

/// A stream on its way.
pub(super) struct Opening(Receiver<Result<Stream, String>>);

impl Opening {
    /// None: not yet.
    pub(super) fn poll(&self) -> Option<Result<Stream, String>> {
        match self.0.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err("the thread that opens it died".into())),
        }
    }
}

/// Opens `present`; its callbacks carry sound only as long as it is here.
pub(super) fn open(directory: &Arc<Directory>, present: Present) -> Result<Opening, String> {
    if directory.streams.fetch_add(1, Ordering::Relaxed) >= MOST {
        directory.streams.fetch_sub(1, Ordering::Relaxed);
        return Err("too many streams hang in the sound server".into());
    }
    let (answer, opening) = sync_channel(1);
    let place = Place(directory.clone());
    let keep = move || {
        let stream = keep(&place.0, &present, &answer);
        place.0.closing.fetch_add(1, Ordering::Relaxed);
        drop(stream);
        place.0.closing.fetch_sub(1, Ordering::Relaxed);
    };
    std::thread::Builder::new().name("audio-stream".into()).spawn(keep).map_err(|e| e.to_string())?;
    Ok(Opening(opening))
}

/// Counts a stream until its thread has ended.
struct Place(Arc<Directory>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Opens a stream and holds it as long as it is wanted and its device is here; it is left to be closed.
fn keep(directory: &Directory, present: &Present, answer: &SyncSender<Result<Stream, String>>) -> Option<Keep> {
    let vitals = Arc::new(Vitals::default());
    let built = match present.direction {
        Direction::Input => build_input(present, &vitals),
        Direction::Output => build_output(present, &vitals),
    };
    let (keep, ring) = match built {
        Ok(built) => built,
        Err(error) => {
            let _ = answer.try_send(Err(error.to_string()));
            return None;
        }
    };
    directory.opened(present);
    let (stop, stopped) = sync_channel(0);
    // An answer that nobody takes is dropped with the channel, and `stop` with it.
    let taken = answer
        .try_send(Ok(Stream { ring, vitals, here: present.here.clone(), seen: present.seen.clone(), _stop: stop }))
        .is_ok();
    while taken
        && present.here.load(Ordering::Acquire)
        && stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout)
    {}
    directory.closed(present);
    Some(keep)
}

/// Dropped in this order.
struct Keep {
    _stream: cpal::Stream,
    _host: cpal::Host,
}

/// A fresh host and a fresh look-up: a `Device` and even a `Host` goes stale with the server.
fn look_up(present: &Present) -> Result<(cpal::Host, cpal::Device), cpal::Error> {
    let (host, name) = match present.id.split_once(':') {
        Some(("pulse", name)) => (HostId::PulseAudio, name),
        Some((_, name)) => (HostId::Alsa, name),
        None => return Err(ErrorKind::InvalidInput.into()),
    };
    let id = DeviceId::new(host, name);
    let host = cpal::host_from_id(host)?;
    let device = host.device_by_id(&id).ok_or(ErrorKind::DeviceNotAvailable)?;
    Ok((host, device))
}

fn build_input(present: &Present, vitals: &Arc<Vitals>) -> Result<(Keep, RingEnd), cpal::Error> {
    let (host, device) = look_up(present)?;
    let (ring, consumer) = RingBuffer::new(CAPACITY);
    let mut heard = Heard { ring, here: present.here.clone(), seen: present.seen.clone(), vitals: vitals.clone() };
    let heard = move |pcm: &[i16], _: &cpal::InputCallbackInfo| heard.take(pcm);
    let stream = device.build_input_stream(CONFIG, heard, on_error(vitals), Some(LIMIT))?;
    stream.play()?;
    Ok((Keep { _stream: stream, _host: host }, RingEnd::Input(consumer)))
}

fn build_output(present: &Present, vitals: &Arc<Vitals>) -> Result<(Keep, RingEnd), cpal::Error> {
    let (host, device) = look_up(present)?;
    let (producer, ring) = RingBuffer::new(CAPACITY);
    let mut played = Played { ring, here: present.here.clone(), seen: present.seen.clone(), vitals: vitals.clone() };
    let play = move |pcm: &mut [i16], _: &cpal::OutputCallbackInfo| played.fill(pcm);
    let stream = device.build_output_stream(CONFIG, play, on_error(vitals), Some(LIMIT))?;
    stream.play()?;
    Ok((Keep { _stream: stream, _host: host }, RingEnd::Output(producer)))
}

fn on_error(vitals: &Arc<Vitals>) -> impl FnMut(cpal::Error) + Send + 'static {
    let vitals = vitals.clone();
    move |error| {
        if !matches!(error.kind(), ErrorKind::Xrun | ErrorKind::RealtimeDenied) {
            vitals.failed.store(true, Ordering::Relaxed);
        }
    }
}
