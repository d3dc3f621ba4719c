//! Which streams of a source there are to work on, and which of them an output takes.
//!
//! **Invariant**: cover art is never video; what cannot be used is left out here, with a reason, and not half-way.

use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::{Packet, Rational, Rescale, Stream, codec, media, rescale};
use reelmill::model::media::{AudioStream, MediaInfo, Picture, Ratio, SubtitleStream, VideoStream};
use reelmill::model::work::{Clip, Crop, Deinterlace, Tracks};

use super::detect::Survey;
use super::picture::{Fields, StreamLook};
use super::sound::Measurements;
use crate::analysis;
use crate::error::MediaError;
use crate::geometry::Pixels;
use crate::geometry::region::Region;
use crate::language;
use crate::libav::{self, Orientation};
use crate::probe::Examined;
use crate::raw::{self, SharedParameters, SideData};
use crate::source::Opened;

/// Frame rate taken where nothing is known.
const DEFAULT_RATE: Rational = Rational(25, 1);

/// Decoders that decode the transparency which a codec keeps beside the picture.
const ALPHA_DECODERS: [(&str, &str); 2] = [("vp8", "libvpx"), ("vp9", "libvpx-vp9")];

/// A stream of the source.
#[derive(Clone)]
pub struct Track {
    /// Index in the file.
    pub index: usize,
    /// Unit of its times.
    pub time_base: Rational,
    /// When the source begins, in that unit.
    pub start: i64,
    /// What the container says about its codec.
    pub parameters: SharedParameters,
    /// What it says about itself beside its packets.
    pub side_data: Vec<SideData>,
    /// libav's name of the codec.
    pub codec: String,
    /// The decoder that alone knows all that is in it, by libav's name.
    pub decoder: Option<&'static str>,
    /// Frames per second, for video.
    pub frame_rate: Rational,
    /// Language, where it is known.
    pub language: Option<String>,
    /// Title, where it has one.
    pub title: Option<String>,
    /// Whether players choose it by default, or force it.
    pub disposition: Disposition,
}

impl Track {
    /// Whether it is in that language.
    fn speaks(&self, wanted: &str) -> bool {
        self.language.as_ref().is_some_and(|language| language::same(language, wanted))
    }
}

/// The video stream of a source.
#[derive(Clone)]
pub struct VideoTrack {
    /// The stream.
    pub track: Track,
    /// How its pictures are to be shown.
    pub look: StreamLook,
    /// Their size as shown, before pixels are made square.
    pub shown: Pixels,
    /// Whether the distances between frames vary.
    pub variable_rate: bool,
}

/// A stream that is declared, but of which nothing can be told.
enum Hidden {
    /// No decoder for its codec.
    Codec(String),
    /// Headers that say too little.
    Headers,
}

/// A source: what it holds, and its streams.
pub struct Inventory {
    /// What it holds.
    pub info: MediaInfo,
    /// The video stream to work on.
    video: Option<VideoTrack>,
    /// Audio streams with something in them.
    pub audio: Vec<Track>,
    /// Subtitle streams.
    pub subtitles: Vec<Track>,
    /// Attached pictures, such as a cover.
    pub pictures: Vec<Track>,
    /// Other streams: further video, data, attachments; each as people would name it.
    pub others: Vec<String>,
    /// Audio streams that are declared, but cannot be used: why each is left out.
    pub left_out: Vec<String>,
    /// Why there is no video although some is declared.
    hidden_video: Option<Hidden>,
    /// Start of the source on the container's clock, in microseconds.
    pub start_us: i64,
    /// Whether its end is where the duration says, which may be an estimate.
    pub end_known: bool,
    /// What only its pictures tell.
    survey: Survey,
    /// What was measured of its sound.
    pub loudness: Measurements,
}

