//! High dynamic range kept: tags, bits and metadata of what comes out.

use reelmill::model::work::{BurnIn, HdrMode, RateControl, Treatment, VideoCodec};

use super::*;

/// Half a second of PQ with the metadata of a display and of its light.
fn hdr10() -> crate::testing::Clip {
    lavfi(
        &["testsrc2=d=0.5:r=10:s=320x180"],
        &[
            "-vf",
            "format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv",
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            "log-level=none:hdr10=1:max-cll=1100,180:\
             master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,50)",
        ],
        "a.mp4",
    )
}

fn kept(codec: VideoCodec, mode: HdrMode, container: Container, file: &str) -> Output {
    let preset = match codec {
        VideoCodec::Av1 => Some("12"),
        VideoCodec::H264 | VideoCodec::H265 => Some("ultrafast"),
        VideoCodec::Vp9 => Some("8"),
        _ => None,
    };
    let Output::Media(mut media) = media_output(file, encoded()) else { unreachable!() };
    media.container = container;
    media.video = Some(Video::Encode(VideoEncode {
        codec,
        preset: preset.map(str::to_owned),
        treatment: Treatment { hdr: mode, ..Treatment::default() },
        ..encoded()
    }));
    Output::Media(media)
}

#[test]
fn field_case_18_high_dynamic_range_is_kept_with_its_metadata() {
    let clip = hdr10();
    let outputs = [
        kept(VideoCodec::H265, HdrMode::Keep, Container::Mp4, "h265.mp4"),
        kept(VideoCodec::Av1, HdrMode::Keep, Container::Mkv, "av1.mkv"),
        kept(VideoCodec::Vp9, HdrMode::Keep, Container::Webm, "vp9.webm"),
        kept(VideoCodec::Prores, HdrMode::Keep, Container::Mov, "prores.mov"),
    ];
    let trial = Trial::new(&clip, &outputs);
    for (file, produced) in ["h265.mp4", "av1.mkv", "vp9.webm", "prores.mov"].iter().zip(trial.made.produced()) {
        let video = &produced.files[0].media.as_ref().unwrap().video[0];
        assert!(video.bit_depth >= Some(10), "{file}: {video:?}");
        let tags = [&video.color_transfer, &video.color_primaries, &video.color_space].map(|tag| tag.as_deref());
        assert_eq!(tags, [Some("smpte2084"), Some("bt2020"), Some("bt2020nc")], "{file}");
        let path = trial.path(file);
        let arguments = ["-v", "error", "-select_streams", "v", "-show_frames", "-show_streams"];
        let output = Command::new("ffprobe").args(arguments).arg(path).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        for fact in ["red_x=35400/50000", "max_luminance=10000000/10000", "max_content=1100", "max_average=180"] {
            // ProRes says it in neither its frames nor, to this reader, its container.
            let number = said.lines().find_map(|line| same(line, fact));
            assert!(number.is_some_and(|near| near) || *file == "prores.mov", "{file} does not say {fact}: {said}");
        }
    }
    let similarity = trial.similarity("h265.mp4", &clip, "null");
    assert!(similarity > 0.9, "{similarity}");
}

/// Whether a line says the same number under the same key, give or take rounding; `None` of another key.
fn same(line: &str, fact: &str) -> Option<bool> {
    let value = |text: &str| {
        let (key, number) = text.split_once('=')?;
        let (num, den) = number.split_once('/').unwrap_or((number, "1"));
        Some((key.to_owned(), num.parse::<f64>().ok()? / den.parse::<f64>().ok()?))
    };
    let ((one, said), (other, wanted)) = (value(line)?, value(fact)?);
    (one == other).then(|| (said / wanted - 1.0).abs() < 0.001)
}

#[test]
fn field_case_18_auto_keeps_ten_bits_and_maps_eight() {
    let clip = hdr10();
    let mut ten = kept(VideoCodec::H265, HdrMode::Auto, Container::Mp4, "ten.mp4");
    let mut mapped = kept(VideoCodec::H265, HdrMode::Sdr, Container::Mp4, "mapped.mp4");
    for output in [&mut ten, &mut mapped] {
        if let Output::Media(MediaOutput { video: Some(Video::Encode(encode)), .. }) = output {
            encode.pixel_format = Some("yuv420p10le".to_owned());
        }
    }
    let eight = kept(VideoCodec::H265, HdrMode::Auto, Container::Mp4, "eight.mp4");
    let trial = Trial::new(&clip, &[ten, mapped, eight]);
    let seen: Vec<_> = trial
        .made
        .produced()
        .iter()
        .map(|produced| {
            let video = &produced.files[0].media.as_ref().unwrap().video[0];
            (video.bit_depth, video.color_transfer.clone().unwrap_or_default())
        })
        .collect();
    let expected = [(10, "smpte2084"), (10, "bt709"), (8, "bt709")];
    assert_eq!(seen, expected.map(|(bits, transfer)| (Some(bits), transfer.to_owned())));
    for file in ["mapped.mp4", "eight.mp4"] {
        let data = trial.ffprobe(file, "v", "frame_side_data=side_data_type");
        assert!(data.iter().all(|data| !data.contains("display") && !data.contains("light")), "{file}: {data:?}");
    }
}

