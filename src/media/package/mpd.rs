//! The manifest of DASH (ISO/IEC 23009-1) over the same tracks that HLS plays.
//!
//! Representations that players change between stand in one adaptation set: video by codec, audio by codec, channels and
//! language. Where one file holds a representation, its index (`sidx`) says where the segments are. **Invariant**: everything in it is measured; times of segments follow each other without a gap.

use reelmill::model::media::{Hdr, Ratio, VideoStream};

use super::bandwidth;
use super::menu;
use super::playlist::{relative_uri, target_duration};
use super::subtitle::Text;
use super::track::{Segment, Track, clock, ticks};
use super::xml::Element;

/// Namespace of the manifest.
const NAMESPACE: &str = "urn:mpeg:dash:schema:mpd:2011";

/// Segments by template and number.
const LIVE_PROFILE: &str = "urn:mpeg:dash:profile:isoff-live:2011";

/// Segments as ranges of a file that has an index.
const ON_DEMAND_PROFILE: &str = "urn:mpeg:dash:profile:isoff-on-demand:2011";

/// The manifest `file` over tracks, each with its `CODECS`, and texts.
#[must_use]
pub fn manifest(file: &str, tracks: &[(&Track, &str)], texts: &[Text], aligned: bool) -> String {
    let duration_s = tracks.iter().map(|(track, _)| track.end_s).fold(0.0, f64::max);
    let longest_s = tracks.iter().flat_map(|(t, _)| &t.segments).map(|s| s.duration_s).fold(0.0, f64::max);
    let ranges = tracks.iter().any(|(track, _)| track.index.is_some());
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
        elements.push(subtitles(file, elements.len(), text, duration_s));
    }
    let period = Element::new("Period").with("id", "0").with("start", "PT0S").with("duration", duration(duration_s));
    let root = Element::new("MPD")
        .with("xmlns", NAMESPACE)
        .with("profiles", if ranges { ON_DEMAND_PROFILE } else { LIVE_PROFILE })
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
    let aligned = set.len() == 1 || aligned;
    let indexed = first.index.is_some();
    Element::new("AdaptationSet")
        .with("id", id)
        .with("contentType", if video.is_some() { "video" } else { "audio" })
        .with("mimeType", if video.is_some() { "video/mp4" } else { "audio/mp4" })
        .with_some("lang", language)
        .with_some("maxWidth", sizes().map(|video| video.width).max())
        .with_some("maxHeight", sizes().map(|video| video.height).max())
        .with(if indexed { "subsegmentAlignment" } else { "segmentAlignment" }, aligned)
        .with(if indexed { "subsegmentStartsWithSAP" } else { "startWithSAP" }, 1)
        .holding(channels)
        .holding(video.and_then(|video| video.hdr).into_iter().flat_map(hdr))
        .holding(label.map(|label| Element::new("Label").saying(label)))
        .holding([descriptor("Role", "urn:mpeg:dash:role:2011", if main { "main" } else { "alternate" })])
        .holding(set.iter().map(|(place, track, codecs)| representation(file, format!("r{place}"), track, codecs)))
}

/// A text as one file, in a presentation of that duration.
fn subtitles(file: &str, id: usize, text: &Text, duration_s: f64) -> Element {
    let rate = bandwidth::average(&[(text.whole_bytes, duration_s)]).max(1);
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
            Element::new("Representation").with("id", format!("t{id}")).with("bandwidth", rate).holding([base]),
        ])
}

fn representation(file: &str, id: String, track: &Track, codecs: &str) -> Element {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let target_s = target_duration(&track.segments) as f64;
    let video = track.video.as_ref();
    let audio = track.audio.as_ref().filter(|_| video.is_none());
    let clock = clock(video, audio);
    let (base, segments) = if let (Some((first, size)), Some(init)) = (track.index, &track.init) {
        let single = format!("{}/{}", track.folder, track.names.single(track.form));
        let begins = range(init.offset.unwrap_or(0), init.size_bytes);
        let index = Element::new("SegmentBase")
            .with("timescale", clock)
            .with("indexRange", range(first, size))
            .holding([Element::new("Initialization").with("range", begins)]);
        (relative_uri(file, &single), index)
    } else {
        let timeline = timeline(&track.segments, clock);
        let folder = relative_uri(file, &format!("{}/x", track.folder)).trim_end_matches('x').to_owned();
        (folder, template(track).with("timescale", clock).holding([timeline]))
    };
    Element::new("Representation")
        .with("id", id)
        .with("bandwidth", bandwidth::peak(&track.sizes(), target_s))
        .with("codecs", codecs.split(',').next().unwrap_or_default())
        .with_some("width", video.map(|video| video.width))
        .with_some("height", video.map(|video| video.height))
        .with_some("frameRate", video.and_then(frame_rate))
        .with_some("sar", video.and_then(|video| video.sample_aspect_ratio).map(|r| format!("{}:{}", r.num, r.den)))
        .with_some("audioSamplingRate", audio.map(|audio| audio.sample_rate))
        .holding([Element::new("BaseURL").saying(base), segments])
}

/// Bytes of a file from one on, as ranges of HTTP say it.
fn range(first: u64, size_bytes: u64) -> String {
    format!("{first}-{}", first + size_bytes.saturating_sub(1))
}

fn template(track: &Track) -> Element {
    let names = &track.names;
    Element::new("SegmentTemplate")
        .with("initialization", names.init())
        .with("media", names.segment(0, track.form).replace("00000", "$Number%05d$"))
        .with("startNumber", 1)
}

/// When segments begin and how long they last, repetitions counted.
fn timeline(segments: &[Segment], clock: u32) -> Element {
    let mut runs: Vec<(u64, u64, u64)> = Vec::new();
    for (start, length) in ticks(segments, clock) {
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
    use super::super::shelf::Piece;
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
