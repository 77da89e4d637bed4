//! What a microphone gives, made clean: the echo of a loudspeaker is taken out of it, steady noise turned down, its level evened.
//! One instance a pair of devices. It runs on the microphone's thread, never in a callback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rtrb::Consumer;
use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, MaxProcessingRate, NoiseSuppression as Suppression,
    NoiseSuppressionLevel, Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use super::ring::{CAPACITY, RATE, slip};
use crate::ua::settings::{Cleaning, NoiseSuppression};

/// 10 ms: what is processed at once.
const BLOCK: usize = RATE as usize / 100;
/// From a sample's way into the loudspeaker's ring to its echo's out of the microphone's, ms: where the search begins.
const DELAY: i32 = 60;

/// What a loudspeaker plays, from the moment that it is written for the card, and how much of it the card has not taken yet.
pub(super) type FarEnd = (Consumer<i16>, Arc<AtomicUsize>);

/// What a session wants of its microphone, and the loudspeaker beside it (its lane's name), where there is a real one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wish {
    pub cleaning: Cleaning,
    pub beside: Option<String>,
}

/// Those of one microphone: one a loudspeaker and wish, however many sessions share it.
#[derive(Default)]
pub(super) struct Cleaners(Vec<(Wish, Cleaner)>);

impl Cleaners {
    /// There is one for that wish from now on; `far` serves it, if it is new.
    pub(super) fn join(&mut self, wish: &Wish, far: Option<FarEnd>) {
        if !self.0.iter().any(|(known, _)| known == wish) {
            self.0.push((wish.clone(), Cleaner::new(wish.cleaning, far)));
        }
    }

    /// Forgets those that nobody wants.
    pub(super) fn keep(&mut self, wanted: impl Fn(&Wish) -> bool) {
        self.0.retain(|(wish, _)| wanted(wish));
    }

    /// What the microphone gave in this turn, as each wish has it.
    pub(super) fn clean(&mut self, heard: &[i16], mut give: impl FnMut(&Wish, &[i16])) {
        self.0.iter_mut().for_each(|(wish, cleaner)| give(wish, cleaner.clean(heard)));
    }

    /// The microphone is away.
    pub(super) fn pause(&mut self) {
        self.0.iter_mut().for_each(|(_, cleaner)| cleaner.pause());
    }
}

/// Cleans one microphone beside one loudspeaker.
pub(super) struct Cleaner {
    processing: AudioProcessing,
    far: Option<Far>,
    /// The block that is not full yet.
    near: Vec<i16>,
    clean: Vec<i16>,
}

impl Cleaner {
    /// `far` has what the loudspeaker plays, from the moment that it is written for it.
    pub(super) fn new(cleaning: Cleaning, far: Option<FarEnd>) -> Cleaner {
        let level = match cleaning.noise_suppression {
            NoiseSuppression::Off => None,
            NoiseSuppression::Low => Some(NoiseSuppressionLevel::Low),
            NoiseSuppression::Moderate => Some(NoiseSuppressionLevel::Moderate),
            NoiseSuppression::High => Some(NoiseSuppressionLevel::High),
        };
        let gain = || GainController2 { adaptive_digital: Some(AdaptiveDigital::default()), ..Default::default() };
        let config = Config {
            pipeline: Pipeline {
                maximum_internal_processing_rate: MaxProcessingRate::Rate32kHz,
                ..Pipeline::default()
            },
            echo_canceller: cleaning.echo_cancellation.then(EchoCanceller::default),
            noise_suppression: level.map(|level| Suppression { level, ..Default::default() }),
            gain_controller2: cleaning.gain_control.then(gain),
            ..Config::default()
        };
        let mono = StreamConfig::new(RATE, 1);
        let mut processing = AudioProcessing::builder().config(config).capture_config(mono).render_config(mono).build();
        // Within its bounds: nothing is refused.
        let _ = processing.set_stream_delay_ms(DELAY);
        let (near, clean) = (Vec::with_capacity(BLOCK), Vec::with_capacity(CAPACITY));
        Cleaner { processing, far: far.map(Far::new), near, clean }
    }

