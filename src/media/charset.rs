//! Text of unknown encoding as UTF-8.
//!
//! Byte order marks are believed; without one, what is valid UTF-8 is UTF-8, and anything else Windows-1252, of which
//! Latin-1 is a part. Deliberately absent: guessing among the encodings of other scripts.

/// What Windows-1252 has from 0x80 to 0x9f; the rest of it is Latin-1.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The text, and whether its encoding was guessed.
#[must_use]
pub fn decode(bytes: &[u8]) -> (String, bool) {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => (String::from_utf8_lossy(rest).into_owned(), false),
        [0xff, 0xfe, rest @ ..] => (utf_16(rest, u16::from_le_bytes), false),
        [0xfe, 0xff, rest @ ..] => (utf_16(rest, u16::from_be_bytes), false),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (bytes.iter().map(|&byte| windows_1252(byte)).collect(), true),
        },
    }
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => WINDOWS_1252[usize::from(byte - 0x80)],
        other => char::from(other),
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn marks_are_believed_and_the_rest_is_told_apart() {
        assert_eq!(decode("Grüße".as_bytes()), ("Grüße".to_owned(), false));
        assert_eq!(decode(b"\xef\xbb\xbfabc"), ("abc".to_owned(), false));
        assert_eq!(decode(b"\xff\xfea\0\xfc\0"), ("aü".to_owned(), false));
        assert_eq!(decode(b"\xfe\xff\0a\0\xfc"), ("aü".to_owned(), false));
        assert_eq!(decode(b"Gr\xfc\xdfe \x80 \x93\x94"), ("Grüße € “”".to_owned(), true));
    }
}
