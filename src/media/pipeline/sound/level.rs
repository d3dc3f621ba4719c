//! Filters that bring sound to a level.
//!
//! A loudness is reached in passes: the sound is measured as it will be encoded, then one gain brings it to the target.
//! Where that gain would lift peaks over the limit, or the range is too wide, the sound is compressed and limited, and
//! measured again with the filters in place until the target is met.

use std::fmt::Write;

use reelmill::model::work::{AudioEncode, Level, LoudnessMethod, LoudnessTarget};

use super::desk::inside;
use super::measure::Measured;
use crate::error::{MediaError, warning};
use crate::talk::Talk;

/// How near to the target is near enough, in LU; half a unit is what is promised.
const NEAR_LU: f64 = 0.15;

/// A miss that the user is told of, in LU.
const MISSED_LU: f64 = 0.5;

/// Passes with filters in place.
const PASSES: u32 = 5;

/// By how much lossy codecs lift peaks, in decibels: kept free below the limit.
const CODEC_MARGIN_DB: f64 = 0.7;

/// The limiter works on samples so many times as dense: between its own samples, peaks hardly rise.
const OVERSAMPLING: u32 = 4;

/// Lowest threshold that the limiter takes, in decibels.
const LOWEST_LIMIT_DB: f64 = -24.0;

/// Highest peak where a gain lifts sound over full scale, in decibels.
const FULL_SCALE_DB: f64 = -0.1;

/// The filters that `encode` asks for; empty where sound stays as it is. `measure` measures the sound behind filters.
pub fn filters(
    encode: &AudioEncode,
    measure: &mut dyn FnMut(&str) -> Result<Option<Measured>, MediaError>,
    talk: &Talk,
) -> Result<String, MediaError> {
    match encode.level {
        Level::Source if encode.mix.is_none() => Ok(String::new()),
        Level::Source => Ok(limiter(FULL_SCALE_DB, None)),
        Level::Gain(gain_db) if gain_db <= 0.0 && encode.mix.is_none() => Ok(gain(gain_db)),
        Level::Gain(gain_db) => Ok(format!("{},{}", gain(gain_db), limiter(FULL_SCALE_DB, None))),
        Level::Loudness(target) => {
            let lossless = encode.codec.info().limits.bitrate.is_none();
            let margin_db = if lossless { 0.0 } else { CODEC_MARGIN_DB };
            let filters = loudness(&target, target.true_peak_dbtp - margin_db, measure, talk)?;
            let softer_db = (encode.codec.info().softer_db)(encode);
            let as_it_is = filters.is_empty() || softer_db == 0.0;
            Ok(if as_it_is { filters } else { format!("{filters},{}", gain(softer_db)) })
        }
    }
}

fn loudness(
    target: &LoudnessTarget,
    peak_limit: f64,
    measure: &mut dyn FnMut(&str) -> Result<Option<Measured>, MediaError>,
    talk: &Talk,
) -> Result<String, MediaError> {
    // Silence, and what nothing could be decoded of, has no loudness to bring anywhere.
    let Some(first) = measure("")? else { return Ok(String::new()) };
    let Some(integrated) = first.loudness.integrated_lufs else {
        if first.loudness.true_peak_dbtp.is_some() {
            let message = "the loudness was not changed: the audio is too short or too quiet to measure";
            talk.warn(warning::LOUDNESS_MISSED, message.to_owned());
        }
        return Ok(String::new());
    };
    let gain_db = target.integrated_lufs - integrated;
    let peak = first.loudness.true_peak_dbtp.unwrap_or(f64::NEG_INFINITY);
    let room_db = peak_limit - peak;
    let narrow = target.range_lu.is_none_or(|range| first.loudness.range_lu.is_none_or(|found| found <= range));
    match target.method {
        LoudnessMethod::Linear => {
            if gain_db > room_db + MISSED_LU {
                let reached = integrated + room_db;
                warn(talk, target, reached, "its peaks permit no more gain");
            }
            return Ok(gain(gain_db.min(room_db)));
        }
        LoudnessMethod::Auto if gain_db <= room_db && narrow => return Ok(gain(gain_db)),
        _ => {}
    }
    let follow = if target.method == LoudnessMethod::Dynamic || !narrow {
        format!("{},{},", gain(gain_db), following(target, &first, gain_db))
    } else {
        String::new()
    };
    let (mut gain_db, mut limit_db) = (if follow.is_empty() { gain_db } else { 0.0 }, peak_limit);
    for pass in 1.. {
        let filters = format!("{follow}{},{}", gain(gain_db), limiter(limit_db, Some(first.target.rate)));
        let Some(found) = measure(&filters)? else { return Ok(filters) };
        let reached = found.loudness.integrated_lufs.unwrap_or(integrated);
        let over_db = found.loudness.true_peak_dbtp.map_or(0.0, |peak| (peak - peak_limit).max(0.0));
        let missed = target.integrated_lufs - reached;
        if missed.abs() <= NEAR_LU && over_db == 0.0 || pass == PASSES {
            if missed.abs() > MISSED_LU {
                warn(talk, target, reached, "its peaks are too loud compared to the rest");
            }
            return Ok(filters);
        }
        gain_db += missed;
        limit_db -= if over_db > 0.0 { over_db + 0.05 } else { 0.0 };
    }
    Ok(String::new())
}

fn warn(talk: &Talk, target: &LoudnessTarget, reached: f64, why: &str) {
    let message = format!("the loudness is {reached:.1} LUFS instead of {} LUFS: {why}", target.integrated_lufs);
    talk.warn(warning::LOUDNESS_MISSED, message);
}

fn gain(gain_db: f64) -> String {
    format!("volume={gain_db:.3}dB")
}

/// Holds peaks below `limit_db`: those of samples, or at a rate of `true_peak` samples a second those between them too.
fn limiter(limit_db: f64, true_peak: Option<u32>) -> String {
    let limit = 10_f64.powf(limit_db.clamp(LOWEST_LIMIT_DB, 0.0) / 20.0);
    let limiter = format!("alimiter=limit={limit:.6}:attack=5:release=50:level=false:latency=true");
    match true_peak {
        Some(rate) => format!("aresample={},{limiter},aresample={rate}", u64::from(rate) * u64::from(OVERSAMPLING)),
        None => limiter,
    }
}

/// A gain that follows the programme and narrows its range; it gets the sound lifted by `gain_db`, which brings the whole
/// to the target, because it knows nothing above full scale.
fn following(target: &LoudnessTarget, found: &Measured, gain_db: f64) -> String {
    let Measured { loudness: found, target: format } = found;
    let integrated = target.integrated_lufs;
    let mut text = format!(
        "loudnorm=I={}:TP={}:LRA={}",
        target.integrated_lufs,
        target.true_peak_dbtp,
        target.range_lu.or(found.range_lu).unwrap_or(7.0).clamp(1.0, 50.0),
    );
    // The relative gate of R 128 lies 10 LU below the loudness.
    let _ = write!(
        text,
        ":measured_I={:.2}:measured_TP={:.2}:measured_LRA={:.2}:measured_thresh={:.2}:linear=false,{}",
        integrated.clamp(-99.0, 0.0),
        (found.true_peak_dbtp.unwrap_or(0.0) + gain_db).clamp(-99.0, 99.0),
        found.range_lu.unwrap_or(0.0).clamp(0.0, 99.0),
        (integrated - 10.0).clamp(-99.0, 0.0),
        inside(format).filter(),
    );
    text
}
