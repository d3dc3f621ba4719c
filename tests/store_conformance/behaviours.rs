//! The behaviours: each takes a world with an empty store.

use reelmill::model::Code;

use super::*;
use std::collections::BTreeSet;

pub use super::grouping::*;
pub use super::listing::*;
pub use super::results::*;
pub use super::telling::*;

pub async fn field_case_01_an_upload_starts_each_workflow_once(world: World) {
    let (event, plan) = (event("clip.mp4"), one("vod"));
    let record = async || {
        let starts = vec![world.execution(&plan, "clip.mp4")];
        world.store.record_event(&identity(&event), &event, matched("vod"), starts, world.now()).await.unwrap()
    };
    let EventOutcome::Recorded(executions) = record().await else { panic!("it is new") };
    assert_eq!(record().await, EventOutcome::Duplicate);
    assert_eq!(record().await, EventOutcome::Duplicate);
    let ledger = ledger(&world, 10).await;
    assert_eq!(ledger.len(), 1);
    assert_eq!((ledger[0].duplicates, &ledger[0].executions), (2, &executions));
    assert_eq!((ledger[0].event.as_ref(), &ledger[0].decisions), (Some(&event), &matched("vod")));
    assert_eq!(world.store.executions(ExecutionFilter { limit: 10, ..Default::default() }).await.unwrap().len(), 1);
}

pub async fn field_case_02_a_burst_of_events_loses_none(world: World) {
    let plan = one("vod");
    let record = |n: usize| {
        let (key, world, plan) = (format!("{n}.mp4"), &world, &plan);
        async move {
            let (event, starts) = (event(&key), vec![world.execution(plan, &key)]);
            world.store.record_event(&identity(&event), &event, matched("vod"), starts, world.now()).await.unwrap()
        }
    };
    futures::future::join_all((0..500).map(record)).await;
    let page = world.store.executions(ExecutionFilter { limit: 1_000, ..Default::default() }).await.unwrap();
    let keys: BTreeSet<_> = page.iter().map(|execution| execution.input.location.key.clone()).collect();
    assert_eq!((page.len(), keys.len()), (500, 500));
}

pub async fn field_case_03_an_event_and_its_executions_are_recorded_together(world: World) {
    let (event, plan) = (event("clip.mp4"), one("vod"));
    let broken = NewExecution { jobs: Vec::new(), ..world.execution(&plan, "clip.mp4") };
    let starts = vec![world.execution(&plan, "clip.mp4"), broken];
    let refused = world.store.record_event(&identity(&event), &event, matched("vod"), starts, world.now()).await;
    assert!(matches!(refused, Err(StoreError::Illegal(_))), "{refused:?}");
    assert!(ledger(&world, 10).await.is_empty());
    assert!(world.claim().await.is_none());
    let starts = vec![world.execution(&plan, "clip.mp4")];
    let again = world.store.record_event(&identity(&event), &event, matched("vod"), starts, world.now()).await.unwrap();
    assert!(matches!(again, EventOutcome::Recorded(_)));
}

pub async fn a_failing_command_undoes_no_other(world: World) {
    let plan = one("vod");
    let good = futures::future::join_all((0..20).map(|_| world.store.start(world.execution(&plan, "k"), world.now())));
    let bad = futures::future::join_all((0..20).map(|_| {
        let broken = NewExecution { jobs: Vec::new(), ..world.execution(&plan, "k") };
        world.store.start(broken, world.now())
    }));
    let (good, bad) = futures::join!(good, bad);
    assert!(good.iter().all(Result::is_ok) && bad.iter().all(Result::is_err));
    let page = world.store.executions(ExecutionFilter { limit: 100, ..Default::default() }).await.unwrap();
    assert_eq!(page.len(), 20);
}

pub async fn an_execution_is_created_once(world: World) {
    let new = world.execution(&chain(), "clip.mp4");
    world.store.start(new.clone(), world.now()).await.unwrap();
    world.store.start(new.clone(), world.now()).await.unwrap();
    let record = world.store.execution(new.id).await.unwrap().unwrap();
    assert_eq!((record.summary.input, record.params, record.user_data), (new.input, new.params, new.user_data));
    assert_eq!(record.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), new.jobs);
    assert_eq!(world.words(new.id).await, "running queued waiting");
    assert!(world.store.execution(ExecutionId(world.ids.next(world.now()))).await.unwrap().is_none());
}

pub async fn executions_share_plans_but_never_take_another_one(world: World) {
    let first = world.start(&one("vod")).await;
    let same = world.start(&one("vod")).await;
    let mut changed = plan("vod", vec![activity("a"), activity("b")], &[]);
    "d".clone_into(&mut changed.digest);
    let other = world.start(&Arc::new(changed)).await;
    for (id, activities) in [(first, 1), (same, 1), (other, 2)] {
        let record = world.store.execution(id).await.unwrap().unwrap();
        assert_eq!(record.plan.graph.node_count(), activities);
    }
}

pub async fn field_case_09_jobs_are_claimed_by_priority_then_in_order_of_submission(world: World) {
    let low = world.start(&with_priority(1)).await;
    let (first, second) = (world.start(&chain()).await, world.start(&chain()).await);
    let high = world.start(&with_priority(10)).await;
    let claim = world.claim_one().await;
    assert_eq!(claim.execution, high);
    let claim = world.claim_one().await;
    assert_eq!((claim.execution, claim.activity), (first, 0));
    world.succeed(&claim).await.unwrap();
    let mut order = Vec::new();
    while let Some(claim) = world.claim().await {
        order.push((claim.execution, claim.activity));
    }
    assert_eq!(order, [(first, 1), (second, 0), (low, 0)]);
}

