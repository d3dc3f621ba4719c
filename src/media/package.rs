//! Packaging: finished renditions become HLS, DASH, or CMAF that both play.
//!
//! ```text
//! renditions ─▶ layout: which streams become which tracks ─▶ track: segments on a shelf ─▶ playlists and MPD ─▶ check
//!                                                   texts ─▶ WebVTT ───────────────────────▶
//! ```
//! **Invariant**: nothing is re-encoded; the package was read again and compared with the renditions (`check`); its files
//! are listed in the order in which they must become visible, manifests last.

mod bandwidth;
mod boxes;
mod check;
mod iframes;
mod interleave;
mod keys;
mod layout;
mod manifest;
mod menu;
mod mpd;
mod playlist;
mod rate;
mod rendition;
mod segmenter;
mod shelf;
mod subtitle;
#[cfg(test)]
mod tests;
mod text;
mod track;
mod xml;

use std::path::Path;

use reelmill::model::media::MediaInfo;
use reelmill::model::work::{Package, Produced, SegmentFormat};
use reelmill::worker::protocol::Message;

use self::keys::Keys;
use self::layout::Layout;
use self::manifest::Contents;
use self::segmenter::{Form, TS_ORIGIN};
use self::subtitle::Text;
use self::track::{Manner, Track};
use crate::error::{MediaError, warning};
use crate::probe;
use crate::source::Source;

/// How late a picture may begin without a warning, in seconds: its first frame stands for it.
const LATE_PICTURE_S: f64 = 0.5;

/// How late sound may begin without a warning, in seconds: players skip to where it begins.
const LATE_SOUND_S: f64 = 0.1;

/// Lengths of segments that may be asked for, in seconds.
const SEGMENT_S: std::ops::RangeInclusive<f64> = 1.0..=60.0;

/// Packages finished renditions; `tell` hears about warnings and progress.
pub fn run(
    inputs: &[Source],
    package: &Package,
    scratch: &Path,
    tell: &dyn Fn(&Message),
) -> Result<Produced, MediaError> {
    check_parameters(inputs, package)?;
    let sources = &inputs[..package.renditions.len()];
    let keys = package.encryption.as_ref().map(|encryption| Keys::read(encryption, inputs)).transpose()?;
    let mut infos = Vec::new();
    for (source, folder) in sources.iter().zip(&package.renditions) {
        let examined = probe::examine(&mut source.open()?)?;
        let what = if sources.len() == 1 { "the source".to_owned() } else { format!("the rendition `{folder}`") };
        for (code, message) in examined.remarks(&what, package.if_incomplete)? {
            tell(&Message::Warning { code, message });
        }
        infos.push(examined.info);
    }
    let layout = layout::plan(&infos, package);
    let apart = package.mpd.is_some();
    let manner = Manner {
        target_s: package.segment_s,
        form: match package.segments {
            SegmentFormat::Ts => Form::Ts,
            SegmentFormat::Fmp4 if apart => Form::Cmaf,
            SegmentFormat::Fmp4 => Form::Mp4,
        },
        byte_range: package.byte_range,
        indexed: package.byte_range && apart,
        iframes: package.iframe_playlists && package.master.is_some(),
        keys: keys.as_ref(),
        scratch,
    };
    let mut tracks: Vec<(usize, Track)> = Vec::new();
    for (place, planned) in layout.renditions.iter().enumerate() {
        let folder = &package.renditions[place];
        tell(&progress(place, sources.len()));
        if planned.tracks.is_empty() && planned.texts.is_empty() && planned.heard.is_empty() {
            return Err(MediaError::NoStreams("video, audio or text"));
        }
        if planned.left_out > 0 {
            let message =
                format!("{} more streams of the rendition `{folder}` were left out of the package", planned.left_out);
            tell(&Message::Warning { code: warning::STREAM_NOT_PACKAGED, message });
        }
        let cut = rendition::cut(&sources[place], &infos[place], planned, folder, manner, tell)?;
        tracks.extend(cut.into_iter().map(|track| (place, track)));
    }
    if tracks.is_empty() {
        return Err(MediaError::NoStreams("video or audio"));
    }
    warn_of_late_tracks(&tracks, tell);
    warn_of_misalignment(&tracks, tell);
    let texts = texts(inputs, &infos, &layout, package, &tracks, manner, tell)?;
    let heard = layout.renditions.iter().map(|planned| planned.heard.clone()).collect();
    Contents { tracks, heard, texts, keys: keys.as_ref(), form: manner.form }.write(package, scratch, tell)
}

