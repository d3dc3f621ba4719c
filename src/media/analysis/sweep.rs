//! A sink that finds whatever was asked for in a source: in its packets, its pictures, its sound.
//!
//! **Invariant**: only what is asked for is decoded; times count from the start of the source.

use std::path::Path;
use std::thread::{Scope, ScopedJoinHandle};

use ffmpeg_next::{Frame, Packet, Rational, Rescale, rescale};
use reelmill::model::media::{Interval, LoudnessOverTime, Measured, MediaInfo};
use reelmill::model::work::{Analysis, Produced};

use super::eyes::{self, Eyes};
use super::packets::Packets;
use crate::error::MediaError;
use crate::loudness::{self, Block, Meter};
use crate::pipeline::flow::{Inlet, Stop};
use crate::pipeline::graph::{AudioFormat, Graph, Input};
use crate::pipeline::outcome::{Last, Running, joined};
use crate::pipeline::passes::Round;
use crate::pipeline::progress::Position;
use crate::pipeline::sink::{Needs, Seeks, Sink, SinkContext};
use crate::pipeline::stage::Step;
use crate::pipeline::streams::{Inventory, Track};
use crate::pipeline::wiring::Wiring;
use crate::{libav, raw};

/// Most intervals or scenes that are told.
pub const MAX_FOUND: usize = 10_000;

/// Step of loudness over time, in seconds.
const LOUDNESS_STEP_S: f64 = 1.0;

/// A sink that measures: what it takes of a source, and how it takes it.
pub struct Sweep<'a> {
    analysis: &'a Analysis,
    info: MediaInfo,
    video: Option<Track>,
    audio: Option<Track>,
    start_us: i64,
}

/// The threads of a sweep.
struct Sweeping<'scope> {
    /// Over pictures of every pixel, and over small ones.
    pictures: [Option<Thread<'scope, Eyes>>; 2],
    sound: Option<Thread<'scope, Ears>>,
    packets: Vec<Thread<'scope, Packets>>,
}

type Thread<'scope, T> = ScopedJoinHandle<'scope, Result<T, Stop>>;

impl<'a> Sweep<'a> {
    /// Over the streams that matter to `analysis`.
    #[must_use]
    pub fn new(analysis: &'a Analysis, inventory: &Inventory) -> Self {
        let info = inventory.info.clone();
        let video = inventory.video().ok().flatten().map(|video| video.track.clone());
        let main = super::main_audio(&info);
        let audio = inventory.audio.iter().find(|audio| Some(audio.index) == main).cloned();
        Self { analysis, info, video, audio, start_us: inventory.start_us }
    }

    /// The stream whose pictures it looks at.
    fn watched(&self) -> Option<&Track> {
        let looks = |part: &Analysis| eyes::filters(part).is_some();
        self.video.as_ref().filter(|_| looks(&eyes::sharp(self.analysis)) || looks(&eyes::coarse(self.analysis)))
    }

    fn heard(&self) -> Option<&Track> {
        self.audio.as_ref().filter(|_| self.levels() || self.analysis.silence.is_some())
    }

    /// Streams whose packets it counts. Loudness alone needs no picture: where a container allows it, those bytes are not
    /// even read.
    fn counted(&self) -> Vec<&Track> {
        let video = self.video.as_ref().filter(|_| self.measures());
        video.into_iter().chain(&self.audio).filter(|_| !self.analysis.reads_headers()).collect()
    }

    const fn levels(&self) -> bool {
        self.analysis.loudness || self.analysis.chart.is_some()
    }

    /// Returns whether more is asked for than the loudness of the whole.
    fn measures(&self) -> bool {
        let loudness = Analysis { loudness: self.analysis.loudness, ..Analysis::default() };
        *self.analysis != loudness
    }

    /// Step of the bit rate over time, in seconds, where that is asked for.
    fn step_s(&self) -> Option<f64> {
        self.analysis.bitrate_step_s.or(self.analysis.chart.as_ref().map(|_| 1.0))
    }