impl Inventory {
    /// Of a freshly opened source that holds `info`.
    #[must_use]
    pub fn new(opened: &Opened, info: MediaInfo) -> Self {
        let (heard, empty): (Vec<_>, Vec<_>) = info.audio.iter().partition(|a| a.channels > 0 && a.sample_rate > 0);
        let mut video = best_video(&info.video).and_then(|video| video_track(opened, video));
        let mut audio: Vec<Track> = heard.iter().filter_map(|audio| audio_track(opened, audio)).collect();
        let subtitles: Vec<Track> = info.subtitles.iter().filter_map(|text| subtitle_track(opened, text)).collect();
        let pictures: Vec<Track> = info.pictures.iter().filter_map(|picture| picture_track(opened, picture)).collect();
        let others = others(opened, video.as_ref());
        let mut left_out: Vec<String> =
            empty.iter().map(|a| format!("audio stream {} ({}) has no data", a.index, a.codec)).collect();
        let mut hidden_video = None;
        for (index, stream) in opened.demuxer().streams().enumerate().filter(|(index, _)| !is_described(&info, *index))
        {
            match (analysis::undescribed(&stream), stream.parameters().medium()) {
                (Some(why), media::Type::Video) if video.is_none() => {
                    hidden_video = Some(if let MediaError::UnsupportedCodec { codec, .. } = why {
                        Hidden::Codec(codec)
                    } else {
                        Hidden::Headers
                    });
                }
                (Some(why), media::Type::Audio) => {
                    left_out.push(format!("audio stream {index} cannot be used ({why})"));
                }
                _ => {}
            }
        }
        let starts = video.iter().map(|v| &v.track).chain(&audio).filter_map(|track| start_us(opened, track.index));
        let start_us = starts.min().or_else(|| libav::start_time_us(opened.demuxer())).unwrap_or(0);
        for track in video.iter_mut().map(|video| &mut video.track).chain(&mut audio) {
            track.start = start_us.rescale(rescale::TIME_BASE, track.time_base);
        }
        let survey = Survey::new(opened.source().clone(), info.format.duration_s);
        Self {
            info,
            video,
            audio,
            subtitles,
            pictures,
            others,
            left_out,
            hidden_video,
            start_us,
            end_known: true,
            survey,
            loudness: Measurements::default(),
        }
    }

    /// Of a freshly opened source that was examined.
    #[must_use]
    pub fn examined(opened: &Opened, examined: Examined) -> Self {
        let end_known = examined.end_known;
        Self { end_known, ..Self::new(opened, examined.info) }
    }

    /// The same source with other streams, at a clock that starts at zero; without subtitles and chapters. Its end is as
    /// well known as `end_known` says.
    #[must_use]
    pub fn replaced(
        &self,
        video: Option<VideoTrack>,
        audio: Vec<Track>,
        duration_s: Option<f64>,
        end_known: bool,
    ) -> Self {
        let mut info = self.info.clone();
        info.format.duration_s = duration_s;
        info.chapters.clear();
        let survey = self.survey.blind();
        let (subtitles, pictures, others, left_out) = Default::default();
        Self {
            info,
            video,
            audio,
            subtitles,
            pictures,
            others,
            left_out,
            hidden_video: None,
            start_us: 0,
            end_known,
            survey,
            loudness: Measurements::default(),
        }
    }

    /// What becomes of the fields of the video to work on.
    #[must_use]
    pub fn fields(&self, video: &VideoTrack, deinterlace: Deinterlace) -> Fields {
        match deinterlace {
            Deinterlace::Off => Fields::Woven,
            Deinterlace::Force => Fields::Interlaced(None),
            Deinterlace::Auto => {
                let marked = self.info.video.iter().any(|v| v.index as usize == video.track.index && v.interlaced);
                self.survey.fields(video, marked)
            }
        }
    }

    /// The part of the upright picture of the video to work on that a crop means, and the size of that picture.
    pub fn region(&self, video: &VideoTrack, crop: Crop) -> Result<Option<(Region, Pixels)>, MediaError> {
        let picture = video.shown;
        let region = match crop {
            Crop::Auto => self.survey.bars(video),
            Crop::Region { x, y, width, height } => {
                let region = Region::new((x, width), (y, height), picture).ok_or_else(|| {
                    let Pixels { width, height } = picture;
                    MediaError::Parameter(format!("the crop exceeds the picture, which is {width}x{height}"))
                })?;
                Some(region).filter(|region| region.size != picture)
            }
        };
        Ok(region.map(|region| (region, picture)))
    }

    /// Duration in seconds, where it is known.
    #[must_use]
    pub fn duration_s(&self) -> Option<f64> {
        self.info.format.duration_s.filter(|&s| s > 0.0)
    }

    /// What is left of it after `start_s`, in seconds, where that is known.
    #[must_use]
    pub fn left_s(&self, start_s: f64) -> Option<f64> {
        let left_s = self.duration_s()? - start_s;
        // An estimate that ends before has been too short.
        (self.end_known || left_s > 0.0).then_some(left_s.max(0.0))
    }

    /// Fails where `clip`, called `what`, begins after the end of the source, where that is known.
    pub fn reaches(&self, what: &'static str, clip: Option<Clip>) -> Result<(), MediaError> {
        let Some(end_s) = self.duration_s().filter(|_| self.end_known) else { return Ok(()) };
        let Some(clip) = clip else { return Ok(()) };
        if clip.start_s > 0.0 && clip.start_s >= end_s {
            return Err(MediaError::BeyondEnd { what, start_s: clip.start_s, end_s: Some(end_s) });
        }
        Ok(())
    }