pub async fn a_claim_carries_what_the_work_needs(world: World) {
    let id = world.start(&chain()).await;
    let claim = world.claim_one().await;
    let output = OutputObject {
        location: ObjectLocation { bucket: "media".to_owned(), key: "a.mp4".to_owned() },
        size_bytes: 7,
        content_type: "video/mp4".to_owned(),
        role: FileRole::Media,
        media: None,
    };
    let result = json!({"video": {"height": 720}});
    world.store.succeed(claim.job, 1, result.clone(), vec![output.clone()], world.now()).await.unwrap();
    let claim = world.claim_one().await;
    assert_eq!((claim.execution, claim.activity, claim.attempt), (id, 1, 1));
    assert_eq!((&claim.input, &claim.params["title"]), (&object("clip.mp4"), &json!("Tears")));
    let upstream = &claim.state.activities[0];
    assert_eq!(upstream.outputs(), [output]);
    assert!(matches!(upstream, ActivityState::Succeeded { result: made, .. } if **made == result));
    assert!(matches!(claim.state.activities[1], ActivityState::Running { .. }));
    assert!(world.claim().await.is_none());
}

pub async fn heartbeats_prolong_the_lease_and_carry_progress(world: World) {
    let id = world.start(&one("vod")).await;
    let claim = world.claim_one().await;
    let progress = Progress { fraction: Some(0.5), speed: Some(2.0), position_ms: Some(10_000) };
    let now = world.wait(Duration::from_secs(20));
    let beat = world.store.heartbeat(claim.job, 1, LEASE, Some(progress), now).await.unwrap();
    assert_eq!(beat, Heartbeat::Continue);
    assert_eq!(world.store.execution(id).await.unwrap().unwrap().jobs[0].progress, Some(progress));
    let now = world.wait(Duration::from_secs(20));
    assert_eq!(world.store.reap(now).await.unwrap(), (0, Some(Duration::from_secs(10))));
    world.store.cancel(id, "no longer needed", "me", now).await.unwrap();
    assert_eq!(world.store.heartbeat(claim.job, 1, LEASE, None, now).await.unwrap(), Heartbeat::Stop);
    world.fail(&claim, passing()).await.unwrap();
    assert_eq!(world.store.heartbeat(claim.job, 1, LEASE, None, now).await.unwrap(), Heartbeat::Lost);
    assert_eq!(world.store.execution(id).await.unwrap().unwrap().jobs[0].progress, None);
}

pub async fn field_case_22_a_lease_that_runs_out_is_taken_over_and_its_writer_refused(world: World) {
    let id = world.start(&one("vod")).await;
    let late = world.claim_one().await;
    let now = world.wait(LEASE);
    assert_eq!(world.store.reap(now).await.unwrap(), (1, None));
    assert_eq!(world.words(id).await, "running queued");
    let current = world.claim_one().await;
    assert_eq!((current.job, current.attempt), (late.job, 2));
    let stale = |result| assert!(matches!(result, Err(StoreError::Stale { attempt: 1, .. })), "{result:?}");
    stale(world.succeed(&late).await);
    stale(world.fail(&late, fatal()).await);
    stale(world.store.begin_publish(late.job, 1, &[], now).await);
    assert_eq!(world.store.heartbeat(late.job, 1, LEASE, None, now).await.unwrap(), Heartbeat::Lost);
    world.succeed(&current).await.unwrap();
    assert!(matches!(world.succeed(&current).await, Err(StoreError::Stale { attempt: 2, .. })));
    assert_eq!(world.words(id).await, "succeeded succeeded");
}

pub async fn field_case_21_a_restarted_daemon_takes_back_every_lease(world: World) {
    let (first, second) = (world.start(&chain()).await, world.start(&chain()).await);
    let done = world.claim_one().await;
    world.succeed(&done).await.unwrap();
    let (running, other) = (world.claim_one().await, world.claim_one().await);
    assert_eq!(world.take_all_back().await, 2);
    assert_eq!(world.take_all_back().await, 0);
    assert_eq!(world.words(first).await, "running succeeded queued");
    assert_eq!(world.words(second).await, "running queued waiting");
    assert!(world.succeed(&running).await.is_err() && world.succeed(&other).await.is_err());
}

pub async fn retries_wait_for_their_time(world: World) {
    let retry = RetryPolicy { attempts: 2, backoff: Duration::from_secs(8), max: Duration::from_secs(8) };
    let id = world.start(&Arc::new(plan("r", vec![Activity { retry, ..activity("a") }], &[]))).await;
    let claim = world.claim_one().await;
    world.fail(&claim, passing()).await.unwrap();
    assert_eq!(world.words(id).await, "running retrying");
    assert!(world.claim().await.is_none());
    let (moved, due) = world.store.reap(world.now()).await.unwrap();
    let due = due.expect("a retry waits");
    assert!(moved == 0 && due > Duration::from_secs(6));
    let due = world.wait(due);
    assert_eq!(world.store.reap(due).await.unwrap(), (1, None));
    let claim = world.claim_one().await;
    world.fail(&claim, passing()).await.unwrap();
    assert_eq!(world.words(id).await, "failed failed");
}

