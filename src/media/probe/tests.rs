//! Probes of clips made by the `ffmpeg` command, compared with those of `ffprobe`.

use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reelmill::model::media::{Hdr, MediaInfo};
use reelmill::worker::protocol::{Input, Source as Kind};
use reelmill::worker::ranges;
use serde_json::Value;

use super::media_info;
use crate::source::Source;
use crate::testing::{generate, source_of};

const CLIP: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=d=2:r=25:s=192x108"];
const TONE: [&str; 4] = ["-f", "lavfi", "-i", "sine=f=440:d=2:r=48000"];

fn probe(path: &Path) -> MediaInfo {
    media_info(&mut source_of(path).open().unwrap()).unwrap()
}

fn ffprobe(path: &Path) -> Value {
    let arguments = ["-v", "error", "-of", "json", "-show_format", "-show_streams"];
    let output = Command::new("ffprobe").args(arguments).arg(path).output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

fn args<'a>(parts: &[&[&'a str]]) -> Vec<&'a str> {
    parts.concat()
}

/// Overwrites bytes of an MP4 box, counted from its name.
fn patch(path: &Path, name: [u8; 4], offset: usize, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let content = std::fs::read(path).unwrap();
    let at = content.windows(4).position(|window| window == name.as_slice()).unwrap();
    file.write_all_at(bytes, (at + offset) as u64).unwrap();
}

#[test]
fn a_plain_clip_is_described_as_ffprobe_does() {
    let encode = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-metadata:s:a", "language=deu"];
    let clip = generate(&args(&[&CLIP, &TONE, &encode, &["-metadata", "title=Größe"]]), "clip.mp4");
    let (info, reference) = (probe(&clip), ffprobe(&clip));
    let (video, audio) = (&info.video[0], &info.audio[0]);
    let (v, a) = (&reference["streams"][0], &reference["streams"][1]);

    assert_eq!(info.format.name, reference["format"]["format_name"]);
    assert_eq!(info.format.tags["title"], "Größe");
    assert_eq!(info.format.size_bytes, std::fs::metadata(&*clip).unwrap().len());
    assert!((info.format.duration_s.unwrap() - number(&reference["format"]["duration"])).abs() < 1e-6);
    assert_eq!(video.codec, v["codec_name"]);
    assert_eq!(video.profile.as_deref(), v["profile"].as_str());
    assert_eq!(video.level.map(i64::from), v["level"].as_i64());
    assert_eq!((video.width, video.height, video.short_side, video.long_side), (192, 108, 108, 192));
    assert_eq!(video.pixel_format.as_deref(), v["pix_fmt"].as_str());
    assert_eq!(video.bit_depth, Some(8));
    assert_eq!(video.frames, Some(50));
    assert!((video.frame_rate - 25.0).abs() < 1e-9);
    assert!(!video.variable_frame_rate && !video.interlaced && !video.alpha && video.default);
    assert_eq!(video.field_order.as_deref(), Some("progressive"));
    assert!((video.duration_s.unwrap() - number(&v["duration"])).abs() < 1e-6);
    assert_eq!(video.bit_rate.unwrap().to_string(), v["bit_rate"]);
    assert_eq!(audio.codec, a["codec_name"]);
    assert_eq!(audio.profile.as_deref(), a["profile"].as_str());
    assert_eq!(audio.sample_rate.to_string(), a["sample_rate"]);
    assert_eq!(Some(u64::from(audio.channels)), a["channels"].as_u64());
    assert_eq!(audio.layout.as_deref(), a["channel_layout"].as_str());
    assert_eq!(audio.sample_format.as_deref(), a["sample_fmt"].as_str());
    assert_eq!(audio.language.as_deref(), Some("deu"));
}

