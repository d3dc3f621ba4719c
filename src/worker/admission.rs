//! Admission of jobs: a job starts only where the memory and the scratch space that it is likely to need are free.
//!
//! Needs are estimated from the work and from what is known of the source, then corrected by what jobs of the same kind
//! were seen to use. **Invariant**: what is admitted together is estimated to fit; first come, first served; a job that
//! alone needs more than there is runs alone rather than never.
//!
//! Deliberately absent: enforcing it. A job that outgrows its estimate is not stopped by this module.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::media::MediaInfo;
use crate::model::work::{FrameRate, MediaOutput, Output, RateControl, Size, Video, VideoEncode, Work};

/// Permits are mebibytes: a semaphore holds at most 2^61 of them, and takes 2^32 at once.
const UNIT: u64 = 1 << 20;

/// Memory of a worker besides pictures: code, libraries, packets, threads.
const BASE_MEMORY: u64 = 160 << 20;
/// Pictures that an encode holds: decoder, filters, queues, and an encoder's lookahead and references.
const PICTURES: u64 = 90;
/// Bytes of a 4:2:0 picture of 8 bits per pixel, in halves.
const HALF_BYTES_PER_PIXEL: u64 = 3;
/// Bits per pixel of video of constant quality, a generous guess.
const BITS_PER_PIXEL: f64 = 0.15;
/// Bits per second of audio, a generous guess.
const AUDIO_BPS: f64 = 256_000.0;
/// Frames per second where nothing is known.
const FRAME_RATE: f64 = 30.0;
/// Pixels of a picture where nothing is known.
const PIXELS: u64 = 1920 * 1080;
/// Scratch space of snapshots, in bytes.
const SNAPSHOT: u64 = 16 << 20;
/// Weight of a new observation in a correction.
const LEARNING: f64 = 0.2;
/// Bounds of a correction.
const CORRECTION: std::ops::RangeInclusive<f64> = 0.2..=8.0;

/// Estimated need of a job in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Memory.
    pub memory: u64,
    /// Scratch space.
    pub scratch: u64,
}

/// Decides which jobs may start.
#[derive(Clone, Debug)]
pub struct Admission {
    memory: Budget,
    scratch: Budget,
    corrections: Arc<Mutex<HashMap<&'static str, (f64, f64)>>>,
}

#[derive(Clone, Debug)]
struct Budget {
    total: u32,
    free: Arc<Semaphore>,
}

impl Budget {
    fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Self { total, free: Arc::new(Semaphore::new(total as usize)) }
    }

    /// Waits until so much is free; everything, where it is more than there is.
    async fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.total);
        Arc::clone(&self.free).acquire_many_owned(wanted).await.ok()
    }
}

/// A job that was admitted; dropping it makes room.
#[derive(Debug)]
pub struct AdmissionGuard {
    kind: &'static str,
    estimate: Need,
    corrections: Arc<Mutex<HashMap<&'static str, (f64, f64)>>>,
    _room: (Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>),
}

impl Admission {
    /// With so much to give away.
    #[must_use]
    pub fn new(total: Need) -> Self {
        Self { memory: Budget::new(total.memory), scratch: Budget::new(total.scratch), corrections: Arc::default() }
    }

    /// Waits until `estimate` is free, corrected by the use of earlier jobs of this kind.
    pub async fn admit(&self, kind: &'static str, estimate: Need) -> AdmissionGuard {
        let (memory, scratch) = *self.learned().get(kind).unwrap_or(&(1.0, 1.0));
        let needed = Need { memory: scaled(estimate.memory, memory), scratch: scaled(estimate.scratch, scratch) };
        // Always in this order, so that two jobs cannot wait for each other.
        let room = (self.memory.take(needed.memory).await, self.scratch.take(needed.scratch).await);
        AdmissionGuard { kind, estimate, corrections: Arc::clone(&self.corrections), _room: room }
    }

