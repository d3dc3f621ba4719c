//! Messages that need the storage while it is away, busy or hangs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reelmill::objects::SharedObjects;
use reelmill::objects::aws::AwsOptions;
use reelmill::objects::s3::S3Buckets;

use crate::intake::{Cloud, executions, intake, message, probing, store, until};
use crate::moto::{Gate, Moto, Way};

/// A parameter makes intake ask the storage.
const PARAMETER: &str = "params: { title: { type: string, default: none } }";

/// The objects behind a gate.
async fn behind(moto: &Moto, gate: &Gate) -> SharedObjects {
    let options = AwsOptions { endpoint: Some(gate.url.clone()), ..moto.options() };
    Arc::new(S3Buckets::new(&options, true).await)
}

#[tokio::test]
async fn field_fault_argo_7349_messages_that_need_the_storage_wait_for_it_and_others_go_on() {
    let Some(moto) = Moto::get() else { return };
    let cloud = Cloud::new(moto, "intake-outage").await.impatient();
    let gate = moto.gate();
    gate.set_open(false);
    let objects = behind(moto, &gate).await;
    let asks = probing("asks", cloud.bucket, PARAMETER);
    let store = store();
    cloud.s3.put_object().bucket(cloud.bucket).key("in/a.mp4").body(b"x".to_vec().into()).send().await.unwrap();
    let running = cloud.consume(intake(&store, objects, vec![asks, cloud.other()])).await;
    cloud.send(&message(cloud.bucket, &["other/a.mp4".to_owned()])).await;
    until("the other", async || executions(&store).await.len() == 1).await;
    assert_eq!(executions(&store).await[0].workflow, "other");
    gate.set_open(true);
    cloud.drained().await;
    assert_eq!(executions(&store).await.len(), 2);
    drop(running);
}

#[tokio::test]
async fn field_fault_argo_7349_a_storage_that_answers_503_drives_no_message_into_the_dead_letter_queue() {
    let Some(moto) = Moto::get() else { return };
    let cloud = Cloud::new(moto, "intake-busy").await.impatient();
    let dead = cloud.redrive("intake-busy-dead", 1).await;
    let gate = moto.gate();
    gate.set(Way::Busy);
    let objects = behind(moto, &gate).await;
    let asks = probing("asks", cloud.bucket, PARAMETER);
    let store = store();
    cloud.s3.put_object().bucket(cloud.bucket).key("in/a.mp4").body(b"x".to_vec().into()).send().await.unwrap();
    let running = cloud.consume(intake(&store, objects, vec![asks])).await;
    // Longer than a message is hidden that is not worked on.
    let began = Instant::now();
    until("time to pass", async || began.elapsed() > Duration::from_secs(12)).await;
    assert_eq!(cloud.messages(&dead).await, 0);
    gate.set(Way::Open);
    cloud.drained().await;
    assert_eq!((executions(&store).await.len(), cloud.messages(&dead).await), (1, 0));
    drop(running);
}

#[tokio::test]
async fn field_fault_argo_7349_a_storage_that_hangs_is_asked_for_one_message_and_others_go_on() {
    let Some(moto) = Moto::get() else { return };
    let cloud = Cloud::new(moto, "intake-hung").await;
    let asks = probing("asks", cloud.bucket, PARAMETER);
    let store = store();
    let began = Instant::now();
    for index in 0..40 {
        cloud.send(&message(cloud.bucket, &[format!("in/{index}.mp4")])).await;
    }
    cloud.send(&message(cloud.bucket, &["other/a.mp4".to_owned()])).await;
    let gate = moto.gate();
    gate.set(Way::Silent);
    let objects = behind(moto, &gate).await;
    let running = cloud.consume(intake(&store, objects, vec![asks, cloud.other()])).await;
    until("the other", async || executions(&store).await.len() == 1).await;
    assert_eq!(executions(&store).await[0].workflow, "other");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}: only the first batch waits", began.elapsed());
    gate.set(Way::Open);
    until("all the others", async || executions(&store).await.len() == 41).await;
    drop(running);
}
