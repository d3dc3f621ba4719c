//! Pictures laid over video.

use ffmpeg_next::Rational;
use ffmpeg_next::frame::Video as Frame;
use reelmill::model::work::Overlay;

use super::graph::{Graph, Input};
use super::picture::Chain;
use super::still;
use crate::error::MediaError;
use crate::geometry::{self, Pixels, Placed};
use crate::raw;
use crate::source::Source;

/// A picture to lay over the video, decoded.
pub struct Picture {
    overlay: Overlay,
    frame: Frame,
}

impl Picture {
    /// Decodes the picture that `overlay` means.
    pub fn load(overlay: &Overlay, inputs: &[Source]) -> Result<Self, MediaError> {
        let input = overlay.input;
        let missing = || MediaError::Job(format!("there is no input {input}"));
        let source = inputs.get(input).ok_or_else(missing)?;
        let frame =
            still::first_frame(source).map_err(|source| MediaError::Overlay { input, source: Box::new(source) })?;
        Ok(Self { overlay: overlay.clone(), frame })
    }

    fn pixels(&self) -> Pixels {
        Pixels::new(self.frame.width(), self.frame.height())
    }
}

/// The graph of a video: `chain`, then every picture over what it ends in.
pub fn graph(frame: &Frame, base: Rational, chain: &Chain, pictures: &[Picture]) -> Result<Graph, MediaError> {
    let labels: Vec<String> = (0..pictures.len()).map(|n| format!("picture{n}")).collect();
    let mut inputs = vec![Input::video("in", frame, base)];
    inputs.extend(labels.iter().zip(pictures).map(|(label, p)| Input::video(label, &p.frame, Rational(1, 1))));
    let overlays: Vec<(Placed, &Overlay)> =
        pictures.iter().map(|p| (geometry::place(&p.overlay, p.pixels(), chain.out), &p.overlay)).collect();
    let mut graph = Graph::new(&inputs, &text(chain, &overlays))?;
    for (label, picture) in labels.iter().zip(pictures) {
        let mut shared =
            raw::share(&picture.frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
        shared.set_pts(Some(0));
        graph.push(label, &shared)?;
        graph.finish(label)?;
    }
    Ok(graph)
}

/// Text of the graph. Pictures are scaled with their colours weighed by alpha, lest what is transparent bleed in.
fn text(chain: &Chain, overlays: &[(Placed, &Overlay)]) -> String {
    let Some(last) = overlays.len().checked_sub(1) else { return format!("[in]{}[out]", chain.text) };
    let mut parts = vec![format!("[in]{}[video0]", chain.text)];
    for (n, (placed, overlay)) in overlays.iter().enumerate() {
        let Pixels { width, height } = placed.size;
        let (opacity, matrix) = (overlay.opacity.clamp(0.0, 1.0), chain.matrix);
        parts.push(format!(
            "[picture{n}]format=gbrap,premultiply=inplace=1,scale={width}:{height}:flags=bicubic,format=gbrap,\
             unpremultiply=inplace=1,format=rgba,colorchannelmixer=aa={opacity},\
             scale=out_color_matrix={matrix}:out_range=tv,format=yuva420p[over{n}]"
        ));
        let from = overlay.start_s.max(0.0);
        let until = overlay.duration_s.map_or_else(String::new, |s| format!("*lt(t,{})", from + s));
        let out = if n == last { format!(",format={}[out]", chain.format) } else { format!("[video{}]", n + 1) };
        parts.push(format!(
            "[video{n}][over{n}]overlay=x={}:y={}:format=auto:eof_action=repeat:enable='gte(t,{from}){until}'{out}",
            placed.x, placed.y,
        ));
    }
    parts.join(";")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill::model::work::{Length, ReferencePosition};

    #[test]
    fn pictures_are_laid_one_over_the_other() {
        let overlay = Overlay {
            input: 1,
            position: ReferencePosition::TopLeft,
            dx: Length::Pixels(0),
            dy: Length::Pixels(0),
            width: None,
            height: None,
            opacity: 0.5,
            start_s: 1.0,
            duration_s: Some(2.0),
        };
        let placed = Placed { size: Pixels::new(20, 10), x: 3, y: 4 };
        let chain = Chain { text: "null".into(), out: Pixels::new(100, 50), format: "yuv420p".into(), matrix: "bt709" };
        assert_eq!(text(&chain, &[]), "[in]null[out]");
        let text = text(&chain, &[(placed, &overlay)]);
        assert!(text.starts_with("[in]null[video0];[picture0]format=gbrap,"), "{text}");
        assert!(text.contains("scale=20:10:"), "{text}");
        assert!(text.contains("overlay=x=3:y=4:"), "{text}");
        assert!(text.ends_with("enable='gte(t,1)*lt(t,3)',format=yuv420p[out]"), "{text}");
    }
}
