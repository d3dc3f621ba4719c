//! Boxes of ISO media (MP4, MOV) that are fragmented: what they say of the whole, and whether the last one is there.
//!
//! Files without fragments need none of this: their sample tables name every byte, so their boxes count as whole.

use std::io;

use super::{Extent, State, bytes, number};
use crate::bytes::Reader;

/// Boxes looked at on the top level, at most: fragments may be many, and far apart.
const MAX_BOXES: usize = 100_000;

/// Boxes after which the last fragment is looked for from the end, instead of going from one to the next: each of those
/// steps may be a range that is read of an object.
const WALKED_BOXES: usize = 512;

/// Bytes at the end in which the last fragment is looked for, one after the other.
const TAILS_BYTES: [u64; 3] = [256 << 10, 4 << 20, 32 << 20];

/// Boxes looked at within `moov`, at most.
const MAX_INNER: usize = 128;

/// Bytes read of an index of segments (`sidx`), at most.
const MAX_SIDX_BYTES: u64 = 1 << 20;

/// A box.
struct Found {
    kind: [u8; 4],
    /// Where what it holds begins.
    body: u64,
    /// Where it ends; `None` where it says: with the file.
    end: Option<u64>,
}

/// What is known so far.
#[derive(Default)]
struct Seen {
    fragmented: bool,
    /// Whether an index of the fragments stands at the end, as whole files have it.
    closed: bool,
    duration_s: Option<f64>,
    /// Whether that is a duration of all fragments: the one in the header may be that of the first.
    of_all: bool,
    size_bytes: Option<u64>,
}

/// What the boxes of a file of `size` bytes say about the whole.
pub(super) fn extent(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    let mut seen = Seen::default();
    let mut at = 0;
    let mut state = State::Unknown;
    for looked in 0..MAX_BOXES {
        if at >= size {
            break;
        }
        if looked == WALKED_BOXES && seen.fragmented {
            at = last_fragment(reader, at, size)?.unwrap_or(at);
        }
        let Some(found) = read(reader, at, size)? else {
            // A few bytes that are no box: only of fragments the beginning of one more.
            state = if seen.fragmented && size - at < 8 { State::Cut } else { state };
            break;
        };
        match &found.kind {
            b"moov" => {
                moov(reader, &found, size, &mut seen)?;
                if !seen.fragmented {
                    return Ok(Extent { state: State::Whole, ..Extent::UNKNOWN });
                }
            }
            b"sidx" if seen.fragmented => sidx(reader, &found, &mut seen)?,
            b"mfra" => seen.closed = true,
            _ => {}
        }
        let Some(end) = found.end else { break };
        if end > size {
            state = if seen.fragmented { State::Cut } else { state };
            break;
        }
        at = end;
    }
    if seen.size_bytes.is_some_and(|bytes| bytes > size) {
        state = State::Cut;
    } else if seen.closed && state == State::Unknown {
        state = State::Whole;
    }
    Ok(Extent {
        state,
        size_bytes: seen.size_bytes,
        duration_s: seen.duration_s,
        of_all: seen.of_all,
        fragmented: seen.fragmented,
        ..Extent::UNKNOWN
    })
}

/// Where the last fragment (`moof`) after `from` begins, where that is near the end.
fn last_fragment(reader: &mut Reader, from: u64, size: u64) -> io::Result<Option<u64>> {
    // Its header, behind its length, and that of the box which comes first in it.
    const FRAGMENT: &[u8] = b"moof\0\0\0\x10mfhd";
    for tail in TAILS_BYTES {
        let start = size.saturating_sub(tail).max(from);
        let bytes = bytes(reader, start, usize::try_from(size - start).unwrap_or(0))?;
        let found = bytes.windows(FRAGMENT.len()).rposition(|window| window == FRAGMENT);
        if let Some(at) = found.and_then(|at| at.checked_sub(4)) {
            return Ok(Some(start + at as u64));
        }
        if start == from {
            break;
        }
    }
    Ok(None)
}

/// The box at `at`; `None` where there is none.
fn read(reader: &mut Reader, at: u64, size: u64) -> io::Result<Option<Found>> {
    let head = bytes(reader, at, 16)?;
    let Ok(short) = number::<4>(&head, 0) else { return Ok(None) };
    let Ok(kind) = number::<4>(&head, 4) else { return Ok(None) };
    if !kind.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ' || *byte == 0xA9) {
        return Ok(None);
    }
    let (length, head_bytes) = match u32::from_be_bytes(short) {
        0 => return Ok(Some(Found { kind, body: at + 8, end: None })),
        1 => (u64::from_be_bytes(number(&head, 8)?), 16),
        length => (u64::from(length), 8),
    };
    if length < head_bytes {
        return Ok(None);
    }
    let end = at.saturating_add(length);
    Ok((at < size).then_some(Found { kind, body: at + head_bytes, end: Some(end) }))
}

