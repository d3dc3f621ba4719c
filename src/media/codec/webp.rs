//! Animated WebP as libwebp leaves it: how long the last picture is shown is its guess.
//!
//! **Invariant**: pure, and nothing but one duration is ever changed.

/// Length of a chunk's name and size.
const HEADER: usize = 8;

/// Length of the file's own header.
const RIFF: usize = 12;

/// Where the duration stands in a picture's chunk, behind its header: three bytes, in milliseconds.
const DURATION: usize = 12;

/// Longest duration that they hold.
const MAX_MS: u64 = 0xff_ffff;

/// Has the last picture of an animation be shown until the whole lasts `length_ms`; does nothing to any other file.
pub fn set_length(bytes: &mut [u8], length_ms: u64) {
    if !bytes.starts_with(b"RIFF") || bytes.get(8..RIFF) != Some(b"WEBP") {
        return;
    }
    let (mut at, mut before_ms, mut last) = (RIFF, 0, None);
    while let Some(header) = bytes.get(at..at + HEADER) {
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let place = at + HEADER + DURATION;
        if header.starts_with(b"ANMF")
            && let Some(&[low, middle, high]) = bytes.get(place..place + 3)
        {
            before_ms += last.map_or(0, |(_, ms)| ms);
            last = Some((place, u64::from(u32::from_le_bytes([low, middle, high, 0]))));
        }
        at = at.saturating_add(HEADER).saturating_add(size.next_multiple_of(2));
    }
    if let Some((place, _)) = last {
        let ms = length_ms.saturating_sub(before_ms).clamp(1, MAX_MS);
        bytes[place..place + 3].copy_from_slice(&ms.to_le_bytes()[..3]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_duration_changes() {
        let chunk = |name: &[u8; 4], body: &[u8]| {
            let mut chunk = name.to_vec();
            chunk.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
            chunk.extend(body);
            chunk.resize(chunk.len().next_multiple_of(2), 0);
            chunk
        };
        let picture = |ms: u8| chunk(b"ANMF", &[0, 0, 0, 0, 0, 0, 9, 0, 0, 9, 0, 0, ms, 0, 0, 0, 7]);
        let file =
            |last: Vec<u8>| [&b"RIFF\x50\0\0\0WEBP"[..], &chunk(b"ANIM", &[0; 6]), &picture(100), &last].concat();
        let mut bytes = file(picture(100));
        set_length(&mut bytes, 300);
        assert_eq!(bytes, file(picture(200)));
        for mut other in [b"GIF89a".to_vec(), b"RIFF".to_vec(), bytes[..50].to_vec()] {
            let before = other.clone();
            set_length(&mut other, 0);
            assert_eq!(other.len(), before.len());
        }
    }
}
