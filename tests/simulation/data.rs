//! Where a world keeps its data: a map, or a real database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use petgraph::graph::NodeIndex;
use reelmill::engine::{
    Context, Effect, Execution, Facts, Input, LogEntry, LogEvent, Outcome, Signal, StepError, replay, step,
};
use reelmill::model::plan::{NotifyOn, Plan};
use reelmill::model::{ExecutionId, ExecutionState, Ids, JobId, JobState, SequentialIds, Timestamp};
use reelmill::store::sqlite::SqliteStore;
use reelmill::store::{Claim, Claimant, DueFilter, Heartbeat, NewExecution, Store, StoreError};

use crate::support::{Conditions, object};

/// How long a job is leased.
pub const LEASE: Duration = Duration::from_secs(30);

/// An attempt that some worker works on, or did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attempt {
    pub job: JobId,
    pub activity: usize,
    pub number: u32,
}

/// What the daemon does to its data; answers that refuse are `false`.
pub trait Data {
    async fn claim(&mut self, now: Timestamp) -> Option<Attempt>;
    /// Claims up to so many of `activities` to be done with `leader`.
    async fn claim_beside(&mut self, leader: Attempt, wanted: (&[usize], usize), now: Timestamp) -> Vec<Attempt>;
    async fn beat(&mut self, attempt: Attempt, now: Timestamp) -> Heartbeat;
    async fn end(&mut self, attempt: Attempt, outcome: Outcome, now: Timestamp) -> bool;
    async fn note(&mut self, attempt: Attempt, now: Timestamp);
    async fn reap(&mut self, now: Timestamp) -> Option<Timestamp>;
    async fn cancel(&mut self, now: Timestamp) -> bool;
    async fn retry(&mut self, now: Timestamp) -> bool;
    /// The process is killed and started again.
    async fn crash(&mut self, now: Timestamp);
    async fn state(&self) -> Execution;
    async fn log(&self) -> Vec<LogEntry>;
    /// States that the outbox tells, in order.
    async fn told(&self) -> Vec<ExecutionState>;
}

/// A row of the queue.
#[derive(Clone, Copy, Debug)]
struct Row {
    state: JobState,
    due: Option<Timestamp>,
    stop: bool,
}

/// The least that a store can be: the log on "disk", the queue beside it, the state in memory.
pub struct Map {
    plan: Arc<Plan>,
    log: Vec<LogEntry>,
    rows: Vec<Row>,
    outbox: Vec<NotifyOn>,
    memory: Execution,
}

impl Map {
    pub fn new(plan: Arc<Plan>, now: Timestamp) -> Self {
        let row = Row { state: JobState::Waiting, due: None, stop: false };
        let rows = vec![row; plan.graph.node_count()];
        let memory = Execution::new(&plan);
        let mut map = Self { plan, log: Vec::new(), rows, outbox: Vec::new(), memory };
        map.step(Input::Start { cause: "a simulation".to_owned() }, now).expect("it is new");
        map
    }

    fn step(&mut self, input: Input, now: Timestamp) -> Result<(), StepError> {
        let (input_object, params) = (object("clip.mp4"), BTreeMap::new());
        let execution = ExecutionId(SequentialIds::default().next(now));
        let facts = Facts { execution, created_at: now, input: &input_object, params: &params };
        let step = step(&Context { plan: &self.plan, evaluate: &Conditions, facts }, &self.memory, input, now)?;
        self.log.extend(step.log);
        self.memory = step.state;
        for effect in step.effects {
            self.carry_out(effect);
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) {
        let mut write = |activity: NodeIndex, state, due| {
            self.rows[activity.index()] = Row { state, due, stop: false };
        };
        match effect {
            Effect::Enqueue { activity } => write(activity, JobState::Queued, None),
            Effect::EnqueueAt { activity, at } => write(activity, JobState::Retrying, Some(at)),
            Effect::Settle { activity } => write(activity, self.memory.activities[activity.index()].name(), None),
            Effect::Reset { activity } => write(activity, JobState::Waiting, None),
            Effect::Stop { activity } => self.rows[activity.index()].stop = true,
            Effect::Notify(what) => self.outbox.push(what),
            Effect::Prioritize { .. } | Effect::Ended(_) => {}
        }
    }

    fn signal(&mut self, activity: usize, signal: Signal, now: Timestamp) -> Result<(), StepError> {
        self.step(Input::Activity { activity: NodeIndex::new(activity), signal }, now)
    }

    fn holds(&self, attempt: Attempt) -> bool {
        let state = &self.memory.activities[attempt.activity];
        state.name() == JobState::Running && state.attempt() == attempt.number
    }

    fn lease(&mut self, activity: usize, now: Timestamp) -> Attempt {
        self.signal(activity, Signal::Claimed { worker: "w".to_owned() }, now).expect("it is queued");
        self.rows[activity] = Row { state: JobState::Running, due: Some(now.after(LEASE)), stop: false };
        let number = self.memory.activities[activity].attempt();
        Attempt { job: JobId(SequentialIds::default().next(now)), activity, number }
    }

    fn lose(&mut self, activity: usize, now: Timestamp) {
        let attempt = self.memory.activities[activity].attempt();
        let outcome = Outcome::Lost { reason: "gone".to_owned() };
        self.signal(activity, Signal::Ended { attempt, outcome }, now).expect("it is running");
    }
}

impl Data for Map {
    async fn claim(&mut self, now: Timestamp) -> Option<Attempt> {
        let queued = (0..self.rows.len()).filter(|&n| self.rows[n].state == JobState::Queued);
        let activity = queued.min_by_key(|&n| (10 - self.plan.graph[NodeIndex::new(n)].priority, n))?;
        Some(self.lease(activity, now))
    }

