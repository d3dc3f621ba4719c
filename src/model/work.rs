//! Media work: what a worker is asked to do, with every parameter resolved, and what it says it did.
//!
//! The contract between `template`/`workflow` (which decide) and `media` (which does). Inputs are referred to by
//! index; where their bytes come from is the job protocol's business. File names are relative to the scratch folder.
//!
//! **Invariant**: nothing here names a path, a URL or a credential. Work is a list of outputs, so that ready
//! siblings over one source can run as one pipeline.

use serde::{Deserialize, Serialize};

use super::Failure;
use super::media::{MediaInfo, Ratio};

/// One unit of work over one or more inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Say what input 0 holds.
    Analysis(Analysis),
    /// Decode input 0 once, make every output.
    Pipeline(Pipeline),
    /// Cut inputs (finished renditions) into segments and write playlists. Never re-encodes.
    Package(Package),
}

impl Work {
    /// Whether `report` is an answer to this work, with a file where one was asked for.
    #[must_use]
    pub fn fits(&self, report: &Report) -> bool {
        let whole = |outputs: &[Result<Produced, Failure>], count: usize| {
            outputs.len() == count && outputs.iter().flatten().all(|produced| !produced.files.is_empty())
        };
        match (self, report) {
            (Self::Analysis(_), Report::Analysis(_)) => true,
            (Self::Pipeline(pipeline), Report::Outputs(outputs)) => whole(outputs, pipeline.outputs.len()),
            (Self::Package(_), Report::Outputs(outputs)) => whole(outputs, 1),
            _ => false,
        }
    }

    /// Whether `file` is a name that this work makes.
    #[must_use]
    pub fn makes(&self, file: &str) -> bool {
        match self {
            Self::Analysis(_) => false,
            Self::Pipeline(pipeline) => pipeline.outputs.iter().any(|output| match output {
                Output::Media(media) => media.file == file,
                Output::Snapshot(snapshot) => {
                    snapshot.vtt.as_deref() == Some(file) || is_numbered(&snapshot.file, file)
                }
            }),
            Self::Package(package) => {
                let in_folder = |folder: &String| {
                    let name = file.strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/'));
                    name.is_some_and(|name| !matches!(name, "" | "." | "..") && !name.contains('/'))
                };
                package.master == file || package.renditions.iter().any(in_folder)
            }
        }
    }
}

/// Whether `file` is `pattern` with digits at one place: where its run of `#` stands, or before its extension.
fn is_numbered(pattern: &str, file: &str) -> bool {
    let (head, tail) = match pattern.find('#') {
        Some(at) => (&pattern[..at], pattern[at..].trim_start_matches('#')),
        None => pattern.rfind('.').map_or((pattern, ""), |dot| pattern.split_at(dot)),
    };
    let number = file.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail));
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

/// What an analysis looks at beyond headers and the first packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Analysis {
    /// Measure loudness (decodes the main audio stream).
    pub loudness: bool,
}

/// One source, decoded once, many outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// What to make; each fails or succeeds on its own.
    pub outputs: Vec<Output>,
}

/// One output of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// A media file.
    Media(MediaOutput),
    /// Pictures.
    Snapshot(Snapshot),
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
    /// Subtitles.
    pub subtitles: Subtitles,
    /// Part of the source to take.
    pub clip: Option<Clip>,
    /// Pictures laid over the video, in order.
    pub overlays: Vec<Overlay>,
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
}

/// Video of a media output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Video {
    /// Take the packets as they are.
    Copy,
    /// Decode, filter, encode.
    Encode(VideoEncode),
}

/// Video codecs that can be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// H.264 / AVC (libx264).
    H264,
}

