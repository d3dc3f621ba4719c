//! What goes into an output besides its streams, and checking it once it is written.

use reelmill::model::work::{FileRole, MediaOutput, Produced, ProducedFile};

use super::mux::{Chapter, Totals};
use super::plan::MediaPlan;
use super::streams::Inventory;
use super::{JobContext, container};
use crate::error::{MediaError, warning};
use crate::scratch;
use crate::verify::{self, Expected, ExpectedAudio, ExpectedVideo};

/// Container metadata that say how the source was made, not what it is.
const TAGS_OF_MAKING: [&str; 6] =
    ["encoder", "major_brand", "minor_version", "compatible_brands", "creation_time", "timecode"];

/// Less than this before a clip is on time, in microseconds: containers round to milliseconds.
const EARLY_US: i64 = 2_000;

/// Container metadata to take over.
#[must_use]
pub fn tags(inventory: &Inventory, output: &MediaOutput) -> Vec<(String, String)> {
    let tags = inventory.info.format.tags.iter().filter(|_| output.metadata);
    let kept = tags.filter(|(name, _)| !TAGS_OF_MAKING.contains(&name.to_ascii_lowercase().as_str()));
    kept.filter(|(name, value)| !name.contains('\0') && !value.contains('\0'))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Chapters that begin before the end of the part of the source that `plan` takes, in output time; those of parts are not
/// put together.
#[must_use]
pub fn chapters(inventory: &Inventory, plan: &MediaPlan<'_>) -> Vec<Chapter> {
    let window = plan.window;
    let kept = plan.output.chapters && plan.splice.is_none();
    let origin_us = window.start_us() - inventory.start_us;
    let inside = inventory.info.chapters.iter().filter(|_| kept).filter_map(|chapter| {
        let start_us = microseconds(chapter.start_s) - origin_us;
        let end_us = (microseconds(chapter.end_s) - origin_us).min(window.length_us().unwrap_or(i64::MAX));
        let title = chapter.title.clone().unwrap_or_default().replace('\0', "");
        (end_us > start_us).then_some(Chapter { start_us, end_us, title })
    });
    inside.collect()
}

/// Opens a finished file again, and checks that it contains what was written to it.
pub fn check(context: JobContext<'_>, plan: &MediaPlan<'_>, totals: &[Totals]) -> Result<Produced, MediaError> {
    let scratch = context.scratch;
    if let Some(early) = early(plan, totals) {
        context.talk.warn(warning::CUT_AT_KEYFRAME, early);
    }
    let file = &plan.output.file;
    let path = scratch::place(scratch, file)?;
    if container::subtitles_only(plan.output.container) {
        let texts = totals.iter().map(|totals| totals.packets).sum();
        let size_bytes = verify::texts(&path, plan.output, texts)?;
        let content_type = plan.format.content_type.0.to_owned();
        let role = FileRole::Track;
        let made = ProducedFile { file: file.clone(), size_bytes, content_type, role, media: None };
        return Ok(Produced::files(vec![made]));
    }
    let info = verify::verify(&path, plan.output, &expected(plan, totals))?;
    let (with_video, audio_only) = plan.format.content_type;
    let content_type = if info.video.is_empty() { audio_only } else { with_video };
    Ok(Produced::files(vec![ProducedFile {
        file: file.clone(),
        size_bytes: info.format.size_bytes,
        content_type: content_type.to_owned(),
        role: FileRole::Media,
        media: Some(info),
    }]))
}

/// What of a copied video lies before what was asked for, in words: copies of a clip begin at a keyframe, and what an edit
/// list of the source hides is copied with it.
fn early(plan: &MediaPlan<'_>, totals: &[Totals]) -> Option<String> {
    let video = totals.first().filter(|_| plan.copies_video())?;
    let (start_us, _) = video.span_us.filter(|(start_us, _)| *start_us < -EARLY_US)?;
    let early_s = seconds(-start_us);
    let hides = container::has_edit_lists(&plan.format);
    if !plan.window.is_clip() {
        return (video.hidden > 0 && !hides).then(|| {
            format!(
                "the copied video of `{}` begins {early_s:.3} s before the part that the source shows: the source hides the rest by an edit list, which {} files do not support",
                plan.output.file, plan.format.name
            )
        });
    }
    let asked_s = plan.output.clip.map_or(0.0, |clip| clip.start_s);
    let shown = if hides { "players that support edit lists hide the part before" } else { "the part before is shown" };
    Some(format!(
        "the copied video of `{}` begins at the keyframe at {:.3} s, {early_s:.3} s before the clip: {shown}",
        plan.output.file,
        asked_s - early_s,
    ))
}

/// What the muxer was given, stream by stream in the plan's order.
fn expected(plan: &MediaPlan<'_>, totals: &[Totals]) -> Expected {
    let (video, rest) = totals.split_at(usize::from(plan.video.is_some()).min(totals.len()));
    let (audio, subtitles) = rest.split_at(plan.audio.len().min(rest.len()));
    let duration_s = |totals: &Totals| totals.span_us.map(|(start, end)| seconds(end - start));
    let video =
        plan.video.as_ref().zip(video.first()).filter(|(_, totals)| totals.written).map(|((source, _), totals)| {
            let encoded = totals.size.is_some();
            let size = totals.size.unwrap_or(source.shown);
            ExpectedVideo {
                width: size.width,
                height: size.height,
                // Of copied packets some may lie before the start and be hidden.
                frames: Some(totals.packets).filter(|_| encoded),
                duration_s: duration_s(totals).filter(|_| encoded),
            }
        });
    let audio = plan.audio.iter().zip(audio).filter(|(_, totals)| totals.written);
    Expected {
        video,
        audio: audio
            .map(|(sound, totals)| ExpectedAudio {
                duration_s: duration_s(totals).filter(|_| sound.encode.is_some()),
                priming_s: totals.span_us.map_or(0.0, |(start, _)| seconds(-start.min(0))),
            })
            .collect(),
        subtitles: subtitles.iter().take(plan.subtitles.len()).filter(|totals| totals.written).count(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 microseconds")]
fn seconds(us: i64) -> f64 {
    us as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and media are shorter than 292,000 years")]
fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}
