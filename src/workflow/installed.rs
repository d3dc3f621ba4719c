//! Encoders that a workflow needs and the installed FFmpeg lacks.

use super::activities::ActivityDraft;
use crate::model::Capabilities;
use crate::template;
use crate::yaml::Sink;

/// Checks that workers have the encoders that activities need.
pub fn check(drafts: &[ActivityDraft], installed: &Capabilities, sink: &mut Sink<'_>) {
    for needed in drafts.iter().flat_map(|draft| template::encoders(draft.kind, &draft.spec)) {
        let names = needed.any_of.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
        if !installed.has_any(&needed.any_of) {
            let message = format!(
                "FFmpeg {} on this machine has no encoder {names}, which {} needs",
                installed.ffmpeg, needed.what
            );
            sink.error("TPL0215", needed.span, message)
                .hint("install a build of FFmpeg that has it, or use another codec; `reelmill doctor` lists all");
        } else if let Some(device) = needed.device.filter(|device| !installed.devices.contains(device)) {
            let message = format!("this machine has no device for {}", device.name());
            sink.warning("TPL0216", needed.span, message)
                .hint("the activity will fail on machines without one; `encoder: software` needs none");
        }
    }
}
