//! Workers started ahead of need: loading libav takes tens of milliseconds, which no job should wait for.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::WorkerError;
use super::process::WorkerProcess;

/// What the installed libav can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Version of libavcodec.
    pub libavcodec: String,
    /// Encoders, of those Reelmill uses.
    pub encoders: Vec<String>,
}

/// A few idle workers. Each does one job and ends; the pool fills up behind it.
#[derive(Clone, Debug)]
pub struct Pool {
    program: PathBuf,
    size: usize,
    idle: Arc<Mutex<VecDeque<WorkerProcess>>>,
}

impl Pool {
    /// A pool that keeps `size` workers ready. None is started yet.
    #[must_use]
    pub fn new(program: PathBuf, size: usize) -> Self {
        Self { program, size, idle: Arc::default() }
    }

    /// Starts a worker to see that it can be done, and says what it can do; it stays in the pool.
    pub async fn warm_up(&self) -> Result<Capabilities, WorkerError> {
        let worker = WorkerProcess::start(&self.program).await?;
        let capabilities = Capabilities { libavcodec: worker.libavcodec.clone(), encoders: worker.encoders.clone() };
        self.idle().push_back(worker);
        Ok(capabilities)
    }

    /// A worker ready for a job.
    pub(super) async fn take(&self) -> Result<WorkerProcess, WorkerError> {
        let ready = {
            let mut idle = self.idle();
            std::iter::from_fn(|| idle.pop_front()).find_map(|mut worker| worker.is_alive().then_some(worker))
        };
        tokio::spawn(self.clone().fill());
        match ready {
            Some(worker) => Ok(worker),
            None => WorkerProcess::start(&self.program).await,
        }
    }

    async fn fill(self) {
        while self.idle().len() < self.size {
            match WorkerProcess::start(&self.program).await {
                Ok(worker) => self.idle().push_back(worker),
                Err(error) => {
                    tracing::warn!(%error, "cannot start a worker ahead of need");
                    return;
                }
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<WorkerProcess>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
