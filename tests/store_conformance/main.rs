//! What every store must do, as one suite over the trait; each store is a factory at the end.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod behaviours;
mod grouping;
mod listing;
mod pooler;
mod postgres;
mod results;
mod sqlite;
#[path = "../support/mod.rs"]
mod support;
mod telling;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reelmill::engine::{ActivityState, LogEvent, replay};
use reelmill::model::plan::{Activity, Need, Plan, RetryPolicy};
use reelmill::model::work::FileRole;
use reelmill::model::{
    ExecutionId, ExecutionState, ExecutionStatus, Failure, Ids, JobId, JobState, ObjectEvent, ObjectLocation,
    OutputObject, SequentialIds, Timestamp,
};
use reelmill::store::sqlite::SqliteStore;
use reelmill::store::{
    Claim, Claimant, Companion, Delivery, EventFilter, EventIdentity, EventOutcome, EventRecord, ExecutionFilter,
    ExecutionSummary, Heartbeat, Hint, MatchDecision, NewExecution, NotificationFilter, Progress, Pruned, QueueChange,
    Request, Retention, SharedStore, StoreError,
};
use serde_json::json;
use support::{Conditions, activity, object, plan, target};

const LEASE: Duration = Duration::from_secs(30);

/// A store under test, with a clock that moves when told to.
struct World {
    store: SharedStore,
    ids: SequentialIds,
    now: AtomicI64,
}

impl World {
    fn new(store: SharedStore) -> Self {
        Self { store, ids: SequentialIds::default(), now: AtomicI64::new(1_000_000) }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn wait(&self, time: Duration) -> Timestamp {
        self.now.store(self.now().after(time).0, Ordering::SeqCst);
        self.now()
    }

    fn execution(&self, plan: &Arc<Plan>, key: &str) -> NewExecution {
        let jobs = plan.graph.node_indices().map(|_| JobId(self.ids.next(self.now()))).collect();
        NewExecution {
            id: ExecutionId(self.ids.next(self.now())),
            jobs,
            plan: plan.clone(),
            input: object(key),
            params: BTreeMap::from([("title".to_owned(), json!("Tears"))]),
            user_data: Some("mine".to_owned()),
            cause: "a test".to_owned(),
        }
    }

    async fn start(&self, plan: &Arc<Plan>) -> ExecutionId {
        self.start_on(plan, "clip.mp4").await
    }

    async fn start_on(&self, plan: &Arc<Plan>, key: &str) -> ExecutionId {
        let new = self.execution(plan, key);
        let id = new.id;
        self.store.start(new, self.now()).await.unwrap();
        id
    }

    async fn claim(&self) -> Option<Claim> {
        self.store.claim(&Claimant::of_all("w1"), LEASE, self.now()).await.unwrap()
    }

    /// Every lease ends, as when the daemons that hold them are killed; answers how many.
    async fn take_all_back(&self) -> u32 {
        match self.store.reclaim_all(self.now()).await.unwrap() {
            0 => self.store.reap(self.wait(LEASE)).await.unwrap().0,
            taken => taken,
        }
    }

    async fn set(&self, queue: &str, change: QueueChange) {
        self.store.set_queue(queue, change).await.unwrap();
    }

    async fn claim_one(&self) -> Claim {
        self.claim().await.expect("a job is queued")
    }

    async fn succeed(&self, claim: &Claim) -> Result<(), StoreError> {
        self.store.succeed(claim.job, claim.attempt, json!({"ok": true}), Vec::new(), self.now()).await
    }

    async fn fail(&self, claim: &Claim, failure: Failure) -> Result<(), StoreError> {
        self.store.fail(claim.job, claim.attempt, failure, Duration::ZERO, self.now()).await
    }

    /// Fails where something that is away is waited for, for an hour.
    async fn fail_patiently(&self, claim: &Claim, failure: Failure) {
        let hour = Duration::from_secs(3600);
        self.store.fail(claim.job, claim.attempt, failure, hour, self.now()).await.unwrap();
    }

    async fn publish(&self, claim: &Claim, key: &str) -> ObjectLocation {
        let location = ObjectLocation { bucket: "media".to_owned(), key: key.to_owned() };
        self.store.begin_publish(claim.job, claim.attempt, std::slice::from_ref(&location), self.now()).await.unwrap();
        location
    }

    /// States of an execution and its activities, once log, state and queue were held against each other.
    async fn words(&self, id: ExecutionId) -> String {
        let record = self.store.execution(id).await.unwrap().expect("it exists");
        let log = self.store.log(id, 0, u32::MAX).await.unwrap();
        assert_eq!(replay(&record.plan, &log).as_ref(), Ok(&record.state));
        assert_eq!(record.summary.state, record.state.state);
        assert_eq!(record.summary.ended_at.is_some(), record.state.state.is_ended());
        for (job, state) in record.jobs.iter().zip(&record.state.activities) {
            assert_eq!((job.state, job.attempts), (state.name(), state.attempt()), "{}", job.activity);
        }
        let states = record.jobs.iter().map(|job| job.state.as_str());
        std::iter::once(record.state.state.as_str()).chain(states).collect::<Vec<_>>().join(" ")
    }
}

fn one(workflow: &str) -> Arc<Plan> {
    Arc::new(plan(workflow, vec![activity("a")], &[]))
}

fn queued_in(queue: &str, priority: u8) -> Arc<Plan> {
    let activity = Activity { queue: queue.to_owned(), priority, ..activity("a") };
    Arc::new(plan(queue, vec![activity], &[]))
}

/// `b` reads what `a` makes.
fn chain() -> Arc<Plan> {
    Arc::new(plan("chain", vec![activity("a"), activity("b")], &[(0, 1, Need::Input)]))
}

fn with_priority(priority: u8) -> Arc<Plan> {
    Arc::new(plan("p", vec![Activity { priority, ..activity("a") }], &[]))
}

fn told() -> Arc<Plan> {
    let mut plan = plan("told", vec![activity("a")], &[]);
    plan.notify = vec![target("first"), target("second")];
    Arc::new(plan)
}

fn event(key: &str) -> ObjectEvent {
    ObjectEvent {
        object: object(key),
        name: "Put".to_owned(),
        sequencer: Some("1".to_owned()),
        time: None,
        shape: "s3".to_owned(),
    }
}

fn identity(event: &ObjectEvent) -> EventIdentity {
    EventIdentity { own: format!("{} {:?}", event.object.location, event.sequencer), companion: None }
}

fn matched(workflow: &str) -> Vec<MatchDecision> {
    vec![MatchDecision { workflow: workflow.to_owned(), matched: true, reason: "key fits".to_owned() }]
}

fn passing() -> Failure {
    Failure::infrastructure("OBJ0001", "no connection")
}

fn fatal() -> Failure {
    Failure::input("MEDIA0001", "not media")
}

/// The newest entries of the ledger.
async fn ledger(world: &World, limit: u32) -> Vec<EventRecord> {
    world.store.events(EventFilter { limit, ..EventFilter::default() }).await.unwrap()
}

/// One test per store and behaviour.
macro_rules! conformance {
    ($($behaviour:ident)+) => {
        mod sqlite_in_memory {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    let store = super::SqliteStore::open_in_memory(super::Arc::new(super::Conditions)).unwrap();
                    super::behaviours::$behaviour(super::World::new(super::Arc::new(store))).await;
                }
            )+
        }

