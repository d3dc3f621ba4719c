//! Whether what looks like a stream without a header is one.
//!
//! Such formats are told by patterns that tables of figures, logs and noise have by chance. A guess that libav is not sure of
//! is checked: text is no media, and a stream decodes. **Invariant**: the bytes that are read are bounded; of a file that
//! libav is sure of, only the first ones are read.

use ffmpeg_next::codec::Context;
use ffmpeg_next::{Dictionary, Error, Packet, frame, media};

use crate::error::MediaError;
use crate::libav;
use crate::source::{MAX_PIXELS, Opened};

/// Demuxers that go by patterns alone.
const PATTERNS: [&str; 20] = [
    "aac",
    "ac3",
    "ac4",
    "dirac",
    "dnxhd",
    "dts",
    "dv",
    "eac3",
    "h264",
    "hevc",
    "loas",
    "m4v",
    "mjpeg",
    "mlp",
    "mp3",
    "mpegvideo",
    "obu",
    "truehd",
    "vc1",
    "vvc",
];

/// Scores, of 100, up to which libav itself would rather see more of a file.
const UNSURE: i32 = 26;

/// Bytes looked at to tell text.
const HEAD_BYTES: usize = 4096;

/// Packets decoded.
const MAX_PACKETS: u32 = 64;

/// Whether a freshly opened file was only guessed: by a pattern, with a low score or over plain text.
pub fn is_doubtful(opened: &Opened) -> Result<bool, MediaError> {
    if !PATTERNS.contains(&libav::demuxer_name(opened.demuxer()).as_str()) {
        return Ok(false);
    }
    Ok(libav::probe_score(opened.demuxer()) <= UNSURE || is_text(&opened.source().first_bytes(HEAD_BYTES)?))
}

/// Whether most of the first packets of a freshly opened file decode, and it is no text.
pub fn is_media(mut opened: Opened) -> Result<bool, MediaError> {
    if is_text(&opened.source().first_bytes(HEAD_BYTES)?) {
        return Ok(false);
    }
    let kinds = [media::Type::Audio, media::Type::Video];
    let stream = opened.demuxer().streams().find(|stream| kinds.contains(&stream.parameters().medium()));
    let Some((index, parameters)) = stream.map(|stream| (stream.index(), stream.parameters().clone())) else {
        return Ok(false);
    };
    let mut options = Dictionary::new();
    for (name, value) in [("threads", "1"), ("max_pixels", MAX_PIXELS), ("err_detect", "crccheck+bitstream+buffer")] {
        options.set(name, value);
    }
    let found = ffmpeg_next::codec::decoder::find(parameters.id());
    let context = Context::from_parameters(parameters).ok().map(Context::decoder);
    // What this build cannot decode it says itself.
    let Some((context, found)) = context.zip(found) else { return Ok(true) };
    let Ok(mut decoder) = context.open_as_with(found, options) else { return Ok(false) };
    let (mut frames, mut good, mut bad, mut ended) = (0_u32, 0_u64, 0_u64, false);
    let mut take = |decoder: &mut ffmpeg_next::codec::decoder::Opened| loop {
        // Whatever the stream is, a frame of it can be received so.
        match decoder.receive_frame(&mut frame::Video::empty()) {
            Ok(()) => frames += 1,
            Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return true,
            Err(_) => return false,
        }
    };
    let mut packet = Packet::empty();
    for _ in 0..MAX_PACKETS {
        ended = !opened.read(&mut packet)?;
        if ended {
            break;
        }
        if packet.stream() != index {
            continue;
        }
        let sent = decoder.send_packet(&packet).is_ok();
        let received = take(&mut decoder);
        *if sent && received { &mut good } else { &mut bad } += packet.size() as u64;
    }
    if decoder.send_eof().is_ok() {
        take(&mut decoder);
    }
    // What demuxers skip belongs to no packet.
    let source = opened.source();
    let all = if ended {
        source.size_bytes().saturating_sub(tag_bytes(&source.first_bytes(HEAD_BYTES)?))
    } else {
        good + bad
    };
    Ok(frames > 0 && good >= all / 2)
}

/// Length of the ID3 tag that a file begins with: covers in it may be longer than the sound.
fn tag_bytes(head: &[u8]) -> u64 {
    match head {
        [b'I', b'D', b'3', _, _, _, a, b, c, d, ..] => {
            10 + [a, b, c, d].into_iter().fold(0, |length, &byte| length << 7 | u64::from(byte & 0x7f))
        }
        _ => 0,
    }
}

