//! Keys of `audio`.

use super::{MOMENT, NAME, NONE_OR_COPY, RULES};
use crate::model::codec::AudioCodec;
use crate::yaml::{Choice, Field, Kind, Shape};

const AUDIO_KIND: Kind = Kind::OneOf(&[Kind::Map(&AUDIO_SHAPE), Kind::Choice(&NONE_OR_COPY)]);

pub(super) const AUDIO: Field =
    Field::new("audio", AUDIO_KIND, "Audio: `none` to leave it out, `copy` to copy it, or parameters of its encoding.");

static AUDIO_SHAPE: Shape = Shape {
    name: "`audio`",
    id: "Audio",
    doc: "Parameters of audio encoding.",
    rules: &RULES,
    fields: &[
        Field::new(
            "codec",
            Kind::Choice(&Choice { now: AudioCodec::WORDS, later: &[] }),
            "Codec; the default depends on the container.",
        ),
        Field::new(
            "profile",
            Kind::Choice(&Choice { now: &["aac_low", "aac_he", "aac_he_v2", "aac_ld", "aac_eld"], later: &[] }),
            "Profile of AAC; others than aac_low need Fraunhofer's encoder.",
        ),
        Field::new("bitrate", Kind::Bits { min: 8_000, max: 1_000_000 }, "Bit rate in bit/s."),
        Field::new("sample_rate", Kind::Int { min: 22_050, max: 96_000 }, "Samples per second."),
        Field::new("bit_depth", Kind::Int { min: 16, max: 32 }, "Bits per sample of pcm and flac: 16, 24 or 32."),
        Field::new("channels", Kind::Int { min: 1, max: 8 }, "Number of channels; that of the source is the default."),
        Field::new(
            "tracks",
            Kind::OneOf(&[
                Kind::Choice(&Choice { now: &["main", "all"], later: &[] }),
                Kind::Int { min: 0, max: 63 },
                Kind::Map(&TRACKS_SHAPE),
            ]),
            "Audio streams to use: the main one, all, one by its number from 0, or one by `language`.",
        ),
        Field::new("volume", VOLUME, "Gain, like -6dB, or a factor: 0.5 is half."),
        Field::new("loudness", Kind::Map(&LOUDNESS_SHAPE), "Target loudness to EBU R 128."),
        Field::new("mix", Kind::Map(&MIX_SHAPE), "Audio to mix in, such as music, cut to the duration of the output."),
    ],
    later: &[],
};

const VOLUME: Kind =
    Kind::OneOf(&[Kind::Gain { min_db: -60.0, max_db: 40.0 }, Kind::Number { min: 0.001, max: 100.0 }]);

static LOUDNESS_SHAPE: Shape = Shape {
    name: "`loudness`",
    id: "Loudness",
    doc: "Target loudness to EBU R 128.",
    rules: &RULES,
    fields: &[
        Field::new(
            "target",
            Kind::Number { min: -70.0, max: -5.0 },
            "Integrated loudness in LUFS; -23 is the default.",
        ),
        Field::new("true_peak", Kind::Number { min: -9.0, max: 0.0 }, "Highest true peak in dBTP; -1 is the default."),
        Field::new(
            "range",
            Kind::Number { min: 1.0, max: 50.0 },
            "Largest loudness range in LU; that of the source is the default.",
        ),
        Field::new(
            "method",
            Kind::Choice(&Choice { now: &["auto", "linear", "dynamic"], later: &[] }),
            "One gain for the whole (`linear`), a gain that follows the programme (`dynamic`), or `linear` if possible (`auto`, the default).",
        ),
    ],
    later: &[],
};

static MIX_SHAPE: Shape = Shape {
    name: "`mix`",
    id: "Mix",
    doc: "Audio to mix in.",
    rules: &RULES,
    fields: &[
        Field::required(
            "source",
            Kind::Text { max: NAME },
            "File with audio: `s3://bucket/key`, or a key in the bucket of the uploaded object.",
        ),
        Field::new("volume", VOLUME, "Its gain, like -12dB, or a factor."),
        Field::new("start", MOMENT, "Start in the output; the beginning is the default."),
        Field::new("loop", Kind::Bool, "If true, it repeats until the output ends."),
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
