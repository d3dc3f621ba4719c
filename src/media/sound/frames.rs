//! Frames of sound that stand in a packet one after the other, each with a header that says how long it is.
//!
//! Pure. A demuxer of transport streams goes on with the codec that it found at first, and its parser hands over what
//! is of another in large pieces: those are looked through.

use ffmpeg_next::codec;

/// Frames in a row that are no accident.
const IN_A_ROW: usize = 3;

/// Bit rates of AC-3 by half their index, in kbit/s.
const AC3_KBPS: [usize; 19] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/// Bit rates of MPEG-1 by their index, in kbit/s: of layer II and of layer III.
const MPEG_KBPS: [[usize; 15]; 2] = [
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
];

/// A codec, and the length of the frame that data begin with.
type Kind = (&'static str, fn(&[u8]) -> Option<usize>);

const KINDS: [Kind; 3] = [("aac", aac), ("ac3", ac3), ("mp2", mpeg)];

/// The codec that a packet has frames of, where that is not the one of its stream.
#[must_use]
pub fn other_codec(codec: codec::Id, data: &[u8]) -> Option<&'static str> {
    let own = match codec {
        codec::Id::AAC => "aac",
        codec::Id::AC3 | codec::Id::EAC3 => "ac3",
        codec::Id::MP1 | codec::Id::MP2 | codec::Id::MP3 => "mp2",
        _ => return None,
    };
    let (_, own_length) = *KINDS.iter().find(|(name, _)| *name == own)?;
    // A packet of the stream's codec is a frame of it, and nothing else.
    if own_length(data) == Some(data.len()) {
        return None;
    }
    KINDS.iter().find(|(name, length)| *name != own && is_row(data, *length)).map(|(name, _)| *name)
}

/// Whether frames follow each other somewhere in data.
fn is_row(data: &[u8], length: fn(&[u8]) -> Option<usize>) -> bool {
    (0..data.len()).any(|from| {
        let mut rest = data.get(from..);
        (0..IN_A_ROW).all(|_| {
            rest = rest.and_then(|data| data.get(length(data)?..));
            rest.is_some()
        })
    })
}

fn aac(data: &[u8]) -> Option<usize> {
    let &[0xFF, sync, format, layout, middle, low, ..] = data else { return None };
    let length = usize::from(layout & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
    (sync & 0xF6 == 0xF0 && format >> 2 & 0xF < 13 && length > super::ADTS_BYTES).then_some(length)
}

fn ac3(data: &[u8]) -> Option<usize> {
    let &[0x0B, 0x77, c, d, e, f, ..] = data else { return None };
    let version = f >> 3;
    if version > 16 {
        return None;
    }
    if version > 10 {
        return Some(((usize::from(c & 7) << 8 | usize::from(d)) + 1) * 2);
    }
    let kbps = *AC3_KBPS.get(usize::from(e & 0x3F) / 2)?;
    match e >> 6 {
        0 => Some(kbps * 4),
        1 => Some((kbps * 96_000 / 44_100 + usize::from(e & 1)) * 2),
        2 => Some(kbps * 6),
        _ => None,
    }
}

fn mpeg(data: &[u8]) -> Option<usize> {
    let &[0xFF, b, c, ..] = data else { return None };
    // MPEG-1 of layer II or III.
    let layer = match b & 0xFE {
        0xFC => 0,
        0xFA => 1,
        _ => return None,
    };
    let kbps = *MPEG_KBPS[layer].get(usize::from(c >> 4)).filter(|kbps| **kbps > 0)?;
    let rate = usize::try_from(*super::MPEG_RATES.get(usize::from(c >> 2 & 3))?).ok()?;
    Some(144_000 * kbps / rate + usize::from(c >> 1 & 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{generate, source_of};
    use ffmpeg_next::Packet;

    #[test]
    fn frames_of_another_codec_are_found_in_a_row_and_those_of_its_own_are_not() {
        let codecs = [codec::Id::AAC, codec::Id::AC3, codec::Id::MP2];
        for (name, rate, own) in [
            ("a.aac", 48_000, "aac"),
            ("a.ac3", 44_100, "ac3"),
            ("a.ac3", 48_000, "ac3"),
            ("a.ac3", 32_000, "ac3"),
            ("a.eac3", 48_000, "ac3"),
            ("a.mp2", 44_100, "mp2"),
            ("a.mp3", 44_100, "mp2"),
        ] {
            let clip = generate(&["-f", "lavfi", "-i", &format!("sine=d=1:r={rate}")], name);
            let bytes = std::fs::read(&*clip).unwrap();
            for codec in codecs {
                let expected = (codec.name() != own).then_some(own);
                assert_eq!(other_codec(codec, &bytes[20..]), expected, "{name} at {rate} in {codec:?}");
            }
            let (mut opened, mut packet) = (source_of(&clip).open().unwrap(), Packet::empty());
            let codec = opened.demuxer().stream(0).unwrap().parameters().id();
            while opened.read(&mut packet).unwrap() {
                assert_eq!(other_codec(codec, packet.data().unwrap()), None, "{name} at {rate}");
            }
        }
    }
}
