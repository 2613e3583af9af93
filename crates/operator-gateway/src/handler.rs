//! Carries out a request: sends it over NATS, and converts the outcome into the response.

use axum::{
    Json,
    extract::{Request as HttpRequest, State},
    http::StatusCode,
};
use domain::UserId;
use operator_protocol::{Request, RequestError};
use service_kit::{auth::AsOperator, problem::Problem};
use tracing::Instrument;

use crate::{app::App, body};

/// Seconds after which an operator may try again when no process answers.
const RETRY: u32 = 2;

/// Carries out a request of an operator, to its end even if the client disconnects.
pub(crate) async fn carry_out<R: Request>(
    State(app): State<App>,
    AsOperator(operator): AsOperator,
    request: HttpRequest,
) -> Result<Json<R::Answer>, Problem> {
    let request: R = body::read(request).await?;
    let sending = async move {
        let outcome = app.operators.send_request(&request).await;
        log::<R>(&operator, &outcome);
        outcome
    };
    match tokio::spawn(sending.in_current_span()).await {
        Ok(outcome) => outcome.map(Json).map_err(problem),
        Err(_) => Err(Problem::internal()),
    }
}

/// Logs the outcome of a request that may have changed something. The span has the ids of request and trace.
fn log<R: Request>(operator: &UserId, outcome: &Result<R::Answer, RequestError>) {
    let outcome = match outcome {
        Ok(_) => "done",
        Err(RequestError::Refused(_)) => "refused",
        Err(RequestError::NoAnswer(..)) => "no answer",
        Err(RequestError::Failed(_)) => "failed",
    };
    let service = R::SERVICE.as_str();
    if R::READ_ONLY {
        tracing::debug!(%operator, service, verb = R::VERB, outcome, "operator request");
    } else {
        tracing::info!(%operator, service, verb = R::VERB, outcome, "operator request");
    }
}

fn problem(error: RequestError) -> Problem {
    match error {
        RequestError::Refused(reason) => {
            Problem::new(StatusCode::CONFLICT, "refused", "The current state does not allow this").detail(reason)
        }
        RequestError::NoAnswer(..) => {
            let title = "No projector or notifier answers";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no-answer", title)
                .detail(error.to_string())
                .retry_after(RETRY)
        }
        RequestError::Failed(reason) => {
            Problem::new(StatusCode::BAD_GATEWAY, "failed", "The request failed").detail(reason)
        }
    }
}
