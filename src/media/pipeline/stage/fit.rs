//! Pictures in the size, the colours and the pixels that an encoder wants.
//!
//! **Invariant**: the size and the colour matrix of the first picture hold to the end, whatever the source turns into.

use ffmpeg_next::Rational;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::frame::side_data::Type as SideData;
use reelmill::model::work::{self, HdrMode, Size, Treatment, VideoEncode};

use super::{Next, Picture, Stage, drain};
use crate::error::MediaError;
use crate::geometry::{self, Pixels};
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::{self, Graph, Input};
use crate::pipeline::picture::{self as look, Fields, Look, Matrix, StreamLook, Target};

/// Label of the graph's source.
const FRAMES: &str = "in";

/// Bits that high dynamic range takes.
const HDR_BITS: u8 = 10;

/// Metadata of high dynamic range, untrue of what was tone-mapped.
const UNTRUE: [SideData; 2] = [SideData::MasteringDisplayMetadata, SideData::ContentLightLevel];

/// Parameters of the stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    look: StreamLook,
    size: Size,
    mode: work::Fit,
    upscale: bool,
    treatment: Treatment,
    /// Pixel format.
    format: String,
    /// Pixel format for high dynamic range that is to be kept.
    deep_format: String,
    /// Whether pictures are read as those of the web, with BT.601.
    bt601: bool,
    full_range: bool,
    /// Whether fields stay woven together.
    woven: bool,
}

impl Fit {
    /// For an encoder.
    #[must_use]
    pub fn new(encode: &VideoEncode, look: StreamLook, fields: Fields) -> Self {
        let codec = encode.codec.info();
        let plain = codec.pixel_format(encode);
        let (format, deep_format) = match encode.encoder {
            _ if codec.palette => ("yuv444p", "yuv444p"),
            Some(hardware) => (hardware.pixel_format(plain.contains("10")), hardware.pixel_format(true)),
            None => {
                let deep = codec.deep_format(encode.profile.as_deref(), encode.pixel_format.as_deref());
                (plain, deep.unwrap_or(plain))
            }
        };
        Self {
            look,
            size: encode.size,
            mode: encode.fit,
            upscale: encode.upscale,
            // What was done before does not tell outputs apart.
            treatment: Treatment { deinterlace: Treatment::default().deinterlace, crop: None, ..encode.treatment },
            format: format.to_owned(),
            deep_format: deep_format.to_owned(),
            bt601: codec.bt601,
            full_range: codec.full_range,
            woven: fields == Fields::Woven,
        }
    }

    /// Begins the stage.
    #[must_use]
    pub const fn begin(self) -> Fitting {
        Fitting { step: self, graph: None, settled: None }
    }

    /// The pixel format for pictures of this look, and whether they are mapped to standard dynamic range.
    fn pixels(&self, look: &Look) -> Result<(&str, bool), MediaError> {
        let deep = look.is_hdr() && self.treatment.hdr == HdrMode::Keep;
        let format = if deep { self.deep_format.as_str() } else { self.format.as_str() };
        if !format.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(MediaError::Parameter(format!("`{format}` is not a pixel format")));
        }
        if !look.is_hdr() {
            return Ok((format, false));
        }
        let holds = look::depth(format) >= HDR_BITS;
        if deep && !holds {
            return Err(MediaError::Parameter(format!("{format} has too few bits for HDR")));
        }
        let kept = holds && self.treatment.hdr != HdrMode::Sdr;
        Ok((format, !kept && graph::has_filters(look::TONE_MAPPING)))
    }
}

/// The stage.
pub struct Fitting {
    step: Fit,
    graph: Option<Fitted>,
    /// Size and colour matrix of what came out first.
    settled: Option<(Pixels, Matrix)>,
}

/// A graph at work.
struct Fitted {
    /// What it is for.
    look: Look,
    /// Whether it maps to standard dynamic range.
    mapped: bool,
    graph: Graph,
    /// Unit of the times that go in.
    base: Rational,
}

impl Stage for Fitting {
    fn take(&mut self, picture: Picture, next: &mut Next<'_>) -> Result<bool, Stop> {
        let interlaced = self.graph.as_ref().is_some_and(|fitted| fitted.look.interlaced);
        let look = Look::of(&picture.frame, self.step.look, interlaced);
        if self.graph.as_ref().is_none_or(|fitted| (&fitted.look, fitted.base) != (&look, picture.base)) {
            self.end(next)?;
            self.graph = Some(self.build(&picture, look)?);
        }
        if let Some(fitted) = &mut self.graph {
            fitted.graph.push(FRAMES, &picture.frame)?;
        }
        self.drain(next)?;
        Ok(true)
    }

    fn end(&mut self, next: &mut Next<'_>) -> Result<(), Stop> {
        if let Some(fitted) = &mut self.graph {
            fitted.graph.finish(FRAMES)?;
        }
        self.drain(next)?;
        self.graph = None;
        Ok(())
    }
}

impl Fitting {
    fn build(&self, picture: &Picture, look: Look) -> Result<Fitted, MediaError> {
        let step = &self.step;
        let treatment = step.treatment;
        let turned = look.clone().turned(treatment.rotate);
        let taken = if treatment.rotate.is_sideways() { look.upright().turned() } else { look.upright() };
        let fitted = match self.settled {
            None => {
                let fitted = geometry::fit(taken, turned.sample_aspect, step.size, step.mode, step.upscale);
                treatment.pad.map_or(fitted, |pad| fitted.padded(pad))
            }
            // The file's size is settled; what comes now goes into it.
            Some((Pixels { width, height }, _)) => {
                let size = Size::Box { width: Some(width), height: Some(height) };
                geometry::fit(taken, turned.sample_aspect, size, work::Fit::Pad, true)
            }
        };
        let (format, mapped) = step.pixels(&turned)?;
        let settled = self.settled.map_or(Matrix::Source, |(_, matrix)| matrix);
        let target = Target {
            format,
            matrix: if step.bt601 { Matrix::Bt601 } else { settled },
            full_range: step.full_range,
            tone_mapping: mapped,
            woven: step.woven,
            denoise: treatment.denoise,
            background: treatment.pad_color,
        };
        let text = look::chain(&turned, fitted, target);
        let input = Input::video(FRAMES, &picture.frame, picture.base);
        let graph = Graph::new(&[input], &format!("[{FRAMES}]{text}[out]"))?;
        Ok(Fitted { look, mapped, graph, base: picture.base })
    }

    fn drain(&mut self, next: &mut Next<'_>) -> Result<(), Stop> {
        let Some(Fitted { mapped, graph, .. }) = &mut self.graph else { return Ok(()) };
        let settled = &mut self.settled;
        drain(graph, &mut |mut picture| {
            picture.frame.remove_side_data(SideData::DisplayMatrix);
            for untrue in UNTRUE.into_iter().filter(|_| *mapped) {
                picture.frame.remove_side_data(untrue);
            }
            settled.get_or_insert_with(|| settle(&picture.frame));
            next(picture)
        })
    }
}

/// What the first picture settles. Where its colour matrix is one of high dynamic range, pictures keep theirs.
fn settle(frame: &Frame) -> (Pixels, Matrix) {
    use ffmpeg_next::color::Space;
    let matrix = match frame.color_space() {
        Space::BT709 => Matrix::Settled("bt709"),
        Space::SMPTE170M | Space::BT470BG => Matrix::Settled("smpte170m"),
        _ => Matrix::Source,
    };
    (Pixels::new(frame.width(), frame.height()), matrix)
}
