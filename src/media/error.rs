//! What can go wrong with media, and what it is to the user: a code, who can mend it, whether to try again.
//!
//! **Invariant**: every variant has one code with an entry in `docs/errors.md`; `Display` never repeats the source of
//! an error, which follows in the chain. Warnings ([`warning`]) have codes from MEDIA0101 on and never end a job.

use std::any::Any;
use std::path::PathBuf;

use reelmill::model::failure::{Blame, Class};
use reelmill::model::{Code, Coded, Failure};
use thiserror::Error;

/// A media operation that did not succeed.
#[derive(Debug, Error)]
pub enum MediaError {
    /// No demuxer knows the bytes.
    #[error("the file is not media, or its format is not supported")]
    NotMedia(#[source] ffmpeg_next::Error),
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// A container without anything to work on.
    #[error("the file contains no {0}")]
    NoStreams(&'static str),
    /// No decoder in this build.
    #[error("this build of FFmpeg has no decoder for the {kind} codec `{codec}`")]
    UnsupportedCodec {
        /// `video`, `audio` or `subtitle`.
        kind: &'static str,
        /// libav's name of the codec.
        codec: String,
    },
    /// Nothing of a stream could be decoded.
    #[error("the {kind} is damaged: {detail}")]
    Damaged {
        /// `video` or `audio`.
        kind: &'static str,
        /// What was tried.
        detail: String,
    },
    /// Less than the container declares, where that is to be a failure.
    #[error("{0}")]
    Incomplete(String),
    /// A part of the source that begins after its end.
    #[error("{what} begins at {start_s:.2} s{}", ends(*.end_s))]
    BeyondEnd {
        /// What was asked for: `the clip`.
        what: &'static str,
        /// Where it begins, in seconds.
        start_s: f64,
        /// Where the source ends, in seconds, where that is known.
        end_s: Option<f64>,
    },
    /// A source that changes under way, so that its packets cannot be taken as they are.
    #[error("{0}, and its packets cannot be copied unchanged into `{1}`: encode it")]
    Changes(String, String),
    /// Sample encryption without a key.
    #[error("the media is encrypted")]
    Encrypted,
    /// Beyond what the worker takes on.
    #[error("the file exceeds a limit: {0}")]
    Limit(String),
    /// Storage or the supervisor did not give the bytes.
    #[error("the source could not be read")]
    SourceUnreadable,
    /// The build lacks what the job needs.
    #[error("this build of FFmpeg has no {kind} `{name}`")]
    Missing {
        /// `encoder`, `muxer` or `filter`.
        kind: &'static str,
        /// libav's name.
        name: String,
    },
    /// A filter graph could not be built or run.
    #[error("filtering failed in `{graph}`")]
    Filter {
        /// The graph as text.
        graph: String,
        /// Why.
        #[source]
        source: ffmpeg_next::Error,
    },
    /// An encoder refused its parameters or a frame.
    #[error("the encoder `{encoder}` failed")]
    Encode {
        /// libav's name.
        encoder: String,
        /// Why.
        #[source]
        source: ffmpeg_next::Error,
    },
    /// A stream that the container cannot hold.
    #[error(
        "a {container} file cannot contain the {kind} codec `{codec}`: encode the stream, leave it out, or use another container"
    )]
    NotInContainer {
        /// Short name of the container.
        container: &'static str,
        /// `video` or `audio`.
        kind: &'static str,
        /// libav's name of the codec.
        codec: String,
    },
    /// A muxer failed.
    #[error("writing `{file}` failed")]
    Mux {
        /// Name in scratch.
        file: String,
        /// Why.
        #[source]
        source: ffmpeg_next::Error,
    },
    /// An output is not what was asked for.
    #[error("the output `{file}` differs from what was requested: {problem}")]
    WrongOutput {
        /// Name in scratch.
        file: String,
        /// Where it differs.
        problem: String,
    },
    /// No room for outputs.
    #[error("no space left in the scratch folder")]
    ScratchFull,
    /// Writing to scratch failed for another reason.
    #[error("`{}` could not be written", path.display())]
    Scratch {
        /// What was written.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Parameters that contradict each other or the source.
    #[error("{0}")]
    Parameter(String),
    /// Something to lay over the video that cannot be used.
    #[error("the watermark {what} cannot be used")]
    Overlay {
        /// `text`, or which picture.
        what: String,
        /// Why.
        #[source]
        source: Box<MediaError>,
    },
    /// Something that an output reads beside its source, and that cannot be used.
    #[error("the {what} (input {input}) cannot be used")]
    Beside {
        /// Index of the input.
        input: usize,
        /// What it was to be.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<MediaError>,
    },
    /// A call into libav that cannot fail on sound input.
    #[error("libav failed to {doing}")]
    Libav {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: ffmpeg_next::Error,
    },
    /// A job that this worker does not understand.
    #[error("invalid job: {0}")]
    Job(String),
    /// Code that must not fail did.
    #[error("the worker failed: {0}")]
    Panic(String),
    /// Its job was stopped.
    #[error("the output was stopped on request")]
    Unwanted,
    /// What a part of the pipeline failed with that several outputs share.
    #[error("{}", .0.message)]
    Told(Failure),
}

impl Coded for MediaError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::NotMedia(_) => "MEDIA0001",
            Self::Empty => "MEDIA0002",
            Self::NoStreams(_) => "MEDIA0003",
            Self::UnsupportedCodec { .. } => "MEDIA0004",
            Self::Damaged { .. } => "MEDIA0005",
            Self::Encrypted => "MEDIA0006",
            Self::Limit(_) => "MEDIA0007",
            Self::SourceUnreadable => "MEDIA0008",
            Self::Missing { .. } => "MEDIA0009",
            Self::Filter { .. } => "MEDIA0010",
            Self::Encode { .. } => "MEDIA0011",
            Self::NotInContainer { .. } => "MEDIA0012",
            Self::Mux { .. } => "MEDIA0013",
            Self::WrongOutput { .. } => "MEDIA0014",
            Self::ScratchFull => "MEDIA0015",
            Self::Scratch { .. } => "MEDIA0016",
            Self::Parameter(_) => "MEDIA0017",
            Self::Overlay { .. } => "MEDIA0018",
            Self::Libav { .. } => "MEDIA0019",
            Self::Job(_) => "MEDIA0020",
            Self::Panic(_) => "MEDIA0021",
            Self::Unwanted => "MEDIA0025",
            Self::Incomplete(_) => "MEDIA0022",
            Self::BeyondEnd { .. } => "MEDIA0023",
            Self::Changes(..) => "MEDIA0024",
            Self::Beside { .. } => "MEDIA0031",
            Self::Told(failure) => return failure.code,
        })
    }
}

