//! One rendition: a finished media file, read once and cut into its tracks.

use ffmpeg_next::{Rescale, rescale};
use reelmill::model::media::MediaInfo;
use reelmill::worker::protocol::Message;

use super::interleave::{Interleaved, Next};
use super::layout::{Lanes, Planned};
use super::segmenter::{Form, Stream};
use super::track::{Beside, Cutter, Manner, Source as Lane, Track};
use crate::error::{MediaError, warning};
use crate::pipeline::headers::Headers;
use crate::source::{Opened, Source};
use crate::{codecs_string, libav};

/// Cuts the tracks that are `planned` of a source into `folder`; `tell` hears where it changes under way.
pub fn cut(
    source: &Source,
    info: &MediaInfo,
    planned: &Planned,
    folder: &str,
    manner: Manner<'_>,
    tell: &dyn Fn(&Message),
) -> Result<Vec<Track>, MediaError> {
    if info.video.first().is_some_and(|video| video.rotation != 0 || video.flipped) {
        return Err(MediaError::Parameter(format!(
            "the rendition `{folder}` has its rotation only in the container, which players ignore: encode it instead of copying"
        )));
    }
    let opened = source.open()?;
    let chosen: Vec<usize> = planned.tracks.iter().flat_map(|track| track.streams.clone()).collect();
    check_codecs(&opened, info, &chosen, manner.form)?;
    let cutter = |lanes: &Lanes| {
        let sources = lanes.streams.iter().filter_map(|&index| lane(&opened, info, index, planned.origin_us)).collect();
        Cutter::new(sources, folder, lanes.prefix.clone(), manner)
    };
    let mut cutters: Vec<Cutter<'_>> = planned.tracks.iter().map(cutter).collect::<Result<_, _>>()?;
    let places: Vec<(usize, usize)> = (0..)
        .zip(&planned.tracks)
        .flat_map(|(track, lanes)| (0..lanes.streams.len()).map(move |lane| (track, lane)))
        .collect();
    let is_video = |index: &usize| info.video.iter().any(|video| video.index as usize == *index);
    let video = chosen.iter().position(is_video);
    let mut headers: Vec<Option<Headers>> = chosen.iter().map(|&index| follow(&opened, index, planned)).collect();
    let mut packets = Interleaved::new(opened, &chosen)?;
    let mut beside = Beside::default();
    while let Some(Next { slot, packet, left_s }) = packets.next()? {
        let (track, lane) = places[slot];
        if let Some(headers) = &mut headers[slot] {
            headers.see(&packet);
        }
        beside.goes_on = video.is_some_and(|video| !packets.has_ended(video));
        let added = cutters[track].add(lane, packet, left_s, &mut beside);
        added.map_err(|error| error.because_of(headers.iter().flatten().find_map(Headers::begun)))?;
    }
    for headers in headers.iter().flatten() {
        let Some(change) = headers.change() else { continue };
        if headers.is_replaced() || headers.breaks() && manner.form != Form::Ts {
            return Err(MediaError::Changes(change, folder.to_owned()));
        }
        let message = format!("in the rendition `{folder}`, {change}; its packets were copied unchanged");
        tell(&Message::Warning { code: warning::SOURCE_CHANGES, message });
    }
    let tracks: Vec<Track> =
        cutters.into_iter().filter_map(|cutter| cutter.finish().transpose()).collect::<Result<_, _>>()?;
    if tracks.is_empty() && !planned.tracks.is_empty() {
        return Err(MediaError::NoStreams("media data"));
    }
    Ok(tracks)
}

/// Follows what the headers of a stream say.
fn follow(opened: &Opened, index: usize, planned: &Planned) -> Option<Headers> {
    let stream = opened.demuxer().stream(index)?;
    let base = stream.time_base();
    Headers::follow(&stream.parameters(), base, planned.origin_us.rescale(rescale::TIME_BASE, base))
}

fn lane(opened: &Opened, info: &MediaInfo, index: usize, origin_us: i64) -> Option<Lane> {
    let stream = opened.demuxer().stream(index)?;
    let video = info.video.iter().find(|video| video.index as usize == index).cloned();
    let audio = info.audio.iter().find(|audio| audio.index as usize == index).cloned();
    Some(Lane {
        stream: Stream {
            parameters: stream.parameters().clone(),
            time_base: stream.time_base(),
            language: audio.as_ref().and_then(|audio| audio.language.clone()),
        },
        origin: origin_us.rescale(rescale::TIME_BASE, stream.time_base()),
        video,
        audio,
    })
}

fn check_codecs(opened: &Opened, info: &MediaInfo, chosen: &[usize], form: Form) -> Result<(), MediaError> {
    for (index, stream) in chosen.iter().filter_map(|index| Some((index, opened.demuxer().stream(*index)?))) {
        let parameters = libav::parameters(&stream);
        let fits = match form {
            Form::Ts => codecs_string::fits_ts(parameters),
            Form::Mp4 | Form::Cmaf => codecs_string::is_packageable(parameters),
        };
        if !fits {
            let video = info.video.iter().any(|video| video.index as usize == *index);
            let codec = libav::codec_name(parameters).unwrap_or_else(|| "unknown".to_owned());
            let container = if form == Form::Ts { "HLS with segments in MPEG-TS" } else { "HLS or DASH" };
            return Err(MediaError::NotInContainer { container, kind: if video { "video" } else { "audio" }, codec });
        }
    }
    Ok(())
}
