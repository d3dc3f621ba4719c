//! The keys of templates and of activities' parameters, with their ranges: the one table behind checks, hints and the
//! JSON Schema.

mod analysis;
mod audio;
mod container;
mod overlay;
mod package;
mod snapshot;
mod timeline;
mod treatment;
mod video;

pub use overlay::OVERLAY;

use crate::model::plan::ActivityKind;
use crate::yaml::{Choice, Field, Kind, Rules, Shape};
use analysis::ANALYSIS;
use audio::AUDIO;
use container::CONTAINER;
use overlay::{WATERMARK, WATERMARKS};
use package::PACKAGE;
use snapshot::SNAPSHOT;
use timeline::{CHAPTERS, CLIP, MERGE, METADATA, OPENING, SUBTITLES, TAIL};
use video::VIDEO;

/// Rules of mistakes in parameters.
pub static RULES: Rules = Rules {
    unknown_key: "TPL0101",
    missing_key: "TPL0102",
    wrong_kind: "TPL0103",
    out_of_range: "TPL0104",
    later: "TPL0105",
    expressions: true,
};

/// Longest name of an output, in bytes, before it is rendered.
const NAME: usize = 1024;

const CHARSET: Field = Field::new(
    "charset",
    Kind::Text { max: 64 },
    "Encoding of its text (utf-8, gbk, big5, shift_jis, windows-1251, …), or `auto` to guess it, the default.",
);

/// The shape of what stands under an activity's type key.
#[must_use]
pub const fn activity(kind: ActivityKind) -> &'static Shape {
    match kind {
        ActivityKind::Analysis => &ANALYSIS,
        ActivityKind::TemplateAnalysis => &TEMPLATE_ANALYSIS,
        ActivityKind::Transcode => &TRANSCODE,
        ActivityKind::Remux => &REMUX,
        ActivityKind::Snapshot => &SNAPSHOT,
        ActivityKind::Watermark => &WATERMARK,
        ActivityKind::Package => &PACKAGE,
    }
}

/// A preset: a template without a name of its own.
pub static PRESET: Shape = Shape {
    name: "a template",
    id: "Preset",
    doc: "A template.",
    rules: &RULES,
    fields: &[DESCRIPTION, EXTENDS, CONTAINER, VIDEO, AUDIO, SUBTITLES, METADATA, CHAPTERS, IF_SOURCE_LOWER],
    later: &[],
};

/// A template file.
pub static TEMPLATE: Shape = Shape {
    name: "a template",
    id: "Template",
    doc: "Named parameters of transcoding, or of a watermark.",
    rules: &RULES,
    fields: &[
        Field::required("name", Kind::Fixed { max: 64 }, "Name by which activities refer to it."),
        DESCRIPTION,
        EXTENDS,
        Field::new("locked", Kind::Bool, "If true, activities cannot override its parameters."),
        CONTAINER,
        VIDEO,
        AUDIO,
        SUBTITLES,
        METADATA,
        CHAPTERS,
        IF_SOURCE_LOWER,
        Field::new("watermark", Kind::Map(&OVERLAY), "Parameters of a watermark, instead of those of transcoding."),
    ],
    later: &[],
};

const DESCRIPTION: Field = Field::new("description", Kind::Fixed { max: 1024 }, "Purpose, for people.");

const EXTENDS: Field =
    Field::new("extends", Kind::Fixed { max: 64 }, "Template whose parameters apply unless this one sets them.");

const IF_SOURCE_LOWER: Field = Field::new(
    "if_source_lower",
    Kind::Map(&IF_SOURCE_LOWER_SHAPE),
    "Handling of a source that has less than requested.",
);

const OUTPUT_NAME: Field =
    Field::new("name", Kind::Text { max: NAME }, "Name of the output, after the prefix; may contain `/` and `${…}`.");

const TEMPLATE_NAME: Field = Field::new("template", Kind::Fixed { max: 64 }, "Template that gives the parameters.");

static NONE_OR_COPY: Choice = Choice { now: &["none", "copy"], later: &[] };

static LOWER: Choice = Choice { now: &["keep_source", "fail", "ignore"], later: &[] };

static IF_SOURCE_LOWER_SHAPE: Shape = Shape {
    name: "`if_source_lower`",
    id: "IfSourceLower",
    doc: "Handling of a source that has less than requested.",
    rules: &RULES,
    fields: &[
        Field::new("resolution", Kind::Choice(&LOWER), "Smaller source: keep its size, fail, or enlarge it."),
        Field::new("video_bitrate", Kind::Choice(&LOWER), "Lower video bit rate: keep it, fail, or encode with more."),
        Field::new("audio_bitrate", Kind::Choice(&LOWER), "Lower audio bit rate: keep it, fail, or encode with more."),
    ],
    later: &[],
};

/// A length of a picture: pixels, or a share of its side.
const PIXELS_OR_SHARE: Kind =
    Kind::OneOf(&[Kind::Percent, Kind::Int { min: 0, max: 16_384 }, Kind::Number { min: 0.0, max: 1.0 }]);

const MOMENT: Kind = Kind::Duration { min_s: 0.0, max_s: 360_000.0 };

const LENGTH: Kind = Kind::Duration { min_s: 0.001, max_s: 360_000.0 };

static TEMPLATE_ANALYSIS: Shape = Shape {
    name: "`template-analysis`",
    id: "TemplateAnalysis",
    doc: "Templates that suit the source, best first, each with its reason.",
    rules: &RULES,
    fields: &[Field::new(
        "templates",
        Kind::List { of: &Kind::Fixed { max: 64 }, max: 200 },
        "Templates to choose from; all except watermarks by default.",
    )],
    later: &[],
};

static TRANSCODE: Shape = Shape {
    name: "`transcode`",
    id: "Transcode",
    doc: "Re-encode the source. Parameters here override those of the template.",
    rules: &RULES,
    fields: &[
        TEMPLATE_NAME,
        OUTPUT_NAME,
        WATERMARKS,
        CLIP,
        OPENING,
        MERGE,
        TAIL,
        CONTAINER,
        VIDEO,
        AUDIO,
        SUBTITLES,
        METADATA,
        CHAPTERS,
        IF_SOURCE_LOWER,
    ],
    later: &[("encryption", "remove it")],
};

static REMUX: Shape = Shape {
    name: "`remux`",
    id: "Remux",
    doc: "Change the container without encoding.",
    rules: &RULES,
    fields: &[TEMPLATE_NAME, OUTPUT_NAME, CLIP, CONTAINER, VIDEO, AUDIO, SUBTITLES, METADATA, CHAPTERS],
    later: &[],
};
