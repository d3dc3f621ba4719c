//! What moves over a video: its frames, given to graphs as the video goes on.
//!
//! **Invariant**: a graph has the frame that is shown and the next one, and no more.

use std::collections::VecDeque;

use ffmpeg_next::frame::Video as Frame;

use super::share;
use crate::error::MediaError;
use crate::pipeline::graph::Graph;

/// Frames that a graph may still need when it is built anew.
const KEPT: usize = 2;

/// When nothing is shown any more: 30 years, which every clock of a graph can say.
const FOR_EVER_US: i64 = 1_000_000_000_000_000;

/// Frames over time.
pub trait Moving: Send {
    /// What every frame looks like: its size and its pixels.
    fn first(&self) -> &Frame;

    /// The next frame, at its output time in microseconds. Those that would be over before `time_us` may be left out.
    fn next(&mut self, time_us: i64) -> Result<Option<Frame>, MediaError>;
}

/// Something that is being shown.
pub struct Player {
    moving: Box<dyn Moving>,
    /// The last frames given to a graph.
    given: VecDeque<Frame>,
    /// Whether the current graph has been told that there is no more.
    told: bool,
}

impl Player {
    /// Of what moves.
    #[must_use]
    pub fn new(moving: impl Moving + 'static) -> Self {
        Self { moving: Box::new(moving), given: VecDeque::new(), told: false }
    }

    /// What every frame looks like.
    #[must_use]
    pub fn first(&self) -> &Frame {
        self.moving.first()
    }

    /// Gives a new graph what the last one had.
    pub fn resume(&mut self, graph: &mut Graph, label: &str) -> Result<(), MediaError> {
        self.told = false;
        for frame in &self.given {
            let frame = share(frame)?;
            graph.push(label, &frame)?;
        }
        Ok(())
    }

    /// Gives the graph a frame more where the last one is not beyond `time_us`; whether it did anything.
    pub fn advance(&mut self, graph: &mut Graph, label: &str, time_us: i64) -> Result<bool, MediaError> {
        let last_us = self.given.back().and_then(|frame| frame.pts());
        if self.told || last_us.is_some_and(|last| last > time_us) {
            return Ok(false);
        }
        let Some(frame) = self.moving.next(time_us)? else {
            self.pause(graph, label)?;
            return Ok(true);
        };
        let shared = share(&frame)?;
        graph.push(label, &shared)?;
        self.given.push_back(frame);
        if self.given.len() > KEPT {
            self.given.pop_front();
        }
        Ok(true)
    }

    /// Tells the graph that no more comes, and that what was shown last stays: a frame after the end of everything
    /// follows it. Where it ended, the graph would go on to the end of what is still in it, which is beyond the video's.
    pub fn pause(&mut self, graph: &mut Graph, label: &str) -> Result<(), MediaError> {
        if self.told {
            return Ok(());
        }
        self.told = true;
        if let Some(last) = self.given.back() {
            let mut last = share(last)?;
            last.set_pts(Some(FOR_EVER_US));
            graph.push(label, &last)?;
        }
        graph.finish(label)
    }
}
