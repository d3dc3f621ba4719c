//! Checks of output keys before anything runs: keys that two activities write, and keys that would start the workflow
//! again.

use super::activities::ActivityDraft;
use super::definition::WorkflowHead;
use super::expression::{TextPiece, pieces};
use super::pattern::Pattern;
use super::resolve::good_file;
use crate::model::plan::{Activity, ActivityInput, Plan};
use crate::template::{self, Files};
use crate::yaml::{Node, Sink, Span};

/// A name that an activity writes, or a folder.
struct OutputKey<'a> {
    draft: &'a ActivityDraft,
    span: Span,
    bucket: String,
    /// Name, as a text with `${…}`; folders end with `/`.
    name: String,
    /// Prefix and name, as texts with `${…}`.
    key: String,
    /// True for a folder, which stands for everything in it.
    folder: bool,
}

impl OutputKey<'_> {
    fn pattern(&self) -> Pattern {
        let pattern = Pattern::of_text(&self.key);
        if self.folder { pattern.and_below() } else { pattern }
    }

    /// Returns whether both write the same key. Equal expressions have the same value, and different ones are assumed to
    /// have different values.
    fn collides(&self, other: &Self) -> bool {
        self.bucket == other.bucket && self.literal().meets(&other.literal())
    }

    /// Returns the key, with expressions as literal characters.
    fn literal(&self) -> Pattern {
        let literal = Pattern::of_text(&self.key.replace("${", "{"));
        if self.folder { literal.and_below() } else { literal }
    }
}

/// Checks the keys that activities write.
pub fn check(header: &WorkflowHead, drafts: &[ActivityDraft], sink: &mut Sink<'_>) {
    let written: Vec<_> = drafts.iter().filter(|d| d.publishes()).flat_map(written).collect();
    for one in &written {
        name(one, sink);
        again(header, one, sink);
    }
    for (index, one) in written.iter().enumerate() {
        let Some(first) = written[..index].iter().find(|w| w.collides(one)) else { continue };
        let message = if first.draft.name == one.draft.name {
            format!("`{}` writes `{}` twice", one.draft.name, one.key)
        } else {
            format!("`{}` and `{}` write the same key `{}`", first.draft.name, one.draft.name, one.key)
        };
        let hint =
            if one.draft.each.is_some() { "add `${each}` to the name" } else { "give one of them another `name`" };
        let diagnostic = sink.error("WF0301", one.span, message);
        diagnostic.hint(hint);
        if first.span != one.span {
            diagnostic.also(first.span, "also written here");
        }
    }
}

fn written(draft: &ActivityDraft) -> Vec<OutputKey<'_>> {
    let target = draft.output.to_plan();
    let files = draft.files();
    let place = |key: &str| draft.spec.get(key).map_or(draft.span, |n| n.span);
    let written = |name: String, span, folder| OutputKey {
        draft,
        span,
        bucket: target.bucket.clone(),
        key: format!("{}{name}", target.prefix),
        name,
        folder,
    };
    let track = files.vtt.map(|name| written(name, place("vtt"), false));
    let also = files.also.into_iter().map(|name| written(name, place("name"), false));
    let folders = files.renditions.into_iter().chain(files.folders);
    let folders = folders.map(|folder| written(format!("{folder}/"), place("name"), true));
    std::iter::once(written(files.main, place("name"), false)).chain(track).chain(also).chain(folders).collect()
}

/// Reports a name that is invalid for any value of its expressions.
fn name(one: &OutputKey<'_>, sink: &mut Sink<'_>) {
    let (Some(name), Some(key)) = (stand_in(&one.name), stand_in(&one.key)) else { return };
    let good = |text: &str| good_file(if one.folder { text.trim_end_matches('/') } else { text });
    if let Err(why) = good(&name).and_then(|()| good(&key)) {
        sink.error("WF0303", one.span, format!("`{}` is not a valid key: {why}", one.key));
    }
}

/// Replaces each expression in a text by a letter; `None` if the text is invalid.
fn stand_in(text: &str) -> Option<String> {
    let piece = |piece: &TextPiece| match piece {
        TextPiece::Text(text) => text.to_string(),
        TextPiece::Escape => "${".to_owned(),
        TextPiece::Expression(..) => "x".to_owned(),
    };
    Some(pieces(text).ok()?.iter().map(piece).collect())
}

/// Reports an output that would start the workflow again.
fn again(header: &WorkflowHead, one: &OutputKey<'_>, sink: &mut Sink<'_>) {
    let Some(trigger) = &header.trigger else { return };
    let bucket = Pattern::of_text(&one.bucket);
    let same_bucket = Pattern::of_text(&trigger.bucket.replace("${", "$${")).meets(&bucket);
    let key = one.pattern();
    if !same_bucket || !trigger.patterns().iter().any(|p| p.meets(&key)) {
        return;
    }
    let at = [&one.draft.output.prefix, &one.draft.output.bucket].into_iter().flatten().next();
    let span = at.map_or(one.span, |node: &Node| node.span);
    let message = format!("the output of `{}`, `{}`, would start this workflow again", one.draft.name, one.key);
    sink.error("WF0302", span, message)
        .also(one.draft.span, "written here")
        .hint("use another bucket, or a prefix that the trigger does not match");
}

/// Returns whether an activity of a plan publishes objects.
#[must_use]
pub fn publishes(activity: &Activity) -> bool {
    !activity.kind.only_looks() || !files(activity).main.is_empty()
}

fn files(activity: &Activity) -> Files {
    let inputs = match &activity.input {
        ActivityInput::Object => [].as_slice(),
        ActivityInput::Activities(names) => names,
    };
    template::files(
        activity.kind,
        &template::base_of_activity(&activity.name),
        &Node::from_json(&activity.spec),
        inputs,
    )
}

/// Returns the keys that an activity of a plan can write, as bucket and patterns.
pub fn of_plan<'a>(plan: &'a Plan, activity: &'a Activity) -> (Pattern, Vec<Pattern>) {
    let target = plan.output_of(activity);
    let files = files(activity);
    let key = |name: &str| Pattern::of_text(&format!("{}{name}", target.prefix));
    let folders = files.owned().map(|folder| key(&format!("{folder}/")).and_below());
    let names = files.named().map(|name| key(name));
    (Pattern::of_text(&target.bucket), names.chain(folders).collect())
}
