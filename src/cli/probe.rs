//! `reelmill probe`: container and streams of a media file.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::output::Output;
use super::{CliError, Exit, FileArgs, WorkerArgs, local};
use crate::daemon::{InputCache, open_object};
use crate::model::media::MediaInfo;
use crate::model::work::{Analysis, Finding, Output as WorkOutput, Work};
use crate::model::{Failure, InputObject, JobId};
use crate::worker::input::{Input, InputBytes};
use crate::worker::scratch::ScratchRoot;
use crate::worker::supervisor::{Assignment, JobMessage, Limits, all_or_nothing, run_one};

/// Timeout for reading the headers of a file.
const LIMIT: Duration = Duration::from_secs(120);
/// Timeout for decoding all audio of a file.
const DECODING: Duration = Duration::from_secs(6 * 60 * 60);

/// Print the container, streams and duration of a media file.
///
/// `s3://bucket/key` is read from the daemon that runs in data folder DIR. If none runs there, it is read from the S3 of
/// the AWS environment (AWS_ENDPOINT_URL, AWS_PROFILE, …).
#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    #[command(flatten)]
    worker: WorkerArgs,
    #[command(flatten)]
    file: FileArgs,
    /// Measure loudness too: decodes all audio
    #[arg(long)]
    loudness: bool,
}

pub(super) async fn probe(args: ProbeArgs, output: Output) -> Result<Exit, CliError> {
    let (info, warnings) = look_closely(&args.worker, &args.file, args.loudness).await?;
    for warning in warnings {
        output.note(warning);
    }
    if output.json {
        output.json_line(&info);
    } else {
        print(&info, output);
    }
    Ok(Exit::Done)
}

/// Probes a file or an object `s3://bucket/key`. `loudness` decodes all audio.
pub(super) async fn look(worker: &WorkerArgs, file: &FileArgs, loudness: bool) -> Result<MediaInfo, CliError> {
    look_closely(worker, file, loudness).await.map(|(info, _)| info)
}

/// The same, with the warnings about it.
async fn look_closely(
    worker: &WorkerArgs,
    file: &FileArgs,
    loudness: bool,
) -> Result<(MediaInfo, Vec<String>), CliError> {
    let input = match local::parse_location(&file.file) {
        Some(location) => {
            let embedded = if file.aws { None } else { local::embedded(&file.data).await? };
            let objects = match embedded {
                Some(objects) => objects,
                None => local::s3().await,
            };
            let object = InputObject {
                location: location?,
                size_bytes: None,
                etag: None,
                version: None,
                metadata: std::collections::BTreeMap::new(),
            };
            open_object(&objects, &object, &InputCache::default()).await?
        }
        None => open_file(Path::new(&file.file))?,
    };
    let mut signals = local::Signals::catch()?;
    let (pool, _) = local::pool(worker, 0).await?;
    let folder = local::TemporaryFolder::create("probe")?;
    let scratch = ScratchRoot::open(folder.path())?.create(JobId(uuid::Uuid::nil()), 1)?;
    let (words, mut said) = mpsc::channel(16);
    let assignment = Assignment {
        inputs: vec![input],
        scratch: scratch.path().to_owned(),
        work: Work::one(WorkOutput::Analysis(Analysis { loudness, ..Analysis::default() })),
        limits: Limits {
            timeout: if loudness { DECODING } else { LIMIT },
            stall: LIMIT,
            grace: Duration::from_secs(1),
        },
        words,
        stop: CancellationToken::new(),
    };
    let mut warnings = Vec::new();
    let running = run_one(&pool, 0, assignment);
    tokio::pin!(running);
    let report = loop {
        tokio::select! {
            report = &mut running => break report?,
            Some(message) = said.recv() => warnings.extend(warning(message)),
            () = signals.next() => return Err(local::interrupted()),
        }
    };
    while let Ok(message) = said.try_recv() {
        warnings.extend(warning(message));
    }
    let finding = all_or_nothing(report)?.into_iter().find_map(|made| made.finding);
    let Some(Finding::Media(info)) = finding else {
        return Err(Failure::bug("WORKER0008", "the worker answered an analysis with something else").into());
    };
    Ok((*info, warnings))
}

/// Text of a worker's warning.
fn warning(message: JobMessage) -> Option<String> {
    match message {
        JobMessage::Warning { code, message } => Some(format!("warning: {code}: {message}")),
        JobMessage::Progress(_) => None,
    }
}

/// Opens a local file as an input.
pub(super) fn open_file(path: &Path) -> Result<Input, CliError> {
    let error = |error| CliError::file(path, &error);
    let file = std::fs::File::open(path).map_err(error)?;
    let metadata = file.metadata().map_err(error)?;
    if !metadata.is_file() {
        return Err(CliError::usage(format!("{} is not a file", path.display())));
    }
    let ext = path.extension().map(|ext| ext.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Input { bytes: InputBytes::File(file), size_bytes: metadata.len(), ext })
}

fn print(info: &MediaInfo, output: Output) {
    let format = &info.format;
    let duration = format.duration_s.map_or_else(|| "unknown".to_owned(), |seconds| format!("{seconds:.3} s"));
    output.line(format_args!("format    {}, {duration}, {} bytes", format.name, format.size_bytes));
    for video in &info.video {
        let mut facts = vec![
            video.codec.clone(),
            format!("{}x{}", video.width, video.height),
            format!("{:.3} fps", video.frame_rate),
        ];
        facts.extend(video.profile.clone());
        facts.extend(video.pixel_format.clone());
        facts.extend((video.rotation != 0).then(|| format!("rotated by {}°", video.rotation)));
        facts.extend(video.hdr.map(|hdr| format!("{hdr:?}")));
        facts.extend(video.interlaced.then(|| "interlaced".to_owned()));
        facts.extend(video.variable_frame_rate.then(|| "variable frame rate".to_owned()));
        output.line(format_args!("video {:<3} {}", video.index, facts.join(", ")));
    }
    for audio in &info.audio {
        let mut facts = vec![
            audio.codec.clone(),
            format!("{} Hz", audio.sample_rate),
            audio.layout.clone().unwrap_or_else(|| format!("{} channels", audio.channels)),
        ];
        facts.extend(audio.profile.clone());
        facts.extend(audio.language.clone());
        output.line(format_args!("audio {:<3} {}", audio.index, facts.join(", ")));
    }
    for subtitle in &info.subtitles {
        let mut facts = vec![subtitle.codec.clone()];
        facts.extend(subtitle.language.clone());
        output.line(format_args!("subs  {:<3} {}", subtitle.index, facts.join(", ")));
    }
    if let Some(loudness) = info.loudness {
        let value = |value: Option<f64>| value.map_or_else(|| "-inf".to_owned(), |value| format!("{value:.1}"));
        output.line(format_args!(
            "loudness  {} LUFS, range {} LU, true peak {} dBTP",
            value(loudness.integrated_lufs),
            value(loudness.range_lu),
            value(loudness.true_peak_dbtp)
        ));
    }
}
