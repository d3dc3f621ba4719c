//! Simulated lives of executions: random plans, outcomes, job groups, crashes, drains, late and repeated reports,
//! cancellations and retries.
//!
//! A world is a seed. `SIMULATION_SEED=7` runs one world and prints its log, `SIMULATION_SEEDS=100000` runs so many.
//! Most worlds keep their data in a map, every 60th in a real SQLite database. In both a crash loses everything but what
//! the store was told.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and shows what it did")]

mod data;
mod ledger;
mod rules;
#[path = "../support/mod.rs"]
mod support;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use data::{Attempt, Data, Map, Sqlite};
use ledger::{GROUP_MAX, Ledger, Seen};
use petgraph::graph::NodeIndex;
use reelmill::engine::Outcome;
use reelmill::model::plan::{Activity, ActivityInput, ActivityKind, Need, OnFailure, Plan};
use reelmill::model::{Blame, Class, ExecutionState, Failure, JobState, Timestamp};
use reelmill::store::Heartbeat;
use serde_json::json;
use support::{activity, plan, target};

const SEEDS: u64 = 3_000;
const SQLITE_EVERY: u64 = 60;

/// A world that is not done after so many turns never will be.
const TURNS: u32 = 5_000;

/// SplitMix64: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn within(&mut self, range: Range<usize>) -> usize {
        let span = u64::try_from(range.len()).unwrap();
        range.start + usize::try_from(self.next() % span).unwrap()
    }

    /// True `percent` times of a hundred.
    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

fn random_plan(random: &mut Random) -> Plan {
    let count = random.within(1..13);
    let mut activities = Vec::new();
    let mut needs = Vec::new();
    for by in 0..count {
        let mut new = activity(&format!("a{by}"));
        for needed in 0..by {
            if random.chance(25) {
                needs.push((needed, by, if random.chance(50) { Need::Input } else { Need::Order }));
                if random.chance(20) {
                    new.handles.push(format!("a{needed}"));
                    new.when = Some(format!("failed(a{needed})"));
                }
            }
        }
        if new.when.is_none() && random.chance(25) {
            new.when = Some(["true", "false", "broken"][random.within(0..3)].to_owned());
        }
        if random.chance(25) {
            new.on_failure = OnFailure::Continue;
        }
        choose_place(random, &mut new, by);
        new.retry.attempts = u32::try_from(random.within(1..4)).unwrap();
        activities.push(new);
    }
    let mut plan = plan("simulated", activities, &needs);
    plan.notify = vec![target("queue")];
    plan
}

/// Kind, input, queue and priority: enough alike that groups come about, and enough not.
fn choose_place(random: &mut Random, new: &mut Activity, by: usize) {
    if random.chance(85) {
        new.kind = ActivityKind::Transcode;
    }
    if by > 0 && random.chance(20) {
        new.input = ActivityInput::Activities(vec!["a0".to_owned()]);
    }
    if random.chance(15) {
        "slow".clone_into(&mut new.queue);
    }
    if random.chance(40) {
        new.priority = u8::try_from(random.within(1..11)).unwrap();
    }
}

/// A claimed job before it takes along others; meanwhile the world goes on.
struct Forming {
    group: usize,
    leader: Attempt,
    /// What could go with it when it was claimed.
    companions: Vec<usize>,
}

/// What happens to one execution.
struct World<D> {
    plan: Arc<Plan>,
    random: Random,
    data: D,
    ledger: Ledger,
    now: Timestamp,
    /// Attempts that workers believe they hold.
    working: Vec<Attempt>,
    forming: Vec<Forming>,
    /// Groups so far; a job alone is one as well.
    groups: usize,
    /// The daemon was asked to end, and claims no more.
    is_draining: bool,
    /// Attempts that reported already, or were forgotten: they may report again.
    past: Vec<Attempt>,
    next_due: Option<Timestamp>,
    retries: u32,
    /// How often the daemon is killed after a turn, so that nobody hears the answer.
    crash_percent: u64,
}

impl<D: Data> World<D> {
    /// Lets things happen until the execution has ended and nobody wants it to run again.
    async fn live(&mut self) {
        for _ in 0..TURNS {
            if !self.turn().await {
                return;
            }
        }
        panic!("it does not end: {:?}", self.data.state().await);
    }

    async fn turn(&mut self) -> bool {
        self.now = self.now.after(Duration::from_millis(self.random.next() % 3_000));
        match self.random.within(0..100) {
            0..32 => self.claim().await,
            32..36 => self.form_next().await,
            36..67 => self.report().await,
            67..77 => self.beat().await,
            77..82 => self.report_again().await,
            82..89 => self.next_due = self.data.reap(self.now).await,
            89 => self.cancel().await,
            90 => self.kill_worker().await,
            91 => self.is_draining = true,
            92..94 => self.forget(),
            _ => return self.wait_or_leave().await,
        }
        if self.random.chance(self.crash_percent) {
            self.crash().await;
        }
        true
    }

