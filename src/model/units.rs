//! Numbers with units as people write them: `2.5M`, `128k`, `100GiB`, `10s`, `2h`, `10%`; and colours.

use std::time::Duration;

use super::media::Ratio;
use super::work::Color;

/// A duration: `500ms`, `10s`, `5m`, `2h`, `30d`, sums such as `1h30m`, and a bare number for seconds.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration: write a number and a unit, like 500ms, 10s, 5m, 2h or 30d");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    if let Ok(seconds) = rest.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| bad());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let seconds = match &rest[..letters] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(bad()),
        };
        total += number * seconds;
        rest = rest[letters..].trim_start();
    }
    Duration::try_from_secs_f64(total).map_err(|_| bad())
}

/// A size in bytes: `1KiB`, `16MiB`, `100GiB`, `1kB`, `2MB`, and a bare number for bytes.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    scaled(text, |unit| {
        Some(match unit {
            "" | "B" => 1.0,
            "k" | "kB" | "KB" => 1e3,
            "M" | "MB" => 1e6,
            "G" | "GB" => 1e9,
            "T" | "TB" => 1e12,
            "Ki" | "KiB" => 1024.0,
            "Mi" | "MiB" => 1024.0 * 1024.0,
            "Gi" | "GiB" => 1024.0 * 1024.0 * 1024.0,
            "Ti" | "TiB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
            _ => return None,
        })
    })
    .ok_or_else(|| format!("`{text}` is not a size: write a number and a unit, like 1KiB, 16MiB or 100GiB"))
}

/// A bit rate in bit/s: `128k`, `2.5M`, and a bare number for bit/s.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_bitrate(text: &str) -> Result<u64, String> {
    scaled(text, |unit| {
        Some(match unit {
            "" => 1.0,
            "k" | "K" => 1e3,
            "M" | "m" => 1e6,
            "G" => 1e9,
            _ => return None,
        })
    })
    .ok_or_else(|| format!("`{text}` is not a bit rate: write a number and k or M, like 128k or 2.5M"))
}

/// A share in per cent: `10%` → 0.1.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_percent(text: &str) -> Result<f64, String> {
    text.trim()
        .strip_suffix('%')
        .and_then(|n| n.trim().parse::<f64>().ok())
        .filter(|p| (0.0..=100.0).contains(p))
        .map(|p| p / 100.0)
        .ok_or_else(|| format!("`{text}` is not a share: write a number from 0 to 100 and %, like 10%"))
}

/// A gain in decibels: `-6dB` → -6.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_gain(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let number = ["dB", "db", "DB"].iter().find_map(|unit| text.strip_suffix(unit));
    let gain = number.and_then(|n| n.trim().trim_start_matches('+').parse::<f64>().ok()).filter(|g| g.is_finite());
    gain.ok_or_else(|| format!("`{text}` is not a gain: write a number and dB, like -6dB"))
}

/// A frame rate in frames per second: `25`, `29.97`, `30000/1001`.
///
/// # Errors
/// A sentence that says what was expected.
#[expect(clippy::cast_possible_truncation, reason = "checked to be below 1001")]
pub fn parse_frame_rate(text: &str) -> Result<Ratio, String> {
    let bad = || format!("`{text}` is not a frame rate: write a number or a fraction, like 25, 29.97 or 30000/1001");
    if let Some((num, den)) = text.trim().split_once('/') {
        let (num, den) = (num.trim().parse().map_err(|_| bad())?, den.trim().parse().map_err(|_| bad())?);
        return if num > 0 && den > 0 { Ok(Ratio { num, den }) } else { Err(bad()) };
    }
    let rate: f64 = text.trim().parse().map_err(|_| bad())?;
    if !(0.001..1_001.0).contains(&rate) {
        return Err(bad());
    }
    // 23.976, 29.97 and 59.94 mean the NTSC rates.
    let ntsc = (rate.ceil() * 1_000.0 / 1_001.0 - rate).abs() < 0.005 && rate.fract() != 0.0;
    Ok(match (ntsc, rate.fract() == 0.0) {
        (true, _) => Ratio { num: rate.ceil() as i32 * 1_000, den: 1_001 },
        (_, true) => Ratio { num: rate as i32, den: 1 },
        _ => Ratio { num: (rate * 1_000.0).round() as i32, den: 1_000 },
    })
}

