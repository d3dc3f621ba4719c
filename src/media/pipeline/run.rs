//! Putting a pipeline's threads together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{self, ScopedJoinHandle};

use reelmill::model::Failure;
use reelmill::model::work::{Output, Produced};

use super::decode::Decoder;
use super::demux;
use super::flow::Stop;
use super::graph;
use super::mux::Totals;
use super::outcome::{Faults, Made, Running, joined};
use super::passes::{Notes, Round};
use super::picture;
use super::progress::{self, Position};
use super::results::Results;
use super::sink::{self, Needs, Seeks, Sink, SinkContext};
use super::streams::Inventory;
use super::wiring::Wiring;
use super::{Done, Task};
use crate::error::{MediaError, warning};
use crate::source::{Opened, Source};
use crate::talk::Talk;
use crate::{libav, raw};

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
    let shows = |wanted: &Wanted<'_>| !matches!(wanted.output, Output::Analysis(_));
    if inventory.is_hdr() && wanted.iter().any(shows) && !graph::has_filters(picture::TONE_MAPPING) {
        talk.warn(warning::NO_TONE_MAPPING, "the source is HDR and this build of FFmpeg cannot tone-map it");
    }
    let mut sinks = Sinks::new();
    for (index, Wanted { output, task }) in wanted.iter().enumerate() {
        match sink::of(output, inventory, task.inputs, task.context) {
            Ok(sink) => drop(sinks.insert(index, sink)),
            Err(error) => results.set(index, Err(error.into())),
        }
    }
    let needs = |index| sinks.get(&index).map(|sink| sink.needs());
    let position =
        |(index, wanted): (usize, &Wanted<'_>)| position(needs(index).as_ref()).until(Arc::clone(&wanted.task.stop));
    let positions: Vec<Position> = wanted.iter().enumerate().map(position).collect();
    let crew = Crew { inventory, wanted: &wanted, positions: &positions, talk, results: &results };
    thread::scope(|scope| {
        let (done, stopped) = sync_channel(0);
        let progress = by_task(tasks, &positions);
        scope.spawn(move || progress::report(&progress, &stopped));
        crew.work(&sinks, opened);
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
fn position(needs: Option<&Needs<'_>>) -> Position {
    let length_s = needs.and_then(|needs| needs.length_s);
    let passes = if needs.is_some_and(|needs| needs.looks_first) { 2 } else { 1 };
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
    /// What the sink of an output works with.
    fn context(&self, index: usize) -> SinkContext<'_> {
        let task = self.wanted[index].task;
        let (inventory, position) = (self.inventory, &self.positions[index]);
        SinkContext { job: task.context, inputs: task.inputs, inventory, position }
    }

    fn threads(&self) -> u32 {
        self.wanted.first().map_or(0, |wanted| wanted.task.context.threads)
    }

    fn work(&self, sinks: &Sinks<'_>, opened: Opened) {
        let source = opened.source().clone();
        let (sought, mut flowing) = divide(sinks);
        // A few pictures are there at once; encodes take their time.
        for (index, sink) in sought {
            self.results.set(index, self.seek(index, sink, &source).map_err(Failure::from));
        }
        let decoders = self.open_decoders(&mut flowing);
        let notes: BTreeMap<usize, Notes> = flowing
            .iter()
            .filter(|(_, sink)| sink.needs().looks_first)
            .map(|(&index, _)| (index, Notes::new(self.wanted[index].task.context.scratch, index)))
            .collect();
        self.look(&mut flowing, &notes, &source);
        if !flowing.is_empty() {
            let passes = Passes { first: false, notes: &notes };
            for (index, failure) in self.flow(&flowing, decoders, opened, passes) {
                self.results.set(index, Err(failure));
            }
        }
    }

    fn seek(&self, index: usize, sink: &dyn Sink, source: &Source) -> Result<Produced, MediaError> {
        let mut opened = source.open()?;
        let tracks = sink.needs().decoded;
        let track = tracks.first().ok_or(MediaError::NoStreams("video"))?;
        let mut decoder = Decoder::open(track, self.threads())?;
        let produced = sink.seek(&mut opened, &mut decoder, self.context(index));
        if let Some(change) = decoder.change() {
            self.wanted[index].task.context.talk.warn(warning::SOURCE_CHANGES, change);
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
        for track in plans.values().flat_map(|sink| sink.needs().decoded) {
            if decoders.contains_key(&track.index) || faulty.contains_key(&track.index) {
                continue;
            }
            match Decoder::open(track, self.threads()) {
                Ok(decoder) => drop(decoders.insert(track.index, decoder)),
                Err(error) => drop(faulty.insert(track.index, error.into())),
            }
        }
        plans.retain(|&index, sink| {
            let failure = sink.needs().decoded.into_iter().find_map(|track| faulty.get(&track.index));
            if let Some(failure) = failure {
                self.results.set(index, Err(failure.clone()));
            }
            failure.is_none()
        });
        decoders
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
        if plans.values().any(|sink| sink.needs().copies) {
            raw::generate_timestamps(opened.demuxer_mut());
        }
        thread::scope(|scope| {
            let mut wiring = Wiring::default();
            let running: Vec<_> = plans
                .iter()
                .map(|(&index, &sink)| {
                    let round = passes.round(index, &self.positions[index]);
                    wiring.output = index;
                    (index, sink, sink.start(scope, &mut wiring, self.context(index), round))
                })
                .collect();
            wiring.start_stages(scope);
            let ending: Vec<(usize, &dyn Sink, Result<Ending<'_>, MediaError>)> = running
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
            let talk_of = |output: usize| self.wanted[output].task.context.talk;
            // Nobody connects any more: what is still held for others would keep their muxers waiting.
            let Wiring { routes, shares, .. } = wiring.connected();
            let read = self.seek_to_clips(&mut opened, plans).and_then(|()| demux::run(&mut opened, routes, &talk_of));
            let decoded = decoding.into_iter().map(|(index, thread)| (index, joined(thread))).collect();
            let faults = Faults::new(read, decoded);
            let mut failures = Failures::new();
            for (index, sink, thread) in ending {
                let shared = shares.get(&index).and_then(|output| failures.get(output));
                let why = |stop| faults.of(index, &sink.needs().decoded, stop, shared);
                let ended = thread.map_err(Failure::from).and_then(|thread| {
                    let made = joined(thread).map_err(why)?;
                    let check = |totals| self.check(index, sink, Made::Media(totals), faults.change(index));
                    made.map_or(Ok(()), check).map_err(Failure::from)
                });
                if let Err(failure) = ended {
                    failures.insert(index, failure);
                }
            }
            failures
        })
    }

    /// Follows an output to its end and hands it on; gives back one whose streams were taken as they are, as only the end
    /// of the reading says whether they changed.
    fn end(&self, index: usize, sink: &dyn Sink, running: Running<'_>) -> Result<Option<Vec<Totals>>, Stop> {
        match running.finish()? {
            Made::Media(totals) if sink.needs().copies => Ok(Some(totals)),
            made => self.check(index, sink, made, None).map(|()| None).map_err(Stop::from),
        }
    }

    /// Where every output starts late, reading starts late.
    fn seek_to_clips(&self, opened: &mut Opened, plans: &Flowing<'_>) -> Result<(), MediaError> {
        let starts = plans.values().map(|sink| sink.needs().start_us);
        let indexed = !libav::demuxer_name(opened.demuxer()).starts_with("mpeg");
        let run_up = if indexed { RUN_UP_US } else { BLIND_RUN_UP_US };
        let start = starts.min().unwrap_or(0).saturating_sub(run_up);
        if start > self.inventory.start_us && opened.seek(start).is_err() {
            *opened = opened.source().open()?;
        }
        Ok(())
    }

    /// Checks what an output became, and hands it on. `change` says what streams that were taken as they are change under
    /// way.
    fn check(&self, index: usize, sink: &dyn Sink, made: Made, change: Option<String>) -> Result<(), MediaError> {
        if matches!(made, Made::Looked) {
            return Ok(());
        }
        let produced = sink.check(made, self.context(index)).map_err(|error| error.because_of(change))?;
        self.positions[index].finish();
        self.results.set(index, Ok(produced));
        Ok(())
    }
}

/// Few moments are sought, unless their stream is decoded anyway; everything else flows.
fn divide<'p>(sinks: &'p Sinks<'p>) -> (Vec<(usize, &'p dyn Sink)>, Flowing<'p>) {
    let needs: BTreeMap<usize, Needs<'_>> = sinks.iter().map(|(&index, sink)| (index, sink.needs())).collect();
    let flowing = needs.values().filter(|needs| needs.seeks == Seeks::Never);
    let decoded: BTreeSet<usize> = flowing.flat_map(|needs| &needs.decoded).map(|track| track.index).collect();
    let sought = |index: usize| match needs[&index].seeks {
        Seeks::Never => false,
        Seeks::Rather => !needs[&index].decoded.iter().any(|track| decoded.contains(&track.index)),
        Seeks::Always => true,
    };
    let all = sinks.iter().map(|(&index, sink)| (index, &**sink));
    let (sought, flowing): (Vec<_>, Vec<_>) = all.partition(|(index, _)| sought(*index));
    (sought, flowing.into_iter().collect())
}

/// The thread that follows an output to its end.
type Ending<'scope> = ScopedJoinHandle<'scope, Result<Option<Vec<Totals>>, Stop>>;

/// Which pass over the source it is, and what first passes leave for second ones.
#[derive(Clone, Copy)]
struct Passes<'a> {
    first: bool,
    notes: &'a BTreeMap<usize, Notes>,
}

impl<'a> Passes<'a> {
    /// The pass of an output that is made in two.
    fn round(&self, index: usize, position: &'a Position) -> Option<Round<'a>> {
        self.notes.get(&index).map(|notes| Round { first: self.first, notes, position })
    }
}

/// Sinks by the index of their output.
type Sinks<'a> = BTreeMap<usize, Box<dyn Sink + 'a>>;

/// Those that share the reading of the source.
type Flowing<'p> = BTreeMap<usize, &'p dyn Sink>;
