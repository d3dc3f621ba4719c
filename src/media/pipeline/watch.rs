//! Notices where a stream changes its pictures or its sound under way.
//!
//! Pure but for reading a frame's properties. What changes back at once is a decoder that settles, not the source.

use ffmpeg_next::{Frame, Rational};

use crate::probe::seconds;
use crate::shape::{Shape, shape};

/// Frames of sound that a format must hold to count.
const SETTLED: u32 = 8;

/// Follows the frames of one stream.
#[derive(Default)]
pub struct Watch {
    first: Option<(Shape, i64)>,
    frames: u32,
    /// Another shape, when it came, and frames of it since.
    other: Option<(Shape, i64, u32)>,
}

impl Watch {
    /// Takes notice of a frame and its time.
    pub fn see(&mut self, frame: &Frame, time: i64) {
        let shape = shape(frame);
        let Some((first, _)) = self.first else {
            self.first = Some((shape, time));
            return;
        };
        match &mut self.other {
            Some((other, _, frames)) if *frames >= least(*other) => {}
            Some((other, _, frames)) if *other == shape => *frames += 1,
            _ if shape == first => (self.frames, self.other) = (self.frames.saturating_add(1), None),
            // What came before was not yet what the stream is.
            _ if self.frames + 1 < least(first) => *self = Self { first: Some((shape, time)), ..Self::default() },
            _ => self.other = Some((shape, time, 1)),
        }
    }

    /// What changes, in words, where something does. Times are in `base`.
    pub fn change(&self, base: Rational) -> Option<String> {
        let (first, start) = self.first?;
        let (other, time, _) = self.other.filter(|(other, _, frames)| *frames >= least(*other))?;
        let at_s = seconds(time.saturating_sub(start), base);
        let what = if matches!(first, Shape::Picture { .. }) { "pictures" } else { "sound" };
        Some(format!("the source changes its {what} from {first} to {other} after {at_s:.2} s"))
    }
}

/// Frames that a shape must hold to count.
const fn least(shape: Shape) -> u32 {
    if matches!(shape, Shape::Picture { .. }) { 1 } else { SETTLED }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw;
    use ffmpeg_next::frame::Audio;
    use ffmpeg_next::{ChannelLayout, format};

    fn sound(channels: i32) -> Frame {
        let format = format::Sample::F32(format::sample::Type::Planar);
        let mut frame = Audio::new(format, 256, ChannelLayout::default(channels));
        frame.set_rate(48_000);
        raw::share(&frame).unwrap()
    }

    #[test]
    fn a_decoder_that_settles_is_no_change_and_another_format_is_one() {
        let mut watch = Watch::default();
        let base = Rational(1, 10);
        for (time, channels) in [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 2, 2].into_iter().enumerate() {
            watch.see(&sound(channels), i64::try_from(time).unwrap());
        }
        assert_eq!(watch.change(base), None);
        for time in 20..30 {
            watch.see(&sound(6), time);
        }
        let change = watch.change(base).unwrap();
        assert!(
            change.contains("2 channels") && change.contains("6 channels") && change.contains("1.90 s"),
            "{change}"
        );
    }
}
