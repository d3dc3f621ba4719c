//! Named texts of a request (its query, its path, a form), read into a type.
//!
//! **Invariant**: an error names the field, quotes its text and says what is expected there.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// Longest text that an error repeats, in bytes.
const QUOTED_BYTES: usize = 100;

/// Reads `T` from the fields of one part of a request.
pub(super) fn read<T: DeserializeOwned>(pairs: &[(String, String)]) -> Result<T, FieldError> {
    T::deserialize(Fields(pairs)).map_err(|error| match pairs {
        [(name, _)] => error.named(name),
        _ => error,
    })
}

/// A field that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FieldError {
    /// Its name, where it is one field.
    pub(super) name: Option<String>,
    /// Description of the error.
    pub(super) detail: String,
}

impl FieldError {
    fn of(name: &str, detail: impl Into<String>) -> Self {
        Self { name: Some(name.to_owned()), detail: detail.into() }
    }

    fn named(self, name: &str) -> Self {
        Self { name: self.name.or_else(|| Some(name.to_owned())), ..self }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for FieldError {}

impl de::Error for FieldError {
    fn custom<T: fmt::Display>(detail: T) -> Self {
        Self { name: None, detail: detail.to_string() }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_value(found, expected)
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Str(text) => quoted(text),
            de::Unexpected::Signed(number) => quoted(&number.to_string()),
            de::Unexpected::Unsigned(number) => quoted(&number.to_string()),
            other => other.to_string(),
        };
        Self::custom(format_args!("{found} is not {}", wanted(&expected.to_string())))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("{} is not one of {}", quoted(variant), listed(expected)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        match expected {
            [] => Self::of(field, "unknown; this request takes no parameters"),
            known => Self::of(field, format!("unknown; known are {}", listed(known))),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(field, "missing")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of(field, "given more than once")
    }
}

/// The expected type in words; serde gives numbers by their Rust types.
fn wanted(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" => "a whole number that fits, from 0 on",
        "i8" | "i16" | "i32" | "i64" => "a whole number that fits",
        "a boolean" => "`true` or `false`",
        other => other,
    }
}

fn quoted(text: &str) -> String {
    let shown = &text[..text.floor_char_boundary(QUOTED_BYTES)];
    let rest = if shown.len() < text.len() { "…" } else { "" };
    format!("`{}{rest}`", shown.escape_debug())
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A value of the type that `visitor` makes, from one of its fields or from all of them.
type Made<'de, V> = Result<<V as Visitor<'de>>::Value, FieldError>;

/// Fields in their order: a type with named fields takes them by name, a tuple by place, any other takes the only one.
struct Fields<'a>(&'a [(String, String)]);

macro_rules! of_the_only_field {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Made<'de, V> {
            let (_, text) = self.0.first().ok_or_else(|| de::Error::custom("missing"))?;
            Text(text).$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = FieldError;

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Made<'de, V> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Made<'de, V> {
        visitor.visit_map(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Made<'de, V> {
        visitor.visit_seq(self)
    }

    of_the_only_field! { deserialize_any deserialize_i64 deserialize_u64 }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i128 u8 u16 u32 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple_struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, FieldError> {
        let name = self.0.first().map(|(name, _)| StrDeserializer::<FieldError>::new(name));
        name.map(|name| seed.deserialize(name)).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, FieldError> {
        self.next_element_seed(seed)?.ok_or_else(|| de::Error::custom("missing"))
    }
}

impl<'de> SeqAccess<'de> for Fields<'_> {
    type Error = FieldError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, FieldError> {
        let Some(((name, text), rest)) = self.0.split_first() else { return Ok(None) };
        self.0 = rest;
        seed.deserialize(Text(text)).map(Some).map_err(|error| error.named(name))
    }
}

/// The text of one field. Numbers are read where one is expected.
struct Text<'a>(&'a str);

impl Text<'_> {
    /// A whole number as JSON Schema defines it: `1.0` is whole. Text that is not one is passed to `visitor` as text.
    fn whole<'de, V: Visitor<'de>>(&self, visitor: V) -> Made<'de, V> {
        let digits = self
            .0
            .split_once('.')
            .filter(|(_, zeros)| zeros.bytes().all(|b| b == b'0'))
            .map_or(self.0, |(whole, _)| whole);
        // Larger numbers are not `int64`, which is what the API's document says of all whole numbers.
        match digits.parse::<i64>() {
            Ok(number) => visitor.visit_i64(number),
            Err(_) => visitor.visit_str(self.0),
        }
    }
}