pub async fn field_fault_argo_7349_an_outage_is_waited_out_over_restarts(world: World) {
    let retry = RetryPolicy { attempts: 2, backoff: Duration::from_secs(8), max: Duration::from_secs(8) };
    let id = world.start(&Arc::new(plan("r", vec![Activity { retry, ..activity("a") }], &[]))).await;
    let mut attempts = 0;
    let outage = |state: &ActivityState| match state {
        ActivityState::Retrying { tally, .. } => tally.outage,
        other => panic!("{other:?}"),
    };
    let began = world.now();
    while world.now().since(began) < Duration::from_secs(600) {
        let claim = world.claim_one().await;
        attempts += 1;
        world.fail_patiently(&claim, passing()).await;
        assert_eq!(world.words(id).await, "running retrying");
        let waits = outage(&world.store.execution(id).await.unwrap().unwrap().state.activities[0]).unwrap();
        assert_eq!((waits.since, waits.failures, waits.renewals), (began, attempts, 0));
        world.take_all_back().await;
        let (_, due) = world.store.reap(world.now()).await.unwrap();
        if let Some(due) = due {
            world.store.reap(world.wait(due)).await.unwrap();
        }
    }
    assert!(attempts > 5, "{attempts}");
    world.wait(Duration::from_secs(3600));
    let claim = world.claim_one().await;
    world.fail_patiently(&claim, passing()).await;
    assert_eq!(world.words(id).await, "running retrying", "time in the queue is no outage");
    for _ in 0..30 {
        let (_, due) = world.store.reap(world.now()).await.unwrap();
        let Some(due) = due else { break };
        world.store.reap(world.wait(due)).await.unwrap();
        let claim = world.claim_one().await;
        world.wait(Duration::from_secs(200));
        world.fail_patiently(&claim, passing()).await;
    }
    assert_eq!(world.words(id).await, "failed failed");
    let record = world.store.execution(id).await.unwrap().unwrap();
    let ActivityState::Failed { failure, .. } = &record.state.activities[0] else { panic!("{record:?}") };
    assert_eq!(failure.code, "ENG0003", "{failure}");

    let id = world.start(&one("vod")).await;
    let claim = world.claim_one().await;
    world.fail_patiently(&claim, passing()).await;
    world.store.cancel(id, "no longer needed", "me", world.now()).await.unwrap();
    assert_eq!(world.words(id).await, "cancelled cancelled", "what waits can be cancelled");
}

pub async fn cancelling_stops_what_waits_and_asks_what_runs(world: World) {
    let id = world.start(&Arc::new(plan("c", vec![activity("a"), activity("b")], &[]))).await;
    let claim = world.claim_one().await;
    world.store.cancel(id, "no longer needed", "me", world.now()).await.unwrap();
    world.store.cancel(id, "again", "me", world.now()).await.unwrap();
    assert_eq!(world.words(id).await, "running running cancelled");
    assert!(world.claim().await.is_none());
    world.succeed(&claim).await.unwrap();
    assert_eq!(world.words(id).await, "cancelled succeeded cancelled");
    let refused = world.store.cancel(id, "too late", "me", world.now()).await;
    assert!(matches!(refused, Err(StoreError::Illegal(_))), "{refused:?}");
    let unknown = world.store.cancel(ExecutionId(world.ids.next(world.now())), "", "", world.now()).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
}

pub async fn field_case_23_a_retry_starts_from_what_failed(world: World) {
    let id = world.start(&chain()).await;
    let claim = world.claim_one().await;
    world.succeed(&claim).await.unwrap();
    let claim = world.claim_one().await;
    world.fail(&claim, fatal()).await.unwrap();
    assert_eq!(world.words(id).await, "failed succeeded failed");
    world.store.retry(id, BTreeMap::new(), "me", world.now()).await.unwrap();
    assert_eq!(world.words(id).await, "running succeeded queued");
    assert!(matches!(world.store.retry(id, BTreeMap::new(), "me", world.now()).await, Err(StoreError::Illegal(_))));
    let claim = world.claim_one().await;
    assert_eq!(claim.attempt, 2);
    world.succeed(&claim).await.unwrap();
    assert_eq!(world.words(id).await, "succeeded succeeded succeeded");
}

pub async fn notes_are_logged_while_the_lease_holds(world: World) {
    let id = world.start(&one("vod")).await;
    let claim = world.claim_one().await;
    let note = |message: &str| LogEvent::Note { message: message.to_owned() };
    world.store.note(claim.job, 1, note("hello"), world.now()).await.unwrap();
    let forged = world.store.note(claim.job, 1, LogEvent::Cancelled, world.now()).await;
    assert!(matches!(forged, Err(StoreError::Illegal(_))), "{forged:?}");
    assert_eq!(world.take_all_back().await, 1);
    world.store.note(claim.job, 1, note("too late"), world.now()).await.unwrap();
    let log = world.store.log(id, 0, 100).await.unwrap();
    let notes: Vec<_> = log.iter().filter(|entry| entry.event.is_mark()).map(|entry| entry.event.to_string()).collect();
    assert_eq!(notes, ["hello"]);
    world.words(id).await;
}

