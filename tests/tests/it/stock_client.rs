//! Commands over NATS with the official Python client, as documented.

use harness::{Account, StackOptions, checkout::Checkout, tools};
use serde_json::{Value, json};
use system_tests::World;
use tokio::{process::Command, task::spawn_blocking};

const PROGRAM: &str = r#"
import asyncio, os, sys
import nats

async def main():
    client = await nats.connect(os.environ["NATS_URL"], inbox_prefix=os.environ["INBOX"].encode())
    try:
        reply = await client.request(sys.argv[1], sys.argv[2].encode(), timeout=float(os.environ["TIMEOUT"]))
        print(reply.data.decode())
    except nats.errors.TimeoutError:
        print('"no answer"')
    finally:
        await client.close()

asyncio.run(main())
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_client_is_answered_in_the_inbox_of_its_account() {
    let world = World::start(StackOptions::default()).await;
    world.install_box("box-1").await;
    let client = spawn_blocking(|| tools::nats_py(&Checkout::current()?)).await.unwrap().unwrap();
    let url = world.stack.nats_url(Account::Device);
    let ask = async |inbox: &str, timeout: &str, request: &Value| {
        let output = Command::new("python3")
            .args(["-c", PROGRAM, "cmd.record_arrival", &request.to_string()])
            .env("PYTHONPATH", &client)
            .envs([("NATS_URL", url.as_str()), ("INBOX", inbox), ("TIMEOUT", timeout)])
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let answer = serde_json::from_slice(&output.stdout);
        answer.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    };
    let token = world.device("box-1").token().to_owned();
    let report = json!({ "token": token, "path": { "box": "box-1" }, "idempotency_key": "arrival-1" });
    let reply: Value = ask("_INBOX_device", "20", &report).await;
    assert_eq!((&reply["status"], reply["replayed"].is_null()), (&json!(201), true), "{reply:#}");
    // The account may not subscribe to other inboxes, but the command is still carried out.
    let report = json!({ "token": token, "path": { "box": "box-1" }, "idempotency_key": "arrival-2" });
    assert_eq!(ask("_INBOX", "1", &report).await, "no answer");
    let reply = ask("_INBOX_device", "20", &report).await;
    assert_eq!((&reply["status"], &reply["replayed"]), (&json!(201), &json!(true)), "{reply:#}");
}
