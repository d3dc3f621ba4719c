//! Codecs that can be encoded: what each can do, which containers hold it, and how its encoder is told.
//!
//! One file is one codec: a table of what it has, which `validate`, the JSON Schemas, `doctor` and the worker all read,
//! and a function from parameters to options of libav's encoder. **Invariant**: nothing else knows an encoder by name;
//! options are pure functions of what is asked for. A new codec is a new file and its line in a registry below.
//!
//! Deliberately absent: libav itself, which only the worker knows.

mod aac;
mod ac3;
mod av1;
mod container;
mod eac3;
mod flac;
mod gif;
mod h264;
mod h265;
mod hardware;
mod hdr;
mod mjpeg;
mod mp3;
mod options;
mod opus;
mod pcm;
mod picture;
mod prores;
mod vorbis;
mod vp9;
mod webp;

use serde::{Deserialize, Serialize};

use super::work::{AudioEncode, Container, VideoEncode};

pub use aac::{OWN_FDK, bounded as aac_bitrate};
pub use container::ContainerInfo;
pub use hardware::Hardware;
pub use hdr::{HdrMetadata, MasteringDisplay};
pub use options::{Options, Pass, Setting};
pub use picture::PICTURE_ENCODERS;

/// Makes the enum of a kind of codec from its registry: one line is one codec and the file that it stands in.
macro_rules! registry {
    ($(#[$doc:meta])* $name:ident: $info:ty { $($variant:ident = $module:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $(#[doc = concat!("See `", stringify!($module), "`.")] $variant,)+
        }

        impl $name {
            /// Every one, in the order of the registry.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Words for `codec`, with `copy`, which takes packets as they are.
            pub const WORDS: &'static [&'static str] = &[$($module::CODEC.name,)+ "copy"];

            /// Capabilities of the codec.
            #[must_use]
            pub const fn info(self) -> &'static $info {
                match self {
                    $(Self::$variant => &$module::CODEC,)+
                }
            }

            /// The one of that name.
            #[must_use]
            pub fn named(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|codec| codec.info().name == word)
            }
        }
    };
}

registry! {
    /// Video codecs that can be encoded.
    VideoCodec: VideoInfo {
        H264 = h264,
        H265 = h265,
        Av1 = av1,
        Vp9 = vp9,
        Prores = prores,
        Mjpeg = mjpeg,
        Gif = gif,
        Webp = webp,
    }
}

registry! {
    /// Audio codecs that can be encoded.
    AudioCodec: AudioInfo {
        Aac = aac,
        Mp3 = mp3,
        Opus = opus,
        Vorbis = vorbis,
        Flac = flac,
        Ac3 = ac3,
        Eac3 = eac3,
        Pcm = pcm,
    }
}

/// Capabilities of a video codec.
#[derive(Debug)]
pub struct VideoInfo {
    /// The word for `codec`: `h265`.
    pub name: &'static str,
    /// Name for people: `H.265`.
    pub title: &'static str,
    /// libav's name of the codec: `hevc`.
    pub libav: &'static str,
    /// libav's encoder: `libx265`.
    pub encoder: &'static str,
    /// libav's encoders that need a device.
    pub hardware: &'static [(Hardware, &'static str)],
    /// Containers that hold it.
    pub containers: &'static [Container],
    /// Profiles, each with the pixel formats that it has, its usual one first.
    pub profiles: &'static [(&'static str, &'static [&'static str])],
    /// Levels that can be asked for.
    pub levels: &'static [&'static str],
    /// Presets: speed against size.
    pub presets: &'static [&'static str],
    /// Tunings to kinds of content.
    pub tunes: &'static [&'static str],
    /// Pixel formats, the usual one first.
    pub pixel_formats: &'static [&'static str],
    /// Rate control.
    pub rates: Rates,
    /// Most B frames in a row; absent where nobody chooses.
    pub b_frames: Option<u8>,
    /// Most reference frames; absent where nobody chooses.
    pub refs: Option<u8>,
    /// True if frames depend on others, so that there are groups of pictures.
    pub groups: bool,
    /// Most frames per second.
    pub max_fps: Option<i32>,
    /// True if pictures use all 256 levels (full range).
    pub full_range: bool,
    /// True if pictures are BT.601 whatever the source, because players expect it of the codec.
    pub bt601: bool,
    /// True if its encoder makes one packet of all pictures: a whole WebP file.
    pub one_packet: bool,
    /// True if pictures have a palette, which is made for them.
    pub palette: bool,
    /// Options of its encoder.
    pub options: fn(&Setting<'_>) -> Options,
}

impl VideoInfo {
    /// A codec about which nothing is said; what the tables fall back on.
    const BLANK: Self = Self {
        name: "",
        title: "",
        libav: "",
        encoder: "",
        hardware: &[],
        containers: &[],
        profiles: &[],
        levels: &[],
        presets: &[],
        tunes: &[],
        pixel_formats: &["yuv420p"],
        rates: Rates::Profile,
        b_frames: None,
        refs: None,
        groups: false,
        max_fps: None,
        full_range: false,
        bt601: false,
        one_packet: false,
        palette: false,
        options: |_| Options::new(),
    };

