//! Encoders that an activity needs, to be compared with those of the worker.
//!
//! **Invariant**: what is known only when an execution runs (`${…}`) is left out: the worker names it then.

use super::beside::Beside;
use super::{encode, snapshot};
use crate::model::codec::Hardware;
use crate::model::plan::ActivityKind;
use crate::model::work::{Audio, AudioEncode, Video, VideoEncode};
use crate::yaml::{Node, Span};

/// An encoder that an activity needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// libav's names of the encoders, any of which will do, the best first.
    pub any_of: Vec<&'static str>,
    /// Codec, by its name for people: `H.265`.
    pub what: String,
    /// The device that was asked for.
    pub device: Option<Hardware>,
    /// Position of the parameter that asks for it.
    pub span: Span,
}

/// The encoders that the parameters of an activity, its templates applied, are known to need.
#[must_use]
pub fn encoders(kind: ActivityKind, spec: &Node) -> Vec<Needed> {
    match kind {
        ActivityKind::Analysis | ActivityKind::TemplateAnalysis | ActivityKind::Remux | ActivityKind::Package => {
            Vec::new()
        }
        ActivityKind::Snapshot => picture(spec).into_iter().collect(),
        ActivityKind::Transcode | ActivityKind::Watermark => media(kind, spec),
    }
}

fn picture(spec: &Node) -> Option<Needed> {
    let place = ["format", "name"].iter().find_map(|key| spec.get(key));
    if place.is_some_and(Node::has_deferred) && spec.get("format").is_none_or(Node::has_deferred) {
        return None;
    }
    let (encoder, what) = if spec.get("animation").is_some() {
        let format = snapshot::animation_format(spec).unwrap_or_default();
        (format.encoder(), format.title())
    } else {
        let format = snapshot::format(spec);
        (format.encoder(), format.title())
    };
    let span = place.map_or(spec.span, |node| node.span);
    Some(Needed { any_of: vec![encoder], what: what.to_owned(), device: None, span })
}

fn media(kind: ActivityKind, spec: &Node) -> Vec<Needed> {
    let deferred = |key: &str| spec.get(key).is_some_and(Node::has_deferred);
    let container = deferred("container") || (spec.get("container").is_none() && deferred("name"));
    let mut beside = Beside { first: 1, references: Vec::new() };
    let output = encode::read(kind, spec, "", Vec::new(), &mut beside);
    let mut needed = Vec::new();
    if let Some(Video::Encode(video)) = &output.video
        && is_known(spec.get("video"), &["codec", "encoder"], container)
    {
        needed.push(of_video(spec, video));
    }
    if let Some(Audio::Encode(audio)) = &output.audio
        && is_known(spec.get("audio"), &["codec", "profile", "bit_depth"], container)
    {
        needed.push(of_audio(spec, audio));
    }
    needed
}

/// Returns whether a codec is known before an execution runs: it is written, or follows from a container that is.
fn is_known(node: Option<&Node>, keys: &[&str], container_is_deferred: bool) -> bool {
    let part = |key: &str| node.and_then(|node| node.get(key));
    let itself = node.is_some_and(|node| node.entries().is_empty() && node.has_deferred());
    let named = part("codec").is_some() || !container_is_deferred;
    named && !itself && !keys.iter().any(|key| part(key).is_some_and(Node::has_deferred))
}

fn of_video(spec: &Node, video: &VideoEncode) -> Needed {
    let info = video.codec.info();
    let any_of = vec![info.encoder_for(video.encoder)];
    let span = place(spec, "video", if video.encoder.is_some() { "encoder" } else { "codec" });
    Needed { any_of, what: info.title.to_owned(), device: video.encoder, span }
}

fn of_audio(spec: &Node, audio: &AudioEncode) -> Needed {
    let info = audio.codec.info();
    let any_of = (info.encoders)(audio).to_vec();
    let profile = audio.profile.as_deref();
    let (what, key) = profile.map_or((info.name, "codec"), |profile| (profile, "profile"));
    Needed { any_of, what: what.to_owned(), device: None, span: place(spec, "audio", key) }
}

/// Position of `key` of `part`, or of the text that it comes from.
fn place(spec: &Node, part: &str, key: &str) -> Span {
    let part = spec.get(part);
    let node = part.and_then(|part| part.get(key)).or(part).or_else(|| spec.get("container"));
    node.or_else(|| spec.get("name")).map_or(spec.span, |node| node.span)
}
