//! The sound files: WAV or Ogg/Opus (RFC 7845), two channels. Whatever was flushed plays, also after a crash.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use ogg::{PacketWriteEndInfo, PacketWriter};
use serde::{Deserialize, Serialize};

/// Bytes of a frame: 16 bit, two channels.
const FRAME: u64 = 4;
/// A WAV file's sizes have 32 bits.
const WAV_LIMIT: u64 = 0xffff_0000;
/// What Opus may use, bit/s.
const BITRATE: i32 = 64_000;
/// Opus packets of 20 ms a page of 500 ms.
const PAGE: u32 = 25;
/// The granule clock of Opus, Hz.
const GRANULE: u64 = 48_000;
/// The longest Ogg page, bytes.
const LONGEST_PAGE: u64 = 65_307;

/// How sound is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// 16 bit PCM.
    #[default]
    Wav,
    /// Opus in Ogg.
    Ogg,
}

impl Format {
    /// `wav` or `ogg`: the file's extension.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Wav => "wav",
            Format::Ogg => "ogg",
        }
    }
}

/// A sound file being written.
pub(super) enum Sound {
    Wav { wav: WavWriter<BufWriter<File>>, bytes: u64 },
    Ogg(Box<OggOpus>),
}

/// An Ogg/Opus file being written.
pub(super) struct OggOpus {
    pages: PacketWriter<'static, BufWriter<File>>,
    encoder: opus::Encoder,
    /// Interleaved, what does not fill a packet yet.
    rest: Vec<i16>,
    packet: Vec<u8>,
    rate: u64,
    skip: u64,
    frames: u64,
    encoded: u64,
    in_page: u32,
}

impl Sound {
    /// Begins a file; its head is on the disk afterwards.
    pub fn begin(file: File, format: Format, rate: u32) -> io::Result<Sound> {
        match format {
            Format::Wav => {
                let spec =
                    WavSpec { channels: 2, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
                let mut wav = WavWriter::new(BufWriter::new(file), spec).map_err(wav_error)?;
                wav.flush().map_err(wav_error)?;
                Ok(Sound::Wav { wav, bytes: 0 })
            }
            Format::Ogg => Ok(Sound::Ogg(Box::new(OggOpus::begin(file, rate)?))),
        }
    }

    /// Interleaved samples.
    pub fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        match self {
            Sound::Wav { wav, bytes } => {
                *bytes += 2 * samples.len() as u64;
                if *bytes > WAV_LIMIT {
                    return Err(io::Error::other("a WAV file cannot be longer (4 GB); format ogg can"));
                }
                samples.iter().try_for_each(|sample| wav.write_sample(*sample)).map_err(wav_error)
            }
            Sound::Ogg(ogg) => ogg.write(samples),
        }
    }

    /// Gives everything to the kernel, so that the file plays up to here. Ogg does so with each page.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Sound::Wav { wav, .. } => wav.flush().map_err(wav_error),
            Sound::Ogg(_) => Ok(()),
        }
    }

    /// Ends the file.
    pub fn finish(self) -> io::Result<()> {
        match self {
            Sound::Wav { wav, .. } => wav.finalize().map_err(wav_error),
            Sound::Ogg(ogg) => ogg.finish(),
        }
    }
}

impl OggOpus {
    fn begin(file: File, rate: u32) -> io::Result<OggOpus> {
        let mut encoder =
            opus::Encoder::new(rate, opus::Channels::Stereo, opus::Application::Voip).map_err(io::Error::other)?;
        encoder.set_bitrate(opus::Bitrate::Bits(BITRATE)).map_err(io::Error::other)?;
        encoder.set_complexity(5).map_err(io::Error::other)?;
        let ahead = encoder.get_lookahead().map_err(io::Error::other)?;
        let skip = u64::from(ahead.unsigned_abs()) * GRANULE / u64::from(rate);
        let mut pages = PacketWriter::new(BufWriter::new(file));
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend((skip as u16).to_le_bytes());
        head.extend(rate.to_le_bytes());
        head.extend([0, 0, 0]);
        let vendor = concat!("phoned ", env!("CARGO_PKG_VERSION")).as_bytes();
        let mut tags = b"OpusTags".to_vec();
        tags.extend((vendor.len() as u32).to_le_bytes());
        tags.extend(vendor);
        tags.extend(0u32.to_le_bytes());
        pages.write_packet(head, 1, PacketWriteEndInfo::EndPage, 0)?;
        pages.write_packet(tags, 1, PacketWriteEndInfo::EndPage, 0)?;
        pages.inner_mut().flush()?;
        Ok(OggOpus {
            pages,
            encoder,
            rest: Vec::new(),
            packet: vec![0; 4_000],
            rate: u64::from(rate),
            skip,
            frames: 0,
            encoded: 0,
            in_page: 0,
        })
    }

