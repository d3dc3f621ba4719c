//! Formats of numbers and times for people.

use std::fmt;
use std::time::Duration;

use maud::{Markup, Render, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::Timestamp;

/// Characters that are escaped in a part of a path.
const SEGMENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Characters that are escaped in a path.
const PATH: AsciiSet = SEGMENT.remove(b'/');

/// Escapes a text as one part of a path, or as a value of a query.
pub fn part(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, &SEGMENT)
}

/// Escapes a key as the end of a path; slashes stay.
pub fn path(key: &str) -> impl fmt::Display {
    utf8_percent_encode(key, &PATH)
}

/// Formats a size: `1.2 MB`, in powers of ten.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    scaled(bytes, "B")
}

/// Formats a bit rate: `1.2 Mbit/s`, in powers of ten.
#[must_use]
pub fn bit_rate(bits_per_second: u64) -> String {
    scaled(bits_per_second, "bit/s")
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn scaled(value: u64, unit: &str) -> String {
    let mut scaled = value as f64;
    for prefix in ["", "k", "M", "G", "T"] {
        if scaled < 999.5 || prefix == "T" {
            let digits = usize::from(scaled < 99.95 && !prefix.is_empty());
            return format!("{scaled:.digits$} {prefix}{unit}");
        }
        scaled /= 1_000.0;
    }
    unreachable!("the last prefix takes whatever is left")
}

/// Formats a duration: `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |large: u64, a: &str, small: u64, b: &str| match small {
        0 => format!("{large} {a}"),
        small => format!("{large} {a} {small} {b}"),
    };
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

/// Formats seconds of media time: `1:02:03.400`, `0:18.250`.
#[must_use]
pub fn clock(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let (all, ms) = (whole.as_secs(), whole.subsec_millis());
    match all / 3_600 {
        0 => format!("{}:{:02}.{ms:03}", all / 60, all % 60),
        hours => format!("{hours}:{:02}:{:02}.{ms:03}", all / 60 % 60, all % 60),
    }
}

/// Formats a number of things: `1 error`, `2 errors`.
#[must_use]
pub fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A time as its distance from `now`, with the exact time as a tooltip.
pub struct Ago {
    /// Time.
    pub at: Timestamp,
    /// Current time.
    pub now: Timestamp,
}

impl Render for Ago {
    fn render(&self) -> Markup {
        let rounded = Duration::from_secs(self.now.since(self.at).as_secs());
        let ago = match rounded.as_secs() {
            0..5 => "just now".to_owned(),
            seconds @ 5..60 => format!("{} s ago", seconds / 5 * 5),
            seconds @ 60..3_600 => format!("{} min ago", seconds / 60),
            seconds @ 3_600..86_400 => format!("{} h ago", seconds / 3_600),
            seconds => format!("{} d ago", seconds / 86_400),
        };
        html! { time datetime=(self.at) title=(self.at) { (ago) } }
    }
}

/// The time of day with milliseconds, `13:58:08.123`; the full time is in the tooltip. It is sent in UTC; scripts show the
/// time of the browser. [`zone`] names the zone.
pub struct At(pub Timestamp);

impl Render for At {
    fn render(&self) -> Markup {
        let full = self.0.to_string();
        let time = full.split_once('T').map_or(full.as_str(), |(_, time)| time);
        html! { time.clock datetime=(full) title=(full) { (time.get(..12).unwrap_or(time)) } }
    }
}

/// The time zone of every [`At`] on the page.
#[must_use]
pub fn zone() -> Markup {
    html! { span data-zone { "UTC" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_keep_their_size() {
        let told: Vec<String> =
            [0, 999, 1_000, 1_156_647, 99_949_999, 99_950_000, 999_499_999, 999_500_000, 20_000_000_000_000_000]
                .into_iter()
                .map(bytes)
                .collect();
        assert_eq!(told, ["0 B", "999 B", "1.0 kB", "1.2 MB", "99.9 MB", "100 MB", "999 MB", "1.0 GB", "20000 TB"]);
        assert_eq!(bit_rate(2_500_000), "2.5 Mbit/s");
    }

    #[test]
    fn durations_have_two_units_at_most() {
        let told = [0.25, 59.9, 60.0, 200.0, 7_500.0, 3_600.0, 273_600.0].map(|s| duration(Duration::from_secs_f64(s)));
        assert_eq!(told, ["0.2 s", "59 s", "1 min", "3 min 20 s", "2 h 5 min", "1 h", "3 d 4 h"]);
        assert_eq!([clock(18.25), clock(3_723.4), clock(-1.0)], ["0:18.250", "1:02:03.400", "0:00.000"]);
    }

    #[test]
    fn keys_are_safe_in_paths() {
        assert_eq!(path("a b/ü?#&\"<.mp4").to_string(), "a%20b/%C3%BC%3F%23%26%22%3C.mp4");
        assert_eq!(part("a/b").to_string(), "a%2Fb");
    }
}
