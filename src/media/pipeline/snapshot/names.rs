//! Names of pictures, and how one file of an output refers to another.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Digits of a number that a name has no place for.
const DEFAULT_DIGITS: usize = 5;

/// What a path in a URL may hold as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The name of picture `number`, from 1: in place of a run of `#`, or, where there are `many`, before the extension.
#[must_use]
pub fn numbered(name: &str, number: usize, many: bool) -> String {
    if let Some(start) = name.find('#') {
        let digits = name[start..].bytes().take_while(|&b| b == b'#').count();
        return format!("{}{number:0digits$}{}", &name[..start], &name[start + digits..]);
    }
    if !many {
        return name.to_owned();
    }
    let folder = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name[folder..].rfind('.').filter(|&dot| dot > 0).map_or(name.len(), |dot| folder + dot);
    format!("{}-{number:0DEFAULT_DIGITS$}{}", &name[..dot], &name[dot..])
}

/// URL of `file` relative to the file `from`, both named from the same folder.
#[must_use]
pub fn relative_url(from: &str, file: &str) -> String {
    let mut up: Vec<&str> = from.split('/').collect();
    up.pop();
    let mut down: Vec<&str> = file.split('/').collect();
    while !up.is_empty() && down.len() > 1 && up.first() == down.first() {
        up.remove(0);
        down.remove(0);
    }
    let path = up.iter().map(|_| "..").chain(down).collect::<Vec<_>>().join("/");
    utf8_percent_encode(&path, PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_in_their_place() {
        assert_eq!(numbered("shot-###.jpg", 7, true), "shot-007.jpg");
        assert_eq!(numbered("shot-#.jpg", 12, true), "shot-12.jpg");
        assert_eq!(numbered("poster.jpg", 1, false), "poster.jpg");
        assert_eq!(numbered("a.b/sheet.jpg", 2, true), "a.b/sheet-00002.jpg");
        assert_eq!(numbered("a.b/sheet", 2, true), "a.b/sheet-00002");
        assert_eq!(numbered("p-##.png", 1, false), "p-01.png");
    }

    #[test]
    fn urls_are_relative_and_encoded() {
        assert_eq!(relative_url("thumbs.vtt", "sheet 1.jpg"), "sheet%201.jpg");
        assert_eq!(relative_url("a/thumbs.vtt", "a/ü#.jpg"), "%C3%BC%23.jpg");
        assert_eq!(relative_url("a/b/t.vtt", "a/c/x.jpg"), "../c/x.jpg");
        assert_eq!(relative_url("t.vtt", "sprites/x.jpg"), "sprites/x.jpg");
    }
}
