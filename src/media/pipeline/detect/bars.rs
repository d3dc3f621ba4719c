//! Black bars around a picture: what is black in every sample is cut off.

use super::samples::{Samples, Words};
use crate::geometry::Pixels;
use crate::geometry::region::Region;
use crate::pipeline::picture;

/// Places looked at.
const PLACES: u32 = 12;

/// Frames of each.
const FRAMES: usize = 2;

/// Frames decoded to come from a keyframe nearer to a place.
const LEAD: usize = 60;

/// Frames that must show a picture, before anything is cut off.
const MIN_LIT: usize = 3;

/// Bars thinner than this many pixels stay: they are soft edges.
const MIN_BAR: u32 = 4;

/// Share of either side that always stays.
const MIN_SHARE: f64 = 0.4;

/// Levels of full-range luma that still count as black.
const BLACK: u32 = 16;

/// Edges of what is not black, in pixels from the top left; the far ones included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Edges {
    left: u32,
    right: u32,
    top: u32,
    bottom: u32,
}

/// The upright picture without black bars; `None` where there are none, or none for certain.
pub fn inside(samples: &Samples<'_>) -> Option<Region> {
    let upright = picture::upright_filters(samples.video.look.orientation);
    let chain = format!("{upright}scale=out_range=pc,format=gray,cropdetect=limit={BLACK}:round=2:reset=1:skip=0");
    let said = samples.filtered(PLACES, FRAMES, LEAD, &chain).ok()?;
    let lit: Vec<Edges> = said.iter().flatten().filter_map(edges).collect();
    common(&lit, samples.video.shown)
}

/// What `cropdetect` says; `None` of a frame that is all black.
fn edges(words: &Words) -> Option<Edges> {
    let number = |key: &str| words.get(&format!("lavfi.cropdetect.{key}"))?.parse::<u32>().ok();
    let edges = Edges { left: number("x1")?, right: number("x2")?, top: number("y1")?, bottom: number("y2")? };
    (edges.left < edges.right && edges.top < edges.bottom).then_some(edges)
}

fn common(lit: &[Edges], picture: Pixels) -> Option<Region> {
    if lit.len() < MIN_LIT {
        return None;
    }
    let all = lit.iter().copied().reduce(|one, other| Edges {
        left: one.left.min(other.left),
        right: one.right.max(other.right),
        top: one.top.min(other.top),
        bottom: one.bottom.max(other.bottom),
    })?;
    let (x, width) = kept(all.left, all.right, picture.width)?;
    let (y, height) = kept(all.top, all.bottom, picture.height)?;
    let size = Pixels::new(width, height);
    (size != picture).then_some(Region { x, y, size })
}

/// Start and length of what is kept of a side.
fn kept(first: u32, last: u32, side: u32) -> Option<(u32, u32)> {
    let start = if first < MIN_BAR { 0 } else { first.next_multiple_of(2) };
    let end = if side.saturating_sub(last + 1) < MIN_BAR { side } else { last.next_multiple_of(2) };
    let length = end.checked_sub(start)?;
    (end <= side && f64::from(length) >= MIN_SHARE * f64::from(side)).then_some((start, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HD: Pixels = Pixels::new(1920, 1080);

    const fn edges(left: u32, right: u32, top: u32, bottom: u32) -> Edges {
        Edges { left, right, top, bottom }
    }

    #[test]
    fn what_is_black_in_every_sample_is_cut_off() {
        let film = [edges(0, 1919, 140, 939), edges(600, 1200, 139, 700), edges(1, 1918, 300, 940)];
        assert_eq!(common(&film, HD), Some(Region { x: 0, y: 140, size: Pixels::new(1920, 800) }));
        let pillars = [edges(240, 1679, 0, 1079); 3];
        assert_eq!(common(&pillars, HD), Some(Region { x: 240, y: 0, size: Pixels::new(1440, 1080) }));
    }

    #[test]
    fn doubt_leaves_the_picture_alone() {
        assert_eq!(common(&[edges(240, 1679, 0, 1079); 2], HD), None, "too few");
        assert_eq!(common(&[edges(2, 1917, 1, 1077); 9], HD), None, "soft edges");
        assert_eq!(common(&[edges(900, 1000, 500, 600); 9], HD), None, "stars in the night");
    }
}
