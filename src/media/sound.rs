//! What packets of sound say in headers of their own: samples a second, channels, and how long they last.
//!
//! Pure. Streams without a container and transport streams have such headers; other containers keep those of MPEG audio and
//! AC-3, and strip those of AAC.

mod frames;

use ffmpeg_next::codec;

pub use self::frames::other_codec;

use crate::shape::Shape;

/// Rates by their index in headers of AAC.
const AAC_RATES: [i32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Rates by their index in headers of MPEG-1 audio.
const MPEG_RATES: [i32; 3] = [44_100, 48_000, 32_000];

/// Rates by their index in headers of AC-3.
const AC3_RATES: [i32; 3] = [48_000, 44_100, 32_000];

/// Channels by the mode in headers of AC-3, without the one of low frequencies.
const AC3_CHANNELS: [i32; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// Samples of each channel in a block of AAC.
const AAC_BLOCK: i64 = 1024;

/// Length of the header of AAC that is not stripped, in bytes.
const ADTS_BYTES: usize = 7;

/// Channels and rate of a packet, if it has a header that gives them.
#[must_use]
pub fn of_packet(codec: codec::Id, data: &[u8]) -> Option<Shape> {
    match codec {
        codec::Id::AAC => adts(data).and_then(|adts| adts.shape),
        codec::Id::MP1 | codec::Id::MP2 | codec::Id::MP3 => mpeg(data),
        codec::Id::AC3 | codec::Id::EAC3 => ac3(data),
        _ => None,
    }
}

/// The sound that the configuration of AAC declares, which containers store beside packets without headers.
#[must_use]
pub fn of_configuration(data: &[u8]) -> Option<Shape> {
    let &[first, second, ..] = data else { return None };
    let rate = *AAC_RATES.get(usize::from((first & 7) << 1 | second >> 7))?;
    aac_shape(rate, second >> 3 & 0xF)
}

/// A packet of AAC with its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adts {
    /// Samples a second.
    pub rate: i32,
    /// Samples of each channel.
    pub samples: i64,
    /// Rate and channels, where the header says both.
    shape: Option<Shape>,
}

/// The header of a packet of AAC, where it is not stripped.
#[must_use]
pub fn adts(data: &[u8]) -> Option<Adts> {
    let &[0xFF, sync, format, layout, middle, low, blocks, ..] = data else { return None };
    let length = usize::from(layout & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
    if sync & 0xF6 != 0xF0 || length != data.len() || length <= ADTS_BYTES {
        return None;
    }
    let rate = *AAC_RATES.get(usize::from(format >> 2 & 0xF))?;
    let samples = AAC_BLOCK * i64::from((blocks & 3) + 1);
    Some(Adts { rate, samples, shape: aac_shape(rate, (format & 1) << 2 | layout >> 6) })
}

fn aac_shape(rate: i32, layout: u8) -> Option<Shape> {
    let channels = match layout {
        1..=6 => i32::from(layout),
        7 => 8,
        // The packet or the configuration describes them elsewhere.
        _ => return None,
    };
    Some(Shape::Sound { rate, channels })
}

fn mpeg(data: &[u8]) -> Option<Shape> {
    let &[0xFF, b, c, d, ..] = data else { return None };
    let (version, layer) = (b >> 3 & 3, b >> 1 & 3);
    let halved = match version {
        3 => 0,
        2 => 1,
        0 => 2,
        _ => return None,
    };
    if b & 0xE0 != 0xE0 || layer == 0 || c >> 4 == 0xF {
        return None;
    }
    let rate = *MPEG_RATES.get(usize::from(c >> 2 & 3))? >> halved;
    Some(Shape::Sound { rate, channels: if d >> 6 == 3 { 1 } else { 2 } })
}

fn ac3(data: &[u8]) -> Option<Shape> {
    let &[0x0B, 0x77, _, _, e, f, g, ..] = data else { return None };
    let (version, rate) = (f >> 3, AC3_RATES.get(usize::from(e >> 6)));
    if version > 10 {
        // Enhanced: rates of half the height have an index of their own.
        let rate = rate.copied().or_else(|| Some(AC3_RATES.get(usize::from(e >> 4 & 3))? / 2))?;
        return Some(Shape::Sound { rate, channels: AC3_CHANNELS[usize::from(e >> 1 & 7)] + i32::from(e & 1) });
    }
    let mode = g >> 5;
    // Levels of mixing stand between the mode and the flag for low frequencies.
    let levels = [mode & 1 != 0 && mode != 1, mode & 4 != 0, mode == 2].into_iter().filter(|&there| there).count();
    let low = g >> (4 - 2 * levels.min(2)) & 1;
    let rate = *rate? >> version.saturating_sub(8);
    Some(Shape::Sound { rate, channels: AC3_CHANNELS[usize::from(mode)] + i32::from(low) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{generate, source_of};
    use ffmpeg_next::Packet;

    #[test]
    fn headers_say_what_the_encoder_was_given() {
        for (name, rate, channels) in [
            ("a.aac", 44_100, 1),
            ("a.aac", 48_000, 6),
            ("a.mp3", 24_000, 1),
            ("a.mp3", 44_100, 2),
            ("a.mp2", 32_000, 2),
            ("a.ac3", 48_000, 1),
            ("a.ac3", 44_100, 2),
            ("a.ac3", 48_000, 6),
            ("a.eac3", 48_000, 6),
        ] {
            let (tone, count) = (format!("sine=d=1:r={rate}"), channels.to_string());
            let clip = generate(&["-f", "lavfi", "-i", &tone, "-ac", &count], name);
            let mut opened = source_of(&clip).open().unwrap();
            let codec = opened.demuxer().stream(0).unwrap().parameters().id();
            let (mut packet, mut told) = (Packet::empty(), 0);
            while opened.read(&mut packet).unwrap() {
                let shape = of_packet(codec, packet.data().unwrap());
                assert_eq!(shape, Some(Shape::Sound { rate, channels }), "{name}");
                told += 1;
            }
            assert!(told > 10, "{name}");
        }
        assert_eq!(of_configuration(&[0x11, 0x90]), Some(Shape::Sound { rate: 48_000, channels: 2 }));
        assert_eq!(of_packet(codec::Id::AAC, &[0xFF, 0xF1, 0x50, 0x80, 0xFF, 0xFF, 0xFC, 0]), None);
    }
}