impl MediaError {
    /// Of a panic's payload.
    #[must_use]
    pub fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        Self::Panic(text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default())
    }

    /// The same error of an output whose streams were taken as they are, where a `change` of the source may be why.
    #[must_use]
    pub fn because_of(self, change: Option<String>) -> Self {
        match (self, change) {
            (Self::Mux { file, .. } | Self::WrongOutput { file, .. }, Some(change)) => Self::Changes(change, file),
            (error, _) => error,
        }
    }

    const fn class(&self) -> Class {
        match self {
            Self::SourceUnreadable | Self::ScratchFull | Self::Scratch { .. } | Self::WrongOutput { .. } => {
                Class::Retry
            }
            Self::Unwanted => Class::Cancelled,
            Self::Told(failure) => failure.class,
            Self::Overlay { source, .. } | Self::Beside { source, .. } => source.class(),
            _ => Class::Fatal,
        }
    }

    const fn blame(&self) -> Blame {
        match self {
            Self::NotMedia(_)
            | Self::Empty
            | Self::NoStreams(_)
            | Self::UnsupportedCodec { .. }
            | Self::Damaged { .. }
            | Self::Incomplete(_)
            | Self::BeyondEnd { .. }
            | Self::Changes(..)
            | Self::Encrypted
            | Self::Limit(_) => Blame::Input,
            Self::SourceUnreadable
            | Self::ScratchFull
            | Self::Scratch { .. }
            | Self::Missing { .. }
            | Self::Unwanted => Blame::Infrastructure,
            Self::Encode { .. } | Self::NotInContainer { .. } | Self::Parameter(_) => Blame::Definition,
            Self::Overlay { source, .. } | Self::Beside { source, .. } => match source.blame() {
                Blame::Input => Blame::Definition,
                other => other,
            },
            Self::Told(failure) => failure.blame,
            Self::Filter { .. }
            | Self::Mux { .. }
            | Self::WrongOutput { .. }
            | Self::Libav { .. }
            | Self::Job(_)
            | Self::Panic(_) => Blame::Bug,
        }
    }
}

