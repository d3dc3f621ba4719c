//! Pictures that move: APNG, GIF, films with transparency. They begin when their layer does, and again at their end.

use std::collections::VecDeque;

use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::{Packet, Rescale};
use reelmill::model::work::Overlay;

use super::player::Moving;
use super::{BASE, share};
use crate::error::MediaError;
use crate::pipeline::decode::Decoder;
use crate::pipeline::still;
use crate::pipeline::streams::VideoTrack;
use crate::raw;
use crate::source::{Opened, Source};

/// Shortest time that a frame is shown, in microseconds.
const MIN_FRAME_US: i64 = 1_000;

/// A picture, or a film.
pub struct Film {
    source: Source,
    track: VideoTrack,
    /// Its first frame.
    pub first: Frame,
    /// Whether it has more than one.
    pub moves: bool,
}

impl Film {
    /// Opens a source and decodes its first frames.
    pub fn open(source: &Source) -> Result<Self, MediaError> {
        let (opened, track) = still::open(source)?;
        let mut pass = Pass::new(opened, &track)?;
        let nothing =
            || MediaError::Damaged { kind: "video", detail: "its first picture could not be decoded".to_owned() };
        let first = pass.next(&track)?.ok_or_else(nothing)?.frame;
        let moves = pass.next(&track)?.is_some();
        Ok(Self { source: source.clone(), track, first, moves })
    }
}

/// A frame, and when it is shown, in microseconds.
struct Timed {
    frame: Frame,
    start_us: i64,
    duration_us: i64,
}

/// One way through a film.
struct Pass {
    opened: Opened,
    decoder: Decoder,
    packet: Packet,
    decoded: VecDeque<Timed>,
    origin_us: Option<i64>,
    ended: bool,
}

impl Pass {
    fn new(opened: Opened, track: &VideoTrack) -> Result<Self, MediaError> {
        let decoder = Decoder::open(&track.track, 1)?;
        Ok(Self { opened, decoder, packet: Packet::empty(), decoded: VecDeque::new(), origin_us: None, ended: false })
    }

    /// The next frame, with times from the beginning of the film.
    fn next(&mut self, video: &VideoTrack) -> Result<Option<Timed>, MediaError> {
        let base = video.track.time_base;
        while self.decoded.is_empty() && !self.ended {
            let more = self.opened.read(&mut self.packet)?;
            if more && self.packet.stream() != video.track.index {
                continue;
            }
            self.ended = !more;
            let (decoded, origin) = (&mut self.decoded, &mut self.origin_us);
            self.decoder.feed(more.then_some(&self.packet), |frame| {
                let time_us = frame.pts().unwrap_or(0).rescale(base, BASE);
                let start_us = time_us - *origin.get_or_insert(time_us);
                let own_us = raw::duration(frame).rescale(base, BASE);
                let rate_us = 1.rescale(video.track.frame_rate.invert(), BASE);
                let duration_us = if own_us > 0 { own_us } else { rate_us }.max(MIN_FRAME_US);
                let frame = raw::share(frame).map_err(|source| MediaError::Libav { doing: "share", source })?;
                decoded.push_back(Timed { frame: Frame::from(frame), start_us, duration_us });
                Ok(true)
            })?;
        }
        Ok(self.decoded.pop_front())
    }
}

/// A film that is being shown.
pub struct Showing {
    film: Film,
    pass: Option<Pass>,
    /// When the current pass began, in microseconds of output time.
    began_us: i64,
    /// Length of what has been shown of it.
    shown_us: i64,
    /// Length of a whole pass, once one is over.
    length_us: Option<i64>,
    /// When its layer goes.
    until_us: Option<i64>,
    /// Whether there is no more to show.
    over: bool,
}

impl Showing {
    /// Of a film in a layer.
    pub fn new(film: &Film, overlay: &Overlay) -> Result<Self, MediaError> {
        let began_us = microseconds(overlay.start_s.max(0.0));
        let first = share(&film.first)?;
        Ok(Self {
            film: Film { source: film.source.clone(), track: film.track.clone(), first, moves: film.moves },
            pass: None,
            began_us,
            shown_us: 0,
            length_us: None,
            until_us: overlay.duration_s.map(|duration| began_us.saturating_add(microseconds(duration))),
            over: false,
        })
    }

    /// Begins anew.
    fn again(&mut self, time_us: i64) {
        let length_us = *self.length_us.get_or_insert(self.shown_us);
        self.over = length_us <= 0;
        self.pass = None;
        self.began_us = self.began_us.saturating_add(length_us);
        let behind_us = time_us.saturating_sub(self.began_us);
        if length_us > 0 && behind_us > length_us {
            self.began_us += behind_us / length_us * length_us;
        }
    }
}

impl Moving for Showing {
    fn first(&self) -> &Frame {
        &self.film.first
    }

    /// Whole passes that would be over before `time_us` are left out.
    fn next(&mut self, time_us: i64) -> Result<Option<Frame>, MediaError> {
        while !self.over {
            if self.pass.is_none() {
                self.pass = Some(Pass::new(self.film.source.open()?, &self.film.track)?);
            }
            let next = match &mut self.pass {
                Some(pass) => pass.next(&self.film.track)?,
                None => None,
            };
            // A film whose pictures change their size ends where they do.
            let first = &self.film.first;
            let next = next.filter(|next| {
                (next.frame.width(), next.frame.height(), next.frame.format())
                    == (first.width(), first.height(), first.format())
            });
            if let Some(Timed { mut frame, start_us, duration_us }) = next {
                let shown_us = self.began_us.saturating_add(start_us);
                self.shown_us = start_us.saturating_add(duration_us).max(self.shown_us);
                self.over = self.until_us.is_some_and(|until| shown_us >= until);
                frame.set_pts(Some(shown_us));
                return Ok(Some(frame));
            }
            self.again(time_us);
        }
        Ok(None)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and media are shorter than 292,000 years")]
fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}
