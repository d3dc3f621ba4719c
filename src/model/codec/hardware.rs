//! Encoders that need a device: off unless asked for. What each family is told.

use serde::{Deserialize, Serialize};

use super::options::{Bits, Options, Setting};
use crate::model::work::RateControl;

/// Families of encoders that need a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hardware {
    /// NVIDIA's.
    Nvenc,
    /// Intel's Quick Sync Video.
    Qsv,
    /// Video Acceleration API, of Linux.
    Vaapi,
    /// Apple's.
    Videotoolbox,
}

impl Hardware {
    /// Every family.
    pub const ALL: &'static [Self] = &[Self::Nvenc, Self::Qsv, Self::Vaapi, Self::Videotoolbox];

    /// Words for `encoder`; `software` is the default.
    pub const WORDS: &'static [&'static str] = &["software", "nvenc", "qsv", "vaapi", "videotoolbox"];

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nvenc => "nvenc",
            Self::Qsv => "qsv",
            Self::Vaapi => "vaapi",
            Self::Videotoolbox => "videotoolbox",
        }
    }

    /// The family of that word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|family| family.name() == word)
    }

    /// Pixel format in which it takes frames from memory.
    #[must_use]
    pub const fn pixel_format(self, ten_bits: bool) -> &'static str {
        if ten_bits { "p010le" } else { "nv12" }
    }
}

/// Options of the encoders of a device. They have no tunes, no presets of x264 and no two-pass encoding.
pub(super) fn options(family: Hardware, setting: &Setting<'_>) -> Options {
    let encode = setting.encode;
    let bits = Bits::of(encode.rate_control);
    let mut options = bits.options();
    let cbr = matches!(encode.rate_control, RateControl::Cbr { .. });
    let quality = match encode.rate_control {
        RateControl::Crf { crf, .. } => Some(crf.round()),
        _ => None,
    };
    match (family, quality) {
        (Hardware::Nvenc, Some(quality)) => {
            options.extend([("rc", "vbr".to_owned()), ("cq", quality.to_string())]);
            // Zero: quality alone decides.
            options.push(("b", "0".to_owned()));
        }
        (Hardware::Nvenc, None) => options.push(("rc", if cbr { "cbr" } else { "vbr" }.to_owned())),
        (Hardware::Qsv, Some(quality)) => options.push(("global_quality", quality.to_string())),
        (Hardware::Vaapi, Some(quality)) => {
            options.extend([("rc_mode", "CQP".to_owned()), ("qp", quality.to_string())]);
        }
        (Hardware::Vaapi, None) => options.push(("rc_mode", if cbr { "CBR" } else { "VBR" }.to_owned())),
        (Hardware::Videotoolbox, Some(quality)) => {
            // From 100, the best, down; libav counts in steps of 118.
            let percent = (100.0 - quality * 100.0 / 51.0).clamp(1.0, 100.0);
            options.extend([
                ("flags", "+qscale".to_owned()),
                ("global_quality", (percent * 118.0).round().to_string()),
                ("allow_sw", "0".to_owned()),
            ]);
        }
        (Hardware::Qsv | Hardware::Videotoolbox, None) => {}
    }
    options.push(("g", setting.gop(true).to_string()));
    match family {
        Hardware::Nvenc => {
            options.extend([("forced-idr", "1".to_owned()), ("no-scenecut", "1".to_owned())]);
        }
        Hardware::Qsv => options.push(("forced_idr", "1".to_owned())),
        Hardware::Vaapi | Hardware::Videotoolbox => {}
    }
    options.extend(encode.profile.as_ref().map(|profile| ("profile", profile.clone())));
    options.extend(encode.b_frames.map(|count| ("bf", count.to_string())));
    options
}
