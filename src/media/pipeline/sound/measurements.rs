//! Measurements that several outputs of one source want: rungs with the same target measure the same sound.
//!
//! **Invariant**: what is handed on is what measuring again would find. Deliberately absent: sound that does not come from the
//! source alone, which each output measures for itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use reelmill::model::work::{AudioEncode, Level, Tracks};

use super::Sound;
use super::measure::Measured;
use crate::error::MediaError;
use crate::pipeline::window::Window;

/// What was measured of a source so far.
#[derive(Default)]
pub struct Measurements(Mutex<Vec<(Key, Option<Measured>)>>);

/// Everything that a measurement depends on.
#[derive(PartialEq)]
struct Key {
    stream: usize,
    window: Window,
    /// What is encoded, apart from what changes nothing about the samples.
    encode: AudioEncode,
    filters: String,
}

impl Measurements {
    /// The measurement of `sound` behind `filters`, in the part `window` of its source: made by `measure` where there is none
    /// yet.
    pub fn once(
        &self,
        sound: &Sound<'_>,
        window: Window,
        filters: &str,
        measure: impl FnOnce() -> Result<Option<Measured>, MediaError>,
    ) -> Result<Option<Measured>, MediaError> {
        let Some(encode) = sound.encode else { return measure() };
        let encode = AudioEncode { bitrate_bps: None, tracks: Tracks::Main, level: Level::Source, ..encode.clone() };
        let key = Key { stream: sound.track.index, window, encode, filters: filters.to_owned() };
        if let Some((_, found)) = self.made().iter().find(|(made, _)| *made == key) {
            return Ok(found.clone());
        }
        let found = measure()?;
        self.made().push((key, found.clone()));
        Ok(found)
    }

    fn made(&self) -> MutexGuard<'_, Vec<(Key, Option<Measured>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many were made.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.made().len()
    }
}
