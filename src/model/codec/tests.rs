use super::*;
use crate::model::work::{Fit, FrameRate, Gop, RateControl, Size, Treatment};

fn encode(codec: VideoCodec, rate_control: RateControl) -> VideoEncode {
    VideoEncode {
        codec,
        encoder: None,
        profile: None,
        level: None,
        preset: None,
        tune: None,
        rate_control,
        quality: None,
        two_passes: false,
        gop: Some(Gop::Seconds(2.0)),
        b_frames: None,
        refs: None,
        size: Size::Source,
        fit: Fit::Rescale,
        upscale: false,
        frame_rate: FrameRate::Source,
        treatment: Treatment::default(),
        pixel_format: None,
    }
}

fn told(encode: &VideoEncode, pass: Option<Pass<'_>>) -> String {
    let setting = Setting { encode, frame_rate: 29.97, constant_rate: true, threads: 0, pass, hdr: None };
    let options = encode.codec.info().options_for(&setting);
    options.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

const CRF: RateControl = RateControl::Crf { crf: 23.0, maxrate_bps: Some(2_000_000), bufsize_bits: None };
const ABR: RateControl = RateControl::Abr { bitrate_bps: 900_000, maxrate_bps: None, bufsize_bits: None };
const CBR: RateControl = RateControl::Cbr { bitrate_bps: 1_000_000, bufsize_bits: Some(500_000) };

#[test]
fn names_are_those_that_are_stored() {
    for codec in VideoCodec::ALL {
        assert_eq!(serde_json::to_value(codec).unwrap(), codec.info().name);
        assert_eq!(VideoCodec::named(codec.info().name), Some(*codec));
        assert!(!codec.info().containers.is_empty(), "{codec:?}");
    }
    for codec in AudioCodec::ALL {
        assert_eq!(serde_json::to_value(codec).unwrap(), codec.info().name);
        assert_eq!(AudioCodec::named(codec.info().name), Some(*codec));
    }
    assert!(VideoCodec::WORDS.contains(&"copy") && AudioCodec::WORDS.contains(&"copy"));
}

#[test]
fn what_containers_are_made_for_they_hold() {
    for word in ["mp4", "mov", "mkv", "webm", "ts", "flv", "m4a", "mp3", "ogg", "flac", "wav", "gif", "webp"] {
        let info = Container::named(word).unwrap().info();
        assert_eq!(info.name, word);
        assert!(info.video.is_none_or(|codec| codec.info().containers.contains(&info.container)), "{word}");
        assert!(info.audio.is_none_or(|codec| codec.info().containers.contains(&info.container)), "{word}");
    }
}

#[test]
fn each_encoder_is_told_in_its_own_words() {
    let passed = |first| Some(Pass { first, stats: "/s/a:b.log" });
    for (codec, control, pass, expected) in [
        (
            VideoCodec::H264,
            CRF,
            None,
            "crf=23 maxrate=2000000 bufsize=4000000 g=60 forced-idr=1 flags=+cgop sc_threshold=0",
        ),
        (
            VideoCodec::H264,
            CBR,
            None,
            "minrate=1000000 nal-hrd=cbr b=1000000 maxrate=1000000 bufsize=500000 g=60 forced-idr=1 flags=+cgop \
             sc_threshold=0",
        ),
        (
            VideoCodec::H264,
            ABR,
            passed(false),
            "b=900000 g=60 forced-idr=1 flags=+cgop+pass2 stats=/s/a:b.log sc_threshold=0",
        ),
        (
            VideoCodec::H265,
            ABR,
            passed(true),
            "b=900000 g=60 forced-idr=1 x265-params=log-level=warning:open-gop=0:scenecut=0:pass=1:stats=/s/a\\:b.log",
        ),
        (VideoCodec::H264, ABR, None, "x264-params=ratetol=0.1 b=900000 g=60 forced-idr=1 flags=+cgop sc_threshold=0"),
        (
            VideoCodec::H265,
            RateControl::Abr { bitrate_bps: 900_000, maxrate_bps: Some(1_200_000), bufsize_bits: Some(1_000_000) },
            None,
            "b=900000 maxrate=900000 bufsize=1000000 g=60 forced-idr=1 \
             x265-params=log-level=warning:open-gop=0:scenecut=0",
        ),
        (
            VideoCodec::Av1,
            CRF,
            None,
            "preset=8 g=60 crf=23 \
             svtav1-params=irefresh-type=2:enable-force-key-frames=1:mbr=2000:mbr-overshoot-pct=0",
        ),
        (
            VideoCodec::Av1,
            CBR,
            None,
            "preset=8 g=60 b=1000000 \
             svtav1-params=irefresh-type=2:rc=2:pred-struct=1:buf-sz=500:buf-initial-sz=300:buf-optimal-sz=300",
        ),
        (
            VideoCodec::Vp9,
            CRF,
            None,
            "deadline=good cpu-used=4 row-mt=1 qmin=23 minrate=2000000 b=2000000 maxrate=2000000 bufsize=4000000 g=60 \
             keyint_min=60",
        ),
        (
            VideoCodec::Vp9,
            ABR,
            passed(false),
            "deadline=good cpu-used=4 row-mt=1 b=900000 g=60 keyint_min=60 flags=+pass2",
        ),
        (
            VideoCodec::Vp9,
            ABR,
            None,
            "deadline=good cpu-used=4 row-mt=1 minrate=900000 b=900000 maxrate=900000 bufsize=1800000 g=60 \
             keyint_min=60",
        ),
        (VideoCodec::Prores, CRF, None, "profile=standard vendor=apl0"),
        (VideoCodec::Mjpeg, CRF, None, "flags=+qscale global_quality=708"),
        (VideoCodec::Webp, CRF, None, "quality=75"),
        (VideoCodec::Gif, CRF, None, ""),
    ] {
        assert_eq!(told(&encode(codec, control), pass), expected);
    }
    let best = VideoEncode { quality: Some(100), ..encode(VideoCodec::Mjpeg, CRF) };
    assert_eq!(told(&best, None), "flags=+qscale global_quality=236");
}

#[test]
fn devices_are_told_in_their_own_words() {
    for (hardware, control, encoder, expected) in [
        (Hardware::Nvenc, CRF, "hevc_nvenc", "maxrate=2000000 bufsize=4000000 rc=vbr cq=23 b=0 g=60"),
        (Hardware::Nvenc, CBR, "hevc_nvenc", "b=1000000 maxrate=1000000 bufsize=500000 rc=cbr g=60"),
        (Hardware::Qsv, ABR, "hevc_qsv", "b=900000 g=60 forced_idr=1"),
        (Hardware::Vaapi, CBR, "hevc_vaapi", "b=1000000 maxrate=1000000 bufsize=500000 rc_mode=CBR g=60"),
        (Hardware::Vaapi, CRF, "hevc_vaapi", "maxrate=2000000 bufsize=4000000 rc_mode=CQP qp=23 g=60"),
        (Hardware::Videotoolbox, ABR, "hevc_videotoolbox", "b=900000 g=60"),
    ] {
        let asked = VideoEncode { encoder: Some(hardware), ..encode(VideoCodec::H265, control) };
        assert_eq!(asked.codec.info().encoder_for(asked.encoder), encoder);
        let told = told(&asked, None);
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn keyframes_are_counted_where_encoders_do_not_listen() {
    let (seconds, frames) = (encode(VideoCodec::Av1, ABR), encode(VideoCodec::H264, ABR));
    let frames = VideoEncode { gop: Some(Gop::Frames(48)), ..frames };
    let none = VideoEncode { gop: None, ..frames.clone() };
    let gop = |encode, constant_rate, forced| {
        Setting { encode, frame_rate: 29.97, constant_rate, threads: 0, pass: None, hdr: None }.gop(forced)
    };
    assert_eq!((gop(&seconds, true, false), gop(&seconds, true, true)), (60, 60));
    assert_eq!((gop(&seconds, false, false), gop(&seconds, false, true)), (60, 65_535));
    assert_eq!((gop(&frames, true, true), gop(&none, true, true)), (48, 300));
}

#[test]
fn pixel_formats_follow_the_profile() {
    let asked = |codec, profile: &str| VideoEncode { profile: Some(profile.into()), ..encode(codec, CRF) };
    for (codec, profile, format) in [
        (VideoCodec::H265, "main10", "yuv420p10le"),
        (VideoCodec::H264, "high422", "yuv422p"),
        (VideoCodec::Prores, "4444", "yuv444p10le"),
        (VideoCodec::H264, "main", "yuv420p"),
    ] {
        assert_eq!(codec.info().pixel_format(&asked(codec, profile)), format);
    }
    let own = VideoEncode { pixel_format: Some("yuv420p".into()), ..asked(VideoCodec::H265, "main10") };
    assert_eq!(own.codec.info().pixel_format(&own), "yuv420p");
}

#[test]
fn sample_rates_go_to_the_nearest_the_codec_has() {
    let rate = |codec: AudioCodec, wanted| codec.info().limits.sample_rate(wanted);
    assert_eq!(rate(AudioCodec::Mp3, 44_100), 44_100);
    assert_eq!(rate(AudioCodec::Mp3, 96_000), 48_000);
    assert_eq!(rate(AudioCodec::Mp3, 23_000), 24_000);
    assert_eq!(rate(AudioCodec::Opus, 44_100), 48_000);
    assert_eq!(rate(AudioCodec::Flac, 96_000), 96_000);
}

#[test]
fn vorbis_gets_a_bit_rate_that_it_has() {
    let encode = AudioEncode { bitrate_bps: Some(500_000), ..AudioEncode::plain(AudioCodec::Vorbis) };
    let told = |channels| (AudioCodec::Vorbis.info().options)(&encode, channels);
    assert_eq!(told(1), [("b", "240000".to_owned())]);
    assert_eq!(told(2), [("b", "480000".to_owned())]);
}

#[test]
fn metadata_of_high_dynamic_range_are_told_to_encoders_that_write_them() {
    let display = MasteringDisplay {
        red: (0.708, 0.292),
        green: (0.17, 0.797),
        blue: (0.131, 0.046),
        white: (0.3127, 0.329),
        luminance: (0.005, 1_000.0),
    };
    let hdr = Some(HdrMetadata { display: Some(display), light: Some((1_100, 180)) });
    let told = |codec: VideoCodec, key: &str| {
        let encode = encode(codec, RateControl::Crf { crf: 30.0, maxrate_bps: None, bufsize_bits: None });
        let setting = Setting { encode: &encode, frame_rate: 25.0, constant_rate: true, threads: 0, pass: None, hdr };
        let options = codec.info().options_for(&setting);
        options.into_iter().find(|(name, _)| *name == key).unwrap().1
    };
    let x265 = told(VideoCodec::H265, "x265-params");
    let expected = "master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(10000000,50)";
    assert!(x265.contains(expected) && x265.contains("max-cll=1100,180"), "{x265}");
    let svt = told(VideoCodec::Av1, "svtav1-params");
    let expected = "mastering-display=G(0.17,0.797)B(0.131,0.046)R(0.708,0.292)WP(0.3127,0.329)L(1000,0.005)";
    assert!(svt.contains(expected) && svt.contains("content-light=1100,180"), "{svt}");
}
