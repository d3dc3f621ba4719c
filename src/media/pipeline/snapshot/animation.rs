//! Animated previews: short pieces of a source, one after another, as GIF, WebP or MP4.
//!
//! **Invariant**: pictures are made as those of snapshots are: upright, of square pixels and standard dynamic range.

use std::path::Path;

use ffmpeg_next::format::Pixel;
use ffmpeg_next::format::pixel::Descriptor;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::{Dictionary, Packet, Rational, Rescale, codec, encoder, format, rescale};
use reelmill::model::work::{Animation, AnimationFormat, FileRole, Fit, ProducedFile};

use super::{Shooting, microseconds, nothing_decoded};
use crate::error::MediaError;
use crate::geometry;
use crate::pipeline::decode::Decoder;
use crate::pipeline::graph::{self, Graph, Input};
use crate::pipeline::picture::{self as look, Look, Matrix, Target};
use crate::pipeline::still;
use crate::raw;
use crate::scratch;
use crate::shape::{Shape, shape};
use crate::source::Opened;
use crate::verify;

/// Share of a source before the first of several pieces, and after the last: titles and credits.
const EDGE: f64 = 0.05;

/// How an animation is written.
struct Way {
    muxer: &'static str,
    pixels: &'static str,
    content_type: &'static str,
    /// Filters after scaling.
    filters: &'static str,
}

const fn way(format: AnimationFormat) -> Way {
    match format {
        AnimationFormat::Gif => Way {
            muxer: "gif",
            pixels: "rgb24",
            content_type: "image/gif",
            filters: ",split[a][b];[a]palettegen[p];[b][p]paletteuse=dither=bayer:bayer_scale=3",
        },
        AnimationFormat::Webp => Way { muxer: "webp", pixels: "yuv420p", content_type: "image/webp", filters: "" },
        AnimationFormat::Mp4 => Way {
            muxer: "mp4",
            pixels: "yuv420p",
            content_type: "video/mp4",
            filters: ",pad=ceil(iw/2)*2:ceil(ih/2)*2",
        },
    }
}

/// What an animation is made of so far.
struct Reel {
    /// The graph that makes frames small, once there is one.
    graph: Option<Graph>,
    /// Time of the last frame that went in, on the track's clock.
    last: Option<i64>,
    /// What came out.
    small: Vec<Frame>,
    /// What the first frame is; where others differ, as in sources that change under way, they are made like it.
    first: Option<(Shape, Pixel)>,
    /// The graph that makes frames of this shape like the first.
    alike: Option<(Shape, Graph)>,
}

/// Moments at which pieces begin, and how long each lasts, in a source of `duration_s`.
#[must_use]
pub fn pieces(animation: &Animation, duration_s: f64) -> (Vec<f64>, f64) {
    let length_s = animation.length_s.min(duration_s.max(0.1));
    let last_s = (duration_s - length_s).max(0.0);
    if let Some(start_s) = animation.start_s {
        return (vec![start_s.clamp(0.0, last_s)], length_s);
    }
    let count = animation.pieces.max(1);
    if f64::from(count) * length_s >= duration_s {
        // All of it, once.
        return (vec![0.0], duration_s.max(0.1));
    }
    let (from_s, to_s) = (duration_s * EDGE, (duration_s * (1.0 - EDGE) - length_s).max(0.0));
    let step_s = if count > 1 { (to_s - from_s).max(0.0) / f64::from(count - 1) } else { 0.0 };
    // Where there is no room at the edges, pieces begin wherever they do not overlap.
    let spread = if step_s >= length_s || count == 1 { (from_s, step_s) } else { (0.0, last_s / f64::from(count - 1)) };
    ((0..count).map(|n| (spread.0 + spread.1 * f64::from(n)).min(last_s)).collect(), length_s)
}

