//! Settings of workers: how much is done at once, and for how long it may take.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Config;
use super::forms::{Slots, bytes, duration, memory, slots};

/// Workers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// Jobs at once; `auto`: one per two processors, at least one.
    #[serde(with = "slots")]
    #[schemars(with = "Slots")]
    pub slots: Option<usize>,
    /// `on`: waiting jobs of one execution over the same input run as a group, which decodes it once. `off`: one by one.
    pub fusion: Fusion,
    /// Most jobs of a group.
    pub fusion_max: u32,
    /// Memory that jobs may be estimated to need together; `auto`: four fifths of the machine's, or of the control
    /// group's.
    #[serde(with = "memory")]
    #[schemars(with = "String")]
    pub memory: Option<u64>,
    /// Scratch space that jobs may be estimated to need together.
    #[serde(with = "bytes")]
    #[schemars(with = "String")]
    pub scratch_max: u64,
    /// Folder for unfinished files. Everything in it is removed at start.
    pub scratch: PathBuf,
    /// The worker program; absent: beside this program.
    pub program: Option<PathBuf>,
    /// The queues that this daemon takes jobs from; empty: every queue.
    pub queues: Vec<String>,
    /// Time after which a job is taken from a daemon that does not respond; at least 2s.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub lease: Duration,
    /// Time that running jobs have to end after a shutdown was requested; jobs that run longer are handed back.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub drain: Duration,
    /// Time without progress after which a job is stopped.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub stall: Duration,
    /// Longest wait of a job for storage, network or database, without using up attempts; `0s`: none.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub infrastructure_wait: Duration,
    /// Time between the request to a job to stop and the kill of its worker.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub grace: Duration,
}

/// Handling of jobs over the same input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fusion {
    /// As a group, in one slot of one daemon: the least work in all.
    #[default]
    On,
    /// One by one, in as many slots and daemons as there are: the shortest wait where there are many.
    Off,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Config::default().worker
    }
}

impl WorkerConfig {
    /// Memory for jobs, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory.unwrap_or_else(|| installed_memory() / 5 * 4)
    }

    /// Jobs at once.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        self.slots.unwrap_or_else(|| (processors / 2).max(1))
    }

    /// Most jobs that one worker does together; 1: each runs alone.
    #[must_use]
    pub fn group_size(&self) -> usize {
        match self.fusion {
            Fusion::On => usize::try_from(self.fusion_max).unwrap_or(usize::MAX).max(1),
            Fusion::Off => 1,
        }
    }
}

/// Memory that this process may use: its control group's limit, else what the machine has.
fn installed_memory() -> u64 {
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:").map(str::to_owned))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    });
    [group, machine].into_iter().flatten().min().unwrap_or(4 << 30)
}