        mod postgres_server {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    let database = super::postgres::Database::new().await;
                    super::behaviours::$behaviour(super::World::new(database.open().await)).await;
                }
            )+
        }

        mod sqlite_file {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    let folder = super::sqlite::Folder::new();
                    super::behaviours::$behaviour(super::World::new(folder.open())).await;
                }
            )+
        }
    };
}

conformance! {
    field_case_01_an_upload_starts_each_workflow_once
    field_case_02_a_burst_of_events_loses_none
    field_case_03_an_event_and_its_executions_are_recorded_together
    field_case_09_jobs_are_claimed_by_priority_then_in_order_of_submission
    field_case_21_a_restarted_daemon_takes_back_every_lease
    field_case_22_a_lease_that_runs_out_is_taken_over_and_its_writer_refused
    field_case_23_a_retry_starts_from_what_failed
    field_case_27_what_was_published_is_known_with_its_ancestors
    field_case_32_notifications_come_in_order_per_execution_and_receiver
    a_failing_command_undoes_no_other
    an_execution_is_created_once
    executions_share_plans_but_never_take_another_one
    a_claim_carries_what_the_work_needs
    heartbeats_prolong_the_lease_and_carry_progress
    retries_wait_for_their_time
    field_fault_argo_7349_an_outage_is_waited_out_over_restarts
    cancelling_stops_what_waits_and_asks_what_runs
    notes_are_logged_while_the_lease_holds
    a_log_is_read_in_pages
    executions_are_listed_newest_first_and_filtered
    the_ledger_is_listed_by_object_and_in_pages
    text_with_nul_matches_nothing_and_breaks_nothing
    an_unreadable_message_is_kept_once_and_not_whole
    a_store_is_idle_when_nothing_is_left_to_do
    changes_are_hinted_at_once_they_can_be_read
    many_workers_share_the_queue
    a_queue_runs_no_more_jobs_than_it_may
    queues_with_as_many_running_jobs_take_turns
    a_deadline_that_passes_while_an_execution_stops_asks_for_nothing
    a_paused_queue_gives_nothing_until_it_is_resumed
    field_case_09_a_long_queue_does_not_hold_up_another
    a_claimant_takes_from_the_queues_that_it_serves
    a_waiting_job_can_be_put_first
    a_job_that_is_handed_back_is_queued_at_once_and_loses_nothing
    an_execution_that_runs_too_long_is_stopped_and_fails
    field_case_23_a_retry_can_change_parameters
    field_case_26_what_is_old_goes_and_what_is_not_stays
    a_plan_goes_with_its_last_execution
    a_request_is_remembered_once
    what_was_set_aside_is_listed_and_sent_again
    executions_of_several_workflows_are_one_list
    field_case_01_two_announcements_of_one_upload_start_it_once
    newcomer_warnings_of_the_last_attempts_are_counted_read_and_listed
    newcomer_what_announced_an_output_is_known_and_can_be_withdrawn
    field_fault_owncast_1504_what_follows_waits_with_what_is_tried_again
    field_fault_owncast_1504_deliveries_that_panic_free_their_places
    field_fault_owncast_1504_a_receiver_that_never_answers_holds_up_no_other
    field_fault_owncast_1504_a_receiver_that_asks_to_wait_is_left_alone
    due_notifications_are_chosen_by_the_room_of_their_receivers
    newcomer_many_long_warnings_fit_into_a_notification
    newcomer_what_waits_is_told_from_what_runs
    a_panic_is_a_bug_that_changes_nothing
    a_claim_takes_along_what_waits_in_the_same_queue_with_the_same_priority
    a_claim_takes_along_no_more_than_its_queue_has_room_for
    a_claim_takes_along_no_job_that_was_tried_before
}
