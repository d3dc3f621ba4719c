//! Behaviours about lists: which executions wait, which run, and what holds them up.

use super::*;

/// The executions of these states, by their place in `ids`.
async fn of(world: &World, ids: &[ExecutionId], states: &[ExecutionStatus], workflows: &[&str]) -> Vec<usize> {
    let workflows = workflows.iter().map(|&name| name.to_owned()).collect();
    let filter = ExecutionFilter { states: states.to_vec(), workflows, limit: 10, ..ExecutionFilter::default() };
    let page = world.store.executions(filter).await.unwrap();
    page.iter().map(|one| ids.iter().position(|id| *id == one.id).unwrap()).collect()
}

async fn summary(world: &World, id: ExecutionId) -> ExecutionSummary {
    let listed = world.store.executions(ExecutionFilter { limit: 10, ..ExecutionFilter::default() }).await.unwrap();
    let listed = listed.into_iter().find(|one| one.id == id).unwrap();
    let mut shown = world.store.execution(id).await.unwrap().unwrap().summary;
    shown.jobs.sort_by(|a, b| (&a.queue, a.state).cmp(&(&b.queue, b.state)));
    let mut sorted = listed.jobs.clone();
    sorted.sort_by(|a, b| (&a.queue, a.state).cmp(&(&b.queue, b.state)));
    assert_eq!(shown, ExecutionSummary { jobs: sorted, ..listed.clone() }, "lists and answers agree");
    listed
}

pub async fn newcomer_what_waits_is_told_from_what_runs(world: World) {
    use ExecutionStatus::{Cancelled, Failed, Queued, Running, Succeeded};
    let (vod, audio) = (queued_in("vod", 6), queued_in("audio", 3));
    let mut ids = Vec::new();
    for plan in [&vod, &audio, &vod, &chain()] {
        ids.push(world.start(plan).await);
        world.wait(Duration::from_secs(1));
    }
    assert_eq!(of(&world, &ids, &[Queued], &[]).await, [3, 2, 1, 0]);
    assert_eq!(of(&world, &ids, &[Running], &[]).await, [0; 0]);
    let status = async |at: usize| summary(&world, ids[at]).await.status();
    assert_eq!(status(0).await, Queued);

    // One runs, one waits for its next attempt, which is not in its queue either.
    world.set("audio", QueueChange { paused: Some(true), concurrency: None }).await;
    let of_vod = Claimant { name: "w".to_owned(), queues: vec!["vod".to_owned()] };
    let first = world.store.claim(&of_vod, LEASE, world.now()).await.unwrap().unwrap();
    assert_eq!(status(0).await, Running);
    world.fail(&first, passing()).await.unwrap();
    assert_eq!((status(0).await, world.words(ids[0]).await.as_str()), (Running, "running retrying"));
    assert_eq!(of(&world, &ids, &[Running], &[]).await, [0]);
    assert_eq!(of(&world, &ids, &[Queued], &[]).await, [3, 2, 1]);
    assert_eq!(of(&world, &ids, &[Running, Queued], &["vod", "audio"]).await, [2, 1, 0]);
    assert_eq!(of(&world, &ids, &[Running], &["vod"]).await, [0]);

    let paused = summary(&world, ids[1]).await;
    assert_eq!(paused.waiting().into_iter().collect::<Vec<_>>(), [("audio", true)]);
    assert_eq!((paused.queues().into_iter().collect::<Vec<_>>(), paused.priority()), (vec!["audio"], 3));
    let between = summary(&world, ids[3]).await;
    assert_eq!(
        between.waiting().into_iter().collect::<Vec<_>>(),
        [("default", false)],
        "b waits for a, not in a queue"
    );

    world.store.cancel(ids[1], "enough", "me", world.now()).await.unwrap();
    world.store.prioritize(ids[2], 9, "me", world.now()).await.unwrap();
    assert_eq!(summary(&world, ids[2]).await.priority(), 9);
    let claim = world.claim_one().await;
    world.fail(&claim, fatal()).await.unwrap();
    let failed = ids.iter().position(|id| *id == claim.execution).unwrap();
    let mut ended = vec![failed, 1];
    ended.sort_by(|a, b| b.cmp(a));
    assert_eq!(of(&world, &ids, &[Failed, Cancelled, Succeeded], &[]).await, ended);
    assert!(summary(&world, ids[1]).await.waiting().is_empty());
}