    fn listen(&self, track: &Track, frames: &Inlet<Frame>, position: &Position) -> Result<Ears, Stop> {
        let quiet = self.analysis.silence;
        let silence = quiet.map(|quiet| format!("silencedetect=d={}:n={}dB", quiet.least_s, quiet.noise_db));
        let mut ears = Ears::new(track, silence, self.levels(), self.start_us);
        while let Some(frame) = frames.next()? {
            position.wanted()?;
            ears.listen(frame.into())?;
        }
        ears.end()?;
        Ok(ears)
    }

    fn count(&self, inlet: &Inlet<Packet>, position: &Position) -> Result<Packets, Stop> {
        let step_s = self.step_s().unwrap_or(1.0);
        let mut packets = Packets::new(self.video.as_ref(), self.audio.as_ref(), self.start_us, step_s);
        while let Some(packet) = inlet.next()? {
            position.wanted()?;
            packets.add(&packet);
            position.reach(0, microseconds(packets.end_s()));
        }
        Ok(packets)
    }

    /// Puts together what the threads found, and makes the files.
    fn finish(&self, sweeping: Sweeping<'_>, scratch: &Path) -> Result<Produced, Stop> {
        let mut stops = Vec::new();
        let eyes = sweeping.pictures.map(|thread| ended(thread, &mut stops));
        let ears = ended(sweeping.sound, &mut stops);
        let counted: Vec<Packets> =
            sweeping.packets.into_iter().filter_map(|thread| ended(Some(thread), &mut stops)).collect();
        if let Some(stop) = Stop::first(stops) {
            return Err(stop);
        }
        let packets = counted.into_iter().reduce(Packets::and);
        let end_s = packets.as_ref().map_or(0.0, Packets::end_s);
        let mut info = self.info.clone();
        let mut measured = Measured::default();
        for eyes in eyes.into_iter().flatten() {
            eyes.report(end_s, &mut measured);
        }
        if let Some(ears) = ears {
            if self.analysis.silence.is_some() {
                measured.silence = Some(intervals(&ears.silence, end_s));
            }
            if let Some(meter) = &ears.meter {
                info.loudness = Some(meter.tally.loudness(info.format.duration_s));
                measured.loudness = Some(LoudnessOverTime { step_s: LOUDNESS_STEP_S, short_term_lufs: ears.levels });
            }
        }
        measured.gop = packets.as_ref().and_then(Packets::gops).filter(|_| self.analysis.gop);
        measured.bitrate = self.step_s().zip(packets).map(|(step_s, packets)| packets.bitrate(step_s));
        info.measured = Some(measured).filter(|_| self.measures());
        Ok(super::produced(info, self.analysis, scratch)?)
    }
}

impl Sink for Sweep<'_> {
    fn needs(&self) -> Needs<'_> {
        Needs {
            decoded: self.watched().into_iter().chain(self.heard()).collect(),
            copies: false,
            looks_first: false,
            start_us: self.start_us,
            length_s: self.info.format.duration_s,
            seeks: Seeks::Never,
        }
    }

    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        feeds: &mut Wiring<'scope>,
        context: SinkContext<'scope>,
        _round: Option<Round<'scope>>,
    ) -> Result<Running<'scope>, MediaError> {
        let position = context.position;
        let watched = |part: Analysis| {
            let filters = eyes::filters(&part)?;
            Some((self.watched()?, part, filters))
        };
        let sharp = watched(eyes::sharp(self.analysis)).map(|(track, part, filters)| {
            let frames = feeds.frames(track, Wiring::PICTURES);
            let eyes = Eyes::new(part, track, filters, self.start_us);
            scope.spawn(move || eyes.watch(position, || Ok(frames.next()?.map(Into::into))))
        });
        let coarse = watched(eyes::coarse(self.analysis)).map(|(track, part, filters)| {
            let pictures = feeds.pictures(track, (Step::small(), Vec::new()));
            let eyes = Eyes::new(part, track, filters, self.start_us);
            scope.spawn(move || eyes.watch(position, || Ok(pictures.next()?.map(|picture| picture.frame))))
        });
        let sound = self.heard().map(|track| {
            let frames = feeds.frames(track, Wiring::SOUNDS);
            scope.spawn(move || self.listen(track, &frames, position))
        });
        let counted = self.counted().into_iter().map(|track| {
            let packets = feeds.packets(track);
            scope.spawn(move || self.count(&packets, position))
        });
        let sweeping = Sweeping { pictures: [sharp, coarse], sound, packets: counted.collect() };
        let thread = scope.spawn(move || self.finish(sweeping, context.job.scratch));
        Ok(Running { branches: Vec::new(), last: Last::Producing(thread) })
    }
}

