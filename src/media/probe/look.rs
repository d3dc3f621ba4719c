//! The first frames of a stream, decoded: what only they tell, and whether anything can be decoded at all.

use ffmpeg_next::codec::{Context, decoder};
use ffmpeg_next::frame::side_data::Type;
use ffmpeg_next::{Dictionary, Frame, Packet, Stream, frame, media};

use crate::libav::{self, Color, Orientation};
use crate::source::MAX_PIXELS;

/// Frames looked at where the headers do not tell the order of fields.
const FRAMES_FOR_FIELDS: u32 = 5;

/// Packets fed to a decoder before it is given up.
const MAX_PACKETS: u32 = 120;

/// A decoder at work on the first packets of a stream.
pub struct Look {
    decoder: decoder::Opened,
    video: bool,
    wanted: u32,
    packets: u32,
    seen: Seen,
}

/// What the first frames showed.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Frames decoded.
    pub frames: u32,
    /// How many of them were coded as fields, top field first and bottom field first.
    pub fields: (u32, u32),
    /// Colour, where the bit stream says it.
    pub color: Color,
    /// libav's number of the pixel format.
    pub pixel_format: Option<i32>,
    /// Whether dynamic HDR10+ metadata come with the frames.
    pub hdr10_plus: bool,
    /// How the frames themselves say they are turned (pictures with EXIF).
    pub orientation: Option<Orientation>,
}

impl Look {
    /// Opens a decoder; absent where there is none for the stream, or it refuses the headers.
    pub fn open(stream: &Stream<'_>, field_order_known: bool) -> Option<Self> {
        let parameters = stream.parameters();
        let video = parameters.medium() == media::Type::Video;
        let codec = decoder::find(parameters.id())?;
        let mut options = Dictionary::new();
        options.set("max_pixels", MAX_PIXELS);
        options.set("threads", "1");
        let decoder = Context::from_parameters(parameters).ok()?.decoder().open_as_with(codec, options).ok()?;
        let wanted = if video && !field_order_known { FRAMES_FOR_FIELDS } else { 1 };
        Some(Self { decoder, video, wanted, packets: 0, seen: Seen::default() })
    }

    /// Whether it has seen enough, or cannot see more.
    pub const fn is_done(&self) -> bool {
        self.seen.frames >= self.wanted || self.packets >= MAX_PACKETS
    }

    /// Decodes a packet. Errors are no news: a damaged packet shows nothing.
    pub fn feed(&mut self, packet: &Packet) {
        self.packets += 1;
        // A refused packet may still leave frames of earlier ones to take.
        let _ = self.decoder.send_packet(packet);
        self.take_frames();
    }

    /// Takes the frames the decoder still holds and answers with what was seen.
    pub fn finish(mut self) -> Seen {
        if !self.is_done() && self.decoder.send_eof().is_ok() {
            self.take_frames();
        }
        self.seen
    }

    fn take_frames(&mut self) {
        while self.seen.frames < self.wanted {
            let mut frame = frame::Video::empty();
            if self.decoder.receive_frame(&mut frame).is_err() {
                return;
            }
            self.seen.frames += 1;
            if self.video {
                self.look_at(&frame);
            }
        }
    }

    fn look_at(&mut self, frame: &frame::Video) {
        if frame.is_interlaced() {
            let count = if frame.is_top_first() { &mut self.seen.fields.0 } else { &mut self.seen.fields.1 };
            *count += 1;
        }
        self.seen.hdr10_plus |= frame.side_data(Type::DYNAMIC_HDR_PLUS).is_some();
        if self.seen.frames > 1 {
            return;
        }
        let raw: &Frame = frame;
        self.seen.color = Color::of_frame(raw);
        self.seen.pixel_format = Some(libav::frame_format(raw));
        self.seen.orientation = frame.side_data(Type::DisplayMatrix).map(|data| libav::orientation(data.data()));
    }
}
