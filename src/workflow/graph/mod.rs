//! Plans as graphs: Mermaid, Graphviz, SVG.

mod svg;

use std::fmt::Write as _;

use petgraph::visit::EdgeRef;

use crate::model::plan::{Activity, Need, Plan};

pub use svg::{Mark, marked_svg, svg};

/// Returns the label of an activity: its name and its type.
fn label(activity: &Activity) -> (&str, &'static str) {
    (&activity.name, activity.kind.as_str())
}

/// A Mermaid flowchart.
#[must_use]
pub fn mermaid(plan: &Plan) -> String {
    let mut text = "flowchart LR\n    object([upload])\n".to_owned();
    for index in plan.graph.node_indices() {
        let (name, kind) = label(&plan.graph[index]);
        let _ = writeln!(text, "    a{}[\"{}<br/><small>{kind}</small>\"]", index.index(), entities(name));
    }
    for index in plan.graph.node_indices() {
        if reads_object(&plan.graph[index]) {
            let _ = writeln!(text, "    object --> a{}", index.index());
        }
    }
    for edge in plan.graph.edge_references() {
        let arrow = if *edge.weight() == Need::Input { "-->" } else { "-.->" };
        let _ = writeln!(text, "    a{} {arrow} a{}", edge.source().index(), edge.target().index());
    }
    text
}

/// A Graphviz digraph.
#[must_use]
pub fn dot(plan: &Plan) -> String {
    let mut text = format!("digraph {} {{\n", quoted(&plan.workflow));
    text += "    rankdir=LR; node [shape=box, style=rounded, fontname=\"sans-serif\"];\n";
    text += "    object [label=\"upload\", shape=ellipse];\n";
    for index in plan.graph.node_indices() {
        let (name, kind) = label(&plan.graph[index]);
        let _ = writeln!(text, "    a{} [label={}];", index.index(), quoted(&format!("{name}\n{kind}")));
    }
    for index in plan.graph.node_indices() {
        if reads_object(&plan.graph[index]) {
            let _ = writeln!(text, "    object -> a{};", index.index());
        }
    }
    for edge in plan.graph.edge_references() {
        let style = if *edge.weight() == Need::Input { "" } else { " [style=dashed]" };
        let _ = writeln!(text, "    a{} -> a{}{style};", edge.source().index(), edge.target().index());
    }
    text + "}\n"
}

fn reads_object(activity: &Activity) -> bool {
    activity.input == crate::model::plan::ActivityInput::Object
}

/// A text between quotes, as Graphviz reads it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A text as XML and Mermaid read it.
fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