    /// Claims a job, and at its first attempt others to be done with it, at once or after a while.
    async fn claim(&mut self) {
        if self.is_draining {
            if self.random.chance(30) {
                self.end_drain().await;
            }
            return;
        }
        let Some(leader) = self.data.claim(self.now).await else { return };
        self.groups += 1;
        self.ledger.take(self.groups, &[leader], self.now);
        let companions = if leader.number == 1 { self.companions(leader).await } else { Vec::new() };
        let forming = Forming { group: self.groups, leader, companions };
        if forming.companions.is_empty() || self.random.chance(20) {
            self.working.push(leader);
        } else if self.random.chance(50) {
            self.form(forming).await;
        } else {
            self.forming.push(forming);
        }
    }

    /// What a daemon would do together with `leader`: untried jobs over the same input.
    async fn companions(&self, leader: Attempt) -> Vec<usize> {
        let (state, graph) = (self.data.state().await, &self.plan.graph);
        let own = &graph[NodeIndex::new(leader.activity)];
        let decodes = |activity: &Activity| activity.kind == ActivityKind::Transcode && activity.input == own.input;
        let fits = |&n: &usize| {
            n != leader.activity && decodes(&graph[NodeIndex::new(n)]) && state.activities[n].attempt() == 0
        };
        if decodes(own) { (0..graph.node_count()).filter(fits).collect() } else { Vec::new() }
    }

    async fn form_next(&mut self) {
        if !self.forming.is_empty() {
            let index = self.random.within(0..self.forming.len());
            let forming = self.forming.swap_remove(index);
            self.form(forming).await;
        }
    }

    async fn form(&mut self, Forming { group, leader, companions }: Forming) {
        let limit = self.random.within(1..GROUP_MAX);
        let more = self.data.claim_beside(leader, (&companions, limit), self.now).await;
        self.ledger.take(group, &more, self.now);
        self.working.push(leader);
        self.working.extend(more);
    }

    /// Reports the end of an attempt; whether it was accepted.
    async fn end(&mut self, attempt: Attempt, outcome: Outcome) -> bool {
        let accepted = self.data.end(attempt, outcome.clone(), self.now).await;
        if accepted {
            self.ledger.end(attempt, outcome);
        }
        self.past.push(attempt);
        accepted
    }

    /// The daemon ends in order: what has not ended is handed back, one by one.
    async fn end_drain(&mut self) {
        self.ledger.happens("drain", &self.working);
        self.working.extend(self.forming.drain(..).map(|forming| forming.leader));
        while let Some(index) = self.pick() {
            let attempt = self.working.swap_remove(index);
            self.end(attempt, Outcome::HandedBack { reason: "the daemon shuts down".to_owned() }).await;
        }
        self.is_draining = false;
    }

    async fn cancel(&mut self) {
        if self.data.cancel(self.now).await {
            self.ledger.happens("cancel", &self.working);
        }
    }

    /// Takes what is left of a group from those who work on it.
    fn pick_group(&mut self) -> Vec<Attempt> {
        let Some(index) = self.pick() else { return Vec::new() };
        let group = self.ledger.group(self.working[index]);
        let (members, others) = self.working.iter().partition(|attempt| self.ledger.group(**attempt) == group);
        self.working = others;
        members
    }

    /// A worker crashes, and each job that it had left fails an attempt.
    async fn kill_worker(&mut self) {
        let members = self.pick_group();
        self.ledger.happens("crash of the worker", &members);
        for member in members {
            let failure = Failure::infrastructure("WORKER0004", "killed by signal 9");
            self.end(member, Outcome::Failed { failure, patience: Duration::ZERO }).await;
        }
    }

    fn pick(&mut self) -> Option<usize> {
        (!self.working.is_empty()).then(|| self.random.within(0..self.working.len()))
    }

    fn outcome(&mut self) -> Outcome {
        let failure = match self.random.within(0..10) {
            0..6 => {
                return Outcome::Succeeded {
                    result: json!({ "n": self.random.next() % 10 }).into(),
                    outputs: [].into(),
                };
            }
            6..8 => Failure::infrastructure("OBJ0001", "no connection"),
            8 => Failure::input("MEDIA0001", "not media"),
            _ => Failure::new("WORKER0001", Class::Cancelled, Blame::Infrastructure, "stopped"),
        };
        let patience = if self.random.within(0..2) == 0 { Duration::ZERO } else { Duration::from_secs(300) };
        Outcome::Failed { failure, patience }
    }

