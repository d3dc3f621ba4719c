//! Containers that state counts of their own in a header: samples, frames, bytes, a footer.
//!
//! **Invariant**: as above: a few reads, whatever the file claims.

use std::io;

use super::{Extent, State, bytes, number};
use crate::bytes::Reader;

/// Bytes of a tag in front of MP3 that says how long it is.
const ID3_BYTES: usize = 10;

/// Bytes after the first frame's start within which MP3's own header stands.
const INFO_BYTES: usize = 64;

/// ASF: its header, of which the file's properties are a part; sizes are in bytes, the clock counts 100 ns.
pub(super) fn asf(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    const PROPERTIES: [u8; 16] =
        [0xA1, 0xDC, 0xAB, 0x8C, 0x47, 0xA9, 0xCF, 0x11, 0x8E, 0xE4, 0x00, 0xC0, 0x0C, 0x20, 0x53, 0x65];
    /// Objects begin with an identifier and their size; the header has a count and two bytes more.
    const OBJECT_BYTES: u64 = 24;
    const BROADCAST: u32 = 1;
    let mut at = OBJECT_BYTES + 6;
    for _ in 0..super::MAX_ELEMENTS {
        let object = bytes(reader, at, 104)?;
        let length = u64::from_le_bytes(number(&object, 16)?);
        if object.starts_with(&PROPERTIES) {
            let end = u64::from_le_bytes(number(&object, 40)?);
            let play = u64::from_le_bytes(number(&object, 64)?);
            let before_ms = u64::from_le_bytes(number(&object, 80)?);
            if u32::from_le_bytes(number(&object, 88)?) & BROADCAST != 0 || end == 0 {
                return Ok(Extent::UNKNOWN);
            }
            let play_ms = (play / 10_000).checked_sub(before_ms).filter(|ms| *ms > 0);
            #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 ms")]
            let duration_s = play_ms.map(|ms| ms as f64 / 1000.0);
            return Ok(Extent { duration_s, ..Extent::ending(end, size) });
        }
        if length < OBJECT_BYTES {
            break;
        }
        at = at.saturating_add(length);
    }
    Ok(Extent::UNKNOWN)
}

/// MXF: the first partition says where the footer begins, which stands behind all media.
pub(super) fn mxf(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    /// Begin of the key of every partition.
    const PARTITION: [u8; 13] = [0x06, 0x0E, 0x2B, 0x34, 0x02, 0x05, 0x01, 0x01, 0x0D, 0x01, 0x02, 0x01, 0x01];
    let head = bytes(reader, 0, super::HEAD_BYTES)?;
    let Some(at) = head.windows(PARTITION.len()).position(|window| window == PARTITION) else {
        return Ok(Extent::UNKNOWN);
    };
    // The key, the length of what follows, and in that four numbers before the footer's place.
    let [form] = number::<1>(&head, at + 16)?;
    let length_bytes = if form & 0x80 == 0 { 1 } else { 1 + usize::from(form & 0x7F) };
    let footer = u64::from_be_bytes(number(&head, at + 16 + length_bytes + 24)?);
    if footer == 0 {
        return Ok(Extent::UNKNOWN);
    }
    // Places count from the first partition on.
    let footer = footer.saturating_add(at as u64);
    if footer >= size {
        return Ok(Extent { state: State::Cut, size_bytes: Some(footer), ..Extent::UNKNOWN });
    }
    let is_there = bytes(reader, footer, PARTITION.len())? == PARTITION;
    Ok(if is_there {
        Extent { state: State::Whole, size_bytes: Some(size), ..Extent::UNKNOWN }
    } else {
        Extent::UNKNOWN
    })
}

/// MP3: the header that most encoders write into a first frame says how many bytes there are. What is shorter is cut;
/// what is longer may have other files behind it.
pub(super) fn mp3(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    const HAS_FRAMES: u32 = 1;
    const HAS_BYTES: u32 = 2;
    let tag = bytes(reader, 0, ID3_BYTES)?;
    let start = if tag.starts_with(b"ID3") {
        let length = number::<4>(&tag, 6)?.iter().fold(0, |length, byte| length << 7 | u64::from(byte & 0x7F));
        ID3_BYTES as u64 + length
    } else {
        0
    };
    let frame = bytes(reader, start, INFO_BYTES)?;
    let Some(at) = frame.windows(4).position(|window| window == b"Xing" || window == b"Info") else {
        return Ok(Extent::UNKNOWN);
    };
    let flags = u32::from_be_bytes(number(&frame, at + 4)?);
    if flags & HAS_BYTES == 0 {
        return Ok(Extent::UNKNOWN);
    }
    let place = at + if flags & HAS_FRAMES == 0 { 8 } else { 12 };
    let extent = Extent::ending(start + u64::from(u32::from_be_bytes(number(&frame, place)?)), size);
    Ok(if extent.state == State::Cut { extent } else { Extent::UNKNOWN })
}

/// AU: its header says where samples begin and how many bytes they are; all bits are set where the writer did not know.
pub(super) fn au(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    let head = bytes(reader, 0, 12)?;
    let (start, length) = (u32::from_be_bytes(number(&head, 4)?), u32::from_be_bytes(number(&head, 8)?));
    Ok(match length {
        0 | u32::MAX => Extent::OPEN,
        _ if !head.starts_with(b".snd") => Extent::UNKNOWN,
        length => Extent::ending(u64::from(start) + u64::from(length), size),
    })
}

