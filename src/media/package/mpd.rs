//! The manifest of DASH (ISO/IEC 23009-1) over the same tracks that HLS plays.
//!
//! Representations that players change between stand in one adaptation set: video by codec, audio by codec, channels and
//! language. **Invariant**: everything in it is measured; times of segments follow each other without a gap.

use reelmill::model::media::{Hdr, Ratio, VideoStream};

use super::bandwidth;
use super::menu;
use super::playlist::{relative_uri, target_duration};
use super::shelf::Piece;
use super::subtitle::Text;
use super::track::{Segment, Track};
use super::xml::Element;

/// Ticks of a second in the timeline of video.
const VIDEO_CLOCK: u32 = 90_000;

/// Namespace of the manifest.
const NAMESPACE: &str = "urn:mpeg:dash:schema:mpd:2011";

/// Segments by template and number.
const LIVE_PROFILE: &str = "urn:mpeg:dash:profile:isoff-live:2011";

/// Segments as ranges of a file.
const MAIN_PROFILE: &str = "urn:mpeg:dash:profile:isoff-main:2011";

/// The manifest `file` over tracks, each with its `CODECS`, and texts.
#[must_use]
pub fn manifest(file: &str, tracks: &[(&Track, &str)], texts: &[Text], aligned: bool) -> String {
    let duration_s = tracks.iter().map(|(track, _)| track.end_s).fold(0.0, f64::max);
    let longest_s = tracks.iter().flat_map(|(t, _)| &t.segments).map(|s| s.duration_s).fold(0.0, f64::max);
    let ranges = tracks.iter().any(|(track, _)| is_ranges(&track.segments));
    let mut sets: Vec<Vec<(usize, &Track, &str)>> = Vec::new();
    for (place, &(track, codecs)) in tracks.iter().enumerate() {
        let known = sets.iter_mut().find(|set| set.first().is_some_and(|(_, first, of)| fit(first, of, track, codecs)));
        match known {
            Some(set) => set.push((place, track, codecs)),
            None => sets.push(vec![(place, track, codecs)]),
        }
    }
    let default_audio = sets
        .iter()
        .position(|set| set[0].1.audio.as_ref().is_some_and(|a| a.default))
        .or_else(|| sets.iter().position(|set| set[0].1.video.is_none()));
    let mut elements = Vec::new();
    for (id, set) in sets.iter().enumerate() {
        let main = set[0].1.video.is_some() || default_audio == Some(id);
        elements.push(adaptation_set(file, id, set, main, aligned));
    }
    for text in texts {
        elements.push(subtitles(file, elements.len(), text));
    }
    let period = Element::new("Period").with("id", "0").with("start", "PT0S").with("duration", duration(duration_s));
    let root = Element::new("MPD")
        .with("xmlns", NAMESPACE)
        .with("profiles", if ranges { MAIN_PROFILE } else { LIVE_PROFILE })
        .with("type", "static")
        .with("mediaPresentationDuration", duration(duration_s))
        .with("maxSegmentDuration", duration(longest_s))
        .with("minBufferTime", duration(longest_s));
    root.holding([period.holding(elements)]).document()
}

/// Whether players can change between two tracks without being asked.
fn fit(first: &Track, codecs: &str, other_track: &Track, others: &str) -> bool {
    let family = |codecs: &str| codecs.split('.').next().unwrap_or_default().to_owned();
    match (&first.video, &other_track.video, &first.audio, &other_track.audio) {
        (Some(one), Some(other), ..) => family(codecs) == family(others) && one.hdr == other.hdr,
        (None, None, Some(one), Some(other)) => {
            codecs == others
                && first.folder != other_track.folder
                && one.channels == other.channels
                && one.title == other.title
                && menu::language(one.language.as_deref()) == menu::language(other.language.as_deref())
        }
        _ => false,
    }
}

