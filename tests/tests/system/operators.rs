//! Operators come from a command of their own, and sign in like everybody else.

use harness::StackOptions;
use system_tests::{World, world::box_details};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_created_by_a_command_and_signs_in() {
    let world = World::start(StackOptions::default()).await;
    let create = async |user_id: &str, password: &str| {
        let output = world.stack.create_operator(user_id, password).await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    world.sign_in("olga", "battery staple").await.refused(401, "wrong-credentials");
    let (code, said) = create("olga", "short").await;
    assert!(code == Some(1) && said.contains("8 to 128 characters"), "{said}");
    assert_eq!(create("olga", "battery staple").await, (Some(0), "olga is an operator now\n".to_owned()));
    let (code, said) = create("olga", "another password").await;
    assert!(code == Some(0) && said.contains("nothing was changed"), "{said}");
    world.sign_in("olga", "another password").await.refused(401, "wrong-credentials");

    let session = world.sign_in("olga", "battery staple").await.ok();
    let olga = world.bearer_of("olga", session["access_token"].as_str().unwrap());
    olga.post("/boxes", box_details("box-1")).await.created();
    olga.get("/boxes").await.ok();
    olga.get("/me").await.refused(403, "forbidden");

    // Neither of both can become the other.
    for password in ["battery staple", "another password"] {
        world.register("olga", password, "Olga").await.refused(409, "user-exists");
    }
    world.user("ana").await;
    let (code, said) = create("ana", "battery staple").await;
    assert!(code == Some(1) && said.contains("somebody else"), "{said}");
    let logs = world.stack.logs().unwrap();
    assert!(!logs.contains("battery staple") && !logs.contains("another password"));
}