pub async fn a_log_is_read_in_pages(world: World) {
    let id = world.start(&chain()).await;
    while let Some(claim) = world.claim().await {
        world.succeed(&claim).await.unwrap();
    }
    let whole = world.store.log(id, 0, 100).await.unwrap();
    assert_eq!(whole.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
    let mut pages = Vec::new();
    while let page = world.store.log(id, pages.len() as u64, 3).await.unwrap()
        && !page.is_empty()
    {
        pages.extend(page);
    }
    assert_eq!(pages, whole);
    let unknown = world.store.log(ExecutionId(world.ids.next(world.now())), 0, 1).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
}

pub async fn executions_are_listed_newest_first_and_filtered(world: World) {
    let (vod, audio) = (one("vod"), one("audio"));
    let mut ids = Vec::new();
    for plan in [&vod, &audio, &vod, &vod] {
        ids.push(world.start(plan).await);
        world.wait(Duration::from_secs(1));
    }
    let claim = world.claim_one().await;
    world.succeed(&claim).await.unwrap();
    let list = async |filter: ExecutionFilter| {
        let page = world.store.executions(filter).await.unwrap();
        page.iter().map(|execution| ids.iter().position(|id| *id == execution.id).unwrap()).collect::<Vec<_>>()
    };
    let all = ExecutionFilter { limit: 10, ..ExecutionFilter::default() };
    assert_eq!(list(all.clone()).await, [3, 2, 1, 0]);
    assert_eq!(list(ExecutionFilter { limit: 2, ..all.clone() }).await, [3, 2]);
    assert_eq!(list(ExecutionFilter { before: Some(ids[2]), ..all.clone() }).await, [1, 0]);
    assert_eq!(list(ExecutionFilter { workflows: vec!["vod".to_owned()], ..all.clone() }).await, [3, 2, 0]);
    assert_eq!(list(ExecutionFilter { states: vec![ExecutionStatus::Succeeded], ..all.clone() }).await, [0]);
    assert_eq!(list(ExecutionFilter { since: Some(Timestamp(3_000_000)), ..all.clone() }).await, [3, 2]);
    let both = ExecutionFilter { workflows: vec!["vod".to_owned()], states: vec![ExecutionStatus::Queued], ..all };
    assert_eq!(list(ExecutionFilter { before: Some(ids[3]), ..both }).await, [2]);
}

pub async fn the_ledger_is_listed_by_object_and_in_pages(world: World) {
    for key in ["a.mp4", "b.mp4"] {
        let event = event(key);
        world.store.record_event(&identity(&event), &event, Vec::new(), Vec::new(), world.now()).await.unwrap();
    }
    let newer = ObjectEvent { sequencer: Some("2".to_owned()), ..event("a.mp4") };
    world.store.record_event(&identity(&newer), &newer, Vec::new(), Vec::new(), world.now()).await.unwrap();
    let of = EventFilter { object: Some(object("a.mp4").location), before: None, limit: 10 };
    let found = world.store.events(of.clone()).await.unwrap();
    let sequencers: Vec<_> = found.iter().map(|e| e.event.as_ref().unwrap().sequencer.clone().unwrap()).collect();
    assert_eq!(sequencers, ["2", "1"]);
    let older = world.store.events(EventFilter { before: Some(found[0].seq), ..of }).await.unwrap();
    assert_eq!(older, found[1..]);
    let all = ledger(&world, 10).await;
    assert!(all.len() == 3 && all.is_sorted_by(|a, b| a.seq > b.seq), "{all:?}");
    assert_eq!(ledger(&world, 2).await, all[..2]);
    let rest = EventFilter { before: Some(all[1].seq), limit: 2, ..EventFilter::default() };
    assert_eq!(world.store.events(rest).await.unwrap(), all[2..]);
}

pub async fn text_with_nul_matches_nothing_and_breaks_nothing(world: World) {
    world.start(&one("vod")).await;
    let event = event("a.mp4");
    world.store.record_event(&identity(&event), &event, Vec::new(), Vec::new(), world.now()).await.unwrap();
    for (workflows, found) in [(vec!["\0"], 0), (vec!["vod\0"], 0), (vec!["\0", "vod"], 1)] {
        let workflows = workflows.into_iter().map(str::to_owned).collect();
        let filter = ExecutionFilter { workflows, limit: 10, ..ExecutionFilter::default() };
        assert_eq!(world.store.executions(filter).await.unwrap().len(), found);
    }
    for (bucket, key) in [("\0", "a.mp4"), ("uploads", "a.mp4\0"), ("uploads", "\0")] {
        let location = ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() };
        assert!(world.store.lineage(&location).await.unwrap().is_empty());
        let filter = EventFilter { object: Some(location), before: None, limit: 10 };
        assert_eq!(world.store.events(filter).await.unwrap(), []);
    }
}

pub async fn an_unreadable_message_is_kept_once_and_not_whole(world: World) {
    let long = format!("x{}", "é".repeat(5_000));
    for body in ["{}", &long, "{}", &format!("{long} but another")] {
        world.store.record_unreadable(body, "no shape fits", world.now()).await.unwrap();
    }
    let ledger = ledger(&world, 10).await;
    let bodies: Vec<_> = ledger.iter().map(|entry| entry.body.as_deref().unwrap()).collect();
    assert_eq!((bodies.len(), bodies[2]), (3, "{}"));
    assert_eq!((bodies[0].len(), bodies[1]), (4_095, bodies[0]));
    assert_eq!((ledger[2].duplicates, ledger[2].unreadable.as_deref()), (1, Some("no shape fits")));
    assert!(ledger.iter().all(|entry| entry.event.is_none() && entry.executions.is_empty()));
}