/// Result of a thread that succeeded; the reason of another goes to `stops`.
fn ended<T>(thread: Option<Thread<'_, T>>, stops: &mut Vec<Stop>) -> Option<T> {
    joined(thread?).map_err(|stop| stops.push(stop)).ok()
}

/// Moments at which something begins (true) and ends (false), in seconds.
pub type Marks = Vec<(bool, f64)>;

/// Listens to sound.
struct Ears {
    start_us: i64,
    base: Rational,
    /// Format of the first sound: what changes it under way is listened to in that, at its own level.
    first: Option<AudioFormat>,
    /// Brings sound of another format into that of the first.
    convert: Option<(AudioFormat, Graph)>,
    /// Finds silence, where that is asked for; its graph is built for the first frame.
    quiet: Option<(String, Option<Graph>)>,
    silence: Marks,
    /// Measures loudness, where that is asked for.
    meter: Option<Meter>,
    /// Short-term loudness, one for each step.
    levels: Vec<f64>,
}

impl Ears {
    fn new(track: &Track, silence: Option<String>, levels: bool, start_us: i64) -> Self {
        Self {
            start_us,
            base: track.time_base,
            first: None,
            convert: None,
            quiet: silence.map(|filter| (filter, None)),
            silence: Marks::new(),
            meter: levels.then(Meter::default),
            levels: Vec::new(),
        }
    }

    fn end(&mut self) -> Result<(), MediaError> {
        self.finish_conversion()?;
        if let Some((_, Some(graph))) = &mut self.quiet {
            graph.finish("in")?;
            self.pull()?;
        }
        let levels = &mut self.levels;
        self.meter.as_mut().map_or(Ok(()), |meter| meter.finish(&mut |block| note_level(levels, block)))
    }

    fn listen(&mut self, mut frame: ffmpeg_next::frame::Audio) -> Result<(), MediaError> {
        raw::assume_layout(&mut frame);
        let format = AudioFormat::of(&frame);
        let moved = frame.pts().unwrap_or(0) - self.start_us.rescale(rescale::TIME_BASE, self.base);
        frame.set_pts(Some(moved.rescale(self.base, format.base())));
        let first = self.first.get_or_insert_with(|| format.clone());
        if *first == format {
            self.finish_conversion()?;
            return self.hear(&frame);
        }
        if self.convert.as_ref().is_none_or(|(of, _)| *of != format) {
            let text = format!("[in]aresample=rematrix_maxval=1000,{}[out]", first.filter());
            self.finish_conversion()?;
            self.convert = Some((format.clone(), Graph::new(&[Input::audio("in", &format, format.base())], &text)?));
        }
        if let Some((_, convert)) = &mut self.convert {
            convert.push("in", &frame)?;
        }
        self.hear_converted()
    }

    /// Hears what a conversion still holds, and forgets it.
    fn finish_conversion(&mut self) -> Result<(), MediaError> {
        let Some((_, convert)) = &mut self.convert else { return Ok(()) };
        convert.finish("in")?;
        self.hear_converted()?;
        self.convert = None;
        Ok(())
    }

    fn hear_converted(&mut self) -> Result<(), MediaError> {
        let (Some((_, convert)), Some(first)) = (&mut self.convert, &self.first) else { return Ok(()) };
        let (base, first) = (convert.time_base()?, first.base());
        let mut frames = Vec::new();
        while let Some(mut frame) = convert.pull()? {
            frame.set_pts(frame.pts().map(|time| time.rescale(base, first)));
            frames.push(frame);
        }
        frames.iter().try_for_each(|frame| self.hear(frame))
    }

