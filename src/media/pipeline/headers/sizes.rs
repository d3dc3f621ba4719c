//! Where codecs whose headers no filter of libav finds keep the size of their pictures: VP8, VP9 and Motion JPEG.
//!
//! Pure. What comes back differs wherever the size does; it is compared, and not read.

use ffmpeg_next::codec;

/// Bytes of VP8's keyframe in front of its size: frame tag and start code.
const VP8_TAG_BYTES: usize = 3;

/// The same up to the end of the size.
const VP8_HEAD_BYTES: usize = 10;

/// Bytes in which a keyframe of VP9 says its profile, colours and size.
const VP9_HEAD_BYTES: usize = 9;

/// The part of a keyframe that holds its size.
pub fn header(codec: codec::Id, data: &[u8]) -> Option<Vec<u8>> {
    match codec {
        codec::Id::VP8 => data.get(VP8_TAG_BYTES..VP8_HEAD_BYTES).map(<[u8]>::to_vec),
        codec::Id::VP9 => vp9(data),
        codec::Id::MJPEG => jpeg(data),
        _ => None,
    }
}

/// Of VP9's bits those after the size differ from frame to frame. Profiles beyond the first have up to four bits more in
/// front of it.
fn vp9(data: &[u8]) -> Option<Vec<u8>> {
    let first_profile = data.first()? & 0x30 == 0;
    let mut head = data.get(..VP9_HEAD_BYTES + usize::from(!first_profile))?.to_vec();
    if first_profile {
        head[VP9_HEAD_BYTES - 1] &= 0xF0;
    }
    Some(head)
}

/// The segment of a JPEG that begins a frame.
fn jpeg(data: &[u8]) -> Option<Vec<u8>> {
    let mut rest = data.strip_prefix(&[0xFF, 0xD8])?;
    loop {
        // Any number of fill bytes may stand in front of a marker.
        while rest.starts_with(&[0xFF, 0xFF]) {
            rest = &rest[1..];
        }
        let [0xFF, marker, high, low, ..] = *rest else { return None };
        let (segment, after) = rest.get(2..)?.split_at_checked(usize::from(high) << 8 | usize::from(low))?;
        match marker {
            // Tables and other segments with numbers near it begin no frame.
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => return Some(segment.to_vec()),
            _ => rest = after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_jpeg_is_found_behind_other_segments() {
        let jpeg = [0xFF, 0xD8, 0xFF, 0xE0, 0, 3, 7, 0xFF, 0xC4, 0, 2, 0xFF, 0xC0, 0, 5, 1, 2, 3, 0xFF, 0xDA];
        assert_eq!(header(codec::Id::MJPEG, &jpeg), Some(vec![0, 5, 1, 2, 3]));
        assert_eq!(header(codec::Id::MJPEG, &jpeg[..12]), None);
        assert_eq!(header(codec::Id::VP9, &[0x82, 0x49]), None);
    }
}
