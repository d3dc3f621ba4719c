//! Notices where a stream changes its pictures or its sound under way.
//!
//! Pure. What changes back at once is a decoder that settles, not the source.

use ffmpeg_next::Rational;

use crate::probe::seconds;
use crate::shape::Shape;

/// Frames of sound that a format must hold to count.
const SETTLED: u32 = 8;

/// Follows the frames of one stream.
pub struct Watch {
    /// When the source begins.
    start: i64,
    first: Option<Shape>,
    frames: u32,
    /// Another shape, when it came, and frames of it since.
    other: Option<(Shape, i64, u32)>,
}

impl Watch {
    /// Of a source that begins at `start`.
    #[must_use]
    pub const fn new(start: i64) -> Self {
        Self { start, first: None, frames: 0, other: None }
    }

    /// What comes next does not follow what came before, and so is no change of it.
    pub fn jump(&mut self) {
        if self.other.is_none_or(|(other, _, frames)| frames < least(other)) {
            *self = Self::new(self.start);
        }
    }

    /// Takes notice of what a frame is, and of its time.
    pub fn see(&mut self, shape: Shape, time: i64) {
        let Some(first) = self.first else {
            self.first = Some(shape);
            return;
        };
        match &mut self.other {
            Some((other, _, frames)) if *frames >= least(*other) => {}
            Some((other, _, frames)) if *other == shape => *frames += 1,
            _ if shape == first => (self.frames, self.other) = (self.frames.saturating_add(1), None),
            // What came before was not yet what the stream is.
            _ if self.frames + 1 < least(first) => *self = Self { first: Some(shape), ..Self::new(self.start) },
            _ => self.other = Some((shape, time, 1)),
        }
    }

    /// What changes, in words, where something does. Times are in `base`.
    pub fn change(&self, base: Rational) -> Option<String> {
        self.other.filter(|(other, _, frames)| *frames >= least(*other)).and_then(|_| self.begun(base))
    }

    /// The same of a change that has only just begun.
    pub fn begun(&self, base: Rational) -> Option<String> {
        let (first, (other, time, _)) = self.first.zip(self.other)?;
        let at_s = seconds(time.saturating_sub(self.start), base);
        let what = if matches!(first, Shape::Picture { .. }) { "pictures" } else { "sound" };
        Some(format!("the source changes its {what} from {first} to {other} after {at_s:.2} s"))
    }

    /// Whether what changes are the channels of sound.
    pub fn changes_channels(&self) -> bool {
        let channels = |shape| if let Shape::Sound { channels, .. } = shape { Some(channels) } else { None };
        let other = self.other.filter(|(other, _, frames)| *frames >= least(*other));
        self.first.zip(other).is_some_and(|(first, (other, ..))| channels(first) != channels(other))
    }
}

/// Frames that a shape must hold to count.
const fn least(shape: Shape) -> u32 {
    if matches!(shape, Shape::Picture { .. }) { 1 } else { SETTLED }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn sound(channels: i32) -> Shape {
        Shape::Sound { rate: 48_000, channels }
    }

    #[test]
    fn a_decoder_that_settles_is_no_change_and_another_format_is_one() {
        let mut watch = Watch::new(1);
        let base = Rational(1, 10);
        for (time, channels) in [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 2, 2].into_iter().enumerate() {
            watch.see(sound(channels), i64::try_from(time).unwrap());
        }
        assert_eq!(watch.change(base), None);
        for time in 20..30 {
            watch.see(sound(6), time);
        }
        let change = watch.change(base).unwrap();
        assert!(
            change.contains("2 channels") && change.contains("6 channels") && change.contains("1.90 s"),
            "{change}"
        );
    }

    #[test]
    fn what_comes_after_a_jump_is_no_change() {
        let picture = |width| Shape::Picture { width, height: 240, aspect: (1, 1) };
        let (mut watch, base) = (Watch::new(10), Rational(1, 10));
        watch.see(picture(640), 60);
        watch.jump();
        watch.see(picture(320), 20);
        assert_eq!(watch.change(base), None);
        watch.see(picture(640), 30);
        watch.jump();
        watch.see(picture(320), 20);
        let change = watch.change(base).unwrap();
        assert!(change.contains("from 320x240 to 640x240 after 2.00 s"), "{change}");
    }
}
