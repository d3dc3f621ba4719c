//! What has been cut, put into manifests: playlists, the MPD, keys, and the order in which all of it becomes visible.

use std::path::Path;

use m3u8_rs::VariantStream;
use reelmill::model::work::{FileRole, Package, Produced, ProducedFile};
use reelmill::worker::protocol::Message;

use super::keys::Keys;
use super::menu::{self, Group};
use super::playlist::{self, Parts, relative_uri};
use super::segmenter::Form;
use super::subtitle::Text;
use super::track::Track;
use super::{are_aligned, bandwidth, check, mpd};
use crate::error::{MediaError, warning};
use crate::scratch;

/// By how much moments may differ that are the same: containers round to milliseconds.
const ROUNDING_S: f64 = 0.002;

/// Media type of playlists.
const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// Media type of MPDs.
const MPD_TYPE: &str = "application/dash+xml";

/// Everything that has been cut.
pub struct Contents<'a> {
    /// Tracks, and which rendition each is of.
    pub tracks: Vec<(usize, Track)>,
    /// For each rendition, which of the tracks of audio alone are its own sounds, the main one first.
    pub heard: Vec<Vec<usize>>,
    /// Subtitles.
    pub texts: Vec<Text>,
    /// Keys that segments are encrypted with.
    pub keys: Option<&'a Keys>,
    /// How segments are written.
    pub form: Form,
}

