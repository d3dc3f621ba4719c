//! `CODECS` strings (RFC 6381 and the ISO bindings of each codec), from the configuration boxes of MP4.
//!
//! **Invariant**: pure; short or foreign configuration gives no string instead of a wrong one.

use ffmpeg_next::ffi::{AVCodecID, AVCodecParameters};

use crate::libav;

/// `avc1.64001f`, `mp4a.40.2` and so on for a stream of an MP4 file; absent for codecs that HLS does not carry.
#[must_use]
pub fn codecs_string(parameters: &AVCodecParameters) -> Option<String> {
    let configuration = libav::extradata(parameters);
    match parameters.codec_id {
        AVCodecID::AV_CODEC_ID_H264 => avc(configuration),
        AVCodecID::AV_CODEC_ID_HEVC => hevc(configuration),
        AVCodecID::AV_CODEC_ID_AV1 => av1(configuration),
        AVCodecID::AV_CODEC_ID_VP9 => vp9(parameters),
        AVCodecID::AV_CODEC_ID_AAC => aac(configuration),
        AVCodecID::AV_CODEC_ID_MP3 => Some("mp4a.40.34".to_owned()),
        AVCodecID::AV_CODEC_ID_AC3 => Some("ac-3".to_owned()),
        AVCodecID::AV_CODEC_ID_EAC3 => Some("ec-3".to_owned()),
        AVCodecID::AV_CODEC_ID_OPUS => Some("Opus".to_owned()),
        AVCodecID::AV_CODEC_ID_FLAC => Some("fLaC".to_owned()),
        _ => None,
    }
}

/// Whether a codec can go into HLS as fragmented MP4.
#[must_use]
pub fn is_packageable(parameters: &AVCodecParameters) -> bool {
    matches!(
        parameters.codec_id,
        AVCodecID::AV_CODEC_ID_H264
            | AVCodecID::AV_CODEC_ID_HEVC
            | AVCodecID::AV_CODEC_ID_AV1
            | AVCodecID::AV_CODEC_ID_VP9
            | AVCodecID::AV_CODEC_ID_AAC
            | AVCodecID::AV_CODEC_ID_MP3
            | AVCodecID::AV_CODEC_ID_AC3
            | AVCodecID::AV_CODEC_ID_EAC3
            | AVCodecID::AV_CODEC_ID_OPUS
            | AVCodecID::AV_CODEC_ID_FLAC
    )
}

/// Whether a codec can go into HLS in an MPEG transport stream.
#[must_use]
pub fn fits_ts(parameters: &AVCodecParameters) -> bool {
    matches!(
        parameters.codec_id,
        AVCodecID::AV_CODEC_ID_H264
            | AVCodecID::AV_CODEC_ID_HEVC
            | AVCodecID::AV_CODEC_ID_AAC
            | AVCodecID::AV_CODEC_ID_MP3
            | AVCodecID::AV_CODEC_ID_AC3
            | AVCodecID::AV_CODEC_ID_EAC3
    )
}

/// From an `avcC` box: profile, constraints and level.
fn avc(configuration: &[u8]) -> Option<String> {
    let [1, profile, constraints, level, ..] = configuration else { return None };
    Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
}

/// From an `hvcC` box: profile space and profile, compatibility, tier and level, constraints without zeros at the end.
fn hevc(configuration: &[u8]) -> Option<String> {
    let (&version, rest) = configuration.split_first()?;
    let (head, rest) = rest.split_first_chunk::<5>()?;
    let (constraints, rest) = rest.split_first_chunk::<6>()?;
    let level = rest.first()?;
    if version != 1 {
        return None;
    }
    let space = ["", "A", "B", "C"][usize::from(head[0] >> 6)];
    let tier = if head[0] & 0x20 == 0 { 'L' } else { 'H' };
    let profile = head[0] & 0x1f;
    let compatibility = u32::from_be_bytes([head[1], head[2], head[3], head[4]]).reverse_bits();
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut parts =
        vec!["hvc1".to_owned(), format!("{space}{profile}"), format!("{compatibility:X}"), format!("{tier}{level}")];
    parts.extend(constraints[..used].iter().map(|byte| format!("{byte:X}")));
    Some(parts.join("."))
}

/// From an `av1C` box: profile, level, tier and depth.
fn av1(configuration: &[u8]) -> Option<String> {
    let [0x81, sequence, flags, ..] = configuration else { return None };
    let (profile, level) = (sequence >> 5, sequence & 0x1f);
    let tier = if flags & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (flags & 0x40 != 0, flags & 0x20 != 0) {
        (false, _) => 8,
        (true, true) if profile == 2 => 12,
        (true, _) => 10,
    };
    Some(format!("av01.{profile}.{level:02}{tier}.{depth:02}"))
}

/// Largest luma pictures of VP9's levels, with the level.
const VP9_LEVELS: [(i64, i32); 9] = [
    (36_864, 10),
    (73_728, 11),
    (122_880, 20),
    (245_760, 21),
    (552_960, 30),
    (983_040, 31),
    (2_228_224, 41),
    (8_912_896, 51),
    (35_651_584, 61),
];

/// From the stream: profile, level (where it is not stated, the one that the size needs) and depth.
fn vp9(parameters: &AVCodecParameters) -> Option<String> {
    let profile = u8::try_from(parameters.profile).ok()?;
    let depth = libav::pixel_format(parameters.format)?.bit_depth;
    let pixels = i64::from(parameters.width) * i64::from(parameters.height);
    let needed = VP9_LEVELS.into_iter().find(|(most, _)| pixels <= *most).map_or(62, |(_, level)| level);
    let level = if parameters.level > 0 { parameters.level } else { needed };
    Some(format!("vp09.{profile:02}.{level:02}.{depth:02}"))
}

/// From an AudioSpecificConfig: the object type.
fn aac(configuration: &[u8]) -> Option<String> {
    let [first, second, ..] = configuration else { return None };
    let object_type = match first >> 3 {
        31 => 32 + ((first & 0x07) << 3 | second >> 5),
        short => short,
    };
    (object_type > 0).then(|| format!("mp4a.40.{object_type}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_become_strings() {
        assert_eq!(avc(&[1, 0x64, 0x00, 0x1f, 0xff]).unwrap(), "avc1.64001f");
        let main10 = [1, 0x22, 0x20, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 153, 0xf0];
        assert_eq!(hevc(&main10).unwrap(), "hvc1.2.4.H153.B0");
        let main = [1, 0x01, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93, 0xf0];
        assert_eq!(hevc(&main).unwrap(), "hvc1.1.6.L93.90");
        assert_eq!(av1(&[0x81, 0x08, 0x0c, 0]).unwrap(), "av01.0.08M.08");
        assert_eq!(av1(&[0x81, 0x0d, 0x4c, 0]).unwrap(), "av01.0.13M.10");
        assert_eq!(aac(&[0x11, 0x90]).unwrap(), "mp4a.40.2");
        assert_eq!(aac(&[0x2b, 0x92]).unwrap(), "mp4a.40.5");
        assert_eq!(aac(&[0xf9, 0x46]).unwrap(), "mp4a.40.42");
    }

    #[test]
    fn foreign_or_short_configurations_give_no_string() {
        for bytes in [&[][..], &[1], &[0, 0, 0, 1, 0x67, 0x64, 0, 0x1f]] {
            assert_eq!(avc(bytes), None);
            assert_eq!(hevc(bytes), None);
            assert_eq!(av1(bytes), None);
        }
        assert_eq!(aac(&[0x11]), None);
    }
}
