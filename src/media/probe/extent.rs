//! The size that a container declares, compared with the bytes that are there.
//!
//! **Invariant**: reads a few kilobytes, whatever the file claims. What a container does not say, or says in a way that
//! writers of streams are known to leave open, is [`State::Unknown`], never a guess.

mod boxes;
mod counts;

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use crate::bytes::Reader;

/// Bytes at the start of a file in which its own word of its size stands.
const HEAD_BYTES: usize = 64 * 1024;

/// Sizes from here on that 32 bits hold stand for "unknown": writers of streams put them there.
const OPEN_SIZES: std::ops::RangeInclusive<u64> = 0x7FFF_0000..=0x8000_0000;

/// Chunks and elements looked at, at most.
const MAX_ELEMENTS: usize = 64;

/// Whether a file ends where its container says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does.
    Whole,
    /// It ends before.
    Cut,
    /// The container does not say.
    Unknown,
}

/// What a container says about its own size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Whether the file ends where it should.
    pub state: State,
    /// Bytes that there should be, where that is said.
    pub size_bytes: Option<u64>,
    /// Duration in seconds that libav does not take over (fragmented MP4, AVI, ASF).
    pub duration_s: Option<f64>,
    /// Whether that is said of all fragments, and not of the first alone.
    pub of_all: bool,
    /// Whether its header was left as it was begun, as by writers to a pipe: what it declares means nothing.
    pub open: bool,
    /// Whether it is MP4 in fragments, of which libav knows those that it has read.
    pub fragmented: bool,
}

impl Extent {
    const UNKNOWN: Self = Self {
        state: State::Unknown,
        size_bytes: None,
        duration_s: None,
        of_all: false,
        open: false,
        fragmented: false,
    };

    /// Of a container whose writer did not come back to its header.
    const OPEN: Self = Self { open: true, ..Self::UNKNOWN };

    /// Of a container that should end at `end`, in a file of `size` bytes.
    const fn ending(end: u64, size: u64) -> Self {
        // A byte of padding may be left out.
        let state = if end > size.saturating_add(1) { State::Cut } else { State::Whole };
        Self { state, size_bytes: Some(end), ..Self::UNKNOWN }
    }
}

/// Reads what the container that libav calls `demuxer` says about the size of a file of `size` bytes. A file that cannot
/// be read that far says nothing.
pub fn extent(demuxer: &str, reader: &mut Reader, size: u64) -> Extent {
    let read = match demuxer {
        name if name.starts_with("mov") => boxes::extent(reader, size),
        name if name.starts_with("matroska") => matroska(reader, size),
        "avi" | "wav" | "aiff" => chunks(reader, size),
        "w64" => wave64(reader, size),
        "flv" => flash(reader, size),
        "ogg" => ogg(reader, size),
        "asf" => counts::asf(reader, size),
        "mp3" => counts::mp3(reader, size),
        "flac" => counts::flac(reader, size),
        "au" => counts::au(reader, size),
        "caf" => counts::caf(reader, size),
        "tta" => counts::tta(reader, size),
        name if name.starts_with("mxf") => counts::mxf(reader, size),
        _ => Ok(Extent::UNKNOWN),
    };
    read.unwrap_or(Extent::UNKNOWN)
}

