//! Stages: what pictures go through between the decoder and an encoder, in this order: [`prepare`] (part of the source, frame
//! rate, fields, noise, crop), [`fit`] (size, tone mapping, canvas, colour tags) and [`lay`] (subtitles, watermarks, palette).
//!
//! A step is its parameters, and becomes a stage with a state of its own when the threads start. Outputs whose first steps are
//! equal share the stages of these ([`tree`]). A new stage is a file with an implementation of [`Stage`] and a line in [`Step`].
//! **Invariant**: what a stage makes of pictures depends on nothing but its step and the pictures, so that an output's bytes
//! are the same whether it shares its stages or not.

mod fit;
mod lay;
mod prepare;
mod small;
mod tree;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ffmpeg_next::Rational;
use ffmpeg_next::frame::Video as Frame;
use reelmill::model::work::VideoEncode;

use self::fit::Fit;
pub use self::lay::Lay;
use self::prepare::Prepare;
pub use self::prepare::frame_rate;
use self::small::{Shrinking, Small};
pub use self::tree::{Root, Tree};
use super::flow::{Inlet, Outlets, Stop};
use super::graph::Graph;
use super::plan::MediaPlan;
use super::streams::VideoTrack;
use crate::error::MediaError;
use crate::raw;

/// A picture on its way.
pub struct Picture {
    /// The picture, with its time in `base`.
    pub frame: Frame,
    /// Unit of its time. It may change on the way.
    pub base: Rational,
}

impl Picture {
    /// The same picture; its pixels are not copied.
    ///
    /// # Errors
    /// Where memory is short.
    pub fn share(&self) -> Result<Self, MediaError> {
        let frame = raw::share(&self.frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
        Ok(Self { frame: Frame::from(frame), base: self.base })
    }
}

/// Takes what a stage makes.
pub type Next<'n> = dyn FnMut(Picture) -> Result<(), Stop> + 'n;

/// A part of the way, from picture to picture.
pub trait Stage: Send {
    /// Takes a picture, and hands on what comes of it and of those before; false where it wants no more.
    ///
    /// # Errors
    /// Where it fails, or nobody wants what it makes.
    fn take(&mut self, picture: Picture, next: &mut Next<'_>) -> Result<bool, Stop>;

    /// Hands on what it still holds: no more pictures come.
    ///
    /// # Errors
    /// Where it fails, or nobody wants what it makes.
    fn end(&mut self, next: &mut Next<'_>) -> Result<(), Stop>;
}

/// Parameters of a stage: the registry of all kinds.
pub enum Step<'a> {
    /// Which pictures, and clean ones.
    Prepare(Prepare),
    /// In which size and colours.
    Fit(Fit),
    /// With what over them.
    Lay(Lay<'a>),
    /// Small ones to measure.
    Small(Small),
}

impl<'a> Step<'a> {
    /// The first step, and those after it, of the pictures of `video` that the output of `plan` encodes.
    #[must_use]
    pub fn all(
        plan: &'a MediaPlan<'_>,
        video: &VideoTrack,
        encode: &VideoEncode,
        lay: Option<Lay<'a>>,
    ) -> (Self, Vec<Self>) {
        let fit = Step::Fit(Fit::new(encode, video.look, plan.view.fields));
        let rest = [fit].into_iter().chain(lay.map(Step::Lay));
        (Step::Prepare(Prepare::new(plan, video, encode)), rest.collect())
    }

    /// Small pictures, for all that only measures.
    #[must_use]
    pub const fn small() -> Self {
        Self::Small(Small)
    }

    /// Returns whether it makes the same of the same pictures. What is laid over is nobody else's.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prepare(one), Self::Prepare(other)) => one == other,
            (Self::Fit(one), Self::Fit(other)) => one == other,
            (Self::Small(one), Self::Small(other)) => one == other,
            _ => false,
        }
    }

