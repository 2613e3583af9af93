//! One moment of both generations, and what was on its way then.

use std::collections::BTreeSet;

use event_store::{Log, Source, StreamName, history::sources_between};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, FromRow, PgConnection, query_as, raw_sql};

use super::{
    VerifyError,
    report::Difference,
    table::{Scope, Table, tables},
};
use crate::database::Database;

/// More events than this between two checkpoints are not looked through.
const FURTHEST: u64 = 100_000;

/// What a text of a row looks like must not depend on who asks; a comparison takes one processor; and whoever is frozen
/// in the middle of it must not keep old rows from being cleaned up for ever.
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

/// A transaction that sees one moment. Ends with this value.
pub(super) struct Snapshot {
    pub(super) connection: PgConnection,
    pub(super) tables: Vec<Table>,
    generations: [i32; 2],
    checkpoints: Vec<Checkpoints>,
}

/// Where a stream stands in both.
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

/// What rows belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Groups {
    boxes: BTreeSet<String>,
    users: BTreeSet<String>,
    stores: BTreeSet<String>,
}

/// Which rows are compared.
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
        snapshot.look().await?;
        Ok(snapshot)
    }

    /// Another moment: this one.
    pub(super) async fn renew(&mut self) -> Result<(), VerifyError> {
        raw_sql("rollback").execute(&mut self.connection).await?;
        self.look().await
    }

    async fn look(&mut self) -> Result<(), VerifyError> {
        raw_sql(BEGIN).execute(&mut self.connection).await?;
        let [first, second] = self.generations;
        // Schemas cannot be parameters; numbers can do no harm.
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
            let apart = position_a.unwrap_or_default().abs_diff(position_b.unwrap_or_default());
            if apart > FURTHEST {
                let reason = format!("{stream}: generations {first} and {second} are {apart} events apart; wait");
                return Err(VerifyError::Refused(reason));
            }
        }
        Ok(())
    }

    /// Over how many partitions the log spreads the boxes.
    pub(super) fn partitions(&self) -> u16 {
        let boxes = self.checkpoints.iter().filter(|one| matches!(one.stream.parse(), Ok(StreamName::Box(_))));
        u16::try_from(boxes.count()).unwrap_or(u16::MAX)
    }

    /// Whether some readers' markers are in one of the two only. The log keeps the last of each, so that it does not tell
    /// whose.
    pub(super) fn markers_move(&self) -> bool {
        let mark = StreamName::Mark.label();
        self.checkpoints.iter().any(|one| one.stream == mark && one.position_a != one.position_b)
    }

    /// What has events that are in one of the two only.
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

    /// Streams that stand at the same position, on another commit.
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
            Source::Claim => {}
        }
    }

    /// These boxes.
    pub(super) fn of_boxes(boxes: impl IntoIterator<Item = String>) -> Self {
        Self { boxes: boxes.into_iter().collect(), ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.boxes.is_empty() && self.users.is_empty() && self.stores.is_empty()
    }

    pub(super) fn without(&self, others: &Self) -> Self {
        Self {
            boxes: &self.boxes - &others.boxes,
            users: &self.users - &others.users,
            stores: &self.stores - &others.stores,
        }
    }

    pub(super) fn merge(&mut self, others: Self) {
        self.boxes.extend(others.boxes);
        self.users.extend(others.users);
        self.stores.extend(others.stores);
    }

    /// For people.
    pub(super) fn names(&self) -> Vec<String> {
        let all = [("box", &self.boxes), ("user", &self.users), ("store", &self.stores)];
        all.iter().flat_map(|(kind, ids)| ids.iter().map(move |id| format!("{kind} {id}"))).collect()
    }

    fn of(&self, scope: Scope) -> Vec<String> {
        let ids = match scope {
            Scope::Box => &self.boxes,
            Scope::User => &self.users,
            Scope::Store => &self.stores,
        };
        ids.iter().cloned().collect()
    }
}

impl Selection {
    /// The condition on a table, with the ids as first argument; none if no row fulfils it.
    pub(super) fn condition(&self, scope: Scope) -> Option<(String, Vec<String>)> {
        let column = scope.column();
        match self {
            Self::AllBut(groups) => Some((format!("{column} <> all($1)"), groups.of(scope))),
            Self::Only(groups) => {
                let ids = groups.of(scope);
                (!ids.is_empty()).then(|| (format!("{column} = any($1)"), ids))
            }
        }
    }
}