impl Shooting<'_> {
    /// Makes the animation.
    pub fn animate(
        &self,
        animation: &Animation,
        opened: &mut Opened,
        decoder: &mut Decoder,
    ) -> Result<ProducedFile, MediaError> {
        let (starts, length_s) = pieces(animation, self.duration_s.unwrap_or(animation.length_s));
        let base = self.source.track.time_base;
        let mut reel = Reel { graph: None, last: None, small: Vec::new(), first: None, alike: None };
        let mut offset_s = 0.0;
        for start_s in starts {
            let end_s = start_s + length_s;
            let first = self.frame_at(opened, decoder, start_s)?;
            let mut failed = None;
            let mut take = |frame: Frame| {
                let at_s = (self.time(&frame) - start_s).max(0.0);
                let taken =
                    if at_s < length_s { self.lay(animation, frame, offset_s + at_s, &mut reel) } else { Ok(()) };
                failed = taken.err();
                failed.is_none()
            };
            if take(first) {
                self.frames_until(opened, decoder, end_s, &mut take)?;
            }
            if let Some(error) = failed {
                return Err(error);
            }
            offset_s += length_s;
            self.position.reach(0, microseconds(end_s));
        }
        let mut graph = reel.graph.ok_or_else(nothing_decoded)?;
        graph.finish_at("in", microseconds(offset_s).rescale(rescale::TIME_BASE, base))?;
        while let Some(frame) = graph.pull()? {
            reel.small.push(Frame::from(frame));
        }
        self.record(animation, &mut graph, &reel.small)
    }

    /// Lays a frame into the reel at a moment of it. What comes out is taken at once: decoded frames are large.
    fn lay(&self, animation: &Animation, mut frame: Frame, at_s: f64, reel: &mut Reel) -> Result<(), MediaError> {
        let pts = microseconds(at_s).rescale(rescale::TIME_BASE, self.source.track.time_base);
        if reel.last.is_some_and(|last| pts <= last) {
            return Ok(());
        }
        reel.last = Some(pts);
        frame.set_pts(Some(pts));
        let own = shape(&frame);
        let (first, format) = *reel.first.get_or_insert((own, frame.format()));
        if own != first {
            frame = self.alike(frame, own, (first, format), &mut reel.alike)?;
        }
        let graph = match &mut reel.graph {
            Some(graph) => graph,
            None => reel.graph.insert(self.graph(animation, &frame)?),
        };
        graph.push("in", &frame)?;
        while let Some(frame) = graph.pull()? {
            reel.small.push(Frame::from(frame));
        }
        Ok(())
    }

    /// A frame as large as the first, with pixels of its shape: fitted into it, and centred.
    fn alike(
        &self,
        frame: Frame,
        own: Shape,
        (first, format): (Shape, Pixel),
        alike: &mut Option<(Shape, Graph)>,
    ) -> Result<Frame, MediaError> {
        if alike.as_ref().is_none_or(|(shape, _)| *shape != own) {
            let text = fitting(own, first, format);
            let graph = Graph::new(&[Input::video("in", &frame, self.source.track.time_base)], &text)?;
            *alike = Some((own, graph));
        }
        let Some((_, graph)) = alike else { return Ok(frame) };
        graph.push("in", &frame)?;
        Ok(graph.pull()?.map_or(frame, Frame::from))
    }

    fn graph(&self, animation: &Animation, frame: &Frame) -> Result<Graph, MediaError> {
        let Way { pixels, filters, .. } = way(animation.format);
        let look = Look::of(frame, self.source.look, false);
        let fitted = geometry::fit(look.upright(), look.sample_aspect, self.snapshot.size, Fit::Rescale, false);
        let target = Target {
            format: pixels,
            matrix: if animation.format == AnimationFormat::Mp4 { Matrix::Source } else { Matrix::Bt601 },
            full_range: animation.format == AnimationFormat::Gif,
            tone_mapping: graph::has_filters(look::TONE_MAPPING),
            ..Target::default()
        };
        let chain = look::whole_chain(&look, fitted, target);
        let text = format!("[in]fps={},{chain}{filters}[out]", animation.fps);
        Graph::new(&[Input::video("in", frame, self.source.track.time_base)], &text)
    }

    /// Encodes what came out of the graph.
    fn record(&self, animation: &Animation, graph: &mut Graph, frames: &[Frame]) -> Result<ProducedFile, MediaError> {
        let file = &self.snapshot.file;
        let (way, encoder) = (way(animation.format), animation.format.encoder());
        let path = scratch::place(self.scratch, file)?;
        let failed = |source| MediaError::Encode { encoder: encoder.to_owned(), source };
        let mux = |source| MediaError::Mux { file: file.clone(), source };
        let first = frames.first().ok_or_else(nothing_decoded)?;
        let (base, rate) = (graph.time_base()?, graph.frame_rate()?.unwrap_or(Rational(10, 1)));
        let found = encoder::find_by_name(encoder)
            .ok_or_else(|| MediaError::Missing { kind: "encoder", name: encoder.to_owned() })?;
        let mut output = format::output_as(&path, way.muxer).map_err(mux)?;
        let mut video = codec::Context::new_with_codec(found).encoder().video().map_err(failed)?;
        video.set_width(first.width());
        video.set_height(first.height());
        video.set_format(first.format());
        video.set_color_range(first.color_range());
        video.set_colorspace(first.color_space());
        video.set_time_base(base);
        video.set_frame_rate(Some(rate));
        if way.muxer == "mp4" {
            raw::add_flags(&mut video, codec::Flags::GLOBAL_HEADER);
        }
        let mut opened = video.open_with(options(animation.format, self.snapshot.quality)).map_err(failed)?;
        let mut stream = output.add_stream(found).map_err(mux)?;
        stream.set_parameters(&opened);
        stream.set_time_base(base);
        stream.set_avg_frame_rate(rate);
        let mut header = Dictionary::new();
        match animation.format {
            AnimationFormat::Gif | AnimationFormat::Webp => header.set("loop", "0"),
            AnimationFormat::Mp4 => header.set("movflags", "+faststart"),
        }
        output.write_header_with(header).map_err(mux)?;
        let to = output.stream(0).map_or(base, |stream| stream.time_base());
        let mut drain = |opened: &mut encoder::Video| {
            let mut packet = Packet::empty();
            while opened.receive_packet(&mut packet).is_ok() {
                packet.set_stream(0);
                packet.rescale_ts(base, to);
                packet.write_interleaved(&mut output).map_err(mux)?;
            }
            Ok(())
        };
        for frame in frames {
            opened.send_frame(frame).map_err(failed)?;
            drain(&mut opened)?;
        }
        opened.send_eof().map_err(failed)?;
        drain(&mut opened)?;
        output.write_trailer().map_err(mux)?;
        drop(output);
        self.written(&path, way.content_type, animation.format)
    }

    /// Looks at what was written.
    fn written(&self, path: &Path, content_type: &str, format: AnimationFormat) -> Result<ProducedFile, MediaError> {
        let file = &self.snapshot.file;
        let wrong = |problem: String| MediaError::WrongOutput { file: file.clone(), problem };
        if format == AnimationFormat::Webp {
            // libav does not decode animated WebP in every release.
            let bytes = std::fs::read(path).map_err(|error| scratch::failed(path, error))?;
            if !bytes.starts_with(b"RIFF") || bytes.get(8..12) != Some(b"WEBP") {
                return Err(wrong("it is not a WebP file".to_owned()));
            }
        } else {
            still::first_frame(&verify::source(path)?).map_err(|error| wrong(error.to_string()))?;
        }
        let size_bytes = std::fs::metadata(path).map_err(|error| scratch::failed(path, error))?.len();
        let (file, content_type) = (file.clone(), content_type.to_owned());
        Ok(ProducedFile { file, size_bytes, content_type, role: FileRole::Image, media: None })
    }
}

