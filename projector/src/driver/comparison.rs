//! The comparison of a generation with the active one before activation.

use serde_json::json;
use sqlx::{PgConnection, query_scalar};

use super::Driver;
use crate::{
    generation::{driven::Comparison, error::ChangeError},
    verify::{Limits, VerifyError, verify},
};

impl Driver {
    /// Compares a generation with the active one of its version. Tables that keep changing are an error: the driver
    /// tries again.
    pub(super) async fn compare(&self, control: &mut PgConnection, generation: i32) -> Result<Comparison, ChangeError> {
        let active = query_scalar!(
            "select generation from control.generations where state = 'active' and model_version = $1",
            read_model::version()
        );
        let Some(active) = active.fetch_optional(control).await? else {
            let summary = json!({ "outcome": "skipped", "reason": "no generation of this version is active" });
            return Ok(Comparison { summary, equal: false, failure: None });
        };
        let found = match verify(&self.database, &self.log, [active, generation], Limits::default()).await {
            Ok(found) => found,
            Err(VerifyError::Refused(reason)) => {
                let summary = json!({ "outcome": "refused", "reason": reason });
                let failure = Some(format!("it cannot be compared with generation {active}: {reason}"));
                return Ok(Comparison { summary, equal: false, failure });
            }
            Err(VerifyError::Database(error)) => return Err(error.into()),
            Err(VerifyError::Log(error)) => return Err(error.into()),
            Err(error @ VerifyError::Build(_)) => return Err(ChangeError::Refused(error.to_string())),
        };
        for difference in &found.shown {
            tracing::error!(generation, active, table = difference.table, key = ?difference.key, "a row differs");
        }
        if found.differences == 0 && !found.undecided.is_empty() {
            let moving = found.undecided.join(", ");
            return Err(ChangeError::Refused(format!("it cannot be compared yet, these kept changing: {moving}")));
        }
        let different = || {
            let hint = format!("`boxroomctl verify {active} {generation}` shows them");
            format!("it differs from generation {active} in {} rows; {hint}", found.differences)
        };
        let failure = (found.differences > 0).then(different);
        Ok(Comparison { summary: found.summary(), equal: found.is_equal(), failure })
    }
}
