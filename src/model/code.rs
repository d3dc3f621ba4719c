//! Codes of errors and warnings, and the trait of errors that have one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Stable code of an error or a warning, such as `MEDIA0001`: capital letters for the area, then four digits.
///
/// `docs/errors.md` has an entry for each code that the sources name; `tests/tidy.rs` compares the two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code([u8; Code::MAX_BYTES]);

impl Code {
    /// Most bytes of a code.
    const MAX_BYTES: usize = 12;
    /// Digits at its end.
    const DIGITS: usize = 4;

    /// Makes the code of a literal, which must be one.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        let code = Self::read(text);
        debug_assert!(code.is_some(), "a code is capital letters and four digits");
        match code {
            Some(code) => code,
            None => Self([0; Self::MAX_BYTES]),
        }
    }

    const fn read(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() <= Self::DIGITS || text.len() > Self::MAX_BYTES {
            return None;
        }
        let mut code = [0; Self::MAX_BYTES];
        let mut index = 0;
        while index < text.len() {
            let is_area = index < text.len() - Self::DIGITS;
            if !(is_area && text[index].is_ascii_uppercase() || !is_area && text[index].is_ascii_digit()) {
                return None;
            }
            code[index] = text[index];
            index += 1;
        }
        Some(Self(code))
    }

    /// Returns its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(Self::MAX_BYTES);
        str::from_utf8(&self.0[..end]).unwrap_or_default()
    }
}

impl From<&'static str> for Code {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

/// Error of reading a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code is capital letters and four digits, like MEDIA0001")]
pub struct InvalidCode;

impl FromStr for Code {
    type Err = InvalidCode;

    fn from_str(text: &str) -> Result<Self, InvalidCode> {
        Self::read(text).ok_or(InvalidCode)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl PartialEq<str> for Code {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == text
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == *text
    }
}

/// Error with a code. Its `Display` is the message alone; the code is put before it where people read it.
pub trait Coded: std::error::Error {
    /// Returns its code.
    fn code(&self) -> Code;

    /// Returns `CODE: message`, for logs and other texts.
    fn with_code(&self) -> String {
        format!("{}: {self}", self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_letters_and_four_digits() {
        for good in ["WF0001", "WORKER0004", "OBJ0025"] {
            assert_eq!(good.parse::<Code>().map(|code| code.to_string()).as_deref(), Ok(good));
            assert_eq!(serde_json::to_value(Code::new(good)).unwrap(), good);
        }
        for bad in ["", "0001", "WF", "WF001", "WF00001", "wf0001", "WF0001 ", "W F0001", "ÄÖ0001", "VERYLONGAREA0001"]
        {
            assert_eq!(bad.parse::<Code>(), Err(InvalidCode), "{bad}");
            assert!(serde_json::from_value::<Code>(bad.into()).is_err(), "{bad}");
        }
    }
}