fn check_parameters(inputs: &[Source], package: &Package) -> Result<(), MediaError> {
    if package.renditions.is_empty() || inputs.len() < package.renditions.len() {
        let (inputs, folders) = (inputs.len(), package.renditions.len());
        return Err(MediaError::Job(format!("it packages {inputs} inputs into {folders} folders")));
    }
    if !SEGMENT_S.contains(&package.segment_s) {
        let (least, most) = (SEGMENT_S.start(), SEGMENT_S.end());
        return Err(MediaError::Parameter(format!("segments last between {least} and {most} seconds")));
    }
    let fits = match (&package.master, &package.mpd) {
        (None, None) => false,
        (Some(_), None) => true,
        (_, Some(_)) => package.segments == SegmentFormat::Fmp4 && package.encryption.is_none(),
    };
    if fits { Ok(()) } else { Err(MediaError::Job("its manifests do not match its segments".to_owned())) }
}

/// Subtitles of the renditions and of files, written in every form that is asked for.
fn texts(
    inputs: &[Source],
    infos: &[MediaInfo],
    layout: &Layout,
    package: &Package,
    tracks: &[(usize, Track)],
    manner: Manner<'_>,
    tell: &dyn Fn(&Message),
) -> Result<Vec<Text>, MediaError> {
    let mut texts = Vec::new();
    for (place, planned) in layout.renditions.iter().enumerate() {
        for (number, index) in (1..).zip(&planned.texts) {
            let stream = infos[place].subtitles.iter().find(|stream| stream.index as usize == *index);
            let Some(stream) = stream else { continue };
            texts.extend(Text::of_stream(&inputs[place], (number, stream), &package.renditions[place], tell)?);
        }
    }
    for (number, file) in (1..).zip(&package.subtitles) {
        texts.push(Text::of_file(file, number, inputs, &package.subtitle_folder, tell)?);
    }
    subtitle::settle(&mut texts);
    let leader = tracks.iter().find(|(_, track)| track.video.is_some()).or(tracks.first());
    let Some((_, leader)) = leader else { return Ok(texts) };
    for text in &mut texts {
        if package.mpd.is_some() {
            text.write_whole(manner.scratch)?;
        }
        if package.master.is_some() {
            let clock = if manner.form == Form::Ts { TS_ORIGIN } else { 0 };
            text.write_segments(&leader.segments, clock, manner.scratch)?;
        }
    }
    Ok(texts)
}

/// What begins late is in step with the rest, but viewers notice that it is not there at first.
fn warn_of_late_tracks(tracks: &[(usize, Track)], tell: &dyn Fn(&Message)) {
    for (_, Track { folder, late, .. }) in tracks {
        let picture = (late.video_s, LATE_PICTURE_S, "video", "its first frame is shown until then");
        let sound = (late.audio_s, LATE_SOUND_S, "audio", "players may skip the time before");
        for (late_s, allowed_s, kind, so) in [picture, sound] {
            if late_s > allowed_s {
                let message = format!("the {kind} of `{folder}` begins {late_s:.3} s after the package: {so}");
                tell(&Message::Warning { code: warning::LATE_TRACK, message });
            }
        }
    }
}

/// Players change between renditions at the starts of segments; where those differ, changing shows.
fn warn_of_misalignment(tracks: &[(usize, Track)], tell: &dyn Fn(&Message)) {
    let mut with_video = tracks.iter().map(|(_, track)| track).filter(|track| track.video.is_some());
    let Some(first) = with_video.next() else { return };
    let frame_rate = first.video.as_ref().map(|video| video.frame_rate).filter(|rate| *rate > 0.0);
    let tolerance_s = frame_rate.map_or(0.02, |rate| 0.5 / rate);
    for other in with_video.filter(|other| !are_aligned(first, other, tolerance_s)) {
        let message = format!(
            "the segments of `{}` and `{}` begin at different moments: use the same `gop` for these renditions",
            first.folder, other.folder
        );
        tell(&Message::Warning { code: warning::NOT_ALIGNED, message });
    }
}

/// Whether two tracks' segments begin at the same moments, give or take so many seconds.
fn are_aligned(a: &Track, b: &Track, tolerance_s: f64) -> bool {
    a.segments.len() == b.segments.len()
        && a.segments.iter().zip(&b.segments).all(|(a, b)| (a.start_s - b.start_s).abs() <= tolerance_s)
}

fn progress(done: usize, of: usize) -> Message {
    let share = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    Message::Progress { fraction: Some(share(done) / share(of)), speed: None, position_ms: None }
}
