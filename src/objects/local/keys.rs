//! Names of buckets and keys that a folder can hold, and the paths of keys that are no path.
//!
//! **Invariant**: the components of an accepted key name exactly one path below the bucket's folder, and no other key
//! has that path.

use crate::model::ObjectLocation;
use crate::objects::ObjectError;

/// Folder of internal files; no key begins with it.
pub const INTERNAL: &str = ".reelmill";

/// File that is the object of a key that ends in `/`: a folder, as consoles make one.
pub const MARKER: &str = ".reelmill-folder";

/// Name of the folder for an empty part of a key between two slashes: `a//b`.
pub const EMPTY: &str = ".reelmill-empty";

/// File that is the object `a` in the folder `a`, where there are keys below `a/` too.
pub const OBJECT: &str = ".reelmill-object";

/// Longest key in bytes, as S3 has it.
const MAX_KEY_BYTES: usize = 1024;

/// Longest component in bytes, as Linux file systems have it.
const MAX_COMPONENT_BYTES: usize = 255;

/// Refuses names that are invalid for buckets in S3.
pub fn check_bucket(name: &str) -> Result<(), ObjectError> {
    let refuse = |reason: &'static str| Err(ObjectError::InvalidName { name: name.to_owned(), reason: reason.into() });
    if !(3..=63).contains(&name.len()) {
        return refuse("a bucket's name has 3 to 63 characters");
    }
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.') {
        return refuse("a bucket's name has lower-case letters, digits, `-` and `.` only");
    }
    let ends = |edge: &[char]| name.starts_with(edge) || name.ends_with(edge);
    if ends(&['-', '.']) || name.contains("..") {
        return refuse("a bucket's name begins and ends with a letter or digit, and has no two dots in a row");
    }
    Ok(())
}

/// Refuses names that are invalid for new buckets in S3. Existing folders with such names stay buckets.
pub fn check_new_bucket(name: &str) -> Result<(), ObjectError> {
    let refuse = |reason: &'static str| Err(ObjectError::InvalidName { name: name.to_owned(), reason: reason.into() });
    check_bucket(name)?;
    if [".-", "-."].iter().any(|pair| name.contains(pair)) {
        return refuse("a bucket's name has a letter or digit before and behind each dot");
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return refuse("a bucket's name is not written like an IP address");
    }
    Ok(())
}

/// The path components of a key.
pub fn components(object: &ObjectLocation) -> Result<Vec<&str>, ObjectError> {
    let key = object.key.as_str();
    let refuse =
        |reason: &'static str| Err(ObjectError::InvalidName { name: object.to_string(), reason: reason.into() });
    if key.is_empty() {
        return refuse("the key is empty");
    }
    if key.len() > MAX_KEY_BYTES {
        return refuse("a key has at most 1024 bytes");
    }
    if key.contains('\0') {
        return refuse("a key has no NUL");
    }
    let mut parts: Vec<&str> = key.split('/').collect();
    if parts.iter().any(|p| matches!(*p, "." | "..")) {
        return refuse("a key in a local bucket has no `.` or `..` between slashes");
    }
    if parts.iter().any(|p| p.len() > MAX_COMPONENT_BYTES) {
        return refuse("a key in a local bucket has at most 255 bytes between slashes");
    }
    if parts.first() == Some(&INTERNAL) {
        return refuse("keys under `.reelmill` are Reelmill's own");
    }
    if parts.iter().any(|p| [MARKER, EMPTY, OBJECT].contains(p)) {
        return refuse("keys with `.reelmill-folder`, `.reelmill-empty` or `.reelmill-object` are Reelmill's own");
    }
    if let Some(last) = parts.last_mut().filter(|last| last.is_empty()) {
        *last = MARKER;
    }
    parts.iter_mut().filter(|part| part.is_empty()).for_each(|part| *part = EMPTY);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(key: &str) -> bool {
        components(&ObjectLocation { bucket: "uploads".into(), key: key.into() }).is_ok()
    }

    #[test]
    fn keys_that_name_one_path_are_accepted() {
        let keys =
            ["a", "a/b/c.mp4", "a b+c&d%20[1] é 🎬.mp4", "..a/b..", ".hidden", "a/.reelmill", "/", "/a", "a/", "a//b"];
        let mut paths = std::collections::BTreeSet::new();
        for key in keys {
            assert!(accepts(key), "{key}");
            let object = ObjectLocation { bucket: "uploads".into(), key: key.into() };
            assert!(paths.insert(components(&object).unwrap().join("/")), "{key}");
        }
    }

    #[test]
    fn keys_that_could_leave_the_folder_are_refused() {
        let long = "x".repeat(256);
        let longer = "x/".repeat(600) + "y";
        let own = ["a/.reelmill-folder", ".reelmill-empty/a", "a/.reelmill-object/"];
        for key in ["", "..", "../a", "a/../b", "./a", "a\0b", ".reelmill/x", &long, &longer].into_iter().chain(own) {
            assert!(!accepts(key), "{key}");
        }
    }

    #[test]
    fn buckets_are_named_as_in_s3() {
        for good in ["abc", "my-bucket", "a.b.c", "0a0"] {
            assert!(check_new_bucket(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", "Abc", "a_b", "-ab", "ab-", ".ab", "a..b", "a/b", "..", ".reelmill"] {
            assert!(check_bucket(bad).is_err(), "{bad}");
        }
        for bad in ["foo-.bar", "foo.-bar", "192.168.5.123"] {
            assert!(check_new_bucket(bad).is_err() && check_bucket(bad).is_ok(), "{bad}: only what is there already");
        }
        assert!(check_bucket(&"a".repeat(64)).is_err());
    }
}