#[test]
fn standard_range_stays_as_it_is_where_high_is_to_be_kept() {
    let clip = lavfi(&["testsrc2=d=0.3:r=10:s=320x180"], &["-pix_fmt", "yuv420p"], "a.mp4");
    let trial = Trial::new(&clip, &[kept(VideoCodec::H265, HdrMode::Keep, Container::Mp4, "out.mp4")]);
    let video = &trial.made.media().video[0];
    assert_eq!((video.bit_depth, video.hdr), (Some(8), None));
}

/// A black film of high dynamic range with this transfer.
fn dark(transfer: &str) -> crate::testing::Clip {
    let tags = format!(
        "format=yuv420p10le,setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    );
    lavfi(
        &["color=black:d=0.3:r=10:s=320x180"],
        &["-vf", &tags, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"],
        "a.mp4",
    )
}

/// What `make` makes of an output in which high dynamic range is kept, nearly lossless.
fn fine(make: impl FnOnce(&mut MediaOutput)) -> Output {
    let mut output = kept(VideoCodec::H265, HdrMode::Keep, Container::Mp4, "out.mp4");
    if let Output::Media(media) = &mut output {
        if let Some(Video::Encode(encode)) = &mut media.video {
            encode.rate_control = RateControl::Crf { crf: 8.0, maxrate_bps: None, bufsize_bits: None };
        }
        make(media);
    }
    output
}

#[test]
fn subtitles_over_high_dynamic_range_are_as_bright_as_graphics_are() {
    // Blocks of 80×60 that texts draw: white, grey, and white that lets half through.
    let folder = tempfile::tempdir().unwrap();
    let block = |x: i32, y: i32, how: &str| {
        format!(
            "Dialogue: 0,0:00:00.00,0:00:09.00,D,,0,0,0,,{{\\an7\\pos({x},{y})\\bord0\\shad0{how}\\p1}}m 0 0 l 80 0 80 60 0 60{{\\p0}}\n"
        )
    };
    let text = [
        "[Script Info]\nScriptType: v4.00+\nPlayResX: 320\nPlayResY: 180\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize, \
         PrimaryColour\nStyle: D,Sans,20,&H00FFFFFF\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, \
         MarginV, Effect, Text\n",
        &block(10, 10, ""),
        &block(110, 10, "\\c&H808080&"),
        &block(210, 10, "\\1a&H80&"),
    ]
    .concat();
    let ass = folder.path().join("a.ass");
    std::fs::write(&ass, text).unwrap();
    for (transfer, white, grey) in [("smpte2084", 143, 109), ("arib-std-b67", 180, 119)] {
        let trial = Trial::with(&[&*dark(transfer), &ass], &[fine(|media| media.burn = Some(BurnIn::Input(1)))]);
        assert_eq!(trial.made.media().video[0].color_transfer.as_deref(), Some(transfer));
        // Of what is half transparent the signal is halfway between white's and the black's behind it.
        for (x, luma) in [(40, white), (140, grey), (240, u8::midpoint(white, 16)), (20, white)] {
            let [y, u, v] = trial.levels("out.mp4", (x, 24, 20, 20));
            assert!(y.abs_diff(luma) <= 2, "{transfer}: {y} instead of {luma} at {x}");
            assert!(u.abs_diff(128) <= 2 && v.abs_diff(128) <= 2, "{transfer}: {u} {v}");
        }
        let [y, ..] = trial.levels("out.mp4", (40, 120, 20, 20));
        assert!(y <= 18, "{transfer}: {y} where nothing is drawn");
    }
}

#[test]
fn watermarks_over_high_dynamic_range_are_as_bright_as_graphics_are() {
    // White at 203 cd/m² is 58 % of PQ's signal and 75 % of HLG's (BT.2408), grey of half the signal 22 % of that light.
    let white = generate(&["-f", "lavfi", "-i", "color=white:s=40x20", "-frames:v", "1"], "white.png");
    let grey = generate(&["-f", "lavfi", "-i", "color=0x808080:s=40x20", "-frames:v", "1"], "grey.png");
    for (transfer, expected) in [("smpte2084", [143, 109]), ("arib-std-b67", [180, 119])] {
        let output = fine(|media| {
            media.overlays = vec![still(1, ReferencePosition::TopLeft), still(2, ReferencePosition::TopRight)];
        });
        let trial = Trial::with(&[&*dark(transfer), &*white, &*grey], &[output]);
        assert_eq!(trial.made.media().video[0].color_transfer.as_deref(), Some(transfer));
        for (x, luma) in [8, 288].into_iter().zip(expected) {
            let [y, u, v] = trial.levels("out.mp4", (x, 4, 24, 12));
            assert!(y.abs_diff(luma) <= 2, "{transfer}: {y} instead of {luma}");
            assert!(u.abs_diff(128) <= 2 && v.abs_diff(128) <= 2, "{transfer}: {u} {v}");
        }
    }
}

/// The picture of that input in a corner, 40×20.
fn still(input: usize, position: ReferencePosition) -> Overlay {
    Overlay {
        content: OverlayContent::Image { input },
        position,
        dx: Length::Pixels(0),
        dy: Length::Pixels(0),
        width: Some(Length::Pixels(40)),
        height: Some(Length::Pixels(20)),
        opacity: 1.0,
        start_s: 0.0,
        duration_s: None,
    }
}