    /// Whether the video to work on is of high dynamic range.
    #[must_use]
    pub fn is_hdr(&self) -> bool {
        let index = self.video.as_ref().map(|video| video.track.index);
        self.info.video.iter().any(|video| Some(video.index as usize) == index && video.hdr.is_some())
    }

    /// Finds out the duration of a source that does not say it, by reading the packets of its main stream; also of one whose
    /// duration is an estimate that a moment at `latest_s` lies beyond.
    pub fn measure(&mut self, opened: &mut Opened, latest_s: f64) -> Result<(), MediaError> {
        if self.duration_s().is_some_and(|duration_s| self.end_known || latest_s < duration_s) {
            return Ok(());
        }
        let Some(track) = self.video.as_ref().map(|video| &video.track).or(self.audio.first()) else { return Ok(()) };
        opened.read_only(&[track.index]);
        let mut packet = Packet::empty();
        let (mut packets, mut end_us) = (0_i64, None);
        while opened.read(&mut packet)? {
            packets += 1;
            let end = packet.pts().map(|time| time.saturating_add(packet.duration().max(0)));
            end_us = end_us.max(end.map(|end| end.rescale(track.time_base, rescale::TIME_BASE) - self.start_us));
        }
        // Pictures without times are counted.
        let counted_us = self.video.as_ref().map(|_| packets.rescale(track.frame_rate.invert(), rescale::TIME_BASE));
        if let Some(us) = end_us.filter(|&us| us > 0).or(counted_us) {
            self.info.format.duration_s = Some(crate::probe::seconds(us, rescale::TIME_BASE));
            self.end_known = true;
        }
        Ok(())
    }

    /// The video to work on, where there is any; a failure where some is declared that cannot be used.
    pub fn video(&self) -> Result<Option<&VideoTrack>, MediaError> {
        match &self.hidden_video {
            None => Ok(self.video.as_ref()),
            Some(Hidden::Codec(codec)) => Err(MediaError::UnsupportedCodec { kind: "video", codec: codec.clone() }),
            Some(Hidden::Headers) => {
                Err(MediaError::Damaged { kind: "video", detail: "its headers are incomplete".to_owned() })
            }
        }
    }

    /// The language that `tracks` asks for, where there are `streams` and none of them is in it.
    #[must_use]
    pub fn missing_language<'t>(streams: &[Track], tracks: &'t Tracks) -> Option<&'t str> {
        let Tracks::Language(wanted) = tracks else { return None };
        let spoken = streams.iter().any(|track| track.speaks(wanted));
        (!streams.is_empty() && !spoken).then_some(wanted)
    }

    /// The subtitle streams that `tracks` means.
    pub fn subtitles(&self, tracks: &Tracks) -> Result<Vec<&Track>, MediaError> {
        let all = &self.subtitles;
        let main = || {
            let text = |track: &&Track| libav::is_text_subtitle(raw::parameters(&track.parameters));
            let default = all.iter().find(|track| track.disposition.contains(Disposition::DEFAULT) && text(track));
            default.or_else(|| all.iter().find(text)).or(all.first())
        };
        Ok(match tracks {
            Tracks::All => all.iter().collect(),
            Tracks::Main => main().into_iter().collect(),
            Tracks::Language(wanted) => all.iter().find(|track| track.speaks(wanted)).into_iter().collect(),
            Tracks::Index(index) => {
                let missing = || {
                    let count = all.len();
                    MediaError::Parameter(format!(
                        "there is no subtitle stream {index}: the source has {count}, numbered from 0"
                    ))
                };
                vec![usize::try_from(*index).ok().and_then(|index| all.get(index)).ok_or_else(missing)?]
            }
        })
    }

    /// The audio streams that `tracks` means.
    pub fn audio(&self, tracks: &Tracks) -> Result<Vec<&Track>, MediaError> {
        let main = || {
            let default = self.audio.iter().find(|track| track.disposition.contains(Disposition::DEFAULT));
            default.or(self.audio.first())
        };
        Ok(match tracks {
            Tracks::All => self.audio.iter().collect(),
            Tracks::Main => main().into_iter().collect(),
            Tracks::Language(wanted) => {
                self.audio.iter().find(|track| track.speaks(wanted)).or_else(main).into_iter().collect()
            }
            Tracks::Index(_) if self.audio.is_empty() => Vec::new(),
            Tracks::Index(index) => {
                let track = usize::try_from(*index).ok().and_then(|index| self.audio.get(index));
                let missing = || {
                    let count = self.audio.len();
                    MediaError::Parameter(format!(
                        "there is no audio stream {index}: the source has {count}, numbered from 0"
                    ))
                };
                vec![track.ok_or_else(missing)?]
            }
        })
    }
}