#[test]
fn rotation_is_clockwise_and_turns_the_size() {
    const ONE: i32 = 1 << 16;
    for (a, b, c, d, rotation, size) in
        [(0, ONE, -ONE, 0, 90, (108, 192)), (-ONE, 0, 0, -ONE, 180, (192, 108)), (0, -ONE, ONE, 0, 270, (108, 192))]
    {
        let clip = generate(&args(&[&CLIP, &["-vf", "setsar=4/3", "-c:v", "libx264"]]), "clip.mp4");
        let matrix: Vec<u8> = [a, b, 0, c, d, 0, 0, 0, 1 << 30].iter().flat_map(|n: &i32| n.to_be_bytes()).collect();
        patch(&clip, *b"tkhd", 44, &matrix);
        let video = probe(&clip).video.remove(0);
        assert_eq!((video.rotation, (video.width, video.height)), (rotation, size));
        assert_eq!((video.coded_width, video.coded_height), (192, 108));
        let aspect = video.sample_aspect_ratio.unwrap();
        assert_eq!((aspect.num, aspect.den), if rotation == 180 { (4, 3) } else { (3, 4) });
    }
}

#[test]
fn a_variable_frame_rate_shows() {
    let select = ["-vf", "select='lt(mod(n,7),3)'", "-fps_mode", "vfr", "-c:v", "libx264"];
    let clip = generate(&args(&[&CLIP, &select]), "clip.mkv");
    let video = probe(&clip).video.remove(0);
    assert!(video.variable_frame_rate);
    assert!(video.frame_rate > 8.0 && video.frame_rate < 13.0, "{}", video.frame_rate);
}

#[test]
fn kinds_of_high_dynamic_range_are_told_apart() {
    for (transfer, expected) in [("smpte2084", Hdr::Hdr10), ("arib-std-b67", Hdr::Hlg)] {
        let color = ["-color_primaries", "bt2020", "-colorspace", "bt2020nc", "-color_trc", transfer];
        let encode = ["-frames:v", "5", "-c:v", "libx264", "-pix_fmt", "yuv420p10le"];
        let clip = generate(&args(&[&CLIP, &color, &encode]), "clip.mp4");
        let video = probe(&clip).video.remove(0);
        assert_eq!(video.hdr, Some(expected));
        assert_eq!(video.bit_depth, Some(10));
        assert_eq!(video.color_primaries.as_deref(), Some("bt2020"));
        assert_eq!(video.color_transfer.as_deref(), Some(transfer));
    }
}

#[test]
fn interlacing_shows_where_only_frames_tell() {
    let fields = ["-vf", "tinterlace=interleave_top", "-c:v", "mpeg4", "-flags", "+ildct+ilme"];
    let clip = generate(&args(&[&CLIP, &fields]), "clip.avi");
    let video = probe(&clip).video.remove(0);
    assert!(video.interlaced);
    assert_eq!(video.field_order.as_deref(), Some("tt"));
}

#[test]
fn subtitles_chapters_and_cover_art_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (text, chapters) = (folder.path().join("a.srt"), folder.path().join("a.txt"));
    std::fs::write(&text, "1\n00:00:00,000 --> 00:00:01,000\nHello\n").unwrap();
    let marks = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1500\ntitle=One\n";
    std::fs::write(&chapters, marks).unwrap();
    let (text, chapters) = (text.to_str().unwrap(), chapters.to_str().unwrap());
    let map = ["-map", "0", "-map", "1", "-map_metadata", "2", "-c:v", "libx264", "-disposition:s:0", "forced"];
    let clip = generate(
        &args(&[&CLIP, &["-i", text, "-f", "ffmetadata", "-i", chapters], &map, &["-metadata:s:s", "language=fra"]]),
        "clip.mkv",
    );
    let info = probe(&clip);
    assert_eq!(info.subtitles[0].language.as_deref(), Some("fra"));
    assert!(info.subtitles[0].text && info.subtitles[0].forced);
    assert_eq!(info.chapters[0].title.as_deref(), Some("One"));
    assert!((info.chapters[0].end_s - 1.5).abs() < 1e-6);

    let cover = ["-map", "0:a", "-map", "1:v", "-frames:v", "1", "-c:v", "png", "-disposition:v", "attached_pic"];
    let song = generate(&args(&[&TONE, &CLIP, &cover, &["-c:a", "flac"]]), "song.flac");
    let info = probe(&song);
    assert!(info.video.is_empty());
    assert_eq!((info.pictures[0].width, info.pictures[0].height), (192, 108));
}

