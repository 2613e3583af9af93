//! The plans of lists on a large read model: no filter reads much more than a page.

use std::{fs, path::Path};

use harness::{Postgres, Role};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// The number of boxes, and of rooms.
const COUNT: u32 = 1_000_000;

/// The rows of a page, with one more to detect the next one.
const PAGE: f64 = 51.0;

/// The maximum number of rows that a list reads. PostgreSQL prefers to read and sort a few hundred matching rows to an
/// index scan in order.
const LIMIT: f64 = 1_000.0;

/// Fills the tables: a tenth of the boxes has an open room, and as many are out of service.
const FILL: &str = "
    alter table boxes set unlogged;
    alter table rooms set unlogged;
    alter table stores set unlogged;
    alter table users set unlogged;
    insert into users
    select 'u' || n, case when n % 100 <> 5 then 'User ' || n end, timestamptz '2026-01-01' + n * interval '1 second',
        '{}', true, null, case when n % 100 = 7 then now() end, null, null
    from generate_series(1, 100000) n;
    insert into stores
    select 's' || n, 'Store ' || n, lpad((n % 1000)::text, 5, '0'), null, true, false, now() - n * interval '1 minute',
        array_to_tsvector(array['store', n::text])
    from generate_series(1, 100000) n;
    insert into boxes
    select 'b' || n, case when n % 100 = 30 then 'private' else 'shared' end, lpad((n % 1000)::text, 5, '0'),
        'Street', '',
        47 + 8 * (n * 0.618034 - floor(n * 0.618034)),
        6 + 9 * (n * 0.754878 - floor(n * 0.754878)), case when n % 10 = 1 then 'out_of_service' else 'in_service' end,
        null, case when n % 10 = 0 then 'b' || n || '.1' end, timestamptz '2026-01-01' + n * interval '1 second'
    from generate_series(1, $COUNT) n;
    insert into rooms
    select 'b' || n, 'b' || n || '.1', 1, 's' || n % 500, lpad((n % 1000)::text, 5, '0'), 'Lunch', false,
        case when n % 10 = 0 then 'open' else 'closed' end, null, 'ana', 2, 5, false, 'gathering',
        timestamptz '2026-01-01' + n * interval '1 second', timestamptz '2026-02-01', null, 3, 1,
        timestamptz '2026-01-01',
        array_to_tsvector(
            array['s:s' || n % 500, 'lunch'] || case when n % 50000 = 10 then '{feast}' else '{}'::text[] end
        )
    from generate_series(1, $COUNT) n;";

/// A large read model, and the statements of the service.
struct Plans {
    connection: PgConnection,
    statements: Vec<String>,
    _postgres: Postgres,
}

impl Plans {
    async fn start() -> Self {
        let postgres = Postgres::start().await.unwrap();
        let mut connection = PgConnection::connect(&postgres.url(Role::Admin)).await.unwrap();
        for text in [
            "create schema read_g1; set search_path to read_g1;",
            read_model::TABLES,
            &FILL.replace("$COUNT", &COUNT.to_string()),
            read_model::INDEXES,
            "analyze boxes; analyze rooms; analyze stores; analyze users;",
            // As in the service.
            "set max_parallel_workers_per_gather = 0",
        ] {
            connection.execute(AssertSqlSafe(text.to_owned())).await.unwrap();
        }
        Self { connection, statements: statements(), _postgres: postgres }
    }

    /// Asserts that the only statement with all these fragments reads at most `limit` rows with these parameters.
    async fn assert_rows(&mut self, fragments: &[&str], parameters: &str, limit: f64) {
        let matching = |text: &&String| fragments.iter().all(|fragment| text.contains(fragment));
        let matching: Vec<&String> = self.statements.iter().filter(matching).collect();
        let [statement] = matching.as_slice() else { panic!("{} statements have {fragments:?}", matching.len()) };
        let prepare = format!("prepare list as {statement}");
        self.connection.execute(AssertSqlSafe(prepare)).await.unwrap();
        // From the sixth execution on, PostgreSQL may keep one plan for any parameters.
        for execution in 1..=7 {
            let explain = format!("explain (analyze, format json) execute list({parameters})");
            let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut self.connection).await.unwrap();
            let mut scans = Vec::new();
            collect_scans(&plan[0]["Plan"], &mut scans);
            let rows: f64 = scans.iter().map(|(_, rows)| rows).sum();
            assert!(
                rows <= limit,
                "{fragments:?} ({parameters}) reads {rows} rows at execution {execution}: {scans:?}"
            );
        }
        self.connection.execute("deallocate list").await.unwrap();
    }
}

/// Returns the texts of all checked statements.
fn statements() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.sqlx");
    let text = |entry: std::io::Result<fs::DirEntry>| {
        let file: Value = serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        file["query"].as_str().unwrap().to_owned()
    };
    fs::read_dir(folder).unwrap().map(text).collect()
}

/// Collects the scans of a plan with the numbers of rows that they have read, also of those that a filter removed.
fn collect_scans<'a>(plan: &'a Value, scans: &mut Vec<(&'a str, f64)>) {
    let number = |field: &str| plan[field].as_f64().unwrap_or_default();
    if let Some(relation) = plan["Index Name"].as_str().or(plan["Relation Name"].as_str()) {
        let read = number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
        scans.push((relation, number("Actual Loops") * read));
    }
    plan["Plans"].as_array().into_iter().flatten().for_each(|child| collect_scans(child, scans));
}

#[tokio::test]
async fn no_filter_of_a_list_reads_much_more_than_a_page() {
    let mut plans = Plans::start().await;
    the_newest_are_found_by_an_index(&mut plans).await;
    the_nearest_are_found_without_comparing_all(&mut plans).await;
    words_are_found_without_comparing_all(&mut plans).await;
    users_are_found_by_state_and_nickname(&mut plans).await;
}

