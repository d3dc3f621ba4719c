//! Real files: turned, odd, uneven, of high dynamic range, interlaced; judged by what the `ffmpeg` command makes of them.

use reelmill::model::work::{RateControl, Treatment};

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media").join(name)
}

/// Files of a folder of the corpus of real media, where there is one.
fn corpus(folder: &str) -> Vec<PathBuf> {
    let Some(media) = std::env::var_os("REELMILL_MEDIA") else { return Vec::new() };
    let folder = Path::new(&media).join("public").join(folder);
    let mut files: Vec<PathBuf> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The fixture, and the files of its kind in the corpus.
fn real(fixed: &str, folder: &str) -> Vec<PathBuf> {
    let mut files = vec![fixture(fixed)];
    files.extend(corpus(folder));
    files
}

/// Good enough that what differs is not the encoder's.
fn fine(size: Size) -> VideoEncode {
    let rate_control = RateControl::Crf { crf: 8.0, maxrate_bps: None, bufsize_bits: None };
    VideoEncode { size, rate_control, ..encoded() }
}

fn first_second(encode: VideoEncode) -> Output {
    let Output::Media(mut media) = media_output("out.mp4", encode) else { unreachable!() };
    media.clip = Some(Clip { start_s: 0.0, duration_s: Some(1.0) });
    Output::Media(media)
}

/// Size of the main video as the `ffmpeg` command shows it: upright, pixels as stored.
fn shown(path: &Path) -> (u32, u32) {
    let filter = ["-vf", "showinfo", "-frames:v", "1", "-f", "null", "-"];
    let output = Command::new("ffmpeg").args(["-v", "info", "-i"]).arg(path).args(filter).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let size = said.split(" s:").nth(1).unwrap().split(' ').next().unwrap();
    let (width, height) = size.split_once('x').unwrap();
    (width.parse().unwrap(), height.parse().unwrap())
}

#[test]
fn field_case_15_turned_phone_clips_come_out_upright() {
    for file in real("rotation/iphone_portrait.MOV", "rotation") {
        let name = file.display();
        let trial = Trial::new(&file, &[first_second(fine(Size::Source))]);
        let video = &trial.made.media().video[0];
        assert_eq!((video.width, video.height), shown(&file), "{name}");
        assert_eq!((video.rotation, video.flipped), (0, false), "{name}");
        assert!(trial.ffprobe("out.mp4", "v", "stream_side_data=rotation").is_empty(), "{name}");
        let similarity = trial.similarity("out.mp4", &file, "null");
        assert!(similarity > 0.97, "{name}: {similarity}");
    }
}

#[test]
fn field_case_16_real_odd_sources_keep_their_picture_and_shape() {
    for file in real("oddsize/853x481_derived.mp4", "oddsize") {
        let name = file.display();
        let trial = Trial::new(&file, &[first_second(fine(Size::Source))]);
        let video = &trial.made.media().video[0];
        let (width, height) = shown(&file);
        assert!(video.height.abs_diff(height) <= 1 && video.width.abs_diff(width) <= 3, "{name}: {video:?}");
        assert_eq!(video.sample_aspect_ratio, Some(Ratio { num: 1, den: 1 }), "{name}");
        let scaled = format!("scale={}:{}:flags=bicubic:out_range=tv", video.width, video.height);
        let similarity = trial.similarity("out.mp4", &file, &scaled);
        assert!(similarity > 0.96, "{name}: {similarity}");
    }
}

#[test]
fn oblong_pixels_become_square_in_real_files() {
    for file in corpus("sar") {
        let trial = Trial::new(&file, &[first_second(fine(Size::Source))]);
        let video = &trial.made.media().video[0];
        let aspect = trial.ffprobe("out.mp4", "v", "stream=sample_aspect_ratio");
        assert_eq!(aspect, ["1:1"], "{}", file.display());
        let source = crate::probe::media_info(&mut source_of(&file).open().unwrap()).unwrap().video.remove(0);
        let wanted = f64::from(source.width) * source.sample_aspect_ratio.unwrap().value() / f64::from(source.height);
        let made = f64::from(video.width) / f64::from(video.height);
        assert!((made / wanted - 1.0).abs() < 0.02, "{}: {made} instead of {wanted}", file.display());
    }
}

/// Times of the frames of the main video of a file, in seconds from the first.
fn frame_times(path: &Path) -> Vec<f64> {
    let arguments = ["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "csv=p=0"];
    let output = Command::new("ffprobe").args(arguments).arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let times: Vec<f64> = text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect();
    times.iter().map(|time| time - times[0]).collect()
}

/// Start of the last packet of sound less that of the last frame, in seconds.
fn lead_of_sound(path: &Path) -> Option<f64> {
    let last = |select: &str| {
        let entries = ["-show_entries", "packet=pts_time", "-of", "csv=p=0"];
        let arguments = [&["-v", "error", "-select_streams", select][..], &entries].concat();
        let output = Command::new("ffprobe").args(arguments).arg(path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter_map(|line| line.trim_end_matches(',').parse::<f64>().ok()).reduce(f64::max)
    };
    Some(last("a:0")? - last("v:0")?)
}

#[test]
fn field_case_17_real_uneven_clips_keep_every_time_and_do_not_drift() {
    for file in real("vfr/iphone_awesome_480p.mov", "vfr") {
        let name = file.display();
        let small = VideoEncode { size: Size::ShortSide(180), ..encoded() };
        let trial = Trial::new(&file, &[media_output("out.mp4", small.clone())]);
        let (wanted, made) = (frame_times(&file), frame_times(&trial.path("out.mp4")));
        assert_eq!(wanted.len(), made.len(), "{name}");
        let off = wanted.iter().zip(&made).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 0.002, "{name}: a frame is off by {off} s");
        if let (Some(source), Some(output)) = (lead_of_sound(&file), lead_of_sound(&trial.path("out.mp4"))) {
            assert!((source - output).abs() < 0.04, "{name}: {source} became {output}");
        }
        // Forced to 30 frames a second, or to at most 10, the end stays where it is.
        let duration = trial.made.media().video[0].duration_s.unwrap();
        for frame_rate in [FrameRate::Fixed(Ratio { num: 30, den: 1 }), FrameRate::Max(Ratio { num: 10, den: 1 })] {
            let trial = Trial::new(&file, &[media_output("out.mp4", VideoEncode { frame_rate, ..small.clone() })]);
            let video = &trial.made.media().video[0];
            let length = video.duration_s.unwrap();
            assert!((length - duration).abs() < 0.15, "{name}: {length} instead of {duration}");
            let most = if frame_rate == FrameRate::Max(Ratio { num: 10, den: 1 }) { 10.5 } else { 30.1 };
            assert!(video.frame_rate < most, "{name}: {}", video.frame_rate);
        }
    }
}

#[test]
fn field_case_17_rates_beyond_reason_lose_no_frame() {
    // 30 frames in a twentieth of a second, and headers that speak of 600 and 1000 a second.
    for name in ["multitrack/pgs.mkv", "multitrack/srt.mkv"] {
        let small = VideoEncode { size: Size::ShortSide(180), ..encoded() };
        let trial = Trial::new(&fixture(name), &[media_output("out.mp4", small)]);
        assert_eq!(frame_times(&fixture(name)).len(), frame_times(&trial.path("out.mp4")).len(), "{name}");
    }
}

/// What the `ffmpeg` command is told to do the same as tone mapping.
const MAPPED: &str = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=hable:desat=0,\
                      zscale=t=bt709:m=bt709:r=tv,format=yuv420p";

#[test]
fn field_case_18_real_hdr_is_mapped_to_lively_pictures() {
    for (file, filter) in [("hdr/hdr10_nasa_hevc.mp4", MAPPED), ("hdr/hlg_360p.mov", MAPPED)] {
        let trial = Trial::new(&fixture(file), &[first_second(fine(Size::Source))]);
        let tags = trial.ffprobe("out.mp4", "v", "stream=color_range,color_space,color_transfer,color_primaries");
        assert_eq!(tags, ["tv,bt709,bt709,bt709"], "{file}");
        assert!(trial.ffprobe("out.mp4", "v", "frame_side_data=side_data_type").iter().all(|t| !t.contains("isplay")));
        let similarity = trial.similarity("out.mp4", &fixture(file), filter);
        assert!(similarity > 0.97, "{file}: {similarity}");
        // Washed out is what it looks like when nothing is mapped: colours near to grey. How far from it depends on the
        // processor in dark scenes: zimg has its fast, less exact curves for AVX2 only.
        let ((luma, mapped), (_, flat)) = (levels(&trial.path("out.mp4")), levels(&fixture(file)));
        assert!((20.0..180.0).contains(&luma) && mapped > 1.05 * flat, "{file}: {luma}, {mapped} after {flat}");
    }
}

/// Mean luma, and mean distance of chroma from grey, of the first frames.
fn levels(path: &Path) -> (f64, f64) {
    let arguments = ["-vf", "scale=160:90,format=yuv444p", "-frames:v", "10", "-f", "rawvideo", "-"];
    let output = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(arguments).output().unwrap();
    let mean = |levels: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = levels.fold((0.0, 0.0), |(sum, count), level| (sum + level, count + 1.0));
        sum / count
    };
    let planes = || output.stdout.chunks_exact(160 * 90 * 3);
    let luma = mean(&mut planes().flat_map(|frame| &frame[..160 * 90]).map(|&level| f64::from(level)));
    let chroma = mean(&mut planes().flat_map(|frame| &frame[160 * 90..]).map(|&level| f64::from(level.abs_diff(128))));
    (luma, chroma)
}

#[test]
fn field_case_19_a_large_source_gets_its_full_size_and_a_small_one_no_more_than_it_has() {
    let large = lavfi(&["testsrc2=d=0.1:r=20:s=3840x2160"], &["-preset", "ultrafast"], "a.mp4");
    let made = Trial::new(&large, &[media_output("out.mp4", sized(Size::ShortSide(1080)))]);
    assert_eq!((made.made.media().video[0].width, made.made.media().video[0].height), (1920, 1080));
    let small = fixture("normal/tiny_aac_180p.mp4");
    for (size, upscale, expected) in [
        (Size::ShortSide(1080), false, (320, 180)),
        (Size::Box { width: Some(1280), height: Some(720) }, false, (320, 180)),
        (Size::ShortSide(360), true, (640, 360)),
    ] {
        let made = Trial::new(&small, &[first_second(VideoEncode { upscale, ..sized(size) })]);
        let video = &made.made.media().video[0];
        assert_eq!((video.width, video.height), expected, "{size:?} {upscale}");
    }
}

#[test]
fn real_interlaced_files_have_no_combs_left() {
    for file in real("interlaced/xdcam_ex_1080i50.mov", "interlaced") {
        let encode = VideoEncode { treatment: Treatment::default(), ..fine(Size::Source) };
        let trial = Trial::new(&file, &[first_second(encode)]);
        let (fields, progressive) = super::treatment::combed(&trial, "out.mp4");
        // Two frames tell nothing.
        assert!(
            fields * 10 <= progressive || fields + progressive < 5,
            "{}: {fields} fields, {progressive} frames",
            file.display()
        );
    }
}

#[test]
fn colours_are_tagged_for_what_they_are() {
    for (source, arguments, expected) in [
        ("testsrc2=d=0.2:r=10:s=720x576", vec!["-pix_fmt", "yuv420p"], "tv,smpte170m,smpte170m,smpte170m"),
        ("testsrc2=d=0.2:r=10:s=1280x720", vec!["-pix_fmt", "yuv420p"], "tv,bt709,bt709,bt709"),
        (
            "testsrc2=d=0.2:r=10:s=720x576,format=yuv420p,setparams=colorspace=bt470bg:color_trc=bt470bg:color_primaries=bt470bg",
            vec!["-colorspace", "bt470bg", "-color_trc", "gamma28", "-color_primaries", "bt470bg"],
            "tv,bt470bg,bt470bg,bt470bg",
        ),
        ("testsrc2=d=0.2:r=10:s=320x180,format=gbrp", vec!["-c:v", "libx264rgb"], "tv,bt709,bt709,bt709"),
    ] {
        let clip = lavfi(&[source], &arguments, "a.mkv");
        let trial = Trial::new(&clip, &[media_output("out.mp4", encoded())]);
        let tags = trial.ffprobe("out.mp4", "v", "stream=color_range,color_space,color_transfer,color_primaries");
        let mut parts: Vec<&str> = tags[0].split(',').collect();
        let mut wanted: Vec<&str> = expected.split(',').collect();
        parts.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(parts, wanted, "{source}");
    }
    // All 256 levels of a photograph fit into the 220 of video.
    let full =
        lavfi(&["color=gray:d=0.2:r=10:s=64x64,scale=out_range=pc,format=yuvj420p"], &["-c:v", "mjpeg"], "a.avi");
    let trial = Trial::new(&full, &[media_output("out.mp4", fine(Size::Source))]);
    let grey = trial.levels("out.mp4", (0, 0, 64, 64))[0];
    assert_eq!(grey, 126, "128 of 0 to 255 is 126 of 16 to 235");
    assert_eq!(trial.ffprobe("out.mp4", "v", "stream=color_range"), ["tv"]);
}
