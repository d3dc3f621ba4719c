//! Processed pictures, compared pixel by pixel with those of the `ffmpeg` command.

use reelmill::model::work::{Color, Crop, Deinterlace, Denoise, Fit, HdrMode, Pad, Treatment, Turn};

use super::*;

/// Near-lossless, so that differences are the filters'.
fn treated(treatment: Treatment) -> VideoEncode {
    use reelmill::model::work::RateControl;
    let rate_control = RateControl::Crf { crf: 4.0, maxrate_bps: None, bufsize_bits: None };
    VideoEncode { treatment, rate_control, ..encoded() }
}

fn trial(clip: &Path, encode: VideoEncode) -> Trial {
    Trial::new(clip, &[media_output("out.mp4", encode)])
}

fn size(trial: &Trial) -> (u32, u32) {
    let video = &trial.made.media().video[0];
    (video.width, video.height)
}

/// A crop of so many pixels: from the left, from the top, width and height.
fn pixels(sides: [u32; 4]) -> Crop {
    let [x, y, width, height] = sides.map(|side| Some(Length::Pixels(side)));
    Crop::Region { x, y, width, height }
}

#[test]
fn crops_turns_pads_and_noise_reduction_look_like_those_of_the_command() {
    let clip = lavfi(&["testsrc2=d=1:r=5:s=320x240"], &["-crf", "4"], "a.mp4");
    let region = Crop::Region {
        x: Some(Length::Pixels(40)),
        y: Some(Length::Ratio(0.25)),
        width: Some(Length::Pixels(200)),
        height: None,
    };
    let plain = Treatment::default();
    for (treatment, size_wanted, filter) in [
        (Treatment { crop: Some(region), ..plain }, (200, 180), "crop=200:180:40:60"),
        (Treatment { rotate: Turn::Quarter, ..plain }, (240, 320), "transpose=clock"),
        (Treatment { rotate: Turn::Half, ..plain }, (320, 240), "hflip,vflip"),
        (
            Treatment { rotate: Turn::ThreeQuarters, crop: Some(region), ..plain },
            (180, 200),
            "crop=200:180:40:60,transpose=cclock",
        ),
        (
            Treatment {
                pad: Some(Pad { width: 400, height: 300, x: Some(20), y: None }),
                pad_color: Color::new(255, 255, 255),
                ..plain
            },
            (400, 300),
            "pad=400:300:20:30:white",
        ),
        (Treatment { denoise: Some(Denoise::Medium), ..plain }, (320, 240), "hqdn3d=8:6:9:6.75"),
    ] {
        let trial = trial(&clip, treated(treatment));
        assert_eq!(size(&trial), size_wanted, "{filter}");
        let similarity = trial.similarity("out.mp4", &clip, filter);
        assert!(similarity > 0.98, "{filter}: {similarity}");
    }
}

#[test]
fn noise_is_taken_out_the_more_the_stronger() {
    let scene = "testsrc2=d=1:r=25:s=320x240,boxblur=4";
    let clean = lavfi(&[scene], &["-crf", "4"], "clean.mp4");
    let noisy = lavfi(&[&format!("{scene},noise=alls=8:allf=t")], &["-crf", "4"], "noisy.mp4");
    let mut last = 0.0;
    for denoise in [None, Some(Denoise::Light), Some(Denoise::Medium), Some(Denoise::Strong)] {
        let made = trial(&noisy, treated(Treatment { denoise, ..Treatment::default() }));
        let similarity = made.similarity("out.mp4", &clean, "null");
        assert!(similarity > last + 0.01, "{denoise:?}: {similarity} after {last}");
        last = similarity;
    }
}

#[test]
fn field_case_15_a_crop_of_a_turned_source_is_that_of_the_upright_picture() {
    let flat = lavfi(&["testsrc2=d=1:r=5:s=320x180"], &["-crf", "4"], "a.mp4");
    let source = turned(&flat);
    let crop = pixels([20, 100, 120, 160]);
    let trial = trial(&source, treated(Treatment { crop: Some(crop), ..Treatment::default() }));
    assert_eq!(size(&trial), (120, 160));
    // The command turns sources upright by itself.
    let similarity = trial.similarity("out.mp4", &source, "crop=120:160:20:100");
    assert!(similarity > 0.98, "{similarity}");
}

