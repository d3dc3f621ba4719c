//! A plan as SVG: layers from left to right, each activity right of everything it needs.
//!
//! Colours are chosen to be read on light and on dark pages; nothing is filled that a page would have to match. A page
//! that shows how an execution goes marks the boxes, and colours them by their classes.

use std::fmt::Write as _;

use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::{entities, label, reads_object};
use crate::model::plan::{Need, Plan};

const BOX_HEIGHT: f64 = 44.0;
const ROW: f64 = 64.0;
const GAP: f64 = 64.0;
const MARGIN: f64 = 16.0;
/// Advance of a character of the 13-pixel sans-serif face, generously.
const CHARACTER: f64 = 8.4;
/// Passes in which boxes move towards the middle of the boxes that they are linked to.
const SWEEPS: usize = 8;

/// State of an activity, to show in a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Class of its box, for style sheets.
    pub class: &'static str,
    /// Link of its box.
    pub href: String,
    /// Sign in its corner.
    pub sign: &'static str,
    /// Title, for screen readers.
    pub title: String,
    /// Progress, from 0 to 1; `None` to show none.
    pub share: Option<f64>,
}

/// Something that has a place in a layer.
struct Box {
    what: What,
    layer: usize,
    row: f64,
    x: f64,
    width: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Upload,
    Activity(NodeIndex),
    /// Point at which links of a kind from a box pass a layer on their way to a later one.
    Waypoint(usize, Need),
}

/// A drawing of the plan.
#[must_use]
pub fn svg(plan: &Plan) -> String {
    draw(plan, &[])
}

/// A drawing of the plan, with marks for its activities, by node index.
#[must_use]
pub fn marked_svg(plan: &Plan, marks: &[Mark]) -> String {
    draw(plan, marks)
}

fn draw(plan: &Plan, marks: &[Mark]) -> String {
    let (boxes, links) = layout(plan);
    // Assistive technology ignores links in an element with the role `img`.
    let role = if marks.is_empty() { "img" } else { "group" };
    let width = boxes.iter().map(|b| b.x + b.width).fold(0.0, f64::max) + MARGIN;
    let height = boxes.iter().map(|b| b.row * ROW).fold(0.0, f64::max) + BOX_HEIGHT + 2.0 * MARGIN;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"{role}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <title>{}</title>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
         orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\" fill=\"#7c8797\"/></marker></defs>\n",
        entities(&plan.workflow)
    );
    for (from, to, need) in &links {
        draw_link(&mut text, &boxes[*from], &boxes[*to], *need);
    }
    for drawn in &boxes {
        match drawn.what {
            What::Activity(node) if !marks.is_empty() => draw_marked(&mut text, plan, drawn, marks.get(node.index())),
            _ => draw_box(&mut text, plan, drawn),
        }
    }
    text + "</svg>\n"
}

fn draw_link(text: &mut String, from: &Box, to: &Box, need: Need) {
    let (x1, y1) = (from.x + from.width, middle(from));
    let (x2, y2) = (to.x, middle(to));
    let bend = (x2 - x1) / 2.0;
    let dash = if need == Need::Order { " stroke-dasharray=\"5 4\"" } else { "" };
    let (through, tip) = match to.what {
        What::Waypoint(..) => (format!(" h{:.1}", to.width), ""),
        _ => (String::new(), " marker-end=\"url(#tip)\""),
    };
    let _ = writeln!(
        text,
        "<path d=\"M{x1:.1} {y1:.1} C{:.1} {y1:.1} {:.1} {y2:.1} {x2:.1} {y2:.1}{through}\" fill=\"none\" \
         stroke=\"#7c8797\" stroke-width=\"1.5\"{dash}{tip}/>",
        x1 + bend,
        x2 - bend
    );
}

fn draw_marked(text: &mut String, plan: &Plan, drawn: &Box, mark: Option<&Mark>) {
    let Some(Mark { class, href, sign, title, share }) = mark else { return draw_box(text, plan, drawn) };
    let (href, title) = (entities(href), entities(title));
    let _ = writeln!(text, "<a href=\"{href}\" class=\"node {class}\" aria-label=\"{title}\"><title>{title}</title>");
    draw_box(text, plan, drawn);
    let top = MARGIN + drawn.row * ROW;
    let _ = writeln!(
        text,
        "<text class=\"sign\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"12\">{sign}</text>",
        drawn.x + drawn.width - 6.0,
        top + 14.0
    );
    if let Some(share) = share {
        let width = (drawn.width - 16.0) * share.clamp(0.0, 1.0);
        let _ = writeln!(
            text,
            "<rect class=\"share\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"3\" rx=\"1.5\"/>",
            drawn.x + 8.0,
            top + BOX_HEIGHT - 6.0
        );
    }
    text.push_str("</a>\n");
}

fn draw_box(text: &mut String, plan: &Plan, drawn: &Box) {
    let top = MARGIN + drawn.row * ROW;
    let (name, kind, radius) = match drawn.what {
        What::Waypoint(..) => return,
        What::Upload => ("upload", "", BOX_HEIGHT / 2.0),
        What::Activity(node) => {
            let (name, kind) = label(&plan.graph[node]);
            (name, kind, 8.0)
        }
    };
    let centre = drawn.x + drawn.width / 2.0;
    let _ = writeln!(
        text,
        "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BOX_HEIGHT}\" rx=\"{radius}\" \
         fill=\"#4a90d9\" fill-opacity=\"0.14\" stroke=\"#4a90d9\" stroke-width=\"1.5\"/>",
        drawn.x, drawn.width
    );
    let baseline = if kind.is_empty() { top + 27.0 } else { top + 20.0 };
    let _ = writeln!(
        text,
        "<text x=\"{centre:.1}\" y=\"{baseline:.1}\" text-anchor=\"middle\" fill=\"#4a90d9\" font-weight=\"600\">{}</text>",
        entities(name)
    );
    if !kind.is_empty() {
        let _ = writeln!(
            text,
            "<text x=\"{centre:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#7c8797\" font-size=\"11\">{kind}</text>",
            top + 35.0
        );
    }
}