pub async fn field_case_27_what_was_published_is_known_with_its_ancestors(world: World) {
    world.start_on(&one("vod"), "upload.mov").await;
    let claim = world.claim_one().await;
    let first = world.publish(&claim, "vod.mp4").await;
    assert_eq!(world.store.lineage(&first).await.unwrap(), ["vod"]);
    world.publish(&claim, "vod.mp4").await;

    let mut thumbs = world.execution(&one("thumbs"), "");
    thumbs.input.location = first.clone();
    world.store.start(thumbs, world.now()).await.unwrap();
    let claim = world.claim_one().await;
    let second = world.publish(&claim, "thumb.jpg").await;
    assert_eq!(world.store.lineage(&second).await.unwrap(), ["thumbs", "vod"]);
    assert!(world.store.lineage(&object("upload.mov").location).await.unwrap().is_empty());
}

pub async fn field_case_32_notifications_come_in_order_per_execution_and_receiver(world: World) {
    let id = world.start(&told()).await;
    let claim = world.claim_one().await;
    world.succeed(&claim).await.unwrap();
    let due = async || {
        let due = world.store.due_notifications(up_to(10), world.now()).await.unwrap();
        assert!(due.iter().all(|notification| notification.execution == id));
        due
    };
    let mut told = due().await;
    told.sort_by_key(|notification| notification.id);
    assert_eq!(told.iter().map(|n| n.state).collect::<Vec<_>>(), [ExecutionState::Running; 2]);
    assert_ne!(told[0].target, told[1].target);

    world.store.delivered(told[0].id, world.now()).await.unwrap();
    world.store.delivered(told[0].id, world.now()).await.unwrap();
    let later = Duration::from_secs(60);
    world.store.undelivered(told[1].id, "queue gone", Some(later), world.now()).await.unwrap();
    let next = due().await;
    assert_eq!((next.len(), next[0].state), (1, ExecutionState::Succeeded));
    assert_eq!(next[0].target, told[0].target);
    world.store.delivered(next[0].id, world.now()).await.unwrap();
    assert!(due().await.is_empty() && !world.store.is_idle().await.unwrap());

    world.wait(Duration::from_secs(60));
    let again = due().await;
    assert_eq!((again.len(), again[0].id, again[0].attempts), (1, told[1].id, 1));
    world.store.undelivered(again[0].id, "queue gone", None, world.now()).await.unwrap();
    let last = due().await;
    assert_eq!((last.len(), last[0].state), (1, ExecutionState::Succeeded));
    world.store.delivered(last[0].id, world.now()).await.unwrap();
    assert!(due().await.is_empty() && world.store.is_idle().await.unwrap());
    let unknown = world.store.delivered(1_000, world.now()).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
}

pub async fn a_store_is_idle_when_nothing_is_left_to_do(world: World) {
    assert!(world.store.is_idle().await.unwrap());
    world.start(&chain()).await;
    while let Some(claim) = world.claim().await {
        assert!(!world.store.is_idle().await.unwrap());
        world.succeed(&claim).await.unwrap();
    }
    assert!(world.store.is_idle().await.unwrap());
}

pub async fn changes_are_hinted_at_once_they_can_be_read(world: World) {
    let mut hints = world.store.hints();
    let id = world.start(&told()).await;
    let mut heard = Vec::new();
    while let Ok(hint) = hints.try_recv() {
        heard.push(hint);
    }
    for hint in [Hint::Queue, Hint::Outbox, Hint::Execution(id)] {
        assert!(heard.contains(&hint), "{hint:?} in {heard:?}");
    }
    let refused = world.store.cancel(ExecutionId(world.ids.next(world.now())), "", "", world.now()).await;
    assert!(refused.is_err() && hints.try_recv().is_err());
}

pub async fn many_workers_share_the_queue(world: World) {
    let plan = Arc::new(plan("many", (0..5).map(|n| activity(&format!("a{n}"))).collect(), &[]));
    for _ in 0..20 {
        world.start(&plan).await;
    }
    let work = |_| async {
        let mut done = Vec::new();
        while let Some(claim) = world.claim().await {
            world.succeed(&claim).await.unwrap();
            done.push(claim.job);
        }
        done
    };
    let done: Vec<_> = futures::future::join_all((0..8).map(work)).await.concat();
    assert_eq!((done.len(), done.iter().collect::<BTreeSet<_>>().len()), (100, 100));
    let all = world.store.executions(ExecutionFilter { limit: 100, ..Default::default() }).await.unwrap();
    assert!(all.iter().all(|execution| execution.state == ExecutionState::Succeeded));
}

pub async fn a_queue_runs_no_more_jobs_than_it_may(world: World) {
    let ids = [world.start(&queued_in("slow", 5)).await, world.start(&queued_in("slow", 5)).await];
    world.set("slow", QueueChange { concurrency: Some(1), paused: None }).await;
    let first = world.claim_one().await;
    assert!(world.claim().await.is_none(), "one runs");
    world.succeed(&first).await.unwrap();
    let second = world.claim_one().await;
    assert_eq!([first.execution, second.execution], ids);
    world.start(&queued_in("slow", 5)).await;
    world.set("slow", QueueChange { concurrency: Some(0), paused: None }).await;
    world.claim_one().await;
    let status = world.store.queues().await.unwrap();
    let slow = status.iter().find(|queue| queue.name == "slow").expect("it was set");
    assert_eq!((slow.concurrency, slow.paused, slow.waiting, slow.running, slow.oldest), (0, false, 0, 2, None));
}