/// `length` bytes from `at` on, or as many as there are.
fn bytes(reader: &mut Reader, at: u64, length: usize) -> io::Result<Vec<u8>> {
    reader.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    reader.take(length as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> io::Result<[u8; N]> {
    let found = bytes.get(at..at + N).and_then(|bytes| bytes.try_into().ok());
    found.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The segment of a Matroska file, whose size may be open.
fn matroska(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    const SEGMENT: u64 = 0x1853_8067;
    let mut at = 0;
    for _ in 0..MAX_ELEMENTS {
        let head = bytes(reader, at, 16)?;
        let (id, id_bytes, _) = variable(&head, false)?;
        let (length, length_bytes, open) = variable(head.get(id_bytes..).unwrap_or_default(), true)?;
        let body = at + (id_bytes + length_bytes) as u64;
        if id == SEGMENT {
            return Ok(if open { Extent::UNKNOWN } else { Extent::ending(body.saturating_add(length), size) });
        }
        if open {
            break;
        }
        at = body.saturating_add(length);
    }
    Ok(Extent::UNKNOWN)
}

/// A number of EBML, the bytes that it takes, and whether it means "unknown".
fn variable(bytes: &[u8], is_size: bool) -> io::Result<(u64, usize, bool)> {
    let [first] = number::<1>(bytes, 0)?;
    let length = first.leading_zeros() as usize + 1;
    if length > 8 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut value = if is_size { u64::from(first) & ((1 << (8 - length)) - 1) } else { u64::from(first) };
    for byte in bytes.get(1..length).ok_or(io::ErrorKind::UnexpectedEof)? {
        value = value << 8 | u64::from(*byte);
    }
    Ok((value, length, is_size && value == (1 << (7 * length)) - 1))
}

/// The chunks of RIFF and of IFF, one after the other (AVI may have several).
fn chunks(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    let mut at = 0_u64;
    for _ in 0..MAX_ELEMENTS {
        let head = bytes(reader, at, 28)?;
        let length = match number::<4>(&head, 0).ok().as_ref() {
            Some(b"RIFF") => u64::from(u32::from_le_bytes(number(&head, 4)?)),
            Some(b"RIFX" | b"FORM") => u64::from(u32::from_be_bytes(number(&head, 4)?)),
            Some(b"RF64" | b"BW64") if head.get(12..16) == Some(b"ds64") => u64::from_le_bytes(number(&head, 20)?),
            _ if at == 0 => return Ok(Extent::UNKNOWN),
            _ => break,
        };
        if length <= 8 || length == u64::from(u32::MAX) || OPEN_SIZES.contains(&length) {
            return Ok(Extent::OPEN);
        }
        let end = at.saturating_add(8).saturating_add(length);
        if end >= size {
            let duration_s = if head.get(8..12) == Some(b"AVI ") { of_avi(reader, at)? } else { None };
            return Ok(Extent { duration_s, ..Extent::ending(end, size) });
        }
        at = end + end % 2;
    }
    Ok(Extent { state: State::Whole, size_bytes: Some(size), ..Extent::UNKNOWN })
}

/// Duration in seconds by the main header of AVI, where libav scales that of a file that is cut.
fn of_avi(reader: &mut Reader, at: u64) -> io::Result<Option<f64>> {
    let head = bytes(reader, at, 52)?;
    if head.get(24..28) != Some(b"avih") {
        return Ok(None);
    }
    let (frame_us, frames) = (u32::from_le_bytes(number(&head, 32)?), u32::from_le_bytes(number(&head, 48)?));
    Ok(Some(f64::from(frame_us) * f64::from(frames) / 1e6).filter(|duration_s| *duration_s > 0.0))
}

fn wave64(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    let length = u64::from_le_bytes(number(&bytes(reader, 0, 24)?, 16)?);
    Ok(if length <= 24 || length >= u64::MAX / 2 { Extent::UNKNOWN } else { Extent::ending(length, size) })
}

/// Flash video: its metadata may know the size, and every tag is followed by its own length.
fn flash(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    const KEY: &[u8] = b"filesize\0";
    const TAG_HEAD: u64 = 11;
    let head = bytes(reader, 0, HEAD_BYTES)?;
    if let Some(at) = head.windows(KEY.len()).position(|window| window == KEY) {
        let said = f64::from_be_bytes(number(&head, at + KEY.len())?);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a size")]
        if (1.0..1e15).contains(&said) {
            return Ok(Extent::ending(said as u64, size));
        }
    }
    let last = u32::from_be_bytes(number(&bytes(reader, size.saturating_sub(4), 4)?, 0)?);
    let start = size.saturating_sub(4).checked_sub(u64::from(last)).filter(|_| u64::from(last) >= TAG_HEAD);
    let Some(start) = start else { return Ok(Extent { state: State::Cut, ..Extent::UNKNOWN }) };
    let [_, high, middle, low] = number::<4>(&bytes(reader, start, 4)?, 0)?;
    let data = u64::from(u32::from_be_bytes([0, high, middle, low]));
    let ends = data + TAG_HEAD == u64::from(last);
    Ok(Extent { state: if ends { State::Unknown } else { State::Cut }, ..Extent::UNKNOWN })
}

/// The last pages of Ogg: each gives its length and its stream; the last page of a stream is marked.
fn ogg(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    const PAGE: &[u8] = b"OggS\0";
    const HEAD: usize = 27;
    const LAST: u8 = 4;
    let from = size.saturating_sub(HEAD_BYTES as u64 * 2);
    let tail = bytes(reader, from, HEAD_BYTES * 2)?;
    let cut = Ok(Extent { state: State::Cut, ..Extent::UNKNOWN });
    let mut ended: BTreeMap<[u8; 4], bool> = BTreeMap::new();
    let mut at = 0;
    while let Some(found) = tail[at..].windows(PAGE.len()).position(|window| window == PAGE) {
        at += found;
        let Some(&segments) = tail.get(at + HEAD - 1) else { return cut };
        let Some(table) = tail.get(at + HEAD..at + HEAD + usize::from(segments)) else { return cut };
        let body: usize = table.iter().map(|&length| usize::from(length)).sum();
        let end = at + HEAD + table.len() + body;
        if end > tail.len() {
            return cut;
        }
        ended.insert(number(&tail, at + 14)?, tail[at + 5] & LAST != 0);
        at = end;
    }
    let state = if ended.is_empty() {
        State::Unknown
    } else if ended.values().all(|ended| *ended) {
        State::Whole
    } else {
        State::Cut
    };
    Ok(Extent { state, ..Extent::UNKNOWN })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_ebml_know_their_length_and_that_they_are_open() {
        assert_eq!(variable(&[0x82], true).unwrap(), (2, 1, false));
        assert_eq!(variable(&[0xFF], true).unwrap(), (127, 1, true));
        assert_eq!(variable(&[0x1A, 0x45, 0xDF, 0xA3], false).unwrap(), (0x1A45_DFA3, 4, false));
        assert!(variable(&[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], true).unwrap().2);
        assert!(variable(&[0x40], true).is_err());
        assert!(variable(&[], true).is_err());
        assert!(variable(&[0], true).is_err());
    }
}
