//! Putting a pipeline's threads together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, Scope, ScopedJoinHandle};

use ffmpeg_next::Frame;
use reelmill::model::Failure;
use reelmill::model::work::{Output, Produced, VideoEncode};

use super::container;
use super::decode::Decoder;
use super::demux;
use super::finish;
use super::flow::{Outlets, Stop};
use super::graph;
use super::mux::{self, Muxing, Totals};
use super::outcome::{Faults, Last, Made, Running, joined};
use super::overlay::Layers;
use super::passes::{Notes, Round};
use super::picture;
use super::plan::{MediaPlan, Plan, ShotPlan};
use super::progress::{self, Position};
use super::results::Results;
use super::snapshot::Shooting;
use super::sound::{self, AudioBranch};
use super::streams::{Inventory, VideoTrack};
use super::subtitles::{self, SubtitleBranch};
use super::video::VideoBranch;
use super::wiring::Wiring;
use super::{Done, JobContext, Task};
use crate::error::{MediaError, warning};
use crate::source::{Opened, Source};
use crate::talk::Talk;
use crate::{libav, raw, scratch};

/// How long before a clip reading starts, in microseconds: indexes are ordered by decoding time.
const RUN_UP_US: i64 = 1_000_000;

/// The same for formats without an index, where a seek lands anywhere between keyframes.
const BLIND_RUN_UP_US: i64 = 10_000_000;

/// Failures by index of the output.
type Failures = BTreeMap<usize, Failure>;

/// An output of one of the tasks.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    output: &'a Output,
    task: &'a Task<'a>,
}

