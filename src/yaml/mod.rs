//! YAML that people write: text into a tree that knows where every key and value stands, the shapes that such a tree may
//! have, and the diagnostics that say, all at once, where it does not have them.
//!
//! **Invariant**: pure; any bytes whatever end in a tree or in diagnostics, within [`Budget`]: aliases, depth and nodes
//! are counted before they are built.
//!
//! Deliberately absent: what the values mean. Typed reading is `template`'s and `workflow`'s.

mod check;
mod diagnostic;
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
