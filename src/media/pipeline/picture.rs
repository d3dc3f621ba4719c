//! From a decoded picture to one ready for an encoder: the look of the source and the chain of filters it needs.
//!
//! Pure but for reading a frame's properties. **Invariant**: what leaves the chain is upright, opaque and of square pixels,
//! with colour tags that say what it is; progressive and of standard dynamic range unless something else was asked for.

use std::fmt::Write;
use std::str::FromStr;

use ffmpeg_next::ffi::AVPixelFormat;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::frame::side_data::Type as SideData;
use reelmill::model::media::Ratio;
use reelmill::model::work::{Color, Denoise, Turn};

use crate::geometry::region::Region;
use crate::geometry::{Fitted, Pixels};
use crate::libav::{self, Orientation};
use crate::pipeline::colors::{self, HDR_TRANSFERS};

/// Filters that tone mapping takes.
pub const TONE_MAPPING: &[&str] = &["zscale", "tonemap"];

/// Flags of `scale` where colours are converted, without which they shift by several levels in small pictures.
const EXACT: &str = "+accurate_rnd+full_chroma_int";

/// What the demuxer knows about a video stream's pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StreamLook {
    /// How to turn them upright.
    pub orientation: Orientation,
    /// Width of a pixel over its height as shown, where the container says.
    pub sample_aspect: Option<f64>,
    /// The same as stored, by the codec, of the pictures that the container means.
    pub coded_aspect: Option<f64>,
}

/// Shapes of pixels that are nearer to each other than this are one shape.
const SAME_ASPECT: f64 = 0.002;

impl StreamLook {
    /// What the container says about the pixels of a picture whose own shape, as stored, is `own`. Of a picture that is
    /// not of the shape that the container found when it was opened, it says nothing: the stream has changed.
    #[must_use]
    pub fn aspect_of(&self, own: Option<f64>) -> Option<f64> {
        let differs = |(own, coded): (f64, f64)| (own / coded - 1.0).abs() > SAME_ASPECT;
        self.sample_aspect.filter(|_| !own.zip(self.coded_aspect).is_some_and(differs))
    }
}

/// Shape of a frame's pixels as stored, where it says one.
#[must_use]
pub fn own_aspect(frame: &Frame) -> Option<f64> {
    Some(f64::from(frame.aspect_ratio())).filter(|aspect| aspect.is_finite() && *aspect > 0.0)
}

/// Everything about a frame that filters depend on. Where it changes, the graph is built anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Stored size.
    pub pixels: Pixels,
    /// libav's number of the pixel format.
    format: i32,
    rgb: bool,
    alpha: bool,
    /// Whether it is coded as two fields.
    pub interlaced: bool,
    orientation: Orientation,
    /// Width over height of a pixel as shown.
    pub sample_aspect: f64,
    color: libav::Color,
}

impl Look {
    /// Of a frame of a stream. Once interlaced stays interlaced: streams mix both.
    #[must_use]
    pub fn of(frame: &Frame, stream: StreamLook, interlaced_before: bool) -> Self {
        let format = libav::frame_format(frame);
        let described = libav::pixel_format(format);
        let name = described.as_ref().map_or("", |f| f.name.as_str());
        let orientation = orientation(frame).unwrap_or(stream.orientation);
        let own = own_aspect(frame);
        let stored_aspect = own.unwrap_or(1.0);
        let shown_aspect = if sideways(orientation) { 1.0 / stored_aspect } else { stored_aspect };
        Self {
            pixels: Pixels::new(frame.width(), frame.height()),
            format,
            rgb: described.as_ref().is_some_and(|f| f.rgb),
            // A palette (GIF, PNG) may hold transparent colours.
            alpha: name == "pal8" || described.is_some_and(|f| f.alpha),
            interlaced: interlaced_before || frame.is_interlaced(),
            orientation,
            sample_aspect: stream.aspect_of(own).unwrap_or(shown_aspect),
            color: libav::Color::of_frame(frame),
        }
    }

