//! Keys of `audio`.

use super::{NONE_OR_COPY, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

const AUDIO_KIND: Kind = Kind::OneOf(&[Kind::Map(&AUDIO_SHAPE), Kind::Choice(&NONE_OR_COPY)]);

pub(super) const AUDIO: Field =
    Field::new("audio", AUDIO_KIND, "Audio: `none` leaves it out, `copy` takes it as it is.");

static AUDIO_SHAPE: Shape = Shape {
    name: "`audio`",
    id: "Audio",
    doc: "How audio is encoded.",
    rules: &RULES,
    fields: &[
        Field::new(
            "codec",
            Kind::Choice(&Choice {
                now: &["aac", "mp3", "opus", "flac", "copy"],
                later: &["vorbis", "ac3", "eac3", "pcm"],
            }),
            "Codec; what the container is made for is the default.",
        ),
        Field::new(
            "profile",
            Kind::Choice(&Choice { now: &["aac_low"], later: &["aac_he", "aac_he_v2", "aac_ld", "aac_eld"] }),
            "Profile of AAC.",
        ),
        Field::new("bitrate", Kind::Bits { min: 8_000, max: 1_000_000 }, "Bit rate in bit/s."),
        Field::new("sample_rate", Kind::Int { min: 22_050, max: 96_000 }, "Samples per second."),
        Field::new("channels", Kind::Int { min: 1, max: 8 }, "Channels; never more than the source has."),
        Field::new(
            "tracks",
            Kind::OneOf(&[
                Kind::Choice(&Choice { now: &["main", "all"], later: &[] }),
                Kind::Int { min: 0, max: 63 },
                Kind::Map(&TRACKS_SHAPE),
            ]),
            "Which audio streams: the main one, all, one by its number from 0, or one by `language`.",
        ),
    ],
    later: &[
        ("loudness", "leave it out; `analysis: { loudness: true }` measures it"),
        ("volume", "leave it out; `analysis: { loudness: true }` measures it"),
    ],
};

static TRACKS_SHAPE: Shape = Shape {
    name: "`tracks`",
    id: "Tracks",
    doc: "An audio stream by its language.",
    rules: &RULES,
    fields: &[Field::required("language", Kind::Text { max: 35 }, "Language (BCP 47 or ISO 639).")],
    later: &[],
};
