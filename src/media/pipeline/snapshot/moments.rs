//! Which moments of a source pictures are taken of.
//!
//! Pure arithmetic, in seconds from the start of the source.

use reelmill::model::work::{Moment, SnapshotTimes};

use crate::error::MediaError;

/// Most pictures of one snapshot.
const MAX_PICTURES: u32 = 100_000;

/// Shortest distance between pictures, in seconds.
const MIN_STEP_S: f64 = 0.001;

/// Moments, to be asked for in rising order.
#[derive(Clone, Debug, PartialEq)]
pub enum Moments {
    /// These, each with its place in the order that was asked for, from 0.
    Listed(Vec<(usize, f64)>),
    /// Every so many seconds, until the source ends.
    Every(f64),
    /// The beginnings of scenes, which only decoding tells.
    Scenes {
        /// Difference that begins a scene, 0–1.
        threshold: f64,
        /// Most of them.
        most: u32,
    },
    /// Whichever looks best.
    Best,
}

impl Moments {
    /// The moments that `times` means of a source that lasts `duration_s`.
    pub fn new(times: &SnapshotTimes, duration_s: Option<f64>) -> Result<Self, MediaError> {
        let share = |share: f64| match duration_s {
            Some(duration) => Ok(duration * share.clamp(0.0, 1.0)),
            None => Err(MediaError::Damaged { kind: "video", detail: "its duration is unknown".into() }),
        };
        let seconds = |moment: &Moment| match *moment {
            Moment::Seconds(seconds) => Ok(seconds.max(0.0)),
            Moment::Share(part) => share(part),
        };
        let listed = match times {
            SnapshotTimes::Every(step) if step.is_finite() && *step >= MIN_STEP_S => return Ok(Self::Every(*step)),
            SnapshotTimes::Every(step) => {
                return Err(MediaError::Parameter(format!("invalid interval of pictures: {step} s")));
            }
            SnapshotTimes::Scenes { threshold, most } => {
                return Ok(Self::Scenes { threshold: *threshold, most: (*most).min(MAX_PICTURES) });
            }
            SnapshotTimes::Best => return Ok(Self::Best),
            SnapshotTimes::At(moment) => vec![seconds(moment)?],
            SnapshotTimes::List(moments) => moments.iter().map(seconds).collect::<Result<_, _>>()?,
            SnapshotTimes::Count(count) => {
                let count = (*count).min(MAX_PICTURES);
                (0..count).map(|n| share(f64::from(n) / f64::from(count))).collect::<Result<_, _>>()?
            }
        };
        let mut listed: Vec<(usize, f64)> = listed.into_iter().enumerate().collect();
        listed.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        Ok(Self::Listed(listed))
    }

    /// The `n`-th moment in rising order, with its place in the order that was asked for.
    #[must_use]
    pub fn get(&self, n: u32) -> Option<(usize, f64)> {
        match self {
            Self::Listed(moments) => moments.get(n as usize).copied(),
            Self::Every(step) => (n < MAX_PICTURES).then(|| (n as usize, step * f64::from(n))),
            Self::Scenes { .. } | Self::Best => None,
        }
    }

    /// All of them in rising order, for a source that lasts `duration_s`.
    #[must_use]
    pub fn all(&self, duration_s: f64) -> Vec<(usize, f64)> {
        let within =
            |&(_, moment): &(usize, f64)| matches!(self, Self::Listed(_)) || moment < duration_s || moment == 0.0;
        (0..).map_while(|n| self.get(n)).take_while(within).collect()
    }

    /// Whether more than one picture can come.
    #[must_use]
    pub const fn are_many(&self) -> bool {
        match self {
            Self::Listed(moments) => moments.len() > 1,
            Self::Every(_) | Self::Scenes { .. } => true,
            Self::Best => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_rise_and_remember_their_order() {
        let list = SnapshotTimes::List(vec![Moment::Seconds(5.0), Moment::Share(0.1), Moment::Seconds(-1.0)]);
        let moments = Moments::new(&list, Some(20.0)).unwrap();
        assert_eq!(moments, Moments::Listed(vec![(2, 0.0), (1, 2.0), (0, 5.0)]));
    }

    #[test]
    fn counts_are_spread_and_steps_end_with_the_source() {
        let four = Moments::new(&SnapshotTimes::Count(4), Some(8.0)).unwrap();
        assert_eq!(four.all(8.0), vec![(0, 0.0), (1, 2.0), (2, 4.0), (3, 6.0)]);
        let every = Moments::new(&SnapshotTimes::Every(5.0), None).unwrap();
        assert_eq!(every.all(10.0), vec![(0, 0.0), (1, 5.0)]);
        assert_eq!(every.all(0.0), vec![(0, 0.0)]);
    }

    #[test]
    fn shares_need_a_duration() {
        assert!(Moments::new(&SnapshotTimes::At(Moment::Share(0.5)), None).is_err());
        assert!(Moments::new(&SnapshotTimes::Every(0.0), None).is_err());
        assert!(Moments::new(&SnapshotTimes::Every(f64::NAN), None).is_err());
    }
}
