//! The activation of generations: the active one serves reads.

use std::time::Duration;

use operator_protocol::{State, Switched};
use sqlx::{Connection, PgConnection, query};
use tokio::time::{Instant, sleep};

use super::{
    control::{lock, parse},
    error::{ChangeError, refuse},
    positions::{Positions, same_log},
};
use crate::database::Database;

/// The time that a generation has to reach the active one's positions at the beginning of the switch.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// The polling interval of its positions.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Activates a generation of this version: the given one, or the newest ready one. Without `unverified`, it must have
/// been compared with the active one.
pub async fn activate(database: &Database, generation: Option<i32>, unverified: bool) -> Result<Switched, ChangeError> {
    let mut connection = database.control().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    let found = query!(
        r#"select generation, model_version, state, verified_at is not null as "verified!"
           from control.generations
           where generation = $1 or $1 is null and state = 'ready' and model_version = $2
           order by generation desc
           limit 1"#,
        generation,
        read_model::version()
    );
    let Some(found) = found.fetch_optional(&mut *transaction).await? else {
        return refuse(match generation {
            Some(number) => format!("there is no generation {number}"),
            None => "no generation is ready".to_owned(),
        });
    };
    let (number, state): (i32, State) = (found.generation, parse(&found.state)?);
    if found.model_version != read_model::version() {
        return refuse(format!("generation {number} belongs to another version of the read model"));
    }
    let former = active(&mut transaction).await?;
    match state {
        State::Ready | State::Standby => {}
        State::Active => return refuse(format!("generation {number} is active already")),
        State::Building | State::Retired => return refuse(format!("generation {number} is {state}")),
    }
    if let Some(former) = former.filter(|_| !unverified)
        && !same_log(&mut transaction, number, former).await?
    {
        return refuse(format!(
            "{}: after a restore, `boxroomctl activate {number} --unverified` switches to it",
            another_log(number, former)
        ));
    }
    if let Some(former) = former.filter(|_| state == State::Ready && !found.verified && !unverified) {
        return refuse(format!(
            "generation {number} was not compared with generation {former} by its rebuild: if `boxroomctl verify \
             {former} {number}` finds no difference, `boxroomctl activate {number} --unverified` switches to it"
        ));
    }
    switch(&mut transaction, number, former).await?;
    transaction.commit().await?;
    connection.close().await?;
    tracing::info!(generation = number, former, "activated a generation");
    Ok(Switched { generation: number, former })
}

/// Activates the generation that was active before. Refuses if the active one is not the expected one.
pub async fn roll_back(database: &Database, expected: Option<i32>) -> Result<Switched, ChangeError> {
    let mut connection = database.control().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    let former = active(&mut transaction).await?;
    if let (Some(former), Some(expected)) = (former, expected)
        && former != expected
    {
        return refuse(format!("generation {former} is active, not generation {expected}"));
    }
    let found = query!(
        "select generation
         from control.generations
         where state = 'standby' and model_version = $1
         order by standby_at desc
         limit 1",
        read_model::version()
    );
    let Some(found) = found.fetch_optional(&mut *transaction).await? else {
        return refuse("no generation is kept for a rollback");
    };
    if let Some(former) = former {
        require_same_log(&mut transaction, found.generation, former).await?;
    }
    switch(&mut transaction, found.generation, former).await?;
    transaction.commit().await?;
    connection.close().await?;
    tracing::info!(generation = found.generation, former, "rolled back to a generation");
    Ok(Switched { generation: found.generation, former })
}

async fn active(connection: &mut PgConnection) -> Result<Option<i32>, sqlx::Error> {
    let row = query!(
        "select generation from control.generations where state = 'active' and model_version = $1",
        read_model::version()
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.generation))
}

async fn require_same_log(connection: &mut PgConnection, number: i32, former: i32) -> Result<(), ChangeError> {
    if same_log(connection, number, former).await? {
        return Ok(());
    }
    refuse(another_log(number, former))
}

fn another_log(number: i32, former: i32) -> String {
    format!("generation {number} is not built from the log that generation {former} is built from")
}

/// Switches to a generation. Readers must not go back in time, so the new generation must first reach the former one's
/// positions. Positions of another log, restored since, are not comparable and are ignored.
async fn switch(connection: &mut PgConnection, number: i32, former: Option<i32>) -> Result<(), ChangeError> {
    if let Some(former) = former {
        let is_comparable = same_log(connection, number, former).await?;
        let wanted = if is_comparable { Positions::of(connection, former).await? } else { Positions::default() };
        let deadline = Instant::now() + CATCH_UP_TIMEOUT;
        while let Some(missing) = Positions::of(connection, number).await?.missing(&wanted) {
            if Instant::now() > deadline {
                return refuse(format!("generation {number} is behind generation {former}: {missing}"));
            }
            sleep(POLL_INTERVAL).await;
        }
        query!(
            "update control.generations
             set state = 'standby', phase = 'standby', standby_at = clock_timestamp()
             where generation = $1",
            former
        )
        .execute(&mut *connection)
        .await?;
    }
    query!(
        "update control.generations
         set state = 'active', phase = 'active', activated_at = clock_timestamp(), failure = null
         where generation = $1",
        number
    )
    .execute(connection)
    .await?;
    Ok(())
}
