//! The permissions that each database role lacks, tried with its own password.

use harness::{Postgres, Role};
use provision::roles::{self, RolePasswords};
use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};

/// The SQLSTATE `insufficient_privilege`.
const NO_RIGHT: &str = "42501";
/// The SQLSTATE `read_only_sql_transaction`.
const READS_ONLY: &str = "25006";

/// Statements for superusers only.
const FOR_NOBODY: [&str; 38] = [
    "create database mine",
    "drop database boxroom",
    "alter database boxroom set log_statement = 'none'",
    "create role mine",
    "create role mine superuser",
    "alter role admin password 'mine'",
    "drop role admin",
    "grant pg_read_all_data to projector, query, notifier, operator",
    "grant admin to projector, query, notifier, operator",
    "set role admin",
    "set session authorization admin",
    "alter role current_user superuser",
    "alter role current_user createdb",
    "alter role current_user bypassrls",
    "alter role current_user replication",
    "alter role current_user connection limit -1",
    "alter role current_user valid until 'infinity'",
    "alter system set fsync = off",
    "set log_statement = 'none'",
    "set session_replication_role = replica",
    "select rolpassword from pg_authid",
    "select passwd from pg_shadow",
    "select umoptions from pg_user_mapping",
    "select pg_read_file('postgresql.conf')",
    "select pg_ls_dir('.')",
    "select pg_stat_reset()",
    "select pg_reload_conf()",
    "select pg_switch_wal()",
    "select lo_import('/etc/passwd')",
    "select lo_create(0)",
    "select lo_from_bytea(0, '')",
    "create extension dblink schema control",
    "copy (select 1) to program 'cat'",
    "copy (select 1) to '/tmp/mine'",
    "create function control.mine() returns int language c as 'mine'",
    "create table public.mine (id int)",
    "create temporary table mine (id int)",
    "drop schema public",
];

/// Statements that the projector may execute, and the other roles may not.
const FOR_THE_PROJECTOR: [&str; 21] = [
    "create schema mine",
    "drop extension plpgsql",
    "create table control.mine (id int)",
    "create table read_g1.mine (id int)",
    "drop schema read_g1 cascade",
    "drop table read_g1.rooms",
    "truncate read_g1.rooms",
    "insert into read_g1.rooms values (8)",
    "update read_g1.rooms set id = 8",
    "delete from read_g1.rooms",
    "select id from read_g1.rooms for update",
    "lock table read_g1.rooms in exclusive mode",
    "alter table read_g1.rooms add column more int",
    "create index on read_g1.rooms (id)",
    "copy read_g1.rooms from stdin",
    "insert into control.generations values (8)",
    "drop table control.generations",
    "set role projector",
    "select pg_advisory_lock(1)",
    "select pg_try_advisory_xact_lock(1)",
    "select pg_logical_emit_message(false, 'mine', 'mine')",
];

/// Starts a server with a minimal version of the projector's tables.
async fn start() -> Postgres {
    let postgres = Postgres::start().await.unwrap();
    let made = "create table control.generations (id int); insert into control.generations values (1);
                create table control.leases (id int);
                create schema read_g1; create table read_g1.rooms (id int); insert into read_g1.rooms values (7);
                grant select on control.generations to query;
                grant usage on schema read_g1 to query; grant select on all tables in schema read_g1 to query";
    raw_sql(made).execute(&mut connect(&postgres, Role::Projector).await).await.unwrap();
    postgres
}

async fn connect(postgres: &Postgres, role: Role) -> PgConnection {
    PgConnection::connect(&postgres.url(role)).await.unwrap()
}

/// Tries a statement and rolls it back. Returns the error code if it was refused.
async fn refusal(connection: &mut PgConnection, statement: &str) -> Option<String> {
    let alone = ["create database", "drop database", "alter system"].iter().any(|start| statement.starts_with(start));
    let tried = if alone { statement.to_owned() } else { format!("begin; {statement}") };
    let refused = raw_sql(AssertSqlSafe(tried)).execute(&mut *connection).await.err();
    raw_sql("rollback").execute(&mut *connection).await.unwrap();
    let code = refused.as_ref().and_then(|error| error.as_database_error()?.code());
    code.map(std::borrow::Cow::into_owned).or_else(|| refused.map(|error| format!("{error:?}")))
}

async fn refuses(connection: &mut PgConnection, role: Role, statements: &[&str], code: &str) {
    let mut others = Vec::new();
    for statement in statements {
        let answer = refusal(connection, statement).await;
        if answer.as_deref() != Some(code) {
            others.push((statement, answer));
        }
    }
    assert!(others.is_empty(), "{role:?} is not refused with {code}: {others:#?}");
}

async fn number(connection: &mut PgConnection, question: &'static str) -> i32 {
    sqlx::query_scalar(question).fetch_one(connection).await.unwrap_or_else(|error| panic!("{question}: {error}"))
}