#[test]
fn a_crop_beyond_the_picture_is_refused() {
    let clip = lavfi(&["testsrc2=d=1:r=5:s=320x180"], &[], "a.mp4");
    let crop = pixels([0, 0, 640, 180]);
    let failure = trial(&clip, treated(Treatment { crop: Some(crop), ..Treatment::default() })).made.failure().clone();
    assert_eq!(failure.code, "MEDIA0017", "{failure}");
    assert!(failure.message.contains("320x180"), "{failure}");
}

#[test]
fn canvases_have_the_colour_that_is_asked_for() {
    let clip = lavfi(&["color=gray:d=1:r=5:s=320x720"], &[], "a.mp4");
    let treatment = Treatment { pad_color: Color::new(255, 128, 0), ..Treatment::default() };
    let encode =
        VideoEncode { fit: Fit::Pad, size: Size::Box { width: Some(1280), height: Some(720) }, ..treated(treatment) };
    let trial = trial(&clip, encode);
    // Orange by BT.709, and the grey of the source as it was.
    let near = |at: (u32, u32, u32, u32), wanted: [u8; 3]| {
        let levels = trial.levels("out.mp4", at);
        assert!(levels.iter().zip(wanted).all(|(&level, wanted)| level.abs_diff(wanted) <= 1), "{levels:?}");
    };
    near((0, 0, 400, 700), [141, 59, 189]);
    near((500, 0, 280, 700), [126, 128, 128]);
}

#[test]
fn black_bars_are_found_and_cut_off() {
    let auto = treated(Treatment { crop: Some(Crop::Auto), ..Treatment::default() });
    // A film of 320×136 in a picture of 320×180, dark at first.
    let film = "testsrc2=d=6:r=5:s=320x136,fade=in:d=1,noise=alls=6:allf=t,pad=320:180:0:22";
    let trial_of = |source: &str| {
        let clip = lavfi(&[source], &["-crf", "10", "-g", "10"], "a.mp4");
        let trial = trial(&clip, auto.clone());
        (trial, clip)
    };
    let (boxed, clip) = trial_of(film);
    assert_eq!(size(&boxed), (320, 136));
    let similarity = boxed.similarity("out.mp4", &clip, "crop=320:136:0:22");
    assert!(similarity > 0.97, "{similarity}");
    // Bars that are only there for a while, a picture without any, and nothing but black.
    let part = format!("{film},drawbox=y=0:w=40:h=10:c=white:t=fill:enable='gt(t,5)'");
    assert_eq!(size(&trial_of(&part).0), (320, 158));
    assert_eq!(size(&trial_of("testsrc2=d=2:r=5:s=320x180").0), (320, 180));
    assert_eq!(size(&trial_of("color=black:d=2:r=5:s=320x180").0), (320, 180));
}

