//! The database connection of one read: of one generation, and not before the client's `Min-Position`.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use domain::{BoxId, RoomId};
use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    app::App,
    error::Error,
    generation::Generation,
    position::{Coverage, MinPositions},
};

/// The time that a read waits for the read model.
const WAIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The interval between two reads of the checkpoints without a notification.
const POLL: Duration = Duration::from_millis(100);

/// A connection for one read. Last in a handler's signature, so that a rejected request acquires none.
pub(crate) struct Reader {
    connection: PoolConnection<Postgres>,
    /// Keeps the generation's pool open until the read is done.
    generation: Arc<Generation>,
}

impl Reader {
    /// Returns a connection for a further read of a long request, which may be of a newer generation.
    pub(crate) async fn current(app: &App) -> Result<Self, Error> {
        let generation = app.generations.current()?;
        Ok(Self { connection: generation.acquire().await?, generation })
    }

    /// Returns the incarnations of the log that it reads from, as one hash.
    pub(crate) fn incarnation(&self) -> Arc<str> {
        self.generation.incarnation()
    }
}

impl Deref for Reader {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl FromRequestParts<App> for Reader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let wanted = MinPositions::of(&parts.headers)?;
        let generation = app.generations.current()?;
        let connection = if wanted.is_empty() {
            generation.acquire().await?
        } else {
            let box_id = box_of_path(parts, app).await;
            wait_for(&wanted, box_id.as_ref(), &generation).await?
        };
        Ok(Self { connection, generation })
    }
}

/// The read model once it has reached the client's `Min-Position`, without a connection: for reads that wait for a
/// permit first.
pub(crate) struct ReadModel(Arc<Generation>);

impl ReadModel {
    /// Returns a connection for a read that is no search.
    pub(crate) async fn read(self) -> Result<Reader, Error> {
        Ok(Reader { connection: self.0.acquire().await?, generation: self.0 })
    }

    /// Returns a connection for a search.
    pub(crate) async fn search(self) -> Result<Reader, Error> {
        Ok(Reader { connection: self.0.acquire_for_search().await?, generation: self.0 })
    }
}

impl FromRequestParts<App> for ReadModel {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let wanted = MinPositions::of(&parts.headers)?;
        let generation = app.generations.current()?;
        if !wanted.is_empty() {
            drop(wait_for(&wanted, box_of_path(parts, app).await.as_ref(), &generation).await?);
        }
        Ok(Self(generation))
    }
}

/// Returns the box that the path is about.
async fn box_of_path(parts: &mut Parts, app: &App) -> Option<BoxId> {
    let parameters = RawPathParams::from_request_parts(parts, app).await.ok()?;
    parameters.iter().find_map(|(name, value)| match name {
        "box" => value.parse().ok(),
        "room" => value.parse().ok().map(|room_id: RoomId| room_id.box_id().clone()),
        _ => None,
    })
}

/// Waits until the positions are projected. Returns the connection that has seen them. Holds none while waiting.
async fn wait_for(
    wanted: &MinPositions,
    box_id: Option<&BoxId>,
    generation: &Generation,
) -> Result<PoolConnection<Postgres>, Error> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    let mut progress = generation.progress();
    let mut announced = false;
    loop {
        let mut connection = generation.acquire().await?;
        let lag = match wanted.check(&mut connection, box_id).await? {
            Coverage::All => return Ok(connection),
            Coverage::NotYet(lag) => lag,
        };
        drop(connection);
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::NotYetProjected(lag));
        }
        let pause = POLL.min(left);
        if announced {
            // Notifications are ahead of what this connection sees: waiting for them would return at once.
            sleep(pause).await;
        } else {
            let woken = timeout(pause, progress.wait_for(|progress| wanted.is_covered_by(progress))).await;
            announced = woken.is_ok();
        }
    }
}
