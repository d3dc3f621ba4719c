//! Checks of what is installed (worker, FFmpeg, fonts) and of the workflow folder.

use std::path::Path;

use super::Check;
use crate::cli::local;
use crate::config::Config;
use crate::daemon::catalog::WorkflowFolder;
use crate::intake::Catalog;
use crate::model::Capabilities;
use crate::model::codec::{AudioCodec, PICTURE_ENCODERS, VideoCodec};
use crate::worker::pool::Pool;

/// Major versions of libavcodec that are supported: those of FFmpeg 5.1 to 8.
const SUPPORTED: std::ops::RangeInclusive<u32> = 59..=62;

/// Folders of system fonts; a worker has no home folder.
const FONTS: [&str; 2] = ["/usr/share/fonts", "/usr/local/share/fonts"];

/// Extensions of font files.
const FONT_EXTENSIONS: [&str; 5] = ["ttf", "otf", "ttc", "pfb", "woff2"];

/// Depth of nested folders that are searched for fonts.
const FONT_DEPTH: usize = 5;

/// Checks that a worker starts, and reports the capabilities that it lacks.
pub(super) async fn worker(config: &Config, checks: &mut Vec<Check>) -> Option<Capabilities> {
    const HINT: &str =
        "build reelmill and reelmill-worker into one folder, and install FFmpeg's libraries (infra/setup.sh)";
    let program = match local::worker_program(config.worker.program.as_deref()) {
        Ok(program) => program,
        Err(error) => {
            checks.push(Check::error("worker", error, HINT));
            return None;
        }
    };
    match Pool::new(program.clone(), 0).warm_up().await {
        Ok(installed) => {
            checks.push(Check::ok("worker", format!("{} starts", program.display())));
            checks.push(ffmpeg(&installed));
            checks.push(encoders(&installed));
            checks.push(parts(&installed));
            checks.push(hardware(&installed));
            Some(installed)
        }
        Err(error) => {
            checks.push(Check::error("worker", error, HINT));
            None
        }
    }
}

fn ffmpeg(installed: &Capabilities) -> Check {
    let found = format!("{} (libavcodec {})", installed.ffmpeg, installed.libavcodec);
    let major = installed.libavcodec.split('.').next().and_then(|major| major.parse().ok());
    if major.is_some_and(|major| SUPPORTED.contains(&major)) {
        Check::ok("ffmpeg", found)
    } else {
        Check::warn(
            "ffmpeg",
            format!("{found} is not a tested version"),
            "FFmpeg 5.1 to 8 are tested; install one of them",
        )
    }
}

/// Reports missing software encoders, each with the features that need it.
fn encoders(installed: &Capabilities) -> Check {
    let video = VideoCodec::ALL.iter().map(|codec| (codec.info().title.to_owned(), vec![codec.info().encoder]));
    let audio = AudioCodec::ALL.iter().flat_map(|codec| codec.variants());
    let audio = audio.map(|(what, encoders)| (what, encoders.to_vec()));
    let pictures = PICTURE_ENCODERS.iter().map(|(name, what)| ((*what).to_owned(), vec![*name]));
    let all: Vec<_> = video.chain(audio).chain(pictures).collect();
    let total = all.len();
    let lacking: Vec<_> = all.into_iter().filter(|(_, names)| !installed.has_any(names)).collect();
    let count = lacking.len();
    let mut missing: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for (what, names) in lacking {
        match missing.iter_mut().find(|(known, _)| *known == names) {
            Some((_, uses)) => uses.push(what),
            None => missing.push((names, vec![what])),
        }
    }
    if missing.is_empty() {
        return Check::ok("encoders", format!("available for all {total} codecs and variants"));
    }
    let missing = missing.iter().map(|(names, uses)| format!("{} ({})", names.join(" or "), uses.join(", ")));
    let missing = missing.collect::<Vec<_>>().join(", ");
    let message = format!("available for {} of {total} codecs and variants; missing: {missing}", total - count);
    Check::warn(
        "encoders",
        message,
        "workflows that use these are rejected (TPL0215); install a build of FFmpeg that has them",
    )
}

fn parts(installed: &Capabilities) -> Check {
    if installed.lacks.is_empty() {
        return Check::ok("parts", "all filters, decoders and muxers are available");
    }
    let missing: Vec<String> =
        installed.lacks.iter().map(|part| format!("{} {} ({})", part.kind.name(), part.name, part.used_for)).collect();
    let message = format!("missing: {}", missing.join(", "));
    Check::warn("parts", message, "jobs that need these fail with MEDIA0009; install a build of FFmpeg that has them")
}

fn hardware(installed: &Capabilities) -> Check {
    let names: Vec<_> = installed.devices.iter().map(|family| family.name()).collect();
    let found =
        if names.is_empty() { "no device for hardware encoding; none is needed".to_owned() } else { names.join(", ") };
    Check::ok("hardware", found)
}

/// Checks that there is a font for text watermarks and subtitles.
pub(super) fn fonts() -> Check {
    match FONTS.iter().find(|folder| holds_font(Path::new(folder), FONT_DEPTH)) {
        Some(folder) => Check::ok("fonts", format!("in {folder}")),
        None => Check::warn(
            "fonts",
            "none found: text watermarks and burnt-in subtitles will fail",
            "install a font package, such as fonts-dejavu-core",
        ),
    }
}

fn holds_font(folder: &Path, depth: usize) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_font = |path: &Path| {
        path.extension().is_some_and(|ext| FONT_EXTENSIONS.iter().any(|known| ext.eq_ignore_ascii_case(known)))
    };
    entries.into_iter().any(|path| is_font(&path) || depth > 0 && path.is_dir() && holds_font(&path, depth - 1))
}

/// Loads the workflows as a daemon does, and reports their errors.
pub(super) fn workflows(
    config: &Config,
    installed: Option<Capabilities>,
    checks: &mut Vec<Check>,
) -> Option<WorkflowFolder> {
    let folder = config.workflows.display();
    let catalog = match WorkflowFolder::open(&config.workflows, installed) {
        Ok(catalog) => catalog,
        Err(error) => {
            checks.push(Check::fail(
                "workflows",
                format!("{folder}: {error}"),
                "create the folder, or set another: the daemon does not start without it",
            ));
            return None;
        }
    };
    let problems = catalog.problems();
    let errors: Vec<String> = problems
        .iter()
        .map(|problem| &problem.diagnostic)
        .filter(|diagnostic| diagnostic.is_error())
        .map(|d| format!("{}:{}: {}: {}", d.file, d.line, d.code, d.message))
        .collect();
    let active = catalog.active().len();
    checks.push(if !errors.is_empty() {
        Check::fail(
            "workflows",
            errors.join("; "),
            format!("`reelmill validate {folder}` shows each error in its file"),
        )
    } else if active == 0 {
        Check::warn(
            "workflows",
            format!("none in {folder}: uploads start nothing"),
            "`reelmill init` writes a first one",
        )
    } else {
        Check::ok("workflows", format!("{active} in {folder}"))
    });
    Some(catalog)
}
