//! Outputs of an execution: a player, pictures, and a table of all objects.

use maud::{Markup, html};

use super::{activities, media};
use crate::console::format::{bytes, count, part, path};
use crate::model::work::FileRole;
use crate::model::{ExecutionId, OutputObject};
use crate::store::ExecutionRecord;

/// Most pictures that are shown; the table lists all.
const PICTURES: usize = 12;

/// Rows of an activity that are shown unfolded.
const ROWS: usize = 8;

/// Returns the address of a published object.
#[must_use]
pub fn address(execution: ExecutionId, output: &OutputObject) -> String {
    let location = &output.location;
    format!("/executions/{execution}/files/{}/{}", part(&location.bucket), path(&location.key))
}

fn name(output: &OutputObject) -> &str {
    let key = &output.location.key;
    key.rsplit_once('/').map_or(key.as_str(), |(_, name)| name)
}

/// Returns all outputs with the names of their activities, in order.
fn all(record: &ExecutionRecord) -> impl Iterator<Item = (&str, &OutputObject)> {
    activities(record).flat_map(|(node, state)| {
        let activity = record.plan.graph[node].name.as_str();
        state.outputs().iter().map(move |output| (activity, output))
    })
}

fn is_hls(output: &OutputObject) -> bool {
    output.role == FileRole::Master && output.content_type.to_ascii_lowercase().contains("mpegurl")
}

/// Returns whether a browser may be able to play an output.
fn plays(output: &OutputObject) -> bool {
    let containers =
        ["video/mp4", "video/webm", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/flac", "audio/wav", "audio/aac"];
    is_hls(output) || (output.role == FileRole::Media && containers.contains(&output.content_type.as_str()))
}

/// Draws a player of one output, and links to the others.
#[must_use]
pub fn player(record: &ExecutionRecord, asked: Option<&str>) -> Markup {
    let mut playable: Vec<_> = all(record).filter(|(_, output)| plays(output)).collect();
    playable.sort_by_key(|(_, output)| !is_hls(output));
    let chosen = playable.iter().find(|(_, output)| asked == Some(output.location.key.as_str()));
    let Some((_, chosen)) = chosen.or_else(|| playable.first()) else { return html! {} };
    let id = record.summary.id;
    let poster = all(record)
        .find(|(_, output)| output.role == FileRole::Image && !name(output).starts_with("sprites"))
        .map(|(_, output)| address(id, output));
    let source = address(id, chosen);
    html! {
        section.panel aria-labelledby="player-title" {
            h2 #player-title { "Player" }
            div.player {
                div.screen {
                    video #video controls playsinline preload="metadata" poster=[poster]
                        src=[(!is_hls(chosen)).then_some(&source)]
                        data-hls=[is_hls(chosen).then_some(&source)] {
                        @if is_hls(chosen) { source src=(source) type="application/vnd.apple.mpegurl"; }
                    }
                    div.below {
                        p #player-status role="status" {}
                        div.choices {
                            label #sound-label hidden { span { "Sound" } select #sound {} }
                            label #quality-label hidden { span { "Quality" } select #quality {} }
                        }
                    }
                }
                nav.renditions aria-label="Renditions" {
                    @for (activity, output) in &playable {
                        a href={ "/executions/" (id) "?play=" (part(&output.location.key)) "#player" }
                            aria-current=[(output.location == chosen.location).then_some("true")] {
                            strong { (activity) } " " span { (name(output)) }
                            small { (output.media.as_ref().map_or_else(|| "HLS".to_owned(), media::brief)) }
                        }
                    }
                }
            }
        }
    }
}

/// Draws the pictures: posters, sprite sheets, animations, charts.
#[must_use]
pub fn pictures(record: &ExecutionRecord) -> Markup {
    let shown = |output: &OutputObject| output.role == FileRole::Image && output.content_type.starts_with("image/");
    let pictures: Vec<_> = all(record).filter(|(_, output)| shown(output)).collect();
    if pictures.is_empty() {
        return html! {};
    }
    let id = record.summary.id;
    html! {
        section.panel aria-labelledby="pictures-title" {
            h2 #pictures-title { "Pictures" }
            div.pictures {
                @for (activity, output) in pictures.iter().take(PICTURES) {
                    figure {
                        a href=(address(id, output)) { img src=(address(id, output)) alt={ (activity) ": " (name(output)) } loading="lazy"; }
                        figcaption { (activity) " " small { (name(output)) } }
                    }
                }
            }
            @if pictures.len() > PICTURES { p.hint { (pictures.len() - PICTURES) " more pictures are in the list of outputs." } }
        }
    }
}

/// Draws the table of all outputs, by activity.
#[must_use]
pub fn table(record: &ExecutionRecord) -> Markup {
    let number = all(record).count();
    if number == 0 {
        return html! {};
    }
    let total: u64 = all(record).map(|(_, output)| output.size_bytes).sum();
    html! {
        section.panel aria-labelledby="outputs-title" {
            h2 #outputs-title { "Outputs " small { (count(number, "object")) ", " (bytes(total)) } }
            @for (node, state) in activities(record) { (of_activity(record, &record.plan.graph[node].name, state.outputs())) }
        }
    }
}

fn of_activity(record: &ExecutionRecord, activity: &str, outputs: &[OutputObject]) -> Markup {
    if outputs.is_empty() {
        return html! {};
    }
    // Files of most interest first; segments are folded.
    let (segments, mut sorted): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.role == FileRole::Segment);
    sorted.sort_by_key(|output| std::cmp::Reverse(output.role));
    let first = sorted.len().min(ROWS);
    sorted.extend(segments);
    let (shown, folded) = sorted.split_at(first);
    html! {
        h3 { (activity) }
        (rows(record.summary.id, shown))
        @if !folded.is_empty() {
            details { summary { (folded.len()) " more" } (rows(record.summary.id, folded)) }
        }
    }
}

fn rows(id: ExecutionId, outputs: &[&OutputObject]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Objects" {
            table.outputs {
                thead { tr { th scope="col" { "Object" } th scope="col" { "Details" } th.number scope="col" { "Size" } } }
                tbody { @for output in outputs {
                    tr {
                        td { a href=(address(id, output)) { (output.location) } }
                        td { (output.media.as_ref().map_or_else(|| output.content_type.clone(), media::brief)) }
                        td.number { (bytes(output.size_bytes)) }
                    }
                } }
            }
        }
    }
}
