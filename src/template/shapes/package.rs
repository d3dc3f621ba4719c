//! Keys of `package`.

use super::{NAME, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

const REFERENCE: Kind = Kind::Text { max: NAME };

pub(super) static PACKAGE: Shape = Shape {
    name: "`package`",
    id: "Package",
    doc: "Adaptive streaming from finished renditions.",
    rules: &RULES,
    fields: &[
        Field::new(
            "from",
            Kind::OneOf(&[Kind::Fixed { max: 64 }, Kind::List { of: &Kind::Fixed { max: 64 }, max: 100 }]),
            "Activities whose outputs are the renditions.",
        ),
        Field::new(
            "protocol",
            Kind::Choice(&Choice { now: &["hls", "dash", "cmaf"], later: &[] }),
            "Protocol: hls is the default; cmaf is hls and dash over one set of segments.",
        ),
        Field::new(
            "segments",
            Kind::Choice(&Choice { now: &["fmp4", "ts"], later: &[] }),
            "Format of segments; fmp4 is the default, ts is for hls only.",
        ),
        Field::new("segment", Kind::Duration { min_s: 1.0, max_s: 60.0 }, "Length of segments; 6s is the default."),
        Field::new(
            "audio",
            Kind::Choice(&Choice { now: &["auto", "separate"], later: &[] }),
            "Whether audio is always apart from video; auto, the default, does so where there is a choice of audio.",
        ),
        Field::new(
            "subtitles",
            Kind::OneOf(&[
                Kind::Choice(&Choice { now: &["keep", "none"], later: &[] }),
                Kind::List { of: &Kind::Map(&SUBTITLE), max: 50 },
            ]),
            "Text subtitles of the renditions: keep, the default, or none; or files of subtitles beside them.",
        ),
        Field::new("byte_range", Kind::Bool, "One file for each track, segments as ranges of bytes."),
        Field::new("iframe_playlists", Kind::Bool, "Keyframes apart, for fast seeking."),
        Field::new("encryption", Kind::Map(&ENCRYPTION), "Encryption of segments (hls only)."),
        Field::new(
            "name",
            Kind::Text { max: NAME },
            "Name of the manifest; everything else goes to folders beside it. With cmaf, the other manifest has the same \
             name with its own extension.",
        ),
    ],
    later: &[],
};

static SUBTITLE: Shape = Shape {
    name: "a file of subtitles",
    id: "PackageSubtitle",
    doc: "A file of text subtitles (SRT, WebVTT, ASS).",
    rules: &RULES,
    fields: &[
        Field::required("file", REFERENCE, "`s3://bucket/key`, or a key in the bucket of the uploaded object."),
        Field::new("language", Kind::Text { max: 64 }, "Its language (BCP 47), like en or pt-BR."),
        Field::new("name", Kind::Text { max: 256 }, "Its name in the menu; that of the language is the default."),
        Field::new("default", Kind::Bool, "Whether players show it unless told otherwise."),
        Field::new("forced", Kind::Bool, "Whether it holds only what must always be shown."),
        super::CHARSET,
    ],
    later: &[],
};

static ENCRYPTION: Shape = Shape {
    name: "`encryption`",
    id: "PackageEncryption",
    doc: "Encryption of segments.",
    rules: &RULES,
    fields: &[
        Field::new(
            "method",
            Kind::Choice(&Choice { now: &["hls-aes-128"], later: &[("sample-aes", ""), ("cbcs", ""), ("cenc", "")] }),
            "Method; hls-aes-128 is the default and the only one.",
        ),
        Field::new(
            "key",
            Kind::OneOf(&[REFERENCE, Kind::List { of: &REFERENCE, max: 100 }]),
            "Where the key is: `env:NAME`, `file:/path` or `s3://bucket/key`; several with `rotate`. Without it keys are \
             generated and published beside the playlists.",
        ),
        Field::new(
            "key_uri",
            Kind::Text { max: NAME },
            "URI by which players get the key; a run of `#` is the number of the key from 1.",
        ),
        Field::new("rotate", Kind::Int { min: 1, max: 100_000 }, "Segments after which the next key comes."),
    ],
    later: &[],
};
