//! The execution of operators' requests.

use event_store::LogError;
use operator_protocol::{
    AddWebhook, DropDeadPush, ListDeadPushes, ListWebhooks, Outcome, PauseWebhook, RemoveWebhook, ReplayWebhook,
    Request, ResumeWebhook, RetryDeadPush, ShowDeadPush, ShowWebhook,
};

use crate::app::App;

/// The reason for which a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum OperationError {
    /// The current state does not allow it.
    #[error("{0}")]
    Refused(String),
    /// The database is unavailable.
    #[error("the database does not answer: {0}")]
    Database(#[from] sqlx::Error),
    /// The log is unavailable.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A request that this process can carry out.
pub(super) trait Operation: Request {
    /// Carries out the request.
    fn perform(self, app: &App) -> impl Future<Output = Result<Self::Answer, OperationError>> + Send;
}

/// Answers a request with JSON.
pub(super) async fn answer(app: &App, verb: &str, payload: &[u8]) -> Vec<u8> {
    match verb {
        AddWebhook::VERB => perform::<AddWebhook>(app, payload).await,
        ListWebhooks::VERB => perform::<ListWebhooks>(app, payload).await,
        ShowWebhook::VERB => perform::<ShowWebhook>(app, payload).await,
        PauseWebhook::VERB => perform::<PauseWebhook>(app, payload).await,
        ResumeWebhook::VERB => perform::<ResumeWebhook>(app, payload).await,
        RemoveWebhook::VERB => perform::<RemoveWebhook>(app, payload).await,
        ReplayWebhook::VERB => perform::<ReplayWebhook>(app, payload).await,
        ListDeadPushes::VERB => perform::<ListDeadPushes>(app, payload).await,
        ShowDeadPush::VERB => perform::<ShowDeadPush>(app, payload).await,
        RetryDeadPush::VERB => perform::<RetryDeadPush>(app, payload).await,
        DropDeadPush::VERB => perform::<DropDeadPush>(app, payload).await,
        unknown => encode(&Outcome::<()>::Refused(format!("unknown request {unknown:?}"))),
    }
}

async fn perform<O: Operation>(app: &App, payload: &[u8]) -> Vec<u8> {
    let outcome = match serde_json::from_slice::<O>(payload) {
        Ok(request) => {
            // The address of a webhook may contain a secret, so the request itself is not logged.
            if O::READ_ONLY {
                tracing::debug!(verb = O::VERB, "operator request");
            } else {
                tracing::info!(verb = O::VERB, "operator request");
            }
            match request.perform(app).await {
                Ok(answer) => Outcome::Done(answer),
                Err(OperationError::Refused(reason)) => Outcome::Refused(reason),
                Err(error @ (OperationError::Database(_) | OperationError::Log(_))) => {
                    Outcome::Failed(error.to_string())
                }
            }
        }
        Err(error) => Outcome::Refused(format!("invalid request {:?}: {error}", O::VERB)),
    };
    encode(&outcome)
}

fn encode<T: serde::Serialize>(outcome: &Outcome<T>) -> Vec<u8> {
    serde_json::to_vec(outcome).unwrap_or_else(|error| format!(r#"{{"failed":"{error}"}}"#).into_bytes())
}