    /// The pixel format to encode in: the one asked for, the profile's usual one, or the codec's.
    #[must_use]
    pub fn pixel_format<'a>(&self, encode: &'a VideoEncode) -> &'a str {
        let of_profile = || {
            let profile = encode.profile.as_deref()?;
            self.profiles.iter().find(|(name, _)| *name == profile)?.1.first().copied()
        };
        encode.pixel_format.as_deref().or_else(of_profile).or(self.pixel_formats.first().copied()).unwrap_or("yuv420p")
    }

    /// The pixel format to encode high dynamic range in: the one asked for, or the first with ten bits or more that the
    /// profile, or the codec, has; `None` where there is none.
    #[must_use]
    pub fn deep_format<'a>(&self, profile: Option<&str>, asked: Option<&'a str>) -> Option<&'a str> {
        let deep = |format: &&str| DEEP.iter().any(|bits| format.contains(bits));
        if asked.is_some() {
            return asked.filter(deep);
        }
        let of_profile = self.profiles.iter().find(|(name, _)| Some(*name) == profile);
        of_profile.map_or(self.pixel_formats, |(_, formats)| formats).iter().copied().find(deep)
    }

    /// Names of every encoder that it can use.
    pub fn every_encoder(&'static self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.encoder).chain(self.hardware.iter().map(|(_, name)| *name))
    }

    /// libav's encoder for what is asked for.
    #[must_use]
    pub fn encoder_for(&self, hardware: Option<Hardware>) -> &'static str {
        let device = hardware.and_then(|wanted| self.hardware.iter().find(|(has, _)| *has == wanted));
        device.map_or(self.encoder, |(_, name)| name)
    }

    /// Options of the encoder for what is asked for.
    #[must_use]
    pub fn options_for(&self, setting: &Setting<'_>) -> Options {
        match setting.encode.encoder {
            Some(hardware) => hardware::options(hardware, setting),
            None => (self.options)(setting),
        }
    }
}

/// Parts of the names of pixel formats with ten bits or more.
const DEEP: &[&str] = &["p10", "p12", "p16"];

/// Rate control of a video codec.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rates {
    /// A quality from 0 (best) to `max`, or a bit rate.
    Crf {
        /// Worst.
        max: f32,
        /// Default `crf`.
        default: f32,
        /// Words for `rate_control`.
        modes: &'static [&'static str],
        /// Those that `maxrate` and `bufsize` bound.
        capped: &'static [&'static str],
        /// True if it has two-pass encoding.
        two_passes: bool,
    },
    /// A quality from 1 to 100; the value is the default.
    Quality(u8),
    /// Its profile, or nothing at all.
    Profile,
}

/// Capabilities of an audio codec.
#[derive(Debug)]
pub struct AudioInfo {
    /// The word for `codec`: `mp3`.
    pub name: &'static str,
    /// libav's names of the codec begin so: `mp3`.
    pub libav: &'static str,
    /// Containers that hold it.
    pub containers: &'static [Container],
    /// Profiles, each with limits of its own.
    pub profiles: &'static [(&'static str, AudioLimits)],
    /// Limits if no profile is set.
    pub limits: AudioLimits,
    /// Bits per sample that can be asked for.
    pub bit_depths: &'static [u8],
    /// Every encoder of libav's that it can use.
    pub every: &'static [&'static str],
    /// Those for what is asked for, the best first.
    pub encoders: fn(&AudioEncode) -> &'static [&'static str],
    /// By how many decibels its encoder makes sound softer, which a target of loudness makes up for.
    pub softer_db: fn(&AudioEncode) -> f64,
    /// Options of its encoder, for what is asked for in so many channels.
    pub options: fn(&AudioEncode, u16) -> Options,
}

/// Limits of an audio codec.
#[derive(Clone, Copy, Debug)]
pub struct AudioLimits {
    /// Fewest, usual (0: the encoder decides) and most bits per second; absent: it loses nothing, and has no bit rate.
    pub bitrate: Option<(u64, u64, u64)>,
    /// Sample rates that it has, ascending; empty where any will do.
    pub sample_rates: &'static [u32],
    /// Fewest and most channels.
    pub channels: (u16, u16),
    /// Containers that hold it, of those that hold the codec; empty where all of them do.
    pub only_in: &'static [Container],
}

impl AudioLimits {
    /// The sample rate to encode at: the one asked for or the source's, or the nearest above it that the codec has.
    #[must_use]
    pub fn sample_rate(&self, wanted: u32) -> u32 {
        let rates = self.sample_rates;
        rates.iter().copied().find(|&rate| rate >= wanted).or_else(|| rates.last().copied()).unwrap_or(wanted)
    }

    /// Returns whether a container that holds the codec holds it with these parameters.
    #[must_use]
    pub fn are_held_by(&self, container: Container) -> bool {
        self.only_in.is_empty() || self.only_in.contains(&container)
    }
}

impl AudioInfo {
    /// Names of every encoder that it can use.
    pub fn every_encoder(&'static self) -> impl Iterator<Item = &'static str> {
        self.every.iter().copied()
    }

    /// Limits of a profile; of an unknown one, those without a profile.
    #[must_use]
    pub fn limits_of(&self, profile: Option<&str>) -> AudioLimits {
        let known = self.profiles.iter().find(|(name, _)| Some(*name) == profile);
        known.map_or(self.limits, |(_, limits)| *limits)
    }
}

impl AudioCodec {
    /// Everything that can be asked of it: what it is called, and the encoders any of which will do.
    #[must_use]
    pub fn variants(self) -> Vec<(String, &'static [&'static str])> {
        let info = self.info();
        let plain = AudioEncode::plain(self);
        let profiles = info.profiles.iter().map(|(name, _)| {
            let encode = AudioEncode { profile: Some((*name).to_owned()), ..plain.clone() };
            ((*name).to_owned(), (info.encoders)(&encode))
        });
        let depths = info.bit_depths.iter().map(|&bits| {
            let encode = AudioEncode { bit_depth: Some(bits), ..plain.clone() };
            (format!("{} of {bits} bits", info.name), (info.encoders)(&encode))
        });
        let all: Vec<_> = profiles.chain(depths).collect();
        if all.is_empty() { vec![(info.name.to_owned(), (info.encoders)(&plain))] } else { all }
    }
}

#[cfg(test)]
mod tests;
