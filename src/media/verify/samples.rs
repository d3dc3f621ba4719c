//! The packets of one stream of an output: their times, and decoding the first and the last of them.

use std::collections::VecDeque;

use ffmpeg_next::codec::{Context, decoder};
use ffmpeg_next::{Dictionary, Packet, Rational, Stream, codec, media};

use crate::libav;
use crate::probe::seconds;

/// Audio decoded at each end, in seconds.
const AUDIO_S: f64 = 1.0;

/// Pictures that are shown, decoded at the beginning: what is wrong with all of a stream is wrong with them.
const PICTURES: u64 = 16;

/// Payload kept of each end, in bytes; of a longer group of pictures only its beginning is decoded.
const MAX_KEPT_BYTES: usize = 64 << 20;

/// What was read of one stream.
pub struct Samples {
    /// Packets that are shown.
    pub packets: u64,
    /// Duration of a frame in seconds, where the stream has a rate.
    pub frame_s: f64,
    /// Whether the container stores decoding times; where it does not, libav guesses them.
    pub stores_decoding_times: bool,
    parameters: codec::Parameters,
    time_base: Rational,
    stated_packets: i64,
    discarded: u64,
    start: Option<i64>,
    end: Option<i64>,
    longest: i64,
    last_dts: Option<i64>,
    out_of_order: Option<i64>,
    head: Vec<Packet>,
    head_full: bool,
    tail: VecDeque<Packet>,
    tail_bytes: usize,
}

impl Samples {
    /// Of a stream nothing has been read of.
    pub fn new(stream: &Stream<'_>) -> Self {
        Self {
            packets: 0,
            frame_s: 0.0,
            stores_decoding_times: true,
            parameters: stream.parameters().clone(),
            time_base: stream.time_base(),
            // MP4 counts samples of PCM one by one, and hands out many at once.
            stated_packets: if stream.parameters().id().name().starts_with("pcm_") { 0 } else { stream.frames() },
            discarded: 0,
            start: None,
            end: None,
            longest: 0,
            last_dts: None,
            out_of_order: None,
            head: Vec::new(),
            head_full: false,
            tail: VecDeque::new(),
            tail_bytes: 0,
        }
    }

    /// Takes in the next packet.
    pub fn add(&mut self, packet: &Packet) {
        if let (Some(last), Some(dts)) = (self.last_dts, packet.dts())
            && self.stores_decoding_times
            && dts < last
        {
            self.out_of_order.get_or_insert(dts);
        }
        let gap = self.last_dts.zip(packet.dts()).map(|(last, dts)| dts.saturating_sub(last));
        self.last_dts = packet.dts().or(self.last_dts);
        self.keep(packet);
        if libav::is_discarded(packet) {
            self.discarded += 1;
            return;
        }
        self.packets += 1;
        let Some(time) = packet.pts().or(packet.dts()) else { return };
        // Where packets do not say how long they last, the time to the next one does.
        let step = match (packet.duration(), gap) {
            (0, Some(gap)) => gap,
            (duration, _) => duration,
        };
        self.longest = self.longest.max(step);
        self.start = Some(self.start.map_or(time, |start| start.min(time)));
        self.end = self.end.max(Some(time.saturating_add(packet.duration().max(0))));
    }

    /// Keeps the first pictures and the last group of them, or the first and the last second of audio.
    fn keep(&mut self, packet: &Packet) {
        let video = self.parameters.medium() == media::Type::Video;
        if video && packet.is_key() {
            self.tail.clear();
            self.tail_bytes = 0;
        }
        // Only what is shown counts: what an edit list hides before it may be long, and nothing of it comes out.
        self.head_full |= self.packets >= if video { PICTURES } else { self.packets_of_audio() as u64 };
        if !self.head_full {
            self.head.push(packet.clone());
            self.head_full = self.head.iter().map(Packet::size).sum::<usize>() > MAX_KEPT_BYTES;
        }
        if self.tail_bytes > MAX_KEPT_BYTES {
            return;
        }
        self.tail_bytes += packet.size();
        self.tail.push_back(packet.clone());
        while !video && self.tail.len() > self.packets_of_audio() {
            self.tail_bytes -= self.tail.pop_front().map_or(0, |p| p.size());
        }
    }

