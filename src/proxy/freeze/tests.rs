//! Writes wait, pushes under way end, and each freeze ends as it should; with a clock that the test sets.

use std::pin::pin;

use super::*;

fn admit(freeze: &Freeze, request: &str) -> Result<Option<Write>, Refusal> {
    let (method, path) = request.split_once(' ').unwrap();
    freeze.admit(&Route::parse(method, path, None).unwrap())
}

const LONG: Duration = Duration::from_secs(1800);
const PUSH: &str = "POST /v2/a/blobs/uploads/";

#[tokio::test(start_paused = true)]
async fn pulls_pass_and_writes_wait_until_it_is_thawed() {
    let freeze = Freeze::default();
    assert!(admit(&freeze, PUSH).unwrap().is_some());
    assert_eq!(freeze.freeze(LONG, Duration::ZERO).await, Ok(0));
    assert!(matches!(freeze.status(), FreezeStatus::Frozen { left } if left <= LONG));
    for request in [PUSH, "PUT /v2/a/manifests/1", "DELETE /v2/a/manifests/1", "PATCH /v2/a/blobs/uploads/x"]
    {
        let refusal = admit(&freeze, request).err().unwrap();
        assert_eq!((refusal.code.status(), refusal.retry_after), (503, Some(15)), "{request}");
    }
    assert!(admit(&freeze, "GET /v2/a/manifests/1").unwrap().is_none());
    // To give it more time opens nothing, not even for a push of a moment ago.
    let more = freeze.clone();
    let longer = tokio::spawn(async move { more.freeze(LONG, LONG).await });
    sleep(LOOK).await;
    assert!(admit(&freeze, PUSH).is_err() && longer.is_finished());
    assert!(freeze.thaw() && !freeze.thaw());
    assert!(admit(&freeze, PUSH).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_push_under_way_goes_on_to_its_end_and_no_other_begins() {
    let freeze = Freeze::default();
    let upload = admit(&freeze, PUSH).unwrap();
    let freezing = tokio::spawn({
        let freeze = freeze.clone();
        async move { freeze.freeze(LONG, LONG).await }
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(freeze.status(), FreezeStatus::Draining { pushes: 1 });
    assert!(admit(&freeze, "PUT /v2/other/manifests/1").is_err());
    drop(upload);
    sleep(PAUSE / 2).await;
    assert!(admit(&freeze, "PUT /v2/a/manifests/1").is_ok(), "the push writes its manifest");
    sleep(PAUSE + LOOK * 2).await;
    assert!(matches!(freeze.status(), FreezeStatus::Frozen { .. }), "{:?}", freeze.status());
    assert_eq!(freezing.await.unwrap(), Ok(0));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_cut_off() {
    let freeze = Freeze::default();
    let mut upload = admit(&freeze, PUSH).unwrap();
    let ends = async {
        let cut = Write::unless_cut_off(upload.as_mut(), pin!(std::future::pending::<()>())).await;
        drop(upload);
        cut
    };
    // The drain may take longer than the freeze: it holds for its length from when it is in force.
    let (length, drain) = (Duration::from_secs(3), Duration::from_secs(5));
    let (cut, refused) = tokio::join!(freeze.freeze(length, drain), ends);
    assert_eq!((cut, refused.unwrap_err().close), (Ok(1), true));
    assert_eq!(freeze.status(), FreezeStatus::Frozen { left: length });
    sleep(length - LOOK).await;
    assert!(admit(&freeze, PUSH).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_freeze_that_is_thawed_while_it_drains_neither_comes_nor_undoes_another() {
    let freeze = Freeze::default();
    let _upload = admit(&freeze, PUSH).unwrap();
    let first = tokio::spawn({
        let freeze = freeze.clone();
        async move { freeze.freeze(LONG, LONG).await }
    });
    sleep(LOOK / 2).await;
    assert_eq!(freeze.freeze(LONG, LONG).await, Err(NotFrozen::Another));
    assert!(freeze.thaw());
    freeze.resume(LONG);
    assert_eq!(first.await.unwrap(), Err(NotFrozen::Thawed));
    assert!(matches!(freeze.status(), FreezeStatus::Frozen { .. }), "the other one stands");
}

#[tokio::test(start_paused = true)]
async fn it_thaws_by_itself_and_when_nobody_waits_for_it_to_drain() {
    let freeze = Freeze::default();
    freeze.resume(Duration::from_secs(2));
    assert!(admit(&freeze, PUSH).is_err());
    assert!(freeze.expired().await);
    assert_eq!(freeze.status(), FreezeStatus::Open);
    let _upload = admit(&freeze, PUSH).unwrap();
    let gave_up = tokio::time::timeout(Duration::from_secs(3), freeze.freeze(LONG, LONG)).await;
    assert!(gave_up.is_err());
    assert_eq!(freeze.status(), FreezeStatus::Open);
}
