//! Keys of containers.

use super::RULES;
use crate::yaml::{Choice, Field, Kind, Shape};

const CONTAINER_KIND: Kind = Kind::OneOf(&[Kind::Choice(&FORMATS), Kind::Map(&CONTAINER_SHAPE)]);

pub(super) const CONTAINER: Field = Field::new("container", CONTAINER_KIND, "Container.");

const PACKAGE: &str = "an activity `package` makes HLS, DASH and CMAF: `package: { from: [NAME], protocol: hls }`";

static FORMATS: Choice = Choice {
    now: &[
        "mp4", "mov", "mkv", "webm", "ts", "flv", "m4a", "mp3", "ogg", "flac", "wav", "gif", "webp", "srt", "vtt",
        "ass", "ttml",
    ],
    later: &[("hls", PACKAGE), ("dash", PACKAGE), ("cmaf", PACKAGE)],
};

static CONTAINER_SHAPE: Shape = Shape {
    name: "`container`",
    id: "Container",
    doc: "Container.",
    rules: &RULES,
    fields: &[Field::required("format", Kind::Choice(&FORMATS), "Format of the container.")],
    later: &[],
};
