//! Fraunhofer's encoder of AAC, for the profiles that libav's own does not have.
//!
//! It takes interleaved 16-bit samples and gives raw access units; its header is an AudioSpecificConfig. **Invariant**:
//! packets tell when they are heard: the first ones lie before zero, by what the encoder holds back, and the last one
//! ends where the sound does.
//!
//! Deliberately absent: AAC-LC, which libav encodes as well, and more than two channels, which the crate does not offer.

use std::collections::VecDeque;

use fdk_aac::enc::{
    AudioObjectType, BitRate, ChannelMode, Encoder, EncoderError, EncoderParams, InfoStruct, Transport,
};
use ffmpeg_next::codec::Parameters;
use ffmpeg_next::{Error, Frame, Packet, codec, packet};
use reelmill::model::codec::{OWN_FDK, aac_bitrate};
use reelmill::model::work::AudioEncode;

use crate::error::MediaError;
use crate::pipeline::encode::Coder;
use crate::pipeline::graph::AudioFormat;
use crate::raw::AudioParameters;

/// The sample format that it takes.
pub const SAMPLES: &str = "s16";

/// Bytes of a sample.
const SAMPLE_BYTES: usize = 2;

/// Default bit rate per channel.
const USUAL_BPS: u64 = 32_000;

/// Profiles: their words, the library's and libav's, and how many samples are heard for each that is encoded.
const PROFILES: &[(&str, AudioObjectType, i32, u32)] = &[
    ("aac_he", AudioObjectType::Mpeg4HeAac, 4, 2),
    ("aac_he_v2", AudioObjectType::Mpeg4HeAacV2, 28, 2),
    ("aac_ld", AudioObjectType::Mpeg4LowDelay, 22, 1),
    ("aac_eld", AudioObjectType::Mpeg4EnhancedLowDelay, 38, 1),
];

/// An open encoder.
pub struct Fdk {
    encoder: Encoder,
    parameters: Parameters,
    channels: usize,
    /// Samples per packet and channel.
    frame: i64,
    /// Interleaved samples that do not fill a packet yet. The library gets whole packets only: given parts of one, it
    /// writes beyond its own buffer.
    held: Vec<i16>,
    /// Where a packet is written first.
    buffer: Vec<u8>,
    /// Packets that nobody has taken yet.
    ready: VecDeque<Packet>,
    /// When the next packet is heard, in samples.
    next: i64,
    /// Samples per channel that went in.
    end: i64,
}

impl Fdk {
    /// For what is asked for, of samples in `format`.
    pub fn open(encode: &AudioEncode, format: &AudioFormat) -> Result<Self, MediaError> {
        let wanted = encode.profile.as_deref();
        let known = PROFILES.iter().find(|(name, ..)| Some(*name) == wanted);
        let unknown = || MediaError::Missing { kind: "profile of AAC", name: wanted.unwrap_or_default().to_owned() };
        let &(_, audio_object_type, profile, heard) = known.ok_or_else(unknown)?;
        let (channels, mode) = if format.layout == "mono" { (1, ChannelMode::Mono) } else { (2, ChannelMode::Stereo) };
        let usual = USUAL_BPS * u64::from(channels);
        let bitrate_bps = aac_bitrate(encode, encode.bitrate_bps.unwrap_or(usual), channels);
        let asked = EncoderParams {
            bit_rate: BitRate::Cbr(u32::try_from(bitrate_bps).unwrap_or(u32::MAX)),
            sample_rate: format.rate,
            transport: Transport::Raw,
            channels: mode,
            audio_object_type,
        };
        let opened = Encoder::new(asked).and_then(|encoder| Ok((encoder.info()?, encoder)));
        let (info, encoder) = opened.map_err(|error| failed(refused(error)))?;
        // Half of the spectrum is encoded at half of the rate, by which MP4 counts: FFmpeg takes what is not to be heard
        // for samples of that rate, and cuts off twice as much where it is told another.
        let parameters = AudioParameters {
            id: codec::Id::AAC,
            profile,
            rate: format.rate / heard,
            layout: &format.layout,
            samples: SAMPLES,
            bitrate_bps,
            frame_size: info.frameLength / heard,
            priming: info.nDelay / heard,
            header: header(&info),
        };
        Ok(Self {
            encoder,
            parameters: parameters.to_parameters().map_err(failed)?,
            channels: usize::from(channels),
            frame: i64::from(info.frameLength),
            held: Vec::new(),
            buffer: vec![0; info.maxOutBufBytes as usize],
            ready: VecDeque::new(),
            next: -i64::from(info.nDelay),
            end: 0,
        })
    }

