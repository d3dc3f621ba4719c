//! Values of activities in expressions.
//!
//! A view always has all fields. Unknown ones are zero or empty, as of a source without video or a skipped activity: so
//! `probe.video.height > 720` is false then, and not an error.

use serde_json::{Map, Value, json};

use crate::engine::ActivityState;
use crate::model::media::{
    AudioStream, BitrateOverTime, Crop, Format, Gops, Interlace, LoudnessOverTime, Measured, MediaInfo, SubtitleStream,
    VideoStream,
};
use crate::model::plan::ActivityKind;
use crate::model::work::FileRole;
use crate::model::{ExecutionId, InputObject, OutputObject, Timestamp};
use crate::template;

/// Returns the view of an activity of a type before it has a result, with all fields.
pub fn zero(kind: ActivityKind) -> Value {
    let mut view = match kind {
        ActivityKind::TemplateAnalysis => zero_fits(),
        _ => media(&MediaInfo::default()),
    };
    set(&mut view, "state", json!("waiting"));
    set(&mut view, "error", json!({"code": "", "message": ""}));
    if kind.only_looks() {
        return view;
    }
    set(&mut view, "outputs", json!([]));
    set(&mut view, "key", json!(""));
    set(&mut view, "bucket", json!(""));
    view
}

/// Returns the view of an activity.
pub fn activity(kind: ActivityKind, state: &ActivityState) -> Value {
    let mut view = zero(kind);
    if let ActivityState::Succeeded { result, outputs, .. } = state {
        let main = main_output(outputs);
        let of = |info: Option<MediaInfo>| media(&info.unwrap_or_default());
        let found = match kind {
            ActivityKind::TemplateAnalysis => over(zero_fits(), result.as_ref().clone()),
            ActivityKind::Analysis => of(serde_json::from_value(result.as_ref().clone()).ok()),
            _ => of(main.and_then(|m| m.media.clone())),
        };
        merge(&mut view, found);
        if !kind.only_looks() {
            set(&mut view, "outputs", outputs.iter().map(output).collect());
            set(&mut view, "key", main.map_or("", |m| &m.location.key).into());
            set(&mut view, "bucket", main.map_or("", |m| &m.location.bucket).into());
        }
    }
    if let ActivityState::Failed { failure, .. } = state {
        set(&mut view, "error", json!({"code": failure.code, "message": failure.message}));
    }
    set(&mut view, "state", state.name().as_str().into());
    view
}

/// Returns the main output: the media file, the master playlist, or the first picture.
pub fn main_output(outputs: &[OutputObject]) -> Option<&OutputObject> {
    let of = |role| outputs.iter().find(|o| o.role == role);
    of(FileRole::Media).or_else(|| of(FileRole::Master)).or_else(|| of(FileRole::Image)).or(outputs.first())
}

/// The view of the uploaded object.
pub fn object(input: &InputObject) -> Value {
    json!({
        "bucket": input.location.bucket,
        "key": input.location.key,
        "name": input.name(),
        "stem": input.stem(),
        "ext": input.ext(),
        "dir": input.dir(),
        "size": input.size_bytes.unwrap_or(0),
        "etag": input.etag.as_deref().unwrap_or(""),
        "version": input.version.as_deref().unwrap_or(""),
        "metadata": input.metadata,
    })
}

/// The view of the execution.
pub fn execution(id: ExecutionId, created_at: Timestamp) -> Value {
    json!({"id": id.to_string(), "time": created_at.to_string()})
}

fn output(output: &OutputObject) -> Value {
    json!({
        "bucket": output.location.bucket,
        "key": output.location.key,
        "size": output.size_bytes,
        "content_type": output.content_type,
    })
}

fn media(info: &MediaInfo) -> Value {
    let videos: Vec<_> = info.video.iter().map(video).collect();
    let audios: Vec<_> = info.audio.iter().map(audio).collect();
    let main_video = info.video.iter().position(|v| v.default).unwrap_or(0);
    let main_audio = info.audio.iter().position(|a| a.default).unwrap_or(0);
    json!({
        "format": over(zero_format(), json!(info.format)),
        "video": videos.get(main_video).cloned().unwrap_or_else(zero_video),
        "audio": audios.get(main_audio).cloned().unwrap_or_else(zero_audio),
        "has_video": !videos.is_empty(),
        "has_audio": !audios.is_empty(),
        "videos": videos,
        "audios": audios,
        "subtitles": info.subtitles.iter().map(|s| over(zero_subtitle(), json!(s))).collect::<Vec<_>>(),
        "measured": over(zero_measured(), json!(info.measured)),
        "loudness": over(json!({"integrated_lufs": 0.0, "range_lu": 0.0, "true_peak_dbtp": 0.0}), json!(info.loudness)),
    })
}

fn video(stream: &VideoStream) -> Value {
    over(zero_video(), json!(stream))
}

fn audio(stream: &AudioStream) -> Value {
    over(zero_audio(), json!(stream))
}