    /// Packets that make up the stretch of audio to decode.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive count")]
    fn packets_of_audio(&self) -> usize {
        let longest_s = self.longest_s();
        if longest_s > 0.0 { ((AUDIO_S / longest_s).ceil() as usize).clamp(2, 1_000) } else { 2 }
    }

    /// Longest packet in seconds.
    pub fn longest_s(&self) -> f64 {
        seconds(self.longest, self.time_base)
    }

    /// Whether packets are there, in order, and as many as the container says.
    pub fn check_packets(&self, kind: &str) -> Result<(), String> {
        if self.packets == 0 {
            return Err(format!("its {kind} stream is empty"));
        }
        if let Some(dts) = self.out_of_order {
            let at = seconds(dts, self.time_base);
            return Err(format!("the timestamps of its {kind} packets decrease at {at:.3} s"));
        }
        let read = i64::try_from(self.packets + self.discarded).unwrap_or(i64::MAX);
        if self.stated_packets > read {
            return Err(format!("its {kind} stream stops after {read} of {} packets", self.stated_packets));
        }
        Ok(())
    }

    /// Whether the stream is as long as expected, give or take `tolerance_s`.
    pub fn check_duration(&self, kind: &str, expected_s: Option<f64>, tolerance_s: f64) -> Result<(), String> {
        let (Some(expected), Some(start), Some(end)) = (expected_s, self.start, self.end) else { return Ok(()) };
        let found = seconds(end.saturating_sub(start), self.time_base);
        if (found - expected).abs() <= tolerance_s {
            return Ok(());
        }
        Err(format!("its {kind} lasts {found:.3} s instead of {expected:.3} s"))
    }

    /// Whether both ends decode. Where we encoded the stream ourselves (`strict`), without any error.
    pub fn check_decodes(self, kind: &str, strict: bool) -> Result<(), String> {
        let (parameters, video) = (self.parameters.clone(), self.parameters.medium() == media::Type::Video);
        let complaint = |end: &str, error: String| format!("the {end} of its {kind} does not decode: {error}");
        decodes(&parameters, &self.head, strict, true).map_err(|e| complaint("beginning", e))?;
        if !self.head_full {
            return Ok(());
        }
        let tail: Vec<Packet> = self.tail.into();
        // Audio taken from its middle may lean on what came before, as MP3's bit reservoir does.
        decodes(&parameters, &tail, strict, video).map_err(|e| complaint("end", e))
    }
}

/// Decodes packets, all of them where `strict`, else until the first frame. Errors count where `strict`, and before the
/// first frame only where they are `independent`. Only whether it decodes counts, so blocks keep their edges.
fn decodes(parameters: &codec::Parameters, packets: &[Packet], strict: bool, independent: bool) -> Result<(), String> {
    let codec = decoder::find(parameters.id()).ok_or("no decoder")?;
    let mut options = Dictionary::new();
    options.set("skip_loop_filter", "all");
    if strict {
        options.set("err_detect", "explode+crccheck+bitstream+buffer");
    }
    let context = Context::from_parameters(parameters.clone()).map_err(|e| e.to_string())?;
    let mut decoder = context.decoder().open_as_with(codec, options).map_err(|e| e.to_string())?;
    let mut frames = 0_usize;
    for packet in packets {
        if let Err(error) = decoder.send_packet(packet)
            && strict
            && (independent || frames > 0)
        {
            return Err(error.to_string());
        }
        frames += take_frames(&mut decoder, strict && (independent || frames > 0))?;
        if frames > 0 && !strict {
            return Ok(());
        }
    }
    if decoder.send_eof().is_ok() {
        frames += take_frames(&mut decoder, strict)?;
    }
    let video = parameters.medium() == media::Type::Video;
    match frames {
        0 => Err("no frame could be decoded".to_owned()),
        few if strict && video && few < packets.len() => {
            Err(format!("only {few} of {} frames could be decoded", packets.len()))
        }
        _ => Ok(()),
    }
}

fn take_frames(decoder: &mut decoder::Opened, strict: bool) -> Result<usize, String> {
    use ffmpeg_next::Error;
    let mut frames = 0;
    let mut frame = libav::blank_frame();
    loop {
        match decoder.receive_frame(&mut frame) {
            Ok(()) if strict && frame.is_corrupt() => return Err("a frame is damaged".to_owned()),
            Ok(()) => frames += 1,
            Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(frames),
            Err(error) if strict => return Err(error.to_string()),
            Err(_) => return Ok(frames),
        }
    }
}