    fn write(&mut self, samples: &[i16]) -> io::Result<()> {
        self.frames += samples.len() as u64 / 2;
        self.rest.extend_from_slice(samples);
        let packet = self.rate as usize / 50 * 2;
        while self.rest.len() >= packet {
            self.encode(packet, false)?;
        }
        Ok(())
    }

    /// One packet of so many samples, the file's last one or not.
    fn encode(&mut self, samples: usize, last: bool) -> io::Result<()> {
        let len = self.encoder.encode(&self.rest[..samples], &mut self.packet).map_err(io::Error::other)?;
        self.rest.drain(..samples);
        self.encoded += samples as u64 / 2;
        self.in_page += 1;
        let whole = self.encoded * GRANULE / self.rate;
        let (end, granule) = match (last, self.in_page >= PAGE) {
            (true, _) => (PacketWriteEndInfo::EndStream, whole.min(self.skip + self.frames * GRANULE / self.rate)),
            (false, true) => (PacketWriteEndInfo::EndPage, whole),
            (false, false) => (PacketWriteEndInfo::NormalPacket, whole),
        };
        self.pages.write_packet(self.packet[..len].to_vec(), 1, end, granule)?;
        if last || self.in_page >= PAGE {
            self.in_page = 0;
            self.pages.inner_mut().flush()?;
        }
        Ok(())
    }

    /// What is left, and as much silence as the encoder looks ahead.
    fn finish(mut self) -> io::Result<()> {
        let packet = self.rate as usize / 50 * 2;
        let wanted = self.frames + (self.skip * self.rate).div_ceil(GRANULE);
        loop {
            self.rest.resize(self.rest.len().max(packet), 0);
            let last = self.encoded + packet as u64 / 2 >= wanted;
            self.encode(packet, last)?;
            if last {
                return Ok(());
            }
        }
    }
}

/// Makes the head of a file that was not closed fit its length. Gives what it plays, ms.
pub fn repair(path: &Path, format: Format) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    match format {
        Format::Wav => repair_wav(&mut file),
        Format::Ogg => repair_ogg(&mut file),
    }
}

fn repair_wav(file: &mut File) -> io::Result<u64> {
    let wrong = || io::Error::other("not a WAV file of ours");
    let mut head = Vec::new();
    (&mut *file).take(256).read_to_end(&mut head)?;
    let at = head.windows(4).position(|id| id == b"data").ok_or_else(wrong)? + 8;
    let rate = head.get(24..28).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes).filter(|rate| *rate > 0);
    let rate = u64::from(rate.ok_or_else(wrong)?);
    let data = (file.metadata()?.len().saturating_sub(at as u64) / FRAME * FRAME).min(WAV_LIMIT);
    file.set_len(at as u64 + data)?;
    for (place, value) in [(4, at as u64 + data - 8), (at as u64 - 4, data)] {
        file.seek(SeekFrom::Start(place))?;
        file.write_all(&(value as u32).to_le_bytes())?;
    }
    Ok(data / FRAME * 1_000 / rate)
}

/// Cuts off the page that is not whole.
fn repair_ogg(file: &mut File) -> io::Result<u64> {
    let mut head = [0; 64];
    file.read_exact(&mut head)?;
    let skip = u64::from(u16::from_le_bytes([head[38], head[39]]));
    let len = file.metadata()?.len();
    let from = len.saturating_sub(3 * LONGEST_PAGE);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.read_to_end(&mut tail)?;
    for at in (0..tail.len().saturating_sub(27)).rev().filter(|at| tail[*at..].starts_with(b"OggS")) {
        let table = usize::from(tail[at + 26]);
        let Some(sizes) = tail.get(at + 27..at + 27 + table) else { continue };
        let end = at + 27 + table + sizes.iter().map(|size| usize::from(*size)).sum::<usize>();
        let Some(granule) = tail.get(at + 6..at + 14).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes) else {
            continue;
        };
        if end <= tail.len() {
            file.set_len(from + end as u64)?;
            return Ok(granule.saturating_sub(skip) * 1_000 / GRANULE);
        }
    }
    Err(io::Error::other("not an Ogg file of ours"))
}

fn wav_error(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    }
}