#[tokio::test]
async fn each_role_has_only_the_permissions_that_it_needs() {
    let postgres = start().await;
    for role in [Role::Projector, Role::Query, Role::Notifier, Role::Operator] {
        let mut connection = connect(&postgres, role).await;
        // A role can change its read-only default: its grants alone must be sufficient.
        raw_sql("set default_transaction_read_only = off").execute(&mut connection).await.unwrap();
        refuses(&mut connection, role, &FOR_NOBODY, NO_RIGHT).await;
        if role != Role::Projector {
            // The notifiers share their work by locks as well.
            let mut others = FOR_THE_PROJECTOR.to_vec();
            others.retain(|statement| role != Role::Notifier || !statement.contains("advisory"));
            refuses(&mut connection, role, &others, NO_RIGHT).await;
        }
        for database in ["postgres", "template1"] {
            let elsewhere = postgres.url(role).replace("/boxroom", &format!("/{database}"));
            let refused = PgConnection::connect(&elsewhere).await.unwrap_err();
            let refused = refused.into_database_error().unwrap();
            assert_eq!(refused.code().as_deref(), Some(NO_RIGHT), "{role:?} in {database}");
        }
    }
    let query = &mut connect(&postgres, Role::Query).await;
    refuses(query, Role::Query, &["select id from control.leases"], NO_RIGHT).await;
    let _projector = connect(&postgres, Role::Projector).await;
    let end = ["select pg_terminate_backend(pid) from pg_stat_activity where usename = 'projector'"];
    for role in [Role::Query, Role::Notifier, Role::Operator] {
        refuses(&mut connect(&postgres, role).await, role, &end, NO_RIGHT).await;
    }
}

#[tokio::test]
async fn the_query_role_reads_and_is_refused_changes_by_two_checks() {
    let postgres = start().await;
    for role in [Role::Query, Role::Operator] {
        let mut connection = connect(&postgres, role).await;
        assert_eq!(number(&mut connection, "select id from read_g1.rooms").await, 7);
        assert_eq!(number(&mut connection, "select id from control.generations").await, 1);
        let changes =
            ["insert into read_g1.rooms values (8)", "create schema mine", "alter role current_user password 'x'"];
        // Each transaction is read-only by default, so harmless changes are refused as well.
        for change in changes {
            let code = refusal(&mut connection, change).await;
            assert!(code.as_deref().is_some_and(|code| [NO_RIGHT, READS_ONLY].contains(&code)), "{change}: {code:?}");
        }
        refuses(&mut connection, role, &changes[1..], READS_ONLY).await;
    }
    // The operator can read a table of the projector as soon as it exists.
    let mut operator = connect(&postgres, Role::Operator).await;
    assert_eq!(number(&mut operator, "select count(*)::int from control.leases").await, 0);
}

#[tokio::test]
async fn the_notifier_role_owns_a_schema_and_reads_what_query_reads() {
    let postgres = start().await;
    let mut notifier = connect(&postgres, Role::Notifier).await;
    assert_eq!(number(&mut notifier, "select id from read_g1.rooms").await, 7);
    assert_eq!(number(&mut notifier, "select id from control.generations").await, 1);
    refuses(&mut notifier, Role::Notifier, &["select id from control.leases"], NO_RIGHT).await;
    let work = "create table delivery.told (id int); select pg_try_advisory_lock(1)";
    raw_sql(work).execute(&mut notifier).await.unwrap();
    let mut operator = connect(&postgres, Role::Operator).await;
    assert_eq!(number(&mut operator, "select count(*)::int from delivery.told").await, 0);
    for role in [Role::Query, Role::Projector] {
        let mut connection = connect(&postgres, role).await;
        refuses(&mut connection, role, &["select id from delivery.told"], NO_RIGHT).await;
    }
}

#[tokio::test]
async fn the_projector_role_can_do_its_work() {
    let postgres = start().await;
    let mut projector = connect(&postgres, Role::Projector).await;
    let work = [
        "create schema read_g2; create table read_g2.rooms (id int); grant usage on schema read_g2 to query",
        "select pg_try_advisory_lock(1)",
        "drop schema read_g1 cascade",
        "select pg_terminate_backend(pid) from pg_stat_activity \
         where usename = 'projector' and pid <> pg_backend_pid()",
    ];
    for statement in work {
        assert_eq!(refusal(&mut projector, statement).await, None, "{statement}");
    }
}

#[tokio::test]
async fn repeated_provisioning_of_roles_changes_only_passwords_and_repairs_grants() {
    let postgres = start().await;
    let mut projector = connect(&postgres, Role::Projector).await;
    // Simulates grants of a former version.
    raw_sql("grant select on control.leases to query; revoke all on read_g1.rooms from operator")
        .execute(&mut projector)
        .await
        .unwrap();
    let passwords = RolePasswords::random();
    for _ in 0..2 {
        roles::provision(&postgres.url(Role::Admin), &passwords).await.unwrap();
    }
    let owner = postgres.url(Role::Admin);
    let (_, host) = owner.rsplit_once('@').unwrap();
    let address = |role: &str, password: &str| format!("postgres://{role}:{password}@{host}");
    let mut query = PgConnection::connect(&address("query", &passwords.query)).await.unwrap();
    refuses(&mut query, Role::Query, &["select id from control.leases"], NO_RIGHT).await;
    assert_eq!(number(&mut query, "select id from control.generations").await, 1);
    let mut operator = PgConnection::connect(&address("operator", &passwords.operator)).await.unwrap();
    assert_eq!(number(&mut operator, "select id from read_g1.rooms").await, 7);
}