/// How video is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoEncode {
    /// Codec.
    pub codec: VideoCodec,
    /// Profile: `baseline`, `main`, `high`.
    pub profile: Option<String>,
    /// Level: `4.1`.
    pub level: Option<String>,
    /// Encoder preset: `medium`.
    pub preset: Option<String>,
    /// Encoder tune: `film`.
    pub tune: Option<String>,
    /// How bits are spent.
    pub rate_control: RateControl,
    /// Distance of keyframes; absent: the encoder's default of 10 s.
    pub gop: Option<Gop>,
    /// Target size.
    pub size: Size,
    /// How a picture of another shape is fitted.
    pub fit: Fit,
    /// Whether a smaller source may be enlarged.
    pub upscale: bool,
    /// Frame rate.
    pub frame_rate: FrameRate,
    /// Pixel format: `yuv420p`.
    pub pixel_format: Option<String>,
}

/// How bits are spent. Rates are bit/s, buffer sizes are bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateControl {
    /// Constant quality; capped where `maxrate_bps` is given.
    Crf {
        /// 0–51 for H.264; lower is better.
        crf: f32,
        /// Cap over the VBV window.
        maxrate_bps: Option<u64>,
        /// VBV window.
        bufsize_bits: Option<u64>,
    },
    /// Average bit rate; constrained where `maxrate_bps` is given.
    Abr {
        /// Average to reach.
        bitrate_bps: u64,
        /// Cap over the VBV window.
        maxrate_bps: Option<u64>,
        /// VBV window.
        bufsize_bits: Option<u64>,
    },
    /// Constant bit rate.
    Cbr {
        /// The rate.
        bitrate_bps: u64,
        /// VBV window.
        bufsize_bits: Option<u64>,
    },
}

/// Distance of keyframes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gop {
    /// In frames.
    Frames(u32),
    /// In seconds of output time.
    Seconds(f64),
}

/// Target size in pixels. Sizes are rounded to even numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// The source's.
    Source,
    /// The smaller side; portrait stays portrait.
    ShortSide(u32),
    /// The larger side.
    LongSide(u32),
    /// Width and height; one absent keeps the aspect ratio.
    Box {
        /// Width.
        width: Option<u32>,
        /// Height.
        height: Option<u32>,
    },
}

/// How a picture is fitted into a box of another shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Keep the aspect ratio inside the box; the box is an upper bound.
    #[default]
    Rescale,
    /// Fill the box and cut off what stands out.
    Crop,
    /// Keep the aspect ratio and fill the box with black.
    Pad,
    /// Stretch.
    None,
}

/// Frame rate of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameRate {
    /// Every source frame at its own time.
    Source,
    /// Exactly this.
    Fixed(Ratio),
    /// The source's, at most this.
    Max(Ratio),
}

/// Audio of a media output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audio {
    /// Take the packets as they are.
    Copy {
        /// Which streams.
        tracks: Tracks,
    },
    /// Decode, filter, encode.
    Encode(AudioEncode),
}

/// Audio codecs that can be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AudioCodec {
    /// AAC.
    Aac,
    /// MP3 (libmp3lame).
    Mp3,
    /// Opus (libopus).
    Opus,
    /// FLAC.
    Flac,
}

/// How audio is encoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioEncode {
    /// Codec.
    pub codec: AudioCodec,
    /// Profile: `aac_low`.
    pub profile: Option<String>,
    /// Bit rate in bit/s; absent for lossless codecs.
    pub bitrate_bps: Option<u64>,
    /// Samples per second; absent keeps the source's, or the nearest that the codec has.
    pub sample_rate: Option<u32>,
    /// Number of channels; absent keeps the source's. Never more than the source has.
    pub channels: Option<u16>,
    /// Which streams.
    pub tracks: Tracks,
}

/// Which of several streams of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tracks {
    /// The default one, or the first.
    #[default]
    Main,
    /// All, in order, with their languages and titles.
    All,
    /// By position among the streams of the kind, from 0.
    Index(u32),
    /// By language; the main one where there is none.
    Language(String),
}

/// What becomes of subtitle streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subtitles {
    /// None in the output.
    #[default]
    None,
    /// Keep what the container holds, converting text; leave the rest out with a warning.
    Keep,
}

/// Part of the source, in seconds of source time from its start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// First moment taken.
    pub start_s: f64,
    /// Length; absent: to the end.
    pub duration_s: Option<f64>,
}

