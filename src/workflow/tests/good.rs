//! Plans of good files.

use petgraph::visit::EdgeRef;

use super::*;
use crate::model::plan::Need;

/// Every file that Reelmill ships.
pub(super) const SHIPPED: &[(&str, &str)] = &[
    ("vod", include_str!("../../../workflows/vod.yaml")),
    ("thumbnails", include_str!("../../../workflows/thumbnails.yaml")),
    ("watermark", include_str!("../../../workflows/watermark.yaml")),
    ("audio", include_str!("../../../workflows/audio.yaml")),
    ("remux", include_str!("../../../workflows/remux.yaml")),
    ("streaming", include_str!("../../../workflows/streaming.yaml")),
    ("inspection", include_str!("../../../workflows/inspection.yaml")),
];

/// `from → to` and how, for every edge.
fn edges(plan: &Plan) -> Vec<String> {
    let mut edges: Vec<_> = plan
        .graph
        .edge_references()
        .map(|e| {
            let arrow = if *e.weight() == Need::Input { "=>" } else { "->" };
            format!("{} {arrow} {}", plan.graph[e.source()].name, plan.graph[e.target()].name)
        })
        .collect();
    edges.sort();
    edges
}

#[test]
fn every_shipped_workflow_compiles_without_a_word() {
    let workflows: Vec<_> = SHIPPED.iter().map(|(name, text)| (name, workflow(text))).collect();
    for (name, workflow) in &workflows {
        assert_eq!(&workflow.name, *name);
        assert!(workflow.trigger.is_some() && workflow.enabled);
    }
    let all: Vec<_> = workflows.iter().map(|(_, w)| w).collect();
    assert_eq!(check_set(&all), []);
}

#[test]
fn the_ladder_becomes_a_graph() {
    let plan = workflow(SHIPPED[0].1).plan;
    assert_eq!(
        edges(&plan),
        [
            "base => hls",
            "probe -> poster",
            "probe -> rungs.h264-1080p",
            "probe -> rungs.h264-480p",
            "probe -> rungs.h264-720p",
            "probe -> sprites",
            "rungs.h264-1080p => hls",
            "rungs.h264-480p => hls",
            "rungs.h264-720p => hls",
        ]
    );
    let rung = &plan.graph[plan.find("rungs.h264-720p").unwrap()];
    assert_eq!(rung.when.as_deref(), Some("probe.video.short_side >= 720"));
    assert_eq!(rung.spec["name"], "h264-720p.mp4");
    assert_eq!(rung.spec["video"]["short_side"], 720);
    let stored: Plan = serde_json::from_str(&serde_json::to_string(&*plan).unwrap()).unwrap();
    assert_eq!(edges(&stored), edges(&plan));
}

#[test]
fn failed_asks_about_an_activity_and_handles_it() {
    let plan = workflow(SHIPPED[4].1).plan;
    let mkv = &plan.graph[plan.find("mkv").unwrap()];
    assert_eq!(mkv.handles, ["mp4"]);
    assert_eq!(edges(&plan), ["mp4 -> mkv"]);
}
