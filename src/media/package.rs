//! Packaging: finished renditions become HLS with fragmented MP4 segments.
//!
//! Each input is cut into its own folder (`rendition`), gets a playlist, and stands in the master playlist in the order
//! of the inputs; players begin with the first. **Invariant**: nothing is re-encoded; what is returned was read again
//! and held against what went in (`check`); files come in the order in which they must become visible, the master
//! playlist last. Deliberately absent: other protocols, encryption, separate audio renditions.

mod bandwidth;
mod check;
mod fragments;
mod interleave;
mod playlist;
mod rendition;
#[cfg(test)]
mod tests;

use std::path::Path;

use reelmill::model::work::{FileRole, Package, Produced, ProducedFile};
use reelmill::worker::protocol::Message;

use self::rendition::Rendition;
use crate::error::{MediaError, warning};
use crate::scratch;
use crate::source::Source;

/// Media type of playlists.
const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// Name of a rendition's playlist.
const PLAYLIST: &str = "index.m3u8";

/// Lengths of segments that may be asked for, in seconds.
const SEGMENT_S: std::ops::RangeInclusive<f64> = 1.0..=60.0;

/// Packages finished renditions; `tell` hears about warnings and progress.
pub fn run(
    sources: &[Source],
    package: &Package,
    scratch: &Path,
    tell: &dyn Fn(&Message),
) -> Result<Produced, MediaError> {
    if sources.is_empty() || sources.len() != package.renditions.len() {
        let (inputs, folders) = (sources.len(), package.renditions.len());
        return Err(MediaError::Job(format!("it packages {inputs} inputs into {folders} folders")));
    }
    if !SEGMENT_S.contains(&package.segment_s) {
        let (least, most) = (SEGMENT_S.start(), SEGMENT_S.end());
        return Err(MediaError::Parameter(format!("segments last between {least} and {most} seconds")));
    }
    let mut renditions = Vec::new();
    for (source, folder) in sources.iter().zip(&package.renditions) {
        tell(&progress(renditions.len(), sources.len()));
        renditions.push(rendition::make(source, folder, package.segment_s, scratch, tell)?);
    }
    warn_of_misalignment(&renditions, tell);
    write(renditions, &package.master, scratch)
}

/// Writes the playlists, checks everything, and puts the files in order.
fn write(renditions: Vec<Rendition>, master: &str, scratch: &Path) -> Result<Produced, MediaError> {
    let mut variants = Vec::new();
    let mut playlists = Vec::new();
    for rendition in &renditions {
        let codecs = check::first_segment(scratch, rendition)?;
        let file = format!("{}/{PLAYLIST}", rendition.folder);
        let media = playlist::media(rendition);
        let bytes = playlist::bytes(|to| media.write_to(to), &file)?;
        playlists.push(scratch::write(scratch, &file, &bytes, PLAYLIST_TYPE, FileRole::Playlist)?);
        check::media_playlist(scratch, &file, rendition)?;
        variants.push(playlist::variant(rendition, &codecs, playlist::relative_uri(master, &file)));
    }
    let independent = renditions.iter().all(|rendition| rendition.independent);
    let written = playlist::master(variants, independent);
    let bytes = playlist::bytes(|to| written.write_to(to), master)?;
    let last = scratch::write(scratch, master, &bytes, PLAYLIST_TYPE, FileRole::Master)?;
    let names: Vec<String> = playlists.iter().map(|playlist| playlist.file.clone()).collect();
    check::master_playlist(scratch, master, &names)?;
    let segments = renditions.into_iter().flat_map(files);
    Ok(Produced { files: segments.chain(playlists).chain([last]).collect() })
}

fn files(rendition: Rendition) -> impl Iterator<Item = ProducedFile> {
    std::iter::once(rendition.init).chain(rendition.segments.into_iter().map(|segment| segment.file))
}

/// Players change between renditions at the starts of segments; where those differ, changing shows.
fn warn_of_misalignment(renditions: &[Rendition], tell: &dyn Fn(&Message)) {
    let mut with_video = renditions.iter().filter(|rendition| rendition.has_video);
    let Some(first) = with_video.next() else { return };
    for other in with_video.filter(|other| !are_aligned(first, other)) {
        let message = format!(
            "the segments of `{}` and `{}` begin at different moments: give the renditions the same distance of keyframes",
            first.folder, other.folder
        );
        tell(&Message::Warning { code: warning::NOT_ALIGNED.to_owned(), message });
    }
}

/// Whether two renditions' segments begin at the same moments, give or take half a frame.
fn are_aligned(a: &Rendition, b: &Rendition) -> bool {
    let rate = a.info.video.first().map_or(0.0, |video| video.frame_rate);
    let tolerance_s = if rate > 0.0 { 0.5 / rate } else { 0.02 };
    a.segments.len() == b.segments.len()
        && a.segments.iter().zip(&b.segments).all(|(a, b)| (a.start_s - b.start_s).abs() <= tolerance_s)
}

fn progress(done: usize, of: usize) -> Message {
    let share = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    Message::Progress { fraction: Some(share(done) / share(of)), speed: None, position_ms: None }
}
