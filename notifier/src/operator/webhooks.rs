//! The operators' requests about webhooks.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use domain::{BoxEvent, BoxId, Position};
use operator_protocol::{
    AddWebhook, AddedWebhook, ListWebhooks, PauseWebhook, RemoveWebhook, RemovedWebhook, ReplayWebhook, ResumeWebhook,
    ShowWebhook, ShownWebhook, Webhook, WebhookProgress,
};
use push::signature::Secret;
use service_kit::clock;
use sqlx::{Connection, PgConnection};
use wire::StreamName;

use super::operations::{Operation, OperationError};
use crate::{
    app::App,
    webhooks::registry::{self, ALL_TYPES, MAX_WEBHOOKS, Place},
};

/// The maximum number of types of a webhook.
const MAX_TYPES: usize = 64;

/// The number of webhooks in one answer, whose size is limited.
const PAGE: i64 = 25;

/// The time for the removal of a former replay.
const REMOVAL_TIME: Duration = Duration::from_secs(5);

/// The maximum length of an address, in bytes.
const MAX_URL: usize = 2 * 1024;

impl Operation for AddWebhook {
    async fn perform(self, app: &App) -> Result<AddedWebhook, OperationError> {
        let types: BTreeSet<String> = self.types.into_iter().collect();
        check_types(&types)?;
        if self.url.len() > MAX_URL {
            return refused(format!("the address has more than {MAX_URL} bytes"));
        }
        app.webhooks.check(&self.url).map_err(OperationError::Refused)?;
        let mut ends = Vec::with_capacity(app.streams.len());
        for label in &app.streams {
            let Ok(stream) = label.parse::<StreamName>() else { continue };
            let state = app.log.state(stream).await?;
            let position = i64::try_from(state.last_sequence).unwrap_or(i64::MAX);
            ends.push(Place { stream: label.clone(), incarnation: state.incarnation, position });
        }
        let (webhook_id, secret) = (format!("wh-{}", clock::new_id().simple()), Secret::generate());
        let types: Vec<String> = types.into_iter().collect();
        let box_id = self.box_id.as_ref().map(BoxId::as_str);
        let mut transaction = app.database.delivery.begin().await?;
        let added = registry::add(&mut transaction, (&webhook_id, &secret), &self.url, &types, box_id, &ends).await?;
        let Some(webhook) = added else { return refused(format!("there are too many webhooks: {MAX_WEBHOOKS}")) };
        transaction.commit().await?;
        Ok(AddedWebhook { webhook, secret: secret.reveal() })
    }
}

fn check_types(types: &BTreeSet<String>) -> Result<(), OperationError> {
    if types.is_empty() || types.len() > MAX_TYPES {
        return refused(format!("a webhook has 1 to {MAX_TYPES} types of events"));
    }
    let is_known = |name: &String| name == ALL_TYPES || BoxEvent::TYPES.contains(&name.as_str());
    match types.iter().find(|name| !is_known(name)) {
        Some(unknown) => refused(format!(
            "{unknown:?} is no type of an event of boxes: use * for all, or some of {}",
            BoxEvent::TYPES.join(", ")
        )),
        None => Ok(()),
    }
}

impl Operation for ListWebhooks {
    async fn perform(self, app: &App) -> Result<Vec<Webhook>, OperationError> {
        let after = self.after.unwrap_or_default();
        Ok(registry::list(&mut *app.database.delivery.acquire().await?, &after, PAGE).await?)
    }
}

impl Operation for ShowWebhook {
    async fn perform(self, app: &App) -> Result<ShownWebhook, OperationError> {
        let shown = registry::show(&mut *app.database.delivery.acquire().await?, &self.webhook_id).await?;
        shown.ok_or_else(|| unknown(&self.webhook_id))
    }
}

impl Operation for PauseWebhook {
    async fn perform(self, app: &App) -> Result<Webhook, OperationError> {
        let mut transaction = app.database.delivery.begin().await?;
        registry::pause(&mut transaction, &self.webhook_id, "operator").await?;
        let webhook = registry::find(&mut transaction, &self.webhook_id).await?;
        transaction.commit().await?;
        webhook.ok_or_else(|| unknown(&self.webhook_id))
    }
}

impl Operation for ResumeWebhook {
    async fn perform(self, app: &App) -> Result<Webhook, OperationError> {
        let mut connection = app.database.delivery.acquire().await?;
        while registry::make_due(&mut connection, &self.webhook_id).await? {}
        let mut transaction = connection.begin().await?;
        registry::resume(&mut transaction, &self.webhook_id, app.webhooks.settings.lifetime_s()).await?;
        let webhook = registry::find(&mut transaction, &self.webhook_id).await?;
        transaction.commit().await?;
        webhook.ok_or_else(|| unknown(&self.webhook_id))
    }
}

