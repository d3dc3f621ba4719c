//! Parts of a picture: which one a crop means, and where it lies in a picture that is stored turned.
//!
//! Pure arithmetic. **Invariant**: a region lies within its picture and has even sides of at least two pixels.

use reelmill::model::work::Length;

use super::{Pixels, length, whole};
use crate::libav::Orientation;

/// A part of a picture, in pixels from its top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// Its size.
    pub size: Pixels,
}

/// One side of a crop as it is asked for: distance from the edge, and length.
pub type Side = (Option<Length>, Option<Length>);

impl Region {
    /// The part that lies `across` and `down` in an upright picture; `None` where it reaches beyond.
    #[must_use]
    pub fn new(across: Side, down: Side, picture: Pixels) -> Option<Self> {
        let (x, width) = span(across, picture.width)?;
        let (y, height) = span(down, picture.height)?;
        Some(Self { x, y, size: Pixels::new(width, height) })
    }

    /// The same part of the same picture in another size.
    #[must_use]
    pub fn scaled(self, from: Pixels, to: Pixels) -> Self {
        if from == to {
            return self;
        }
        let scale = |pixels: u32, from: u32, to: u32| {
            let scaled = u64::from(pixels) * u64::from(to) / u64::from(from.max(1));
            u32::try_from(scaled / 2 * 2).unwrap_or(u32::MAX)
        };
        let width = scale(self.size.width, from.width, to.width).max(2).min(to.width);
        let height = scale(self.size.height, from.height, to.height).max(2).min(to.height);
        Self {
            x: scale(self.x, from.width, to.width).min(to.width - width),
            y: scale(self.y, from.height, to.height).min(to.height - height),
            size: Pixels::new(width, height),
        }
    }

    /// Where the part of an `upright` picture lies in the picture as it is stored, before `orientation` puts it upright.
    #[must_use]
    pub const fn stored(self, upright: Pixels, orientation: Orientation) -> Self {
        let Self { x, y, size } = self;
        let (from_right, from_bottom) = (upright.width - x - size.width, upright.height - y - size.height);
        let (x, y, size, height) = match orientation.rotation {
            90 => (y, from_right, size.turned(), upright.width),
            180 => (from_right, from_bottom, size, upright.height),
            270 => (from_bottom, x, size.turned(), upright.width),
            _ => (x, y, size, upright.height),
        };
        let y = if orientation.flipped { height - y - size.height } else { y };
        Self { x, y, size }
    }
}

/// Distance from the edge and length, in pixels of a side.
fn span((from, taken): Side, side: u32) -> Option<(u32, u32)> {
    let pixels = |asked: Length| match asked {
        Length::Pixels(0) => 0,
        asked if length(asked, side) < 0.5 => 0,
        asked => whole(length(asked, side)),
    };
    let from = from.map(pixels);
    let taken = taken.map_or_else(|| side.saturating_sub(from.unwrap_or(0)), pixels);
    // The whole of an odd side stays whole.
    let taken = if taken == side { taken } else { taken / 2 * 2 };
    let from = from.unwrap_or_else(|| side.saturating_sub(taken) / 2);
    let from = if taken == side { from } else { from / 2 * 2 };
    (taken >= 2.min(side) && from.checked_add(taken)? <= side).then_some((from, taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn region(x: u32, y: u32, width: u32, height: u32) -> Region {
        Region { x, y, size: Pixels::new(width, height) }
    }

    #[test]
    fn crops_are_pixels_or_shares_and_centred_where_nothing_is_said() {
        let picture = Pixels::new(1920, 1080);
        let pixels = |n| Some(Length::Pixels(n));
        let share = |n| Some(Length::Ratio(n));
        for (across, down, expected) in [
            ((pixels(100), pixels(800)), (pixels(50), pixels(600)), Some(region(100, 50, 800, 600))),
            ((None, pixels(800)), (None, None), Some(region(560, 0, 800, 1080))),
            ((share(0.25), share(0.5)), (None, share(0.5)), Some(region(480, 270, 960, 540))),
            ((pixels(101), pixels(33)), (pixels(1000), None), Some(region(100, 1000, 32, 80))),
            ((pixels(1200), pixels(800)), (None, None), None),
            ((pixels(1920), None), (None, None), None),
            ((None, None), (None, None), Some(region(0, 0, 1920, 1080))),
        ] {
            assert_eq!(Region::new(across, down, picture), expected, "{across:?} {down:?}");
        }
        let odd = Pixels::new(853, 481);
        assert_eq!(Region::new((None, pixels(400)), (None, None), odd), Some(region(226, 0, 400, 481)));
    }

    #[test]
    fn a_part_of_the_upright_picture_is_found_in_the_stored_one() {
        // An upright picture of 90 × 160, of which the 10 × 20 at the top left are taken.
        let (upright, part) = (Pixels::new(90, 160), region(0, 0, 10, 20));
        let stored = |rotation, flipped| part.stored(upright, Orientation { rotation, flipped });
        assert_eq!(stored(0, false), part);
        // Turned clockwise to be upright: what is at the top left now was at the bottom left.
        assert_eq!(stored(90, false), region(0, 80, 20, 10));
        assert_eq!(stored(180, false), region(80, 140, 10, 20));
        assert_eq!(stored(270, false), region(140, 0, 20, 10));
        assert_eq!(stored(0, true), region(0, 140, 10, 20));
        assert_eq!(stored(90, true), region(0, 0, 20, 10));
    }

    #[test]
    fn a_part_follows_a_picture_that_changes_its_size() {
        let part = region(100, 50, 800, 600);
        assert_eq!(part.scaled(Pixels::new(1920, 1080), Pixels::new(1920, 1080)), part);
        assert_eq!(part.scaled(Pixels::new(1920, 1080), Pixels::new(960, 540)), region(50, 24, 400, 300));
        assert_eq!(part.scaled(Pixels::new(1920, 1080), Pixels::new(2, 2)), region(0, 0, 2, 2));
    }
}
