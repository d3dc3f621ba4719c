//! Further inputs of work beside its source: pictures, music, parts.

/// References as written, each of which becomes an input.
#[derive(Debug)]
pub(super) struct Beside {
    /// Index of the input that the first one becomes.
    pub(super) first: usize,
    /// The references.
    pub(super) references: Vec<String>,
}

impl Beside {
    /// The index of the input that `reference` becomes.
    pub(super) fn input(&mut self, reference: String) -> usize {
        self.references.push(reference);
        self.first + self.references.len() - 1
    }
}
