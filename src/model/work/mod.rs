//! Media work: what a worker is asked to do, with every parameter resolved, and what it says it did.
//!
//! The contract between `template`/`workflow` (which decide) and `media` (which does). Inputs are referred to by
//! index; where their bytes come from is the job protocol's business. File names are relative to the scratch folder.
//!
//! **Invariant**: nothing here names a path, a URL or a credential. Work is a list of outputs, so that ready
//! siblings over one source can run as one pipeline.

mod analysis;
mod audio;
mod incomplete;
mod overlay;
mod package;
mod report;
mod sharing;
mod snapshot;
mod timeline;
mod treatment;
mod video;

use serde::{Deserialize, Serialize};

pub use super::codec::{AudioCodec, Hardware, VideoCodec};
pub use analysis::{Analysis, Black, Quiet};
pub use audio::{Audio, AudioEncode, Level, LoudnessMethod, LoudnessTarget, Mix, Tracks};
pub use incomplete::IfIncomplete;
pub use overlay::{Border, Overlay, OverlayContent, OverlayText, ReferencePosition};
pub use package::{Encryption, Package, SegmentFormat, SubtitleFile};
pub use report::{FileRole, Finding, Produced, ProducedFile, Report};
pub use sharing::sharing;
pub use snapshot::{Animation, AnimationFormat, FrameType, ImageFormat, Moment, Snapshot, SnapshotTimes, Sprite};
pub use timeline::{BurnIn, Clip, Length, Part, Subtitles};
pub use treatment::{Color, Crop, Deinterlace, Denoise, HdrMode, Pad, Treatment, Turn};
pub use video::{Fit, FrameRate, Gop, RateControl, Size, Video, VideoEncode};

/// One unit of work over one or more inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Decode input 0 once, make every output.
    Pipeline(Pipeline),
    /// Cut inputs (finished renditions) into segments and write playlists. Never re-encodes.
    Package(Package),
}

impl Work {
    /// Returns the work of making one output.
    #[must_use]
    pub fn one(output: Output) -> Self {
        Self::Pipeline(Pipeline { outputs: vec![output], if_incomplete: IfIncomplete::Warn })
    }

    /// Says what happens where its source is incomplete.
    pub const fn set_if_incomplete(&mut self, choice: IfIncomplete) {
        match self {
            Self::Pipeline(pipeline) => pipeline.if_incomplete = choice,
            Self::Package(package) => package.if_incomplete = choice,
        }
    }

    /// Returns whether it is made in one pass over its source, and can be made with others.
    #[must_use]
    pub fn is_one_pass(&self) -> bool {
        let twice = |output: &Output| {
            let Output::Media(media) = output else { return false };
            matches!(&media.video, Some(Video::Encode(encode)) if encode.two_passes)
        };
        matches!(self, Self::Pipeline(pipeline) if !pipeline.outputs.iter().any(twice))
    }

    /// Returns its outputs with names: of a single one that of its `activity`, of several those of their files.
    #[must_use]
    pub fn named_outputs<'a>(&'a self, activity: &'a str) -> Vec<(&'a str, &'a Output)> {
        let Self::Pipeline(Pipeline { outputs, .. }) = self else { return Vec::new() };
        let name = |output: &'a Output| match output {
            Output::Media(media) if outputs.len() > 1 => media.file.as_str(),
            _ => activity,
        };
        outputs.iter().map(|output| (name(output), output)).collect()
    }

    /// Returns whether `report` answers this work, with a file if one is required.
    #[must_use]
    pub fn fits(&self, report: &Report) -> bool {
        match self {
            Self::Pipeline(Pipeline { outputs, .. }) => {
                let mut each = report.outputs.iter().zip(outputs);
                let fits = |(made, output): (&Result<Produced, _>, &Output)| made.iter().all(|made| output.fits(made));
                report.outputs.len() == outputs.len() && each.all(fits)
            }
            Self::Package(_) => {
                report.outputs.len() == 1 && report.outputs.iter().flatten().all(|made| !made.files.is_empty())
            }
        }
    }

    /// Returns whether this work writes a file named `file`.
    #[must_use]
    pub fn makes(&self, file: &str) -> bool {
        match self {
            Self::Pipeline(pipeline) => pipeline.outputs.iter().any(|output| match output {
                Output::Analysis(analysis) => analysis.chart.as_deref() == Some(file),
                Output::Media(media) => media.file == file,
                Output::Snapshot(snapshot) => {
                    snapshot.vtt.as_deref() == Some(file)
                        || is_numbered(&snapshot.file, file)
                        || snapshot.cells.as_ref().is_some_and(|cells| is_numbered(cells, file))
                }
            }),
            Self::Package(package) => package.makes(file),
        }
    }
}