/// A length in pixels, or as a ratio of the output's width (dx, width) or height (dy, height).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// Pixels of the output.
    Pixels(u32),
    /// In (0, 1).
    Ratio(f64),
}

/// Reference positions of a watermark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReferencePosition {
    /// Top right corner.
    #[default]
    TopRight,
    /// Top left corner.
    TopLeft,
    /// Bottom right corner.
    BottomRight,
    /// Bottom left corner.
    BottomLeft,
}

/// A picture laid over the video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    /// Index of the input that holds the picture.
    pub input: usize,
    /// Corner that the offsets count from.
    pub position: ReferencePosition,
    /// Horizontal distance from the corner.
    pub dx: Length,
    /// Vertical distance from the corner.
    pub dy: Length,
    /// Width; absent with an absent height: 0.12 of the output's width.
    pub width: Option<Length>,
    /// Height; absent keeps the aspect ratio.
    pub height: Option<Length>,
    /// Opacity, 0–1.
    pub opacity: f64,
    /// First moment shown, seconds of output time.
    pub start_s: f64,
    /// How long it is shown; absent: to the end.
    pub duration_s: Option<f64>,
}

/// Pictures to take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// File name in scratch. Where several pictures can come, a run of `#` stands for the picture's number from 1
    /// (`shot-#####.jpg` → `shot-00001.jpg`).
    pub file: String,
    /// Which moments.
    pub at: SnapshotTimes,
    /// Picture format.
    pub format: ImageFormat,
    /// Target size; never enlarged.
    pub size: Size,
    /// Quality 1–100 for lossy formats.
    pub quality: u8,
    /// Lay the pictures out on sheets instead of writing each.
    pub sprite: Option<Sprite>,
    /// File name of a WebVTT thumbnails track over the pictures or sheets.
    pub vtt: Option<String>,
}

/// Moments of snapshots. A moment beyond the end means the last frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotTimes {
    /// One: seconds or share of the duration.
    At(Moment),
    /// Several.
    List(Vec<Moment>),
    /// Every so many seconds, from 0.
    Every(f64),
    /// So many, evenly spread over the duration.
    Count(u32),
}

/// A moment of the source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Seconds from the start.
    Seconds(f64),
    /// Share of the duration, 0–1.
    Share(f64),
}

/// Picture formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// JPEG.
    #[default]
    Jpg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
}

/// Sheets of small pictures. Sizes in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sprite {
    /// Pictures beside each other.
    pub columns: u32,
    /// Pictures above each other.
    pub rows: u32,
    /// Width of one picture.
    pub width: u32,
    /// Height of one picture; absent keeps the aspect ratio.
    pub height: Option<u32>,
}

/// Packaging of finished renditions (inputs in order).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// Protocol.
    pub protocol: PackageProtocol,
    /// Target length of a segment in seconds (1–60); cut at the next keyframe.
    pub segment_s: f64,
    /// File name of the master playlist in scratch.
    pub master: String,
    /// One per input: the folder its segments and media playlist go to, named after the activity.
    pub renditions: Vec<String>,
}

/// Packaging protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PackageProtocol {
    /// HTTP Live Streaming, fragmented MP4 segments.
    Hls,
}

/// What a worker made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Of [`Work::Analysis`].
    Analysis(Box<MediaInfo>),
    /// Of [`Work::Pipeline`], one per output in order; and of [`Work::Package`], one in all.
    Outputs(Vec<Result<Produced, Failure>>),
}

/// Files of one output, verified: opened again and held against what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Produced {
    /// In the order in which they must become visible: manifests last.
    pub files: Vec<ProducedFile>,
}

/// A file in scratch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProducedFile {
    /// Name relative to scratch; may hold `/`.
    pub file: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Media type.
    pub content_type: String,
    /// What it is.
    pub role: FileRole,
    /// What it holds, for media files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaInfo>,
}

/// What a produced file is in its activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// A media file; what `from:` takes.
    Media,
    /// A picture.
    Image,
    /// A segment or an initialisation section.
    Segment,
    /// A timed text track.
    Track,
    /// A media playlist.
    Playlist,
    /// A master playlist: published last of all.
    Master,
}
