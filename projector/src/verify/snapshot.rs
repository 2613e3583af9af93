//! A consistent snapshot of both generations, and the events between their checkpoints.

use std::collections::BTreeSet;

use domain::FiltersId;
use event_store::{Log, log::history::sources_between};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, query_as, raw_sql};
use wire::{Source, StreamName};

use super::{
    error::VerifyError,
    report::Difference,
    table::{Scope, Table, tables},
};
use crate::database::Database;

/// The limit of events between two checkpoints for a comparison.
const MAX_DISTANCE: u64 = 100_000;

/// Session settings. The text of a row must not depend on the client's settings, a comparison uses one processor, and a
/// frozen client must not keep old rows from vacuum forever.
const SETTINGS: &str = "
set timezone = 'UTC';
set datestyle = 'ISO';
set intervalstyle = 'postgres';
set bytea_output = 'hex';
set extra_float_digits = 1;
set jit = off;
set max_parallel_workers_per_gather = 0;
set idle_in_transaction_session_timeout = '120s';";

const BEGIN: &str = "begin isolation level repeatable read, read only";

/// A transaction that sees one moment. It ends when this value is dropped.
pub(super) struct Snapshot {
    pub(super) connection: PgConnection,
    pub(super) tables: Vec<Table>,
    generations: [i32; 2],
    checkpoints: Vec<Checkpoints>,
}

/// The checkpoints of a stream in both generations.
#[derive(Debug, FromRow)]
struct Checkpoints {
    stream: String,
    incarnation_a: Option<String>,
    incarnation_b: Option<String>,
    position_a: Option<i64>,
    position_b: Option<i64>,
    commit_a: Option<String>,
    commit_b: Option<String>,
}

/// Groups of rows: the rows of these boxes, users, stores, filters and reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Groups {
    boxes: BTreeSet<String>,
    users: BTreeSet<String>,
    stores: BTreeSet<String>,
    filters: BTreeSet<String>,
    reports: BTreeSet<String>,
}

/// The rows to compare.
#[derive(Debug)]
pub(super) enum Selection {
    AllBut(Groups),
    Only(Groups),
}

impl Snapshot {
    pub(super) async fn open(database: &Database, generations: [i32; 2]) -> Result<Self, VerifyError> {
        let mut connection = database.control().await?;
        raw_sql(SETTINGS).execute(&mut connection).await?;
        let [first, second] = generations;
        let (tables, others) = (tables(&mut connection, first).await?, tables(&mut connection, second).await?);
        if tables != others {
            let reason =
                format!("generations {first} and {second} have different tables: they belong to different builds");
            return Err(VerifyError::Refused(reason));
        }
        let mut snapshot = Self { connection, tables, generations, checkpoints: Vec::new() };
        snapshot.begin().await?;
        Ok(snapshot)
    }

    /// Begins a new transaction to see the current state.
    pub(super) async fn renew(&mut self) -> Result<(), VerifyError> {
        raw_sql("rollback").execute(&mut self.connection).await?;
        self.begin().await
    }

    async fn begin(&mut self) -> Result<(), VerifyError> {
        raw_sql(BEGIN).execute(&mut self.connection).await?;
        let [first, second] = self.generations;
        // A schema name cannot be a parameter; a number is safe to interpolate.
        let sql = format!(
            "select stream, a.incarnation as incarnation_a, b.incarnation as incarnation_b,
                    a.position as position_a, b.position as position_b, a.commit_id as commit_a, b.commit_id as commit_b
             from read_g{first}.checkpoints as a
             full join read_g{second}.checkpoints as b using (stream)
             order by stream"
        );
        self.checkpoints = query_as(AssertSqlSafe(sql)).fetch_all(&mut self.connection).await?;
        self.check()
    }

    fn check(&self) -> Result<(), VerifyError> {
        let [first, second] = self.generations;
        for Checkpoints { stream, incarnation_a, incarnation_b, position_a, position_b, .. } in &self.checkpoints {
            if incarnation_a != incarnation_b {
                let reason = format!("{stream}: generations {first} and {second} are built from different logs");
                return Err(VerifyError::Refused(reason));
            }
            let distance = position_a.unwrap_or_default().abs_diff(position_b.unwrap_or_default());
            if distance > MAX_DISTANCE {
                let reason =
                    format!("{stream}: generations {first} and {second} are {distance} events apart; try again later");
                return Err(VerifyError::Refused(reason));
            }
        }
        Ok(())
    }

