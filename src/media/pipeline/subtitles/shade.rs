//! Colours of subtitles over high dynamic range.
//!
//! libass draws white as the brightest signal that there is, which in high dynamic range is a light that blinds: 10,000
//! cd/m² in PQ. Here the colours of an ASS script are replaced by those that look the same there, white as bright as
//! graphics are (203 cd/m², BT.2408), as watermarks are. Pure. Deliberately absent: what libass itself does not read.

use std::fmt::Write as _;

use crate::pipeline::overlay::GRAPHICS_WHITE;

/// Colours of a style, by their names in the line of formats.
const STYLE_COLORS: [&str; 5] = ["PrimaryColour", "SecondaryColour", "OutlineColour", "TertiaryColour", "BackColour"];

/// From BT.709's primaries to BT.2020's, in linear light (BT.2087).
const TO_BT2020: [[f64; 3]; 3] =
    [[0.627_4, 0.329_3, 0.043_3], [0.069_1, 0.919_5, 0.011_4], [0.016_4, 0.088_0, 0.895_6]];

/// Weights of BT.2020's primaries in luminance.
const LUMINANCE: [f64; 3] = [0.262_7, 0.678_0, 0.059_3];

/// A transfer of high dynamic range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// SMPTE ST 2084.
    Pq,
    /// ARIB STD-B67.
    Hlg,
}

impl Transfer {
    /// By libav's name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "smpte2084" => Some(Self::Pq),
            "arib-std-b67" => Some(Self::Hlg),
            _ => None,
        }
    }

    /// The signal of a light in cd/m², of which all colours together have the luminance `y`.
    fn signal(self, light: f64, y: f64) -> f64 {
        match self {
            Self::Pq => {
                let (m1, m2) = (0.159_301_757_812_5, 78.843_75);
                let (c1, c2, c3) = (0.835_937_5, 18.851_562_5, 18.687_5);
                let power = (light / 10_000.0).powf(m1);
                ((c1 + c2 * power) / (1.0 + c3 * power)).powf(m2)
            }
            // A display of 1,000 cd/m² makes of the scene's light E the light E × Y^0.2 (BT.2100).
            Self::Hlg if y <= 0.0 => 0.0,
            Self::Hlg => {
                let (a, b, c) = (0.178_832_77, 0.284_668_92, 0.559_910_73);
                let scene = light / 1_000.0 / (y / 1_000.0).powf(0.2 / 1.2);
                if scene <= 1.0 / 12.0 { (3.0 * scene).sqrt() } else { a * (12.0 * scene - b).ln() + c }
            }
        }
    }
}

/// The script with its colours replaced.
#[must_use]
pub fn shaded(script: &str, transfer: Transfer) -> String {
    let mut columns: Vec<usize> = Vec::new();
    let mut out = String::with_capacity(script.len());
    for line in script.split_inclusive('\n') {
        let (key, rest) = line.split_once(':').unwrap_or((line, ""));
        match key.trim() {
            "Format" => {
                let named = |name: &str| STYLE_COLORS.contains(&name.trim());
                let found: Vec<usize> =
                    rest.split(',').enumerate().filter(|(_, name)| named(name)).map(|(n, _)| n).collect();
                // The formats of events name no colours.
                if !found.is_empty() {
                    columns = found;
                }
                out.push_str(line);
            }
            "Style" => {
                let fields = rest.split(',').enumerate().map(|(n, field)| {
                    let color = if columns.contains(&n) { style_color(field) } else { None };
                    color.map_or_else(|| field.to_owned(), |color| format!("&H{:08X}", replaced(color, transfer)))
                });
                out.push_str(key);
                out.push(':');
                out.push_str(&fields.collect::<Vec<_>>().join(","));
            }
            "Dialogue" => dialogue(&mut out, line, transfer),
            _ => out.push_str(line),
        }
    }
    out
}

/// A line of text with the colours of its overrides replaced: `{\c&H0000FF&}`, `{\3c&H…&\t(…)}`.
fn dialogue(out: &mut String, line: &str, transfer: Transfer) {
    let mut rest = line;
    let mut inside = false;
    while let Some(at) = rest.find(|c| if inside { c == '\\' || c == '}' } else { c == '{' }) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (sign, after) = from.split_at(1);
        out.push_str(sign);
        rest = after;
        match sign {
            "{" => inside = true,
            "}" => inside = false,
            _ => {
                if let Some((tag, value, after)) = color_tag(rest) {
                    out.push_str(tag);
                    let _ = write!(out, "&H{:06X}&", replaced(value, transfer) & 0x00ff_ffff);
                    rest = after;
                }
            }
        }
    }
    out.push_str(rest);
}

