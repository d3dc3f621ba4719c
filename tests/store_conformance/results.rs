//! Behaviours about results: warnings, and outputs of one key.

use super::*;

async fn warn(world: &World, claim: &Claim, code: &str) {
    let event = LogEvent::Warning { code: code.parse().unwrap(), message: format!("{code} was seen") };
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
    world.store.hand_back(first.job, first.attempt, "the daemon shuts down", world.now()).await.unwrap();
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
    for (state, found) in [(ExecutionStatus::Succeeded, 1), (ExecutionStatus::Failed, 0)] {
        assert_eq!(warned(&world, ExecutionFilter { states: vec![state], ..all() }).await.len(), found);
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

pub async fn newcomer_what_announced_an_output_is_known_and_can_be_withdrawn(world: World) {
    let output = |key: &str| ObjectLocation { bucket: "media".to_owned(), key: key.to_owned() };
    let publishers = async |keys: &[&str]| {
        let outputs: Vec<_> = keys.iter().map(|key| output(key)).collect();
        let found = world.store.publishers(&outputs).await.unwrap();
        let mut told: Vec<_> =
            found.into_iter().map(|one| (one.object.key, one.execution, one.input.key, one.ended)).collect();
        told.sort_by(|a, b| a.0.cmp(&b.0));
        told
    };
    let first = world.start_on(&one("first"), "same.mp3").await;
    let claim = world.claim_one().await;
    world.publish(&claim, "same.jpg").await;
    world.publish(&claim, "only.jpg").await;
    world.succeed(&claim).await.unwrap();
    let second = world.start_on(&one("second"), "same.wav").await;
    let claim = world.claim_one().await;
    world.publish(&claim, "same.jpg").await;
    let (mp3, wav) = ("same.mp3".to_owned(), "same.wav".to_owned());
    let only = ("only.jpg".to_owned(), first, mp3.clone(), true);
    let both = [("same.jpg".to_owned(), second, wav, false), ("same.jpg".to_owned(), first, mp3, true)];
    assert_eq!(publishers(&["same.jpg"]).await, both, "the newest is first");
    assert_eq!(publishers(&["same.jpg", "only.jpg", "other.jpg"]).await, [&[only], &both[..]].concat());
    assert_eq!(publishers(&[]).await, []);

    world.store.withdraw(claim.job, claim.attempt + 1, &[output("same.jpg")]).await.unwrap();
    assert_eq!(publishers(&["same.jpg"]).await, both, "only who holds the lease withdraws");
    world.store.withdraw(claim.job, claim.attempt, &[output("same.jpg"), output("only.jpg")]).await.unwrap();
    assert_eq!(publishers(&["same.jpg"]).await, both[1..]);
    assert_eq!(publishers(&["only.jpg"]).await.len(), 1, "nobody withdraws what is another's");
    assert_eq!(world.store.lineage(&output("same.jpg")).await.unwrap(), ["first"]);
}