    /// Scratch space that admitted jobs are estimated to need, and how much there is to give away, in bytes.
    #[must_use]
    pub fn scratch(&self) -> (u64, u64) {
        let total = u64::from(self.scratch.total);
        (total.saturating_sub(self.scratch.free.available_permits() as u64) * UNIT, total * UNIT)
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, (f64, f64)>> {
        self.corrections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AdmissionGuard {
    /// Records the use of the job; the next estimates of its kind learn from it.
    pub fn used(&self, used: Need) {
        let mut corrections = self.corrections.lock().unwrap_or_else(PoisonError::into_inner);
        let (memory, scratch) = corrections.entry(self.kind).or_insert((1.0, 1.0));
        learn(memory, self.estimate.memory, used.memory);
        learn(scratch, self.estimate.scratch, used.scratch);
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn learn(correction: &mut f64, estimate: u64, used: u64) {
    if estimate > 0 && used > 0 {
        let seen = (used as f64 / estimate as f64).clamp(*CORRECTION.start(), *CORRECTION.end());
        *correction += LEARNING * (seen - *correction);
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
fn scaled(bytes: u64, by: f64) -> u64 {
    (bytes as f64 * by) as u64
}

/// Returns the estimated need of `work` over inputs of `input_bytes` in all; `media` describes the first one.
#[must_use]
pub fn estimate(work: &Work, input_bytes: u64, media: Option<&MediaInfo>) -> Need {
    match work {
        Work::Package(_) => Need { memory: BASE_MEMORY, scratch: input_bytes + input_bytes / 16 },
        Work::Pipeline(pipeline) => {
            let outputs = pipeline.outputs.iter().map(|output| match output {
                Output::Snapshot(_) => Need { memory: pictures(source_pixels(media)) / 4, scratch: SNAPSHOT },
                Output::Analysis(analysis) if analysis.reads_headers() => Need::default(),
                Output::Analysis(_) => Need { memory: pictures(source_pixels(media)) / 4, scratch: 0 },
                Output::Media(output) => media_output(output, input_bytes, media),
            });
            outputs.fold(Need { memory: BASE_MEMORY, scratch: 0 }, |sum, need| Need {
                memory: sum.memory.saturating_add(need.memory),
                scratch: sum.scratch.saturating_add(need.scratch),
            })
        }
    }
}

/// Returns the need of one worker that does what alone would need these: the program and the decoder are there once.
#[must_use]
pub fn together(needs: &[Need]) -> Need {
    let common = BASE_MEMORY * (needs.len() as u64).saturating_sub(1);
    let sum = |of: fn(&Need) -> u64| needs.iter().map(of).fold(0_u64, u64::saturating_add);
    Need { memory: sum(|need| need.memory).saturating_sub(common), scratch: sum(|need| need.scratch) }
}

fn media_output(output: &MediaOutput, input_bytes: u64, media: Option<&MediaInfo>) -> Need {
    let copied = Need { memory: 0, scratch: input_bytes + input_bytes / 16 };
    let Some(Video::Encode(encode)) = &output.video else { return copied };
    let pixels = target_pixels(encode.size, media);
    let memory = pictures(pixels);
    let known = media.filter(|_| output.parts.is_empty());
    let Some(duration) = known.and_then(|media| media.format.duration_s) else { return Need { memory, ..copied } };
    let rate = match encode.rate_control {
        RateControl::Crf { maxrate_bps: Some(rate), .. }
        | RateControl::Abr { bitrate_bps: rate, .. }
        | RateControl::Cbr { bitrate_bps: rate, .. } => lossy(rate),
        RateControl::Crf { maxrate_bps: None, .. } => lossy(pixels) * frame_rate(encode, media) * BITS_PER_PIXEL,
    };
    Need { memory, scratch: bytes((rate + AUDIO_BPS) * duration / 8.0 * 1.1) }
}

const fn pictures(pixels: u64) -> u64 {
    (pixels.saturating_mul(HALF_BYTES_PER_PIXEL) / 2).saturating_mul(PICTURES)
}

fn source_pixels(media: Option<&MediaInfo>) -> u64 {
    let video = media.and_then(|media| media.video.first());
    video.map_or(PIXELS, |video| u64::from(video.width) * u64::from(video.height))
}

fn target_pixels(size: Size, media: Option<&MediaInfo>) -> u64 {
    let source = source_pixels(media);
    let square = |side: u32| u64::from(side) * u64::from(side);
    match size {
        Size::ShortSide(side) => square(side) * 16 / 9,
        Size::LongSide(side) => square(side) * 9 / 16,
        Size::Box { width: Some(width), height: Some(height) } => u64::from(width) * u64::from(height),
        Size::Box { width: Some(side), .. } | Size::Box { height: Some(side), .. } => square(side),
        Size::Source | Size::Box { .. } => source,
    }
}

fn frame_rate(encode: &VideoEncode, media: Option<&MediaInfo>) -> f64 {
    let of = |ratio: crate::model::media::Ratio| f64::from(ratio.num) / f64::from(ratio.den.max(1));
    let source = media.and_then(|media| media.video.first()).map(|video| video.frame_rate).filter(|rate| *rate > 0.0);
    match encode.frame_rate {
        FrameRate::Fixed(rate) => of(rate),
        FrameRate::Max(rate) => source.map_or(of(rate), |source| source.min(of(rate))),
        FrameRate::Source => source.unwrap_or(FRAME_RATE),
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
const fn lossy(n: u64) -> f64 {
    n as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate, and never negative")]
const fn bytes(n: f64) -> u64 {
    n as u64
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::model::work::Analysis;

    fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }

    const fn mib(memory: u64, scratch: u64) -> Need {
        Need { memory: memory * UNIT, scratch: scratch * UNIT }
    }

    #[test]
    fn field_case_10_what_is_admitted_together_fits_and_what_is_too_large_runs_alone() {
        let admission = Admission::new(mib(1_000, 100));
        let first = ready(admission.admit("transcode", mib(600, 10))).expect("there is room");
        assert!(ready(admission.admit("transcode", mib(600, 10))).is_none(), "too little memory");
        let second = ready(admission.admit("remux", mib(100, 80))).expect("there is room");
        assert!(ready(admission.admit("remux", mib(100, 80))).is_none(), "too little scratch");
        drop((first, second));
        let huge = ready(admission.admit("transcode", mib(9_999, 9_999))).expect("it runs alone");
        assert!(ready(admission.admit("analysis", mib(1, 0))).is_none());
        drop(huge);
        assert!(ready(admission.admit("analysis", mib(1, 0))).is_some());
    }

    #[test]
    fn estimates_learn_from_what_was_used() {
        let admission = Admission::new(mib(1_000, 1_000));
        for _ in 0..40 {
            let admitted = ready(admission.admit("transcode", mib(100, 100))).unwrap();
            admitted.used(mib(400, 50));
        }
        let _held = ready(admission.admit("transcode", mib(200, 100))).expect("corrected to about 800");
        assert!(ready(admission.admit("transcode", mib(100, 0))).is_none(), "corrected to about 400");
        assert!(ready(admission.admit("remux", mib(100, 900))).is_some(), "others are not corrected");
    }

    #[test]
    fn an_analysis_needs_no_scratch() {
        assert_eq!(estimate(&Work::one(Output::Analysis(Analysis::default())), 1 << 40, None).scratch, 0);
    }
}
