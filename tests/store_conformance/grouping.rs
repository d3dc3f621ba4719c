//! Behaviours of claims that take along jobs of the same execution.

use super::*;

/// Five activities without needs: `c` with another priority, `d` in another queue.
fn siblings() -> Arc<Plan> {
    let other = |name: &str, queue: &str, priority| Activity { queue: queue.to_owned(), priority, ..activity(name) };
    let first = activity("a");
    let (queue, priority) = (first.queue.clone(), first.priority);
    let activities =
        vec![first, activity("b"), other("c", &queue, priority - 1), other("d", "slow", priority), activity("e")];
    Arc::new(plan("siblings", activities, &[]))
}

const ALL: [usize; 5] = [0, 1, 2, 3, 4];

async fn beside(world: &World, claim: &Claim, activities: &[usize]) -> Vec<Claim> {
    world.store.claim_beside(claim, (activities, 2), &Claimant::of_all("w1"), LEASE, world.now()).await.unwrap()
}

fn names(claims: &[Claim]) -> Vec<usize> {
    claims.iter().map(|claim| claim.activity).collect()
}

pub async fn a_claim_takes_along_what_waits_in_the_same_queue_with_the_same_priority(world: World) {
    let id = world.start(&siblings()).await;
    let other = world.start(&siblings()).await;
    let first = world.claim_one().await;
    assert_eq!((first.execution, first.activity), (id, 0));
    let none = world.store.claim_beside(&first, (&ALL, 0), &Claimant::of_all("w1"), LEASE, world.now()).await;
    assert!(none.unwrap().is_empty(), "no more than asked for");
    assert_eq!(names(&beside(&world, &first, &[4]).await), [4], "only what is asked for");
    let more = beside(&world, &first, &ALL).await;
    assert_eq!(names(&more), [1], "neither another queue nor another priority, and nothing twice");
    assert_eq!(more[0].execution, id);
    assert!(beside(&world, &first, &ALL).await.is_empty());
    assert_eq!(world.words(id).await, "running running running queued queued running");
    assert_eq!(world.words(other).await, "running queued queued queued queued queued", "others are left alone");
    // Each is a job like any other.
    world.succeed(&more[0]).await.unwrap();
    let now = world.now();
    let beat = world.store.heartbeat(more[0].job, more[0].attempt, LEASE, None, now).await.unwrap();
    assert_eq!(beat, Heartbeat::Lost);
    assert_eq!(world.take_all_back().await, 2, "leases of the leader and of its companion");
    assert_eq!(world.words(id).await, "running queued succeeded queued queued queued");
}

pub async fn a_claim_takes_along_no_more_than_its_queue_has_room_for(world: World) {
    let id = world.start(&siblings()).await;
    let first = world.claim_one().await;
    let queue = activity("a").queue;
    world.set(&queue, QueueChange { concurrency: None, paused: Some(true) }).await;
    assert!(beside(&world, &first, &ALL).await.is_empty(), "paused");
    world.set(&queue, QueueChange { concurrency: Some(2), paused: Some(false) }).await;
    assert_eq!(names(&beside(&world, &first, &ALL).await), [1]);
    assert!(beside(&world, &first, &ALL).await.is_empty());
    world.set(&queue, QueueChange { concurrency: Some(0), paused: None }).await;
    assert_eq!(names(&beside(&world, &first, &ALL).await), [4]);
    assert_eq!(world.words(id).await, "running running running queued queued running");
}

pub async fn a_claim_takes_along_no_job_that_was_tried_before(world: World) {
    let id = world.start(&siblings()).await;
    let first = world.claim_one().await;
    let more = beside(&world, &first, &[1, 4]).await;
    assert_eq!(names(&more), [1, 4]);
    for claim in &more {
        world.store.hand_back(claim.job, claim.attempt, "a drain", world.now()).await.unwrap();
    }
    assert_eq!(world.words(id).await, "running running queued queued queued queued");
    assert!(beside(&world, &first, &ALL).await.is_empty(), "whoever asks may not have seen that they were tried");
    let next = [world.claim_one().await, world.claim_one().await].map(|claim| (claim.activity, claim.attempt));
    assert_eq!(next, [(3, 1), (1, 2)], "each alone");
}