/// CAF: its chunks, one after the other; that of the samples may have no length where it is the last.
pub(super) fn caf(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    const CHUNK_BYTES: u64 = 12;
    let mut at = 8_u64;
    for _ in 0..super::MAX_ELEMENTS {
        let head = bytes(reader, at, 12)?;
        let Ok(length) = u64::try_from(i64::from_be_bytes(number(&head, 4)?)) else { return Ok(Extent::OPEN) };
        let end = at.saturating_add(CHUNK_BYTES).saturating_add(length);
        if end > size {
            return Ok(Extent::ending(end, size));
        }
        if end == size {
            return Ok(Extent { state: State::Whole, size_bytes: Some(size), ..Extent::UNKNOWN });
        }
        at = end;
    }
    Ok(Extent::UNKNOWN)
}

/// TTA: a table behind its header has the size of every frame.
pub(super) fn tta(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    const HEAD_BYTES: u64 = 22;
    /// A frame lasts 256/245 s.
    const FRAME: (u64, u64) = (256, 245);
    const MAX_FRAMES: u64 = 1 << 20;
    let head = bytes(reader, 0, 18)?;
    let (rate, samples) = (u32::from_le_bytes(number(&head, 10)?), u32::from_le_bytes(number(&head, 14)?));
    let frame = u64::from(rate) * FRAME.0 / FRAME.1;
    if !head.starts_with(b"TTA1") || frame == 0 {
        return Ok(Extent::UNKNOWN);
    }
    let frames = u64::from(samples).div_ceil(frame).min(MAX_FRAMES);
    let table = bytes(reader, HEAD_BYTES, usize::try_from(frames * 4).unwrap_or(0))?;
    let sizes = table.chunks_exact(4).map(|size| u64::from(u32::from_le_bytes([size[0], size[1], size[2], size[3]])));
    // A checksum follows the table.
    Ok(Extent::ending(HEAD_BYTES + frames * 4 + 4 + sizes.sum::<u64>(), size))
}

/// FLAC: its header counts the samples, and every frame says which it begins with.
pub(super) fn flac(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    /// Bytes at the end in which the last frame begins.
    const TAIL_BYTES: u64 = 256 << 10;
    let head = bytes(reader, 0, 42)?;
    if !head.starts_with(b"fLaC") {
        return Ok(Extent::UNKNOWN);
    }
    let largest = u64::from(u16::from_be_bytes(number(&head, 10)?));
    let samples = u64::from_be_bytes(number(&head, 18)?) & 0xF_FFFF_FFFF;
    let rate = u32::from_be_bytes(number(&head, 18)?) >> 12;
    if samples == 0 || rate == 0 {
        return Ok(Extent::UNKNOWN);
    }
    let tail = bytes(reader, size.saturating_sub(TAIL_BYTES), usize::try_from(TAIL_BYTES).unwrap_or(0))?;
    let ends = (0..tail.len()).rev().filter_map(|at| end_of_frame(&tail[at..], largest)).find(|end| *end <= samples);
    // Less than a second may be a wrong header; what is there is measured.
    let cut = ends.is_some_and(|end| end < samples);
    #[expect(clippy::cast_precision_loss, reason = "36 bits")]
    let duration_s = Some(samples as f64 / f64::from(rate));
    Ok(if cut { Extent { state: State::Cut, duration_s, ..Extent::UNKNOWN } } else { Extent::UNKNOWN })
}

/// The sample after a frame of FLAC that begins here; `None` where none does.
fn end_of_frame(at: &[u8], largest: u64) -> Option<u64> {
    let [first, second, sizes, layout, ..] = *at else { return None };
    if first != 0xFF || second & 0xFE != 0xF8 || layout >> 4 > 10 || layout & 1 != 0 {
        return None;
    }
    let lead = usize::try_from(at.get(4)?.leading_ones()).ok()?;
    let number_bytes = match lead {
        0 => 1,
        2..=7 => lead,
        _ => return None,
    };
    let masked = if lead == 0 { at[4] } else { at[4] & 0x7F_u8.checked_shr(u32::try_from(lead).ok()?).unwrap_or(0) };
    let mut number = u64::from(masked);
    for byte in at.get(5..4 + number_bytes)? {
        number = number << 6 | u64::from(byte & 0x3F);
    }
    let rest = 4 + number_bytes;
    let (block, block_bytes) = match sizes >> 4 {
        0 => return None,
        1 => (192, 0),
        code @ 2..=5 => (576 << (code - 2), 0),
        6 => (u64::from(*at.get(rest)?) + 1, 1),
        7 => (u64::from(u16::from_be_bytes(at.get(rest..rest + 2)?.try_into().ok()?)) + 1, 2),
        code => (256 << (code - 8), 0),
    };
    let rate_bytes = match sizes & 0xF {
        12 => 1,
        13 | 14 => 2,
        15 => return None,
        _ => 0,
    };
    let end = rest + block_bytes + rate_bytes;
    if block > largest || crc8(at.get(..end)?) != *at.get(end)? {
        return None;
    }
    let start = if second & 1 == 0 { number * largest } else { number };
    Some(start + block)
}

/// The checksum of a frame's header.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
    })
}
