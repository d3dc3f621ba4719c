//! What the worker says to its supervisor: one line of JSON for each message.
//!
//! **Invariant**: every line is written whole and flushed at once. Where nobody listens any more the worker has no
//! reason to go on, and ends.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use reelmill::model::Code;
use reelmill::worker::protocol::Message;

/// Exit status when the supervisor is gone.
const NOBODY_LISTENS: i32 = 1;

/// The worker's voice, shared by its threads.
pub struct Talk {
    to: Mutex<Box<dyn Write + Send>>,
}

impl Talk {
    /// To standard output.
    #[must_use]
    pub fn to_stdout() -> Self {
        Self::new(io::stdout())
    }

    /// To any writer.
    pub fn new(to: impl Write + Send + 'static) -> Self {
        Self { to: Mutex::new(Box::new(to)) }
    }

    /// Says something.
    pub fn say(&self, message: &Message) {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_vec(message).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            to.write_all(&line)?;
            to.flush()
        });
        if written.is_err() {
            std::process::exit(NOBODY_LISTENS);
        }
    }

    /// Says something that the user should read; the job goes on.
    pub fn warn(&self, code: Code, message: impl Into<String>) {
        self.say(&Message::Warning { code, message: message.into() });
    }
}