pub async fn a_paused_queue_gives_nothing_until_it_is_resumed(world: World) {
    world.set("nightly", QueueChange { concurrency: None, paused: Some(true) }).await;
    let id = world.start(&queued_in("nightly", 5)).await;
    assert!(world.claim().await.is_none());
    let status = world.store.queues().await.unwrap();
    assert_eq!((status[0].name.as_str(), status[0].paused, status[0].waiting), ("nightly", true, 1));
    assert!(status[0].oldest.is_some());
    world.set("nightly", QueueChange { concurrency: None, paused: Some(false) }).await;
    assert_eq!(world.claim_one().await.execution, id);
}

pub async fn field_case_09_a_long_queue_does_not_hold_up_another(world: World) {
    let many = queued_in("bulk", 10);
    for _ in 0..20 {
        world.start(&many).await;
    }
    let small = [world.start(&queued_in("quick", 1)).await, world.start(&queued_in("quick", 1)).await];
    let claims = [world.claim_one().await, world.claim_one().await, world.claim_one().await, world.claim_one().await];
    let quick: Vec<_> = claims.iter().map(|claim| claim.execution).filter(|id| small.contains(id)).collect();
    assert_eq!(quick, small, "each queue gets half of the slots");
}

pub async fn a_claimant_takes_from_the_queues_that_it_serves(world: World) {
    world.start(&queued_in("cpu", 5)).await;
    let gpu = world.start(&queued_in("gpu", 5)).await;
    let claimant = Claimant { name: "card".to_owned(), queues: vec!["gpu".to_owned()] };
    let claim = async || world.store.claim(&claimant, LEASE, world.now()).await.unwrap();
    assert_eq!(claim().await.expect("a job for it").execution, gpu);
    assert!(claim().await.is_none());
    assert!(world.claim().await.is_some());
}

pub async fn a_waiting_job_can_be_put_first(world: World) {
    let (first, second) = (world.start(&queued_in("default", 5)).await, world.start(&chain()).await);
    world.store.prioritize(second, 9, "me", world.now()).await.unwrap();
    let claim = world.claim_one().await;
    assert_eq!(claim.execution, second);
    world.succeed(&claim).await.unwrap();
    assert_eq!(world.claim_one().await.execution, second, "what comes after it too");
    let log = world.store.log(second, 0, 100).await.unwrap();
    assert!(log.iter().any(|entry| entry.event == LogEvent::Priority { priority: 9, by: "me".to_owned() }));
    world.words(second).await;
    let claim = world.claim_one().await;
    assert_eq!(claim.execution, first);
    world.succeed(&claim).await.unwrap();
    let late = world.store.prioritize(first, 9, "me", world.now()).await;
    assert!(matches!(late, Err(StoreError::Illegal(_))), "{late:?}");
}

pub async fn a_job_that_is_handed_back_is_queued_at_once_and_loses_nothing(world: World) {
    let id = world.start(&one("vod")).await;
    for attempt in 1..=30 {
        let claim = world.claim_one().await;
        assert_eq!(claim.attempt, attempt);
        world.store.hand_back(claim.job, claim.attempt, "the daemon shuts down", world.now()).await.unwrap();
        let again = world.store.hand_back(claim.job, claim.attempt, "the daemon shuts down", world.now()).await;
        assert!(matches!(again, Err(StoreError::Stale { .. })), "{again:?}");
    }
    assert_eq!(world.words(id).await, "running queued");
}

pub async fn an_execution_that_runs_too_long_is_stopped_and_fails(world: World) {
    let limit = Duration::from_secs(100);
    let mut plan = plan("late", vec![activity("a"), activity("b"), activity("c")], &[(0, 1, Need::Input)]);
    plan.deadline = Some(limit);
    let id = world.start(&Arc::new(plan)).await;
    let (running, other) = (world.claim_one().await, world.claim_one().await);
    world.succeed(&other).await.unwrap();
    let beat = async |now| world.store.heartbeat(running.job, running.attempt, limit, None, now).await.unwrap();
    let now = world.wait(limit / 2);
    beat(now).await;
    assert_eq!(world.store.reap(now).await.unwrap(), (0, Some(limit / 2)));
    let now = world.wait(limit / 2);
    assert_eq!(world.store.reap(now).await.unwrap().0, 1);
    assert_eq!(world.store.reap(now).await.unwrap().0, 0, "once");
    assert_eq!(beat(now).await, Heartbeat::Stop);
    world.fail(&running, passing()).await.unwrap();
    assert_eq!(world.words(id).await, "failed cancelled cancelled succeeded");
    world.store.retry(id, BTreeMap::new(), "me", now).await.unwrap();
    let now = world.wait(limit);
    assert_eq!(world.store.reap(now).await.unwrap().0, 1, "a retry has its own time");
    assert_eq!(world.words(id).await, "failed cancelled cancelled succeeded");
}

pub async fn field_case_23_a_retry_can_change_parameters(world: World) {
    let id = world.start(&one("vod")).await;
    let claim = world.claim_one().await;
    world.fail(&claim, fatal()).await.unwrap();
    let params = BTreeMap::from([("title".to_owned(), json!("Sintel"))]);
    world.store.retry(id, params.clone(), "me", world.now()).await.unwrap();
    assert_eq!(world.claim_one().await.params, params);
    assert_eq!(world.store.execution(id).await.unwrap().unwrap().params, params);
    let refused = world.store.retry(id, BTreeMap::from([("title".to_owned(), json!("x"))]), "me", world.now()).await;
    assert!(matches!(refused, Err(StoreError::Illegal(_))), "{refused:?}");
    assert_eq!(world.store.execution(id).await.unwrap().unwrap().params, params);
    let log = world.store.log(id, 0, 100).await.unwrap();
    assert!(log.iter().any(|entry| entry.event.to_string().contains("title = \"Sintel\" (by me)")), "{log:?}");
}

