//! The `webrtc` crate itself as the peer: a whole peer connection of another maker's answers our offer and offers to us. A tone is heard
//! both ways by samples, DTLS in both roles, the search begun anew by either side.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test meets the clock and the system")]

mod common;
mod media_support;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::tone::Sound;
use common::wait::{poll, secs};
use media_support::{Phone, amplitude};
use phoned::sdp::{CodecKind, Direction, Encryption, LocalSide, SessionDescription};
use phoned::ua::io::SessionId;
use phoned::ua::media::{LocalMedia, MediaCommand, MediaEvent};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_PCMU, MediaEngine};
use rtc::peer_connection::configuration::{RTCConfigurationBuilder, RTCOfferOptions};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::runtime::Runtime;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
};
use webrtc::runtime::default_runtime;

const SSRC: u32 = 77_777;

/// What the peer's connection tells of itself.
#[derive(Default)]
struct Told {
    gathered: bool,
    state: Option<RTCPeerConnectionState>,
    heard: VecDeque<i16>,
}

#[derive(Clone, Default)]
struct Ears(Arc<Mutex<Told>>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Ears {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.0.lock().unwrap().gathered |= state == RTCIceGatheringState::Complete;
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.0.lock().unwrap().state = Some(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let told = self.0.clone();
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
                let mut told = told.lock().unwrap();
                told.heard.extend(packet.payload.iter().map(|byte| audio_codec_algorithms::decode_ulaw(*byte)));
                let old = told.heard.len().saturating_sub(8_000);
                told.heard.drain(..old);
            }
        });
    }
}

/// A peer connection that speaks PCMU and plays 700 Hz.
struct Peer {
    runtime: Runtime,
    connection: Arc<dyn PeerConnection>,
    ears: Ears,
}

impl Peer {
    fn new() -> Peer {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ears = Ears::default();
        let (connection, track) = runtime.block_on(connection(ears.clone()));
        runtime.spawn(play(track, ears.clone()));
        Peer { runtime, connection, ears }
    }

    fn until(&self, what: &str, is_true: impl Fn(&Told) -> bool) {
        let end = std::time::Instant::now() + Duration::from_secs(30);
        while !is_true(&self.ears.0.lock().unwrap()) {
            assert!(
                std::time::Instant::now() < end,
                "the peer is never {what}: {:?}",
                self.ears.0.lock().unwrap().state
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its own description, with its addresses.
    fn describe(&self, description: RTCSessionDescription) -> String {
        self.ears.0.lock().unwrap().gathered = false;
        self.runtime.block_on(self.connection.set_local_description(description)).unwrap();
        let gathered = || self.runtime.block_on(self.connection.local_description()).unwrap().sdp;
        let end = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            let text = gathered();
            if self.ears.0.lock().unwrap().gathered || std::time::Instant::now() > end {
                return text;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn offer(&self, restart: bool) -> String {
        let options = RTCOfferOptions { ice_restart: restart };
        let offer = self.runtime.block_on(self.connection.create_offer(Some(options))).unwrap();
        self.describe(offer)
    }

    fn answer(&self, offer: String) -> String {
        self.hear(RTCSessionDescription::offer(offer).unwrap());
        let answer = self.runtime.block_on(self.connection.create_answer(None)).unwrap();
        self.describe(answer)
    }

    fn hear(&self, description: RTCSessionDescription) {
        self.runtime.block_on(self.connection.set_remote_description(description)).unwrap();
    }

    /// From now on it hears this, and clearly.
    fn hears(&self, hz: f64) {
        self.ears.0.lock().unwrap().heard.clear();
        let loud = |told: &Told| {
            let pcm: Vec<i16> = told.heard.iter().copied().collect();
            pcm.len() >= 8_000 && amplitude(&pcm, 8_000, hz) > 2_000.0
        };
        self.until(&format!("hearing {hz} Hz"), loud);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.runtime.block_on(self.connection.close());
    }
}

async fn connection(ears: Ears) -> (Arc<dyn PeerConnection>, Arc<TrackLocalStaticRTP>) {
    let codec = RTCRtpCodec {
        mime_type: MIME_TYPE_PCMU.to_owned(),
        clock_rate: 8_000,
        channels: 0,
        sdp_fmtp_line: String::new(),
        rtcp_feedback: vec![],
    };
    let mut engine = MediaEngine::default();
    let parameters = RTCRtpCodecParameters { rtp_codec: codec.clone(), payload_type: 0 };
    engine.register_codec(parameters, RtpCodecKind::Audio).unwrap();
    let registry = register_default_interceptors(rtc::interceptor::Registry::new(), &mut engine).unwrap();
    let connection = PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_media_engine(engine)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(ears))
        .with_runtime(default_runtime().unwrap())
        .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
        .build()
        .await
        .unwrap();
    let coding = RTCRtpCodingParameters { ssrc: Some(SSRC), ..Default::default() };
    let encodings = vec![RTCRtpEncodingParameters { rtp_coding_parameters: coding, codec, ..Default::default() }];
    let (stream, name) = ("stream".to_owned(), "tone".to_owned());
    let track = MediaStreamTrack::new(stream, name.clone(), name, RtpCodecKind::Audio, encodings);
    let track = Arc::new(TrackLocalStaticRTP::new(track));
    connection.add_track(track.clone() as Arc<dyn TrackLocal>).await.unwrap();
    (Arc::new(connection), track)
}

/// A packet each 20 ms once it is connected.
async fn play(track: Arc<TrackLocalStaticRTP>, ears: Ears) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let mut packet = rtc::rtp::packet::Packet::default();
    loop {
        tick.tick().await;
        if ears.0.lock().unwrap().state != Some(RTCPeerConnectionState::Connected) {
            continue;
        }
        let header = &mut packet.header;
        (header.version, header.payload_type, header.ssrc) = (2, 0, SSRC);
        header.sequence_number = header.sequence_number.wrapping_add(1);
        header.timestamp = header.timestamp.wrapping_add(160);
        let from = header.timestamp;
        let sample = |n: u32| f64::from(from + n) * 700.0 * std::f64::consts::TAU / 8_000.0;
        let pcm = (0..160).map(|n| audio_codec_algorithms::encode_ulaw((sample(n).sin() * 10_000.0) as i16));
        packet.payload = pcm.collect::<Vec<u8>>().into();
        if track.write_rtp(packet.clone()).await.is_err() {
            return;
        }
    }
}

/// Our end: a session that plays 440 Hz and writes what it hears.
struct Ours {
    phone: Phone,
    side: LocalSide,
    dir: tempfile::TempDir,
}

fn read(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes()).unwrap()
}

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("no {start} in\n{text}"))
}

