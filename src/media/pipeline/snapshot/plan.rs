//! What pictures take from the source: decided before anything is read.

use std::thread::Scope;

use reelmill::model::work::{FrameType, Moment, Produced, Snapshot, SnapshotTimes};

use super::{Moments, Shooting};
use crate::error::{MediaError, warning};
use crate::pipeline::JobContext;
use crate::pipeline::decode::Decoder;
use crate::pipeline::outcome::{Last, Running};
use crate::pipeline::passes::Round;
use crate::pipeline::plan::decodable;
use crate::pipeline::sink::{Needs, Seeks, Sink, SinkContext};
use crate::pipeline::streams::{Inventory, VideoTrack};
use crate::pipeline::window::Window;
use crate::pipeline::wiring::Wiring;
use crate::source::Opened;
use crate::talk::Talk;

/// Distances between moments from which seeking beats decoding everything, in seconds.
const SEEK_STEP_S: f64 = 20.0;

/// What a series of pictures takes.
pub struct ShotPlan<'a> {
    /// What was asked for.
    snapshot: &'a Snapshot,
    /// Which moments.
    moments: Moments,
    /// Where from.
    video: VideoTrack,
    /// The source, whole.
    window: Window,
    /// Duration of the source in seconds, where it is known.
    duration_s: Option<f64>,
}

impl<'a> ShotPlan<'a> {
    /// Of a snapshot of a source.
    pub fn new(snapshot: &'a Snapshot, inventory: &Inventory, job: JobContext<'_>) -> Result<Self, MediaError> {
        let video = inventory.video()?.ok_or(MediaError::NoStreams("video"))?.clone();
        decodable(&video.track, "video")?;
        snapshot_reaches(snapshot, inventory, job.talk)?;
        let duration_s = inventory.duration_s();
        let (moments, window) = (Moments::new(&snapshot.at, duration_s)?, Window::new(inventory.start_us, None));
        Ok(Self { snapshot, moments, video, window, duration_s })
    }

    fn shooting<'s>(&'s self, context: SinkContext<'s>) -> Shooting<'s> {
        Shooting {
            snapshot: self.snapshot,
            moments: self.moments.clone(),
            source: self.video.clone(),
            window: self.window,
            duration_s: self.duration_s,
            scratch: context.job.scratch,
            position: context.position,
        }
    }

    /// Whether it is quicker to seek to each moment than to decode the whole source.
    fn is_sparse(&self) -> bool {
        match (&self.moments, self.duration_s) {
            (Moments::Every(step), duration) => *step >= SEEK_STEP_S && duration.is_some(),
            (Moments::Listed(moments), Some(duration)) => u32::try_from(moments.len())
                .is_ok_and(|count| duration >= f64::from(count.saturating_sub(1)) * SEEK_STEP_S),
            (Moments::Listed(moments), None) => moments.len() == 1,
            (Moments::Scenes { .. }, _) => false,
            (Moments::Best, _) => true,
        }
    }

    /// Whether it seeks whatever else is made of the source: what is wanted depends on what is found, or is keyframes only.
    fn must_seek(&self) -> bool {
        if matches!(self.moments, Moments::Scenes { .. }) {
            return false;
        }
        let picky = self.snapshot.black_level.is_some() || self.moments == Moments::Best;
        picky || self.snapshot.animation.is_some() || self.snapshot.frame_type == FrameType::Intra
    }
}

impl Sink for ShotPlan<'_> {
    fn needs(&self) -> Needs<'_> {
        let seeks = match (self.must_seek(), self.is_sparse()) {
            (true, _) => Seeks::Always,
            (false, true) => Seeks::Rather,
            (false, false) => Seeks::Never,
        };
        Needs {
            decoded: vec![&self.video.track],
            copies: false,
            looks_first: false,
            start_us: self.window.start_us(),
            length_s: self.duration_s,
            seeks,
        }
    }

    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        feeds: &mut Wiring<'scope>,
        context: SinkContext<'scope>,
        _round: Option<Round<'scope>>,
    ) -> Result<Running<'scope>, MediaError> {
        let frames = feeds.frames(&self.video.track, Wiring::PICTURES);
        let shooting = self.shooting(context);
        let thread = scope.spawn(move || shooting.run(frames));
        Ok(Running { branches: Vec::new(), last: Last::Producing(thread) })
    }

    fn seek(
        &self,
        opened: &mut Opened,
        decoder: &mut Decoder,
        context: SinkContext<'_>,
    ) -> Result<Produced, MediaError> {
        self.shooting(context).seek(opened, decoder)
    }
}

/// The latest moment, in seconds, that a snapshot asks for by its time; zero where it asks for none.
pub fn latest_s(snapshot: &Snapshot) -> f64 {
    let at = |moment: &Moment| if let Moment::Seconds(s) = *moment { s } else { 0.0 };
    let latest_s = match &snapshot.at {
        SnapshotTimes::At(moment) => at(moment),
        SnapshotTimes::List(moments) => moments.iter().map(at).fold(0.0, f64::max),
        _ => 0.0,
    };
    snapshot
        .animation
        .as_ref()
        .and_then(|animation| animation.start_s)
        .map_or(latest_s, |start_s| start_s.max(latest_s))
}

/// Moments after the end of the source show its last picture, which is said; a preview that begins there has nothing to
/// show.
fn snapshot_reaches(snapshot: &Snapshot, inventory: &Inventory, talk: &Talk) -> Result<(), MediaError> {
    let Some(end_s) = inventory.duration_s().filter(|_| inventory.end_known) else { return Ok(()) };
    // Program streams do not say how long their last picture is shown.
    let rate = inventory.info.video.first().map_or(0.0, |video| video.frame_rate);
    let last_s = if inventory.info.format.name == "mpeg" && rate > 0.0 { 1.0 / rate } else { 0.0 };
    let is_beyond = |s: f64| s > 0.0 && s >= end_s + last_s;
    let beyond = |moment: &Moment| matches!(*moment, Moment::Seconds(s) if is_beyond(s)).then_some(*moment);
    if let Some(start_s) = snapshot.animation.as_ref().and_then(|animation| animation.start_s)
        && start_s > 0.0
        && start_s >= end_s
    {
        return Err(MediaError::BeyondEnd { what: "the animation", start_s, end_s: Some(end_s) });
    }
    let found = match &snapshot.at {
        SnapshotTimes::At(moment) => beyond(moment),
        SnapshotTimes::List(moments) => moments.iter().find_map(beyond),
        _ => None,
    };
    let Some(Moment::Seconds(start_s)) = found else { return Ok(()) };
    let message = format!(
        "`{}` takes a picture at {start_s:.2} s, but the source is {end_s:.2} s long: its last picture was used",
        snapshot.file
    );
    talk.warn(warning::BEYOND_END, message);
    Ok(())
}
