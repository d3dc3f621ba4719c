//! Keys of `package`.

use super::{NAME, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

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
        Field::new("protocol", Kind::Choice(&Choice { now: &["hls"], later: &["dash"] }), "Protocol."),
        Field::new("segment", Kind::Duration { min_s: 1.0, max_s: 60.0 }, "Length of segments; 6s is the default."),
        Field::new(
            "name",
            Kind::Text { max: NAME },
            "Name of the master playlist; everything else goes to folders beside it.",
        ),
    ],
    later: &[("encryption", "leave it out"), ("subtitles", "leave it out")],
};