/// Returns whether `file` is `pattern` with digits in place of its run of `#`, or before its extension.
fn is_numbered(pattern: &str, file: &str) -> bool {
    let (head, tail) = match pattern.find('#') {
        Some(at) => (&pattern[..at], pattern[at..].trim_start_matches('#')),
        None => pattern.rfind('.').map_or((pattern, ""), |dot| pattern.split_at(dot)),
    };
    let number = file.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

/// One source, decoded once, many outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// Outputs; each fails or succeeds on its own.
    pub outputs: Vec<Output>,
    /// Policy for an incomplete source.
    #[serde(default, skip_serializing_if = "IfIncomplete::is_warn")]
    pub if_incomplete: IfIncomplete,
}

/// One output of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// A media file.
    Media(MediaOutput),
    /// Pictures.
    Snapshot(Snapshot),
    /// Media information and measurements.
    Analysis(Analysis),
}

impl Output {
    /// Returns whether `produced` answers this output, with files and a finding where it needs them.
    fn fits(&self, produced: &Produced) -> bool {
        match self {
            Self::Media(_) | Self::Snapshot(_) => !produced.files.is_empty(),
            Self::Analysis(analysis) => {
                let told = matches!(produced.finding, Some(Finding::Media(_)));
                told && analysis.chart.is_some() != produced.files.is_empty()
            }
        }
    }
}

/// A media file to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MediaOutput {
    /// File name in scratch.
    pub file: String,
    /// Container.
    pub container: Container,
    /// Video: absent removes it. A source without video makes a file without video.
    pub video: Option<Video>,
    /// Audio: absent removes it. A source without audio makes a file without audio.
    pub audio: Option<Audio>,
    /// Subtitle streams of the source.
    pub subtitles: Subtitles,
    /// Subtitle streams from files, after those of the source.
    pub subtitle_files: Vec<SubtitleFile>,
    /// Subtitles drawn into the video.
    pub burn: Option<BurnIn>,
    /// Part of the source to take; of the whole where there are `parts`.
    pub clip: Option<Clip>,
    /// Inputs that are played one after the other, input 0 among them; empty: input 0 alone.
    pub parts: Vec<Part>,
    /// Pictures laid over the video, in order.
    pub overlays: Vec<Overlay>,
    /// True if titles and other metadata are kept.
    pub metadata: bool,
    /// True if chapters are kept.
    pub chapters: bool,
}

/// Containers that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// MP4 with the index in front (`faststart`).
    Mp4,
    /// QuickTime.
    Mov,
    /// Matroska.
    Mkv,
    /// WebM.
    Webm,
    /// MPEG transport stream.
    Ts,
    /// Flash video.
    Flv,
    /// MP4 with audio only.
    M4a,
    /// MPEG audio.
    Mp3,
    /// Ogg.
    Ogg,
    /// FLAC.
    Flac,
    /// RIFF WAVE.
    Wav,
    /// SubRip subtitles.
    Srt,
    /// WebVTT subtitles.
    Vtt,
    /// Advanced SubStation Alpha subtitles.
    Ass,
    /// Timed Text Markup Language.
    Ttml,
    /// GIF, one picture after the other.
    Gif,
    /// WebP, one picture after the other.
    Webp,
}