/// Makes every output of `tasks`. `talk` is about all of them; `done` gets the results of each.
pub fn run(tasks: &[Task<'_>], inventory: &Inventory, opened: Opened, talk: &Talk, done: &Done<'_>) {
    let counts: Vec<(usize, usize)> = tasks.iter().map(|task| (task.number, task.work.outputs.len())).collect();
    let results = Results::new(&counts, done);
    let wanted: Vec<Wanted<'_>> =
        tasks.iter().flat_map(|task| task.work.outputs.iter().map(move |output| Wanted { output, task })).collect();
    warn_of_empty_audio(tasks, inventory);
    if inventory.is_hdr() && !graph::has_filters(picture::TONE_MAPPING) {
        talk.warn(warning::NO_TONE_MAPPING, "the source is HDR and this build of FFmpeg cannot tone-map it");
    }
    let mut plans: BTreeMap<usize, Plan<'_>> = BTreeMap::new();
    for (index, Wanted { output, task }) in wanted.iter().enumerate() {
        match Plan::new(output, inventory, task.inputs, task.context) {
            Ok(plan) => drop(plans.insert(index, plan)),
            Err(error) => results.set(index, Err(error.into())),
        }
    }
    let positions: Vec<Position> = wanted
        .iter()
        .enumerate()
        .map(|(index, wanted)| position(plans.get(&index), inventory).until(Arc::clone(&wanted.task.stop)))
        .collect();
    let crew = Crew { inventory, wanted: &wanted, positions: &positions, talk, results: &results };
    thread::scope(|scope| {
        let (done, stopped) = sync_channel(0);
        let progress = by_task(tasks, &positions);
        scope.spawn(move || progress::report(&progress, &stopped));
        crew.work(&plans, opened);
        drop(done);
    });
    results.finish();
}

/// Positions of the outputs of each task.
fn by_task<'a>(tasks: &'a [Task<'_>], mut positions: &'a [Position]) -> Vec<(&'a Talk, &'a [Position])> {
    let mut split = Vec::with_capacity(tasks.len());
    for task in tasks {
        let (own, rest) = positions.split_at(task.work.outputs.len());
        split.push((task.context.talk, own));
        positions = rest;
    }
    split
}

/// Warns of streams that are declared but empty, where a task wants audio.
fn warn_of_empty_audio(tasks: &[Task<'_>], inventory: &Inventory) {
    let wants = |output: &Output| matches!(output, Output::Media(media) if media.audio.is_some());
    for task in tasks.iter().filter(|task| task.work.outputs.iter().any(wants)) {
        for reason in &inventory.left_out {
            task.context.talk.warn(warning::STREAM_LEFT_OUT, format!("{reason} and was left out"));
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and media are shorter than 292,000 years")]
fn position(plan: Option<&Plan<'_>>, inventory: &Inventory) -> Position {
    let length_s = match plan {
        Some(Plan::Media(media)) => media.duration_s,
        _ => inventory.duration_s(),
    };
    let passes = if plan.is_some_and(Plan::looks_first) { 2 } else { 1 };
    Position::new(length_s.map(|seconds| (seconds * 1e6) as i64), passes)
}

/// What every output needs while it is made.
struct Crew<'a> {
    inventory: &'a Inventory,
    wanted: &'a [Wanted<'a>],
    positions: &'a [Position],
    /// About all tasks.
    talk: &'a Talk,
    results: &'a Results<'a>,
}

impl Crew<'_> {
    /// Settings and channels of the task of an output.
    const fn context(&self, index: usize) -> JobContext<'_> {
        self.wanted[index].task.context
    }

    fn threads(&self) -> u32 {
        self.wanted.first().map_or(0, |wanted| wanted.task.context.threads)
    }

    fn work(&self, plans: &BTreeMap<usize, Plan<'_>>, opened: Opened) {
        let source = opened.source().clone();
        let (sought, mut flowing) = self.divide(plans);
        // A few pictures are there at once; encodes take their time.
        for (index, shots) in sought {
            self.results.set(index, self.seek(index, shots, &source).map_err(Failure::from));
        }
        let decoders = self.open_decoders(&mut flowing);
        let notes: BTreeMap<usize, Notes> = flowing
            .iter()
            .filter(|(_, plan)| plan.looks_first())
            .map(|(&index, _)| (index, Notes::new(self.context(index).scratch, index)))
            .collect();
        self.look(&mut flowing, &notes, &source);
        if !flowing.is_empty() {
            let passes = Passes { first: false, notes: &notes };
            for (index, failure) in self.flow(&flowing, decoders, opened, passes) {
                self.results.set(index, Err(failure));
            }
        }
    }

    fn seek(&self, index: usize, shots: &ShotPlan<'_>, source: &Source) -> Result<Produced, MediaError> {
        let mut opened = source.open()?;
        let mut decoder = Decoder::open(&shots.video.track, self.threads())?;
        let produced = self.shooting(index, shots).seek(&mut opened, &mut decoder);
        if let Some(change) = decoder.change() {
            self.context(index).talk.warn(warning::SOURCE_CHANGES, change);
        }
        produced
    }

    /// First passes of those that want two, over a decoding of their own; what fails here has failed.
    fn look(&self, plans: &mut Flowing<'_>, notes: &BTreeMap<usize, Notes>, source: &Source) {
        let mut looking: Flowing<'_> =
            plans.iter().filter(|(index, _)| notes.contains_key(index)).map(|(&index, &plan)| (index, plan)).collect();
        if looking.is_empty() {
            return;
        }
        let mut failed: BTreeSet<usize> = looking.keys().copied().collect();
        let decoders = self.open_decoders(&mut looking);
        failed.retain(|index| !looking.contains_key(index));
        let failures = match source.open() {
            Ok(opened) => self.flow(&looking, decoders, opened, Passes { first: true, notes }),
            Err(error) => {
                let failure = Failure::from(error);
                looking.keys().map(|&index| (index, failure.clone())).collect()
            }
        };
        for &index in looking.keys() {
            self.positions[index].begin_again();
        }
        for (index, failure) in failures {
            failed.insert(index);
            self.results.set(index, Err(failure));
        }
        plans.retain(|index, _| !failed.contains(index));
    }

    /// Opens a decoder for each stream that is needed decoded; plans that need one that does not open have failed.
    fn open_decoders(&self, plans: &mut Flowing<'_>) -> BTreeMap<usize, Decoder> {
        let mut decoders = BTreeMap::new();
        let mut faulty = Failures::new();
        for track in plans.values().flat_map(|plan| plan.decoded()) {
            if decoders.contains_key(&track.index) || faulty.contains_key(&track.index) {
                continue;
            }
            match Decoder::open(track, self.threads()) {
                Ok(decoder) => drop(decoders.insert(track.index, decoder)),
                Err(error) => drop(faulty.insert(track.index, error.into())),
            }
        }
        plans.retain(|&index, plan| {
            let failure = plan.decoded().into_iter().find_map(|track| faulty.get(&track.index));
            if let Some(failure) = failure {
                self.results.set(index, Err(failure.clone()));
            }
            failure.is_none()
        });
        decoders
    }

    /// Pictures of few moments are sought, unless the video is decoded anyway; everything else flows.
    fn divide<'p>(&self, plans: &'p BTreeMap<usize, Plan<'p>>) -> (Vec<(usize, &'p ShotPlan<'p>)>, Flowing<'p>) {
        let sparse = |index: usize, plan: &'p Plan<'p>| match plan {
            Plan::Shots(shots) => {
                let shooting = self.shooting(index, shots);
                (shooting.must_seek() || shooting.is_sparse()).then_some((index, shots))
            }
            Plan::Media(_) | Plan::Sweep(_) => None,
        };
        let decodes_video = plans.iter().any(|(&index, plan)| {
            let video = self.inventory.video().ok().flatten().map(|video| video.track.index);
            sparse(index, plan).is_none() && plan.decoded().iter().any(|track| Some(track.index) == video)
        });
        let (mut sought, mut flowing) = (Vec::new(), Flowing::new());
        for (&index, plan) in plans {
            let must = |shots: &ShotPlan<'_>| self.shooting(index, shots).must_seek();
            match sparse(index, plan).filter(|(_, shots)| !decodes_video || must(shots)) {
                Some(shots) => sought.push(shots),
                None => {
                    flowing.insert(index, plan);
                }
            }
        }
        (sought, flowing)
    }

    /// Runs the threads of all `plans`, and waits for them. Outputs that are made are checked and handed on as each ends;
    /// returns the failures.
    fn flow(
        &self,
        plans: &Flowing<'_>,
        decoders: BTreeMap<usize, Decoder>,
        mut opened: Opened,
        passes: Passes<'_>,
    ) -> Failures {
        if plans.values().any(|plan| plan.copies()) {
            raw::generate_timestamps(opened.demuxer_mut());
        }
        thread::scope(|scope| {
            let mut wiring = Wiring::default();
            let running: Vec<_> = plans
                .iter()
                .map(|(&index, &plan)| (index, plan, self.start(scope, index, plan, passes, &mut wiring)))
                .collect();
            let ending: Vec<(usize, &Plan<'_>, Result<Ending<'_>, MediaError>)> = running
                .into_iter()
                .map(|(index, plan, running)| {
                    (index, plan, running.map(|running| scope.spawn(move || self.end(index, plan, running))))
                })
                .collect();
            let decoding: BTreeMap<usize, _> = decoders
                .into_iter()
                .filter_map(|(index, decoder)| {
                    let frames = wiring.frames.remove(&index)?;
                    let packets = wiring.packets_of(index);
                    Some((index, scope.spawn(move || decoder.run(&packets, frames, self.talk))))
                })
                .collect();
            let talk_of = |output| self.context(output).talk;
            let read =
                self.seek_to_clips(&mut opened, plans).and_then(|()| demux::run(&mut opened, wiring.routes, &talk_of));
            let decoded = decoding.into_iter().map(|(index, thread)| (index, joined(thread))).collect();
            let faults = Faults::new(read, decoded);
            let ended = ending.into_iter().map(|(index, plan, thread)| {
                let ended = thread.map_err(Failure::from).and_then(|thread| {
                    let made = joined(thread).map_err(|stop| faults.of(index, &plan.decoded(), stop))?;
                    let check = |totals| self.check(index, plan, Made::Media(totals), faults.change(index));
                    made.map_or(Ok(()), check).map_err(Failure::from)
                });
                (index, ended)
            });
            ended.filter_map(|(index, ended)| Some((index, ended.err()?))).collect()
        })
    }

    /// Follows an output to its end and hands it on; gives back one whose streams were taken as they are, as only the end
    /// of the reading says whether they changed.
    fn end(&self, index: usize, plan: &Plan<'_>, running: Running<'_>) -> Result<Option<Vec<Totals>>, Stop> {
        match running.finish()? {
            Made::Media(totals) if plan.copies() => Ok(Some(totals)),
            made => self.check(index, plan, made, None).map(|()| None).map_err(Stop::from),
        }
    }

    /// Where every output starts late, reading starts late.
    fn seek_to_clips(&self, opened: &mut Opened, plans: &Flowing<'_>) -> Result<(), MediaError> {
        let starts = plans.values().map(|plan| match plan {
            Plan::Media(media) => media.window.start_us(),
            Plan::Shots(shots) => shots.window.start_us(),
            Plan::Sweep(_) => self.inventory.start_us,
        });
        let indexed = !libav::demuxer_name(opened.demuxer()).starts_with("mpeg");
        let run_up = if indexed { RUN_UP_US } else { BLIND_RUN_UP_US };
        let start = starts.min().unwrap_or(0).saturating_sub(run_up);
        if start > self.inventory.start_us && opened.seek(start).is_err() {
            *opened = opened.source().open()?;
        }
        Ok(())
    }

    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        index: usize,
        plan: &'scope Plan<'scope>,
        passes: Passes<'scope>,
        wiring: &mut Wiring,
    ) -> Result<Running<'scope>, MediaError> {
        let round = passes.notes.get(&index).map(|notes| Round {
            first: passes.first,
            notes,
            position: &self.positions[index],
        });
        match plan {
            Plan::Media(media) if passes.first => self.start_looking(scope, index, media, round, wiring),
            Plan::Media(media) => self.start_media(scope, index, media, round, wiring),
            Plan::Shots(shots) => {
                let frames = wiring.frames(&shots.video.track, Wiring::PICTURES);
                let shooting = self.shooting(index, shots);
                let thread = scope.spawn(move || shooting.run(frames));
                Ok(Running { branches: Vec::new(), last: Last::Producing(thread) })
            }
            Plan::Sweep(sweep) => {
                let sweeping = sweep.start(scope, wiring, &self.positions[index]);
                let scratch = self.context(index).scratch;
                let thread = scope.spawn(move || sweep.finish(sweeping, scratch));
                Ok(Running { branches: Vec::new(), last: Last::Producing(thread) })
            }
        }
    }

    fn shooting<'s>(&'s self, index: usize, shots: &'s ShotPlan<'s>) -> Shooting<'s> {
        Shooting {
            snapshot: shots.snapshot,
            moments: shots.moments.clone(),
            source: shots.video.clone(),
            window: shots.window,
            duration_s: self.inventory.duration_s(),
            scratch: self.context(index).scratch,
            position: &self.positions[index],
        }
    }

    /// A first pass over the video: encoded, and thrown away.
    fn start_looking<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        index: usize,
        plan: &'scope MediaPlan<'scope>,
        round: Option<Round<'scope>>,
        wiring: &mut Wiring,
    ) -> Result<Running<'scope>, MediaError> {
        let layers = Layers::new(&plan.overlays)?;
        let (ports, mailbox) = mux::ports(1);
        let drain = scope.spawn(move || mailbox.discard());
        let mut branches = Vec::new();
        if let Some((video, Some(encode))) = &plan.video
            && let Some(port) = ports.into_iter().next()
        {
            let frames = wiring.frames(&video.track, Wiring::PICTURES);
            let branch = self.video_branch(index, plan, video, encode, round);
            branches.push(scope.spawn(move || branch.run(frames, port, layers)));
        }
        Ok(Running { branches, last: Last::Looking(drain) })
    }

    fn video_branch<'scope>(
        &'scope self,
        index: usize,
        plan: &'scope MediaPlan<'scope>,
        source: &VideoTrack,
        encode: &'scope VideoEncode,
        round: Option<Round<'scope>>,
    ) -> VideoBranch<'scope> {
        VideoBranch {
            encode,
            view: plan.view,
            burn: plan.burn.as_ref(),
            source: source.clone(),
            window: plan.window,
            threads: self.threads(),
            muxer: plan.format.muxer,
            position: &self.positions[index],
            round,
            length_s: plan.duration_s,
            file: &plan.output.file,
            talk: self.context(index).talk,
        }
    }

    fn start_media<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        index: usize,
        plan: &'scope MediaPlan<'scope>,
        round: Option<Round<'scope>>,
        wiring: &mut Wiring,
    ) -> Result<Running<'scope>, MediaError> {
        let context = self.context(index);
        let mut layers = Layers::new(&plan.overlays)?;
        let streams = plan.streams();
        let (ports, mailbox) = mux::ports(streams);
        let muxing = Muxing {
            path: scratch::place(context.scratch, &plan.output.file)?,
            file: &plan.output.file,
            format: &plan.format,
            window: plan.window,
            tags: finish::tags(self.inventory, plan.output),
            chapters: finish::chapters(self.inventory, plan),
            shows_lead: plan.copies_video() && !container::has_edit_lists(&plan.format),
            position: &self.positions[index],
            talk: context.talk,
        };
        let muxer = scope.spawn(move || muxing.run(streams, &mailbox));
        let mut branches = Vec::new();
        let mut ports = ports.into_iter();
        let mut spliced = plan.splice.clone().map(|splice| (splice, Outlets::default(), Outlets::default()));
        if let Some((video, encode)) = &plan.video
            && let Some(port) = ports.next()
        {
            match encode {
                None => wiring.copy(index, &video.track, plan, port),
                Some(encode) => {
                    let frames = match &mut spliced {
                        Some((_, pictures, _)) => pictures.connect(Wiring::PICTURES),
                        None => wiring.frames(&video.track, Wiring::PICTURES),
                    };
                    let branch = self.video_branch(index, plan, video, encode, round);
                    let layers = std::mem::take(&mut layers);
                    branches.push(scope.spawn(move || branch.run(frames, port, layers)));
                }
            }
        }
        for (sound, port) in plan.audio.iter().zip(ports.by_ref()) {
            let Some(encode) = sound.encode else {
                wiring.copy(index, &sound.track, plan, port);
                continue;
            };
            let frames = match (sound.silence, &mut spliced) {
                (None, Some((_, _, sounds))) => sounds.connect(Wiring::SOUNDS),
                (None, None) => wiring.frames(&sound.track, Wiring::SOUNDS),
                (Some(samples), _) => {
                    let mut silent = Outlets::default();
                    let frames = silent.connect(Wiring::SOUNDS);
                    branches.push(scope.spawn(move || keep_silent(silent, samples)));
                    frames
                }
            };
            let branch = AudioBranch {
                encode,
                level: &sound.level,
                track: sound.track.clone(),
                window: sound::window_of(sound, plan.window),
                inputs: self.wanted[index].task.inputs,
                muxer: plan.format.muxer,
                talk: context.talk,
            };
            branches.push(scope.spawn(move || branch.run(frames, port)));
        }
        if let Some((splice, pictures, sounds)) = spliced {
            branches.push(scope.spawn(move || splice.send(pictures, sounds, context.threads)));
        }
        for (text, port) in plan.subtitles.iter().zip(ports.by_ref()) {
            let track = &text.track;
            let Some(encoder) = text.encoder else {
                wiring.copy(index, track, plan, port);
                continue;
            };
            let (packets, window) = match &text.file {
                None => (wiring.packets(track), plan.window),
                Some(file) => {
                    let mut sending = Outlets::default();
                    let packets = sending.connect(Wiring::PACKETS);
                    let (source, index) = (file.source().clone(), track.index);
                    branches.push(scope.spawn(move || subtitles::send(&source, index, sending)));
                    (packets, plan.window.on_own_clock(plan.origin_us))
                }
            };
            let branch = SubtitleBranch { track: track.clone(), window, encoder };
            branches.push(scope.spawn(move || branch.run(&packets, port)));
        }
        for (picture, port) in plan.pictures.iter().zip(ports) {
            wiring.copy(index, picture, plan, port);
        }
        Ok(Running { branches, last: Last::Muxer(muxer) })
    }

    /// Opens a finished output again, checks it against its definition, and hands it on. `change` says what streams that
    /// were taken as they are change under way.
    fn check(&self, index: usize, plan: &Plan<'_>, made: Made, change: Option<String>) -> Result<(), MediaError> {
        let produced = match (plan, made) {
            (_, Made::Looked) => return Ok(()),
            (Plan::Media(media), Made::Media(totals)) => {
                finish::check(self.context(index), media, &totals).map_err(|error| error.because_of(change))?
            }
            (_, Made::Produced(produced)) => produced,
            (Plan::Shots(_) | Plan::Sweep(_), Made::Media(_)) => {
                return Err(MediaError::Panic("an output became a media file".into()));
            }
        };
        self.positions[index].finish();
        self.results.set(index, Ok(produced));
        Ok(())
    }
}

/// The thread that follows an output to its end.
type Ending<'scope> = ScopedJoinHandle<'scope, Result<Option<Vec<Totals>>, Stop>>;

/// Sends silence.
fn keep_silent(mut frames: Outlets<Frame>, samples: i64) -> Result<(), Stop> {
    sound::silence(0, samples, &mut |frame| {
        let share = || raw::share(&frame).map_err(|source| MediaError::Libav { doing: "share a frame", source });
        Ok(frames.send(share)?)
    })?;
    frames.end();
    Ok(())
}

/// Which pass over the source it is, and what first passes leave for second ones.
#[derive(Clone, Copy)]
struct Passes<'a> {
    first: bool,
    notes: &'a BTreeMap<usize, Notes>,
}

/// Plans that share the reading of the source.
type Flowing<'p> = BTreeMap<usize, &'p Plan<'p>>;