/// Why a part of a source has nothing, in words.
fn ends(end_s: Option<f64>) -> String {
    match end_s {
        Some(end_s) => format!(", after the end of the source, which is {end_s:.2} s long"),
        None => " and contains nothing of the streams of the source".to_owned(),
    }
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        if let MediaError::Told(failure) = error {
            return failure;
        }
        Self::of(&error, error.class(), error.blame())
    }
}

/// Codes of warnings: things the user should know that do not end a job.
pub mod warning {
    use reelmill::model::Code;

    /// Some packets or frames could not be decoded.
    pub const DAMAGED: Code = Code::new("MEDIA0101");
    /// A subtitle stream was left out.
    pub const SUBTITLE_LEFT_OUT: Code = Code::new("MEDIA0102");
    /// A stream that nothing could be decoded of, or that has no place in the output, was left out.
    pub const STREAM_LEFT_OUT: Code = Code::new("MEDIA0103");
    /// HDR could not be tone-mapped with the filters of this build.
    pub const NO_TONE_MAPPING: Code = Code::new("MEDIA0104");
    /// Renditions of a package have segments that begin at different moments.
    pub const NOT_ALIGNED: Code = Code::new("MEDIA0105");
    /// Streams that are not part of a package.
    pub const STREAM_NOT_PACKAGED: Code = Code::new("MEDIA0106");
    /// The encoding of a text file was guessed.
    pub const ENCODING_GUESSED: Code = Code::new("MEDIA0112");
    /// Bytes of a text file mean nothing in the encoding that it is said to be in.
    pub const ENCODING_WRONG: Code = Code::new("MEDIA0125");
    /// A copy begins before the clip that was asked for.
    pub const CUT_AT_KEYFRAME: Code = Code::new("MEDIA0113");
    /// The source has less than its container declares.
    pub const INCOMPLETE: Code = Code::new("MEDIA0115");
    /// The duration of the source is an estimate.
    pub const DURATION_ESTIMATED: Code = Code::new("MEDIA0116");
    /// The source changes its pictures or its sound under way.
    pub const SOURCE_CHANGES: Code = Code::new("MEDIA0117");
    /// A box that was asked for is not reached, because a source is not enlarged.
    pub const BOX_NOT_REACHED: Code = Code::new("MEDIA0118");
    /// A moment that was asked for lies after the end of the source.
    pub const BEYOND_END: Code = Code::new("MEDIA0119");
    /// No stream is in the language that was asked for.
    pub const LANGUAGE_MISSING: Code = Code::new("MEDIA0114");
    /// A loudness could not be reached.
    pub const LOUDNESS_MISSED: Code = Code::new("MEDIA0111");
    /// A track of a package begins later than the package.
    pub const LATE_TRACK: Code = Code::new("MEDIA0135");
    /// A sound of a package is there in one codec alone.
    pub const SINGLE_CODEC: Code = Code::new("MEDIA0136");
    /// A text to lay over the video is empty.
    pub const EMPTY_TEXT: Code = Code::new("MEDIA0107");
}
