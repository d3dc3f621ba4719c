//! Progress of an execution: one line per activity, with percent, speed and remaining time.

use std::time::Duration;

use indexmap::IndexMap;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output::{Output, harmless};
use crate::api::view::LogLine;
use crate::daemon::live::Mark;

/// Steps of a progress bar.
const STEPS: u64 = 1_000;

/// Progress of one execution. On a terminal, draws a bar per activity; else prints state changes; with `--json`, prints all
/// events as NDJSON.
pub(super) struct Watch {
    output: Output,
    bars: MultiProgress,
    lines: IndexMap<String, ProgressBar>,
}

impl Watch {
    /// Makes a line for each of `activities`.
    pub(super) fn new(output: Output, activities: impl IntoIterator<Item = String>) -> Self {
        let target = if output.live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bars = MultiProgress::with_draw_target(target);
        let names: Vec<String> = activities.into_iter().collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let lines = names
            .into_iter()
            .map(|name| {
                let bar = bars.add(ProgressBar::new(STEPS));
                bar.set_style(style(width));
                bar.set_prefix(name.clone());
                bar.set_message("waiting");
                bar.tick();
                (name, bar)
            })
            .collect();
        Self { output, bars, lines }
    }

    /// Shows progress of an activity.
    pub(super) fn mark(&self, mark: &Mark) {
        if self.output.json {
            self.output.json_line(&serde_json::json!({
                "type": "progress",
                "execution": mark.execution,
                "activity": mark.activity,
                "fraction": mark.progress.fraction,
                "speed": mark.progress.speed,
                "position_ms": mark.progress.position_ms,
            }));
            return;
        }
        let Some(bar) = self.lines.get(&mark.activity) else { return };
        if let Some(fraction) = mark.progress.fraction {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=STEPS")]
            bar.set_position((fraction.clamp(0.0, 1.0) * 1e3) as u64);
        }
        bar.set_message(message(mark, bar.elapsed()));
    }

    /// Shows a line of the log.
    pub(super) fn log(&self, line: &LogLine) {
        if self.output.json {
            self.output.json_line(line);
            return;
        }
        if !self.output.live {
            self.output.note(log_text(line));
            return;
        }
        let Some(bar) = line.activity.as_ref().and_then(|activity| self.lines.get(activity)) else { return };
        match line.event["type"].as_str() {
            Some("claimed") => {
                bar.reset();
                bar.set_message("starting");
            }
            Some("succeeded" | "failed" | "skipped" | "cancelled") => {
                if line.event["type"] == "succeeded" {
                    bar.set_position(STEPS);
                }
                bar.abandon_with_message(harmless(&line.message).into_owned());
            }
            Some("warning") => {
                let _ = self.bars.println(harmless(&log_text(line)));
            }
            _ => bar.set_message(harmless(&line.message).into_owned()),
        }
    }
}

/// Formats a line of the log with the time of day, in UTC: `09:00:01.250Z  poster: running on …`.
pub(super) fn log_text(line: &LogLine) -> String {
    let clock = line.at.split_once('T').map_or(line.at.as_str(), |(_, time)| time);
    format!("{}Z  {}", clock.get(..12).unwrap_or(clock).trim_end_matches('Z'), said(line))
}

/// Formats a line of the log with date and time: `2026-11-22 09:00:01.250 UTC  poster: running on …`.
pub(super) fn dated_log_text(line: &LogLine) -> String {
    format!("{} UTC  {}", line.at.get(..23).unwrap_or(&line.at).replace('T', " "), said(line))
}

fn said(line: &LogLine) -> String {
    let activity = line.activity.as_deref().unwrap_or("execution");
    match line.attempt {
        Some(attempt) if attempt > 1 => format!("{activity} (attempt {attempt}): {}", line.message),
        _ => format!("{activity}: {}", line.message),
    }
}

fn message(mark: &Mark, elapsed: Duration) -> String {
    let mut parts = Vec::new();
    if let Some(speed) = mark.progress.speed {
        parts.push(format!("{speed:.2}x"));
    }
    if let Some(fraction) = mark.progress.fraction
        && fraction > 0.02
        && fraction < 1.0
    {
        let left = elapsed.mul_f64((1.0 - fraction) / fraction);
        parts.push(format!("{} s left", left.as_secs() + 1));
    }
    parts.join(", ")
}

fn style(width: usize) -> ProgressStyle {
    // The template is a constant but for a number, so it parses; the plain style is what indicatif has otherwise.
    ProgressStyle::with_template(&format!("{{prefix:{width}}} {{bar:30}} {{percent:>3}} % {{msg}}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