/// `mvhd` and, below `mvex`, `mehd`.
fn moov(reader: &mut Reader, moov: &Found, size: u64, seen: &mut Seen) -> io::Result<()> {
    let mut scale = 0;
    let mut durations = [None, None];
    let mut at = moov.body;
    let end = moov.end.unwrap_or(size).min(size);
    for _ in 0..MAX_INNER {
        let Some(found) = read(reader, at, end)? else { break };
        match &found.kind {
            b"mvhd" => {
                let body = bytes(reader, found.body, 32)?;
                let long = body.first() == Some(&1);
                scale = u32::from_be_bytes(number(&body, if long { 20 } else { 12 })?);
                durations[0] = duration(&body, if long { 24 } else { 16 }, long)?;
            }
            b"mvex" => {
                seen.fragmented = true;
                // Its first box is `mehd`, where there is one.
                at = found.body;
                continue;
            }
            b"mehd" => {
                let body = bytes(reader, found.body, 16)?;
                durations[1] = duration(&body, 4, body.first() == Some(&1))?;
            }
            _ => {}
        }
        let Some(next) = found.end.filter(|&next| next < end) else { break };
        at = next;
    }
    seen.of_all |= durations[1].is_some();
    let longest = durations.into_iter().flatten().max().filter(|_| scale > 0);
    seen.duration_s = longest.map(|ticks| seconds(ticks, scale));
    Ok(())
}

/// A duration in ticks; `None` where it stands for "unknown".
fn duration(body: &[u8], at: usize, long: bool) -> io::Result<Option<u64>> {
    let (ticks, open) = if long {
        (u64::from_be_bytes(number(body, at)?), u64::MAX)
    } else {
        (u64::from(u32::from_be_bytes(number(body, at)?)), u64::from(u32::MAX))
    };
    Ok(Some(ticks).filter(|&ticks| ticks > 0 && ticks != open))
}

/// An index of segments: where they end, and how long they are together.
fn sidx(reader: &mut Reader, found: &Found, seen: &mut Seen) -> io::Result<()> {
    const REFERENCE_BYTES: usize = 12;
    let Some(end) = found.end else { return Ok(()) };
    let length = end.saturating_sub(found.body).min(MAX_SIDX_BYTES);
    let body = bytes(reader, found.body, usize::try_from(length).unwrap_or(0))?;
    let scale = u32::from_be_bytes(number(&body, 8)?);
    let (first, references) = if body.first() == Some(&1) {
        (u64::from_be_bytes(number(&body, 20)?), 28)
    } else {
        (u64::from(u32::from_be_bytes(number(&body, 16)?)), 20)
    };
    let count = usize::from(u16::from_be_bytes(number(&body, references + 2)?));
    let (mut total, mut ticks) = (first, 0_u64);
    for reference in body.get(references + 4..).unwrap_or_default().chunks_exact(REFERENCE_BYTES).take(count) {
        let length = u64::from(u32::from_be_bytes(number(reference, 0)?) & 0x7FFF_FFFF);
        total = total.saturating_add(length);
        // At most 65,535 numbers of 32 bits.
        ticks += u64::from(u32::from_be_bytes(number(reference, 4)?));
    }
    let ends = end.saturating_add(total);
    seen.size_bytes = seen.size_bytes.max(Some(ends));
    if scale > 0 {
        let said = seconds(ticks, scale);
        seen.of_all |= ticks > 0;
        seen.duration_s = Some(seen.duration_s.map_or(said, |known| known.max(said)));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 ticks")]
fn seconds(ticks: u64, scale: u32) -> f64 {
    ticks as f64 / f64::from(scale)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bytes::Bytes;

    fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 8).unwrap();
        [&length.to_be_bytes(), &kind[..], body].concat()
    }

    fn of(bytes: Vec<u8>) -> Extent {
        let size = bytes.len() as u64;
        extent(&mut Reader::new(Arc::new(Bytes::in_memory(bytes.into()))), size).unwrap()
    }

    fn header() -> Vec<u8> {
        boxed(*b"moov", &[boxed(*b"mvhd", &[0; 100]), boxed(*b"mvex", &boxed(*b"trex", &[0; 24]))].concat())
    }

    fn fragment(sound: &[u8]) -> Vec<u8> {
        [boxed(*b"moof", &boxed(*b"mfhd", &[0; 8])), boxed(*b"mdat", sound)].concat()
    }

    #[test]
    fn numbers_of_an_index_that_overflow_are_a_file_that_is_cut() {
        let mut index = [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1].to_vec();
        index.extend([0; 8]);
        index.extend((u64::MAX - 5).to_be_bytes());
        index.extend([0, 0, 0, 2]);
        index.extend([[0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]; 2].concat());
        let found = of([header(), boxed(*b"sidx", &index), fragment(&[0; 64])].concat());
        assert_eq!((found.state, found.size_bytes), (State::Cut, Some(u64::MAX)));
        // A length of 64 bits that reaches as far as numbers do.
        let far = [&[0, 0, 0, 1], &b"mdat"[..], &u64::MAX.to_be_bytes()].concat();
        assert_eq!(of([header(), far].concat()).state, State::Cut);
    }

    #[test]
    fn newcomer_the_last_of_many_fragments_is_found() {
        let whole = [header(), fragment(&[0; 64]).repeat(1_000)].concat();
        let length = whole.len();
        for short in [0, 1, 7, 8, 40, 64 + 8 + 5, 64 + 8 + 12] {
            let found = of(whole[..length - short].to_vec());
            let expected = if short == 0 { State::Unknown } else { State::Cut };
            assert_eq!(found.state, expected, "{short} bytes are missing");
        }
        let closed = [whole, boxed(*b"mfra", &[0; 24])].concat();
        assert_eq!(of(closed).state, State::Whole);
        // A fragment that is longer than where the last one is looked for.
        let long = [header(), fragment(&[0; 4]).repeat(300), fragment(&vec![0; 33 << 20])].concat();
        assert_eq!(of(long[..long.len() - 1].to_vec()).state, State::Cut);
    }
}
