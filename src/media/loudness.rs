//! Loudness to EBU R 128 of one audio stream, by libav's `ebur128` filter.

use std::collections::BTreeMap;

use ffmpeg_next::codec::{Context, decoder};
use ffmpeg_next::filter::{self, Graph};
use ffmpeg_next::{Error, Packet, frame};
use reelmill::model::media::Loudness;
use reelmill::worker::protocol::Message;

use crate::error::MediaError;
use crate::libav;
use crate::probe::seconds;
use crate::source::Opened;

/// What the filter answers for silence: the gate of R 128, in LUFS.
pub const GATE_LUFS: f64 = -70.0;

/// Shortest programme a loudness range means something for, in seconds.
const MIN_RANGE_S: f64 = 10.0;

/// Media time between two words about progress, in seconds.
const TELL_EVERY_S: f64 = 30.0;

/// The filter and its options.
pub const FILTER: &str = "ebur128=peak=true:metadata=1";

/// Decodes the audio stream `index` of a freshly opened file to its end and measures it.
pub fn measure(
    mut opened: Opened,
    index: usize,
    duration_s: Option<f64>,
    tell: &dyn Fn(&Message),
) -> Result<Loudness, MediaError> {
    let (mut decoder, time_base) = open_decoder(&opened, index)?;
    libav::read_only(opened.demuxer_mut(), &[index]);
    let mut meter = Meter::default();
    let mut packet = Packet::empty();
    let mut told_s = 0.0;
    while opened.read(&mut packet)? {
        if packet.stream() != index {
            continue;
        }
        // A damaged packet is silence to the listener, too.
        let _ = decoder.send_packet(&packet);
        meter.take(&mut decoder)?;
        let position_s = packet.pts().map_or(told_s, |pts| seconds(pts, time_base));
        if position_s - told_s >= TELL_EVERY_S {
            told_s = position_s;
            tell(&progress(position_s, duration_s));
        }
    }
    if decoder.send_eof().is_ok() {
        meter.take(&mut decoder)?;
    }
    Ok(of_tags(&meter.measured, duration_s))
}

fn open_decoder(opened: &Opened, index: usize) -> Result<(decoder::Opened, ffmpeg_next::Rational), MediaError> {
    let stream = opened.demuxer().stream(index).ok_or(MediaError::NoStreams("audio"))?;
    let parameters = stream.parameters();
    let name = libav::codec_name(libav::parameters(&stream)).unwrap_or_else(|| "unknown".to_owned());
    let codec = decoder::find(parameters.id()).ok_or(MediaError::UnsupportedCodec { kind: "audio", codec: name })?;
    let failed = |source| MediaError::Libav { doing: "open an audio decoder", source };
    let decoder = Context::from_parameters(parameters).map_err(failed)?.decoder().open_as(codec).map_err(failed)?;
    Ok((decoder, stream.time_base()))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a media time")]
pub fn progress(position_s: f64, duration_s: Option<f64>) -> Message {
    Message::Progress {
        fraction: duration_s.filter(|s| *s > 0.0).map(|s| (position_s / s).clamp(0.0, 1.0)),
        speed: None,
        position_ms: Some((position_s * 1_000.0).max(0.0) as u64),
    }
}

/// The filter, built for the first frame that comes.
#[derive(Default)]
struct Meter {
    graph: Option<(Graph, String)>,
    measured: BTreeMap<String, String>,
}

impl Meter {
    /// Measures the frames that the decoder has ready.
    fn take(&mut self, decoder: &mut decoder::Opened) -> Result<(), MediaError> {
        let mut samples = frame::Audio::empty();
        while decoder.receive_frame(&mut samples).is_ok() {
            self.add(&mut samples)?;
        }
        Ok(())
    }

    fn add(&mut self, decoded: &mut frame::Audio) -> Result<(), MediaError> {
        let arguments = arguments(decoded);
        let (graph, built_for) = match &mut self.graph {
            Some(built) => built,
            None => self.graph.insert((graph(&arguments).map_err(failed)?, arguments.clone())),
        };
        // Audio that changes its format under way is measured up to there.
        if *built_for != arguments {
            return Ok(());
        }
        graph.get("in").ok_or_else(|| failed(Error::Bug))?.source().add(decoded).map_err(failed)?;
        let mut sink = graph.get("out").ok_or_else(|| failed(Error::Bug))?;
        let mut filtered = frame::Audio::empty();
        while sink.sink().frame(&mut filtered).is_ok() {
            // The last frame, too short for a block, has none.
            let said = libav::frame_tags(&filtered);
            if !said.is_empty() {
                self.measured = said;
            }
        }
        Ok(())
    }
}

/// Loudness of the whole by the tags of the filter's last frame, of a programme that lasts `duration_s`.
#[must_use]
pub fn of_tags(tags: &BTreeMap<String, String>, duration_s: Option<f64>) -> Loudness {
    let number = |key: &str| tags.get(key)?.parse::<f64>().ok().filter(|n| n.is_finite());
    let long = duration_s.is_some_and(|s| s >= MIN_RANGE_S);
    let integrated_lufs = number("lavfi.r128.I").filter(|lufs| *lufs > GATE_LUFS);
    Loudness {
        integrated_lufs,
        range_lu: number("lavfi.r128.LRA").filter(|_| long && integrated_lufs.is_some()),
        true_peak_dbtp: number("lavfi.r128.true_peak").filter(|peak| *peak > 0.0).map(|peak| 20.0 * peak.log10()),
    }
}

fn arguments(frame: &mut frame::Audio) -> String {
    let layout = libav::settle_layout(frame).unwrap_or_default();
    let (rate, format) = (frame.rate(), frame.format().name());
    format!("time_base=1/{rate}:sample_rate={rate}:sample_fmt={format}:channel_layout={layout}")
}

fn graph(arguments: &str) -> Result<Graph, Error> {
    let named = |name| filter::find(name).ok_or(Error::FilterNotFound);
    let mut graph = Graph::new();
    graph.add(&named("abuffer")?, "in", arguments)?;
    graph.add(&named("abuffersink")?, "out", "")?;
    graph.output("in", 0)?.input("out", 0)?.parse(FILTER)?;
    graph.validate()?;
    Ok(graph)
}

fn failed(source: Error) -> MediaError {
    MediaError::Filter { graph: FILTER.to_owned(), source }
}
