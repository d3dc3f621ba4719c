//! Workers started ahead of need: loading libav takes tens of milliseconds, which no job should wait for.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::WorkerError;
use super::process::WorkerProcess;
use crate::model::{Capabilities, Coded};

/// Attempts to start a worker for a job before the attempt fails.
const STARTS: usize = 3;

/// A few idle workers. Each does one job and ends; the pool fills up behind it.
#[derive(Clone, Debug)]
pub struct Pool {
    program: PathBuf,
    size: usize,
    idle: Arc<Mutex<VecDeque<WorkerProcess>>>,
    /// One filling at a time.
    filling: Arc<tokio::sync::Mutex<()>>,
}

impl Pool {
    /// A pool that keeps `size` workers ready. None is started yet.
    #[must_use]
    pub fn new(program: PathBuf, size: usize) -> Self {
        Self { program, size, idle: Arc::default(), filling: Arc::default() }
    }

    /// Returns the same pool, which keeps `size` workers ready from now on.
    #[must_use]
    pub fn keeping(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// Starts a worker, to check that it starts, and returns its capabilities; it stays in the pool.
    pub async fn warm_up(&self) -> Result<Capabilities, WorkerError> {
        let worker = WorkerProcess::start(&self.program).await?;
        let capabilities = worker.capabilities.clone();
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
        if let Some(worker) = ready {
            return Ok(worker);
        }
        // If a worker is killed before it has a job, the job is not the cause, so another is started.
        for _ in 1..STARTS {
            match WorkerProcess::start(&self.program).await {
                Err(error @ WorkerError::Stillborn { .. }) => {
                    tracing::warn!(error = %error.with_code(), "a worker was not ready; starting another");
                }
                other => return other,
            }
        }
        WorkerProcess::start(&self.program).await
    }

    async fn fill(self) {
        let Ok(_filling) = self.filling.try_lock() else { return };
        while self.idle().len() < self.size {
            match WorkerProcess::start(&self.program).await {
                Ok(worker) => self.idle().push_back(worker),
                Err(error) => {
                    tracing::warn!(error = %error.with_code(), "cannot start a spare worker");
                    return;
                }
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<WorkerProcess>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
