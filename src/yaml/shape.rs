//! Shapes: the keys that a mapping can have, and their values. One table for checks, hints and the JSON Schema.

/// Rules of a family of shapes: the codes of mistakes, and whether there are expressions.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Code of an unknown key.
    pub unknown_key: &'static str,
    /// Code of a missing key.
    pub missing_key: &'static str,
    /// Code of a value of the wrong type.
    pub wrong_kind: &'static str,
    /// Code of a value that is out of range, or not one of the words.
    pub out_of_range: &'static str,
    /// Code of a key or word that this version does not support yet.
    pub later: &'static str,
    /// True if a text with `${…}` may stand for any single value. For [`Kind::Text`] it always may.
    pub expressions: bool,
}

/// A mapping with known keys.
#[derive(Debug)]
pub struct Shape {
    /// Name for people: `the workflow`, `a video codec's parameters`.
    pub name: &'static str,
    /// Name among the definitions of the JSON Schema.
    pub id: &'static str,
    /// One sentence for the schema.
    pub doc: &'static str,
    /// Rules of its family.
    pub rules: &'static Rules,
    /// Keys it may have.
    pub fields: &'static [Field],
    /// Keys that this version does not support yet, each with a suggestion.
    pub later: &'static [(&'static str, &'static str)],
}

/// A key and what it takes.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// Type of its value.
    pub kind: Kind,
    /// True if it must be there.
    pub required: bool,
    /// One sentence for the schema.
    pub doc: &'static str,
}

impl Field {
    /// Makes an optional key.
    #[must_use]
    pub const fn new(key: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { key, kind, required: false, doc }
    }

    /// Makes a required key.
    #[must_use]
    pub const fn required(key: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { key, kind, required: true, doc }
    }
}

/// One of several words.
#[derive(Debug)]
pub struct Choice {
    /// Words that this version supports.
    pub now: &'static [&'static str],
    /// Words that this version does not support yet, each with a suggestion; an empty one lists the supported words.
    pub later: &'static [(&'static str, &'static str)],
}

/// Type of a value. Bounds are inclusive.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// Text.
    Text {
        /// Longest, in bytes.
        max: usize,
    },
    /// Text without `${…}`, which the code that reads the definition checks further.
    Fixed {
        /// Longest, in bytes.
        max: usize,
    },
    /// A condition in CEL, without `${…}`.
    Condition,
    /// A duration: `10s`.
    Duration {
        /// Shortest, in seconds.
        min_s: f64,
        /// Longest, in seconds.
        max_s: f64,
    },
    /// Frames per second: `25`, `30000/1001`.
    FrameRate {
        /// Highest.
        max: f64,
    },
    /// A share of a whole: `10%`.
    Percent,
    /// A gain: `-6dB`.
    Gain {
        /// Lowest, in decibels.
        min_db: f64,
        /// Highest, in decibels.
        max_db: f64,
    },
    /// A size: `16MiB`.
    Bytes,
    /// A rate or an amount of bits: `2.5M`.
    Bits {
        /// Fewest.
        min: u64,
        /// Most.
        max: u64,
    },
    /// A colour: `white`, `#ff8800`.
    Color,
    /// One of several words.
    Choice(&'static Choice),
    /// One of several words, which a function returns.
    Word(fn() -> Vec<&'static str>),
    /// A mapping with known keys.
    Map(&'static Shape),
    /// A mapping with any keys.
    Named(&'static Kind),
    /// A list.
    List {
        /// Type of its elements.
        of: &'static Kind,
        /// Most elements.
        max: usize,
    },
    /// One of several kinds: the first that matches the value.
    OneOf(&'static [Kind]),
    /// A text, a number, `true` or `false`.
    Scalar,
}

impl Kind {
    /// Expected value, for messages.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Int { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Text { .. } | Self::Fixed { .. } => "text".to_owned(),
            Self::Condition => "a condition (CEL)".to_owned(),
            Self::Duration { .. } => "a duration, like 500ms, 10s, 5m or 2h".to_owned(),
            Self::FrameRate { .. } => "a frame rate, like 25 or 30000/1001".to_owned(),
            Self::Percent => "a share, like 10%".to_owned(),
            Self::Gain { .. } => "a gain, like -6dB".to_owned(),
            Self::Bytes => "a size, like 1KiB, 16MiB or 100GiB".to_owned(),
            Self::Bits { .. } => "a number of bits, like 128k or 2.5M".to_owned(),
            Self::Color => "a colour, like white or #ff8800".to_owned(),
            Self::Choice(choice) => format!("one of {}", choice.now.join(", ")),
            Self::Word(words) => format!("one of {}", words().join(", ")),
            Self::Map(shape) => format!("a mapping ({})", keys(shape)),
            Self::Named(_) => "a mapping".to_owned(),
            Self::List { .. } => "a list".to_owned(),
            Self::OneOf(kinds) => kinds.iter().map(Self::expected).collect::<Vec<_>>().join(", or "),
            Self::Scalar => "text, a number, true or false".to_owned(),
        }
    }
}

fn keys(shape: &Shape) -> String {
    let first: Vec<_> = shape.fields.iter().take(4).map(|f| f.key).collect();
    let more = if shape.fields.len() > first.len() { ", …" } else { "" };
    first.join(", ") + more
}
