//! YAML definitions: parsing into a tree with positions, shapes that describe valid trees, and diagnostics that report all
//! errors at once.
//!
//! **Invariant**: pure; any input results in a tree or in diagnostics, within [`Budget`]: aliases, depth and nodes are
//! counted before they are built.
//!
//! Deliberately missing: the meaning of values, which is in `template` and `workflow`.

mod check;
mod diagnostic;
mod elsewhere;
mod nearest;
mod node;
mod parse;
mod render;
mod schema;
mod shape;

pub use check::{check, misfits};
pub use diagnostic::{Diagnostic, Label, Place, Severity, Sink};
pub use nearest::{nearest, synonym};
pub use node::{Entry, Node, Span, Value, is_deferred};
pub use parse::{Budget, ParseCodes, parse};
pub use render::render;
pub use schema::schema;
pub use shape::{Choice, Field, Kind, Rules, Shape};
