//! Forms of values in the file: sizes, durations, and numbers that may be `auto`.

use crate::model::units;

/// `auto`, or a size.
pub(super) mod memory {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::units;

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "auto" { Ok(None) } else { units::parse_bytes(&text).map(Some).map_err(serde::de::Error::custom) }
    }

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(in crate::config) fn serialize<S: Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            None => serializer.serialize_str("auto"),
            Some(bytes) => serializer.collect_str(bytes),
        }
    }
}

/// A size.
pub(super) mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::units;

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        units::parse_bytes(&text).map_err(serde::de::Error::custom)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(in crate::config) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }
}

/// A text, or a list of texts.
pub(super) mod one_or_many {
    use std::fmt;

    use serde::de::{SeqAccess, Visitor};
    use serde::{Deserializer, Serialize, Serializer};

    struct Texts;

    impl<'de> Visitor<'de> for Texts {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string, or a list of strings")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<String>, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_unit<E: serde::de::Error>(self) -> Result<Vec<String>, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = list.next_element()? {
                texts.push(text);
            }
            Ok(texts)
        }
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        deserializer.deserialize_any(Texts)
    }

    pub(in crate::config) fn serialize<S: Serializer>(texts: &Vec<String>, serializer: S) -> Result<S::Ok, S::Error> {
        match texts.as_slice() {
            [] => serializer.serialize_none(),
            [one] => serializer.serialize_str(one),
            many => many.serialize(serializer),
        }
    }
}

/// A text, or a list of texts.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is of use")]
pub(super) enum OneOrMany {
    /// One.
    One(Option<String>),
    /// Several.
    Many(Vec<String>),
}

/// A number of jobs, or `auto`.
#[derive(schemars::JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is of use")]
pub(super) enum Slots {
    /// A number of jobs.
    Number(#[schemars(range(min = 1, max = 1024))] u16),
    /// One per two processors.
    Word(Auto),
}

/// `auto`.
#[derive(schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is of use")]
pub(super) enum Auto {
    /// The word.
    Auto,
}

/// `auto`, or a number of slots.
pub(super) mod slots {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<usize>, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse_slots(&text).map_err(serde::de::Error::custom)
    }

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(in crate::config) fn serialize<S: Serializer>(value: &Option<usize>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            None => serializer.serialize_str("auto"),
            Some(slots) => serializer.serialize_u64(*slots as u64),
        }
    }
}

/// `auto`, or a number of slots.
pub(super) fn parse_slots(text: &str) -> Result<Option<usize>, String> {
    match text {
        "auto" => Ok(None),
        number => match number.parse() {
            Ok(slots @ 1..=1024) => Ok(Some(slots)),
            _ => Err(format!("`{number}` is not a number of slots: write auto, or a number from 1 to 1024")),
        },
    }
}

/// A duration.
pub(super) mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::units;

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        units::parse_duration(&text).map_err(serde::de::Error::custom)
    }

    pub(in crate::config) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ms", value.as_millis()))
    }
}
