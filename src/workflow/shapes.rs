//! The keys of a workflow: the one table behind checks, hints and the JSON Schema.

use crate::model::plan::ActivityKind;
use crate::template;
use crate::yaml::{Choice, Field, Kind, Rules, Shape};

static RULES: Rules = Rules {
    unknown_key: "WF0101",
    missing_key: "WF0102",
    wrong_kind: "WF0103",
    out_of_range: "WF0104",
    later: "WF0105",
    expressions: false,
};

/// Longest name, in bytes.
const NAME: Kind = Kind::Fixed { max: 128 };

/// A workflow file.
pub static WORKFLOW: Shape = Shape {
    name: "a workflow",
    id: "Workflow",
    doc: "A workflow: the activities for each upload that the trigger matches.",
    rules: &RULES,
    fields: &[
        Field::required("name", NAME, "Name of the workflow."),
        Field::new("description", Kind::Fixed { max: 4096 }, "Purpose, for people."),
        Field::new("enabled", Kind::Bool, "If false, uploads do not start it; true is the default."),
        Field::new(
            "trigger",
            Kind::Map(&TRIGGER),
            "Uploads that start it; without a trigger it is started by hand only.",
        ),
        OUTPUT,
        QUEUE,
        PRIORITY,
        TIMEOUT,
        RETRY,
        IF_INCOMPLETE,
        Field::new(
            "deadline",
            Kind::Duration { min_s: 1.0, max_s: 2_592_000.0 },
            "Longest duration of an execution, which then fails; no limit by default.",
        ),
        Field::new(
            "params",
            Kind::Named(&Kind::Map(&PARAM)),
            "Parameters, set by the command line, the API or metadata of the object.",
        ),
        Field::required("activities", Kind::Named(&Kind::Map(&ACTIVITY)), "Activities, by name."),
        Field::new("notify", Kind::List { of: &Kind::Map(&NOTIFY), max: 100 }, "Receivers of notifications."),
    ],
    later: &[("on", "use `trigger`"), ("concurrency", "set the concurrency of a queue instead")],
};

const OUTPUT: Field = Field::new("output", Kind::Map(&OUTPUT_SHAPE), "Destination of outputs.");
const QUEUE: Field = Field::new("queue", Kind::Fixed { max: 64 }, "Queue of jobs; `default` is the default.");
const PRIORITY: Field =
    Field::new("priority", Kind::Int { min: 1, max: 10 }, "Priority of jobs; 10 runs first, 6 is the default.");
const TIMEOUT: Field = Field::new(
    "timeout",
    Kind::Duration { min_s: 1.0, max_s: 604_800.0 },
    "Longest that one attempt may take; 2h is the default.",
);
const RETRY: Field = Field::new("retry", Kind::Map(&RETRY_SHAPE), "Retries of failed attempts.");

const IF_INCOMPLETE: Field = Field::new(
    "if_incomplete",
    Kind::Choice(&Choice { now: &["warn", "fail"], later: &[] }),
    "Handling of an incomplete file, which has less than its container declares; warn is the default.",
);

const GLOB: Kind = Kind::Fixed { max: 1024 };

static TRIGGER: Shape = Shape {
    name: "`trigger`",
    id: "Trigger",
    doc: "Uploads that start the workflow.",
    rules: &RULES,
    fields: &[
        Field::required("bucket", Kind::Fixed { max: 255 }, "Bucket whose uploads start the workflow."),
        Field::new(
            "key",
            Kind::OneOf(&[GLOB, Kind::List { of: &GLOB, max: 100 }]),
            "Globs for the key, one of which must match; the case of the extension is ignored. All keys by default.",
        ),
        Field::new("size", Kind::Map(&SIZE), "Range of sizes of uploads."),
    ],
    later: &[],
};

static SIZE: Shape = Shape {
    name: "`size`",
    id: "SizeRange",
    doc: "Range of sizes, including both limits.",
    rules: &RULES,
    fields: &[Field::new("min", Kind::Bytes, "Smallest."), Field::new("max", Kind::Bytes, "Largest.")],
    later: &[],
};