async fn users_are_found_by_state_and_nickname(plans: &mut Plans) {
    for state in ["null", "'active'", "'suspended'", "'erased'"] {
        for after in ["'9999-12-31', ''", "'2026-01-01 12:00', 'u5'"] {
            let newest = ["from users u", "u.registered_at <= $2"];
            plans.assert_rows(&newest, &format!("{state}, {after}, {PAGE}"), LIMIT).await;
        }
    }
    for state in ["null", "'active'"] {
        for after in ["'', ''", "'user 555', 'u555'"] {
            let parameters = format!("'uSer 5', 'z', {after}, {state}, {PAGE}");
            plans.assert_rows(&["lower(nickname) ~>=~ lower($1)"], &parameters, LIMIT).await;
        }
    }
}

async fn the_newest_are_found_by_an_index(plans: &mut Plans) {
    let boxes = ["BoxStatus", "b.installed_at <= $3"];
    for zip_code in ["null", "'00042'", "'nowhere'"] {
        for free in ["null", "true", "false"] {
            for after in ["'9999-12-31', ''", "'2026-01-05 12:00', 'b5'"] {
                plans.assert_rows(&boxes, &format!("{zip_code}, {free}, {after}, {PAGE}, 'ana'"), LIMIT).await;
            }
        }
    }
    let rooms = ["RoomStatus", "r.opened_at <= $4"];
    for status in ["null", "'open'", "'closed'"] {
        for zip_code in ["null", "'00040'", "'nowhere'"] {
            for store in ["null", "'s40'", "'nobody'"] {
                for after in ["'9999-12-31', ''", "'2026-01-05 12:00', 'b5.1'"] {
                    let parameters = format!("{status}, {zip_code}, {store}, {after}, {PAGE}, 'ana'");
                    plans.assert_rows(&rooms, &parameters, LIMIT).await;
                }
            }
        }
    }
    let stores = ["from stores", "order by registered_at"];
    for zip_code in ["null", "'00042'", "'nowhere'"] {
        for after in ["'9999-12-31', ''", "'2026-01-05 12:00', 's5'"] {
            plans.assert_rows(&stores, &format!("{zip_code}, {after}, {PAGE}"), LIMIT).await;
        }
    }
}

async fn the_nearest_are_found_without_comparing_all(plans: &mut Plans) {
    let (latitude, longitude) = (51.34, 12.37);
    // A degree of longitude is 0.62 of one of latitude here; an area contains its circle.
    let near = 8.0 * PAGE;
    for free in ["null", "true", "false"] {
        let parameters = format!("{free}, -1, '', {latitude}, {longitude}, array[{longitude}, -347.63], {PAGE}, 'ana'");
        plans.assert_rows(&["nearest.m", "f.box_id"], &parameters, 2.0 * near).await;
        let area = "array[12.30], array[12.44], 51.30, 51.38";
        let parameters = format!("null, {free}, -1, '', {PAGE}, {latitude}, {longitude}, {area}, 'ana'");
        plans.assert_rows(&["BoxStatus", "distance.m as distance_m"], &parameters, 1_500.0).await;
    }
    for store in ["null", "'s40'"] {
        let area = "array[12.30], array[12.44], 51.30, 51.38";
        let origin = format!("{latitude}, {longitude}, array[{longitude}, -347.63], {PAGE}, {area}, 'ana'");
        let parameters = format!("null, {store}, -1, '', {origin}");
        plans.assert_rows(&["nearest.m", "f.room_id"], &parameters, 2.0 * near).await;
        let parameters = format!("null, {store}, -1, '', {PAGE}, {latitude}, {longitude}, {area}, 5000, null, 'ana'");
        plans.assert_rows(&["RoomStatus", "distance.m as distance_m"], &parameters, 2.0 * near).await;
    }
}

async fn words_are_found_without_comparing_all(plans: &mut Plans) {
    // As the connections of searches.
    plans.connection.execute("set plan_cache_mode = force_custom_plan").await.unwrap();
    let compared = 1_000.0;
    for (status, store) in [("null", "null"), ("'open'", "null"), ("'closed'", "'s41'"), ("null", "'s40'")] {
        for zip_code in ["null", "'00040'"] {
            let parameters = format!(
                "{status}, {zip_code}, {store}, '2026-01-05 12:00', 'b5.1', {compared}, 'feast', {PAGE}, 'ana'"
            );
            // Of open rooms, of closed ones, and their stores.
            plans.assert_rows(&["with compared as materialized"], &parameters, 3.0 * compared).await;
        }
        let parameters = |condition: &str| {
            let condition = format!("array['feast', '{condition}']");
            format!("{condition}, {status}, null, {store}, '9999-12-31', '', 'feast | 99', {PAGE}, 'ana'")
        };
        plans.assert_rows(&["as condition (words)"], &parameters("lunch & (''s:s5'' | 99)"), 10_000.0).await;
        plans.assert_rows(&["as condition (words)"], &parameters("feast & ''s:s10''"), 200.0).await;
    }
    plans.assert_rows(&["as term (words, place)"], "array['99', 'feast'], 501", 10.0).await;
    let area = "array[12.30], array[12.44], 51.30, 51.38";
    let parameters = format!("null, null, -1, '', {PAGE}, 51.34, 12.37, {area}, 5000, 'feast', 'ana'");
    plans.assert_rows(&["RoomStatus", "distance.m as distance_m"], &parameters, 16.0 * PAGE).await;
    let ids = "array['b10.1', 'b20.1']";
    plans.assert_rows(&["split_part", "found.place"], ids, 10.0).await;
}