    /// Encodes interleaved samples; what does not fill a packet waits for more.
    fn feed(&mut self, samples: &[i16]) -> Result<(), Error> {
        self.held.extend_from_slice(samples);
        let whole = usize::try_from(self.frame).unwrap_or(0) * self.channels;
        let held = std::mem::take(&mut self.held);
        let mut packets = held.chunks_exact(whole);
        for samples in &mut packets {
            let done = self.encoder.encode(samples, &mut self.buffer).map_err(refused)?;
            if done.output_size == 0 || done.input_consumed != whole {
                return Err(Error::External);
            }
            self.pack(done.output_size);
        }
        self.held = packets.remainder().to_vec();
        Ok(())
    }

    fn pack(&mut self, size: usize) {
        let mut packet = Packet::copy(&self.buffer[..size]);
        packet.set_pts(Some(self.next));
        packet.set_dts(Some(self.next));
        packet.set_flags(packet::Flags::KEY);
        packet.set_duration(self.frame);
        self.next += self.frame;
        self.ready.push_back(packet);
    }

    /// Has everything come out, by silence that follows: the last packet is heard as long as there is sound.
    fn drain(&mut self) -> Result<(), Error> {
        let silence = vec![0; usize::try_from(self.frame).unwrap_or(0) * self.channels];
        while self.next < self.end {
            self.feed(&silence)?;
        }
        if let Some(last) = self.ready.back_mut() {
            // What lies beyond the sound is less than a packet.
            last.set_duration(self.frame - (self.next - self.end).clamp(0, self.frame - 1));
        }
        Ok(())
    }
}

impl Coder for Fdk {
    fn send(&mut self, frame: Option<&Frame>) -> Result<(), Error> {
        let Some(frame) = frame else { return self.drain() };
        let samples = samples(frame, self.channels);
        self.end += i64::try_from(samples.len() / self.channels).unwrap_or(0);
        self.feed(&samples)
    }

    fn receive(&mut self) -> Result<Option<Packet>, Error> {
        Ok(self.ready.pop_front())
    }

    fn parameters(&self) -> Parameters {
        self.parameters.clone()
    }
}

/// Interleaved samples of a frame in [`SAMPLES`].
fn samples(frame: &Frame, channels: usize) -> Vec<i16> {
    let bytes = crate::raw::packed_samples(frame, channels * SAMPLE_BYTES);
    bytes.chunks_exact(SAMPLE_BYTES).map(|pair| i16::from_ne_bytes([pair[0], pair[1]])).collect()
}

/// The AudioSpecificConfig.
fn header(info: &InfoStruct) -> &[u8] {
    &info.confBuf[..(info.confSize as usize).min(info.confBuf.len())]
}

/// The library's errors are no numbers of libav's: what it says goes where libav's words go.
#[expect(clippy::needless_pass_by_value, reason = "what errors are mapped by")]
#[expect(
    clippy::print_stderr,
    reason = "standard error is where libav says what it thinks, and the supervisor reads it"
)]
fn refused(error: EncoderError) -> Error {
    eprintln!("[{OWN_FDK}] {error}");
    Error::External
}

fn failed(source: Error) -> MediaError {
    MediaError::Encode { encoder: OWN_FDK.to_owned(), source }
}
