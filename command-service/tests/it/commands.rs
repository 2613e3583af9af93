//! Commands: concurrent, repeated, refused.

use futures::future::join_all;
use harness::token::Bearer;
use reqwest::Method;
use serde_json::json;

use crate::app::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_hundred_concurrent_users_opens_the_room() {
    let installation = Installation::start().await;
    let services = [installation.service(&[]).await, installation.service(&[]).await];
    services[0].furnish("b").await;
    let names: Vec<String> = (0..200).map(|number| format!("user-{number}")).collect();
    let answers =
        join_all(names.iter().enumerate().map(|(number, name)| services[number % 2].open_room(name, "b"))).await;
    let (opened, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0].created(), "b.1");
    for answer in refused {
        answer.refused(409, "box-in-use");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_user_gets_the_last_seat_of_a_locked_room_and_a_wrong_password_is_refused() {
    let installation = Installation::start().await;
    let services = [installation.service(&[]).await, installation.service(&[]).await];
    services[0].furnish("b").await;
    let short = json!({ "store_id": "b", "title": "Pizza", "max_members": 2, "password": "abc" });
    services[0].post(Bearer::User("ana"), "/boxes/b/rooms", short).await.refused(422, "invalid-body");
    let room = json!({ "store_id": "b", "title": "Pizza", "max_members": 2, "password": "margherita" });
    services[0].post(Bearer::User("ana"), "/boxes/b/rooms", room).await.created();
    // The other service may not know the room yet: it reads the latest state before it refuses.
    let join = |password: &str| json!({ "password": password });
    services[1].post(Bearer::User("x"), "/rooms/b.1/members", join("funghi")).await.refused(403, "wrong-password");
    // Rooms of earlier releases may have a short password.
    services[1].post(Bearer::User("x"), "/rooms/b.1/members", join("abc")).await.refused(403, "wrong-password");
    let names: Vec<String> = (0..20).map(|number| format!("user-{number}")).collect();
    let answers =
        join_all(names.iter().enumerate().map(|(number, name)| {
            services[number % 2].post(Bearer::User(name), "/rooms/b.1/members", join("margherita"))
        }))
        .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "room-full");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_command_gets_its_first_answer_after_a_restart_and_in_a_closed_room() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.furnish("b").await;
    let (ana, open) = (Bearer::User("ana"), json!({ "store_id": "b", "title": "Pizza", "max_members": 5 }));
    let made = |body| service.ask(Some(Bearer::Operator("ops")), Some("k"), Method::POST, "/stores", Some(body));
    let nameless = json!({ "name": "Nameless", "zip_code": "1" });
    let generated = made(nameless.clone()).await.created();
    assert_eq!(made(nameless).await.created(), generated);
    made(json!({ "name": "Another", "zip_code": "1" })).await.refused(422, "idempotency-key-reused");

    let opened = service.ask(Some(ana), Some("open"), Method::POST, "/boxes/b/rooms", Some(open.clone())).await;
    let message = json!({ "body": "hi" });
    let said = service.ask(Some(ana), Some("say"), Method::POST, "/rooms/b.1/messages", Some(message.clone())).await;
    let closed = service.ask(Some(ana), Some("close"), Method::DELETE, "/rooms/b.1", None).await;
    closed.done();
    service.open_room("ben", "b").await.created();
    service.abort();

    let service = installation.service(&[]).await;
    for (first, key, method, path, body) in [
        (opened, "open", Method::POST, "/boxes/b/rooms", Some(open)),
        (said, "say", Method::POST, "/rooms/b.1/messages", Some(message)),
        (closed, "close", Method::DELETE, "/rooms/b.1", None),
    ] {
        let again = service.ask(Some(ana), Some(key), method.clone(), path, body).await;
        assert_eq!((again.status, &again.body, again.position()), (first.status, &first.body, first.position()));
        assert!(again.is_replay() && !first.is_replay());
        let other = service.ask(Some(ana), Some(key), method, path, Some(json!({ "body": "other", "x": 1 }))).await;
        assert_eq!(other.status, 422, "{other:?}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_set_read_markers_even_when_the_room_is_closed() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.furnish("b").await;
    service.furnish("c").await;
    service.open_room("ana", "b").await.created();
    service.open_room("ana", "c").await.created();
    let (ana, body) = (Bearer::User("ana"), json!({ "body": "hi" }));
    let message = service.post(ana, "/rooms/b.1/messages", body.clone()).await.created();
    let end_others = service.post(ana, "/rooms/c.1/messages", body).await.created();
    let marker = |message: &str| json!({ "message_id": message });
    service.put(ana, "/rooms/b.1/read-marker", marker(&message)).await.done();
    service.put(ana, "/rooms/b.1/read-marker", marker("1")).await.refused(404, "message-not-found");
    service.put(ana, "/rooms/b.2/read-marker", marker(&message)).await.refused(404, "room-not-found");
    service.put(ana, "/rooms/x.1/read-marker", marker(&message)).await.refused(404, "room-not-found");
    service.put(ana, "/rooms/c.1/read-marker", marker(&end_others)).await.done();
    service.put(Bearer::User("x"), "/rooms/b.1/read-marker", marker(&message)).await.refused(403, "not-a-member");
    service.delete(ana, "/rooms/b.1").await.done();
    service.put(ana, "/rooms/b.1/read-marker", marker(&message)).await.done();
    service.open_room("ben", "b").await.created();
    service.put(ana, "/rooms/b.1/read-marker", marker(&message)).await.done();
    service.put(ana, "/rooms/b.1/read-marker", marker(&end_others)).await.refused(404, "message-not-found");
    let ben = Bearer::User("ben");
    service.put(ben, "/rooms/b.2/read-marker", marker(&message)).await.refused(404, "message-not-found");
    service.put(ben, "/rooms/b.1/read-marker", marker(&message)).await.refused(404, "message-not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_executes_only_its_own_commands() {
    let installation = Installation::start().await;
    let service = installation.service(&[]).await;
    service.furnish("b").await;
    let box_itself = Bearer::Device("b");
    let nothing = || json!({});
    for (who, path, body) in [
        (Bearer::User("ana"), "/boxes", nothing()),
        (Bearer::User("ana"), "/stores", nothing()),
        (box_itself, "/boxes/b/rooms", nothing()),
        (Bearer::Operator("ops"), "/boxes/b/rooms", nothing()),
        (Bearer::Operator("ops"), "/boxes/b/arrivals", nothing()),
        (Bearer::Device("c"), "/boxes/b/arrivals", nothing()),
        (Bearer::User("b"), "/boxes/b/door-openings", nothing()),
    ] {
        service.post(who, path, body).await.refused(403, "forbidden");
    }
    service.patch(Bearer::User("ana"), "/boxes/b", nothing()).await.refused(403, "forbidden");
    service.ask(None, None, Method::POST, "/stores", Some(nothing())).await.refused(401, "missing-token");
    service.post(box_itself, "/boxes/b/arrivals", nothing()).await.created();
    let operator = Bearer::Operator("ops");
    service.patch(operator, "/boxes/b", nothing()).await.done();
    service.patch(operator, "/boxes/b", json!({ "coordinates": { "latitude": 1, "longitude": 2 } })).await.done();
    service.patch(operator, "/boxes/b", json!({ "latitude": 1 })).await.refused(422, "invalid-body");
    let nowhere =
        service.patch(operator, "/boxes/b", json!({ "coordinates": { "latitude": 91, "longitude": 2 } })).await;
    nowhere.refused(422, "invalid-body");
    let error = json!({ "pointer": "/coordinates/latitude", "detail": "must be -90 to 90" });
    assert_eq!(nowhere.json()["errors"], json!([error]));
    let (path, body) =
        ("/users/me/notification-preferences", json!({ "preferences": { "reply": 1, "mention": true } }));
    let unclear = service.put(Bearer::User("ana"), path, body).await;
    unclear.refused(422, "invalid-body");
    let error = json!({ "pointer": "/preferences", "detail": "must be a boolean" });
    assert_eq!(unclear.json()["errors"], json!([error]));
    service.delete(operator, "/boxes/b").await.done();
    service.delete(operator, "/boxes/b").await.refused(409, "box-retired");
}