    /// Takes sound of the first format.
    fn hear(&mut self, frame: &Frame) -> Result<(), MediaError> {
        let Some(format) = &self.first else { return Ok(()) };
        if let Some((filter, graph)) = &mut self.quiet {
            let graph = if let Some(graph) = graph {
                graph
            } else {
                let input = Input::audio("in", format, format.base());
                graph.insert(Graph::new(&[input], &format!("[in]{filter}[out]"))?)
            };
            graph.push("in", &share(frame)?)?;
        }
        let levels = &mut self.levels;
        if let Some(meter) = &mut self.meter {
            meter.add(frame, format, &mut |block| note_level(levels, block))?;
        }
        self.pull()
    }

    fn pull(&mut self) -> Result<(), MediaError> {
        let Some((_, Some(graph))) = &mut self.quiet else { return Ok(()) };
        while let Some(frame) = graph.pull()? {
            let tags = libav::frame_tags(&frame);
            let number = |key: &str| tags.get(key)?.parse::<f64>().ok();
            note(&mut self.silence, number("lavfi.silence_start"), number("lavfi.silence_end"));
        }
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and media are shorter than 292,000 years")]
fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6) as i64
}

/// Notes the short-term loudness of a block.
fn note_level(levels: &mut Vec<f64>, block: Block) {
    let level = block.short_term.max(loudness::GATE_LUFS);
    // The last level within a step is the step's.
    let steps = place(block.start_s, LOUDNESS_STEP_S) + 1;
    if steps > levels.len() && steps <= MAX_STEPS {
        levels.resize(steps, level);
    }
    if let Some(last) = levels.last_mut() {
        *last = level;
    }
}

/// Most steps of anything over time: more than a day of seconds.
pub const MAX_STEPS: usize = 100_000;

/// Which step of `step_s` seconds a moment lies in.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is bounded by its users")]
pub fn place(at_s: f64, step_s: f64) -> usize {
    (at_s.max(0.0) / step_s) as usize
}

/// Notes what begins and ends; a beginning that is told again is the same one. What is told late may begin and end with
/// one frame.
pub fn note(marks: &mut Marks, begins: Option<f64>, ends: Option<f64>) {
    if marks.len() >= 2 * MAX_FOUND {
        return;
    }
    let open = |marks: &Marks| marks.last().is_some_and(|(begins, _)| *begins);
    let closes = open(marks);
    if let Some(at) = ends.filter(|_| closes) {
        marks.push((false, at));
    }
    if let Some(at) = begins.filter(|_| !open(marks)) {
        marks.push((true, at));
        marks.extend(ends.filter(|&end| !closes && end > at).map(|end| (false, end)));
    }
}

/// Intervals between marks; what has not ended does at `end_s`.
pub fn intervals(marks: &Marks, end_s: f64) -> Vec<Interval> {
    let starts = marks.iter().filter(|(begins, _)| *begins).map(|(_, at)| *at);
    let mut ends = marks.iter().filter(|(begins, _)| !*begins).map(|(_, at)| *at);
    starts.map(|start_s| Interval { start_s, end_s: ends.next().unwrap_or(end_s).max(start_s) }).collect()
}

fn share(frame: &Frame) -> Result<Frame, MediaError> {
    raw::share(frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_intervals() {
        let mut marks = Marks::new();
        note(&mut marks, Some(1.0), None);
        note(&mut marks, Some(1.0), None);
        note(&mut marks, None, Some(2.0));
        note(&mut marks, None, Some(2.0));
        note(&mut marks, Some(3.0), Some(4.0));
        note(&mut marks, Some(5.0), Some(5.0));
        note(&mut marks, Some(7.0), Some(6.0));
        let found: Vec<_> = intervals(&marks, 9.0).iter().map(|found| (found.start_s, found.end_s)).collect();
        assert_eq!(found, [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (7.0, 9.0)]);
    }
}
