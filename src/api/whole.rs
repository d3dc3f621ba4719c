//! Whole numbers of requests, from `MIN` to `MAX`. `1.0` is one, as JSON Schema has it.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A number that is needed.
pub(crate) fn needed<'de, const MIN: i64, const MAX: i64, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    Whole::<MIN, MAX>::deserialize(deserializer)?.fit()
}

/// A number that may be left out, or `null`.
pub(crate) fn optional<'de, const MIN: i64, const MAX: i64, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64>,
{
    Option::<Whole<MIN, MAX>>::deserialize(deserializer)?.map(Whole::fit).transpose()
}

struct Whole<const MIN: i64, const MAX: i64>(i64);

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    fn fit<T: TryFrom<i64>, E: de::Error>(self) -> Result<T, E> {
        T::try_from(self.0).map_err(|_| E::custom(format_args!("{} does not fit", self.0)))
    }

    fn within<E: de::Error>(number: Option<i64>, found: de::Unexpected<'_>) -> Result<Self, E> {
        let number = number.filter(|number| (MIN..=MAX).contains(number));
        number.map(Self).ok_or_else(|| E::invalid_value(found, &Bounds::<MIN, MAX>))
    }
}

impl<'de, const MIN: i64, const MAX: i64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Bounds::<MIN, MAX>)
    }
}

struct Bounds<const MIN: i64, const MAX: i64>;

impl<const MIN: i64, const MAX: i64> Visitor<'_> for Bounds<MIN, MAX> {
    type Value = Whole<MIN, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (MIN, MAX) {
            (_, i64::MAX) => write!(f, "a whole number from {MIN} on"),
            _ => write!(f, "a whole number from {MIN} to {MAX}"),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        Whole::within(Some(number), de::Unexpected::Signed(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Whole::within(i64::try_from(number).ok(), de::Unexpected::Unsigned(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
        // Text of a float without a fraction is that of a whole number.
        let whole = (number.fract() == 0.0).then(|| format!("{number:.0}").parse().ok()).flatten();
        Whole::within(whole, de::Unexpected::Float(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let read = |text: &str| {
            let mut json = serde_json::Deserializer::from_str(text);
            optional::<-1, 10, _, i8>(&mut json).map_err(|error| error.to_string())
        };
        for (text, number) in
            [("null", None), ("10", Some(10)), ("1.0", Some(1)), ("1e1", Some(10)), ("-1", Some(-1)), ("-0.0", Some(0))]
        {
            assert_eq!(read(text), Ok(number), "{text}");
        }
        for text in ["11", "-2", "0.5", "1e300", "-1e300", "99999999999999999999", "\"1\"", "true", "[1]"] {
            let error = read(text).unwrap_err();
            assert!(error.contains("expected a whole number from -1 to 10"), "{text}: {error}");
        }
    }
}
