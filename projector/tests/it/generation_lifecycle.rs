//! The lifecycle of generations: each change is refused, with a reason, where it would do harm.

use operator_protocol::{Goal, Rebuild, Retire, State, Switched};
use projector::generation::{self, ChangeError, Generation};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use wire::StreamName;

use crate::world::{World, origins};

const TO_READY: Rebuild = Rebuild { to: Goal::Ready, max_rate: None, low_priority: false };

fn reason<T: std::fmt::Debug>(changed: Result<T, ChangeError>) -> String {
    match changed {
        Err(ChangeError::Refused(reason)) => reason,
        other => panic!("it is not refused: {other:?}"),
    }
}

async fn set(world: &World, sql: &str) {
    let mut control = world.database.control().await.expect("a connection");
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut control).await.expect(sql);
}

/// Creates another generation that has caught up.
async fn ready(world: &World) -> i32 {
    let number = generation::rebuild(&world.database, &origins(), &TO_READY).await.expect("it is begun");
    generation::add_indexes(&world.database, number).await.expect("it is indexed");
    set(world, &format!("update generations set state = 'ready' where generation = {number}")).await;
    number
}

async fn states(world: &World) -> Vec<(i32, State)> {
    let mut control = world.database.control().await.expect("a connection");
    let (written, _) = generation::writable(&mut control, &read_model::version()).await.expect("generations");
    written.into_iter().map(|Generation { number, state, .. }| (number, state)).collect()
}

#[tokio::test]
async fn one_generation_is_built_at_a_time() {
    let world = World::start().await;
    let (world, origins) = (&world, &origins());
    let begin = || generation::rebuild(&world.database, origins, &TO_READY);
    let (one, two, three) = tokio::join!(begin(), begin(), begin());
    let (done, refused): (Vec<_>, Vec<_>) = [one, two, three].into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (1, 2));
    for refusal in refused {
        assert!(reason(refusal).starts_with("generation 2 is building"));
    }
    assert_eq!(states(world).await, [(1, State::Active), (2, State::Building)]);
}

#[tokio::test]
async fn a_generation_is_activated_only_after_catching_up_and_verification() {
    let world = World::start().await;
    let activate = |number, unverified| generation::activate(&world.database, number, unverified);
    assert_eq!(reason(activate(None, true).await), "no generation is ready");
    assert_eq!(reason(activate(Some(7), true).await), "there is no generation 7");
    assert_eq!(reason(activate(Some(1), true).await), "generation 1 is active already");
    generation::rebuild(&world.database, &origins(), &TO_READY).await.expect("it is begun");
    assert_eq!(reason(activate(Some(2), true).await), "generation 2 is building");
    set(&world, "update generations set state = 'ready' where generation = 2").await;
    let refused = reason(activate(None, false).await);
    assert!(refused.contains("was not compared with generation 1 by its rebuild"), "{refused}");
    assert!(refused.contains("if `boxroomctl verify 1 2` finds no difference, `boxroomctl activate 2 --unverified`"));
    set(&world, "update read_g1.checkpoints set position = 9 where stream = 'box-1'").await;
    assert_eq!(reason(activate(None, true).await), "generation 2 is behind generation 1: box-1 by 9");
    assert_eq!(states(&world).await, [(1, State::Active), (2, State::Ready)]);
    set(&world, "update read_g2.checkpoints set position = 9 where stream = 'box-1'").await;
    let switched = activate(None, true).await.expect("it is activated");
    assert_eq!(switched, Switched { generation: 2, former: Some(1) });
    assert_eq!(states(&world).await, [(1, State::Standby), (2, State::Active)]);
}

#[tokio::test]
async fn a_switch_waits_for_pending_commits() {
    let world = World::start().await;
    ready(&world).await;
    set(&world, "update read_g1.checkpoints set position = 3").await;
    let catch_up = set(&world, "select pg_sleep(0.3); update read_g2.checkpoints set position = 4");
    let (switched, ()) = tokio::join!(generation::activate(&world.database, None, true), catch_up);
    assert_eq!(switched.expect("it is activated").generation, 2);
}

#[tokio::test]
async fn a_rollback_switches_between_the_last_two_generations() {
    let world = World::start().await;
    let roll_back = |from| generation::roll_back(&world.database, from);
    assert_eq!(reason(roll_back(None).await), "no generation is kept for a rollback");
    for number in [2, 3] {
        ready(&world).await;
        let switched = generation::activate(&world.database, Some(number), true).await.expect("it is activated");
        assert_eq!(switched.former, Some(number - 1));
    }
    assert_eq!(roll_back(Some(3)).await.expect("rolled back"), Switched { generation: 2, former: Some(3) });
    let faster = "generation 2 is active, not generation 3";
    assert_eq!(reason(roll_back(Some(3)).await), faster, "of two at once the second does not undo it");
    assert_eq!(states(&world).await, [(1, State::Standby), (2, State::Active), (3, State::Standby)]);
    assert_eq!(roll_back(None).await.expect("rolled back"), Switched { generation: 3, former: Some(2) });
}