pub async fn field_case_26_what_is_old_goes_and_what_is_not_stays(world: World) {
    let retention = Retention {
        executions: Duration::from_secs(1_000),
        logs: Duration::from_secs(500),
        events: Duration::from_secs(2_000),
        requests: Duration::from_secs(3_000),
    };
    let event = event("clip.mp4");
    let starts = vec![world.execution(&one("vod"), "clip.mp4")];
    world.store.record_event(&identity(&event), &event, matched("vod"), starts, world.now()).await.unwrap();
    let ended = world.claim_one().await;
    world.succeed(&ended).await.unwrap();
    let untold = world.start(&told()).await;
    let claim = world.claim_one().await;
    world.succeed(&claim).await.unwrap();
    let running = world.start(&one("vod")).await;
    let warned = world.claim_one().await;
    let warning = LogEvent::Warning { code: Code::new("TEST0001"), message: "odd".to_owned() };
    world.store.note(warned.job, warned.attempt, warning.clone(), world.now()).await.unwrap();
    let prune = async |now| world.store.prune(retention, 100, now).await.unwrap();
    assert_eq!(prune(world.now()).await, Pruned::default());
    let now = world.wait(Duration::from_secs(1_001));
    assert_eq!(prune(now).await, Pruned { executions: 1, ..Pruned::default() });
    let says = async |id| world.store.log(id, 0, 100).await.unwrap().iter().any(|entry| entry.event == warning);
    assert!(says(running).await, "it still runs");
    world.fail(&warned, fatal()).await.unwrap();
    assert_eq!(prune(now).await, Pruned { marks: 1, ..Pruned::default() });
    assert!(!says(running).await);
    let left = world.store.execution(running).await.unwrap().unwrap();
    assert_eq!(left.summary.state, ExecutionState::Failed, "its states are still told");
    assert!(world.store.execution(ended.execution).await.unwrap().is_none());
    assert!(world.store.execution(untold).await.unwrap().is_some(), "somebody has still to be told");
    assert!(world.store.execution(running).await.unwrap().is_some());
    assert!(ledger(&world, 10).await[0].executions.is_empty());
    let now = world.wait(Duration::from_secs(1_000));
    assert_eq!(prune(now).await, Pruned { events: 1, ..Pruned::default() });
    let asked = request("a", "first");
    assert_eq!(world.store.remember(&asked, now).await.unwrap(), None);
    let now = world.wait(Duration::from_secs(3_001));
    assert_eq!(prune(now).await.requests, 1);
    assert_eq!(world.store.remember(&asked, now).await.unwrap(), None, "it is forgotten");
}

pub async fn a_plan_goes_with_its_last_execution(world: World) {
    let none = Duration::ZERO;
    let retention = Retention { executions: none, logs: none, events: none, requests: none };
    let plan = one("single");
    let end = async || {
        let id = world.start(&plan).await;
        let claim = world.claim_one().await;
        world.succeed(&claim).await.unwrap();
        id
    };
    let first = end().await;
    let later = world.wait(Duration::from_secs(1));
    let running = world.start(&plan).await;
    assert_eq!(world.store.prune(retention, 100, later).await.unwrap().executions, 1);
    assert!(world.store.execution(first).await.unwrap().is_none());
    assert_eq!(world.words(running).await, "running queued", "its plan is still there");
    let claim = world.claim_one().await;
    world.succeed(&claim).await.unwrap();
    let later = world.wait(Duration::from_secs(1));
    assert_eq!(world.store.prune(retention, 100, later).await.unwrap().executions, 1);
    let again = end().await;
    assert_eq!(world.words(again).await, "succeeded succeeded", "the plan was written anew");
}

fn request(key: &str, note: &str) -> Request {
    Request { key: key.to_owned(), digest: [7; 32], note: note.to_owned() }
}

pub async fn a_request_is_remembered_once(world: World) {
    let first = request("POST /v1/jobs\nkey", "first");
    assert_eq!(world.store.remember(&first, world.now()).await.unwrap(), None);
    let other = Request { digest: [8; 32], ..request(&first.key, "second") };
    assert_eq!(world.store.remember(&other, world.now()).await.unwrap(), Some(first));
    let together = (0..10).map(|n| {
        let request = request("race", &n.to_string());
        let (store, now) = (&world.store, world.now());
        async move { store.remember(&request, now).await.unwrap() }
    });
    let answers = futures::future::join_all(together).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_none()).count(), 1, "one of them came first");
    let notes: BTreeSet<_> = answers.iter().flatten().map(|request| &request.note).collect();
    assert_eq!(notes.len(), 1, "and all others learn of it: {answers:?}");
}

