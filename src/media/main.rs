//! `reelmill-worker`: does one job of media work and ends.
//!
//! **Invariant**: the only code that names `ffmpeg_next`. It gets descriptors, a scratch folder and a job; it opens no
//! path outside scratch and no URL, and knows no store, no storage service and no credential.

mod analysis;
mod bytes;
mod capabilities;
mod charset;
mod codec;
mod codecs_string;
#[cfg(test)]
mod corpus;
mod error;
mod geometry;
mod headerless;
mod language;
mod libav;
mod loudness;
mod package;
mod pipeline;
mod probe;
mod raw;
mod scratch;
mod shape;
mod sound;
mod source;
mod srt;
mod talk;
#[cfg(test)]
mod testing;
mod timeline;
mod verify;
mod webvtt;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ffmpeg_next::log;
use reelmill::model::work::{Report, Work};
use reelmill::worker::child::{end_with_supervisor, receive_job};
use reelmill::worker::protocol::{Job, Message, VERSION};

use self::error::MediaError;
use self::pipeline::JobContext;
use self::source::Source;
use self::talk::Talk;

fn main() {
    let talk = Talk::to_stdout();
    let worked = catch_unwind(AssertUnwindSafe(|| serve(&talk)))
        .unwrap_or_else(|panic| Err(MediaError::panicked(panic.as_ref())));
    if let Err(error) = worked {
        talk.say(&Message::Failed { failure: error.into() });
    }
}

/// Says hello, waits for a job, does it and says what came of it.
fn serve(talk: &Talk) -> Result<(), MediaError> {
    ffmpeg_next::init().map_err(|source| MediaError::Libav { doing: "start", source })?;
    log::set_level(log::Level::Warning);
    talk.say(&Message::Hello { protocol: VERSION, capabilities: capabilities::capabilities() });
    let broken = |error: &dyn std::fmt::Display| MediaError::Job(format!("it cannot be read: {error}"));
    let Some((job, descriptors)) = receive_job(std::io::stdin()).map_err(|error| broken(&error))? else {
        return Ok(());
    };
    end_with_supervisor(std::io::stdin()).map_err(|error| broken(&error))?;
    let inputs: Vec<Source> =
        descriptors.into_iter().zip(&job.inputs).map(|(fd, input)| Source::new(fd, input)).collect();
    let report = work(&job, &inputs, talk)?;
    talk.say(&Message::Done { report });
    Ok(())
}

fn work(job: &Job, inputs: &[Source], talk: &Talk) -> Result<Report, MediaError> {
    match &job.work {
        Work::Pipeline(work) => {
            let (scratch, if_incomplete) = (job.scratch.as_path(), work.if_incomplete);
            let context = JobContext { scratch, threads: job.threads, talk, if_incomplete };
            pipeline::run(work, inputs, context).map(Report::Outputs)
        }
        Work::Analysis(analysis) => {
            let source = inputs.first().ok_or_else(|| MediaError::Job("it has no input".into()))?;
            let info = analysis::run(source, analysis, &|message| talk.say(message))?;
            let files = analysis::files(&info, analysis, &job.scratch)?;
            Ok(Report::Analysis { info: Box::new(info), files })
        }
        Work::Package(package) => {
            let produced = package::run(inputs, package, &job.scratch, &|message| talk.say(message))?;
            Ok(Report::Outputs(vec![Ok(produced)]))
        }
    }
}
