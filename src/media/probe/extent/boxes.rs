//! Boxes of ISO media (MP4, MOV) that are fragmented: what they say of the whole, and whether the last one is there.
//!
//! Files without fragments need none of this: their sample tables name every byte, so their boxes count as whole.

use std::io;

use super::{Extent, State, bytes, number};
use crate::bytes::Reader;

/// Boxes looked at on the top level, at most: fragments may be many, and far apart.
const MAX_BOXES: usize = 512;

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
    size_bytes: Option<u64>,
}

/// What the boxes of a file of `size` bytes say about the whole.
pub(super) fn extent(reader: &mut Reader, size: u64) -> io::Result<Extent> {
    let mut seen = Seen::default();
    let mut at = 0;
    let mut state = State::Unknown;
    for _ in 0..MAX_BOXES {
        if at >= size {
            break;
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
    Ok(Extent { state, size_bytes: seen.size_bytes, duration_s: seen.duration_s, fragmented: seen.fragmented })
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
        seen.duration_s = Some(seen.duration_s.map_or(said, |known| known.max(said)));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 ticks")]
fn seconds(ticks: u64, scale: u32) -> f64 {
    ticks as f64 / f64::from(scale)
}
