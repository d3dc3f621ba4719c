//! What tests of media share: clips made by the `ffmpeg` command, and opening them the way the worker does.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use reelmill::model::Failure;
use reelmill::model::media::MediaInfo;
use reelmill::model::work::{
    Analysis, Audio, AudioCodec, AudioEncode, Container, Finding, Fit, FrameRate, IfIncomplete, Level, MediaOutput,
    Output, Pipeline, Produced, RateControl, Size, Subtitles, Tracks, Treatment, Video, VideoCodec, VideoEncode,
};
use reelmill::worker::protocol::{Input, Message, Source as Kind};

use crate::pipeline::{self, JobContext};
use crate::source::Source;
use crate::talk::Talk;

/// A generated clip in a folder that goes with it.
#[derive(Debug)]
pub struct Clip {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for Clip {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// Runs `ffmpeg` with `arguments` to make a file called `name`.
pub fn generate(arguments: &[&str], name: &str) -> Clip {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let output = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).arg(&path).output().unwrap();
    assert!(output.status.success(), "ffmpeg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Clip { path, _folder: folder }
}

/// A file as the worker gets it: a descriptor and what the protocol says about it.
pub fn source_of(path: &Path) -> Source {
    let file = File::open(path).unwrap();
    let size_bytes = file.metadata().unwrap().len();
    Source::new(file.into(), &Input { source: Kind::File, size_bytes, ext: String::new() })
}

/// What a pipeline made, and what it said meanwhile.
pub struct Made {
    /// One result for each output.
    pub outcomes: Result<Vec<Result<Produced, Failure>>, Failure>,
    /// Everything it said.
    pub said: Vec<Message>,
}

impl Made {
    /// The warnings, as code and message.
    pub fn warnings(&self) -> Vec<(&str, &str)> {
        let mut warnings = Vec::new();
        for said in &self.said {
            if let Message::Warning { code, message } = said {
                warnings.push((code.as_str(), message.as_str()));
            }
        }
        warnings
    }

    /// The failure of the first output, or of all.
    pub fn failure(&self) -> &Failure {
        match &self.outcomes {
            Err(failure) => failure,
            Ok(outcomes) => outcomes[0].as_ref().unwrap_err(),
        }
    }

    /// What was made, all of it.
    pub fn produced(&self) -> Vec<&Produced> {
        self.outcomes.as_ref().unwrap().iter().map(|outcome| outcome.as_ref().unwrap()).collect()
    }

    /// Media information of the first output.
    pub fn media(&self) -> &MediaInfo {
        self.produced()[0].files[0].media.as_ref().unwrap()
    }
}

/// Runs a pipeline of `outputs` over `inputs`.
pub fn run(outputs: &[Output], inputs: &[Source], scratch: &Path) -> Made {
    run_if(outputs, inputs, scratch, IfIncomplete::Warn)
}

/// The same, and what happens where an input is incomplete.
pub fn run_if(outputs: &[Output], inputs: &[Source], scratch: &Path, if_incomplete: IfIncomplete) -> Made {
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
    let said = Shared::default();
    let talk = Talk::new(said.clone());
    let context = JobContext { scratch, threads: 0, talk: &talk, if_incomplete };
    let work = Pipeline { outputs: outputs.to_vec(), if_incomplete };
    let outcomes = Mutex::new(None);
    let task = pipeline::Task { number: 0, work: &work, inputs, context, stop: Arc::default() };
    pipeline::run(vec![task], &talk, &|_, made| *outcomes.lock().unwrap() = Some(made));
    let outcomes = outcomes.into_inner().unwrap().expect("it answers");
    let bytes = said.0.lock().unwrap();
    let said = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    Made { outcomes, said: said.map(|line| serde_json::from_slice(line).unwrap()).collect() }
}

/// Analyses `source`; `tell` hears what is said meanwhile.
pub fn analyse(source: &Source, analysis: &Analysis, tell: &dyn Fn(&Message)) -> Result<MediaInfo, Failure> {
    analyse_if(source, analysis, tell, IfIncomplete::Warn)
}

/// The same, and what happens where the source is incomplete.
pub fn analyse_if(
    source: &Source,
    analysis: &Analysis,
    tell: &dyn Fn(&Message),
    if_incomplete: IfIncomplete,
) -> Result<MediaInfo, Failure> {
    let scratch = tempfile::tempdir().unwrap();
    let outputs = [Output::Analysis(analysis.clone())];
    let made = run_if(&outputs, std::slice::from_ref(source), scratch.path(), if_incomplete);
    made.said.iter().for_each(tell);
    match made.outcomes?.remove(0)?.finding {
        Some(Finding::Media(info)) => Ok(*info),
        None => panic!("nothing was found out"),
    }
}

/// A writer whose bytes can be read back.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Quick H.264 in the source's size.
pub fn encoded() -> VideoEncode {
    VideoEncode {
        codec: VideoCodec::H264,
        encoder: None,
        profile: None,
        level: None,
        preset: Some("ultrafast".into()),
        tune: None,
        rate_control: RateControl::Crf { crf: 28.0, maxrate_bps: None, bufsize_bits: None },
        gop: None,
        quality: None,
        two_passes: false,
        b_frames: None,
        refs: None,
        size: Size::Source,
        fit: Fit::Rescale,
        upscale: false,
        frame_rate: FrameRate::Source,
        treatment: Treatment::default(),
        pixel_format: None,
    }
}

/// AAC of the main track.
pub fn aac() -> AudioEncode {
    AudioEncode {
        codec: AudioCodec::Aac,
        profile: None,
        bitrate_bps: Some(96_000),
        sample_rate: None,
        bit_depth: None,
        channels: None,
        tracks: Tracks::Main,
        level: Level::Source,
        mix: None,
    }
}

/// A transcode to MP4 with AAC.
pub fn media_output(file: &str, video: VideoEncode) -> Output {
    Output::Media(MediaOutput {
        file: file.into(),
        container: Container::Mp4,
        video: Some(Video::Encode(video)),
        audio: Some(Audio::Encode(aac())),
        subtitles: Subtitles::None,
        subtitle_files: Vec::new(),
        burn: None,
        clip: None,
        parts: Vec::new(),
        overlays: Vec::new(),
        metadata: true,
        chapters: true,
    })
}