/// Colours by the names that CSS gives them.
const COLORS: &[(&str, Color)] = &[
    ("black", Color::new(0, 0, 0)),
    ("white", Color::new(255, 255, 255)),
    ("gray", Color::new(128, 128, 128)),
    ("grey", Color::new(128, 128, 128)),
    ("silver", Color::new(192, 192, 192)),
    ("red", Color::new(255, 0, 0)),
    ("maroon", Color::new(128, 0, 0)),
    ("orange", Color::new(255, 165, 0)),
    ("yellow", Color::new(255, 255, 0)),
    ("olive", Color::new(128, 128, 0)),
    ("lime", Color::new(0, 255, 0)),
    ("green", Color::new(0, 128, 0)),
    ("aqua", Color::new(0, 255, 255)),
    ("cyan", Color::new(0, 255, 255)),
    ("teal", Color::new(0, 128, 128)),
    ("blue", Color::new(0, 0, 255)),
    ("navy", Color::new(0, 0, 128)),
    ("magenta", Color::new(255, 0, 255)),
    ("fuchsia", Color::new(255, 0, 255)),
    ("purple", Color::new(128, 0, 128)),
    ("pink", Color::new(255, 192, 203)),
];

/// A colour: one of CSS's basic names, or `#rrggbb`.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse_color(text: &str) -> Result<Color, String> {
    let word = text.trim().to_ascii_lowercase();
    if let Some((_, color)) = COLORS.iter().find(|(name, _)| *name == word) {
        return Ok(*color);
    }
    let digits = word.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()));
    let level = |from: usize| digits.and_then(|d| u8::from_str_radix(&d[from..from + 2], 16).ok());
    match (level(0), level(2), level(4)) {
        (Some(red), Some(green), Some(blue)) => Ok(Color::new(red, green, blue)),
        _ => Err(format!("`{text}` is not a colour: write a name like white, or six digits like #ff8800")),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be within 0..=2^53")]
fn scaled(text: &str, unit: impl Fn(&str) -> Option<f64>) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let value = (number * unit(text[digits..].trim())?).round();
    (0.0..=9_007_199_254_740_992.0).contains(&value).then_some(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_read_as_written() {
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_bytes("16MiB"), Ok(16 << 20));
        assert_eq!(parse_bitrate("2.5M"), Ok(2_500_000));
        assert_eq!(parse_percent("10%"), Ok(0.1));
        assert_eq!((parse_gain("-6 dB"), parse_gain("+1.5dB")), (Ok(-6.0), Ok(1.5)));
        assert!(parse_gain("6").is_err() && parse_gain("dB").is_err() && parse_gain("infdB").is_err());
        assert_eq!(parse_frame_rate("29.97"), Ok(Ratio { num: 30_000, den: 1_001 }));
        assert_eq!(parse_frame_rate("25"), Ok(Ratio { num: 25, den: 1 }));
        assert_eq!(parse_frame_rate("12.5"), Ok(Ratio { num: 12_500, den: 1_000 }));
        assert_eq!(parse_frame_rate("24000/1001"), Ok(Ratio { num: 24_000, den: 1_001 }));
        assert!(parse_frame_rate("0").is_err() && parse_frame_rate("1/0").is_err());
        for bad in ["", "s", "10x", "-1s", "1s2", "1e400s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
        assert!(parse_bytes("1QiB").is_err());
        assert!(parse_percent("110%").is_err());
        assert_eq!(parse_color("#FF8000"), Ok(Color::new(255, 128, 0)));
        assert_eq!(parse_color("White"), Ok(Color::new(255, 255, 255)));
        for bad in ["", "#fff", "#12345é", "whitish", "0xffffff", "white@0.5"] {
            assert!(parse_color(bad).is_err(), "{bad}");
        }
    }
}