fn adaptation_set(file: &str, id: usize, set: &[(usize, &Track, &str)], main: bool, aligned: bool) -> Element {
    let first = set[0].1;
    let video = first.video.as_ref();
    let audio = first.audio.as_ref().filter(|_| video.is_none());
    let language = audio.and_then(|audio| menu::language(audio.language.as_deref()));
    let sizes = || set.iter().filter_map(|(_, track, _)| track.video.as_ref());
    let label = audio.map(|audio| menu::name(audio.title.as_deref(), language.as_deref(), "Audio"));
    let channels = audio.map(|audio| {
        descriptor(
            "AudioChannelConfiguration",
            "urn:mpeg:dash:23003:3:audio_channel_configuration:2011",
            &audio.channels.to_string(),
        )
    });
    Element::new("AdaptationSet")
        .with("id", id)
        .with("contentType", if video.is_some() { "video" } else { "audio" })
        .with("mimeType", if video.is_some() { "video/mp4" } else { "audio/mp4" })
        .with_some("lang", language)
        .with_some("maxWidth", sizes().map(|video| video.width).max())
        .with_some("maxHeight", sizes().map(|video| video.height).max())
        .with("segmentAlignment", set.len() == 1 || aligned)
        .with("startWithSAP", 1)
        .holding(channels)
        .holding(video.and_then(|video| video.hdr).into_iter().flat_map(hdr))
        .holding(label.map(|label| Element::new("Label").saying(label)))
        .holding([descriptor("Role", "urn:mpeg:dash:role:2011", if main { "main" } else { "alternate" })])
        .holding(set.iter().map(|(place, track, codecs)| {
            let sizes = track.sizes();
            let of = Representation { id: format!("r{place}"), codecs, sizes: &sizes, segments: &track.segments };
            let single = is_ranges(&track.segments).then(|| track.names.single(track.form));
            let template = || template(track);
            of.element(file, track, track.init.as_ref(), single.as_deref(), template)
        }))
}

/// A text as one file.
fn subtitles(file: &str, id: usize, text: &Text) -> Element {
    let role = if text.forced { "forced-subtitle" } else { "subtitle" };
    let base = Element::new("BaseURL").saying(relative_uri(file, &text.whole()));
    Element::new("AdaptationSet")
        .with("id", id)
        .with("contentType", "text")
        .with("mimeType", "text/vtt")
        .with_some("lang", text.entry.language.as_ref())
        .holding([
            Element::new("Label").saying(text.entry.name.clone()),
            descriptor("Role", "urn:mpeg:dash:role:2011", role),
            Element::new("Representation").with("id", format!("t{id}")).with("bandwidth", 256).holding([base]),
        ])
}

struct Representation<'a> {
    id: String,
    codecs: &'a str,
    sizes: &'a [(u64, f64)],
    segments: &'a [Segment],
}

impl Representation<'_> {
    /// Of a track; `single` is the name of the file that holds all segments, where one does.
    fn element(
        &self,
        file: &str,
        track: &Track,
        init: Option<&Piece>,
        single: Option<&str>,
        template: impl Fn() -> Element,
    ) -> Element {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let target_s = target_duration(self.segments) as f64;
        let video = track.video.as_ref();
        let audio = track.audio.as_ref().filter(|_| video.is_none());
        let clock = audio.map_or(VIDEO_CLOCK, |audio| audio.sample_rate.max(1));
        let in_folder = format!("{}/{}", track.folder, single.unwrap_or("x"));
        let uri = relative_uri(file, &in_folder);
        let base = if single.is_some() { uri } else { uri.trim_end_matches('x').to_owned() };
        let timeline = timeline(self.segments, clock);
        let segments = if single.is_some() {
            let range = |piece: &Piece| {
                let offset = piece.offset.unwrap_or(0);
                format!("{offset}-{}", offset + piece.size_bytes.saturating_sub(1))
            };
            let urls = self.segments.iter().map(|s| Element::new("SegmentURL").with("mediaRange", range(&s.piece)));
            Element::new("SegmentList")
                .with("timescale", clock)
                .holding(init.map(|init| Element::new("Initialization").with("range", range(init))))
                .holding([timeline])
                .holding(urls)
        } else {
            template().with("timescale", clock).holding([timeline])
        };
        Element::new("Representation")
            .with("id", &self.id)
            .with("bandwidth", bandwidth::peak(self.sizes, target_s))
            .with("codecs", self.codecs.split(',').next().unwrap_or_default())
            .with_some("width", video.map(|video| video.width))
            .with_some("height", video.map(|video| video.height))
            .with_some("frameRate", video.and_then(frame_rate))
            .with_some("sar", video.and_then(|video| video.sample_aspect_ratio).map(|r| format!("{}:{}", r.num, r.den)))
            .with_some("audioSamplingRate", audio.map(|audio| audio.sample_rate))
            .holding([Element::new("BaseURL").saying(base), segments])
    }
}

