//! Gives users of earlier releases their claims on names that look like theirs. New nicknames wait until all have them.

use std::{sync::Arc, time::Duration};

use domain::UserId;
use event_store::{ActorRole, Claimed, CommandContext, Log, NicknameClaims};
use service_kit::clock;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{app::App, error::Error, problems::Code};

/// The longest time that a request waits for the claims.
const WAIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The time between two looks for users of an earlier release that still runs beside this one.
const PERIOD: Duration = Duration::from_secs(10);

/// The pause after an error.
const RETRY_PERIOD: Duration = Duration::from_secs(1);

/// The state of the claims.
pub(crate) struct Nicknames {
    log: Arc<dyn Log>,
    partitions: u16,
    are_claimed: watch::Sender<bool>,
}

impl Nicknames {
    /// Creates the state for a log with this many partitions, which must decrypt nicknames.
    pub(crate) fn new(log: Arc<dyn Log>, partitions: u16) -> Self {
        Self { log, partitions, are_claimed: watch::Sender::new(false) }
    }

    /// Waits a short time until every user has the claims.
    pub(crate) async fn claimed(&self) -> Result<(), Code> {
        let mut are_claimed = self.are_claimed.subscribe();
        match timeout(WAIT_TIMEOUT, are_claimed.wait_for(|are_claimed| *are_claimed)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Code::NicknamesNotReady),
        }
    }
}

/// Claims for all users, and afterwards for those that an earlier release adds. Never ends.
pub(crate) async fn run(app: App) {
    let mut claims = NicknameClaims::new(Arc::clone(&app.nicknames.log), app.nicknames.partitions);
    loop {
        match advance(&app, &mut claims).await {
            Ok(claimed) if claimed.sequence >= claimed.end => {
                if !app.nicknames.are_claimed.send_replace(true) {
                    tracing::info!(sequence = claimed.sequence, "all users have the claims on their nicknames");
                }
                grown(&app, claimed.sequence).await;
            }
            Ok(Claimed { sequence, end, examined }) => {
                tracing::info!(sequence, end, examined, "claiming nicknames for users of an earlier release");
            }
            Err(error) => {
                tracing::warn!(?error, "nicknames cannot be claimed now");
                sleep(RETRY_PERIOD).await;
            }
        }
    }
}

/// Waits until the stream of users has grown beyond a sequence, as far as this process knows from following it.
async fn grown(app: &App, sequence: u64) {
    loop {
        sleep(PERIOD).await;
        if app.users.tails().iter().any(|(_, tail)| tail.sequence > sequence) {
            return;
        }
    }
}

async fn advance(app: &App, claims: &mut NicknameClaims) -> Result<Claimed, Error> {
    app.clock.require().await?;
    let context = CommandContext {
        command_id: None,
        request_hash: app.secret.hash(&[b"nicknames"]),
        actor: UserId::system(),
        role: ActorRole::System,
        at: clock::now(),
        traceparent: None,
        reason: None,
    };
    Ok(claims.advance(&context).await?)
}