/// Whether these first bytes of a file are text: UTF-8 without signs that only machines write.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut off.
        Err(error) if error.error_len().is_none() => {
            let (whole, _) = head.split_at(error.valid_up_to());
            std::str::from_utf8(whole).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && !text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}'))
}

#[cfg(test)]
mod tests {
    use super::is_text;
    use crate::testing::{generate, source_of};
    use reelmill::model::Code;
    use reelmill::model::work::Analysis;

    fn code(bytes: &[u8]) -> Option<Code> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        crate::testing::analyse(&source_of(file.path()), &Analysis::default(), &|_| {}).err().map(|error| error.code)
    }

    /// Bytes that look like nothing, the same at every run.
    fn noise(length: usize, mut seed: u32) -> Vec<u8> {
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            seed.to_le_bytes()[1]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn newcomer_a_table_of_figures_is_no_speech_and_noise_no_music() {
        // Rows as long as a frame of AMR, with a sign of one at their beginning.
        let table = (0..1_000).map(|n| format!("4{n:025}\n")).collect::<Vec<_>>().concat();
        assert_eq!(code(table.as_bytes()), Some(Code::new("MEDIA0001")));
        // The same in an encoding whose letters are not ASCII.
        let foreign: Vec<u8> = table.bytes().map(|byte| if byte == b'0' { 0xd6 } else { byte }).collect();
        assert_eq!(code(&foreign), Some(Code::new("MEDIA0001")));
        let tone = ["-f", "lavfi", "-i", "sine=d=0.3:r=48000"];
        for name in ["a.ac3", "a.mp3", "a.eac3", "a.mp2"] {
            let real = std::fs::read(&*generate(&tone, name)).unwrap();
            for (length, seed) in [(1_400, 3), (2_600, 5), (1_400, 7)] {
                let chance = [noise(4_000, seed), real[..length].to_vec(), noise(4_000, seed + 1)].concat();
                assert_eq!(code(&chance), Some(Code::new("MEDIA0001")), "{name} {length} {seed}");
            }
        }
        for seed in 1..20 {
            let code = code(&noise(3_000, seed));
            assert!(code.is_some_and(|code| code.as_str().starts_with("MEDIA000")), "seed {seed}: {code:?}");
        }
    }

    #[test]
    fn newcomer_real_streams_without_a_header_are_media_however_short() {
        // A cover that is longer than the sound.
        let tone = std::fs::read(&*generate(&["-f", "lavfi", "-i", "sine=d=0.1"], "a.mp3")).unwrap();
        let tag = [b"ID3\x03\0\0\0\x01\x7f\x76".to_vec(), vec![0; (1 << 14) + (0x7f << 7) + 0x76]].concat();
        assert_eq!(code(&[tag, tone].concat()), None);
        for name in ["a.mp3", "a.ac3", "a.eac3", "a.aac", "a.mp2"] {
            for length in ["0.1", "0.3", "1"] {
                let clip = generate(&["-f", "lavfi", "-i", &format!("sine=d={length}:r=48000")], name);
                // Too short for FFmpeg itself to tell is not meant.
                let bytes = std::fs::read(&*clip).unwrap();
                let told = name != "a.mp2" || length != "0.1";
                assert!(!told || code(&bytes).is_none(), "{name} {length}: {:?}", code(&bytes));
            }
        }
        for (name, frames) in
            [("a.h264", "1"), ("a.m2v", "1"), ("a.m2v", "5"), ("a.m1v", "1"), ("a.hevc", "2"), ("a.mjpeg", "3")]
        {
            let picture = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25", "-frames:v", frames];
            let bytes = std::fs::read(&*generate(&picture, name)).unwrap();
            assert_eq!(code(&bytes), None, "{name} of {frames}");
        }
    }

    #[test]
    fn text_is_told_from_what_machines_write() {
        assert!(is_text(b"a,b\r\n1,2\n") && is_text("Grüße\u{1b}[0m".as_bytes()) && is_text("ü".as_bytes()));
        assert!(is_text(&"日本".as_bytes()[..5]), "the last character is cut off");
        assert!(!is_text(b"") && !is_text(b"\0\0\0\x01g") && !is_text(b"\xff\xf1P") && !is_text(b"Gr\xfc\xdfe"));
    }
}
