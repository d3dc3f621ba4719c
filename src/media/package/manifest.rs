//! What has been cut, put into manifests: playlists, the MPD, keys, and the order in which all of it becomes visible.

use std::path::Path;

use reelmill::model::work::{FileRole, Package, Produced, ProducedFile};

use super::keys::Keys;
use super::menu;
use super::playlist::{self, Heard, relative_uri};
use super::segmenter::Form;
use super::subtitle::Text;
use super::track::Track;
use super::{are_aligned, bandwidth, check, mpd};
use crate::error::MediaError;
use crate::scratch;

/// Media type of playlists.
const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// Media type of MPDs.
const MPD_TYPE: &str = "application/dash+xml";

/// Everything that has been cut.
pub struct Contents<'a> {
    /// Tracks, and which rendition each is of.
    pub tracks: Vec<(usize, Track)>,
    /// For each rendition, which of the tracks of audio alone is heard with its video.
    pub heard: Vec<Option<usize>>,
    /// Subtitles.
    pub texts: Vec<Text>,
    /// Keys that segments are encrypted with.
    pub keys: Option<&'a Keys>,
    /// How segments are written.
    pub form: Form,
}

impl Contents<'_> {
    /// Writes the manifests, checks everything, and puts the files in order.
    pub fn write(mut self, package: &Package, scratch: &Path) -> Result<Produced, MediaError> {
        let mut codecs = Vec::new();
        for (_, track) in &mut self.tracks {
            codecs.push(check::beginning(scratch, track)?);
        }
        let mut manifests = Vec::new();
        let mut masters = Vec::new();
        if let Some(master) = &package.master {
            manifests = self.playlists(scratch)?;
            masters.push(self.master(master, &codecs, scratch)?);
        }
        if let Some(file) = &package.mpd {
            let tracks: Vec<(&Track, &str)> = self.tracks.iter().map(|(_, track)| track).zip(names(&codecs)).collect();
            let text = mpd::manifest(file, &tracks, &self.texts, self.is_aligned());
            masters.push(scratch::write(scratch, file, text.as_bytes(), MPD_TYPE, FileRole::Master)?);
        }
        let keys = self.key_files(scratch)?;
        let tracks = self.tracks.into_iter().flat_map(|(_, track)| track.files);
        let texts = self.texts.into_iter().flat_map(|text| text.files);
        let (whole, segments): (Vec<_>, Vec<_>) = texts.partition(|file| file.role == FileRole::Track);
        let files = keys.into_iter().chain(tracks).chain(segments).chain(whole).chain(manifests).chain(masters);
        Ok(Produced { files: files.collect() })
    }

    /// The playlists of all tracks and texts.
    fn playlists(&self, scratch: &Path) -> Result<Vec<ProducedFile>, MediaError> {
        let mut written = Vec::new();
        let target = self.target();
        for (_, track) in &self.tracks {
            let file = track.playlist();
            let list = playlist::media(track, target, self.keys);
            let bytes = playlist::bytes(|to| list.write_to(to), &file)?;
            written.push(scratch::write(scratch, &file, &bytes, PLAYLIST_TYPE, FileRole::Playlist)?);
            check::media_playlist(scratch, &file, track)?;
            if let Some(iframes) = &track.iframes {
                let file = format!("{}/{}", track.folder, track.names.iframe_playlist());
                let list = playlist::iframes(track, iframes, self.keys);
                let bytes = playlist::bytes(|to| list.write_to(to), &file)?;
                written.push(scratch::write(scratch, &file, &bytes, PLAYLIST_TYPE, FileRole::Playlist)?);
            }
        }
        for text in &self.texts {
            let file = text.playlist();
            let bytes = playlist::bytes(|to| playlist::text(text).write_to(to), &file)?;
            written.push(scratch::write(scratch, &file, &bytes, PLAYLIST_TYPE, FileRole::Playlist)?);
        }
        Ok(written)
    }

    /// The target duration of all tracks, which must agree.
    fn target(&self) -> u64 {
        self.tracks.iter().map(|(_, track)| playlist::target_duration(&track.segments)).max().unwrap_or(1)
    }

    fn master(&self, file: &str, codecs: &[String], scratch: &Path) -> Result<ProducedFile, MediaError> {
        let target = self.target();
        let shown = self.tracks.iter().any(|(_, track)| track.video.is_some());
        let sounds: Vec<(&Track, &str)> = self
            .tracks
            .iter()
            .map(|(_, track)| track)
            .zip(names(codecs))
            .filter(|(track, _)| shown && track.video.is_none())
            .collect();
        let groups = menu::groups(&sounds);
        let mut variants = Vec::new();
        let mut iframes = Vec::new();
        for ((rendition, track), codecs) in self.tracks.iter().zip(names(codecs)) {
            if shown && track.video.is_none() {
                continue;
            }
            let uri = relative_uri(file, &track.playlist());
            let own = self.heard.get(*rendition).copied().flatten();
            let with =
                |place: usize| groups.iter().find(|group| group.members.iter().any(|(member, _)| *member == place));
            let group = own.and_then(with).or(groups.first()).filter(|_| track.video.is_some());
            let heard = group.map(|group| Heard {
                group,
                rates: rates(group, &sounds, target),
                codecs: group.members.iter().map(|(place, _)| sounds[*place].1).collect(),
            });
            let texts = !self.texts.is_empty();
            variants.push(playlist::variant(track, target, codecs, heard.as_ref(), texts, uri));
            if let Some(of) = &track.iframes {
                let uri = relative_uri(file, &format!("{}/{}", track.folder, track.names.iframe_playlist()));
                iframes.push(playlist::iframe_variant(track, of, codecs, uri));
            }
        }
        let variant_uris: Vec<String> = variants.iter().map(|variant| variant.uri.clone()).collect();
        let channels = |place: usize| sounds[place].0.audio.as_ref().map_or(0, |audio| audio.channels);
        let of = |place: usize| (relative_uri(file, &sounds[place].0.playlist()), channels(place));
        let alternatives = groups.iter().flat_map(|group| playlist::sounds(group, of));
        let texts = self.texts.iter().map(|text| playlist::subtitle(text, relative_uri(file, &text.playlist())));
        let alternatives = alternatives.chain(texts).collect();
        let independent = self.tracks.iter().all(|(_, track)| track.independent);
        variants.extend(iframes);
        let written = playlist::master(variants, alternatives, self.form, independent);
        let bytes = playlist::bytes(|to| written.write_to(to), file)?;
        let produced = scratch::write(scratch, file, &bytes, PLAYLIST_TYPE, FileRole::Master)?;
        check::master_playlist(scratch, file, &variant_uris)?;
        Ok(produced)
    }

    fn is_aligned(&self) -> bool {
        let mut with_video = self.tracks.iter().map(|(_, track)| track).filter(|track| track.video.is_some());
        let first = with_video.next();
        first.is_none_or(|first| with_video.all(|other| are_aligned(first, other)))
    }

    /// Keys that were made for this package, as files.
    fn key_files(&self, scratch: &Path) -> Result<Vec<ProducedFile>, MediaError> {
        let Some(keys) = self.keys else { return Ok(Vec::new()) };
        let segments = self.tracks.iter().map(|(_, track)| track.segments.len());
        let frames = self.tracks.iter().filter_map(|(_, track)| Some(track.iframes.as_ref()?.frames.len()));
        let most = segments.chain(frames).max().unwrap_or(1);
        let last = keys.number(most.saturating_sub(1));
        let write = |(file, key): (String, [u8; 16])| {
            scratch::write(scratch, &file, &key, "application/octet-stream", FileRole::Segment)
        };
        (1..=last).filter_map(|number| keys.file(number)).map(write).collect()
    }
}

fn names(codecs: &[String]) -> impl Iterator<Item = &str> {
    codecs.iter().map(String::as_str)
}

/// Highest peak and average of a group's tracks, in bit/s.
#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn rates(group: &menu::Group, sounds: &[(&Track, &str)], target: u64) -> (u64, u64) {
    let sizes = || group.members.iter().map(|(place, _)| sounds[*place].0.sizes());
    let peak = sizes().map(|sizes| bandwidth::peak(&sizes, target as f64)).max();
    (peak.unwrap_or(0), sizes().map(|sizes| bandwidth::average(&sizes)).max().unwrap_or(0))
}
