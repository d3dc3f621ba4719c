//! Animated WebP, which libav writes and does not read: its pictures counted, timed, and the first and last decoded.
//!
//! **Invariant**: pure but for decoding; a file that breaks off or lies about a length is an error, never a panic.

use ffmpeg_next::{Packet, codec, decoder};
use reelmill::model::media::{Format, MediaInfo, Ratio, VideoStream};

use super::{Expected, ROUNDING_S};
use crate::libav;

/// Length of a chunk's name and size.
const CHUNK_HEADER: usize = 8;

/// Length of what stands before the picture in a chunk of an animation: place, size, duration, flags.
const FRAME_HEADER: usize = 16;

/// An animation, or a single picture.
#[derive(Debug, Default, PartialEq)]
struct Animation<'a> {
    width: u32,
    height: u32,
    /// Chunks of each picture, and how long it is shown in milliseconds.
    frames: Vec<(&'a [u8], u32)>,
}

/// Checks the file `bytes` against `expected`, and returns its media information.
pub fn check(bytes: &[u8], expected: &Expected) -> Result<MediaInfo, String> {
    let animation = read(bytes)?;
    let video = expected.video.ok_or("it contains video, but none was requested")?;
    if (animation.width, animation.height) != (video.width, video.height) {
        return Err(format!(
            "the picture is {}x{} instead of {}x{}",
            animation.width, animation.height, video.width, video.height
        ));
    }
    let count = animation.frames.len() as u64;
    // Pictures that are the same as the one before only prolong it.
    if let Some(frames) = video.frames.filter(|frames| count > *frames || count == 0) {
        return Err(format!("it has {count} frames instead of {frames}"));
    }
    let duration_s = f64::from(animation.frames.iter().map(|(_, ms)| ms).sum::<u32>()) / 1000.0;
    if let (Some(wanted), Some(frames)) = (video.duration_s, video.frames.filter(|_| count > 1)) {
        #[expect(clippy::cast_precision_loss, reason = "a number of frames")]
        let slack = wanted / frames.max(1) as f64 + ROUNDING_S;
        if (duration_s - wanted).abs() > slack {
            return Err(format!("its video lasts {duration_s:.3} s instead of {wanted:.3} s"));
        }
    }
    for (frame, _) in animation.frames.first().into_iter().chain(animation.frames.last()) {
        decodes(frame).map_err(|error| format!("a picture does not decode: {error}"))?;
    }
    Ok(described(&animation, bytes.len() as u64, duration_s))
}

fn described(animation: &Animation<'_>, size_bytes: u64, duration_s: f64) -> MediaInfo {
    let count = animation.frames.len();
    let first_ms = animation.frames.first().map_or(0, |(_, ms)| *ms);
    let rate = Ratio { num: 1000, den: i32::try_from(first_ms).unwrap_or(i32::MAX).max(1) };
    let moves = count > 1 && duration_s > 0.0;
    let duration_s = moves.then_some(duration_s);
    let video = VideoStream {
        codec: "webp".to_owned(),
        width: animation.width,
        height: animation.height,
        coded_width: animation.width,
        coded_height: animation.height,
        short_side: animation.width.min(animation.height),
        long_side: animation.width.max(animation.height),
        sample_aspect_ratio: Some(Ratio { num: 1, den: 1 }),
        frame_rate: if moves { rate.value() } else { 0.0 },
        frame_rate_ratio: moves.then_some(rate),
        variable_frame_rate: animation.frames.iter().any(|(_, ms)| ms.abs_diff(first_ms) > 1),
        pixel_format: Some("yuv420p".to_owned()),
        bit_depth: Some(8),
        duration_s,
        frames: Some(count as u64),
        ..VideoStream::default()
    };
    let format = Format { name: "webp_pipe".to_owned(), duration_s, size_bytes, ..Format::default() };
    MediaInfo { format, video: vec![video], ..MediaInfo::default() }
}

