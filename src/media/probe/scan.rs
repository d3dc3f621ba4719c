//! What the packets say: their times and sizes, and the first frames.
//!
//! A small file is read whole. Of a large one the head is read, then the demuxer's index (which needs no reading) and,
//! where the index leads there, the tail. **Invariant**: bytes and packets read are bounded whatever the file claims.

use ffmpeg_next::packet::side_data::Type;
use ffmpeg_next::{Packet, Rational, Stream, media};

use super::look::{Look, Seen};
use crate::error::MediaError;
use crate::libav;
use crate::source::Opened;

/// Files up to this size are read whole.
const SMALL_FILE_BYTES: u64 = 16 << 20;

/// Payload read from the head of a larger file.
const HEAD_BYTES: u64 = 4 << 20;

/// Payload read from the tail of a larger file.
const TAIL_BYTES: u64 = 16 << 20;

/// Packets read at most, however small they are.
const MAX_PACKETS: u64 = 1_000_000;

/// The same of sound that only reading it all measures: days of it.
const MAX_SOUND_PACKETS: u64 = 20_000_000;

/// Timestamps kept of each stream.
const MAX_TIMES: usize = 5_000;

/// Streams of which the first frames are decoded.
const MAX_LOOKS: usize = 8;

/// `encv` and `enca`: tags of encrypted samples in MP4.
const ENCRYPTED_TAGS: [u32; 2] = [u32::from_le_bytes(*b"encv"), u32::from_le_bytes(*b"enca")];

/// What was found out about every stream, by index.
pub struct Scan {
    /// The streams.
    pub tracks: Vec<Track>,
    /// Whether every packet of the file was read.
    pub complete: bool,
    /// Whether the tracks' ends are where the media end.
    pub ended: bool,
}

/// What was found out about one stream. Times are in its time base.
pub struct Track {
    /// Unit of times.
    pub time_base: Rational,
    /// Packets read that are shown.
    pub packets: u64,
    /// Their payload in bytes.
    pub bytes: u64,
    /// First presentation time.
    pub start: Option<i64>,
    /// End of the last packet.
    pub end: Option<i64>,
    /// Times of the first packets, in the order of the file.
    pub times: Vec<i64>,
    /// Whether the samples are encrypted.
    pub encrypted: bool,
    /// Decoding time of the first sample that an index names and that lies beyond the end of the file.
    pub missing: Option<i64>,
    /// What the first frames showed; absent where no decoder was opened.
    pub seen: Option<Seen>,
    look: Option<Look>,
    still: bool,
}

/// Scans a freshly opened file, `whole` whatever its size. Its reading position afterwards is anywhere.
pub fn scan(opened: &mut Opened, whole: bool) -> Result<Scan, MediaError> {
    let small = whole || opened.source().size_bytes() <= SMALL_FILE_BYTES;
    let mut looks = 0;
    let tracks = opened.demuxer().streams().map(|stream| Track::new(&stream, &mut looks)).collect();
    let mut scan = Scan { tracks, complete: false, ended: false };
    scan.read_head(opened, small)?;
    if !scan.complete {
        scan.read_index(opened);
        scan.read_tail(opened)?;
    }
    scan.find_missing(opened);
    for track in &mut scan.tracks {
        track.seen = track.look.take().map(Look::finish);
    }
    Ok(scan)
}

impl Scan {
    /// Start and end of everything, in seconds; absent where no packet had a time.
    pub fn span_s(&self) -> Option<(f64, f64)> {
        let shown = self.tracks.iter().filter(|track| !track.still);
        let spans = shown.filter_map(Track::span_s);
        spans.reduce(|(start, end), (s, e)| (start.min(s), end.max(e)))
    }

    fn read_head(&mut self, opened: &mut Opened, small: bool) -> Result<(), MediaError> {
        let indexed = opened.demuxer().streams().any(|stream| is_indexed(&stream));
        let mut packet = Packet::empty();
        let (mut packets, mut bytes) = (0, 0);
        let pictures = opened.demuxer().streams().any(|stream| stream.parameters().medium() == media::Type::Video);
        let most = if pictures { MAX_PACKETS } else { MAX_SOUND_PACKETS };
        while packets < most && (small || bytes < HEAD_BYTES) {
            if !small && indexed && self.tracks.iter().all(|track| track.look.as_ref().is_none_or(Look::is_done)) {
                return Ok(());
            }
            if !opened.read(&mut packet)? {
                (self.complete, self.ended) = (true, true);
                return Ok(());
            }
            packets += 1;
            bytes += packet.size() as u64;
            if let Some(track) = self.tracks.get_mut(packet.stream()) {
                track.add(&packet);
            }
        }
        Ok(())
    }

    /// Takes times from the sample tables of MP4 and its like, and finds out where a truncated file stops.
    fn read_index(&mut self, opened: &Opened) {
        let size_bytes = opened.source().size_bytes();
        for (track, stream) in self.tracks.iter_mut().zip(opened.demuxer().streams()) {
            if !is_indexed(&stream) {
                continue;
            }
            let entries =
                || (0..libav::index_len(&stream)).filter_map(|position| libav::index_entry(&stream, position));
            let missing = entries().find(|entry| entry.end_byte > size_bytes).map(|entry| entry.timestamp);
            self.ended |= missing.is_some();
            let start = libav::known(stream.start_time()).unwrap_or(0);
            track.start = Some(start);
            track.end = missing.or_else(|| Some(start.saturating_add(libav::known(stream.duration())?)));
            track.times = entries().take(MAX_TIMES).map(|entry| entry.timestamp).collect();
        }
    }

