//! One colour through every activity that makes pictures, from every kind of source: what comes out is what went in.

use reelmill::model::work::{Animation, AnimationFormat, Part, VideoCodec};

use super::*;

/// The colour of a red car.
const RED: [u8; 3] = [200, 30, 40];

/// How far a component may be off: rounding in eight bits, and what lossy codecs do to a plain picture.
const NEAR: u8 = 6;

/// A clip of [`RED`], `w`×`h`, whose luma and chroma are by `matrix`, as `ffmpeg` encodes it by `rest`.
fn clip((w, h): (u32, u32), matrix: &str, format: &str, rest: &[&str], name: &str) -> crate::testing::Clip {
    let range = if format.starts_with("yuvj") { "pc" } else { "tv" };
    let opaque = format!("color=0xC81E28@1.0:s={w}x{h}:r=5:d=0.6,format=gbrap");
    let source = if format.starts_with("gbr") || format.starts_with("rgb") {
        format!("{opaque},format={format}")
    } else {
        format!("{opaque},scale=out_color_matrix={matrix}:out_range={range},format={format}")
    };
    lavfi(&[&source], rest, name)
}

/// Sources of that size: of a kind each, and by what they are read.
fn sources(size: (u32, u32)) -> Vec<(&'static str, crate::testing::Clip)> {
    let (usual, other) = if size.1 >= 720 { ("bt709", "smpte170m") } else { ("smpte170m", "bt709") };
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-qp", "1"];
    let tags = ["-colorspace", other, "-color_primaries", other, "-color_trc", other];
    let prores = ["-c:v", "prores_ks", "-profile:v", "4444"];
    let vp9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-crf", "4", "-b:v", "0"];
    let rgb = ["-c:v", "libx264rgb", "-preset", "ultrafast", "-qp", "0"];
    vec![
        ("limited", clip(size, usual, "yuv420p", &x264, "a.mp4")),
        ("tagged", clip(size, other, "yuv420p", &[&x264[..], &tags[..]].concat(), "a.mp4")),
        ("full", clip(size, usual, "yuvj420p", &x264, "a.mp4")),
        ("ten bits", clip(size, usual, "yuv420p10le", &x264, "a.mkv")),
        ("prores alpha", clip(size, usual, "yuva444p10le", &prores, "a.mov")),
        ("vp9 alpha", clip(size, usual, "yuva420p", &vp9, "a.webm")),
        ("rgb", clip(size, usual, "gbrp", &rgb, "a.mkv")),
        ("rgb alpha", clip(size, usual, "rgba", &["-c:v", "png"], "a.mov")),
    ]
}

fn encoded_as(file: &str, container: Container, codec: VideoCodec) -> Output {
    let rated = matches!(codec, VideoCodec::Mjpeg | VideoCodec::Webp);
    let video =
        VideoEncode { codec, preset: None, quality: rated.then_some(98), size: Size::ShortSide(240), ..encoded() };
    let video =
        if codec == VideoCodec::H264 { VideoEncode { preset: Some("ultrafast".into()), ..video } } else { video };
    let Output::Media(media) = media_output(file, video) else { unreachable!() };
    Output::Media(MediaOutput { container, audio: None, ..media })
}

/// Everything that makes pictures.
fn outputs() -> Vec<Output> {
    let shot = |format, file: &str| Snapshot {
        quality: 98,
        size: Size::ShortSide(240),
        ..shots(SnapshotTimes::At(Moment::Seconds(0.2)), format, file)
    };
    let moving = |format, file: &str| Snapshot {
        animation: Some(Animation { format, pieces: 1, length_s: 0.4, start_s: Some(0.0), fps: 5.0 }),
        ..shot(ImageFormat::Jpg, file)
    };
    vec![
        Output::Snapshot(shot(ImageFormat::Jpg, "shot.jpg")),
        Output::Snapshot(shot(ImageFormat::Png, "shot.png")),
        Output::Snapshot(shot(ImageFormat::Webp, "shot.webp")),
        Output::Snapshot(Snapshot { sprite: Some(sprite(2, 2, 80)), ..shot(ImageFormat::Jpg, "sheet.jpg") }),
        Output::Snapshot(moving(AnimationFormat::Gif, "moving.gif")),
        Output::Snapshot(moving(AnimationFormat::Mp4, "moving.mp4")),
        Output::Snapshot(moving(AnimationFormat::Webp, "moving.webp")),
        encoded_as("out.mp4", Container::Mp4, VideoCodec::H264),
        encoded_as("out.mov", Container::Mov, VideoCodec::Mjpeg),
        encoded_as("prores.mov", Container::Mov, VideoCodec::Prores),
        encoded_as("out.gif", Container::Gif, VideoCodec::Gif),
        encoded_as("out.webp", Container::Webp, VideoCodec::Webp),
    ]
}