    async fn report(&mut self) {
        let Some(index) = self.pick() else { return };
        let (attempt, outcome) = (self.working.swap_remove(index), self.outcome());
        self.end(attempt, outcome).await;
    }

    /// A report that comes twice or too late changes nothing.
    async fn report_again(&mut self) {
        if self.past.is_empty() {
            return;
        }
        let index = self.random.within(0..self.past.len());
        let (attempt, outcome) = (self.past[index], self.outcome());
        let before = self.data.state().await;
        let held = before.activities[attempt.activity].attempt() == attempt.number
            && before.activities[attempt.activity].name() == JobState::Running;
        let accepted = self.end(attempt, outcome).await;
        assert_eq!(accepted, held, "{attempt:?} in {before:?}");
        assert!(accepted || self.data.state().await == before);
    }

    async fn beat(&mut self) {
        let Some(index) = self.pick() else { return };
        let attempt = self.working[index];
        self.data.note(attempt, self.now).await;
        match self.data.beat(attempt, self.now).await {
            Heartbeat::Continue => self.ledger.prolong(attempt, self.now),
            Heartbeat::Busy => {}
            Heartbeat::Stop => {
                let failure = Failure::new("WORKER0001", Class::Cancelled, Blame::Infrastructure, "stopped");
                self.working.swap_remove(index);
                assert!(self.end(attempt, Outcome::Failed { failure, patience: Duration::ZERO }).await);
            }
            Heartbeat::Lost => self.past.push(self.working.swap_remove(index)),
        }
    }

    /// The daemon dies with its workers and comes back. Their reports may still be on the way.
    async fn crash(&mut self) {
        self.ledger.happens("crash of the daemon", &self.working);
        self.past.append(&mut self.working);
        self.past.extend(self.forming.drain(..).map(|forming| forming.leader));
        self.data.crash(self.now).await;
        self.ledger.clear();
        self.next_due = None;
        self.is_draining = false;
    }

    /// A daemon dies with a group and does not come back; the leases run out in time.
    fn forget(&mut self) {
        let mut members = self.pick_group();
        self.ledger.happens("death of the daemon", &members);
        self.past.append(&mut members);
    }

    /// Moves time to when something is due. Where the execution has ended, runs it again or leaves it.
    async fn wait_or_leave(&mut self) -> bool {
        let state = self.data.state().await.state;
        if !state.is_ended() {
            self.next_due = self.data.reap(self.now).await;
            self.now = self.next_due.map_or(self.now, |due| due.max(self.now));
            return true;
        }
        if state == ExecutionState::Succeeded || self.retries == 3 || self.random.chance(50) {
            return false;
        }
        self.retries += 1;
        assert!(self.data.retry(self.now).await, "what failed or was cancelled can run again");
        true
    }
}

async fn simulate(seed: u64, show: bool) -> Seen {
    let mut random = Random(seed);
    let plan = Arc::new(random_plan(&mut random));
    let now = Timestamp(1_000_000);
    if seed.is_multiple_of(SQLITE_EVERY) {
        let data = Sqlite::new(plan.clone(), now).await;
        live_and_check(plan, random, data, now, show).await
    } else {
        let data = Map::new(plan.clone(), now);
        live_and_check(plan, random, data, now, show).await
    }
}

async fn live_and_check(plan: Arc<Plan>, mut random: Random, data: impl Data, now: Timestamp, show: bool) -> Seen {
    let crash_percent = [0, 3, 3, 30][random.within(0..4)];
    let mut world = World {
        plan,
        random,
        data,
        ledger: Ledger::default(),
        now,
        working: Vec::new(),
        forming: Vec::new(),
        groups: 0,
        is_draining: false,
        past: Vec::new(),
        next_due: None,
        retries: 0,
        crash_percent,
    };
    world.live().await;
    let log = world.data.log().await;
    if show {
        for entry in &log {
            println!("{entry}");
        }
    }
    rules::check(&world.plan, &log, &world.data.state().await, &world.data.told().await);
    world.ledger.check(&world.plan, &log);
    world.ledger.summary()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

#[tokio::test]
async fn field_case_21_executions_survive_whatever_happens_to_them() {
    if let Some(seed) = number("SIMULATION_SEED") {
        println!("{:?}", simulate(seed, true).await);
        return;
    }
    let mut seen = Seen::new();
    for seed in 0..number("SIMULATION_SEEDS").unwrap_or(SEEDS) {
        let _seed = Seed(seed);
        for (what, count) in simulate(seed, false).await {
            *seen.entry(what).or_default() += count;
        }
    }
    println!("{seen:?}");
    assert!(seen.values().all(|count| *count > 0), "something never happened to a group: {seen:?}");
}

/// Says which seed it was when its world ends in a panic.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("SIMULATION_SEED={} shows it again", self.0);
        }
    }
}