    /// Takes what the microphone gave in this turn, and gives what is whole of it by now.
    pub(super) fn clean(&mut self, heard: &[i16]) -> &[i16] {
        if let Some(far) = &mut self.far {
            far.play(&mut self.processing, heard.len());
        }
        self.clean.clear();
        let mut heard = heard;
        while !heard.is_empty() {
            let (now, later) = heard.split_at(heard.len().min(BLOCK - self.near.len()));
            self.near.extend_from_slice(now);
            heard = later;
            if self.near.len() == BLOCK {
                let mut block = [0; BLOCK];
                match self.processing.process_capture_i16(&self.near, &mut block) {
                    Ok(()) => self.clean.extend_from_slice(&block),
                    Err(_) => self.clean.extend_from_slice(&self.near),
                }
                self.near.clear();
            }
        }
        &self.clean
    }

    /// The microphone is away: what is played meanwhile has no echo.
    pub(super) fn pause(&mut self) {
        self.near.clear();
        if let Some(far) = &mut self.far {
            far.forget();
        }
    }
}

/// What the loudspeaker plays, on its way to the canceller.
struct Far {
    ring: Consumer<i16>,
    waiting: Arc<AtomicUsize>,
    drift: Drift,
    block: [i16; BLOCK + 1],
    taken: i64,
}

impl Far {
    fn new((ring, waiting): FarEnd) -> Far {
        Far { ring, waiting, drift: Drift::default(), block: [0; BLOCK + 1], taken: 0 }
    }

    /// All that has come by now; the microphone gave `heard` samples meanwhile.
    fn play(&mut self, processing: &mut AudioProcessing, heard: usize) {
        // More may be laid out for the card than before: that moves no echo.
        let waiting = self.waiting.load(Ordering::Relaxed) as i64;
        self.drift.note(self.taken + self.ring.slots() as i64 - waiting, heard);
        loop {
            let wanted = (BLOCK as i64 + self.drift.due()) as usize;
            let block = &mut self.block[..wanted];
            if self.ring.slots() < wanted || self.ring.pop_entire_slice(block).is_err() {
                return;
            }
            self.taken += wanted as i64;
            self.drift.slipped(wanted as i64 - BLOCK as i64);
            let (mut far, mut played) = ([0; BLOCK], [0; BLOCK]);
            if wanted == BLOCK {
                far.copy_from_slice(block);
            } else {
                slip(block, &mut far);
            }
            let _ = processing.process_render_i16(&far, &mut played);
        }
    }

    fn forget(&mut self) {
        if let Ok(chunk) = self.ring.read_chunk(self.ring.slots()) {
            chunk.commit_all();
        }
        (self.drift, self.taken) = (Drift::default(), 0);
    }
}

/// Two cards have two clocks: so that an echo stays where the canceller has found it, the loudspeaker's samples are made as many
/// as the microphone's.
#[derive(Default)]
struct Drift {
    turns: u32,
    heard: i64,
    /// By how many samples the loudspeaker is ahead: at the beginning, and smoothed over 10 s.
    base: f64,
    ahead: f64,
    slips: i64,
    blocks: u32,
}

impl Drift {
    /// Turns before it is known how far ahead the loudspeaker usually is: 3 s.
    const SETTLED: u32 = 300;
    /// Blocks from one slip to the next: 0.02 %, more than two cards differ.
    const BETWEEN: u32 = 10;
    /// What is not worth a slip, and what is no drift but a gap: the canceller looks for the echo anew then.
    const NOTHING: f64 = 16.0;
    const GAP: f64 = 1_440.0;

    fn note(&mut self, played: i64, heard: usize) {
        self.heard += heard as i64;
        self.turns = self.turns.saturating_add(1);
        let now = (played - self.heard) as f64;
        self.ahead += (now - self.ahead) / f64::from(self.turns.min(1_000));
        if self.turns == Self::SETTLED || self.off().abs() > Self::GAP {
            self.base = self.ahead - self.slips as f64;
        }
    }

    fn off(&self) -> f64 {
        if self.turns < Self::SETTLED { 0.0 } else { self.ahead - self.slips as f64 - self.base }
    }

    /// Samples that the next block takes beyond its length.
    fn due(&self) -> i64 {
        match self.off() {
            _ if self.blocks < Self::BETWEEN => 0,
            off if off > Self::NOTHING => 1,
            off if off < -Self::NOTHING => -1,
            _ => 0,
        }
    }

    fn slipped(&mut self, samples: i64) {
        self.slips += samples;
        self.blocks = if samples == 0 { self.blocks.saturating_add(1) } else { 0 };
    }
}

#[cfg(test)]
mod tests;