static OUTPUT_SHAPE: Shape = Shape {
    name: "`output`",
    id: "Output",
    doc: "Destination of outputs.",
    rules: &RULES,
    fields: &[
        Field::new("bucket", Kind::Text { max: 255 }, "Bucket."),
        Field::new("prefix", Kind::Text { max: 1024 }, "Prefix of every key."),
        Field::new(
            "if_exists",
            Kind::Choice(&Choice { now: &["warn", "fail", "replace"], later: &[] }),
            "Handling of an existing object made from another upload: warn (replace with a warning, the default), fail, replace.",
        ),
    ],
    later: &[],
};

static RETRY_SHAPE: Shape = Shape {
    name: "`retry`",
    id: "Retry",
    doc: "Retries of failed attempts.",
    rules: &RULES,
    fields: &[
        Field::new("attempts", Kind::Int { min: 1, max: 10 }, "Largest number of attempts; 3 is the default."),
        Field::new(
            "backoff",
            Kind::Duration { min_s: 0.0, max_s: 86_400.0 },
            "Wait before the second attempt, doubled for each later one; 10s is the default.",
        ),
        Field::new("max", Kind::Duration { min_s: 0.0, max_s: 86_400.0 }, "Longest wait; 5m is the default."),
    ],
    later: &[],
};

static PARAM: Shape = Shape {
    name: "a parameter",
    id: "Param",
    doc: "A parameter.",
    rules: &RULES,
    fields: &[
        Field::required(
            "type",
            Kind::Choice(&Choice { now: &["string", "int", "float", "bool"], later: &[] }),
            "Type of its values.",
        ),
        Field::new("default", Kind::Scalar, "Value if none is given; a parameter without a default is required."),
        Field::new("description", Kind::Fixed { max: 1024 }, "Purpose, for people."),
    ],
    later: &[],
};

static NOTIFY: Shape = Shape {
    name: "a receiver",
    id: "Notify",
    doc: "A receiver of notifications: exactly one of `sqs`, `sns` and `webhook`.",
    rules: &RULES,
    fields: &[
        Field::new("sqs", Kind::Fixed { max: 1024 }, "URL of an SQS queue."),
        Field::new("sns", Kind::Fixed { max: 1024 }, "ARN of an SNS topic."),
        Field::new("webhook", Kind::Fixed { max: 1024 }, "URL of an HTTP receiver."),
        Field::new(
            "on",
            Kind::List {
                of: &Kind::Choice(&Choice { now: &["started", "succeeded", "failed", "cancelled"], later: &[] }),
                max: 4,
            },
            "States of the execution to notify of; succeeded, failed and cancelled by default.",
        ),
    ],
    later: &[],
};

const NAMES: Kind = Kind::OneOf(&[NAME, Kind::List { of: &NAME, max: 200 }]);

/// An activity.
pub static ACTIVITY: Shape = Shape {
    name: "an activity",
    id: "Activity",
    doc: "An activity. Exactly one key is its type.",
    rules: &RULES,
    fields: &[
        Field::new(
            "for_each",
            Kind::List { of: &Kind::Scalar, max: 100 },
            "Elements: the activity runs once for each, with the element as `each`.",
        ),
        Field::new("when", Kind::Condition, "Condition (CEL); if it is false, the activity is skipped."),
        Field::new("from", NAMES, "Activities whose output it reads instead of the uploaded object."),
        Field::new("needs", NAMES, "Activities that must end before it starts."),
        OUTPUT,
        QUEUE,
        PRIORITY,
        TIMEOUT,
        RETRY,
        Field::new(
            "on_failure",
            Kind::Choice(&Choice { now: &["fail", "continue"], later: &[] }),
            "Effect of its failure: fail the execution (the default), or continue.",
        ),
        IF_INCOMPLETE,
        kind(ActivityKind::Analysis),
        kind(ActivityKind::TemplateAnalysis),
        kind(ActivityKind::Transcode),
        kind(ActivityKind::Remux),
        kind(ActivityKind::Snapshot),
        kind(ActivityKind::Watermark),
        kind(ActivityKind::Package),
    ],
    later: &[
        ("fingerprint", LATER),
        ("copyright", LATER),
        ("moderation", LATER),
        ("tagging", LATER),
        ("summary", LATER),
        ("copy", LATER),
        ("move", LATER),
        ("delete", LATER),
        ("webhook", LATER),
    ],
};

const LATER: &str = "supported are analysis, template-analysis, transcode, remux, snapshot, watermark and package";

const fn kind(kind: ActivityKind) -> Field {
    let shape = template::activity_shape(kind);
    Field::new(kind.as_str(), Kind::Map(shape), shape.doc)
}
