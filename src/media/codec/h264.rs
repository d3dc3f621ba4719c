//! H.264 by libx264.

use reelmill::model::work::{Gop, RateControl, VideoEncode};

use super::{Options, VideoEncoder};

/// Distance of keyframes where none is asked for, in seconds.
const DEFAULT_GOP_S: f64 = 10.0;

/// The codec.
pub struct H264;

impl VideoEncoder for H264 {
    fn encoders(&self) -> &'static [&'static str] {
        &["libx264"]
    }

    fn pixel_format(&self) -> &'static str {
        "yuv420p"
    }

    fn options(&self, encode: &VideoEncode, frame_rate: f64) -> Options {
        let mut options = Options::new();
        let named = [
            ("preset", &encode.preset),
            ("tune", &encode.tune),
            ("profile", &encode.profile),
            ("level", &encode.level),
        ];
        options.extend(named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        rate_control(encode.rate_control, &mut options);
        keyframes(encode.gop, frame_rate, &mut options);
        options
    }
}

fn rate_control(control: RateControl, options: &mut Options) {
    let (maxrate, bufsize) = match control {
        RateControl::Crf { crf, maxrate_bps, bufsize_bits } => {
            options.push(("crf", crf.to_string()));
            (maxrate_bps, bufsize_bits)
        }
        RateControl::Abr { bitrate_bps, maxrate_bps, bufsize_bits } => {
            options.push(("b", bitrate_bps.to_string()));
            (maxrate_bps, bufsize_bits)
        }
        RateControl::Cbr { bitrate_bps, bufsize_bits } => {
            options.push(("b", bitrate_bps.to_string()));
            options.push(("minrate", bitrate_bps.to_string()));
            options.push(("nal-hrd", "cbr".to_owned()));
            (Some(bitrate_bps), bufsize_bits)
        }
    };
    if let Some(maxrate) = maxrate {
        options.push(("maxrate", maxrate.to_string()));
        // x264 ignores a cap without a window; twice the cap is the usual one.
        options.push(("bufsize", bufsize.unwrap_or(maxrate * 2).to_string()));
    }
}

/// Where a distance is given, keyframes come exactly there (frames ask for them), so that rungs of a ladder align.
fn keyframes(gop: Option<Gop>, frame_rate: f64, options: &mut Options) {
    let fixed = gop.is_some();
    let frames = match gop {
        Some(Gop::Frames(frames)) => frames.max(1),
        Some(Gop::Seconds(_)) => u32::from(u16::MAX),
        None => whole_frames(DEFAULT_GOP_S * frame_rate),
    };
    options.push(("g", frames.to_string()));
    options.push(("forced-idr", "1".to_owned()));
    options.push(("flags", "+cgop".to_owned()));
    if fixed {
        options.push(("sc_threshold", "0".to_owned()));
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn whole_frames(frames: f64) -> u32 {
    frames.round().clamp(1.0, 10_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill::model::work::{Fit, FrameRate, Size, Treatment, VideoCodec};

    fn encode(rate_control: RateControl, gop: Option<Gop>) -> VideoEncode {
        VideoEncode {
            codec: VideoCodec::H264,
            profile: Some("high".into()),
            level: None,
            preset: Some("fast".into()),
            tune: None,
            rate_control,
            gop,
            size: Size::Source,
            fit: Fit::Rescale,
            upscale: false,
            frame_rate: FrameRate::Source,
            treatment: Treatment::default(),
            pixel_format: None,
        }
    }

    fn text(options: &Options) -> String {
        options.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rate_control_becomes_options() {
        let crf = RateControl::Crf { crf: 23.0, maxrate_bps: Some(2_000_000), bufsize_bits: None };
        assert_eq!(
            text(&H264.options(&encode(crf, None), 25.0)),
            "preset=fast profile=high crf=23 maxrate=2000000 bufsize=4000000 g=250 forced-idr=1 flags=+cgop"
        );
        let cbr = RateControl::Cbr { bitrate_bps: 1_000_000, bufsize_bits: Some(500_000) };
        assert_eq!(
            text(&H264.options(&encode(cbr, Some(Gop::Frames(50))), 25.0)),
            "preset=fast profile=high b=1000000 minrate=1000000 nal-hrd=cbr maxrate=1000000 bufsize=500000 g=50 \
             forced-idr=1 flags=+cgop sc_threshold=0"
        );
    }
}
