//! Pausing and resuming the building of a generation.

use operator_protocol::State;
use sqlx::{Connection, query};

use super::{
    control::{lock, parse},
    error::{ChangeError, refuse},
};
use crate::database::Database;

/// Pauses the building of a generation; returns its number.
pub async fn pause(database: &Database, generation: Option<i32>) -> Result<i32, ChangeError> {
    set(database, generation, true).await
}

/// Resumes the building of a generation; returns its number.
pub async fn resume(database: &Database, generation: Option<i32>) -> Result<i32, ChangeError> {
    set(database, generation, false).await
}

async fn set(database: &Database, generation: Option<i32>, paused: bool) -> Result<i32, ChangeError> {
    let mut connection = database.control().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    let found = query!(
        "select generation, state, paused
         from control.generations
         where generation = $1 or $1 is null and state = 'building' and model_version = $2
         order by generation desc
         limit 1",
        generation,
        read_model::version()
    );
    let Some(found) = found.fetch_optional(&mut *transaction).await? else {
        return refuse(match generation {
            Some(number) => format!("there is no generation {number}"),
            None => "no generation is being built".to_owned(),
        });
    };
    let (number, state): (i32, State) = (found.generation, parse(&found.state)?);
    if state != State::Building {
        return refuse(format!("generation {number} is {state}: only one that is being built can be paused"));
    }
    if found.paused == paused {
        let is = if paused { "paused already" } else { "not paused" };
        return refuse(format!("generation {number} is {is}"));
    }
    query!("update control.generations set paused = $2 where generation = $1", number, paused)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    connection.close().await?;
    tracing::info!(generation = number, paused, "paused or resumed the building of a generation");
    Ok(number)
}