fn middle(drawn: &Box) -> f64 {
    MARGIN + drawn.row * ROW + BOX_HEIGHT / 2.0
}

/// Boxes with their places (the uploaded object first), and links between them by index.
fn layout(plan: &Plan) -> (Vec<Box>, Vec<(usize, usize, Need)>) {
    let mut boxes = vec![new_box(What::Upload, 0, "upload")];
    let mut layers = vec![0; plan.graph.node_count()];
    for index in plan.in_order() {
        let needs = plan.graph.neighbors_directed(index, Direction::Incoming);
        layers[index.index()] = needs.map(|n| layers[n.index()]).max().unwrap_or(0) + 1;
    }
    boxes.extend(
        plan.graph.node_indices().map(|i| new_box(What::Activity(i), layers[i.index()], label(&plan.graph[i]).0)),
    );
    let links = short_links(links(plan), &mut boxes);
    place_columns(&mut boxes);
    place_rows(&mut boxes, &links);
    (boxes, links)
}

fn new_box(what: What, layer: usize, name: &str) -> Box {
    #[expect(clippy::cast_precision_loss, reason = "names are at most some hundred characters")]
    let width = (name.chars().count().max(8) as f64).mul_add(CHARACTER, 24.0);
    Box { what, layer, row: 0.0, x: 0.0, width }
}

fn links(plan: &Plan) -> Vec<(usize, usize, Need)> {
    let objects = plan.graph.node_indices().filter(|&i| reads_object(&plan.graph[i]));
    let between = plan.graph.edge_references();
    objects
        .map(|i| (0, i.index() + 1, Need::Input))
        .chain(between.map(|e| (e.source().index() + 1, e.target().index() + 1, *e.weight())))
        .collect()
}

/// Links from each layer to the next only: longer ones pass the layers between at waypoints, which are added to `boxes`.
fn short_links(links: Vec<(usize, usize, Need)>, boxes: &mut Vec<Box>) -> Vec<(usize, usize, Need)> {
    let mut short = Vec::new();
    for (from, to, need) in links {
        let mut last = from;
        for layer in boxes[from].layer + 1..boxes[to].layer {
            let what = What::Waypoint(from, need);
            let known = boxes.iter().position(|b| b.what == what && b.layer == layer);
            let waypoint = known.unwrap_or(boxes.len());
            if known.is_none() {
                boxes.push(new_box(what, layer, ""));
                short.push((last, waypoint, need));
            }
            last = waypoint;
        }
        short.push((last, to, need));
    }
    short
}

/// Each layer right of the widest box of the one before.
fn place_columns(boxes: &mut [Box]) {
    let last = boxes.iter().map(|b| b.layer).max().unwrap_or(0);
    let mut x = MARGIN;
    for layer in 0..=last {
        let width = boxes.iter().filter(|b| b.layer == layer).map(|b| b.width).fold(0.0, f64::max);
        for drawn in boxes.iter_mut().filter(|b| b.layer == layer) {
            drawn.x = x;
            drawn.width = width;
        }
        x += width + GAP;
    }
}

/// Rows within layers: in the order of the mean row of the linked boxes, so that few links cross.
fn place_rows(boxes: &mut [Box], links: &[(usize, usize, Need)]) {
    let last = boxes.iter().map(|b| b.layer).max().unwrap_or(0);
    let members = |boxes: &[Box], layer: usize| -> Vec<usize> {
        boxes.iter().enumerate().filter(|(_, b)| b.layer == layer).map(|(i, _)| i).collect()
    };
    let tallest = (0..=last).map(|layer| members(boxes, layer).len()).max().unwrap_or(0);
    for layer in 0..=last {
        let layer = members(boxes, layer);
        stack(boxes, &layer, tallest);
    }
    for sweep in 0..SWEEPS {
        for step in 0..=last {
            let layer = if sweep % 2 == 0 { step } else { last - step };
            let mut layer = members(boxes, layer);
            let centre = |i: usize| mean_row(boxes, links, i).unwrap_or(boxes[i].row);
            let mut centred: Vec<_> = layer.iter().map(|&i| (centre(i), i)).collect();
            centred.sort_by(|a, b| a.0.total_cmp(&b.0));
            layer = centred.into_iter().map(|(_, i)| i).collect();
            stack(boxes, &layer, tallest);
        }
    }
}

/// Places the boxes of a layer below each other, around the middle of the drawing.
#[expect(clippy::cast_precision_loss, reason = "a plan has at most some hundred activities")]
fn stack(boxes: &mut [Box], layer: &[usize], tallest: usize) {
    let top = (tallest - layer.len()) as f64 / 2.0;
    for (row, &index) in layer.iter().enumerate() {
        boxes[index].row = top + row as f64;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a plan has at most some hundred activities")]
fn mean_row(boxes: &[Box], links: &[(usize, usize, Need)], index: usize) -> Option<f64> {
    let linked = links.iter().filter_map(|&(from, to, _)| match index {
        i if i == to => Some(from),
        i if i == from => Some(to),
        _ => None,
    });
    let rows: Vec<_> = linked.map(|i| boxes[i].row).collect();
    (!rows.is_empty()).then(|| rows.iter().sum::<f64>() / rows.len() as f64)
}