/// Reads the chunks of a file.
fn read(bytes: &[u8]) -> Result<Animation<'_>, String> {
    let broken = || "it is not a complete WebP file".to_owned();
    let (head, body) = bytes.split_at_checked(12).ok_or_else(broken)?;
    let stated = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    if &head[..4] != b"RIFF" || &head[8..] != b"WEBP" || stated + CHUNK_HEADER > bytes.len() {
        return Err(broken());
    }
    let mut animation = Animation::default();
    let mut rest = body;
    while !rest.is_empty() {
        let (name, content, after) = chunk(rest).ok_or_else(broken)?;
        match name {
            b"VP8X" => {
                animation.width = three(content, 4).ok_or_else(broken)? + 1;
                animation.height = three(content, 7).ok_or_else(broken)? + 1;
            }
            b"ANMF" => {
                let duration_ms = three(content, 12).ok_or_else(broken)?;
                animation.frames.push((content.get(FRAME_HEADER..).ok_or_else(broken)?, duration_ms));
            }
            b"VP8 " if animation.frames.is_empty() => {
                if animation.width == 0 {
                    let side =
                        |at: usize| Some(u32::from(u16::from_le_bytes([*content.get(at)?, *content.get(at + 1)?])));
                    animation.width = side(6).ok_or_else(broken)? & 0x3fff;
                    animation.height = side(8).ok_or_else(broken)? & 0x3fff;
                }
                animation.frames.push((rest, 0));
            }
            _ => {}
        }
        rest = after;
    }
    Ok(animation)
}

/// The first chunk: its name, its content, and what follows.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (name, rest) = bytes.split_first_chunk::<4>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let (content, rest) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
    // Contents of an odd length are filled up.
    Some((name, content, rest.get(content.len() % 2..).unwrap_or_default()))
}

/// A number of three bytes.
fn three(bytes: &[u8], at: usize) -> Option<u32> {
    let number = bytes.get(at..at + 3)?;
    Some(u32::from_le_bytes([number[0], number[1], number[2], 0]))
}

/// Whether libav decodes a picture, put into a file of its own.
fn decodes(chunks: &[u8]) -> Result<(), String> {
    let size = u32::try_from(chunks.len() + 4).map_err(|e| e.to_string())?;
    let file = [b"RIFF", &size.to_le_bytes()[..], b"WEBP", chunks].concat();
    let codec = decoder::find(codec::Id::WEBP).ok_or("no decoder")?;
    let mut decoder = codec::Context::new().decoder().open_as(codec).map_err(|e| e.to_string())?;
    decoder.send_packet(&Packet::copy(&file)).map_err(|e| e.to_string())?;
    let mut frame = libav::blank_frame();
    decoder.receive_frame(&mut frame).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::ExpectedVideo;

    #[test]
    fn what_breaks_off_or_lies_is_refused() {
        let clip = crate::testing::generate(
            &["-f", "lavfi", "-i", "testsrc2=d=1:r=5:s=64x48", "-c:v", "libwebp_anim"],
            "a.webp",
        );
        let bytes = std::fs::read(&*clip).unwrap();
        let video = |frames, width| {
            let video = ExpectedVideo { width, height: 48, frames: Some(frames), duration_s: Some(1.0) };
            Expected { video: Some(video), ..Expected::default() }
        };
        let info = check(&bytes, &video(5, 64)).unwrap();
        assert_eq!((info.video[0].frames, info.video[0].frame_rate), (Some(5), 5.0));
        assert!(check(&bytes, &video(4, 64)).unwrap_err().contains("5 frames instead of 4"));
        assert!(check(&bytes, &video(5, 65)).unwrap_err().contains("64x48 instead of 65x48"));
        for length in [0, 3, 11, 30, 60, bytes.len() / 2, bytes.len() - 1] {
            assert!(check(&bytes[..length], &video(5, 64)).is_err(), "{length}");
        }
        let mut torn = bytes.clone();
        let picture = bytes.windows(4).position(|window| window == b"VP8 ").unwrap();
        torn[picture + 8..picture + 40].fill(0xff);
        assert!(check(&torn, &video(5, 64)).unwrap_err().contains("does not decode"));
    }
}