/// How many frames show fields and how many do not, as `idet` sees it.
pub(super) fn combed(trial: &Trial, file: &str) -> (u32, u32) {
    let output = Command::new("ffmpeg")
        .args(["-v", "info", "-i"])
        .arg(trial.path(file))
        .args(["-an", "-vf", "idet", "-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let line = said.lines().rfind(|line| line.contains("Multi frame detection")).unwrap();
    let count = |word: &str| {
        let rest = line.split(word).nth(1).unwrap().trim_start();
        rest.split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    (count("TFF:") + count("BFF:"), count("Progressive:"))
}

/// Cells that move, woven from two fields for each frame; `marked` in the stream or not.
fn interlaced(marked: bool, top_first: bool, name: &str) -> crate::testing::Clip {
    let marks: &[&str] = match (marked, top_first) {
        (true, true) => &["-flags", "+ildct+ilme", "-top", "1"],
        (true, false) => &["-flags", "+ildct+ilme", "-top", "0"],
        (false, _) => &[],
    };
    woven(top_first, marks, name)
}

/// The same with the top field first, marked as having the bottom field first.
fn lying(name: &str) -> crate::testing::Clip {
    woven(true, &["-flags", "+ildct+ilme", "-top", "0"], name)
}

fn woven(top_first: bool, marks: &[&str], name: &str) -> crate::testing::Clip {
    let order = if top_first { "interleave_top" } else { "interleave_bottom" };
    let moving = "life=s=180x144:mold=10:r=50:ratio=0.1:death_color=#C83232:life_color=#00ff00,\
                  scale=720:576:flags=neighbor,trim=duration=3,scroll=h=0.01";
    let source = format!("{moving},tinterlace={order},setparams=field_mode=prog");
    lavfi(&[&source], &[&["-pix_fmt", "yuv420p", "-c:v", "mpeg2video", "-q:v", "2"], marks].concat(), name)
}

#[test]
fn interlaced_video_is_made_progressive_whatever_its_flags_say() {
    let auto = treated(Treatment::default());
    for (marked, top_first) in [(true, true), (true, false), (false, true), (false, false)] {
        let clip = interlaced(marked, top_first, "a.ts");
        let made = trial(&clip, auto.clone());
        let (fields, progressive) = combed(&made, "out.mp4");
        assert!(fields * 10 < progressive, "{marked} {top_first}: {fields} fields, {progressive} frames");
        assert!(!made.made.media().video[0].interlaced);
        // The fields are in their order: nothing jumps to and fro.
        let parity = if top_first { "tff" } else { "bff" };
        let similarity = made.similarity("out.mp4", &clip, &format!("bwdif=0:{parity}:0"));
        assert!(similarity > 0.97, "{marked} {top_first}: {similarity}");
    }
    // A mark that names the wrong field: the order is the pictures'.
    let clip = lying("a.ts");
    let similarity = trial(&clip, auto).similarity("out.mp4", &clip, "bwdif=0:tff:0");
    assert!(similarity > 0.97, "{similarity}");
    let clip = interlaced(true, true, "a.ts");
    let left = trial(&clip, treated(Treatment { deinterlace: Deinterlace::Off, ..Treatment::default() }));
    let (fields, progressive) = combed(&left, "out.mp4");
    assert!(fields > progressive, "{fields} fields, {progressive} frames");
}

#[test]
fn progressive_video_that_is_marked_as_interlaced_is_left_alone_unless_forced() {
    let source = "testsrc2=d=3:r=25:s=720x576,scroll=h=0.01:v=0.01,setparams=field_mode=tff";
    let arguments = ["-pix_fmt", "yuv420p", "-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme", "-top", "1"];
    let clip = lavfi(&[source], &arguments, "a.ts");
    let plain = trial(&clip, treated(Treatment::default())).similarity("out.mp4", &clip, "null");
    assert!(plain > 0.985, "{plain}");
    let forced = trial(&clip, treated(Treatment { deinterlace: Deinterlace::Force, ..Treatment::default() }));
    let forced = forced.similarity("out.mp4", &clip, "bwdif=0:tff:0");
    assert!(forced > 0.985, "{forced}");
}

#[test]
fn high_dynamic_range_is_mapped_to_eight_bits_whatever_auto_says() {
    let hdr = ["-vf", "format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc"];
    let clip = lavfi(&["testsrc2=d=1:r=5:s=320x180"], &[&hdr[..], &["-c:v", "libx264"]].concat(), "a.mp4");
    for mode in [HdrMode::Auto, HdrMode::Sdr] {
        let made = trial(&clip, treated(Treatment { hdr: mode, ..Treatment::default() }));
        let video = &made.made.media().video[0];
        assert_eq!((video.hdr, video.color_space.as_deref(), video.bit_depth), (None, Some("bt709"), Some(8)));
    }
}
