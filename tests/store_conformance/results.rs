//! Behaviours about results: warnings, and outputs of one key.

use super::*;

async fn warn(world: &World, claim: &Claim, code: &str) {
    let event = LogEvent::Warning { code: code.to_owned(), message: format!("{code} was seen") };
    world.store.note(claim.job, claim.attempt, event, world.now()).await.unwrap();
}

/// How many an execution has, and those that can be read.
async fn warnings(world: &World, id: ExecutionId) -> (u64, String) {
    let record = world.store.execution(id).await.unwrap().unwrap();
    let words = record.warnings.iter().map(|warning| format!("{} {}", warning.activity, warning.code));
    (record.summary.warnings, words.collect::<Vec<_>>().join(", "))
}

async fn warned(world: &World, filter: ExecutionFilter) -> Vec<(ExecutionId, u64)> {
    let page = world.store.executions(ExecutionFilter { warned: true, limit: 10, ..filter }).await.unwrap();
    page.into_iter().map(|one| (one.id, one.warnings)).collect()
}

pub async fn newcomer_warnings_of_the_last_attempts_are_counted_read_and_listed(world: World) {
    let id = world.start(&chain()).await;
    let first = world.claim_one().await;
    let quiet = world.start(&one("quiet")).await;
    warn(&world, &first, "MEDIA0101").await;
    warn(&world, &first, "MEDIA0103").await;
    assert_eq!(warnings(&world, id).await, (2, "a MEDIA0101, a MEDIA0103".to_owned()));
    world.store.hand_back(first.job, first.attempt, "the daemon ends", world.now()).await.unwrap();
    let again = world.claim_one().await;
    assert_eq!((again.job, again.attempt), (first.job, 2));
    assert_eq!(warnings(&world, id).await, (0, String::new()), "what the attempt before said may not be so now");
    warn(&world, &again, "MEDIA0101").await;
    world.succeed(&again).await.unwrap();
    let mut next = world.claim_one().await;
    while next.execution != id {
        world.succeed(&next).await.unwrap();
        next = world.claim_one().await;
    }
    warn(&world, &next, "MEDIA0105").await;
    world.succeed(&next).await.unwrap();
    assert_eq!(world.words(id).await, "succeeded succeeded succeeded");
    assert_eq!(warnings(&world, id).await, (2, "a MEDIA0101, b MEDIA0105".to_owned()));
    assert_eq!(warnings(&world, quiet).await, (0, String::new()));

    let all = ExecutionFilter::default;
    assert_eq!(warned(&world, all()).await, [(id, 2)]);
    for (state, found) in [(ExecutionState::Succeeded, 1), (ExecutionState::Failed, 0)] {
        assert_eq!(warned(&world, ExecutionFilter { state: Some(state), ..all() }).await.len(), found);
    }
    for (name, found) in [("chain", 1), ("quiet", 0)] {
        assert_eq!(warned(&world, ExecutionFilter { workflows: vec![name.to_owned()], ..all() }).await.len(), found);
    }
    assert_eq!(warned(&world, ExecutionFilter { before: Some(id), ..all() }).await, []);

    let (never, none) = (Duration::from_secs(1 << 30), Duration::ZERO);
    let retention = Retention { executions: never, logs: none, events: never, requests: never };
    world.store.prune(retention, 100, world.wait(LEASE)).await.unwrap();
    assert_eq!(warnings(&world, id).await, (2, String::new()), "their text goes with the log, their number stays");
}