    /// Finds the first sample beyond the end of the file in each stream of MP4 and its like, whose index names all bytes.
    fn find_missing(&mut self, opened: &Opened) {
        let size_bytes = opened.source().size_bytes();
        if !libav::demuxer_name(opened.demuxer()).starts_with("mov") {
            return;
        }
        for (track, stream) in self.tracks.iter_mut().zip(opened.demuxer().streams()).filter(|(track, _)| !track.still)
        {
            let mut entries =
                (0..libav::index_len(&stream)).filter_map(|position| libav::index_entry(&stream, position));
            track.missing = entries.find(|entry| entry.end_byte > size_bytes).map(|entry| entry.timestamp);
        }
    }

    /// Reads to the end from near it, where something leads there: the last indexed keyframe of a Matroska file, the last
    /// known place of a broadcast file whose clock starts anew.
    fn read_tail(&mut self, opened: &mut Opened) -> Result<(), MediaError> {
        if opened.is_broadcast() {
            let source = opened.source().clone();
            let Some(last) = source.clocks()?.last() else { return Ok(()) };
            opened.seek_byte(last.byte, last.timeline.clone())?;
            return self.read_on(opened);
        }
        if !libav::demuxer_name(opened.demuxer()).starts_with("matroska") {
            return Ok(());
        }
        // Going to the start makes the demuxer load its cues, if it has any.
        if matches!(opened.seek(0), Err(MediaError::SourceUnreadable)) {
            return Err(MediaError::SourceUnreadable);
        }
        let last = opened.demuxer().streams().filter_map(|stream| {
            let entry = libav::index_entry(&stream, libav::index_len(&stream).checked_sub(1)?)?;
            Some(microseconds(entry.timestamp, stream.time_base()))
        });
        let Some(last_us) = last.max() else { return Ok(()) };
        match opened.seek(last_us) {
            Err(MediaError::SourceUnreadable) => return Err(MediaError::SourceUnreadable),
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
        self.read_on(opened)
    }

    /// Reads to the end, where that is near.
    fn read_on(&mut self, opened: &mut Opened) -> Result<(), MediaError> {
        let mut packet = Packet::empty();
        let mut ends: Vec<Option<i64>> = self.tracks.iter().map(|track| track.end).collect();
        let mut bytes = 0;
        while bytes < TAIL_BYTES {
            if !opened.read(&mut packet)? {
                self.ended = true;
                for (track, end) in self.tracks.iter_mut().zip(ends) {
                    track.end = end;
                }
                return Ok(());
            }
            bytes += packet.size().max(1) as u64;
            if let (Some(end), Some(time)) = (ends.get_mut(packet.stream()), packet.pts().or(packet.dts())) {
                *end = (*end).max(Some(time.saturating_add(packet.duration().max(0))));
            }
        }
        Ok(())
    }
}

impl Track {
    fn new(stream: &Stream<'_>, looks: &mut usize) -> Self {
        use ffmpeg_next::ffi::AVFieldOrder;
        use ffmpeg_next::format::stream::Disposition;
        let parameters = libav::parameters(stream);
        let still = stream.disposition().contains(Disposition::ATTACHED_PIC);
        let decodable = matches!(stream.parameters().medium(), media::Type::Video | media::Type::Audio);
        let encrypted = ENCRYPTED_TAGS.contains(&parameters.codec_tag)
            || stream.side_data().any(|data| data.kind() == Type::EncryptionInitInfo);
        let look = (decodable && !still && !encrypted && *looks < MAX_LOOKS)
            .then(|| Look::open(stream, parameters.field_order != AVFieldOrder::AV_FIELD_UNKNOWN))
            .flatten();
        *looks += usize::from(look.is_some());
        Self {
            time_base: stream.time_base(),
            packets: 0,
            bytes: 0,
            start: None,
            end: None,
            times: Vec::new(),
            encrypted,
            missing: None,
            seen: None,
            look,
            still,
        }
    }

    /// Start and end in seconds.
    pub fn span_s(&self) -> Option<(f64, f64)> {
        let seconds = |ticks| super::streams::seconds(ticks, self.time_base);
        Some((seconds(self.start?), seconds(self.end?)))
    }

    fn add(&mut self, packet: &Packet) {
        self.encrypted |= packet.side_data().any(|data| data.kind() == Type::EncryptionInfo);
        if let Some(look) = self.look.as_mut().filter(|look| !look.is_done()) {
            look.feed(packet);
        }
        if libav::is_discarded(packet) {
            return;
        }
        self.packets += 1;
        self.bytes += packet.size() as u64;
        let Some(time) = packet.pts().or(packet.dts()) else { return };
        let end = time.saturating_add(packet.duration().max(0));
        self.start = Some(self.start.map_or(time, |start| start.min(time)));
        self.end = self.end.max(Some(end));
        if self.times.len() < MAX_TIMES {
            self.times.push(time);
        }
    }
}

/// Whether the demuxer knows every sample of the stream without reading on.
fn is_indexed(stream: &Stream<'_>) -> bool {
    let entries = libav::index_len(stream);
    entries > 1 && i64::try_from(entries) == Ok(stream.frames())
}

fn microseconds(ticks: i64, base: Rational) -> i64 {
    use ffmpeg_next::Rescale;
    ticks.rescale(base, ffmpeg_next::rescale::TIME_BASE)
}