    /// The same, to be turned clockwise once it is upright.
    #[must_use]
    pub fn turned(mut self, turn: Turn) -> Self {
        self.orientation.rotation = (self.orientation.rotation + turn.degrees()) % 360;
        if turn.is_sideways() {
            self.sample_aspect = 1.0 / self.sample_aspect;
        }
        self
    }

    /// How the stored picture is turned upright.
    #[must_use]
    pub const fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Size as shown, before pixels are made square.
    #[must_use]
    pub const fn upright(&self) -> Pixels {
        if sideways(self.orientation) { self.pixels.turned() } else { self.pixels }
    }

    /// Whether it is of high dynamic range.
    #[must_use]
    pub fn is_hdr(&self) -> bool {
        !self.rgb && self.color.transfer.as_deref().is_some_and(|name| HDR_TRANSFERS.contains(&name))
    }

    /// Returns whether noise can be taken out of the pixels as they are.
    const fn takes_denoise(&self) -> bool {
        !self.rgb && !self.alpha
    }

    /// Matrix coefficients, guessed where they are not tagged.
    fn matrix(&self) -> &str {
        colors::matrix(self.pixels, &self.color)
    }
}

/// Bits per component of a pixel format; zero where there is none of the name.
#[must_use]
pub fn depth(format: &str) -> u8 {
    let number = Pixel::from_str(format).map_or(-1, |pixel| AVPixelFormat::from(pixel) as i32);
    libav::pixel_format(number).map_or(0, |format| format.bit_depth)
}

/// Colour matrix of a picture, by the name that `scale` knows; guessed where it is not tagged.
#[must_use]
pub fn matrix_name(frame: &Frame) -> &'static str {
    let plain = StreamLook { orientation: Orientation::default(), sample_aspect: None, coded_aspect: None };
    let look = Look::of(frame, plain, false);
    if look.rgb { "auto" } else { scale_matrix(look.matrix()) }
}

const fn sideways(orientation: Orientation) -> bool {
    matches!(orientation.rotation, 90 | 270)
}

/// The orientation that a frame itself carries: a display matrix, or a photograph's EXIF tag.
fn orientation(frame: &Frame) -> Option<Orientation> {
    if let Some(matrix) = frame.side_data(SideData::DisplayMatrix) {
        return Some(libav::orientation(matrix.data()));
    }
    let turned = |rotation, flipped| Some(Orientation { rotation, flipped });
    match libav::frame_tags(frame).get("Orientation")?.trim() {
        "2" => turned(180, true),
        "3" => turned(180, false),
        "4" => turned(0, true),
        "5" => turned(90, true),
        "6" => turned(90, false),
        "7" => turned(270, true),
        "8" => turned(270, false),
        _ => None,
    }
}

/// What becomes of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fields {
    /// Frames that are marked as interlaced are deinterlaced.
    #[default]
    AsMarked,
    /// There are none, whatever is marked.
    None,
    /// They stay woven together.
    Woven,
    /// Every frame is; where it is known, whether the top field comes first.
    Interlaced(Option<bool>),
}

/// What is cleaned of a source's pictures at their own size.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clean {
    /// What becomes of fields.
    pub fields: Fields,
    /// Constant frame rate.
    pub frame_rate: Option<Ratio>,
    /// How strongly noise is taken out.
    pub denoise: Option<Denoise>,
    /// Part of the stored picture to take.
    pub crop: Option<Region>,
}

/// What a chain is to end in.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Pixel format.
    pub format: &'a str,
    /// What becomes of the colour matrix.
    pub matrix: Matrix,
    /// Whether all 256 levels are used.
    pub full_range: bool,
    /// Whether high dynamic range is mapped to standard range.
    pub tone_mapping: bool,
    /// Whether fields stay woven together.
    pub woven: bool,
    /// How strongly noise is taken out, where [`clean`] could not.
    pub denoise: Option<Denoise>,
    /// Colour of what the picture does not cover.
    pub background: Color,
}

impl Default for Target<'_> {
    fn default() -> Self {
        Self {
            format: "yuv420p",
            matrix: Matrix::Source,
            full_range: false,
            tone_mapping: false,
            woven: false,
            denoise: None,
            background: Color::default(),
        }
    }
}

