//! Static metadata of high dynamic range, as frames and containers carry them.
//!
//! Both store the same structures of libav's: numbers of 32 bits, of which two make a fraction.

use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::frame::side_data::Type as OfFrame;
use ffmpeg_next::packet::side_data::Type as OfStream;
use reelmill::model::codec::{HdrMetadata, MasteringDisplay};

use super::streams::Track;
use crate::raw::SideData;

/// The metadata of a stream whose first frame is `frame`: what an encoder is told, and what a container keeps.
#[must_use]
pub fn metadata(frame: &Frame, track: &Track) -> (HdrMetadata, Vec<SideData>) {
    let find = |of_frame: OfFrame, of_stream: OfStream| {
        let own = frame.side_data(of_frame).map(|data| data.data().to_vec());
        own.or_else(|| track.side_data.iter().find(|data| data.is(of_stream)).map(|data| data.bytes().to_vec()))
    };
    let display = find(OfFrame::MasteringDisplayMetadata, OfStream::MasteringDisplayMetadata);
    let light = find(OfFrame::ContentLightLevel, OfStream::ContentLightLevel);
    let known = HdrMetadata {
        display: display.as_deref().and_then(mastering_display),
        light: light.as_deref().and_then(content_light),
    };
    let kept = [
        display
            .filter(|_| known.display.is_some())
            .map(|bytes| SideData::new(OfStream::MasteringDisplayMetadata, bytes)),
        light.filter(|_| known.light.is_some()).map(|bytes| SideData::new(OfStream::ContentLightLevel, bytes)),
    ];
    (known, kept.into_iter().flatten().collect())
}

/// `AVMasteringDisplayMetadata`: primaries, white point, darkest and brightest, and whether each is there.
fn mastering_display(bytes: &[u8]) -> Option<MasteringDisplay> {
    let number = numbers(bytes);
    let fraction = |at: usize| match (*number.get(at)?, *number.get(at + 1)?) {
        (_, 0) => None,
        (num, den) => Some(f64::from(num) / f64::from(den)),
    };
    let point = |at: usize| Some((fraction(at)?, fraction(at + 2)?));
    let (primaries, luminance) = (*number.get(20)?, *number.get(21)?);
    let display = MasteringDisplay {
        red: point(0)?,
        green: point(4)?,
        blue: point(8)?,
        white: point(12)?,
        luminance: point(16)?,
    };
    let sane = |(x, y): (f64, f64)| (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y);
    let points = [display.red, display.green, display.blue, display.white];
    let bright = (0.0..display.luminance.1).contains(&display.luminance.0) && display.luminance.1 <= 100_000.0;
    (primaries != 0 && luminance != 0 && bright && points.into_iter().all(sane)).then_some(display)
}

/// `AVContentLightMetadata`: the brightest pixel, and the brightest picture on average.
fn content_light(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = numbers(bytes);
    let level = |at: usize| u32::try_from(*number.get(at)?).ok();
    let (pixel, picture) = (level(0)?, level(1)?);
    (pixel > 0 || picture > 0).then_some((pixel, picture))
}

fn numbers(bytes: &[u8]) -> Vec<i32> {
    bytes.chunks_exact(4).map(|b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(numbers: &[i32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
    }

    #[test]
    fn metadata_are_read_and_nonsense_is_left_out() {
        let mut numbers = vec![
            35_400, 50_000, 14_600, 50_000, 8_500, 50_000, 39_850, 50_000, 6_550, 50_000, 2_300, 50_000, 15_635,
            50_000, 16_450, 50_000, 1, 10_000, 10_000_000, 10_000, 1, 1,
        ];
        let display = mastering_display(&bytes(&numbers)).unwrap();
        assert_eq!((display.red, display.luminance), ((0.708, 0.292), (0.000_1, 1_000.0)));
        numbers[20] = 0;
        assert_eq!(mastering_display(&bytes(&numbers)), None);
        numbers[20] = 1;
        numbers[1] = 0;
        assert_eq!(mastering_display(&bytes(&numbers)), None);
        assert_eq!(mastering_display(&[1, 2, 3]), None);
        assert_eq!(content_light(&bytes(&[2_000, 50])), Some((2_000, 50)));
        assert_eq!(content_light(&bytes(&[0, 0])), None);
        assert_eq!(content_light(&[]), None);
    }
}
