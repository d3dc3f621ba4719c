//! Boxes of fragmented MP4 (ISO/IEC 14496-12) that libav cannot be told to write as players need them.
//!
//! **Invariant**: bytes that are no whole boxes are left as they are.

/// Size of a `sidx` box without references, in bytes.
const INDEX_BYTES: usize = 40;

/// Size of a reference in it, in bytes.
const REFERENCE_BYTES: usize = 12;

/// A piece of a file that a player fetches on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Size in bytes.
    pub size_bytes: u64,
    /// Duration in ticks of the index.
    pub ticks: u64,
}

/// Moves the decoding time (`tfdt`) of every fragment in `bytes` by what `offsets` says for its track; the first track is
/// number 1. Offsets are in ticks of the tracks' clocks.
pub fn delay(bytes: &mut [u8], offsets: &[i64]) {
    for (name, moof) in boxes(bytes) {
        if name != *b"moof" {
            continue;
        }
        for (name, traf) in boxes(moof) {
            if name == *b"traf" {
                delay_track(traf, offsets);
            }
        }
    }
}

fn delay_track(traf: &mut [u8], offsets: &[i64]) {
    let mut offset = None;
    for (name, body) in boxes(traf) {
        match &name {
            b"tfhd" => {
                let track = body.get(4..8).and_then(|id| id.try_into().ok()).map(u32::from_be_bytes);
                let place = track.and_then(|id| usize::try_from(id).ok()?.checked_sub(1));
                offset = place.and_then(|place| offsets.get(place)).copied();
            }
            b"tfdt" => {
                // Version 1 counts in 64 bits, version 0 in 32.
                let wide = body.first() == Some(&1);
                let Some(offset) = offset.filter(|offset| *offset != 0) else { continue };
                if let Some(time) = body.get_mut(4..12).filter(|_| wide) {
                    let before = time.try_into().map_or(0, u64::from_be_bytes);
                    time.copy_from_slice(&before.saturating_add_signed(offset).to_be_bytes());
                } else if let Some(time) = body.get_mut(4..8) {
                    let before = time.try_into().map_or(0, u32::from_be_bytes);
                    let after = u64::from(before).saturating_add_signed(offset);
                    time.copy_from_slice(&u32::try_from(after).unwrap_or(u32::MAX).to_be_bytes());
                }
            }
            _ => {}
        }
    }
}

/// Names and bodies of the boxes that `bytes` consist of.
fn boxes(mut bytes: &mut [u8]) -> Vec<([u8; 4], &mut [u8])> {
    let mut found = Vec::new();
    while bytes.len() >= 8 {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let name = [bytes[4], bytes[5], bytes[6], bytes[7]];
        let (header, size) = match word(0) {
            0 => (8, bytes.len()),
            1 if bytes.len() >= 16 => {
                (16, usize::try_from(u64::from(word(8)) << 32 | u64::from(word(12))).unwrap_or(0))
            }
            size => (8, size as usize),
        };
        if size < header || size > bytes.len() {
            break;
        }
        let (whole, rest) = bytes.split_at_mut(size);
        found.push((name, &mut whole[header..]));
        bytes = rest;
    }
    found
}

/// A `sidx` box over pieces that follow it at once, each beginning with a keyframe. `start` is when the first is shown, in
/// ticks of `timescale`, of which there are so many in a second; `track` is the track's number.
#[must_use]
pub fn index(track: u32, timescale: u32, start: u64, references: &[Reference]) -> Vec<u8> {
    let size = INDEX_BYTES + REFERENCE_BYTES * references.len();
    let mut bytes = Vec::with_capacity(size);
    bytes.extend(u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(b"sidx");
    // Version 1, no flags.
    bytes.extend([1, 0, 0, 0]);
    bytes.extend(track.to_be_bytes());
    bytes.extend(timescale.to_be_bytes());
    bytes.extend(start.to_be_bytes());
    // The first piece follows at once.
    bytes.extend(0_u64.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(u16::try_from(references.len()).unwrap_or(u16::MAX).to_be_bytes());
    for reference in references {
        // The highest bit would say that the piece is an index, too.
        let size = u32::try_from(reference.size_bytes).unwrap_or(u32::MAX) & 0x7fff_ffff;
        bytes.extend(size.to_be_bytes());
        bytes.extend(u32::try_from(reference.ticks).unwrap_or(u32::MAX).to_be_bytes());
        // Starts with a stream access point of type 1.
        bytes.extend(0x9000_0000_u32.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(name: [u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &name, body].concat()
    }

    fn fragment(track: u32, tfdt: &[u8]) -> Vec<u8> {
        let tfhd = framed(*b"tfhd", &[&[0, 2, 0, 0][..], &track.to_be_bytes()].concat());
        let traf = framed(*b"traf", &[tfhd, framed(*b"tfdt", tfdt)].concat());
        framed(*b"moof", &[framed(*b"mfhd", &[0; 8]), traf].concat())
    }

    #[test]
    fn times_of_decoding_move_by_what_their_track_begins_later() {
        let wide = |time: u64| [&[1, 0, 0, 0][..], &time.to_be_bytes()].concat();
        let narrow = |time: u32| [&[0, 0, 0, 0][..], &time.to_be_bytes()].concat();
        let with =
            |first: &[u8], second: &[u8]| [fragment(1, first), framed(*b"mdat", &[7; 9]), fragment(2, second)].concat();
        let mut bytes = with(&wide(5), &narrow(6));
        delay(&mut bytes, &[0, 100]);
        assert_eq!(bytes, with(&wide(5), &narrow(106)));
        delay(&mut bytes, &[1 << 33]);
        assert_eq!(bytes, with(&wide((1 << 33) + 5), &narrow(106)));
    }

    #[test]
    fn what_is_no_whole_box_is_left_as_it_is() {
        let whole = fragment(1, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        for cut in 0..whole.len() {
            let mut bytes = whole[..cut].to_vec();
            delay(&mut bytes, &[3]);
            assert_eq!(bytes, whole[..cut]);
        }
        let mut bytes = [0_u8, 0, 0, 3, b'm', b'o', b'o', b'f'];
        delay(&mut bytes, &[3]);
        assert_eq!(bytes, [0, 0, 0, 3, b'm', b'o', b'o', b'f']);
    }

    #[test]
    fn an_index_is_as_long_as_it_says() {
        let bytes = index(1, 90_000, 7, &[Reference { size_bytes: 1_000, ticks: 360_000 }; 3]);
        assert_eq!(bytes.len(), INDEX_BYTES + 3 * REFERENCE_BYTES);
        assert_eq!(bytes[..4], u32::try_from(bytes.len()).unwrap().to_be_bytes());
        assert_eq!(bytes[12..20], [0, 0, 0, 1, 0, 1, 0x5f, 0x90]);
    }
}