/// Colour matrix of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// The source's.
    Source,
    /// BT.601, as pictures on the web are read.
    Bt601,
    /// What the file began with, by the name that `scale` knows.
    Settled(&'static str),
}

/// Tags of colours, by libav's names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tags {
    matrix: String,
    transfer: String,
    primaries: String,
}

impl Tags {
    fn of(look: &Look, target: Target<'_>, mapped: bool) -> Self {
        let plain = |name: &str| Self { matrix: name.into(), transfer: name.into(), primaries: name.into() };
        // Whatever is not a kind of YCbCr that H.264 players know becomes BT.709.
        let known = matches!(look.matrix(), "bt709" | "smpte170m" | "bt470bg" | "bt2020nc");
        let tags = if mapped || look.rgb || look.alpha || !known {
            plain("bt709")
        } else {
            let guess = if look.matrix() == "bt709" { "bt709" } else { "smpte170m" };
            let tag = |tagged: &Option<String>| tagged.clone().unwrap_or_else(|| guess.to_owned());
            Self {
                matrix: look.matrix().to_owned(),
                transfer: tag(&look.color.transfer),
                primaries: tag(&look.color.primaries),
            }
        };
        match target.matrix {
            Matrix::Source => tags,
            Matrix::Bt601 => Self { matrix: "smpte170m".to_owned(), ..tags },
            Matrix::Settled(matrix) if scale_matrix(&tags.matrix) == matrix => tags,
            Matrix::Settled(matrix) => plain(matrix),
        }
    }
}

/// libav's `scale` has names of its own for matrices.
#[must_use]
pub fn scale_matrix(matrix: &str) -> &'static str {
    match matrix {
        "bt709" => "bt709",
        "smpte170m" | "bt470bg" => "smpte170m",
        "smpte240m" => "smpte240m",
        "fcc" => "fcc",
        "bt2020nc" | "bt2020c" => "bt2020",
        _ => "auto",
    }
}

/// The filters that clean pictures of `look` at their own size; empty where none are needed.
#[must_use]
pub fn clean(look: &Look, clean: Clean) -> String {
    let rate = clean.frame_rate.map(|rate| format!("fps={}/{}", rate.num, rate.den));
    // Noise is taken out before scaling spreads it, where the filter takes the pixels as they are.
    let noise = clean.denoise.filter(|_| look.takes_denoise()).map(denoise);
    let crop =
        clean.crop.map(|Region { x, y, size: Pixels { width, height } }| format!("crop={width}:{height}:{x}:{y}"));
    let filters = [deinterlace(look, clean.fields), rate, noise, crop];
    filters.into_iter().flatten().collect::<Vec<_>>().join(",")
}

/// The filters that turn clean pictures of `look` into `target`, fitted as `fitted` says.
#[must_use]
pub fn chain(look: &Look, fitted: Fitted, target: Target<'_>) -> String {
    let mapped = look.is_hdr() && target.tone_mapping;
    let tags = Tags::of(look, target, mapped);
    let mut filters: Vec<String> = Vec::new();
    if look.alpha {
        filters.push("format=gbrap,premultiply=inplace=1,format=gbrp".into());
    }
    filters.push(scale(look, fitted, target, &tags, mapped));
    filters.extend(upright(look.orientation).map(str::to_owned));
    let Fitted { cut, out, .. } = fitted;
    if cut != fitted.scale {
        filters.push(format!("crop={}:{}", cut.width, cut.height));
    }
    if mapped {
        filters.push(tone_map(look));
        if scale_matrix(&tags.matrix) != "bt709" || target.full_range {
            let range = if target.full_range { "pc" } else { "tv" };
            let matrix = scale_matrix(&tags.matrix);
            filters.push(format!("scale=in_color_matrix=bt709:out_color_matrix={matrix}:out_range={range}"));
        }
    }
    filters.push(format!("format={}", target.format));
    let late = target.denoise.filter(|_| !look.takes_denoise());
    filters.extend(late.map(|strength| denoise(strength) + ",format=" + target.format));
    if out != cut {
        filters.push(pad(fitted, target, &tags));
    }
    let range = if target.full_range { "pc" } else { "tv" };
    filters.push(format!(
        "setparams=field_mode=prog:range={range}:colorspace={}:color_trc={}:color_primaries={},setsar=1",
        tags.matrix, tags.transfer, tags.primaries,
    ));
    filters.join(",")
}

