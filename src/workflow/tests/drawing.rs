//! Plans drawn.

use super::good::SHIPPED;
use super::*;

const SMALL: &str = "  probe: { analysis: {} }\n  small: { when: probe.has_video, transcode: { name: a.mp4 } }\n  \
                     hls: { package: { from: small } }";

#[test]
fn mermaid_shows_what_is_read_and_what_is_waited_for() {
    insta::assert_snapshot!(graph::mermaid(&workflow(&with(SMALL)).plan), @r#"
    flowchart LR
        object([upload])
        a0["probe<br/><small>analysis</small>"]
        a1["small<br/><small>transcode</small>"]
        a2["hls<br/><small>package</small>"]
        object --> a0
        object --> a1
        a0 -.-> a1
        a1 --> a2
    "#);
}

#[test]
fn dot_shows_the_same() {
    insta::assert_snapshot!(graph::dot(&workflow(&with(SMALL)).plan), @r#"
    digraph "test" {
        rankdir=LR; node [shape=box, style=rounded, fontname="sans-serif"];
        object [label="upload", shape=ellipse];
        a0 [label="probe\nanalysis"];
        a1 [label="small\ntranscode"];
        a2 [label="hls\npackage"];
        object -> a0;
        object -> a1;
        a0 -> a1 [style=dashed];
        a1 -> a2;
    }
    "#);
}

/// The numbers of an attribute over all elements of a kind.
fn numbers(svg: &str, element: &str, attribute: &str) -> Vec<f64> {
    svg.lines()
        .filter(|line| line.starts_with(&format!("<{element} ")))
        .map(|line| {
            let (_, rest) = line.split_once(&format!(" {attribute}=\"")).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        })
        .collect()
}

#[test]
fn boxes_stand_apart_and_inside_the_picture() {
    for (name, text) in SHIPPED {
        let plan = workflow(text).plan;
        let svg = graph::svg(&plan);
        let (xs, ys) = (numbers(&svg, "rect", "x"), numbers(&svg, "rect", "y"));
        let (widths, heights) = (numbers(&svg, "rect", "width"), numbers(&svg, "rect", "height"));
        assert_eq!(xs.len(), plan.graph.node_count() + 1, "{name}");
        let (width, height) = (numbers(&svg, "svg", "width")[0], numbers(&svg, "svg", "height")[0]);
        for i in 0..xs.len() {
            assert!(
                xs[i] >= 0.0 && ys[i] >= 0.0 && xs[i] + widths[i] <= width && ys[i] + heights[i] <= height,
                "{name}"
            );
            for j in 0..i {
                let apart = |a: f64, la: f64, b: f64, lb: f64| a + la <= b || b + lb <= a;
                assert!(
                    apart(xs[i], widths[i], xs[j], widths[j]) || apart(ys[i], heights[i], ys[j], heights[j]),
                    "{name}"
                );
            }
        }
        assert!(svg.contains(">poster<") || *name != "vod");
    }
}

#[test]
fn names_cannot_break_out_of_a_drawing() {
    let plan = Plan { workflow: "</title><script>\"".to_owned(), ..Plan::clone(&workflow(&with(SMALL)).plan) };
    assert!(!graph::svg(&plan).contains("<script>"));
    assert!(graph::dot(&plan).starts_with("digraph \"</title><script>\\\"\" {"));
}

#[test]
fn marks_lead_somewhere_and_cannot_break_out_of_a_drawing() {
    let plan = workflow(&with(SMALL)).plan;
    let mark = |share| graph::Mark {
        class: "running",
        href: "#\"><script>".to_owned(),
        sign: "▸",
        title: "small: 50 %".to_owned(),
        share,
    };
    let svg = graph::marked_svg(&plan, &[mark(None), mark(Some(0.5)), mark(Some(7.0))]);
    let svg = svg.replace("<rect class=\"share\"", "<share");
    assert_eq!(svg.matches("class=\"node running\"").count(), 3);
    let shares: Vec<f64> = numbers(&svg, "share", "width");
    let boxes = numbers(&svg, "rect", "width");
    let whole = boxes.last().unwrap() - 16.0;
    assert_eq!(shares.len(), 2, "what is not known is not drawn");
    assert!((shares[1] - whole).abs() < 0.2, "there is no more than all: {shares:?} of {boxes:?}");
    assert!(!svg.contains("<script>"));
}
