//! Keys of `audio`.

use super::{MOMENT, NAME, NONE_OR_COPY, RULES};
use crate::model::codec::AudioCodec;
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
            Kind::Choice(&Choice { now: AudioCodec::WORDS, later: &[] }),
            "Codec; what the container is made for is the default.",
        ),
        Field::new(
            "profile",
            Kind::Choice(&Choice { now: &["aac_low", "aac_he", "aac_he_v2", "aac_ld", "aac_eld"], later: &[] }),
            "Profile of AAC; those beside aac_low need Fraunhofer's encoder.",
        ),
        Field::new("bitrate", Kind::Bits { min: 8_000, max: 1_000_000 }, "Bit rate in bit/s."),
        Field::new("sample_rate", Kind::Int { min: 22_050, max: 96_000 }, "Samples per second."),
        Field::new("bit_depth", Kind::Int { min: 16, max: 32 }, "Bits per sample of pcm and flac: 16, 24 or 32."),
        Field::new(
            "channels",
            Kind::Int { min: 1, max: 8 },
            "Channels, mixed down or up; the source's are the default.",
        ),
        Field::new(
            "tracks",
            Kind::OneOf(&[
                Kind::Choice(&Choice { now: &["main", "all"], later: &[] }),
                Kind::Int { min: 0, max: 63 },
                Kind::Map(&TRACKS_SHAPE),
            ]),
            "Which audio streams: the main one, all, one by its number from 0, or one by `language`.",
        ),
        Field::new("volume", VOLUME, "Gain, like -6dB, or a factor: 0.5 is half."),
        Field::new("loudness", Kind::Map(&LOUDNESS_SHAPE), "Loudness to EBU R 128, measured before it is set."),
        Field::new("mix", Kind::Map(&MIX_SHAPE), "Sound laid under, such as music, cut to the length."),
    ],
    later: &[],
};

const VOLUME: Kind =
    Kind::OneOf(&[Kind::Gain { min_db: -60.0, max_db: 40.0 }, Kind::Number { min: 0.001, max: 100.0 }]);

static LOUDNESS_SHAPE: Shape = Shape {
    name: "`loudness`",
    id: "Loudness",
    doc: "Loudness to EBU R 128.",
    rules: &RULES,
    fields: &[
        Field::new(
            "target",
            Kind::Number { min: -70.0, max: -5.0 },
            "Integrated loudness in LUFS; -23 is the default.",
        ),
        Field::new("true_peak", Kind::Number { min: -9.0, max: 0.0 }, "Highest true peak in dBTP; -1 is the default."),
        Field::new("range", Kind::Number { min: 1.0, max: 50.0 }, "Widest loudness range in LU; the source's is kept."),
        Field::new(
            "method",
            Kind::Choice(&Choice { now: &["auto", "linear", "dynamic"], later: &[] }),
            "One gain for the whole (`linear`), one that follows the programme (`dynamic`), or the first that will do.",
        ),
    ],
    later: &[],
};

static MIX_SHAPE: Shape = Shape {
    name: "`mix`",
    id: "Mix",
    doc: "Sound laid under.",
    rules: &RULES,
    fields: &[
        Field::required(
            "source",
            Kind::Text { max: NAME },
            "File with sound: `s3://bucket/key`, or a key in the bucket of the uploaded object.",
        ),
        Field::new("volume", VOLUME, "Its gain, like -12dB, or a factor."),
        Field::new("start", MOMENT, "When it begins; at once is the default."),
        Field::new("loop", Kind::Bool, "Whether it begins anew when it has ended."),
    ],
    later: &[],
};

static TRACKS_SHAPE: Shape = Shape {
    name: "`tracks`",
    id: "Tracks",
    doc: "An audio stream by its language.",
    rules: &RULES,
    fields: &[Field::required("language", Kind::Text { max: 35 }, "Language (BCP 47 or ISO 639).")],
    later: &[],
};