pub async fn what_was_set_aside_is_listed_and_sent_again(world: World) {
    let id = world.start(&told()).await;
    let claim = world.claim_one().await;
    world.succeed(&claim).await.unwrap();
    let list = async |delivery| {
        let filter = NotificationFilter { delivery, execution: Some(id), before: None, limit: 10 };
        world.store.notifications(filter).await.unwrap()
    };
    let all = list(None).await;
    assert_eq!(all.len(), 4);
    assert!(all.is_sorted_by(|a, b| a.notification.id > b.notification.id), "newest first");
    let first = world.store.due_notifications(up_to(10), world.now()).await.unwrap().remove(0);
    world.store.undelivered(first.id, "gone", None, world.now()).await.unwrap();
    let aside = list(Some(Delivery::SetAside)).await;
    assert_eq!(aside.len(), 1);
    assert_eq!((aside[0].notification.id, aside[0].error.as_deref()), (first.id, Some("gone")));
    assert_eq!((aside[0].notification.attempts, aside[0].due_at), (1, None));
    let filter = NotificationFilter { before: Some(all[1].notification.id), limit: 1, ..NotificationFilter::default() };
    assert_eq!(world.store.notifications(filter).await.unwrap(), [list(None).await.remove(2)]);

    world.store.resend(first.id, world.now()).await.unwrap();
    world.store.resend(first.id, world.now()).await.unwrap();
    assert!(list(Some(Delivery::SetAside)).await.is_empty());
    let due = world.store.due_notifications(up_to(10), world.wait(LEASE)).await.unwrap();
    assert!(due.iter().any(|again| (again.id, again.attempts) == (first.id, 0)), "{due:?}");
    world.store.delivered(first.id, world.now()).await.unwrap();
    assert_eq!(list(Some(Delivery::Delivered)).await.len(), 1);
    let unknown = world.store.resend(1_000_000, world.now()).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
}

pub async fn executions_of_several_workflows_are_one_list(world: World) {
    let mut ids = Vec::new();
    for workflow in ["a", "b", "c", "a", "b"] {
        ids.push(world.start(&one(workflow)).await);
    }
    let list = async |before, limit| {
        let workflows = vec!["a".to_owned(), "b".to_owned()];
        let filter = ExecutionFilter { workflows, before, limit, ..ExecutionFilter::default() };
        let page = world.store.executions(filter).await.unwrap();
        page.iter().map(|one| ids.iter().position(|id| *id == one.id).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 10).await, [4, 3, 1, 0]);
    assert_eq!(list(None, 3).await, [4, 3, 1]);
    assert_eq!(list(Some(ids[3]), 10).await, [1, 0]);
}

pub async fn field_case_01_two_announcements_of_one_upload_start_it_once(world: World) {
    let announce = |name: &'static str, companion: &'static str, sequencer: &str| {
        let mut event = event("big.mp4");
        name.clone_into(&mut event.name);
        event.sequencer = Some(sequencer.to_owned());
        event.object.etag = Some("e-3".to_owned());
        let companion = Some(Companion { name: companion, etag: event.object.etag.clone() });
        (EventIdentity { companion, ..identity(&event) }, event)
    };
    let plan = one("vod");
    let pair = [announce("Put", "CompleteMultipartUpload", "1"), announce("CompleteMultipartUpload", "Put", "2")];
    let record = |(identity, event): &(EventIdentity, ObjectEvent)| {
        let (identity, event, start) = (identity.clone(), event.clone(), world.execution(&plan, "big.mp4"));
        let store = world.store.clone();
        let now = world.now();
        async move { store.record_event(&identity, &event, matched("vod"), vec![start], now).await.unwrap() }
    };
    let both = futures::future::join_all(pair.iter().chain(&pair).map(record)).await;
    let recorded = both.iter().filter(|outcome| matches!(outcome, EventOutcome::Recorded(_))).count();
    assert_eq!(recorded, 1, "{both:?}");
    assert_eq!(ledger(&world, 10).await[0].duplicates, 3);
}

pub async fn queues_with_as_many_running_jobs_take_turns(world: World) {
    for _ in 0..6 {
        world.start(&queued_in("flooded", 10)).await;
    }
    for _ in 0..3 {
        world.start(&queued_in("quiet", 1)).await;
    }
    let mut served = Vec::new();
    for _ in 0..6 {
        let claim = world.claim_one().await;
        world.succeed(&claim).await.unwrap();
        served.push(claim.plan.workflow.clone());
    }
    assert_eq!(served.iter().filter(|queue| *queue == "quiet").count(), 3, "{served:?}");
}

pub async fn a_deadline_that_passes_while_an_execution_stops_asks_for_nothing(world: World) {
    let mut plan = plan("late", vec![activity("a")], &[]);
    plan.deadline = Some(Duration::from_secs(10));
    let id = world.start(&Arc::new(plan)).await;
    let claim = world.claim_one().await;
    world.store.cancel(id, "no longer needed", "me", world.now()).await.unwrap();
    let now = world.wait(Duration::from_secs(11));
    assert_eq!(world.store.reap(now).await.unwrap(), (0, Some(Duration::from_secs(19))));
    world.fail(&claim, passing()).await.unwrap();
    assert_eq!(world.words(id).await, "cancelled cancelled");
}

pub async fn a_panic_is_a_bug_that_changes_nothing(world: World) {
    let (before, plan) = (world.start(&one("before")).await, one("broken"));
    let mut broken = Plan::clone(&plan);
    broken.graph[petgraph::graph::NodeIndex::new(0)].when = Some("panic".to_owned());
    let new = world.execution(&Arc::new(broken), "clip.mp4");
    let id = new.id;
    let refused = world.store.start(new, world.now()).await;
    assert!(matches!(refused, Err(StoreError::Bug(_))), "{refused:?}");
    assert!(world.store.execution(id).await.unwrap().is_none());
    // It goes on with everything else.
    let claim = world.claim_one().await;
    assert_eq!(claim.execution, before);
    world.succeed(&claim).await.unwrap();
    assert_eq!(world.words(before).await, "succeeded succeeded");
}
