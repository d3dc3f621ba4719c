//! Where outputs go, looked at before anything runs: keys that two activities write, and keys that start the workflow
//! again.

use super::activities::Draft;
use super::definition::Header;
use super::expression::{Piece, pieces};
use super::pattern::Pattern;
use super::resolve::good_file;
use crate::model::plan::{Activity, ActivityInput, Plan};
use crate::template::{self, Files};
use crate::yaml::{Node, Sink, Span};

/// A name that an activity writes, or a folder.
struct Written<'a> {
    draft: &'a Draft,
    span: Span,
    bucket: String,
    /// The name, as a text with `${…}`; of a folder with a `/` behind it.
    name: String,
    /// Prefix and name, as texts with `${…}`.
    key: String,
    /// Whether it is a folder: everything below it.
    folder: bool,
}

impl Written<'_> {
    fn pattern(&self) -> Pattern {
        let pattern = Pattern::of_text(&self.key);
        if self.folder { pattern.and_below() } else { pattern }
    }

    /// Whether both write one key. Expressions are compared as they are written: the same one has the same value, and
    /// different ones are taken to differ.
    fn collides(&self, other: &Self) -> bool {
        self.bucket == other.bucket && self.literal().meets(&other.literal())
    }

    /// The key with expressions as if they were letters.
    fn literal(&self) -> Pattern {
        let literal = Pattern::of_text(&self.key.replace("${", "{"));
        if self.folder { literal.and_below() } else { literal }
    }
}

/// Looks at the keys that activities write.
pub fn check(header: &Header, drafts: &[Draft], sink: &mut Sink<'_>) {
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

fn written(draft: &Draft) -> Vec<Written<'_>> {
    let target = draft.output.to_plan();
    let files = draft.files();
    let place = |key: &str| draft.spec.get(key).map_or(draft.span, |n| n.span);
    let written = |name: String, span, folder| Written {
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

/// A name that no value of its expressions can make good.
fn name(one: &Written<'_>, sink: &mut Sink<'_>) {
    let (Some(name), Some(key)) = (stand_in(&one.name), stand_in(&one.key)) else { return };
    let good = |text: &str| good_file(if one.folder { text.trim_end_matches('/') } else { text });
    if let Err(why) = good(&name).and_then(|()| good(&key)) {
        sink.error("WF0303", one.span, format!("`{}` is not a valid key: {why}", one.key));
    }
}

/// A text with something harmless for each of its expressions; nothing where it cannot be read.
fn stand_in(text: &str) -> Option<String> {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => text.to_string(),
        Piece::Escape => "${".to_owned(),
        Piece::Expression(..) => "x".to_owned(),
    };
    Some(pieces(text).ok()?.iter().map(piece).collect())
}

/// An output that would start the workflow again.
fn again(header: &Header, one: &Written<'_>, sink: &mut Sink<'_>) {
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

/// Whether an activity of a plan makes objects.
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

/// Keys that an activity of a plan can write: bucket and patterns.
pub fn of_plan<'a>(plan: &'a Plan, activity: &'a Activity) -> (Pattern, Vec<Pattern>) {
    let target = plan.output_of(activity);
    let files = files(activity);
    let key = |name: &str| Pattern::of_text(&format!("{}{name}", target.prefix));
    let folders = files.owned().map(|folder| key(&format!("{folder}/")).and_below());
    let names = files.named().map(|name| key(name));
    (Pattern::of_text(&target.bucket), names.chain(folders).collect())
}