impl Contents<'_> {
    /// Writes the manifests, checks everything, and puts the files in order.
    pub fn write(mut self, package: &Package, scratch: &Path, tell: &dyn Fn(&Message)) -> Result<Produced, MediaError> {
        let mut codecs = Vec::new();
        for (_, track) in &mut self.tracks {
            codecs.push(check::beginning(scratch, track)?);
        }
        let mut manifests = Vec::new();
        let mut masters = Vec::new();
        if let Some(master) = &package.master {
            manifests = self.playlists(scratch)?;
            masters.push(self.master(master, &codecs, scratch, tell)?);
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
        Ok(Produced::files(files.collect()))
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

    fn master(
        &self,
        file: &str,
        codecs: &[String],
        scratch: &Path,
        tell: &dyn Fn(&Message),
    ) -> Result<ProducedFile, MediaError> {
        let sounds: Vec<(&Track, &str)> =
            self.with(codecs).filter(|(_, track, _)| track.video.is_none()).map(|(_, track, of)| (track, of)).collect();
        let groups = menu::groups(&sounds);
        warn_of_single_codecs(&groups, tell);
        let shown = self.tracks.iter().any(|(_, track)| track.video.is_some());
        let ranges = self.has_high_range();
        let mut variants = self.variants(file, codecs, &sounds, &groups);
        let variant_uris: Vec<String> = variants.iter().map(|variant| variant.uri.clone()).collect();
        variants.extend(self.with(codecs).filter_map(|(_, track, codecs)| {
            let uri = relative_uri(file, &format!("{}/{}", track.folder, track.names.iframe_playlist()));
            Some(playlist::iframe_variant(track, track.iframes.as_ref()?, codecs, ranges, uri))
        }));
        let channels = |place: usize| sounds[place].0.audio.as_ref().map_or(0, |audio| audio.channels);
        let of = |place: usize| (relative_uri(file, &sounds[place].0.playlist()), channels(place));
        let offered = groups.iter().filter(|_| shown || is_choice(&groups));
        let alternatives = offered.flat_map(|group| playlist::sounds(group, of));
        let texts = self.texts.iter().map(|text| playlist::subtitle(text, relative_uri(file, &text.playlist())));
        let alternatives = alternatives.chain(texts).collect();
        let independent = self.tracks.iter().all(|(_, track)| track.independent);
        let written = playlist::master(variants, alternatives, self.form, independent);
        let bytes = playlist::bytes(|to| written.write_to(to), file)?;
        let produced = scratch::write(scratch, file, &bytes, PLAYLIST_TYPE, FileRole::Master)?;
        check::master_playlist(scratch, file, &variant_uris)?;
        Ok(produced)
    }

    /// Every picture with every group that it is heard with. Without pictures, a variant for each group that listeners choose
    /// from; or for each track, where there is no choice but of bit rates.
    fn variants(
        &self,
        file: &str,
        codecs: &[String],
        sounds: &[(&Track, &str)],
        groups: &[Group],
    ) -> Vec<VariantStream> {
        let shown = self.tracks.iter().any(|(_, track)| track.video.is_some());
        let uri = |track: &Track| relative_uri(file, &track.playlist());
        if !shown && is_choice(groups) {
            let variant = |group: &Group| {
                let (track, codecs) = sounds[group.default()?];
                Some(playlist::variant(track, &self.parts(None, codecs, Some(group), sounds), uri(track)))
            };
            return groups.iter().filter_map(variant).collect();
        }
        let own = self.groups_of(groups);
        let unused = |number: &usize| !own.iter().flatten().any(|used| used == number);
        let mut variants = Vec::new();
        for (rendition, track, codecs) in self.with(codecs).filter(|(_, track, _)| !shown || track.video.is_some()) {
            let heard: Vec<usize> = own[rendition].iter().copied().chain((0..groups.len()).filter(unused)).collect();
            let heard = if heard.is_empty() && !groups.is_empty() { vec![0] } else { heard };
            let heard: Vec<Option<&Group>> = heard.into_iter().map(|number| groups.get(number)).collect();
            let heard = if shown && !heard.is_empty() { heard } else { vec![None] };
            for group in heard {
                variants.push(playlist::variant(track, &self.parts(Some(track), codecs, group, sounds), uri(track)));
            }
        }
        variants
    }

    /// For each rendition with a picture, the groups that its own sounds are in.
    fn groups_of(&self, groups: &[Group]) -> Vec<Vec<usize>> {
        let of = |(rendition, heard): (usize, &Vec<usize>)| {
            let mut found = Vec::new();
            let with_video = |(of, track): &(usize, Track)| *of == rendition && track.video.is_some();
            for place in heard.iter().filter(|_| self.tracks.iter().any(with_video)) {
                let group = groups.iter().position(|group| group.members.iter().any(|(member, _)| member == place));
                found.extend(group.filter(|group| !found.contains(group)));
            }
            found
        };
        self.heard.iter().enumerate().map(of).collect()
    }

    /// What a variant consists of: its own track, a group of sounds, and subtitles.
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn parts<'a>(
        &self,
        own: Option<&Track>,
        codecs: &'a str,
        group: Option<&'a Group>,
        sounds: &[(&Track, &'a str)],
    ) -> Parts<'a> {
        let target_s = self.target() as f64;
        let rates = |sizes: &[(u64, f64)]| (bandwidth::peak(sizes, target_s), bandwidth::average(sizes));
        let highest = |one: (u64, u64), other: (u64, u64)| (one.0.max(other.0), one.1.max(other.1));
        let members = || group.iter().flat_map(|group| &group.members).map(|(place, _)| sounds[*place]);
        let own = own.map_or((0, 0), |track| rates(&track.sizes()));
        let sound = members().map(|(track, _)| rates(&track.sizes())).fold((0, 0), highest);
        let text = self.texts.iter().map(|text| rates(&text.sizes)).fold((0, 0), highest);
        Parts {
            codecs: std::iter::once(codecs).chain(members().map(|(_, codecs)| codecs)).collect(),
            rates: (own.0 + sound.0 + text.0, own.1 + sound.1 + text.1),
            group,
            texts: !self.texts.is_empty(),
            ranges: self.has_high_range(),
        }
    }

    fn with<'a>(&'a self, codecs: &'a [String]) -> impl Iterator<Item = (usize, &'a Track, &'a str)> {
        self.tracks.iter().zip(names(codecs)).map(|((rendition, track), codecs)| (*rendition, track, codecs))
    }

    fn has_high_range(&self) -> bool {
        self.tracks.iter().any(|(_, track)| track.video.as_ref().is_some_and(|video| video.hdr.is_some()))
    }

    fn is_aligned(&self) -> bool {
        let mut with_video = self.tracks.iter().map(|(_, track)| track).filter(|track| track.video.is_some());
        let first = with_video.next();
        first.is_none_or(|first| with_video.all(|other| are_aligned(first, other, ROUNDING_S)))
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

/// Whether there is more than one sound to choose from.
fn is_choice(groups: &[Group]) -> bool {
    groups.iter().any(|group| group.members.len() > 1)
}

/// A language that is there in one codec alone is missing where players cannot decode that.
fn warn_of_single_codecs(groups: &[Group], tell: &dyn Fn(&Message)) {
    let mut warned: Vec<&str> = Vec::new();
    for group in groups {
        for (_, entry) in &group.members {
            let has = |other: &Group| other.members.iter().any(|(_, member)| member.name == entry.name);
            let lacking = groups.iter().find(|other| {
                other.family() != group.family() && !groups.iter().any(|of| of.family() == other.family() && has(of))
            });
            if let Some(other) = lacking.filter(|_| !warned.contains(&entry.name.as_str())) {
                warned.push(&entry.name);
                let (own, other) = (group.family(), other.family());
                let message = format!(
                    "the audio `{}` exists in `{own}` but not in `{other}`: players that support only `{other}` cannot play it",
                    entry.name
                );
                tell(&Message::Warning { code: warning::SINGLE_CODEC, message });
            }
        }
    }
}