/// The filters that fit a picture into another, of that pixel format.
fn fitting(own: Shape, into: Shape, format: Pixel) -> String {
    let size = |shape| match shape {
        Shape::Picture { width, height, aspect: (num, den) } => (width, height, f64::from(num) / f64::from(den.max(1))),
        Shape::Sound { .. } => (1, 1, 1.0),
    };
    let ((own_width, own_height, own_aspect), (width, height, aspect)) = (size(own), size(into));
    // In pixels of the other's shape.
    let across = f64::from(own_width) * own_aspect / aspect;
    let factor = (f64::from(width) / across).min(f64::from(height) / f64::from(own_height));
    let even = |side: f64, most: i32| ((side / 2.0).round() * 2.0).clamp(2.0, f64::from(most.max(2)));
    let (scaled_width, scaled_height) = (even(across * factor, width), even(f64::from(own_height) * factor, height));
    let name = format.descriptor().map_or("yuv420p", Descriptor::name);
    format!(
        "[in]scale={scaled_width:.0}:{scaled_height:.0},pad={width}:{height}:(ow-iw)/2:(oh-ih)/2,\
         setsar={aspect:.6},format={name}[out]"
    )
}

fn options(format: AnimationFormat, quality: u8) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    match format {
        AnimationFormat::Gif => {}
        AnimationFormat::Webp => options.set("quality", &quality.clamp(1, 100).to_string()),
        AnimationFormat::Mp4 => {
            // Quality 85 is a constant rate factor of 23, 100 one of 18.
            let crf = 18 + u32::from(100 - quality.clamp(1, 100)) / 3;
            options.set("crf", &crf.to_string());
            options.set("preset", "veryfast");
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_spread_and_never_overlap() {
        let animation =
            |pieces, start_s| Animation { format: AnimationFormat::Gif, pieces, length_s: 1.0, start_s, fps: 10.0 };
        let (starts, length_s) = pieces(&animation(5, None), 100.0);
        assert_eq!((starts.len(), starts[0], starts[4], length_s), (5, 5.0, 94.0, 1.0));
        assert_eq!(pieces(&animation(5, None), 3.0), (vec![0.0], 3.0));
        let (starts, _) = pieces(&animation(5, None), 6.0);
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= 1.0) && starts[4] <= 5.0, "{starts:?}");
        assert_eq!(pieces(&animation(5, Some(99.5)), 100.0), (vec![99.0], 1.0));
    }
}
