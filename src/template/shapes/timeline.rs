//! Keys of `clip`, `subtitles`, `metadata` and `chapters`.

use super::{CHARSET, LENGTH, MOMENT, NAME, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

const SUBTITLES_KIND: Kind =
    Kind::OneOf(&[Kind::Choice(&Choice { now: &["none", "keep", "burn"], later: &[] }), Kind::Map(&SUBTITLES_SHAPE)]);

pub(super) const SUBTITLES: Field = Field::new(
    "subtitles",
    SUBTITLES_KIND,
    "Subtitles: `keep` the streams that the container holds, `burn` the main one into the picture, or `none`; a remux \
     keeps them by default.",
);

pub(super) const CLIP: Field = Field::new("clip", Kind::Map(&CLIP_SHAPE), "Part of the source to use.");

static KEEP_OR_DROP: Choice = Choice { now: &["keep", "drop"], later: &[] };

pub(super) const METADATA: Field = Field::new(
    "metadata",
    Kind::Choice(&KEEP_OR_DROP),
    "Metadata of the source, such as title and artist; kept by default.",
);

pub(super) const CHAPTERS: Field =
    Field::new("chapters", Kind::Choice(&KEEP_OR_DROP), "Chapters of the source; kept by default.");

const INDEX: Kind = Kind::Int { min: 0, max: 63 };

static SUBTITLES_SHAPE: Shape = Shape {
    name: "`subtitles`",
    id: "Subtitles",
    doc: "Subtitles of the output.",
    rules: &RULES,
    fields: &[
        Field::new(
            "keep",
            Kind::OneOf(&[
                Kind::Choice(&Choice { now: &["all", "none"], later: &[] }),
                INDEX,
                Kind::Map(&LANGUAGE_SHAPE),
            ]),
            "Subtitle streams to copy: all, one by its number from 0, or one by `language`.",
        ),
        Field::new(
            "burn",
            Kind::OneOf(&[Kind::Choice(&Choice { now: &["main"], later: &[] }), INDEX, Kind::Map(&BURN_SHAPE)]),
            "Subtitles to burn into the picture: the main stream, one by its number from 0 or `language`, or a `file`.",
        ),
        Field::new(
            "files",
            Kind::List { of: &Kind::Map(&FILE_SHAPE), max: 4 },
            "Files (SRT, ASS, WebVTT) to add as subtitle streams.",
        ),
    ],
    later: &[],
};

const LANGUAGE: Kind = Kind::Text { max: 35 };

const FILE: Kind = Kind::Text { max: NAME };

static LANGUAGE_SHAPE: Shape = Shape {
    name: "`keep`",
    id: "SubtitleLanguage",
    doc: "A subtitle stream by its language.",
    rules: &RULES,
    fields: &[Field::required("language", LANGUAGE, "Language (BCP 47 or ISO 639).")],
    later: &[],
};

static BURN_SHAPE: Shape = Shape {
    name: "`burn`",
    id: "Burn",
    doc: "Subtitles to burn into the picture: `language` or `file`.",
    rules: &RULES,
    fields: &[
        Field::new("language", LANGUAGE, "Language of the stream (BCP 47 or ISO 639)."),
        Field::new("file", FILE, "File: `s3://bucket/key`, or a key in the bucket of the uploaded object."),
        CHARSET,
    ],
    later: &[],
};

static FILE_SHAPE: Shape = Shape {
    name: "a subtitle file",
    id: "SubtitleFile",
    doc: "A file to add as a subtitle stream.",
    rules: &RULES,
    fields: &[
        Field::required("file", FILE, "File: `s3://bucket/key`, or a key in the bucket of the uploaded object."),
        Field::new("language", LANGUAGE, "Language (BCP 47 or ISO 639)."),
        Field::new("name", Kind::Text { max: 256 }, "Name in the menu of the player."),
        Field::new("default", Kind::Bool, "If true, players select it by default."),
        Field::new("forced", Kind::Bool, "If true, players show it even if subtitles are off (forced)."),
        CHARSET,
    ],
    later: &[],
};

const PART: Kind = Kind::OneOf(&[Kind::Map(&PART_SHAPE), FILE]);

pub(super) const MERGE: Field = Field::new(
    "merge",
    Kind::List { of: &PART, max: 100 },
    "Files to append to the source, in order; size, frame rate and channels may differ.",
);

pub(super) const OPENING: Field = Field::new("opening", PART, "File to put before the source.");

pub(super) const TAIL: Field = Field::new("tail", PART, "File to put at the end.");

static PART_SHAPE: Shape = Shape {
    name: "a part",
    id: "Part",
    doc: "A file, or a part of it.",
    rules: &RULES,
    fields: &[
        Field::required("source", FILE, "File: `s3://bucket/key`, or a key in the bucket of the uploaded object."),
        Field::new("start", MOMENT, "Start; the beginning of the file is the default."),
        Field::new("duration", LENGTH, "Length."),
        Field::new("end", LENGTH, "End, instead of `duration`."),
    ],
    later: &[],
};

static CLIP_SHAPE: Shape = Shape {
    name: "`clip`",
    id: "Clip",
    doc: "Part of the source.",
    rules: &RULES,
    fields: &[
        Field::new("start", MOMENT, "Start; the beginning of the file is the default."),
        Field::new("duration", LENGTH, "Length."),
        Field::new("end", LENGTH, "End, instead of `duration`."),
    ],
    later: &[],
};
