//! Files that nobody showed the programs, made on the spot: what phones, cameras and recorders write, what is cut off,
//! damaged or made to harm. Each goes through analysis, transcode and snapshot, and ends in time in a right output or in a
//! failure with a code of media; a worker that crashes or hangs has another code.
//!
//! Damage is random by seeds, which failures name; `REELMILL_SEED` adds one.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::corpus::{Outcome, each, errors};
use crate::support::{files, fixture, run_workflow, workflow};

/// A picture and a tone of three seconds.
const BASE: &[&str] = &["-f", "lavfi", "-i", "testsrc2=d=3:r=25:s=320x180", "-f", "lavfi", "-i", "sine=d=3:r=48000"];

const WORKFLOW: &str = "
name: unseen
output: { bucket: media, prefix: 'out/' }
timeout: 90s
retry: { attempts: 1 }
activities:
  probe:
    analysis: {}
  base:
    needs: probe
    transcode: { template: h264-240p, video: { preset: ultrafast }, name: base.mp4 }
  poster:
    when: probe.has_video
    snapshot: { at: 10%, width: 160, name: poster.jpg }
";

/// How a file is to end.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// In an output of so many seconds.
    Right(f64),
    /// In a failure.
    Refused,
    /// In either.
    Either,
}

use Expected::{Either, Refused, Right};

/// Where files are made.
struct Makers<'a> {
    folder: &'a Path,
    made: Vec<(String, PathBuf, Expected)>,
}

impl Makers<'_> {
    /// A file by the `ffmpeg` command.
    fn ffmpeg(&mut self, name: &str, arguments: &[&str], expected: Expected) -> PathBuf {
        let path = self.folder.join(name);
        let output = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).arg(&path).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        self.made.push((name.to_owned(), path.clone(), expected));
        path
    }

    /// The picture and the tone, written so.
    fn base(&mut self, name: &str, arguments: &[&str], expected: Expected) -> PathBuf {
        self.ffmpeg(name, &[BASE, arguments].concat(), expected)
    }

    /// A file of these bytes.
    fn bytes(&mut self, name: &str, bytes: &[u8], expected: Expected) {
        let path = self.folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        self.made.push((name.to_owned(), path, expected));
    }
}

