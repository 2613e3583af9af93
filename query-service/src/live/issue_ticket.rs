//! `POST /live-tickets`

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use service_kit::{auth::Caller, extract::Query, problem::Problem};
use utoipa::ToSchema;
use wire::trust::TICKET_SECONDS;

use crate::{app::App, error::Error, page::NoParameters, problems::TicketProblems};

/// A ticket for one stream.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TicketView {
    /// The value for the `ticket` parameter of the stream.
    #[schema(example = "cAHtaZ7mSxlhTgdvGkIUvQ4MdFXkGDk7")]
    ticket: String,
    /// The lifetime in seconds.
    #[schema(example = 30)]
    expires_in: u32,
}

/// Issues a ticket for `GET /events`, for browsers' `EventSource`, which sends no `Authorization`. It can be used once,
/// at any instance, within 30 seconds. The stream lasts as long as the token of this request.
#[utoipa::path(
    post, path = "/live-tickets", tag = "live", operation_id = "issue_live_ticket",
    responses((status = 201, description = "A ticket", body = TicketView), TicketProblems)
)]
pub(crate) async fn issue_ticket(
    State(app): State<App>,
    Query(NoParameters {}): Query<NoParameters>,
    caller: Caller,
) -> Result<(StatusCode, Json<TicketView>), Problem> {
    caller.require_user()?;
    let ticket = app.tickets.issue(&caller).await.map_err(Error::into_problem)?;
    Ok((StatusCode::CREATED, Json(TicketView { ticket, expires_in: TICKET_SECONDS })))
}
