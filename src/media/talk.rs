//! What the worker says to its supervisor: one line of JSON for each message and each task that it is about.
//!
//! **Invariant**: every line is written whole and flushed at once; a task that has ended is spoken of no more. Where
//! nobody listens any more the worker has no reason to go on, and ends.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use reelmill::model::Code;
use reelmill::worker::protocol::{Line, Message};

/// Exit status when the supervisor is gone.
const NOBODY_LISTENS: i32 = 1;

/// The worker's voice about some of its tasks, shared by its threads.
#[derive(Clone)]
pub struct Talk {
    voice: Arc<Mutex<Voice>>,
    /// Tasks that it speaks of; empty: of the worker as a whole.
    tasks: Vec<usize>,
}

struct Voice {
    to: Box<dyn Write + Send>,
    /// Tasks that have ended.
    ended: Vec<usize>,
}

impl Talk {
    /// To standard output.
    #[must_use]
    pub fn to_stdout() -> Self {
        Self::new(io::stdout())
    }

    /// To any writer.
    pub fn new(to: impl Write + Send + 'static) -> Self {
        Self { voice: Arc::new(Mutex::new(Voice { to: Box::new(to), ended: Vec::new() })), tasks: Vec::new() }
    }

    /// The same voice, about these tasks.
    #[must_use]
    pub fn about(&self, tasks: impl IntoIterator<Item = usize>) -> Self {
        Self { voice: Arc::clone(&self.voice), tasks: tasks.into_iter().collect() }
    }

    /// Says something.
    pub fn say(&self, message: &Message) {
        let mut voice = self.voice.lock().unwrap_or_else(PoisonError::into_inner);
        if self.tasks.is_empty() {
            voice.say(None, message);
        }
        for &task in &self.tasks {
            voice.say(Some(task), message);
        }
    }

    /// Says something that the user should read; the job goes on.
    pub fn warn(&self, code: Code, message: impl Into<String>) {
        self.say(&Message::Warning { code, message: message.into() });
    }
}

impl Voice {
    fn say(&mut self, task: Option<usize>, message: &Message) {
        if task.is_some_and(|task| self.ended.contains(&task)) {
            return;
        }
        if matches!(message, Message::Done { .. } | Message::Failed { .. }) {
            self.ended.extend(task);
        }
        let line = Line { task, message: message.clone() };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.to.write_all(&line)?;
            self.to.flush()
        });
        if written.is_err() {
            std::process::exit(NOBODY_LISTENS);
        }
    }
}