/// The filters that turn a single picture as it was decoded into `target`.
#[must_use]
pub fn whole_chain(look: &Look, fitted: Fitted, target: Target<'_>) -> String {
    let clean = clean(look, Clean::default());
    let chain = chain(look, fitted, target);
    if clean.is_empty() { chain } else { format!("{clean},{chain}") }
}

fn scale(look: &Look, fitted: Fitted, target: Target<'_>, tags: &Tags, mapped: bool) -> String {
    let size = if sideways(look.orientation) { fitted.scale.turned() } else { fitted.scale };
    let from = if look.rgb || look.alpha { "auto" } else { scale_matrix(look.matrix()) };
    let to = scale_matrix(&tags.matrix);
    let exact = if from == to && !is_rgb(target.format) { "" } else { EXACT };
    let mut scale = format!("scale={}:{}:flags=bicubic{exact}", size.width, size.height);
    if look.interlaced && target.woven {
        scale.push_str(":interl=1");
    }
    if !mapped {
        let range = if target.full_range { "pc" } else { "tv" };
        // Writing to a string cannot fail.
        let _infallible = write!(scale, ":in_color_matrix={from}:out_color_matrix={to}:out_range={range}");
    }
    scale
}

fn deinterlace(look: &Look, fields: Fields) -> Option<String> {
    let (parity, which) = match fields {
        Fields::None | Fields::Woven => return None,
        Fields::AsMarked if !look.interlaced => return None,
        Fields::AsMarked => ("auto", "interlaced"),
        Fields::Interlaced(None) => ("auto", "all"),
        Fields::Interlaced(Some(true)) => ("tff", "all"),
        Fields::Interlaced(Some(false)) => ("bff", "all"),
    };
    Some(format!("bwdif=mode=send_frame:parity={parity}:deint={which}"))
}

/// Strengths in space and in time, for luma and for chroma.
fn denoise(strength: Denoise) -> String {
    match strength {
        Denoise::Light => "hqdn3d=4:3:6:4.5",
        Denoise::Medium => "hqdn3d=8:6:9:6.75",
        Denoise::Strong => "hqdn3d=12:9:14:10.5",
    }
    .to_owned()
}

/// The canvas around the picture. `pad` may count colours by another matrix than the picture's, and black by another range:
/// where that shows, it gets the picture as RGB.
fn pad(fitted: Fitted, target: Target<'_>, tags: &Tags) -> String {
    let Fitted { out: Pixels { width, height }, x, y, .. } = fitted;
    let Color { red, green, blue } = target.background;
    let pad = format!("pad={width}:{height}:{x}:{y}:0x{red:02x}{green:02x}{blue:02x}");
    if red == green && green == blue && !(target.full_range && target.format.starts_with("yuv")) {
        return pad;
    }
    in_rgb(&pad, target.format, &tags.matrix, target.full_range)
}

/// `filter` over RGB between pictures of `format`, whose levels and matrix stay as they are.
#[must_use]
pub fn in_rgb(filter: &str, format: &str, matrix: &str, full_range: bool) -> String {
    let (rgb, matrix) = (rgb_format(format), scale_matrix(matrix));
    let range = if full_range { "pc" } else { "tv" };
    format!(
        "scale=flags=bicubic{EXACT}:in_color_matrix={matrix}:in_range={range},format={rgb},{filter},\
         scale=flags=bicubic{EXACT}:out_color_matrix={matrix}:out_range={range},format={format}"
    )
}

/// Whether a pixel format holds red, green and blue.
fn is_rgb(format: &str) -> bool {
    ["rgb", "gbr", "bgr"].iter().any(|prefix| format.starts_with(prefix))
}

/// The RGB format with as many bits as `format`.
fn rgb_format(format: &str) -> &'static str {
    match format {
        f if f.contains("p10") => "gbrp10le",
        f if f.contains("p12") => "gbrp12le",
        _ => "gbrp",
    }
}

