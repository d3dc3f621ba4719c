use super::*;
use crate::model::media::Format;

fn film(width: u32, height: u32, bit_rate: u64) -> MediaInfo {
    let (short_side, long_side) = (width.min(height), width.max(height));
    let video = VideoStream {
        codec: "h264".to_owned(),
        width,
        height,
        short_side,
        long_side,
        bit_rate: Some(bit_rate),
        ..VideoStream::default()
    };
    MediaInfo {
        format: Format { name: "avi".to_owned(), ..Format::default() },
        video: vec![video],
        audio: vec![heard("aac", 160_000)],
        ..MediaInfo::default()
    }
}

fn heard(codec: &str, bit_rate: u64) -> AudioStream {
    AudioStream { codec: codec.to_owned(), channels: 2, bit_rate: Some(bit_rate), ..AudioStream::default() }
}

fn recording(codec: &str, bit_rate: u64) -> MediaInfo {
    MediaInfo {
        format: Format { name: "wav".to_owned(), ..Format::default() },
        audio: vec![heard(codec, bit_rate)],
        ..MediaInfo::default()
    }
}

fn presets(info: &MediaInfo) -> Fits {
    fits(info, &Templates::presets())
}

/// The templates of a codec that suit, best first.
fn of<'a>(fits: &'a Fits, family: &str) -> Vec<&'a str> {
    fits.templates.iter().map(String::as_str).filter(|name| name.starts_with(family)).collect()
}

fn reason<'a>(fits: &'a Fits, name: &str) -> &'a str {
    &fits.fits.iter().find(|fit| fit.template == name).unwrap_or_else(|| panic!("{name}: {fits:#?}")).reason
}

fn why_not<'a>(fits: &'a Fits, name: &str) -> &'a str {
    &fits.left_out.iter().find(|out| out.template == name).unwrap_or_else(|| panic!("{name}: {fits:#?}")).reason
}

#[test]
fn the_largest_that_the_source_fills_comes_first() {
    let fits = presets(&film(1280, 720, 20_000_000));
    assert_eq!(fits.best.as_deref(), Some("h264-720p"));
    assert_eq!(of(&fits, "h264"), ["h264-720p", "h264-480p", "h264-360p", "h264-240p"]);
    assert!(reason(&fits, "h264-720p").starts_with("has the size of the source, 1280×720"));
    assert!(why_not(&fits, "h264-1080p").contains("1080"), "{fits:#?}");
    // Between two sizes, of an upright clip.
    let fits = presets(&film(900, 1600, 20_000_000));
    assert_eq!(fits.best.as_deref(), Some("h264-720p"));
    assert!(reason(&fits, "h264-720p").contains("largest of its codec"));
}

#[test]
fn a_source_below_every_size_gets_the_smallest_which_enlarges_nothing() {
    let fits = presets(&film(320, 180, 20_000_000));
    assert_eq!(of(&fits, "h264"), ["h264-240p"]);
    assert!(reason(&fits, "h264-240p").contains("320×180"));
}

#[test]
fn every_template_is_in_the_answer_once_and_has_a_reason() {
    for info in [film(1920, 1080, 5_000_000), film(64, 64, 1_000), recording("mp3", 128_000), MediaInfo::default()] {
        let fits = presets(&info);
        let mut names: Vec<_> = fits.fits.iter().map(|f| (&f.template, &f.reason)).collect();
        names.extend(fits.left_out.iter().map(|o| (&o.template, &o.reason)));
        assert!(names.iter().all(|(_, reason)| !reason.is_empty()));
        names.sort();
        names.dedup_by_key(|(name, _)| name.as_str());
        assert_eq!(names.len(), Templates::presets().iter().count());
        assert_eq!(fits.templates.len(), fits.fits.len());
    }
}

#[test]
fn bit_rates_above_the_source_s_are_said_or_left_out() {
    let fits = presets(&film(1280, 720, 1_500_000));
    assert!(reason(&fits, "h264-720p").contains("the source has only 1.5 Mbit/s"), "{fits:#?}");
    let average = "name: mine\nvideo: { rate_control: abr, bitrate: 2M, short_side: 720 }";
    let load = |text: &str| Templates::load(&[("mine.yaml", Some(text))]).0;
    let fits = super::fits(&film(1280, 720, 1_500_000), &load(average));
    assert_eq!(why_not(&fits, "mine"), "asks for 2 Mbit/s, and the source has 1.5 Mbit/s");
    let kept = format!("{average}\nif_source_lower: {{ video_bitrate: keep_source }}");
    let fits = super::fits(&film(1280, 720, 1_500_000), &load(&kept));
    assert!(fits.templates.contains(&"mine".to_owned()));
}

#[test]
fn what_would_enlarge_or_fail_is_left_out() {
    for (more, words) in [
        ("video: { short_side: 720, upscale: true }", "enlarge"),
        ("video: { short_side: 720 }\nif_source_lower: { resolution: ignore }", "enlarge"),
        ("video: { short_side: 720 }\nif_source_lower: { resolution: fail }", "fails"),
    ] {
        let (templates, wrong) = Templates::load(&[("mine.yaml", Some(&format!("name: mine\n{more}")))]);
        assert!(wrong.is_empty(), "{wrong:?}");
        let fits = super::fits(&film(640, 360, 9_000_000), &templates);
        assert!(why_not(&fits, "mine").contains(words), "{fits:#?}");
    }
}

#[test]
fn recordings_get_sound_not_above_their_own_rate() {
    let fits = presets(&recording("mp3", 128_000));
    assert_eq!(fits.best.as_deref(), Some("aac-128k"));
    assert_eq!(of(&fits, "aac"), ["aac-128k", "aac-64k"]);
    assert_eq!(why_not(&fits, "aac-192k"), "asks for 192 kbit/s, and the source has 128 kbit/s");
    assert_eq!(why_not(&fits, "h264-720p"), "the source has no video");
    let fits = presets(&recording("pcm_s16le", 1_411_200));
    assert_eq!(fits.best.as_deref(), Some("aac-256k"), "a recording without loss feeds any rate");
    let silent = MediaInfo { audio: Vec::new(), ..film(1280, 720, 1) };
    assert_eq!(why_not(&presets(&silent), "aac-128k"), "the source has no sound");
}

#[test]
fn range_and_channels_that_are_lost_are_said() {
    let mut info = film(3840, 2160, 40_000_000);
    info.video[0].hdr = Some(Hdr::Hdr10);
    info.audio[0].channels = 6;
    let fits = presets(&info);
    let said = reason(&fits, "h264-2160p");
    assert!(said.contains("HDR10 is mapped to standard range") && said.contains("6 channels become 2"), "{said}");
}

#[test]
fn copies_suit_where_the_container_holds_the_streams() {
    let fits = presets(&film(1280, 720, 2_000_000));
    assert!(reason(&fits, "remux-mp4").contains("nothing is lost"));
    let mut info = film(1280, 720, 2_000_000);
    info.video[0].codec = "vp9".to_owned();
    info.format.name = "matroska,webm".to_owned();
    let fits = presets(&info);
    assert_eq!(why_not(&fits, "remux-ts"), "a ts file does not hold vp9");
    assert_eq!(why_not(&fits, "remux-mkv"), "the source is mkv already");
}
