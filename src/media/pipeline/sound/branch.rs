//! One audio stream of one output, from frames to the muxer.

use ffmpeg_next::frame::Audio as Frame;
use ffmpeg_next::{Codec, codec};
#[cfg(feature = "fdk-aac")]
use reelmill::model::codec::OWN_FDK;
use reelmill::model::work::AudioEncode;

use super::bed::Bed;
use super::desk::{self, Desk};
use super::{place, target};
#[cfg(feature = "fdk-aac")]
use crate::codec::fdk::Fdk;
use crate::codec::{self as codecs, AudioEncoder};
use crate::error::{MediaError, warning};
use crate::pipeline::encode::{self, Encoding};
use crate::pipeline::flow::{Inlet, Stop};
use crate::pipeline::graph::AudioFormat;
use crate::pipeline::mux::{Port, Ports, Spec};
use crate::pipeline::streams::Track;
use crate::pipeline::window::{Placed, Window};
use crate::raw;
use crate::source::Source;

/// One audio stream of one output.
pub struct AudioBranch<'a> {
    /// How it is encoded.
    pub encode: &'a AudioEncode,
    /// Filters that set its level.
    pub level: &'a str,
    /// Where it comes from.
    pub track: Track,
    /// Part of the source.
    pub window: Window,
    /// Inputs of the job, for what is laid under.
    pub inputs: &'a [Source],
    /// libav's name of the muxer.
    pub muxer: &'static str,
}

/// An encoder and what stands before it.
struct Line {
    desk: Desk,
    encoding: Encoding,
}

impl AudioBranch<'_> {
    /// Works until the frames or the window end.
    pub fn run(&self, frames: Inlet<ffmpeg_next::Frame>, ports: &Ports<'_>) -> Result<(), Stop> {
        let mut line: Option<Line> = None;
        let base = self.track.time_base;
        while let Some(frame) = frames.next()? {
            let mut frame = Frame::from(frame);
            match place(&mut frame, self.window, base) {
                Placed::After => break,
                Placed::Before => continue,
                Placed::At(_) => {}
            }
            // Frames come only when all outputs have connected.
            let Line { desk, encoding } = match &mut line {
                Some(line) => line,
                None => line.insert(self.open(&frame, ports.take().ok_or(Stop::Upstream)?.0)?),
            };
            desk.take(&frame, base, &mut |frame| encoding.encode(&frame, 0))?;
        }
        drop(frames);
        if let Some(Line { mut desk, mut encoding }) = line {
            desk.finish(&mut |frame| encoding.encode(&frame, 0))?;
            return encoding.finish().map(drop);
        }
        let Some((port, talks)) = ports.take() else { return Ok(()) };
        let index = self.track.index;
        for talk in talks {
            let message = format!("audio stream {index} was left out: it has no data in this part of the source");
            talk.warn(warning::STREAM_LEFT_OUT, message);
        }
        port.end()
    }

    fn open(&self, frame: &Frame, port: Port) -> Result<Line, Stop> {
        let target = target(self.encode, frame)?;
        let base = target.base();
        let bed = self.encode.mix.map(|mix| Bed::open(mix, self.inputs, &desk::inside(&target))).transpose()?;
        let mut desk = Desk::new(&target, self.window.end(base), bed, self.level)?;
        let encoding = match codecs::audio(self.encode)? {
            AudioEncoder::Libav(found) => self.libav(found, &target, &mut desk, port)?,
            #[cfg(feature = "fdk-aac")]
            AudioEncoder::Fdk => Encoding::new(Fdk::open(self.encode, &target)?, OWN_FDK.to_owned(), port),
        };
        encoding.port().ready(&Spec {
            parameters: encoding.parameters(),
            time_base: base,
            side_data: Vec::new(),
            frame_rate: None,
            size: None,
            language: self.track.language.clone(),
            title: self.track.title.clone(),
            disposition: self.track.disposition,
        })?;
        Ok(Line { desk, encoding })
    }

    /// An encoder of libav's, which gets frames of the size that it wants.
    fn libav(&self, found: Codec, target: &AudioFormat, desk: &mut Desk, port: Port) -> Result<Encoding, MediaError> {
        let mut context = codec::Context::new_with_codec(found);
        encode::set_global_header(&mut context, self.muxer);
        let failed = |source| MediaError::Encode { encoder: found.name().to_owned(), source };
        let mut audio = context.encoder().audio().map_err(failed)?;
        audio.set_rate(i32::try_from(target.rate).unwrap_or(i32::MAX));
        audio.set_format(ffmpeg_next::format::Sample::from(target.samples));
        audio.set_time_base(target.base());
        raw::set_layout(&target.layout, &mut audio).map_err(failed)?;
        let options = (self.encode.codec.info().options)(self.encode, raw::encoder_channels(&audio));
        let opened = audio.open_with(encode::dictionary(options, 1)).map_err(failed)?;
        if !raw::takes_any_frame_size(found) {
            desk.set_frame_size(opened.frame_size())?;
        }
        Ok(Encoding::new(opened.0.0, found.name().to_owned(), port))
    }
}