macro_rules! whole {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Made<'de, V> {
            self.whole(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Made<'de, V> {
        visitor.visit_str(self.0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Made<'de, V> {
        match self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => visitor.visit_str(other),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Made<'de, V> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Made<'de, V> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Made<'de, V> {
        let text: StrDeserializer<'_, FieldError> = self.0.into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    whole! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::model::{ExecutionId, ExecutionState};

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Query {
        needed: String,
        state: Option<ExecutionState>,
        id: Option<ExecutionId>,
        number: Option<u32>,
        #[serde(default)]
        flag: bool,
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn fields_are_taken_by_name_by_place_or_as_the_only_one() {
        let id = "01a2030d-0eaf-73c5-a66c-34bb69010b60";
        let all = pairs(&[("flag", "true"), ("needed", "2"), ("number", "12.0"), ("id", id), ("state", "running")]);
        let id = id.parse().unwrap();
        let expected = Query {
            needed: "2".to_owned(),
            state: Some(ExecutionState::Running),
            id: Some(id),
            number: Some(12),
            flag: true,
        };
        assert_eq!(read(&all), Ok(expected));
        assert_eq!(read(&all[3..4]), Ok(id));
        assert_eq!(read(&pairs(&[("id", "-7")])), Ok(-7_i64));
        assert_eq!(read(&pairs(&[("after", "9223372036854775807")])), Ok(i64::MAX.unsigned_abs()));
        assert!(read::<u64>(&pairs(&[("after", "9223372036854775808")])).is_err(), "no `int64`");
        assert_eq!(read(&pairs(&[("a", "x"), ("b", "7")])), Ok(("x".to_owned(), "7".to_owned())));
    }

    #[test]
    fn an_error_names_its_field_and_says_what_is_expected() {
        let wrong = |name: &str, text: &str| {
            let error = read::<Query>(&pairs(&[("needed", ""), (name, text)])).unwrap_err();
            (error.name.unwrap_or_default(), error.detail)
        };
        for (name, text, detail) in [
            ("number", "x", "`x` is not a whole number that fits, from 0 on"),
            ("number", "1.5", "`1.5` is not a whole number that fits, from 0 on"),
            ("number", "-1", "`-1` is not a whole number that fits, from 0 on"),
            ("number", "99999999999", "`99999999999` is not a whole number that fits, from 0 on"),
            ("number", "", "`` is not a whole number that fits, from 0 on"),
            ("flag", "1", "`1` is not `true` or `false`"),
            ("state", "lost", "`lost` is not one of `pending`, `running`, `succeeded`, `failed`, `cancelled`"),
            ("id", "x\n", "`x\\n` is not an identifier, a UUID like 01a2030d-0eaf-73c5-a66c-34bb69010b60"),
            ("other", "x", "unknown; known are `needed`, `state`, `id`, `number`, `flag`"),
            ("needed", "x", "given more than once"),
        ] {
            assert_eq!(wrong(name, text), (name.to_owned(), detail.to_owned()), "{name} {text}");
        }
        assert_eq!(read::<Query>(&[]), Err(FieldError::of("needed", "missing")));
        assert_eq!(read::<ExecutionId>(&pairs(&[("id", "x")])).unwrap_err().name.as_deref(), Some("id"));
        assert!(wrong("id", &"ä".repeat(1000)).1.len() < 300);
    }
}