impl Operation for RemoveWebhook {
    async fn perform(self, app: &App) -> Result<RemovedWebhook, OperationError> {
        let mut transaction = app.database.delivery.begin().await?;
        registry::pause(&mut transaction, &self.webhook_id, "operator").await?;
        transaction.commit().await?;
        let mut connection = app.database.delivery.acquire().await?;
        while registry::remove_events(&mut connection, &self.webhook_id).await? {}
        drop(connection);
        let mut transaction = app.database.delivery.begin().await?;
        let is_removed = registry::remove(&mut transaction, &self.webhook_id).await?;
        transaction.commit().await?;
        if is_removed { Ok(RemovedWebhook { webhook_id: self.webhook_id }) } else { Err(unknown(&self.webhook_id)) }
    }
}

impl Operation for ReplayWebhook {
    async fn perform(self, app: &App) -> Result<WebhookProgress, OperationError> {
        let from = first_position(&self.from)?;
        let mut connection = app.database.delivery.acquire().await?;
        after(&mut connection, &self.webhook_id, &from).await?;
        // Most of a former replay, which may be long, is removed before the change itself.
        let end = Instant::now() + REMOVAL_TIME;
        while registry::remove_replayed(&mut connection, &self.webhook_id, &from.stream).await? {
            if Instant::now() > end {
                return refused("the events of the former replay are being removed: repeat the request");
            }
        }
        let mut transaction = connection.begin().await?;
        let (after, until) = after(&mut transaction, &self.webhook_id, &from).await?;
        registry::replay(&mut transaction, &self.webhook_id, &after, until).await?;
        transaction.commit().await?;
        Ok(WebhookProgress {
            stream: from.stream,
            position: format!("{}.{}.{}", after.stream, after.incarnation, after.position),
            replay_until: Some(until.unsigned_abs()),
            problem: None,
        })
    }
}

/// Returns the place after which a replay begins, and its last position.
async fn after(
    connection: &mut PgConnection,
    webhook_id: &str,
    from: &Position,
) -> Result<(Place, i64), OperationError> {
    if registry::find(connection, webhook_id).await?.is_none() {
        return Err(unknown(webhook_id));
    }
    let Some(planned) = registry::planned(connection, webhook_id, &from.stream).await? else {
        return refused(format!("{} is no stream of boxes", from.stream));
    };
    if planned.incarnation != from.incarnation {
        return refused("the position belongs to another log");
    }
    let position = i64::try_from(from.sequence).unwrap_or(i64::MAX).max(1) - 1;
    if position >= planned.position {
        return refused(format!("the stream is planned up to {}", planned.position));
    }
    Ok((Place { position, ..planned }, planned.position))
}

/// Returns the position of an event's id. The id of a later event of a commit ends with its number in the commit.
fn first_position(id: &str) -> Result<Position, OperationError> {
    let without_index = id.rsplit_once('.').map_or("", |(position, _)| position);
    let position = id.parse().or_else(|error| without_index.parse().map_err(|_| error));
    position.or_else(|_| refused(format!("{id:?} is no position, like box-2.4f2a.42")))
}

fn unknown(webhook_id: &str) -> OperationError {
    OperationError::Refused(format!("there is no webhook {webhook_id}"))
}

fn refused<T>(reason: impl Into<String>) -> Result<T, OperationError> {
    Err(OperationError::Refused(reason.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_begins_at_the_id_of_an_event() {
        let sequence = |id: &str| first_position(id).ok().map(|position| position.sequence);
        assert_eq!((sequence("box-2.4f2a.42"), sequence("box-2.4f2a.42.1")), (Some(42), Some(42)));
        assert_eq!((sequence("box-2.4f2a"), sequence("42")), (None, None));
    }

    #[test]
    fn types_are_those_of_events_of_boxes() {
        let check = |types: &[&str]| check_types(&types.iter().map(|&name| name.to_owned()).collect());
        assert!(check(&["*"]).is_ok() && check(&["order_arrived", "room_closed"]).is_ok());
        let all: BTreeSet<String> = BoxEvent::TYPES.iter().map(|&name| name.to_owned()).collect();
        assert!(check_types(&all).is_ok());
        for wrong in [&["order_placed"][..], &["user_erased"], &[]] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }
}
