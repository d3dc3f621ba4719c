//! The committed JSON Schemas: in step with the shapes, and true to the files that people write.

use std::path::Path;

use serde_json::Value;

use super::good::SHIPPED;
use super::*;
use crate::model::media::MediaInfo;
use crate::template;
use crate::workflow::compile::PARSE;
use crate::yaml::{Sink, parse};

/// `UPDATE_SCHEMAS=1 cargo test schemas` writes them anew.
#[test]
fn committed_schemas_are_in_step() {
    for (name, schema) in
        [("workflow", schema()), ("template", template::schema()), ("media-info", schemars::schema_for!(MediaInfo))]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("schemas/{name}.schema.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{} is out of step: run with UPDATE_SCHEMAS=1", path.display());
    }
}

/// A text as the JSON that a schema sees.
fn json(text: &str) -> Value {
    let mut sink = Sink::new("test.yaml", text);
    parse(&mut sink, Limits::default().budget(), PARSE).unwrap().to_json()
}

#[test]
fn what_compiles_is_valid_and_mistakes_of_shape_are_not() {
    let schema = serde_json::to_value(schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, text) in SHIPPED {
        let json = json(text);
        let errors: Vec<_> = validator.iter_errors(&json).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
    for activities in [
        "  a: { analysys: {} }",
        "  a: { transcode: { video: { crf: 70 } } }",
        "  a: { transcode: { video: { codec: h266 } } }",
        "  a: { snapshot: { at: soon } }",
        "  a: { on_failure: ignore, analysis: {} }",
    ] {
        assert!(!validator.is_valid(&json(&with(activities))), "{activities}");
    }
    for activities in [
        "  a: { analysis: }",
        "  a: { transcode: { video: { level: 4.1, crf: \"${params.q}\", gop: { frames: 50 } }, container: mkv } }",
        "  a: { when: true, snapshot: { at: [1s, 50%], name: \"x-#.jpg\" } }",
    ] {
        assert!(validator.is_valid(&json(&with(activities))), "{activities}");
    }
}
