//! Nothing personal is in `Debug` output or in failures.

use push_sink::{Behaviour, Service};

use crate::world::{BODY, DEVICE_TOKEN, REGISTRATION_TOKEN, TITLE, VAPID, World, fail_with, message, once, reset};

#[tokio::test]
async fn debug_output_and_failures_contain_nothing_personal() {
    let world = World::new().await;
    let account = push::ServiceAccount::from_json(&world.sink.service_account().unwrap()).unwrap();
    let mut output = format!("{:?} {account:?} {:?}", message(), world.providers);
    let mut secrets = vec![TITLE, BODY, DEVICE_TOKEN, REGISTRATION_TOKEN, VAPID, "chili", "mention", "PRIVATE", "eyJ"]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    for service in [Service::Fcm, Service::Apns, Service::WebPush] {
        let target = world.target(service);
        let mut outputs = vec![format!("{target:?}")];
        let echo = format!("{TITLE} {BODY} {DEVICE_TOKEN}");
        let behaviours = [400, 401, 403, 413, 429, 500].map(|status| fail_with(status, &echo));
        for behaviour in behaviours.into_iter().chain([reset(), Behaviour { hang_ms: Some(10), ..reset() }]) {
            world.sink.behave(service, once(behaviour));
            let failure = world.providers.send(&message(), &target).await;
            outputs.push(format!("{failure:?}"));
            outputs.extend(failure.err().map(|failure| failure.to_string()));
        }
        output += &outputs.concat();
        secrets.push(world.last(service).target);
    }
    for secret in secrets {
        assert!(!output.contains(&secret), "{secret}: {output}");
    }
}
