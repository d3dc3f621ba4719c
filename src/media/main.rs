//! `reelmill-worker`: does one job of media work, of one task or several, and ends.
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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ffmpeg_next::log;
use reelmill::model::work::{Report, Work};
use reelmill::worker::child::{heed_supervisor, receive_job};
use reelmill::worker::protocol::{Message, Order, Task, VERSION};

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

/// Says hello, waits for a job, and does it.
fn serve(talk: &Talk) -> Result<(), MediaError> {
    ffmpeg_next::init().map_err(|source| MediaError::Libav { doing: "start", source })?;
    log::set_level(log::Level::Warning);
    talk.say(&Message::Hello { protocol: VERSION, capabilities: capabilities::capabilities() });
    let broken = |error: &dyn std::fmt::Display| MediaError::Job(format!("it cannot be read: {error}"));
    let Some((job, descriptors)) = receive_job(std::io::stdin()).map_err(|error| broken(&error))? else {
        return Ok(());
    };
    let stops: Vec<Arc<AtomicBool>> = job.tasks.iter().map(|_| Arc::default()).collect();
    let ordered = stops.clone();
    let heed = move |Order::Stop(task)| {
        if let Some(stop) = ordered.get(task) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    heed_supervisor(std::io::stdin(), heed).map_err(|error| broken(&error))?;
    let inputs: Vec<Source> =
        descriptors.into_iter().zip(&job.inputs).map(|(fd, input)| Source::new(fd, input)).collect();
    match job.tasks.as_slice() {
        [task @ Task { work: Work::Package(package), .. }] => {
            let talk = talk.about([0]);
            let inputs = inputs_of(task, &inputs);
            let produced = package::run(&inputs, package, &task.scratch, &|message| talk.say(message))?;
            talk.say(&Message::Done { report: Report { outputs: vec![Ok(produced)] } });
            Ok(())
        }
        tasks => make_outputs(tasks, &stops, &inputs, job.threads, talk),
    }
}

fn inputs_of(task: &Task, inputs: &[Source]) -> Vec<Source> {
    task.inputs.iter().map(|&input| inputs[input].clone()).collect()
}

/// Makes the outputs of all `tasks` from one decoding, and reports each task as it ends.
fn make_outputs(
    tasks: &[Task],
    stops: &[Arc<AtomicBool>],
    inputs: &[Source],
    threads: u32,
    talk: &Talk,
) -> Result<(), MediaError> {
    let together = || MediaError::Job("only pipelines can be done together".into());
    let talks: Vec<Talk> = (0..tasks.len()).map(|number| talk.about([number])).collect();
    let sources: Vec<Vec<Source>> = tasks.iter().map(|task| inputs_of(task, inputs)).collect();
    let mut pipelines = Vec::with_capacity(tasks.len());
    for (number, task) in tasks.iter().enumerate() {
        let Work::Pipeline(work) = &task.work else { return Err(together()) };
        let (scratch, if_incomplete) = (task.scratch.as_path(), work.if_incomplete);
        let context = JobContext { scratch, threads, talk: &talks[number], if_incomplete };
        let stop = Arc::clone(&stops[number]);
        pipelines.push(pipeline::Task { number, work, inputs: &sources[number], context, stop });
    }
    pipeline::run(pipelines, &talk.about(0..tasks.len()), &|number, outcomes| {
        talks[number].say(&match outcomes {
            Ok(outputs) => Message::Done { report: Report { outputs } },
            Err(failure) => Message::Failed { failure },
        });
    });
    Ok(())
}