    /// Returns the number of box streams.
    pub(super) fn partitions(&self) -> u16 {
        let boxes = self.checkpoints.iter().filter(|one| matches!(one.stream.parse(), Ok(StreamName::Box(_))));
        u16::try_from(boxes.count()).unwrap_or(u16::MAX)
    }

    /// Returns true if the generations have different positions in the read markers. The log keeps only the last marker
    /// of each reader, so it cannot list all that differ.
    pub(super) fn markers_move(&self) -> bool {
        let mark = StreamName::Mark.label();
        self.checkpoints.iter().any(|one| one.stream == mark && one.position_a != one.position_b)
    }

    /// Returns the groups that have events between the two checkpoints.
    pub(super) async fn moving(&self, log: &dyn Log) -> Result<Groups, VerifyError> {
        let mut moving = Groups::default();
        for one in &self.checkpoints {
            let Ok(stream) = one.stream.parse::<StreamName>() else { continue };
            let positions =
                [one.position_a, one.position_b].map(|position| position.unwrap_or_default().cast_unsigned());
            let [after, to] = if positions.is_sorted() { positions } else { [positions[1], positions[0]] };
            for source in sources_between(log, stream, after, to).await? {
                moving.add(source);
            }
        }
        Ok(moving)
    }

    /// Returns the streams with the same position but different commits.
    pub(super) fn other_commits(&self) -> Vec<Difference> {
        let other = |one: &&Checkpoints| one.position_a == one.position_b && one.commit_a != one.commit_b;
        let value = |commit: &Option<String>| commit.clone().map(Value::from);
        let difference = |one: &Checkpoints| {
            let key = Map::from_iter([("stream".to_owned(), Value::from(one.stream.clone()))]);
            Difference::between("checkpoints", key, value(&one.commit_a), value(&one.commit_b))
        };
        self.checkpoints.iter().filter(other).map(difference).collect()
    }
}

impl Groups {
    fn add(&mut self, source: Source) {
        match source {
            Source::Room { box_id } | Source::Talk { box_id } => _ = self.boxes.insert(box_id.to_string()),
            Source::Mark { room_id, .. } => _ = self.boxes.insert(room_id.box_id().to_string()),
            Source::User { user_id } => _ = self.users.insert(user_id.to_string()),
            Source::Store { store_id } => _ = self.stores.insert(store_id.to_string()),
            Source::Filters => _ = self.filters.insert(FiltersId.to_string()),
            Source::Report { report_id } => _ = self.reports.insert(report_id.to_string()),
            Source::Claim => {}
        }
    }

    /// Creates groups of these boxes.
    pub(super) fn of_boxes(boxes: impl IntoIterator<Item = String>) -> Self {
        Self { boxes: boxes.into_iter().collect(), ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        [&self.boxes, &self.users, &self.stores, &self.filters, &self.reports].iter().all(|ids| ids.is_empty())
    }

    pub(super) fn without(&self, others: &Self) -> Self {
        Self {
            boxes: &self.boxes - &others.boxes,
            users: &self.users - &others.users,
            stores: &self.stores - &others.stores,
            filters: &self.filters - &others.filters,
            reports: &self.reports - &others.reports,
        }
    }

    pub(super) fn merge(&mut self, others: Self) {
        self.boxes.extend(others.boxes);
        self.users.extend(others.users);
        self.stores.extend(others.stores);
        self.filters.extend(others.filters);
        self.reports.extend(others.reports);
    }

    /// Returns the names of all groups for display.
    pub(super) fn names(&self) -> Vec<String> {
        let all = [
            ("box", &self.boxes),
            ("user", &self.users),
            ("store", &self.stores),
            ("list of", &self.filters),
            ("report", &self.reports),
        ];
        all.iter().flat_map(|(kind, ids)| ids.iter().map(move |id| format!("{kind} {id}"))).collect()
    }

    fn of(&self, scope: Scope) -> Vec<String> {
        let ids = match scope {
            Scope::Box => &self.boxes,
            Scope::User => &self.users,
            Scope::Store => &self.stores,
            Scope::Filters => &self.filters,
            Scope::Report => &self.reports,
        };
        ids.iter().cloned().collect()
    }
}

impl Selection {
    /// Returns an SQL condition on a table, with the ids as first argument; `None` if it selects no row.
    pub(super) fn condition(&self, scope: Scope) -> Option<(String, Vec<String>)> {
        let id = scope.id();
        match self {
            Self::AllBut(groups) => Some((format!("{id} <> all($1)"), groups.of(scope))),
            Self::Only(groups) => {
                let ids = groups.of(scope);
                (!ids.is_empty()).then(|| (format!("{id} = any($1)"), ids))
            }
        }
    }
}
