//! The generations that an operator's verification compares.

use sqlx::query;

use super::error::VerifyError;
use crate::database::Database;

/// Returns the generations to compare: those that are given, or else the active one and the newest other one. A fresh
/// projection has no second one.
pub async fn choose(
    database: &Database,
    generation: Option<i32>,
    other: Option<i32>,
    fresh: bool,
) -> Result<(i32, Option<i32>), VerifyError> {
    let mut connection = database.control().await?;
    let rows = query!(
        "select generation, state
         from control.generations
         where model_version = $1
           and state <> 'retired'
         order by generation desc",
        read_model::version()
    )
    .fetch_all(&mut connection)
    .await?;
    let active = rows.iter().find(|row| row.state == "active").map(|row| row.generation);
    let refused = |reason: &str| VerifyError::Refused(reason.to_owned());
    let first = generation.or(active).ok_or_else(|| refused("no generation of this build is active: name one"))?;
    if fresh {
        return Ok((first, None));
    }
    let newest = rows.iter().map(|row| row.generation).find(|generation| *generation != first);
    let other = other.or(newest).ok_or_else(|| refused("there is no other generation to compare with: use --fresh"))?;
    if other == first {
        return Err(refused("a generation cannot be compared with itself: use --fresh"));
    }
    Ok((first, Some(other)))
}
