//! `boxroomctl log show`: operators read the events of a box, without personal text unless they have the keys.

use harness::{Account, StackOptions};
use serde_json::{Value, json};
use system_tests::World;

/// Runs `boxroomctl log show` to its end. Returns the exit code, the output and the errors.
async fn show(world: &World, words: &[&str]) -> (i32, String, String) {
    let output = world.stack.boxroomctl(&[&["log", "show"], words].concat()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs such a command, which must succeed without a note. Returns the lines of its output.
async fn shown(world: &World, words: &[&str]) -> Vec<String> {
    let (code, output, errors) = show(world, words).await;
    assert_eq!((code, errors.as_str()), (0, ""), "{words:?}: {output}");
    output.lines().map(str::to_owned).collect()
}

/// Returns the event types of lines `sequence time role actor type fields`.
fn types(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| line.split_whitespace().nth(4).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_read_the_log_of_a_box_but_personal_text_only_with_the_keys() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.user("ana").await;
    let ben = world.person("ben");
    let room = world.open_room(&ana, "box-1", 4).await;
    world.open_room(&ben, "box-2", 4).await;
    world.join(&ben, &room).await;
    let said = ben.say(&room, "a secret recipe").await.created();
    ana.say(&room, "mine too").await.created();
    ana.delete(format!("/rooms/{room}/members/ben")).await.done();

    let hidden = shown(&world, &["box-1"]).await;
    let expected =
        ["box_installed", "room_opened", "member_joined", "message_posted", "message_posted", "member_kicked"];
    assert_eq!(types(&hidden), expected, "both lanes in the order of the log: {hidden:?}");
    let posted = &hidden[3];
    assert!(posted.trim_start().starts_with(&format!("{said}  ")), "{posted}");
    assert!(posted.contains("  user ben ") && posted.contains("body=[hidden]"), "{posted}");
    assert!(hidden[1].contains("title=[hidden]") && hidden[1].contains(&format!("room_id={room}")), "{}", hidden[1]);
    assert!(!hidden.concat().contains("secret") && !hidden.concat().contains("sealed"), "{hidden:?}");

    let with_values = shown(&world, &["box-1", "--values"]).await;
    assert!(with_values[3].contains(r#"body="a secret recipe""#), "{}", with_values[3]);
    assert!(!with_values.concat().contains("[hidden]"), "{with_values:?}");
    assert_eq!(types(&with_values), expected);

    let (code, output, errors) = show(&world, &["box-1", "--limit", "4"]).await;
    assert_eq!((code, output.lines().map(str::to_owned).collect::<Vec<_>>()), (0, hidden[..4].to_vec()));
    let next = errors.strip_prefix("more events follow: --from ").unwrap_or_else(|| panic!("{errors}")).trim();
    assert_eq!(shown(&world, &["box-1", "--from", next]).await, hidden[4..]);
    assert_eq!(shown(&world, &["box-1", "--from", "1000000"]).await, Vec::<String>::new());

    let json = shown(&world, &["box-1", "--json", "--from", &said, "--values"]).await;
    let posted: Value = serde_json::from_str(&json[0]).unwrap();
    assert_eq!(json.len(), 3);
    assert_eq!(posted["sequence"].to_string(), said);
    assert_eq!(
        (&posted["type"], &posted["actor"], &posted["role"]),
        (&json!("message_posted"), &json!("ben"), &json!("user"))
    );
    assert_eq!(posted["fields"]["body"], "a secret recipe");
    let json = shown(&world, &["box-1", "--json", "--from", &said]).await;
    assert_eq!(serde_json::from_str::<Value>(&json[0]).unwrap()["fields"]["body"], "[hidden]");

    let user = shown(&world, &["--user", "ana"]).await;
    assert!(user[0].contains("user_registered") && user[0].contains("nickname=[hidden]"), "{user:?}");
    let store = shown(&world, &["--store", "store-of-box-1"]).await;
    assert_eq!(types(&store)[0], "store_registered");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_show_explains_each_failure() {
    let world = World::start(StackOptions::default()).await;
    let ana = world.user("ana").await;
    world.open_room(&ana, "box-1", 4).await;

    let (code, output, errors) = show(&world, &["no-such-box"]).await;
    assert_eq!((code, output.as_str()), (3, ""));
    assert_eq!(errors, "error: refused: the log has no events of the box no-such-box\n");
    let (code, _, errors) = show(&world, &["--user", "nobody", "--json"]).await;
    let error: Value = serde_json::from_str(&errors).unwrap();
    assert_eq!((code, &error["error"]), (3, &json!("refused")), "{errors}");

    // The user `operator` may not read the log.
    let operator = world.stack.nats_url(Account::Operator);
    let (code, _, errors) = show(&world, &["box-1", "--nats-url", &operator]).await;
    assert!(code == 5 && errors.contains("one that may read the log, like `projector`"), "{errors}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("master-key");
    let path = file.to_str().unwrap();
    let (code, _, errors) = show(&world, &["box-1", "--values", "--master-key-file", path]).await;
    assert!(code == 1 && errors.contains("is not a valid master key file"), "{errors}");
    std::fs::write(&file, format!("another {}\n", "5e".repeat(32))).unwrap();
    let (code, output, errors) = show(&world, &["box-1", "--values", "--master-key-file", path]).await;
    assert_eq!((code, output.as_str()), (1, ""), "{errors}");
    assert!(errors.contains("is not in the file") && errors.contains("--values needs the master keys"), "{errors}");
    let (code, _, errors) = show(&world, &["box-1", "--limit", "none"]).await;
    assert!(code == 2 && errors.contains("--limit"), "{errors}");
}
