//! The first picture of an input.

use ffmpeg_next::Packet;
use ffmpeg_next::frame::Video as Frame;

use super::decode::Decoder;
use super::streams::{Inventory, VideoTrack};
use crate::error::MediaError;
use crate::source::{Opened, Source};
use crate::{probe, raw};

/// Opens a source, and finds its pictures.
pub fn open(source: &Source) -> Result<(Opened, VideoTrack), MediaError> {
    let info = probe::media_info(&mut source.open()?)?;
    let opened = source.open()?;
    let inventory = Inventory::new(&opened, info);
    let video = inventory.video()?.ok_or(MediaError::NoStreams("picture"))?.clone();
    Ok((opened, video))
}

/// Decodes the first picture of a source: a photograph, a logo, the first frame of a video.
pub fn first_frame(source: &Source) -> Result<Frame, MediaError> {
    let (mut opened, video) = open(source)?;
    let track = video.track;
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