/// Numbers that look like chance (xorshift).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// A copy with `count` bytes changed somewhere from `from` on.
fn damaged(bytes: &[u8], from: usize, count: usize, seed: u64) -> Vec<u8> {
    let (mut bytes, mut chance) = (bytes.to_vec(), Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
    for _ in 0..count {
        let at = from + chance.below(bytes.len() - from);
        bytes[at] = chance.next().to_le_bytes()[0];
    }
    bytes
}

fn position(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

/// What cameras, phones and recorders write.
fn unusual(makers: &mut Makers<'_>) {
    let (aac, pcm) = (["-c:a", "aac"], ["-c:a", "pcm_s16le"]);
    let base = makers.base("plain.mp4", &aac, Right(3.0));
    let base = base.to_str().unwrap();
    makers.ffmpeg("edited.mp4", &["-ss", "1", "-i", base, "-c", "copy"], Either);
    makers.ffmpeg("turned.mp4", &["-i", base, "-c", "copy", "-metadata:s:v", "rotate=90"], Right(3.0));
    makers.base("odd.mp4", &["-vf", "scale=321:181", "-pix_fmt", "yuv444p", "-c:a", "aac"], Right(3.0));
    makers.base("one_pixel.mkv", &["-vf", "scale=1:1", "-c:v", "ffv1", "-c:a", "flac"], Either);
    let vary = ["-vf", "select='lt(mod(n,7),3)'", "-fps_mode", "vfr", "-bf", "0", "-c:a", "aac"];
    makers.base("varying.mp4", &vary, Either);
    makers.base("negative.mp4", &["-bf", "3", "-movflags", "negative_cts_offsets", "-c:a", "aac"], Right(3.0));
    let two = ["-map", "0:v", "-map", "1:a", "-map", "1:a", "-metadata:s:a:0", "language=eng", "-c:a", "flac"];
    makers.base("two_tracks.mkv", &two, Right(3.0));
    let still = makers.base("still.jpg", &["-map", "0:v", "-frames:v", "1"], Either);
    let tone = ["-f", "lavfi", "-i", "sine=d=3:r=48000", "-i", still.to_str().unwrap(), "-map", "0", "-map", "1"];
    let cover = ["-c:a", "aac", "-c:v", "copy", "-disposition:v", "attached_pic"];
    makers.ffmpeg("cover.m4a", &[&tone[..], &cover].concat(), Right(3.0));
    // The clock of transport streams begins anew after 26.5 hours.
    makers.base("wrapped.ts", &[&aac[..], &["-output_ts_offset", "95441"]].concat(), Right(3.0));
    let stream = std::fs::read(makers.base("stream.ts", &aac, Right(3.0))).unwrap();
    makers.bytes("begins_late.ts", &[&[0x5a; 1_000][..], &stream].concat(), Right(3.0));
    let later = makers.base("later.ts", &[&aac[..], &["-output_ts_offset", "20"]].concat(), Right(3.0));
    makers.bytes("gap.ts", &[stream, std::fs::read(later).unwrap()].concat(), Either);
    makers.base("deep.mov", &["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le", "-c:a", "pcm_s24le"], Right(3.0));
    makers.base("fields.mpg", &["-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-c:a", "mp2"], Right(3.0));
    makers.ffmpeg("mono.wav", &["-f", "lavfi", "-i", "sine=d=3"], Right(3.0));
    let all_around = ["-f", "lavfi", "-i", "sine=d=3,aformat=channel_layouts=7.1"];
    makers.ffmpeg("all_around.wav", &[&all_around[..], &pcm].concat(), Right(3.0));
    // A last frame more than was asked for, by the writer of each.
    makers.base("film.gif", &["-map", "0:v", "-r", "10"], Right(3.1));
    makers.base("picture.png", &["-map", "0:v", "-frames:v", "1"], Either);
    makers.base("picture.webp", &["-map", "0:v", "-frames:v", "1"], Either);
}

/// What is cut off, damaged, or made to harm.
fn hostile(makers: &mut Makers<'_>, port: u16) {
    let read = |path: PathBuf| std::fs::read(path).unwrap();
    let mp4 = read(makers.base("index_last.mp4", &["-c:a", "aac"], Right(3.0)));
    makers.bytes("index_lost.mp4", &mp4[..mp4.len() * 6 / 10], Refused);
    let mut huge = mp4.clone();
    let data = position(&huge, b"mdat");
    huge[data - 4..data].copy_from_slice(&[0xff; 4]);
    makers.bytes("huge_box.mp4", &huge, Either);
    let fast = read(makers.base("index_first.mp4", &["-c:a", "aac", "-movflags", "+faststart"], Right(3.0)));
    makers.bytes("half.mp4", &fast[..fast.len() / 2], Either);
    let nested: Vec<u8> =
        (0..3_000_u32).rev().flat_map(|n| [&(8 * (n + 1)).to_be_bytes()[..], b"moov"].concat()).collect();
    makers.bytes("nested.mp4", &nested, Refused);
    makers.bytes("nothing.mp4", b"", Refused);
    makers.bytes("text.mp4", b"this is no film\n".repeat(100).as_slice(), Refused);
    makers.bytes("enormous.y4m", b"YUV4MPEG2 W16384 H16384 F25:1 Ip A1:1 C420jpeg\nFRAME\n0123456789", Either);
    let avi = ["-c:v", "mpeg4", "-c:a", "libmp3lame"];
    let avi = read(makers.base("film.avi", &avi, Right(3.04)));
    let index = position(&avi, b"idx1") + 8;
    makers.bytes("bad_index.avi", &damaged(&avi, index, 500, 1), Either);
    let wav = read(makers.ffmpeg("tone.wav", &["-f", "lavfi", "-i", "sine=d=3"], Right(3.0)));
    let size = position(&wav, b"data") + 4;
    for (name, bytes) in [("too_long.wav", [0xff; 4]), ("too_short.wav", [10, 0, 0, 0])] {
        let mut wav = wav.clone();
        wav[size..size + 4].copy_from_slice(&bytes);
        makers.bytes(name, &wav, Either);
    }
    let film = fixture("normal/tiny_aac_180p.mp4");
    let (film, web) = (film.display(), format!("http://127.0.0.1:{port}/a.ts"));
    let playlist = |target: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n");
    makers.bytes("file.m3u8", playlist(&format!("file:{film}")).as_bytes(), Refused);
    makers.bytes("web.m3u8", playlist(&web).as_bytes(), Refused);
    makers.bytes("web.mp4", playlist(&web).as_bytes(), Refused);
    makers.bytes("file.ffconcat", format!("ffconcat version 1.0\nfile '{film}'\n").as_bytes(), Refused);
    makers.bytes("web.ffconcat", format!("ffconcat version 1.0\nfile '{web}'\n").as_bytes(), Refused);
    let own: Option<u64> = std::env::var("REELMILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let stream = read(makers.base("source.ts", &["-c:a", "aac"], Right(3.0)));
    let mkv = read(makers.base("source.mkv", &["-c:a", "aac"], Right(3.0)));
    for seed in (1..=4).chain(own) {
        makers.bytes(&format!("header_seed_{seed}.mp4"), &damaged(&fast, 0, 20, seed), Either);
        makers.bytes(&format!("media_seed_{seed}.mp4"), &damaged(&fast, 6_000, 200, seed), Either);
        makers.bytes(&format!("seed_{seed}.ts"), &damaged(&stream, 0, 200, seed), Either);
        makers.bytes(&format!("seed_{seed}.mkv"), &damaged(&mkv, 0, 100, seed), Either);
    }
}

/// Numbers that `ffprobe` says of the packets of a stream; none where there is no such stream.
fn packets(file: &Path, stream: &str, entry: &str) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-show_entries", entry, "-of", "csv=p=0"])
        .arg(file)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect()
}

/// What is wrong with an output that is to have `seconds`, where they are known.
fn judged(file: &Path, seconds: Option<f64>) -> Outcome {
    let mut lengths = Vec::new();
    for stream in ["v", "a"] {
        let (shown, decoded) = (packets(file, stream, "packet=pts_time"), packets(file, stream, "packet=dts_time"));
        if shown.is_empty() {
            continue;
        }
        if decoded.windows(2).any(|pair| pair[1] <= pair[0]) {
            return Err(format!("times of {stream} do not rise"));
        }
        let mut sorted = shown.clone();
        sorted.sort_by(f64::total_cmp);
        if sorted.windows(2).any(|pair| pair[1] <= pair[0]) {
            return Err(format!("two packets of {stream} are shown at one time"));
        }
        lengths.extend(packets(file, stream, "stream=duration").first().map(|length| (stream, *length)));
    }
    let off = |length: f64| seconds.is_some_and(|seconds| (length - seconds).abs() >= 0.04);
    match lengths.iter().find(|(_, length)| off(*length)) {
        _ if lengths.is_empty() => Err("the output has no stream".to_owned()),
        Some((stream, length)) => Err(format!("{stream} has {length} s instead of {seconds:?}")),
        None => Ok(()),
    }
}

#[test]
fn files_that_nobody_showed_end_in_a_right_output_or_a_coded_failure() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut makers = Makers { folder: folder.path(), made: Vec::new() };
    unusual(&mut makers);
    hostile(&mut makers, listener.local_addr().unwrap().port());
    let (_folder, workflow) = workflow(WORKFLOW);
    each(
        makers.made,
        |(name, _, _)| name.clone(),
        |(_, file, expected)| {
            let output = tempfile::tempdir().unwrap();
            let (exit, execution) = run_workflow(&workflow, file, output.path());
            let errors = errors(&execution);
            match (exit, execution["state"].as_str(), expected) {
                (0, Some("succeeded"), Right(_) | Either) => {
                    let made = files(output.path());
                    let film =
                        made.iter().find(|name| name.ends_with("base.mp4")).ok_or(format!("no film: {made:?}"))?;
                    let seconds = if let Right(seconds) = expected { Some(*seconds) } else { None };
                    judged(&output.path().join(film), seconds)
                }
                (1, Some("failed"), Refused | Either) => {
                    let coded = !errors.is_empty() && errors.iter().all(|error| error.contains("\"MEDIA"));
                    if coded { Ok(()) } else { Err(format!("not a failure of the media: {errors:?}")) }
                }
                (exit, state, expected) => {
                    Err(format!("exit {exit}, {state:?}, not {expected:?}: {}", errors.join("; ")))
                }
            }
        },
    );
    assert!(listener.accept().is_err(), "something that a file named was fetched");
}
