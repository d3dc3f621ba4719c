//! What packets tell without being decoded: bit rate over time, and groups of pictures.
//!
//! **Invariant**: bounded by [`MAX_STEPS`] and one time for each frame of a group.

use ffmpeg_next::{Packet, Rational};
use reelmill::model::media::{BitrateOverTime, Gops};

use super::sweep::{MAX_STEPS, place};
use crate::libav;
use crate::pipeline::streams::Track;
use crate::probe::seconds;

/// Lengths of groups that differ by less are one length, in seconds.
const SAME_S: f64 = 0.002;

/// Counts packets.
pub struct Packets {
    video: Option<(usize, Rational)>,
    audio: Option<(usize, Rational)>,
    start_s: f64,
    step_s: f64,
    bytes: [Vec<u64>; 2],
    end_s: f64,
    /// Moments of keyframes, and frames that came before each.
    keys: Vec<(f64, u64)>,
    frames: u64,
    last_shown: Option<i64>,
    reordered: bool,
    video_end_s: f64,
}

impl Packets {
    /// Of the main streams of a source that starts at `start_us`.
    #[must_use]
    pub fn new(video: Option<&Track>, audio: Option<&Track>, start_us: i64, step_s: f64) -> Self {
        let stream = |track: &Track| (track.index, track.time_base);
        Self {
            video: video.map(stream),
            audio: audio.map(stream),
            start_s: seconds(start_us, ffmpeg_next::rescale::TIME_BASE),
            step_s,
            bytes: [Vec::new(), Vec::new()],
            end_s: 0.0,
            keys: Vec::new(),
            frames: 0,
            last_shown: None,
            reordered: false,
            video_end_s: 0.0,
        }
    }

    /// Takes a packet in.
    pub fn add(&mut self, packet: &Packet) {
        let of = |stream: Option<(usize, Rational)>| stream.filter(|(index, _)| *index == packet.stream());
        let (kind, base) = match (of(self.video), of(self.audio)) {
            (Some((_, base)), _) => (0, base),
            (_, Some((_, base))) => (1, base),
            _ => return,
        };
        let Some(time) = packet.pts().or(packet.dts()) else { return };
        let at_s = seconds(time, base) - self.start_s;
        let end_s = at_s + seconds(packet.duration().max(0), base);
        self.end_s = self.end_s.max(end_s);
        let step = place(at_s, self.step_s);
        if step < MAX_STEPS {
            let bytes = &mut self.bytes[kind];
            bytes.resize(bytes.len().max(step + 1), 0);
            bytes[step] += packet.size() as u64;
        }
        if kind == 0 && !libav::is_discarded(packet) {
            self.video_end_s = self.video_end_s.max(end_s);
            if packet.is_key() && self.keys.len() < MAX_STEPS {
                self.keys.push((at_s, self.frames));
            }
            self.reordered |= self.last_shown.is_some_and(|last| time < last);
            self.last_shown = Some(time);
            self.frames += 1;
        }
    }

    /// Sum of both counts, which are of different streams.
    #[must_use]
    pub fn and(mut self, mut other: Self) -> Self {
        if self.bytes[0].is_empty() {
            std::mem::swap(&mut self, &mut other);
        }
        let [_, sound] = other.bytes;
        Self { bytes: [std::mem::take(&mut self.bytes[0]), sound], end_s: self.end_s.max(other.end_s), ..self }
    }

    /// Where everything ends so far, in seconds.
    #[must_use]
    pub const fn end_s(&self) -> f64 {
        self.end_s
    }

    /// Bit rate over time.
    #[must_use]
    pub fn bitrate(&self, step_s: f64) -> BitrateOverTime {
        let last = place(self.end_s, step_s);
        let rest_s = self.end_s - step_s * count(last as u64);
        let rates = |bytes: &Vec<u64>| -> Vec<u64> {
            // The last step is mostly not whole.
            let length_s = |step: usize| if step == last && rest_s > 0.1 * step_s { rest_s } else { step_s };
            bytes.iter().enumerate().map(|(step, bytes)| rate(*bytes, length_s(step))).collect()
        };
        let [video, audio] = [rates(&self.bytes[0]), rates(&self.bytes[1])];
        let at = |rates: &Vec<u64>, step: usize| rates.get(step).copied().unwrap_or(0);
        let peak = (0..video.len().max(audio.len())).map(|step| at(&video, step) + at(&audio, step)).max();
        BitrateOverTime { step_s, peak: peak.unwrap_or(0), video, audio }
    }

    /// Groups of pictures, where there is video.
    #[must_use]
    pub fn gops(&self) -> Option<Gops> {
        let (first_s, _) = *self.keys.first()?;
        let ends = self.keys.iter().skip(1).copied().chain([(self.video_end_s, self.frames)]);
        let groups: Vec<(f64, u64)> =
            self.keys.iter().zip(ends).map(|((from_s, from), (to_s, to))| (to_s - from_s, to - from)).collect();
        let whole = if groups.len() > 1 { &groups[..groups.len() - 1] } else { &groups[..] };
        let shortest_s = whole.iter().map(|(s, _)| *s).fold(f64::INFINITY, f64::min);
        let longest = whole.iter().map(|(s, _)| *s).fold(0.0, f64::max);
        Some(Gops {
            keyframes: self.keys.len() as u64,
            average_s: (self.video_end_s - first_s) / count(self.keys.len() as u64),
            shortest_s,
            longest_s: groups.iter().map(|(s, _)| *s).fold(longest, f64::max),
            longest_frames: groups.iter().map(|(_, frames)| *frames).max().unwrap_or(0),
            constant: longest - shortest_s <= SAME_S,
            reordered: self.reordered,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn count(n: u64) -> f64 {
    n as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
fn rate(bytes: u64, length_s: f64) -> u64 {
    (count(bytes) * 8.0 / length_s).round() as u64
}
