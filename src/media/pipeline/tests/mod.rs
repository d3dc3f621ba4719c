//! Whole pipelines over clips that the `ffmpeg` command makes. Every output was verified by the pipeline itself;
//! these tests look at what that does not.

use std::path::{Path, PathBuf};
use std::process::Command;

use reelmill::model::media::Ratio;
use reelmill::model::work::{
    Audio, AudioEncode, Clip, Color, Container, FileRole, FrameRate, FrameType, Gop, ImageFormat, Length, MediaOutput,
    Moment, Output, Overlay, OverlayContent, ReferencePosition, Size, Snapshot, SnapshotTimes, Sprite, Subtitles,
    Tracks, Video, VideoEncode,
};

use crate::testing::{Made, aac, encoded, generate, media_output, run, source_of};

mod changes;
mod codecs;
mod colours;
mod delays;
mod faults;
mod field_cases;
mod files;
#[cfg(feature = "fdk-aac")]
mod fraunhofer;
mod groups;
mod hdr;
mod incomplete;
mod joined;
mod loud;
mod parts;
mod pictures;
mod rates;
mod rates_change;
mod real;
mod real_pictures;
mod remux;
mod sharing;
mod shots;
mod sound;
mod subtitles;
mod treatment;
mod watermarks;
mod webvtt;

/// A scratch folder and what a pipeline made in it.
struct Trial {
    scratch: tempfile::TempDir,
    made: Made,
}

impl Trial {
    fn new(clip: &Path, outputs: &[Output]) -> Self {
        Self::with(&[clip], outputs)
    }

    fn with(inputs: &[&Path], outputs: &[Output]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let sources: Vec<_> = inputs.iter().map(|path| source_of(path)).collect();
        let made = run(outputs, &sources, scratch.path());
        Self { scratch, made }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.scratch.path().join(file)
    }

    /// What `ffprobe` says about `entries` of the streams `select`, one line for each.
    fn ffprobe(&self, file: &str, select: &str, entries: &str) -> Vec<String> {
        let path = self.path(file);
        let arguments = ["-v", "error", "-select_streams", select, "-show_entries", entries, "-of", "csv=p=0"];
        let output = Command::new("ffprobe").args(arguments).arg(path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim_end_matches(',').to_owned()).filter(|line| !line.is_empty()).collect()
    }

    fn times(&self, file: &str, select: &str) -> Vec<f64> {
        let lines = self.ffprobe(file, select, "packet=pts_time");
        let mut times: Vec<f64> = lines.iter().map(|line| line.parse().unwrap()).collect();
        times.sort_by(f64::total_cmp);
        times
    }

    /// How much the video of `file` is like that of `source` after `filter` of the `ffmpeg` command, from 0 to 1 (SSIM).
    fn similarity(&self, file: &str, source: &Path, filter: &str) -> f64 {
        let graph = format!(
            "[0:v]settb=1/1000,setpts=N[a];[1:v]{filter},settb=1/1000,setpts=N,format=yuv420p[b];[a][b]ssim=shortest=1"
        );
        let output = Command::new("ffmpeg")
            .args(["-v", "info", "-i"])
            .arg(self.path(file))
            .arg("-i")
            .arg(source)
            .args(["-lavfi", &graph, "-f", "null", "-"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let all = said.split("All:").nth(1).unwrap_or_else(|| panic!("{said}"));
        all.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Mean of luma and chroma, as they are stored, of `w`×`h` pixels at `x`, `y` of the first frame.
    fn levels(&self, file: &str, (x, y, w, h): (u32, u32, u32, u32)) -> [u8; 3] {
        let filter = format!("crop={w}:{h}:{x}:{y},scale=2:2:flags=area,format=yuv444p");
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(self.path(file))
            .args(["-frames:v", "1", "-vf", &filter, "-f", "rawvideo", "-"])
            .output()
            .unwrap();
        [output.stdout[0], output.stdout[4], output.stdout[8]]
    }

    /// Mean of red, green and blue of `w`×`h` pixels at `x`, `y` of the first frame.
    fn colour(&self, file: &str, rectangle: (u32, u32, u32, u32)) -> [u8; 3] {
        self.colour_of(file, 0, rectangle)
    }

    /// The same of the frame with that number, from 0.
    fn colour_of(&self, file: &str, frame: u32, (x, y, w, h): (u32, u32, u32, u32)) -> [u8; 3] {
        let filter = format!("select=eq(n\\,{frame}),crop={w}:{h}:{x}:{y},scale=1:1:flags=area,format=rgb24");
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(self.path(file))
            .args(["-frames:v", "1", "-vf", &filter, "-f", "rawvideo", "-"])
            .output()
            .unwrap();
        output.stdout[..3].try_into().unwrap()
    }

    /// The first frame as grey levels, row by row.
    fn grey(&self, file: &str) -> Vec<u8> {
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(self.path(file))
            .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
            .output()
            .unwrap();
        output.stdout
    }
}

fn is_near(one: [u8; 3], other: [u8; 3]) -> bool {
    one.iter().zip(other).all(|(&a, b)| a.abs_diff(b) < 30)
}

fn lavfi(sources: &[&str], rest: &[&str], name: &str) -> crate::testing::Clip {
    let inputs = sources.iter().flat_map(|source| ["-f", "lavfi", "-i", *source]);
    generate(&inputs.chain(rest.iter().copied()).collect::<Vec<_>>(), name)
}

/// A copy of an MP4 whose first track says that it is to be shown turned a quarter clockwise.
fn turned(clip: &Path) -> PathBuf {
    const MATRIX_FROM_TYPE: usize = 44;
    const ONE: i32 = 1 << 16;
    let mut bytes = std::fs::read(clip).unwrap();
    let header = bytes.windows(4).position(|window| window == b"tkhd").unwrap();
    let matrix = [0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30];
    for (at, number) in (header + MATRIX_FROM_TYPE..).step_by(4).zip(matrix) {
        bytes[at..at + 4].copy_from_slice(&i32::to_be_bytes(number));
    }
    let turned = clip.with_file_name("turned.mp4");
    std::fs::write(&turned, bytes).unwrap();
    turned
}

fn sized(size: Size) -> VideoEncode {
    VideoEncode { size, ..encoded() }
}

fn with(change: impl FnOnce(&mut MediaOutput)) -> Output {
    let Output::Media(mut media) = media_output("out.mp4", encoded()) else { unreachable!() };
    change(&mut media);
    Output::Media(media)
}

fn shots(at: SnapshotTimes, format: ImageFormat, file: &str) -> Snapshot {
    Snapshot {
        file: file.into(),
        at,
        format,
        size: Size::Source,
        quality: 90,
        sprite: None,
        vtt: None,
        cells: None,
        frame_type: FrameType::Normal,
        black_level: None,
        animation: None,
    }
}

fn sprite(columns: u32, rows: u32, width: u32) -> Sprite {
    let color = Color::default();
    Sprite { columns, rows, width, height: None, margin: 0, padding: 0, color, step: 1, one_sheet: false }
}