#[test]
fn durations_come_from_packets_where_headers_lie_or_say_nothing() {
    let clip = generate(&args(&[&CLIP, &TONE, &["-c:v", "libx264", "-c:a", "aac"]]), "clip.mp4");
    patch(&clip, *b"mvhd", 20, &0xffff_fffe_u32.to_be_bytes());
    let duration = probe(&clip).format.duration_s.unwrap();
    assert!((duration - 2.0).abs() < 0.1, "{duration}");

    let live = generate(&args(&[&CLIP, &["-c:v", "libvpx", "-deadline", "realtime", "-live", "1"]]), "live.webm");
    let duration = probe(&live).format.duration_s.unwrap();
    assert!((duration - 2.0).abs() < 0.05, "{duration}");

    let front = ["-c:v", "libx264", "-g", "10", "-x264opts", "bframes=0", "-movflags", "+faststart"];
    let cut = generate(&args(&[&CLIP, &front]), "cut.mp4");
    let size = std::fs::metadata(&*cut).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&*cut).unwrap().set_len(size * 6 / 10).unwrap();
    let duration = probe(&cut).format.duration_s.unwrap();
    assert!(duration > 0.4 && duration < 1.7, "{duration}");
}

/// Serves a file by ranges and counts the bytes asked for.
fn counted(path: &Path) -> (Source, Arc<AtomicU64>) {
    let file = std::fs::File::open(path).unwrap();
    let size_bytes = file.metadata().unwrap().len();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let served = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&served);
    std::thread::spawn(move || {
        let mut socket = ours;
        let mut request = [0; ranges::REQUEST_BYTES];
        while socket.read_exact(&mut request).is_ok() {
            let (offset, length) = ranges::decode(request);
            let mut bytes = vec![0; length as usize];
            let read = file.read_at(&mut bytes, offset).unwrap();
            counter.fetch_add(read as u64, Ordering::Relaxed);
            socket.write_all(&i32::try_from(read).unwrap().to_le_bytes()).unwrap();
            socket.write_all(&bytes[..read]).unwrap();
        }
    });
    let input = Input { source: Kind::Ranges, size_bytes, ext: String::new() };
    (Source::new(theirs.into(), &input), served)
}

#[test]
fn a_large_file_is_not_read_whole() {
    for (name, container) in [("large.mov", "-c:a pcm_s16le"), ("large.mkv", "-c:a pcm_s16le -cues_to_front 1")] {
        let long = ["-f", "lavfi", "-i", "testsrc2=d=240:r=5:s=64x36", "-f", "lavfi", "-i", "sine=d=240:r=96000"];
        let encode = ["-c:v", "mpeg4", "-ac", "2"];
        let container: Vec<&str> = container.split(' ').collect();
        let clip = generate(&args(&[&long, &encode, &container]), name);
        let size = std::fs::metadata(&*clip).unwrap().len();
        assert!(size > 80 << 20, "{name}: {size}");
        let (source, served) = counted(&clip);
        let info = media_info(&mut source.open().unwrap()).unwrap();
        let served = served.load(Ordering::Relaxed);
        assert!((info.format.duration_s.unwrap() - 240.0).abs() < 0.1, "{name}: {:?}", info.format.duration_s);
        assert!((info.video[0].frame_rate - 5.0).abs() < 0.01, "{name}: {}", info.video[0].frame_rate);
        assert!(served < 32 << 20, "{name}: {served} bytes read of {size}");
        println!("{name}: {served} bytes read of {size}");
    }
}