fn template(track: &Track) -> Element {
    let names = &track.names;
    Element::new("SegmentTemplate")
        .with("initialization", names.init())
        .with("media", names.segment(0, track.form).replace("00000", "$Number%05d$"))
        .with("startNumber", 1)
}

/// When segments begin and how long they last, repetitions counted.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a media time")]
fn timeline(segments: &[Segment], clock: u32) -> Element {
    let ticks = |s: f64| (s.max(0.0) * f64::from(clock)).round() as u64;
    let mut runs: Vec<(u64, u64, u64)> = Vec::new();
    for segment in segments {
        let start = ticks(segment.start_s);
        let length = ticks(segment.start_s + segment.duration_s).saturating_sub(start);
        match runs.last_mut() {
            Some((from, each, times)) if *each == length && *from + *each * *times == start => *times += 1,
            _ => runs.push((start, length, 1)),
        }
    }
    Element::new("SegmentTimeline").holding(runs.into_iter().map(|(start, length, times)| {
        let s = Element::new("S").with("t", start).with("d", length);
        s.with_some("r", (times > 1).then(|| times - 1))
    }))
}

fn is_ranges(segments: &[Segment]) -> bool {
    segments.first().is_some_and(|segment| segment.piece.offset.is_some())
}

fn frame_rate(video: &VideoStream) -> Option<String> {
    let Ratio { num, den } = video.frame_rate_ratio.filter(|rate| rate.num > 0 && rate.den > 0)?;
    Some(if den == 1 { num.to_string() } else { format!("{num}/{den}") })
}

fn hdr(kind: Hdr) -> Vec<Element> {
    let transfer = if kind == Hdr::Hlg { "18" } else { "16" };
    [("ColourPrimaries", "9"), ("TransferCharacteristics", transfer), ("MatrixCoefficients", "9")]
        .map(|(what, value)| descriptor("SupplementalProperty", &format!("urn:mpeg:mpegB:cicp:{what}"), value))
        .to_vec()
}

fn descriptor(name: &'static str, scheme: &str, value: &str) -> Element {
    Element::new(name).with("schemeIdUri", scheme).with("value", value)
}

/// A duration as XML Schema writes it.
fn duration(seconds: f64) -> String {
    format!("PT{seconds:.3}S")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timelines_count_repetitions_and_have_no_gaps() {
        let piece = Piece { name: String::new(), offset: None, size_bytes: 1, locked: None };
        let mut start_s = 0.0;
        let segments: Vec<Segment> = [4.004, 4.004, 4.004, 1.001]
            .map(|duration_s| {
                start_s += duration_s;
                Segment { piece: piece.clone(), start_s: start_s - duration_s, duration_s }
            })
            .to_vec();
        let document = timeline(&segments, 90_000).document();
        assert!(document.contains("<S t=\"0\" d=\"360360\" r=\"2\"/>"), "{document}");
        assert!(document.contains("<S t=\"1081080\" d=\"90090\"/>"), "{document}");
    }
}
