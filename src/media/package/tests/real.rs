//! Real files, where there is a folder of them (`REELMILL_MEDIA`): what others made is packaged as well as our own clips.

use super::*;

fn folder() -> Option<std::path::PathBuf> {
    Some(std::path::PathBuf::from(std::env::var_os("REELMILL_MEDIA")?).join("public"))
}

#[test]
fn real_files_play_from_every_kind_of_package() {
    let Some(media) = folder() else {
        println!("no folder of real media: skipped");
        return;
    };
    for (name, entries, codec) in [
        ("multitrack/2v_2a_subs.mkv", 4, "avc1."),
        ("multitrack/nasa_2v_2a_2s.mp4", 4, "avc1."),
        ("multitrack/ssa.mkv", 2, "avc1."),
        ("multitrack/pgs.mkv", 1, "avc1."),
        ("multitrack/chapters.mp4", 1, "avc1."),
        ("hdr/hdr10_nasa_hevc.mp4", 0, "hvc1.2."),
        ("vfr/gopher_270x480.mp4", 1, "avc1."),
    ] {
        let source = media.join(name);
        let frames = packet_count(&source);
        for segments in [SegmentFormat::Fmp4, SegmentFormat::Ts] {
            let ts = segments == SegmentFormat::Ts;
            let folder = tempfile::tempdir().unwrap();
            let mpd = (!ts).then(|| "manifest.mpd".to_owned());
            let package = Package { mpd, segments, iframe_playlists: ts, segment_s: 2.0, ..package(1) };
            ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet);
            let produced = run(&[source_of(&source)], &package, folder.path(), &|_| {});
            let produced = produced.unwrap_or_else(|error| panic!("{name} {segments:?}: {error}"));
            assert!(produced.files.iter().all(|file| package.makes(&file.file)), "{name}");
            let master = master(folder.path());
            assert!(master.variants[0].codecs.as_deref().unwrap().starts_with(codec), "{name}: {master:?}");
            if !ts {
                assert_eq!(master.alternatives.len(), entries, "{name}: {:?}", master.alternatives);
                assert_eq!(packet_count(&folder.path().join("manifest.mpd")), frames, "{name}");
            }
            let playlist = folder.path().join(&master.variants[0].uri);
            assert_eq!(packet_count(&playlist), frames, "{name} {segments:?}");
        }
    }
}

/// Packets of the first video stream.
fn packet_count(media: &Path) -> usize {
    let arguments = ["60", "ffprobe", "-v", "quiet", "-select_streams", "v:0", "-show_entries", "packet=pts"];
    let lists = media.extension().is_some_and(|extension| extension == "mpd" || extension == "m3u8");
    // Segments of text do not end in what ffmpeg takes for media.
    let all: &[&str] = if lists { &["-allowed_extensions", "ALL"] } else { &[] };
    let output =
        Command::new("timeout").args(arguments).args(all).args(["-of", "csv=p=0"]).arg(media).output().unwrap();
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.trim().is_empty()).count()
}