/// The tag of a colour, its value, and what follows; `text` begins behind the backslash. As libass reads it: `c` or `1c` to
/// `4c`, then signs that are passed over, then hexadecimal digits.
fn color_tag(text: &str) -> Option<(&str, u32, &str)> {
    let name = usize::from(text.starts_with(|c: char| ('1'..='4').contains(&c)));
    let value = text.get(name..)?.strip_prefix('c')?;
    let digits = value.trim_start_matches(['&', 'H', 'h', ' ']);
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    let (number, after) = digits.split_at(end);
    // `\clip` is not a colour, and `\c` alone goes back to the style's.
    let number = u32::from_str_radix(number.get(number.len().saturating_sub(8)..)?, 16).ok()?;
    let marked = value.starts_with(['&', 'H', 'h']) || after.starts_with(['&', '\\', '}', ')']);
    marked.then(|| (&text[..=name], number, after.strip_prefix('&').unwrap_or(after)))
}

/// A colour in a style: `&HAABBGGRR`, or as a decimal number.
fn style_color(field: &str) -> Option<u32> {
    let field = field.trim();
    let hex = ["&H", "&h", "0x", "0X"].iter().find_map(|prefix| field.strip_prefix(prefix));
    match hex {
        Some(digits) => u32::from_str_radix(digits.trim_end_matches('&'), 16).ok(),
        // Old files have signed numbers.
        None => field.parse::<i64>().ok().map(|number| u32::try_from(number & 0xffff_ffff).unwrap_or_default()),
    }
}

/// A colour in ASS's order of bytes (opacity, blue, green, red), as it looks the same in high dynamic range.
fn replaced(color: u32, transfer: Transfer) -> u32 {
    let [opacity, blue, green, red] = color.to_be_bytes();
    let light = [red, green, blue].map(|level| linear(f64::from(level) / 255.0) * f64::from(GRAPHICS_WHITE));
    let weighed = |weights: [f64; 3]| weights.iter().zip(light).map(|(weight, light)| weight * light).sum::<f64>();
    let wide = TO_BT2020.map(weighed);
    let y: f64 = LUMINANCE.iter().zip(wide).map(|(weight, light)| weight * light).sum();
    let [red, green, blue] = wide.map(|light| level(transfer.signal(light, y)));
    u32::from_be_bytes([opacity, blue, green, red])
}

/// Linear light of a signal of sRGB.
fn linear(signal: f64) -> f64 {
    if signal <= 0.040_45 { signal / 12.92 } else { ((signal + 0.055) / 1.055).powf(2.4) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
fn level(signal: f64) -> u8 {
    (signal * 255.0).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_is_that_of_graphics_and_black_stays() {
        // 58 % of PQ's signal, 75 % of HLG's.
        assert_eq!(replaced(0x00ff_ffff, Transfer::Pq), 0x0094_9494);
        assert_eq!(replaced(0x80ff_ffff, Transfer::Hlg), 0x80bf_bfbf);
        assert_eq!(replaced(0x0080_8080, Transfer::Hlg), 0x0078_7878);
        assert_eq!((replaced(0, Transfer::Pq), replaced(0, Transfer::Hlg)), (0, 0));
        // Red of BT.709 is a little green in BT.2020.
        let [_, blue, green, red] = replaced(0x0000_00ff, Transfer::Pq).to_be_bytes();
        assert!(red > green && green > blue && blue > 0, "{red} {green} {blue}");
    }

    #[test]
    fn colours_of_styles_and_overrides_are_replaced_and_nothing_else() {
        let script = "[V4+ Styles]\nFormat: Name, Fontname, PrimaryColour, OutlineColour\nStyle: D,c&HFFFFFF&,&H80FFFFFF,16777215\n\
                      [Events]\nFormat: Layer, Start, Text\n";
        let shaded_script = shaded(script, Transfer::Pq);
        assert!(shaded_script.contains("Style: D,c&HFFFFFF&,&H80949494,&H00949494"), "{shaded_script}");
        for (before, after) in [
            ("{\\c&HFFFFFF&}a", "{\\c&H949494&}a"),
            ("{\\3c&HFFFFFF&\\clip(0,0,9,9)}a", "{\\3c&H949494&\\clip(0,0,9,9)}a"),
            ("{\\t(0,9,\\1cHFFFFFF)}a", "{\\t(0,9,\\1c&H949494&)}a"),
            ("{\\c}a \\c&HFFFFFF&", "{\\c}a \\c&HFFFFFF&"),
            ("{\\c&H00FFFFFF&\\alpha&HFF&}ä", "{\\c&H949494&\\alpha&HFF&}ä"),
        ] {
            let line = |text: &str| format!("Dialogue: 0,0:00:00.00,{text}\n");
            assert_eq!(shaded(&line(before), Transfer::Pq), line(after));
        }
    }
}
