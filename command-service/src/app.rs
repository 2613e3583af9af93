//! State shared by all requests and tasks: built once at the start.

use std::{collections::BTreeMap, future::ready, ops::Deref, sync::Arc};

use axum::extract::FromRef;
use chrono::TimeDelta;
use credentials::{Accounts, Revocations, Sessions};
use domain::{
    BoxCommand, BoxRefusal, DeliveryBox, MessageId, OriginalMessage, Report, RoomId, Store, StoreId, User, UserId,
};
use event_store::{
    CommandContext, CommandError, Committed, Deadlines, EventStoreError, Executor, Marks, OpenerClaims, TailState,
    executor::Preparation,
};
use futures::FutureExt;
use sealing::KeyRing;
use service_kit::{auth::Verifier, clock};
use sign_in::sign_out::SessionStores;
use wire::StreamName;

use crate::{
    completion::RunningRequests,
    error::Error,
    login_throttle::LoginThrottle,
    nicknames::Nicknames,
    passwords::Passwords,
    problems::Code,
    quotas::{Admission, Quotas},
    server_clock::ServerClock,
    settings::ReactionCode,
    signing::Signing,
    slow_mode::Turns,
    stamp::{RequestSecret, Stamp},
    text_filter::TextFilter,
    users::{confirmation::Confirmations, registration_policy::RegistrationPolicy},
};