    async fn claim_beside(&mut self, leader: Attempt, wanted: (&[usize], usize), now: Timestamp) -> Vec<Attempt> {
        let place = |n: usize| {
            let activity = &self.plan.graph[NodeIndex::new(n)];
            (&activity.queue, activity.priority)
        };
        let fits = |&n: &usize| {
            let waits = self.rows[n].state == JobState::Queued && self.memory.activities[n].attempt() == 0;
            waits && wanted.0.contains(&n) && place(n) == place(leader.activity)
        };
        let chosen: Vec<usize> = (0..self.rows.len()).filter(fits).take(wanted.1).collect();
        chosen.into_iter().map(|activity| self.lease(activity, now)).collect()
    }

    async fn beat(&mut self, attempt: Attempt, now: Timestamp) -> Heartbeat {
        if !self.holds(attempt) {
            return Heartbeat::Lost;
        }
        self.rows[attempt.activity].due = Some(now.after(LEASE));
        if self.rows[attempt.activity].stop { Heartbeat::Stop } else { Heartbeat::Continue }
    }

    async fn end(&mut self, attempt: Attempt, outcome: Outcome, now: Timestamp) -> bool {
        match self.signal(attempt.activity, Signal::Ended { attempt: attempt.number, outcome }, now) {
            Ok(()) => true,
            Err(StepError::Stale { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    }

    async fn note(&mut self, attempt: Attempt, now: Timestamp) {
        let mark = LogEvent::Note { message: "working".to_owned() };
        let result = self.signal(attempt.activity, Signal::Mark { attempt: attempt.number, mark }, now);
        assert!(matches!(result, Ok(()) | Err(StepError::Stale { .. })), "{result:?}");
    }

    async fn reap(&mut self, now: Timestamp) -> Option<Timestamp> {
        for activity in 0..self.rows.len() {
            let row = self.rows[activity];
            if row.due.is_none_or(|due| due > now) {
                continue;
            }
            if row.state == JobState::Running {
                self.lose(activity, now);
            } else {
                self.signal(activity, Signal::RetryDue, now).expect("it is due");
            }
        }
        self.rows.iter().filter_map(|row| row.due).min()
    }

    async fn cancel(&mut self, now: Timestamp) -> bool {
        self.step(Input::Cancel { reason: "enough".to_owned(), by: "somebody".to_owned() }, now).is_ok()
    }

    async fn retry(&mut self, now: Timestamp) -> bool {
        self.step(Input::Retry { by: "somebody".to_owned(), params: BTreeMap::new() }, now).is_ok()
    }

    async fn crash(&mut self, now: Timestamp) {
        self.memory = replay(&self.plan, &self.log).expect("its own log folds");
        for activity in 0..self.rows.len() {
            if self.rows[activity].state == JobState::Running {
                self.lose(activity, now);
            }
        }
    }

    async fn state(&self) -> Execution {
        for (row, state) in self.rows.iter().zip(&self.memory.activities) {
            assert_eq!(row.state, state.name());
        }
        self.memory.clone()
    }

    async fn log(&self) -> Vec<LogEntry> {
        self.log.clone()
    }

    async fn told(&self) -> Vec<ExecutionState> {
        let of = |what| ExecutionState::ALL.iter().copied().find(|state| NotifyOn::of(*state) == Some(what));
        self.outbox.iter().filter_map(|&what| of(what)).collect()
    }
}

/// A real database; a crash closes and opens it again.
pub struct Sqlite {
    folder: tempfile::TempDir,
    store: Option<SqliteStore>,
    id: ExecutionId,
    /// The claims that can take along others, by job.
    claims: BTreeMap<JobId, Claim>,
}

impl Sqlite {
    pub async fn new(plan: Arc<Plan>, now: Timestamp) -> Self {
        let ids = SequentialIds::default();
        let id = ExecutionId(ids.next(now));
        let new = NewExecution {
            id,
            jobs: plan.graph.node_indices().map(|_| JobId(ids.next(now))).collect(),
            plan,
            input: object("clip.mp4"),
            params: BTreeMap::new(),
            user_data: None,
            cause: "a simulation".to_owned(),
        };
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let mut sqlite = Self { folder, store: None, id, claims: BTreeMap::new() };
        sqlite.open();
        sqlite.store().start(new, now).await.unwrap();
        sqlite
    }

    fn open(&mut self) {
        self.store = None;
        self.store = Some(SqliteStore::open(&self.folder.path().join("reelmill.db"), Arc::new(Conditions)).unwrap());
    }

    fn store(&self) -> &SqliteStore {
        self.store.as_ref().expect("it is open")
    }
}

fn attempt_of(claim: &Claim) -> Attempt {
    Attempt { job: claim.job, activity: claim.activity, number: claim.attempt }
}

fn accepted(result: Result<(), StoreError>) -> bool {
    match result {
        Ok(()) => true,
        Err(StoreError::Stale { .. } | StoreError::Illegal(_)) => false,
        Err(other) => panic!("{other}"),
    }
}

impl Data for Sqlite {
    async fn claim(&mut self, now: Timestamp) -> Option<Attempt> {
        let claim = self.store().claim(&Claimant::of_all("w"), LEASE, now).await.unwrap()?;
        let attempt = attempt_of(&claim);
        self.claims.insert(claim.job, claim);
        Some(attempt)
    }

    async fn claim_beside(&mut self, leader: Attempt, wanted: (&[usize], usize), now: Timestamp) -> Vec<Attempt> {
        let claim = &self.claims[&leader.job];
        let claims = self.store().claim_beside(claim, wanted, &Claimant::of_all("w"), LEASE, now).await.unwrap();
        claims.iter().map(attempt_of).collect()
    }

    async fn beat(&mut self, attempt: Attempt, now: Timestamp) -> Heartbeat {
        self.store().heartbeat(attempt.job, attempt.number, LEASE, None, now).await.unwrap()
    }

    async fn end(&mut self, attempt: Attempt, outcome: Outcome, now: Timestamp) -> bool {
        let (store, Attempt { job, number, .. }) = (self.store(), attempt);
        accepted(match outcome {
            Outcome::Succeeded { result, outputs } => {
                store.succeed(job, number, Arc::unwrap_or_clone(result), outputs.to_vec(), now).await
            }
            Outcome::Failed { failure, patience } => store.fail(job, number, failure, patience, now).await,
            Outcome::HandedBack { reason } => store.hand_back(job, number, &reason, now).await,
            Outcome::Lost { reason } => panic!("only the store says that an attempt is lost: {reason}"),
        })
    }

    async fn note(&mut self, attempt: Attempt, now: Timestamp) {
        let event = LogEvent::Note { message: "working".to_owned() };
        self.store().note(attempt.job, attempt.number, event, now).await.unwrap();
    }

    async fn reap(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.store().reap(now).await.unwrap().1.map(|wait| now.after(wait))
    }

    async fn cancel(&mut self, now: Timestamp) -> bool {
        accepted(self.store().cancel(self.id, "enough", "somebody", now).await)
    }

    async fn retry(&mut self, now: Timestamp) -> bool {
        accepted(self.store().retry(self.id, BTreeMap::new(), "somebody", now).await)
    }

    async fn crash(&mut self, now: Timestamp) {
        self.open();
        self.store().reclaim_all(now).await.unwrap();
    }

    async fn state(&self) -> Execution {
        let record = self.store().execution(self.id).await.unwrap().expect("it was started");
        for (job, state) in record.jobs.iter().zip(&record.state.activities) {
            assert_eq!((job.state, job.attempts), (state.name(), state.attempt()));
        }
        assert_eq!(record.summary.state, record.state.state);
        record.state
    }

    async fn log(&self) -> Vec<LogEntry> {
        self.store().log(self.id, 0, u32::MAX).await.unwrap()
    }

    async fn told(&self) -> Vec<ExecutionState> {
        let mut told = Vec::new();
        let end = Timestamp(i64::MAX);
        while let [next] = &self
            .store()
            .due_notifications(DueFilter { limit: 10, per_receiver: 10, ..DueFilter::default() }, end)
            .await
            .unwrap()[..]
        {
            told.push(next.state);
            self.store().delivered(next.id, end).await.unwrap();
        }
        told
    }
}
