//! Parts that outputs of one source have in common, and that are made once when one worker makes them.
//!
//! Parameters are compared as they are asked for. A worker compares what they come to over its source, and may find more
//! alike.

use super::{Audio, Container, Deinterlace, FrameRate, MediaOutput, Output, Video, VideoEncode};

/// Returns for each of `outputs`, which have names, the parts that it takes from one before it, such as "its sound with `720`".
#[must_use]
pub fn sharing(outputs: &[(&str, &Output)]) -> Vec<Vec<String>> {
    let media: Vec<Option<&MediaOutput>> = outputs
        .iter()
        .map(
            |(_, output)| {
                if let Output::Media(media) = output { Some(media).filter(|m| m.parts.is_empty()) } else { None }
            },
        )
        .collect();
    let shares = |n: usize, is_alike: &dyn Fn(&MediaOutput, &MediaOutput) -> bool| {
        let own = media[n]?;
        let is_so = |other: &&MediaOutput| other.clip == own.clip && is_alike(other, own);
        media[..n].iter().position(|other| other.as_ref().is_some_and(is_so)).map(|other| outputs[other].0)
    };
    let of = |n: usize| {
        let pictures = shares(n, &has_same_pictures).map(|other| ("its pictures", other));
        let first = || shares(n, &has_same_first_filters).map(|other| ("its first filters", other));
        let sound = shares(n, &has_same_sound).map(|other| ("its sound", other));
        match (pictures.or_else(first), sound) {
            (Some((what, one)), Some((sound, other))) if one == other => {
                vec![format!("{what} and {sound} with `{one}`")]
            }
            (seen, heard) => {
                let told = |(what, other): (&str, &str)| format!("{what} with `{other}`");
                seen.into_iter().chain(heard).map(told).collect()
            }
        }
    };
    (0..outputs.len()).map(of).collect()
}

/// Returns whether both encode the same sound. Transport streams want headers between packets, all others in front of them.
fn has_same_sound(one: &MediaOutput, other: &MediaOutput) -> bool {
    let (Some(Audio::Encode(first)), Some(Audio::Encode(second))) = (&one.audio, &other.audio) else { return false };
    let in_packets = |media: &MediaOutput| media.container == Container::Ts;
    first == second && first.mix.is_none() && in_packets(one) == in_packets(other)
}

fn encodes<'a>(one: &'a MediaOutput, other: &'a MediaOutput) -> Option<(&'a VideoEncode, &'a VideoEncode)> {
    match (&one.video, &other.video) {
        (Some(Video::Encode(one)), Some(Video::Encode(other))) => Some((one, other)),
        _ => None,
    }
}

/// Returns whether both begin with the same filters, and with any that take time.
fn has_same_first_filters(one: &MediaOutput, other: &MediaOutput) -> bool {
    let Some((one, other)) = encodes(one, other) else { return false };
    let treatment = one.treatment;
    let takes_time = treatment.denoise.is_some()
        || treatment.crop.is_some()
        || treatment.deinterlace == Deinterlace::Force
        || matches!(one.frame_rate, FrameRate::Fixed(_));
    takes_time && is_prepared_alike(one, other)
}

fn is_prepared_alike(one: &VideoEncode, other: &VideoEncode) -> bool {
    let prepared = |encode: &VideoEncode| {
        let treatment = encode.treatment;
        let most = encode.codec.info().max_fps;
        (encode.frame_rate, most, treatment.deinterlace, treatment.denoise, treatment.crop)
    };
    prepared(one) == prepared(other)
}

/// Returns whether both encode pictures of the same size, colours and pixels.
fn has_same_pictures(one: &MediaOutput, other: &MediaOutput) -> bool {
    let Some((one, other)) = encodes(one, other) else { return false };
    let formats = |encode: &VideoEncode| {
        let codec = encode.codec.info();
        let plain = codec.pixel_format(encode).to_owned();
        let deep = codec.deep_format(encode.profile.as_deref(), encode.pixel_format.as_deref()).map(str::to_owned);
        (plain, deep, encode.encoder, codec.palette, codec.bt601, codec.full_range)
    };
    let fitted = |encode: &VideoEncode| (encode.size, encode.fit, encode.upscale, encode.treatment);
    is_prepared_alike(one, other) && fitted(one) == fitted(other) && formats(one) == formats(other)
}

#[cfg(test)]
mod tests {
    use super::super::{
        AudioCodec, AudioEncode, Clip, Denoise, Fit, RateControl, Size, Subtitles, Treatment, VideoCodec,
    };
    use super::*;

    fn encode(codec: VideoCodec, side: u32, denoise: Option<Denoise>) -> VideoEncode {
        VideoEncode {
            codec,
            encoder: None,
            profile: None,
            level: None,
            preset: None,
            tune: None,
            rate_control: RateControl::Crf { crf: 23.0, maxrate_bps: None, bufsize_bits: None },
            quality: None,
            two_passes: false,
            gop: None,
            b_frames: None,
            refs: None,
            size: Size::ShortSide(side),
            fit: Fit::Rescale,
            upscale: false,
            frame_rate: FrameRate::Source,
            treatment: Treatment { denoise, ..Treatment::default() },
            pixel_format: None,
        }
    }

    fn output(video: VideoEncode, container: Container, clip: Option<Clip>) -> Output {
        Output::Media(MediaOutput {
            file: "out".to_owned(),
            container,
            video: Some(Video::Encode(video)),
            audio: Some(Audio::Encode(AudioEncode::plain(AudioCodec::Aac))),
            subtitles: Subtitles::None,
            subtitle_files: Vec::new(),
            burn: None,
            clip,
            parts: Vec::new(),
            overlays: Vec::new(),
            metadata: true,
            chapters: true,
        })
    }

    #[test]
    fn what_is_alike_is_named_and_what_differs_is_not() {
        let h264 = |side, denoise| encode(VideoCodec::H264, side, denoise);
        let clip = Some(Clip { start_s: 1.0, duration_s: None });
        let outputs = [
            ("a", output(h264(720, None), Container::Mp4, None)),
            ("b", output(encode(VideoCodec::H265, 720, None), Container::Mkv, None)),
            ("c", output(h264(480, None), Container::Mp4, None)),
            ("d", output(h264(720, None), Container::Ts, None)),
            ("e", output(h264(720, None), Container::Mp4, clip)),
            ("f", output(h264(720, Some(Denoise::Light)), Container::Mp4, None)),
            ("g", output(h264(240, Some(Denoise::Light)), Container::Mp4, None)),
        ];
        let named: Vec<(&str, &Output)> = outputs.iter().map(|(name, output)| (*name, output)).collect();
        let expected: [&[&str]; 7] = [
            &[],
            &["its pictures and its sound with `a`"],
            &["its sound with `a`"],
            &["its pictures with `a`"],
            &[],
            &["its sound with `a`"],
            &["its first filters with `f`", "its sound with `a`"],
        ];
        assert_eq!(sharing(&named), expected);
    }
}
