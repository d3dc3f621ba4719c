//! Detects interlaced pictures: flags are checked against the lines of the pictures.

use super::samples::{Samples, Words};
use crate::pipeline::picture::Fields;

/// Places looked at.
const PLACES: u32 = 4;

/// Frames of each.
const FRAMES: usize = 10;

/// Frames that must show a movement that tells, before flags are overruled.
const MIN_TELLING: u32 = 12;

/// Share of them that must say the same.
const AGREED: f64 = 0.9;

/// Heights of standards that have interlaced pictures.
const HEIGHTS: [u32; 7] = [480, 486, 512, 576, 608, 1080, 1088];

/// Fastest frame rate of such standards.
const MAX_RATE: f64 = 30.5;

/// How many frames show what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    top_first: u32,
    bottom_first: u32,
    progressive: u32,
}

/// What is to become of the fields of a source whose flags say that it is interlaced (`marked`) or not.
pub fn judge(samples: &Samples<'_>, marked: bool) -> Fields {
    let (track, shown) = (&samples.video.track, samples.video.shown);
    let standard = HEIGHTS.contains(&shown.height) && f64::from(track.frame_rate) <= MAX_RATE;
    if !marked && !standard {
        return Fields::AsMarked;
    }
    let said = samples.filtered(PLACES, FRAMES, 0, "idet").unwrap_or_default();
    verdict(count(said.iter().flatten()), marked)
}

fn count<'a>(said: impl Iterator<Item = &'a Words>) -> Count {
    let mut count = Count::default();
    for words in said {
        match words.get("lavfi.idet.multiple.current_frame").map(String::as_str) {
            Some("tff") => count.top_first += 1,
            Some("bff") => count.bottom_first += 1,
            Some("progressive") => count.progressive += 1,
            _ => {}
        }
    }
    count
}

fn verdict(Count { top_first, bottom_first, progressive }: Count, marked: bool) -> Fields {
    let telling = f64::from(top_first + bottom_first + progressive);
    let agreed = |count: u32| f64::from(count) >= AGREED * telling;
    if telling < f64::from(MIN_TELLING) {
        return Fields::AsMarked;
    }
    match marked {
        true if agreed(progressive) => Fields::None,
        _ if agreed(top_first) => Fields::Interlaced(Some(true)),
        _ if agreed(bottom_first) => Fields::Interlaced(Some(false)),
        _ => Fields::AsMarked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_overruled_only_where_the_pictures_agree() {
        let count = |top_first, bottom_first, progressive| Count { top_first, bottom_first, progressive };
        for (seen, marked, expected) in [
            (count(0, 0, 0), true, Fields::AsMarked),
            (count(11, 0, 0), false, Fields::AsMarked),
            (count(38, 1, 1), false, Fields::Interlaced(Some(true))),
            (count(0, 40, 0), false, Fields::Interlaced(Some(false))),
            (count(16, 0, 24), false, Fields::AsMarked),
            (count(0, 0, 40), true, Fields::None),
            (count(20, 0, 20), true, Fields::AsMarked),
            (count(0, 0, 40), false, Fields::AsMarked),
        ] {
            assert_eq!(verdict(seen, marked), expected, "{seen:?} {marked}");
        }
    }
}