    fn begin(self) -> Box<dyn Stage + 'a> {
        match self {
            Self::Prepare(prepare) => Box::new(prepare.begin()),
            Self::Fit(fit) => Box::new(fit.begin()),
            Self::Lay(lay) => Box::new(lay.begin()),
            Self::Small(Small) => Box::new(Shrinking::default()),
        }
    }
}

/// Leads the pictures that `source` gives through `stages`, to everyone who wants them.
fn run(
    mut stages: Vec<Box<dyn Stage + '_>>,
    mut source: impl FnMut() -> Result<Option<Picture>, Stop>,
    mut outlets: Outlets<Picture>,
) {
    let mut work = || {
        let mut send = |picture: Picture| match outlets.give(picture, Picture::share) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Stop::Unwanted),
            Err(error) => Err(error.into()),
        };
        while let Some(picture) = source()? {
            if !pass(&mut stages, picture, &mut send)? {
                break;
            }
        }
        finish(&mut stages, &mut send)
    };
    // A panic is a failure like others, of those alone who want what comes from here.
    let worked = catch_unwind(AssertUnwindSafe(&mut work));
    match worked.unwrap_or_else(|panic| Err(MediaError::panicked(panic.as_ref()).into())) {
        Ok(()) => outlets.end(),
        Err(Stop::Failed(error)) => outlets.fail(&error.into()),
        // Whoever wants more hears from the source why there is none.
        Err(Stop::Upstream | Stop::Unwanted) => {}
    }
}

fn pass(stages: &mut [Box<dyn Stage + '_>], picture: Picture, out: &mut Next<'_>) -> Result<bool, Stop> {
    let Some((first, rest)) = stages.split_first_mut() else { return out(picture).map(|()| true) };
    let mut wanted = true;
    let own = first.take(picture, &mut |picture| {
        wanted &= pass(rest, picture, out)?;
        Ok(())
    })?;
    Ok(own && wanted)
}

fn finish(stages: &mut [Box<dyn Stage + '_>], out: &mut Next<'_>) -> Result<(), Stop> {
    let Some((first, rest)) = stages.split_first_mut() else { return Ok(()) };
    first.end(&mut |picture| pass(rest, picture, out).map(|_| ()))?;
    finish(rest, out)
}

/// Hands on all that a graph has ready.
fn drain(graph: &mut Graph, next: &mut Next<'_>) -> Result<(), Stop> {
    let base = graph.time_base()?;
    while let Some(frame) = graph.pull()? {
        next(Picture { frame: Frame::from(frame), base })?;
    }
    Ok(())
}

/// Pictures of a connection, whose first sender counts their times in `base`.
fn pictures(frames: &Inlet<ffmpeg_next::Frame>, base: Rational) -> Result<Option<Picture>, Stop> {
    Ok(frames.next()?.map(|frame| Picture { frame: Frame::from(frame), base }))
}

#[cfg(test)]
mod tests {
    use ffmpeg_next::Rescale;
    use ffmpeg_next::format::Pixel;

    use super::*;
    use crate::libav::Orientation;
    use crate::pipeline::picture::{Fields, StreamLook};
    use crate::testing::encoded;

    /// As where deinterlacing begins under way: its filter halves the unit of times.
    #[test]
    fn times_stay_true_where_their_unit_changes_under_way() {
        let look = StreamLook { orientation: Orientation::default(), sample_aspect: None, coded_aspect: None };
        let mut fitting = Fit::new(&encoded(), look, Fields::AsMarked).begin();
        let mut times = Vec::new();
        let mut note = |picture: Picture| {
            times.push(picture.frame.pts().unwrap_or(0).rescale(picture.base, Rational(1, 100)));
            Ok(())
        };
        for (time, base) in [(0, 25), (1, 25), (4, 50), (6, 50), (4, 25)] {
            let mut frame = Frame::new(Pixel::YUV420P, 64, 36);
            frame.set_pts(Some(time));
            assert!(fitting.take(Picture { frame, base: Rational(1, base) }, &mut note).unwrap());
        }
        fitting.end(&mut note).unwrap();
        assert_eq!(times, [0, 4, 8, 12, 16]);
    }
}