/// The shared parts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// The shared state itself.
pub(crate) struct Parts {
    pub(crate) boxes: Executor<DeliveryBox>,
    pub(crate) users: Executor<User>,
    pub(crate) stores: Executor<Store>,
    pub(crate) text_filter: TextFilter,
    pub(crate) reports: Executor<Report>,
    pub(crate) marks: Marks,
    pub(crate) deadlines: Deadlines,
    pub(crate) accounts: Accounts,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) nicknames: Nicknames,
    pub(crate) login_throttle: LoginThrottle,
    pub(crate) clock: Arc<ServerClock>,
    pub(crate) passwords: Passwords,
    pub(crate) sessions: Sessions,
    pub(crate) revocations: Revocations,
    /// None if an external issuer signs the tokens.
    pub(crate) signing: Option<Signing>,
    pub(crate) verifier: Verifier,
    pub(crate) secret: RequestSecret,
    /// The claims of users on slots for open rooms.
    pub(crate) openers: OpenerClaims,
    pub(crate) quotas: Quotas,
    /// The turns of members of rooms in slow mode.
    pub(crate) turns: Turns,
    pub(crate) registration: RegistrationPolicy,
    /// None if users are registered without a confirmation.
    pub(crate) confirmations: Option<Confirmations>,
    pub(crate) running: RunningRequests,
    /// The time in which a held message can be published.
    pub(crate) publication_window: TimeDelta,
    /// The initial lifetime of a room.
    pub(crate) room_lifetime: TimeDelta,
    /// The short codes that are reactions.
    pub(crate) reaction_codes: Vec<ReactionCode>,
    /// The longest time between two refreshes of a session.
    pub(crate) session_lifetime: TimeDelta,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The state of the tail of each stream. Of several tails of a stream, that of the one that is furthest behind.
    pub(crate) fn tails(&self) -> Vec<(StreamName, TailState)> {
        let mut tails = BTreeMap::<StreamName, TailState>::new();
        let of_boxes = [self.boxes.tails(), self.users.tails()].concat();
        let of_stores = [self.stores.tails(), self.text_filter.filters().tails(), self.reports.tails()].concat();
        for (stream, tail) in of_boxes.into_iter().chain(of_stores) {
            let is_behind = |known: &TailState| {
                let place = |tail: &TailState| {
                    (tail.damage.is_none(), tail.last_error.is_none(), tail.caught_up, tail.sequence)
                };
                place(&tail) < place(known)
            };
            if tails.get(&stream).is_none_or(is_behind) {
                tails.insert(stream, tail);
            }
        }
        tails.into_iter().collect()
    }

    /// Returns the number of commands in the idempotency index of each stream.
    pub(crate) fn index_sizes(&self) -> BTreeMap<StreamName, usize> {
        let mut sizes = BTreeMap::new();
        let all = [self.boxes.index_sizes(), self.users.index_sizes(), self.stores.index_sizes()];
        // Every tail of a stream knows all of its commands.
        sizes.extend(all.concat());
        sizes
    }

    /// Returns the signing keys, or `sign-in-elsewhere` if an external issuer signs the tokens.
    pub(crate) fn signing(&self) -> Result<&Signing, Code> {
        self.signing.as_ref().ok_or(Code::SignInElsewhere)
    }

    /// Returns the stores that a sign-out changes.
    pub(crate) fn session_stores(&self) -> SessionStores<'_> {
        SessionStores { sessions: &self.sessions, revocations: &self.revocations }
    }

    /// Executes a command of a user on a room. Reports a missing box as a missing room. Rejects commands from erased
    /// and suspended users, even while their token is valid.
    pub(crate) async fn in_room(
        &self,
        room_id: &RoomId,
        command: BoxCommand,
        context: CommandContext,
    ) -> Result<Committed<DeliveryBox>, CommandError<BoxRefusal>> {
        self.prepared_in_room(room_id, command, context, &|_| ready(Ok(())).boxed()).await
    }

    /// Like [`in_room`](Self::in_room), but the command must be admitted by the quotas of the user.
    pub(crate) async fn admitted_in_room(
        &self,
        room_id: &RoomId,
        command: BoxCommand,
        context: CommandContext,
        admission: Admission<'_>,
    ) -> Result<Committed<DeliveryBox>, Error> {
        let committed = self.prepared_in_room(room_id, command, context, &admission.preparation()).await;
        admission.conclude(committed)
    }

    /// Like [`in_room`](Self::in_room), but counts the command as a change of the room by its actor.
    pub(crate) async fn change_room(
        &self,
        room_id: &RoomId,
        command: BoxCommand,
        context: CommandContext,
    ) -> Result<Committed<DeliveryBox>, Error> {
        let by = context.actor.clone();
        self.admitted_in_room(room_id, command, context, self.quotas.room_change(&by)).await
    }

    /// Like [`in_room`](Self::in_room), but runs `prepare` before each append.
    pub(crate) async fn prepared_in_room(
        &self,
        room_id: &RoomId,
        command: BoxCommand,
        context: CommandContext,
        prepare: &Preparation<'_, DeliveryBox>,
    ) -> Result<Committed<DeliveryBox>, CommandError<BoxRefusal>> {
        self.require_active(&context).await?;
        match self.boxes.execute_prepared(room_id.box_id(), command, context, prepare).await {
            Err(CommandError::Refused(BoxRefusal::BoxNotFound)) => Err(CommandError::Refused(BoxRefusal::RoomNotFound)),
            result => result,
        }
    }

    /// Rejects a user who was erased or is suspended, even while the token is valid.
    pub(crate) async fn require_active(&self, context: &CommandContext) -> Result<(), CommandError<BoxRefusal>> {
        let (user, _) = self.users.load(&context.actor).await?;
        if user.is_erased() {
            return Err(CommandError::Erased);
        }
        if user.is_suspended(context.at) { Err(CommandError::Suspended) } else { Ok(()) }
    }

    /// Returns true if a store takes orders, or `store-not-found`.
    pub(crate) async fn store_is_open(&self, store_id: &StoreId) -> Result<bool, Error> {
        let (mut store, _) = self.stores.load(store_id).await?;
        if !store.is_open() {
            // The cached state may be behind.
            (store, _) = self.stores.load_latest(store_id).await?;
        }
        if store.is_registered() { Ok(store.is_open()) } else { Err(Code::StoreNotFound.into()) }
    }

    /// Returns the event that posted a message on the box of a room.
    pub(crate) async fn original(
        &self,
        room_id: &RoomId,
        message_id: MessageId,
    ) -> Result<Option<OriginalMessage>, EventStoreError> {
        self.boxes.message(room_id.box_id(), message_id).await
    }

    /// Generates an id for an object without one. A repeat with the same idempotency key gets the same id.
    pub(crate) fn generate_id(&self, kind: &str, actor: &UserId, stamp: &Stamp) -> String {
        let random = clock::new_id().simple().to_string();
        let id = match &stamp.key {
            Some(key) => self.secret.hash(&[kind.as_bytes(), actor.as_str().as_bytes(), key.as_bytes()]).to_string(),
            None => random,
        };
        // Time-ordered ids are random at their end.
        id.chars().rev().take(GENERATED_ID_CHARS).collect()
    }
}

/// The length of a generated id: unique among all boxes, and short enough for a label.
const GENERATED_ID_CHARS: usize = 12;