/// Has `ffmpeg` read the first picture of an animated WebP, which it does not know: as a file of its own.
fn first_of_webp(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    let Some(at) = bytes.windows(4).position(|window| window == b"ANMF") else { return };
    let picture = &bytes[at + 24..];
    let length = 8 + u32::from_le_bytes(picture[4..8].try_into().unwrap()) as usize;
    let mut still = b"RIFF".to_vec();
    still.extend(u32::try_from(length + 4).unwrap().to_le_bytes());
    still.extend(b"WEBP");
    still.extend(&picture[..length]);
    std::fs::write(path, still).unwrap();
}

fn is_red(colour: [u8; 3]) -> bool {
    colour.iter().zip(RED).all(|(&found, wanted)| found.abs_diff(wanted) <= NEAR)
}

fn every_output_is_red(size: (u32, u32)) {
    let files = [
        "shot.jpg",
        "shot.png",
        "shot.webp",
        "sheet.jpg",
        "moving.gif",
        "moving.mp4",
        "moving.webp",
        "out.mp4",
        "out.mov",
        "prores.mov",
        "out.gif",
        "out.webp",
    ];
    let mut wrong = Vec::new();
    for (kind, clip) in sources(size) {
        let trial = Trial::new(&clip, &outputs());
        assert_eq!(trial.made.produced().len(), files.len());
        for file in files {
            if Path::new(file).extension().is_some_and(|extension| extension == "webp") {
                first_of_webp(&trial.path(file));
            }
            let colour = trial.colour(file, (16, 16, 32, 16));
            if !is_red(colour) {
                wrong.push(format!("{kind} as {file}: {colour:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn field_fault_14_high_definition_keeps_its_colours_in_every_output() {
    every_output_is_red((1280, 720));
}

#[test]
fn field_fault_14_standard_definition_keeps_its_colours_in_every_output() {
    every_output_is_red((640, 360));
}

#[test]
fn field_fault_14_watermarks_and_parts_keep_their_colours() {
    let grey = lavfi(&["color=gray:d=0.6:r=5:s=1280x720"], &["-c:v", "libx264", "-preset", "ultrafast"], "grey.mp4");
    let mut wrong = Vec::new();
    for size in [(1280, 720), (320, 180)] {
        for (kind, clip) in sources(size) {
            let overlay = Overlay {
                content: OverlayContent::Image { input: 1 },
                position: ReferencePosition::TopLeft,
                dx: Length::Pixels(0),
                dy: Length::Pixels(0),
                width: Some(Length::Ratio(0.5)),
                height: None,
                opacity: 1.0,
                start_s: 0.0,
                duration_s: None,
            };
            let laid = with(|media| (media.audio, media.overlays) = (None, vec![overlay]));
            let trial = Trial::with(&[&*grey, &*clip], &[laid]);
            let colour = trial.colour("out.mp4", (100, 100, 64, 64));
            if !is_red(colour) {
                wrong.push(format!("{kind} of {size:?} laid over: {colour:?}"));
            }
            let part = |input| Part { input, clip: None };
            let joined = with(|media| (media.audio, media.parts) = (None, vec![part(0), part(1)]));
            let trial = Trial::with(&[&*grey, &*clip], &[joined]);
            let colour = trial.colour_of("out.mp4", 4, (600, 300, 64, 64));
            if !is_red(colour) {
                wrong.push(format!("{kind} of {size:?} as a part: {colour:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn field_fault_14_what_says_its_matrix_is_tagged_with_what_it_is() {
    for (size, matrix) in [((1280, 720), "bt709"), ((640, 360), "smpte170m")] {
        let clip = clip(size, matrix, "yuv420p", &["-c:v", "libx264", "-preset", "ultrafast"], "a.mp4");
        let trial = Trial::new(&clip, &outputs());
        let tags = |file: &str| trial.ffprobe(file, "v", "stream=color_range,color_space");
        assert_eq!(tags("out.mp4"), [format!("tv,{matrix}")]);
        assert_eq!(tags("moving.mp4"), [format!("tv,{matrix}")]);
        assert_eq!(tags("shot.jpg"), ["pc,bt470bg"]);
    }
}