#[tokio::test]
async fn a_switch_to_the_restored_log_needs_an_operator_and_cannot_be_rolled_back() {
    let world = World::start().await;
    ready(&world).await;
    set(&world, "update read_g1.checkpoints set position = 9").await;
    let another_life = "update read_g2.checkpoints set incarnation = 'restored' where stream = 'user'";
    set(&world, &format!("{another_life}; update generations set verified_at = now() where generation = 2")).await;
    let other =
        |one, former| format!("generation {one} is not built from the log that generation {former} is built from");
    assert!(reason(generation::activate(&world.database, None, false).await).starts_with(&other(2, 1)));
    let switched = generation::activate(&world.database, None, true).await.expect("it is activated");
    assert_eq!(switched, Switched { generation: 2, former: Some(1) });
    assert_eq!(reason(generation::roll_back(&world.database, None).await), other(1, 2));
    assert_eq!(states(&world).await, [(1, State::Standby), (2, State::Active)]);
}

#[tokio::test]
async fn concurrent_switches_leave_one_active_generation() {
    let world = World::start().await;
    ready(&world).await;
    ready(&world).await;
    let activate = |number| generation::activate(&world.database, Some(number), true);
    let (two, three, back) = tokio::join!(activate(2), activate(3), generation::roll_back(&world.database, None));
    assert!(two.is_ok() && three.is_ok());
    drop(back);
    let active: Vec<_> = states(&world).await.into_iter().filter(|(_, state)| *state == State::Active).collect();
    assert_eq!(active.len(), 1, "{active:?}");
}

#[tokio::test]
async fn a_generation_in_use_is_never_retired() {
    let world = World::start().await;
    let retire = async |number| generation::retire(&world.database, &Retire::One(number)).await;
    assert!(reason(retire(1).await).starts_with("generation 1 is active"));
    assert_eq!(reason(retire(5).await), "there is no generation 5");
    ready(&world).await;
    generation::activate(&world.database, None, true).await.expect("it is activated");
    let reader = PgConnection::connect_with(
        &world
            .url(harness::Role::Query)
            .parse::<sqlx::postgres::PgConnectOptions>()
            .expect("a URL")
            .application_name("query-service g1"),
    )
    .await
    .expect("a connection");
    let retired = generation::retire(&world.database, &Retire::AllStandby).await.expect("it is retired");
    assert_eq!(retired, [1]);
    assert_eq!(states(&world).await, [(2, State::Active)]);
    let mut control = world.database.control().await.expect("a connection");
    set(&world, "update generations set retired_at = retired_at - interval '10 s' where generation = 1").await;
    assert!(generation::sweep(&mut control).await.expect("swept").is_empty(), "a client reads it");
    reader.close().await.expect("closed");
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while generation::sweep(&mut control).await.expect("swept") != [1] {
        assert!(tokio::time::Instant::now() < deadline, "it is not dropped");
    }
    assert!(reason(retire(1).await).contains("retired already"));
    let schemas = "select count(*) from information_schema.schemata where schema_name like 'read_g%'";
    let left: i64 = sqlx::query_scalar(schemas).fetch_one(&mut control).await.expect("schemas");
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_generation_of_another_version_is_retired_when_unused() {
    let world = World::start().await;
    set(&world, "update generations set model_version = 'former'").await;
    let retire = async || generation::retire(&world.database, &Retire::One(1)).await;
    let mut projector = world.database.control().await.expect("a connection");
    let presence = "select pg_advisory_lock_shared(hashtextextended('boxroom projectors of former', 0))";
    sqlx::raw_sql(presence).execute(&mut projector).await.expect("it is there");
    assert!(reason(retire().await).contains("which still run"));
    sqlx::raw_sql("select pg_advisory_unlock_all()").execute(&mut projector).await.expect("it is gone");
    assert_eq!(retire().await.expect("it is retired"), [1]);
}

#[tokio::test]
async fn only_a_generation_being_built_can_be_paused() {
    let world = World::start().await;
    let (pause, resume) =
        (|number| generation::pause(&world.database, number), |number| generation::resume(&world.database, number));
    assert_eq!(reason(pause(None).await), "no generation is being built");
    assert!(reason(pause(Some(1)).await).starts_with("generation 1 is active"));
    generation::rebuild(&world.database, &origins(), &TO_READY).await.expect("it is begun");
    assert_eq!(reason(resume(None).await), "generation 2 is not paused");
    assert_eq!(pause(None).await.expect("it is paused"), 2);
    assert_eq!(reason(pause(Some(2)).await), "generation 2 is paused already");
    assert_eq!(states(&world).await, [(1, State::Active)], "it is not written");
    assert_eq!(resume(Some(2)).await.expect("it goes on"), 2);
    assert_eq!(states(&world).await, [(1, State::Active), (2, State::Building)]);
}

#[tokio::test]
async fn a_report_lists_every_stream_of_every_generation() {
    let world = World::start().await;
    generation::rebuild(&world.database, &origins(), &Rebuild { max_rate: Some(50), ..TO_READY }).await.expect("begun");
    set(&world, "update read_g1.checkpoints set position = 7 where stream = 'box-0'").await;
    let ends = [(StreamName::Box(0).label(), 9)].into();
    let report = generation::report(&world.database, &ends).await.expect("a report");
    let [first, second] = report.generations.as_slice() else { panic!("{report:?}") };
    assert_eq!((first.state, second.state, second.max_rate), (State::Active, State::Building, Some(50)));
    let stream = &first.streams[0];
    assert_eq!((stream.stream.as_str(), stream.position, stream.lag), ("box-0", 7, Some(2)));
    assert_eq!(stream.progress, "no lease");
    assert_eq!(first.streams[1].lag, None, "the log was not asked");
    assert_eq!(first.streams.len(), 5);
}
