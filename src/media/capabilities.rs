//! What this build of libav has of what Reelmill uses, and which devices are there.
//!
//! **Invariant**: [`USED`] is complete: a filter that a graph is built of and that does not stand here is a fault, which
//! debug builds notice where they build it. Encoders of pictures and sound stand in [`reelmill::model::codec`].

use std::fs;

use ffmpeg_next::{decoder, encoder, filter};
use reelmill::model::capabilities::{Capabilities, Part, PartKind};
use reelmill::model::codec::Hardware;
use reelmill::model::work::Container;

use crate::codec;
use crate::libav;
use crate::pipeline::container;

/// Filters, decoders and encoders of subtitles that Reelmill uses, with what for.
const USED: &[(PartKind, &str, &[&str])] = &[
    (
        PartKind::Filter,
        "every transcode, snapshot and watermark",
        &[
            "buffer",
            "buffersink",
            "abuffer",
            "abuffersink",
            "format",
            "aformat",
            "scale",
            "fps",
            "setparams",
            "setsar",
            "aresample",
            "atrim",
            "crop",
            "hflip",
            "vflip",
            "transpose",
        ],
    ),
    (PartKind::Filter, "deinterlacing", &["bwdif", "idet"]),
    (PartKind::Filter, "denoise", &["hqdn3d"]),
    (PartKind::Filter, "fit: pad", &["pad"]),
    (PartKind::Filter, "crop: auto", &["cropdetect"]),
    (PartKind::Filter, "tone mapping of HDR", &["zscale", "tonemap"]),
    (PartKind::Filter, "pictures with transparency", &["premultiply"]),
    (PartKind::Filter, "watermarks", &["overlay", "unpremultiply", "colorchannelmixer"]),
    (PartKind::Filter, "watermarks of text", &["drawtext", "color"]),
    (PartKind::Filter, "burnt-in subtitles", &["ass"]),
    (PartKind::Filter, "gif", &["split", "palettegen", "paletteuse"]),
    (PartKind::Filter, "sprites", &["tile"]),
    (PartKind::Filter, "scenes", &["scdet"]),
    (PartKind::Filter, "analysis of quality", &["blackdetect", "freezedetect", "silencedetect"]),
    (PartKind::Filter, "volume", &["volume", "alimiter"]),
    (PartKind::Filter, "loudness", &["loudnorm", "ebur128", "apad"]),
    (PartKind::Filter, "mix", &["amix"]),
    (PartKind::Decoder, "AV1 sources", &["libdav1d"]),
    (PartKind::Decoder, "VP8 and VP9 sources with transparency", &["libvpx", "libvpx-vp9"]),
    (PartKind::Encoder, "subtitles", &["mov_text", "subrip", "webvtt", "ass", "ttml"]),
];

/// Where devices of a family show.
const RENDER_NODES: &str = "/dev/dri";

/// Intel's number among makers of devices.
const INTEL: &str = "0x8086";

/// What this build can do.
#[must_use]
pub fn capabilities() -> Capabilities {
    Capabilities {
        ffmpeg: libav::version(),
        libavcodec: dotted(ffmpeg_next::codec::version()),
        encoders: codec::available(),
        lacks: lacks(),
        devices: Hardware::ALL.iter().copied().filter(|family| is_there(*family)).collect(),
    }
}

/// Whether graphs may use a filter: it stands in the table, or libav puts it in by itself.
#[must_use]
pub fn is_listed(name: &str) -> bool {
    USED.iter().any(|(kind, _, names)| *kind == PartKind::Filter && names.contains(&name))
}

fn lacks() -> Vec<Part> {
    let parts = USED.iter().flat_map(|&(kind, used_for, names)| names.iter().map(move |&name| (kind, used_for, name)));
    let muxers = Container::every().map(container::format);
    let muxers = muxers.map(|format| (PartKind::Muxer, format.name, format.muxer));
    let missing = parts.chain(muxers).filter(|&(kind, _, name)| !has(kind, name));
    missing.map(|(kind, used_for, name)| Part { kind, name: name.to_owned(), used_for: used_for.to_owned() }).collect()
}

fn has(kind: PartKind, name: &str) -> bool {
    match kind {
        PartKind::Encoder => encoder::find_by_name(name).is_some(),
        PartKind::Decoder => decoder::find_by_name(name).is_some(),
        PartKind::Filter => filter::find(name).is_some(),
        PartKind::Muxer => libav::has_muxer(name),
    }
}

/// Whether a device of the family shows; whether it works shows when it is used.
fn is_there(family: Hardware) -> bool {
    let nodes = || fs::read_dir(RENDER_NODES).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut render = nodes().filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with("renderD"));
    let of_intel = |node: &String| {
        let maker = fs::read_to_string(format!("/sys/class/drm/{node}/device/vendor"));
        maker.is_ok_and(|maker| maker.trim() == INTEL)
    };
    match family {
        Hardware::Nvenc => ["/dev/nvidia0", "/dev/dxg"].iter().any(|node| fs::exists(node).unwrap_or(false)),
        Hardware::Vaapi => render.next().is_some(),
        Hardware::Qsv => render.any(|node| of_intel(&node)),
        Hardware::Videotoolbox => cfg!(target_os = "macos"),
    }
}

/// libav packs three numbers into one.
fn dotted(packed: u32) -> String {
    format!("{}.{}.{}", packed >> 16, packed >> 8 & 0xff, packed & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_not_there_is_named_and_one_that_is_there_is_not() {
        for (kind, there) in [
            (PartKind::Encoder, "subrip"),
            (PartKind::Decoder, "h264"),
            (PartKind::Filter, "scale"),
            (PartKind::Muxer, "mp4"),
        ] {
            assert!(has(kind, there), "{there}");
            assert!(!has(kind, "no_such_part"), "{}", kind.name());
        }
        let own = capabilities();
        let other = own.lacks.iter().find(|part| has(part.kind, &part.name));
        assert_eq!(other, None);
        assert!(own.encoders.contains("libx264") && own.ffmpeg.starts_with(|c: char| c.is_ascii_digit() || c == 'n'));
        assert_eq!(own.libavcodec.split('.').count(), 3, "{}", own.libavcodec);
    }
}
