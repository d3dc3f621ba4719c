//! The first picture of an input.

use ffmpeg_next::Packet;
use ffmpeg_next::frame::Video as Frame;

use super::decode::Decoder;
use super::streams::Inventory;
use crate::error::MediaError;
use crate::source::Source;
use crate::{probe, raw};

/// Decodes the first picture of a source: a photograph, a logo, the first frame of a video.
pub fn first_frame(source: &Source) -> Result<Frame, MediaError> {
    let info = probe::media_info(&mut source.open()?)?;
    let mut opened = source.open()?;
    let inventory = Inventory::new(&opened, info);
    let track = inventory.video()?.ok_or(MediaError::NoStreams("picture"))?.track.clone();
    let mut decoder = Decoder::open(&track, 1)?;
    let mut packet = Packet::empty();
    let mut first = None;
    loop {
        let more = opened.read(&mut packet)?;
        if more && packet.stream() != track.index {
            continue;
        }
        decoder.feed(more.then_some(&packet), |frame| {
            first = Some(raw::share(frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?);
            Ok(false)
        })?;
        match first {
            Some(frame) => return Ok(Frame::from(frame)),
            None if more => {}
            None => {
                let detail = "its first picture could not be decoded".to_owned();
                return Err(MediaError::Damaged { kind: "video", detail });
            }
        }
    }
}
