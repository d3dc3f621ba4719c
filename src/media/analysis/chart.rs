//! A small chart of bit rate and loudness over time, as SVG.
//!
//! **Invariant**: pure; at most [`POINTS`] points a curve, however long the source. Texts are numbers and words of ours, never
//! the source's.

use std::fmt::Write;

use reelmill::model::media::{Loudness, Measured};

/// Most points of a curve.
const POINTS: usize = 900;

/// Width of the chart in pixels.
const WIDTH: f64 = 960.0;

/// Left edge and width of the fields in pixels.
const LEFT: f64 = 60.0;
const FIELD: f64 = 880.0;

/// Height of a field in pixels.
const HIGH: f64 = 150.0;

/// Upper edges of the fields in pixels.
const RATES: f64 = 40.0;
const LEVELS: f64 = 240.0;

/// Levels between which loudness is drawn, in LUFS.
const FLOOR_LUFS: f64 = -60.0;

/// The chart of what was measured over `duration_s` seconds.
#[must_use]
pub fn draw(measured: &Measured, loudness: Option<Loudness>, duration_s: f64) -> String {
    let duration_s = duration_s.max(0.001);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"430\" viewBox=\"0 0 {WIDTH} 430\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    if let Some(bitrate) = &measured.bitrate {
        let top = as_f64(bitrate.peak.max(1));
        frame(&mut svg, RATES, "bit rate, kbit/s", &[(0.0, "0".to_owned()), (1.0, format!("{:.0}", top / 1000.0))]);
        let steps = bitrate.video.len().max(bitrate.audio.len());
        let at = |rates: &[u64], step: usize| as_f64(rates.get(step).copied().unwrap_or(0));
        let all: Vec<f64> = (0..steps).map(|s| (at(&bitrate.video, s) + at(&bitrate.audio, s)) / top).collect();
        let sound: Vec<f64> = (0..steps).map(|s| at(&bitrate.audio, s) / top).collect();
        curve(&mut svg, "#2563eb", RATES, &all, bitrate.step_s, duration_s);
        curve(&mut svg, "#d97706", RATES, &sound, bitrate.step_s, duration_s);
        legend(&mut svg, RATES, &[("#2563eb", "all"), ("#d97706", "audio")]);
    }
    if let Some(levels) = measured.loudness.as_ref().filter(|levels| !levels.short_term_lufs.is_empty()) {
        let share = |lufs: f64| ((lufs - FLOOR_LUFS) / -FLOOR_LUFS).clamp(0.0, 1.0);
        let marks = [-60.0, -40.0, -23.0, 0.0].map(|lufs: f64| (share(lufs), format!("{lufs:.0}")));
        frame(&mut svg, LEVELS, "short-term loudness, LUFS", &marks);
        let shares: Vec<f64> = levels.short_term_lufs.iter().map(|lufs| share(*lufs)).collect();
        curve(&mut svg, "#059669", LEVELS, &shares, levels.step_s, duration_s);
        if let Some(lufs) = loudness.and_then(|loudness| loudness.integrated_lufs) {
            let y = LEVELS + HIGH * (1.0 - share(lufs));
            put(
                &mut svg,
                format_args!(
                    "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#dc2626\" stroke-dasharray=\"6 4\"/>\n",
                    LEFT + FIELD
                ),
            );
            legend(&mut svg, LEVELS, &[("#059669", "short-term"), ("#dc2626", &format!("integrated {lufs:.1}"))]);
        }
    }
    for part in 0..=4_u32 {
        let share = f64::from(part) / 4.0;
        let (x, time) = (LEFT + FIELD * share, clock(duration_s * share));
        put(&mut svg, format_args!("<text x=\"{x:.0}\" y=\"415\" text-anchor=\"middle\">{time}</text>\n"));
    }
    svg.push_str("</svg>\n");
    svg
}

fn frame(svg: &mut String, top: f64, title: &str, marks: &[(f64, String)]) {
    put(svg, format_args!("<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{title}</text>\n", top - 12.0));
    for (share, text) in marks {
        let y = top + HIGH * (1.0 - share);
        put(
            svg,
            format_args!(
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>\n",
                LEFT + FIELD,
                LEFT - 8.0,
                y + 4.0
            ),
        );
    }
}

fn legend(svg: &mut String, top: f64, entries: &[(&str, &str)]) {
    for (place, (color, text)) in (1_u32..).zip(entries.iter().rev()) {
        let x = LEFT + FIELD - 130.0 * f64::from(place);
        put(
            svg,
            format_args!(
                "<rect x=\"{x:.0}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{color}\"/>\n\
             <text x=\"{:.0}\" y=\"{}\">{text}</text>\n",
                top - 21.0,
                x + 15.0,
                top - 12.0
            ),
        );
    }
}

/// A curve of shares of the field's height; of several values that fall on one point the highest is drawn.
fn curve(svg: &mut String, color: &str, top: f64, shares: &[f64], step_s: f64, duration_s: f64) {
    let each = shares.len().div_ceil(POINTS).max(1);
    let points = shares.chunks(each).enumerate().map(|(place, chunk)| {
        let high = chunk.iter().copied().fold(0.0, f64::max);
        let at_s = step_s * as_f64((place * each) as u64) + step_s / 2.0;
        format!("{:.1},{:.1}", LEFT + FIELD * (at_s / duration_s).min(1.0), top + HIGH * (1.0 - high))
    });
    let points = points.collect::<Vec<_>>().join(" ");
    put(svg, format_args!("<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"1.5\" points=\"{points}\"/>\n"));
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _infallible = svg.write_fmt(text);
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a media time")]
fn clock(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    if s >= 3600 {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    } else {
        format!("{}:{:02}", s / 60, s % 60)
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn as_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use reelmill::model::media::{BitrateOverTime, LoudnessOverTime};

    use super::*;

    #[test]
    fn charts_have_their_curves_and_no_more_points_than_they_show() {
        let measured = Measured {
            bitrate: Some(BitrateOverTime {
                step_s: 1.0,
                peak: 2_000_000,
                video: vec![1_000_000; 10_000],
                audio: vec![128_000; 10_000],
            }),
            loudness: Some(LoudnessOverTime { step_s: 1.0, short_term_lufs: vec![-23.0, -20.0] }),
            ..Measured::default()
        };
        let loudness = Loudness { integrated_lufs: Some(-22.5), ..Loudness::default() };
        let svg = draw(&measured, Some(loudness), 10_000.0);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("<polyline").count(), 3);
        assert!(svg.contains("integrated -22.5") && svg.contains(">2:46:40<"), "{svg}");
        assert!(svg.len() < 60_000, "{}", svg.len());
        assert!(!draw(&Measured::default(), None, 0.0).contains("NaN"));
    }
}
