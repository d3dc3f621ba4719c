//! Keys of `package`.

use super::{NAME, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

const REFERENCE: Kind = Kind::Text { max: NAME };

pub(super) static PACKAGE: Shape = Shape {
    name: "`package`",
    id: "Package",
    doc: "Package renditions for adaptive streaming.",
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
            "Protocol: hls is the default; cmaf is hls and dash with one set of segments.",
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
            "Audio in renditions of its own: always (`separate`), or if there are several to choose from (`auto`, the default).",
        ),
        Field::new(
            "subtitles",
            Kind::OneOf(&[
                Kind::Choice(&Choice { now: &["keep", "none"], later: &[] }),
                Kind::List { of: &Kind::Map(&SUBTITLE), max: 50 },
            ]),
            "Text subtitles: those of the renditions (keep, the default), none, or a list of subtitle files.",
        ),
        Field::new("byte_range", Kind::Bool, "One file for each track, segments as ranges of bytes."),
        Field::new("iframe_playlists", Kind::Bool, "Playlists of keyframes, for fast seeking."),
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
        Field::new("language", Kind::Text { max: 64 }, "Language (BCP 47), like en or pt-BR."),
        Field::new(
            "name",
            Kind::Text { max: 256 },
            "Name in the menu of the player; that of the language is the default.",
        ),
        Field::new("default", Kind::Bool, "If true, players show it by default."),
        Field::new("forced", Kind::Bool, "If true, it has only text that is always shown (forced)."),
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
            "URI that players get the key from; a run of `#` is the number of the key, from 1.",
        ),
        Field::new("rotate", Kind::Int { min: 1, max: 100_000 }, "Number of segments per key."),
    ],
    later: &[],
};