fn is_described(info: &MediaInfo, index: usize) -> bool {
    let indices = info.video.iter().map(|v| v.index).chain(info.audio.iter().map(|a| a.index));
    indices.chain(info.pictures.iter().map(|p| p.index)).any(|described| described as usize == index)
}

/// The stream to work on: a default one before others, then the one with most pixels, then the first.
fn best_video(streams: &[VideoStream]) -> Option<&VideoStream> {
    let pixels = |video: &VideoStream| u64::from(video.width) * u64::from(video.height);
    streams.iter().rev().max_by_key(|video| (video.default, pixels(video)))
}

fn track(opened: &Opened, index: u32, codec: &str, language: Option<&String>, title: Option<&String>) -> Option<Track> {
    let stream = opened.demuxer().stream(index as usize)?;
    Some(Track {
        index: index as usize,
        time_base: stream.time_base(),
        start: 0,
        parameters: stream.parameters().into(),
        side_data: raw::side_data(&stream),
        codec: codec.to_owned(),
        decoder: None,
        frame_rate: DEFAULT_RATE,
        language: language.cloned(),
        title: title.cloned(),
        disposition: stream.disposition(),
    })
}

fn video_track(opened: &Opened, video: &VideoStream) -> Option<VideoTrack> {
    let mut track = track(opened, video.index, &video.codec, video.language.as_ref(), video.title.as_ref())?;
    if let Some(rate) = video.frame_rate_ratio {
        track.frame_rate = Rational(rate.num, rate.den);
    }
    if video.alpha {
        track.decoder = ALPHA_DECODERS.iter().find(|(codec, _)| *codec == video.codec).map(|(_, decoder)| *decoder);
    }
    let orientation = Orientation { rotation: video.rotation, flipped: video.flipped };
    let coded = raw::parameters(&track.parameters).sample_aspect_ratio;
    let coded_aspect = Some(f64::from(Rational::from(coded))).filter(|aspect| aspect.is_finite() && *aspect > 0.0);
    let sample_aspect = video.sample_aspect_ratio.map(Ratio::value).filter(|&aspect| aspect > 0.0);
    Some(VideoTrack {
        track,
        look: StreamLook { orientation, sample_aspect, coded_aspect },
        shown: Pixels::new(video.width, video.height),
        variable_rate: video.variable_frame_rate,
    })
}

fn audio_track(opened: &Opened, audio: &AudioStream) -> Option<Track> {
    track(opened, audio.index, &audio.codec, audio.language.as_ref(), audio.title.as_ref())
}

fn subtitle_track(opened: &Opened, subtitle: &SubtitleStream) -> Option<Track> {
    track(opened, subtitle.index, &subtitle.codec, subtitle.language.as_ref(), subtitle.title.as_ref())
}

fn picture_track(opened: &Opened, picture: &Picture) -> Option<Track> {
    track(opened, picture.index, &picture.codec, None, None)
}

/// `text`: the tag of a track of text in MP4.
const TEXT: u32 = u32::from_le_bytes(*b"text");

/// Whether a stream is the text of the chapters, which libav reads and still lists.
fn is_chapters(opened: &Opened, stream: &Stream<'_>) -> bool {
    let parameters = libav::parameters(stream);
    let named = stream.parameters().id() == codec::Id::BIN_DATA && parameters.codec_tag == TEXT;
    named && opened.demuxer().nb_chapters() > 0
}

/// What a source holds besides its video, its audio, its subtitles and its attached pictures.
fn others(opened: &Opened, video: Option<&VideoTrack>) -> Vec<String> {
    let streams = opened.demuxer().streams().enumerate();
    let named = streams.filter_map(|(index, stream)| {
        let kind = match stream.parameters().medium() {
            media::Type::Video if stream.disposition().contains(Disposition::ATTACHED_PIC) => return None,
            media::Type::Video if video.is_none_or(|video| video.track.index == index) => return None,
            media::Type::Video => "video stream",
            media::Type::Audio | media::Type::Subtitle => return None,
            media::Type::Attachment => "attachment",
            media::Type::Data if is_chapters(opened, &stream) => return None,
            _ => "data stream",
        };
        let codec = libav::codec_name(libav::parameters(&stream)).unwrap_or_else(|| "unknown".to_owned());
        Some(format!("{kind} {index} ({codec})"))
    });
    named.collect()
}

fn start_us(opened: &Opened, index: usize) -> Option<i64> {
    let stream = opened.demuxer().stream(index)?;
    Some(libav::known(stream.start_time())?.rescale(stream.time_base(), rescale::TIME_BASE))
}
