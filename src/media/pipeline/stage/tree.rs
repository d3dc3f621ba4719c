//! Outputs whose steps begin alike share the stages of these.
//!
//! The steps of all outputs over one stream make a tree, whose branches part where steps differ. Each part without a fork
//! is one thread. **Invariant**: whoever shares sees the same pictures as if alone; one that stops or fails leaves the others
//! theirs, and what is shared goes at the pace of the slowest.

use std::thread::Scope;

use ffmpeg_next::{Frame, Rational};

use super::{Picture, Stage, Step, pictures, run};
use crate::pipeline::flow::{Inlet, Outlets, Stop};

/// Pictures that wait between two threads: they are large.
const DEPTH: usize = 1;

/// Gives the next picture; `None` at the end.
type Source<'s> = Box<dyn FnMut() -> Result<Option<Picture>, Stop> + Send + 's>;

/// Where pictures come from.
pub enum Root {
    /// A stream of the source, by its index.
    Stream(usize),
    /// Something that only one output takes, with times in that unit.
    Own(Inlet<Frame>, Rational),
}

/// Steps of all outputs.
#[derive(Default)]
pub struct Tree<'a> {
    nodes: Vec<Node<'a>>,
}

struct Node<'a> {
    from: From,
    /// `None` once its stage has begun.
    step: Option<Step<'a>>,
    /// Encoders and others at the end of their steps.
    outlets: Outlets<Picture>,
}

/// What comes before a step.
enum From {
    Root(Option<Root>),
    Node(usize),
}

impl<'a> Tree<'a> {
    /// The pictures that the steps `first` and `rest` make of those that `root` gives.
    pub fn connect(&mut self, root: Root, (first, rest): (Step<'a>, Vec<Step<'a>>)) -> Inlet<Picture> {
        let mut at = self.place(From::Root(Some(root)), first);
        for step in rest {
            at = self.place(From::Node(at), step);
        }
        self.nodes[at].outlets.connect(DEPTH)
    }

    /// The place of a step: that of its like, where there is one.
    fn place(&mut self, from: From, step: Step<'a>) -> usize {
        let is_like =
            |node: &Node<'a>| node.from.is_same(&from) && node.step.as_ref().is_some_and(|other| other.is_same(&step));
        self.nodes.iter().position(is_like).unwrap_or_else(|| {
            self.nodes.push(Node { from, step: Some(step), outlets: Outlets::default() });
            self.nodes.len() - 1
        })
    }

    /// Number of stages.
    #[cfg(test)]
    pub const fn stages(&self) -> usize {
        self.nodes.len()
    }

    /// Starts the stages in `scope`; `frames` gives those of a stream, and the unit of their times.
    pub fn start<'scope>(
        mut self,
        scope: &'scope Scope<'scope, '_>,
        frames: &mut dyn FnMut(usize) -> Option<(Inlet<Frame>, Rational)>,
    ) where
        'a: 'scope,
    {
        for n in 0..self.nodes.len() {
            let From::Root(root) = &mut self.nodes[n].from else { continue };
            let source = match root.take() {
                Some(Root::Stream(index)) => frames(index),
                Some(Root::Own(inlet, base)) => Some((inlet, base)),
                None => None,
            };
            if let Some((inlet, base)) = source {
                self.spawn(scope, n, Box::new(move || pictures(&inlet, base)));
            }
        }
    }

    /// Starts the stage `first` and all after it up to where ways part, as one thread, and those behind it as others.
    fn spawn<'scope>(&mut self, scope: &'scope Scope<'scope, '_>, first: usize, source: Source<'scope>)
    where
        'a: 'scope,
    {
        let mut stages: Vec<Box<dyn Stage + 'a>> = Vec::new();
        let mut at = first;
        let (outlets, behind) = loop {
            stages.extend(self.nodes[at].step.take().map(Step::begin));
            let outlets = std::mem::take(&mut self.nodes[at].outlets);
            let behind: Vec<usize> = (0..self.nodes.len())
                .filter(|&n| matches!(self.nodes[n].from, From::Node(node) if node == at))
                .collect();
            match behind.as_slice() {
                &[next] if outlets.is_idle() => at = next,
                _ => break (outlets, behind),
            }
        };
        let mut outlets = outlets;
        for next in behind {
            let inlet = outlets.connect(DEPTH);
            self.spawn(scope, next, Box::new(move || inlet.next()));
        }
        scope.spawn(move || run(stages, source, outlets));
    }
}

impl From {
    /// Returns whether both are the same stream, or the same step. What only one output takes is like nothing.
    const fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Root(Some(Root::Stream(one))), Self::Root(Some(Root::Stream(other))))
            | (Self::Node(one), Self::Node(other)) => *one == *other,
            _ => false,
        }
    }
}