impl Ours {
    fn new() -> Ours {
        let (mut phone, dir) = (Phone::new(), tempfile::tempdir().unwrap());
        let output = format!("file:{}", dir.path().join("heard.wav").display());
        let (local_ip, input) = ([127, 0, 0, 1].into(), "tone:440".to_owned());
        phone.tell(1, MediaCommand::Open { local_ip, input, output, ice: true });
        let local = gathered(&mut phone);
        let side = LocalSide::new(local.rtp, 1, vec![CodecKind::Pcmu])
            .encrypted(Encryption::Off, local.seed.clone())
            .with_dtls(local.dtls.clone(), true)
            .with_sources(local.ssrc, local.video_ssrc, local.cname.clone());
        Ours { phone, side, dir }
    }

    /// Offers, and takes the peer's answer.
    fn calls(&mut self, peer: &Peer) -> (String, String) {
        let offer = self.side.offer(Direction::SendRecv);
        let answer = peer.answer(offer.clone());
        let negotiated = self.side.accept(&read(&answer), Direction::SendRecv).unwrap();
        self.phone.tell(1, MediaCommand::Remote(negotiated));
        (offer, answer)
    }

    /// Answers the peer's offer.
    fn called(&mut self, peer: &Peer, restart: bool) -> (String, String) {
        let offer = peer.offer(restart);
        let (answer, negotiated) = self.side.answer(&read(&offer), Direction::SendRecv).unwrap();
        self.phone.tell(1, MediaCommand::Remote(negotiated));
        peer.hear(RTCSessionDescription::answer(answer.clone()).unwrap());
        (offer, answer)
    }

    /// Both hear each other, from now on.
    fn talk(&mut self, peer: &Peer) {
        peer.until("connected", |told| told.state == Some(RTCPeerConnectionState::Connected));
        peer.hears(440.0);
        self.phone.pass(1.2);
        let last = || Sound::read(&self.dir.path().join("heard.wav")).unwrap().last(1.0);
        let last = poll(secs(20), || Some(last()).filter(|last| last.has_tone(700.0))).unwrap_or_else(last);
        assert!(last.has_tone(700.0), "we hear the peer: level {}, share {}", last.level(), last.share(700.0));
    }
}

fn gathered(phone: &mut Phone) -> LocalMedia {
    match phone.wait(1, 20.0, |event| matches!(event, MediaEvent::Local(_))) {
        Some(MediaEvent::Local(local)) => local,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_answers_and_either_side_begins_the_search_anew() {
    let (mut ours, peer) = (Ours::new(), Peer::new());
    let (first, answer) = ours.calls(&peer);
    assert!(line(&answer, "a=setup:").contains("active"), "we are the DTLS server: {answer}");
    ours.talk(&peer);
    // By us: our address is another one.
    ours.phone.tell(1, MediaCommand::Move { local_ip: [127, 0, 0, 2].into(), ice: true });
    let local = gathered(&mut ours.phone);
    ours.side.move_to(local.rtp, local.dtls.ice);
    let (second, again) = ours.calls(&peer);
    assert!(second.contains(" 127.0.0.2 ") && !second.contains(" 127.0.0.1 "), "{second}");
    assert_ne!(line(&first, "a=ice-ufrag:"), line(&second, "a=ice-ufrag:"));
    assert_ne!(line(&answer, "a=ice-ufrag:"), line(&again, "a=ice-ufrag:"), "it has begun anew");
    assert_eq!(line(&first, "a=fingerprint:"), line(&second, "a=fingerprint:"));
    ours.talk(&peer);
    // By the peer.
    let (theirs, ours_again) = ours.called(&peer, true);
    assert_ne!(line(&theirs, "a=ice-ufrag:"), line(&again, "a=ice-ufrag:"));
    assert_ne!(line(&ours_again, "a=ice-ufrag:"), line(&second, "a=ice-ufrag:"));
    ours.talk(&peer);
    let paths = ours.phone.past.iter().filter_map(|(id, event)| match event {
        MediaEvent::Path(facts) if *id == SessionId(1) => Some(facts.dtls.as_str()),
        _ => None,
    });
    let mut since = paths.skip_while(|dtls| *dtls != "connected");
    assert!(since.all(|dtls| dtls == "connected"), "one handshake served all paths");
}

#[test]
fn it_offers_and_is_heard() {
    let (mut ours, peer) = (Ours::new(), Peer::new());
    let (offer, answer) = ours.called(&peer, false);
    assert!(offer.contains("a=setup:actpass") && answer.contains("a=setup:active"), "we are the DTLS client: {answer}");
    ours.talk(&peer);
}
