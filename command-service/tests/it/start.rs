//! The start of the service against different logs, and the pages that describe it.

use harness::{Account, Nats};
use provision::topology::ProvisionOptions;
use serde_json::Value;
use testing::wait::until;

use crate::{app::Installation, gateway::Device};

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_another_partition_count_is_refused() {
    let installation = Installation::start().await;
    let service = installation.spawn(&["--partitions", "3"]).await;
    let error = format!("{:#}", service.ended().await.unwrap_err());
    assert!(error.contains('4') && error.contains('3') && error.contains("partitions"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_a_missing_log() {
    let installation = Installation::on(Nats::start_without_streams(4).await.unwrap());
    let service = installation.spawn(&[]).await;
    let (status, body) = service.readiness().await;
    assert_eq!((status, &body["ready"]), (503, &Value::Bool(false)));
    service.open_room("ana", "b").await.refused(503, "log-unavailable");
    let device = Device::connect(&installation).await;
    assert!(device.has_no_responders("leave_room").await, "another instance may be able to answer");
    let options = ProvisionOptions { partitions: 4, replicas: 1 };
    provision::streams::provision(&installation.nats.url(Account::Admin), options).await.unwrap();
    service.until_ready().await;
    until("commands are received", async || !device.has_no_responders("leave_room").await).await;
    service.furnish("b").await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_an_unavailable_server() {
    let installation = Installation::start().await;
    installation.nats.stop().await;
    let service = installation.spawn(&[]).await;
    assert_eq!(service.readiness().await.0, 503);
    let alive = service.client.get(format!("{}/healthz", service.url)).send().await.unwrap();
    assert_eq!(alive.status().as_u16(), 200);
    installation.nats.start_again().await.unwrap();
    service.until_ready().await;
    service.furnish("b").await;
    let device = Device::connect(&installation).await;
    assert_eq!(device.send("leave_room", "{}").await["problem"]["code"], "malformed-request");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_has_every_command_with_its_problems() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    let contract = service.read_contract().await;
    let operations = contract.operations();
    assert_eq!(operations.len(), 78, "{:?}", operations.iter().map(|(id, _)| id).collect::<Vec<_>>());
    for (id, operation) in &operations {
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        let has_key = parameters.any(|parameter| parameter["name"] == "Idempotency-Key");
        let is_read = id == "list_sessions";
        assert_eq!(has_key, !is_read, "{id}");
        assert_eq!(operation["responses"]["413"].is_object(), !is_read, "{id}");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{id}");
        let public = [
            "register_user",
            "confirm_registration",
            "open_session",
            "open_box_session",
            "refresh_session",
            "redeem_password_reset",
        ];
        let public = public.contains(&id.as_str());
        assert_eq!(operation["security"].as_array().unwrap().is_empty(), public, "{id}");
        for status in ["400", "500", "503"] {
            assert!(operation["responses"][status].is_object(), "{id} {status}");
        }
    }
    let codes = contract.codes();
    for code in ["box-in-use", "room-full", "wrong-password", "kicked", "expired-token", "idempotency-key-reused"] {
        assert!(codes.contains(code), "{code}");
    }
    let page = service.client.get(format!("{}/docs/", service.url)).send().await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
    let problems = service.client.get(format!("{}/docs/problems", service.url)).send().await.unwrap();
    assert!(problems.text().await.unwrap().contains(r#"id="box-in-use""#));
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_may_have_an_address_of_their_own() {
    let installation = Installation::start().await;
    let port = harness::port::Port::reserve(None).unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let service = installation.spawn(&["--operations-listen", &address]).await;
    let status = async |base: &str, page: &str| {
        service.client.get(format!("{base}/{page}")).send().await.map_or(0, |answer| answer.status().as_u16())
    };
    let apart = format!("http://{address}");
    until("the service is ready", async || status(&apart, "readyz").await == 200).await;
    for (page, to_clients) in [("healthz", 200), ("readyz", 404), ("metrics", 404)] {
        assert_eq!((status(&service.url, page).await, status(&apart, page).await), (to_clients, 200), "{page}");
    }
    assert_eq!((status(&service.url, "docs/problems").await, status(&apart, "docs/problems").await), (200, 404));
    service.stop().await;
}
