//! Results of the outputs, handed on as each task is complete.
//!
//! **Invariant**: every task is answered exactly once, whichever of its outputs ends last, on whatever thread.

use std::sync::{Mutex, PoisonError};

use reelmill::model::Failure;
use reelmill::model::work::Produced;

use crate::error::MediaError;

/// Result of one output.
pub type Outcome = Result<Produced, Failure>;

/// Receives the results of a task's outputs, in order, once all are there.
pub type Done<'a> = dyn Fn(usize, Result<Vec<Outcome>, Failure>) + Sync + 'a;

/// Results by task and output.
pub struct Results<'a> {
    outputs: Mutex<Vec<Vec<Option<Outcome>>>>,
    /// Task of each output, and its place there.
    places: Vec<(usize, usize)>,
    /// Numbers of the tasks, as whoever asked for them counts.
    tasks: Vec<usize>,
    done: &'a Done<'a>,
}

impl<'a> Results<'a> {
    /// For tasks of these numbers with so many outputs each.
    pub fn new(tasks: &[(usize, usize)], done: &'a Done<'a>) -> Self {
        let outputs = tasks.iter().map(|&(_, outputs)| vec![None; outputs]).collect();
        let places = tasks.iter().enumerate().flat_map(|(task, &(_, outputs))| (0..outputs).map(move |n| (task, n)));
        Self {
            outputs: Mutex::new(outputs),
            places: places.collect(),
            tasks: tasks.iter().map(|&(number, _)| number).collect(),
            done,
        }
    }

    /// Keeps the result of the output of this index, counted over all tasks. The first one counts.
    pub fn set(&self, index: usize, outcome: Outcome) {
        let Some(&(task, place)) = self.places.get(index) else { return };
        let complete = {
            let mut outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
            if outputs[task][place].is_some() {
                return;
            }
            outputs[task][place] = Some(outcome);
            if outputs[task].iter().any(Option::is_none) {
                return;
            }
            outputs[task].clone().into_iter().flatten().collect()
        };
        (self.done)(self.tasks[task], Ok(complete));
    }

    /// Fails whatever has no result.
    pub fn finish(&self) {
        for index in 0..self.places.len() {
            self.set(index, Err(MediaError::Panic("an output has no result".into()).into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_is_answered_once_when_its_last_output_is_there() {
        let answered = Mutex::new(Vec::new());
        let done = |task: usize, outcomes: Result<Vec<Outcome>, Failure>| {
            let made: Vec<bool> = outcomes.unwrap().iter().map(Result::is_ok).collect();
            answered.lock().unwrap().push((task, made));
        };
        let results = Results::new(&[(0, 2), (3, 1)], &done);
        results.set(1, Ok(Produced::default()));
        assert!(answered.lock().unwrap().is_empty());
        results.set(2, Ok(Produced::default()));
        results.set(0, Err(Failure::input("MEDIA0001", "not media")));
        results.set(0, Ok(Produced::default()));
        results.finish();
        assert_eq!(*answered.lock().unwrap(), [(3, vec![true]), (0, vec![false, true])]);
    }
}