/// Every field of a stream with a zero or an empty text, also those that a stream can lack.
fn zero_video() -> Value {
    let mut zero = json!(VideoStream::default());
    for key in [
        "profile",
        "pixel_format",
        "color_range",
        "color_space",
        "color_transfer",
        "color_primaries",
        "hdr",
        "field_order",
        "language",
        "title",
    ] {
        set(&mut zero, key, json!(""));
    }
    for key in ["level", "bit_depth", "bit_rate", "frames"] {
        set(&mut zero, key, json!(0));
    }
    set(&mut zero, "duration_s", json!(0.0));
    for key in ["sample_aspect_ratio", "frame_rate_ratio"] {
        set(&mut zero, key, json!({"num": 0, "den": 1}));
    }
    zero
}

fn zero_audio() -> Value {
    let mut zero = json!(AudioStream::default());
    for key in ["profile", "layout", "sample_format", "language", "title"] {
        set(&mut zero, key, json!(""));
    }
    set(&mut zero, "bit_rate", json!(0));
    set(&mut zero, "duration_s", json!(0.0));
    zero
}

fn zero_subtitle() -> Value {
    over(json!({"language": "", "title": ""}), json!(SubtitleStream::default()))
}

fn zero_measured() -> Value {
    json!(Measured {
        black: Some(Vec::new()),
        silence: Some(Vec::new()),
        freeze: Some(Vec::new()),
        scenes: Some(Vec::new()),
        crop: Some(Crop::default()),
        interlace: Some(Interlace::default()),
        gop: Some(Gops::default()),
        bitrate: Some(BitrateOverTime::default()),
        loudness: Some(LoudnessOverTime::default()),
    })
}

fn zero_format() -> Value {
    let zero = json!({"duration_s": 0.0, "bit_rate": 0, "start_time_s": 0.0, "tags": {}});
    over(zero, json!(Format::default()))
}

/// The answer of a template analysis for which nothing suits.
fn zero_fits() -> Value {
    over(json!({"best": ""}), json!(template::Fits::default()))
}

fn set(view: &mut Value, key: &str, value: Value) {
    if let Value::Object(map) = view {
        map.insert(key.to_owned(), value);
    }
}

fn merge(view: &mut Value, from: Value) {
    if let (Value::Object(view), Value::Object(from)) = (view, from) {
        view.extend(from);
    }
}

/// Returns `zero` overridden by the fields of `actual` that are not null.
fn over(zero: Value, actual: Value) -> Value {
    let (Value::Object(mut view), Value::Object(actual)) = (zero.clone(), actual) else { return zero };
    for (key, value) in actual.into_iter().filter(|(_, value)| !value.is_null()) {
        view.insert(key, value);
    }
    Value::Object(view)
}

/// The view of an activity that was expanded by `for_each`: its elements by their text.
pub fn group(members: impl Iterator<Item = (String, Value)>) -> Value {
    Value::Object(members.collect::<Map<_, _>>())
}

/// Returns the name of an element of `for_each` in expressions.
pub fn element_name(each: &Value) -> String {
    match each {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::media::Loudness;

    /// No field of a view is null, however little is known; so comparing it is never an error.
    #[test]
    fn views_hold_no_null() {
        fn assert_whole(path: &str, value: &Value) {
            match value {
                Value::Null => panic!("{path} is null"),
                Value::Object(o) => o.iter().for_each(|(k, v)| assert_whole(&format!("{path}.{k}"), v)),
                Value::Array(a) => a.iter().for_each(|v| assert_whole(path, v)),
                _ => {}
            }
        }
        let info = MediaInfo {
            video: vec![VideoStream { height: 720, ..VideoStream::default() }],
            audio: vec![AudioStream::default()],
            subtitles: vec![SubtitleStream::default()],
            loudness: Some(Loudness::default()),
            ..MediaInfo::default()
        };
        let fits = template::fits(&info, &template::Templates::presets());
        let succeeded = |result: Value| ActivityState::Succeeded {
            attempt: 1,
            result: Arc::new(result),
            outputs: Arc::from(Vec::new()),
        };
        for kind in ActivityKind::ALL {
            assert_whole(kind.as_str(), &zero(*kind));
            let result = if *kind == ActivityKind::TemplateAnalysis { json!(fits) } else { json!(info) };
            assert_whole(kind.as_str(), &activity(*kind, &succeeded(result)));
        }
        let view = activity(ActivityKind::Analysis, &succeeded(json!(info)));
        assert_eq!(view["video"]["height"], 720);
        assert_eq!(view["has_video"], true);
        assert_eq!(view["state"], "succeeded");
    }

    #[test]
    fn the_default_stream_is_the_main_one() {
        let stream = |height, default| VideoStream { height, default, ..VideoStream::default() };
        let info = MediaInfo { video: vec![stream(1, false), stream(2, true)], ..MediaInfo::default() };
        assert_eq!(media(&info)["video"]["height"], 2);
    }
}