/// The filters that turn a stored picture upright, each followed by a comma.
#[must_use]
pub fn upright_filters(orientation: Orientation) -> String {
    upright(orientation).flat_map(|filter| [filter, ","]).collect()
}

fn upright(orientation: Orientation) -> impl Iterator<Item = &'static str> {
    let turn = match orientation.rotation {
        90 => Some("transpose=clock"),
        180 => Some("hflip,vflip"),
        270 => Some("transpose=cclock"),
        _ => None,
    };
    orientation.flipped.then_some("vflip").into_iter().chain(turn)
}

/// Linear light, BT.709 primaries, a curve that keeps mid-tones and rolls highlights off, and back.
fn tone_map(look: &Look) -> String {
    let transfer = look.color.transfer.as_deref().unwrap_or("smpte2084");
    let primaries = look.color.primaries.as_deref().unwrap_or("bt2020");
    let matrix = look.color.space.as_deref().unwrap_or("bt2020nc");
    let range = look.color.range.as_deref().unwrap_or("tv");
    format!(
        "zscale=tin={transfer}:pin={primaries}:min={matrix}:rin={range}:t=linear:npl=100,format=gbrpf32le,\
         zscale=p=bt709,tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:p=bt709:r=tv,format=yuv420p"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry;
    use reelmill::model::work::{Fit, Size};

    fn look() -> Look {
        Look {
            pixels: Pixels::new(1920, 1080),
            format: 0,
            rgb: false,
            alpha: false,
            interlaced: false,
            orientation: Orientation::default(),
            sample_aspect: 1.0,
            color: libav::Color::default(),
        }
    }

    fn text(look: &Look, size: Size, fit: Fit) -> String {
        let target = Target { tone_mapping: true, ..Target::default() };
        whole_chain(look, geometry::fit(look.upright(), look.sample_aspect, size, fit, false), target)
    }

    #[test]
    fn plain_video_is_scaled_and_tagged() {
        assert_eq!(
            text(&look(), Size::ShortSide(720), Fit::Rescale),
            "scale=1280:720:flags=bicubic:in_color_matrix=bt709:out_color_matrix=bt709:out_range=tv,format=yuv420p,\
             setparams=field_mode=prog:range=tv:colorspace=bt709:color_trc=bt709:color_primaries=bt709,setsar=1"
        );
    }

    #[test]
    fn each_property_of_a_source_brings_its_filter() {
        let turned = Look { orientation: Orientation { rotation: 90, flipped: false }, ..look() };
        assert!(text(&turned, Size::ShortSide(720), Fit::Rescale).starts_with("scale=1280:720:"));
        assert!(text(&turned, Size::Source, Fit::Rescale).contains(",transpose=clock,"));
        let mirrored = Look { orientation: Orientation { rotation: 180, flipped: true }, ..look() };
        assert!(text(&mirrored, Size::Source, Fit::Rescale).contains(",vflip,hflip,vflip,"));
        let fields = Look { interlaced: true, ..look() };
        assert!(text(&fields, Size::Source, Fit::Rescale).starts_with("bwdif="));
        let clear = Look { alpha: true, ..look() };
        assert!(text(&clear, Size::Source, Fit::Rescale).starts_with("format=gbrap,premultiply="));
        let small = Look { pixels: Pixels::new(720, 576), ..look() };
        assert!(text(&small, Size::Source, Fit::Rescale).contains("colorspace=smpte170m"));
        let square = Size::Box { width: Some(720), height: Some(720) };
        assert!(text(&look(), square, Fit::Crop).contains(",crop=720:720,"));
        assert!(text(&look(), square, Fit::Pad).contains(",pad=720:720:"));
        let pq = libav::Color { transfer: Some("smpte2084".into()), ..libav::Color::default() };
        let hdr = text(&Look { color: pq, ..look() }, Size::Source, Fit::Rescale);
        assert!(hdr.contains("tonemap=") && hdr.contains("color_trc=bt709"), "{hdr}");
    }
}
