//! Creates the streams of the log once, and checks existing ones. Run by an administrator, never by a service.

use std::{collections::HashMap, time::Duration};

use async_nats::{
    Client,
    jetstream::{
        self, ErrorCode,
        consumer::{AckPolicy, DeliverPolicy, pull},
        context::GetStreamErrorKind,
        stream::{self, Compression, Config, DiscardPolicy, Republish, RetentionPolicy, StorageType},
    },
};

use wire::{
    StreamName,
    api::{BULK_CONSUMER, DEADLINES_CONSUMER},
    bucket::{self, ACCOUNTS_BUCKET, KEYS_BUCKET},
    stream::{metadata, streams},
    subject,
};

use self::buckets::layouts;

mod buckets;

/// The version of the layout of streams and subjects. There is only one so far.
const LOG_SCHEMA: &str = "1";

/// The time for which the server recognizes repeats by message id. After that, the idempotency index does.
const DUPLICATE_WINDOW: Duration = Duration::from_mins(10);

/// The time after which a fired deadline that was not acknowledged is delivered again.
const ACK_WAIT: Duration = Duration::from_secs(5);

/// The maximum size of a message. It limits a commit with the state of a full room.
const MAX_MESSAGE_BYTES: i32 = 192 * 1024;

/// The layout of the log.
#[derive(Debug, Clone, Copy)]
pub struct ProvisionOptions {
    /// The number of streams over which the boxes are distributed. It can never be changed.
    pub partitions: u16,
    /// The number of replicas of each message.
    pub replicas: usize,
}

/// The log does not have, or cannot be given, the required layout.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// Another number of partitions would assign boxes to other streams.
    #[error("the log was created with {existing} partitions and cannot be used with {configured}")]
    OtherPartitions {
        /// The number of the existing log.
        existing: String,
        /// The configured number.
        configured: u16,
    },
    /// Some streams exist and others do not: creating the missing ones would hide a loss.
    #[error("{present} exists, so {absent} did too: restore it instead of creating an empty one")]
    Incomplete {
        /// The stream that is created last.
        present: String,
        /// The first stream that is absent.
        absent: String,
    },
    /// The server returned an error.
    #[error("provisioning {what} failed")]
    Server {
        /// The object that was to be created.
        what: String,
        /// The error.
        source: async_nats::Error,
    },
}

/// Creates the missing parts of a log that was never complete, and checks a complete one. Can be repeated, also after
/// an interruption: `USER` is created last and marks the log as complete.
pub async fn provision(client: Client, options: ProvisionOptions) -> Result<(), ProvisionError> {
    let context = jetstream::ContextBuilder::new().timeout(Duration::from_secs(10)).build(client);
    let user_stream = find_stream(&context, &StreamName::User.on_server()).await?;
    check_partitions(user_stream.as_ref(), options)?;
    let mut wanted = streams(options.partitions);
    wanted.retain(|stream| *stream != StreamName::User);
    wanted.push(StreamName::Timer);
    if let Some(user_stream) = &user_stream {
        require_complete(&context, &wanted, has_keys(user_stream)).await?;
    }
    for stream in wanted {
        provision_stream(&context, stream, options).await?;
    }
    provision_rest(&context, options).await?;
    provision_stream(&context, StreamName::User, options).await?;
    provision_bulk(&context, StreamName::User).await?;
    match user_stream {
        Some(user_stream) if !has_keys(&user_stream) => declare_keys(&context, user_stream).await,
        _ => Ok(()),
    }
}

/// Returns true if an earlier run has declared that the log has user keys.
fn has_keys(user_stream: &stream::Info) -> bool {
    user_stream.config.metadata.contains_key(metadata::SEALED)
}

/// Declares that a log of an earlier version has user keys from now on.
async fn declare_keys(context: &jetstream::Context, user_stream: stream::Info) -> Result<(), ProvisionError> {
    let mut config = user_stream.config;
    config.metadata.retain(|key, _| !key.starts_with(metadata::SERVER_PREFIX));
    config.metadata.insert(metadata::SEALED.to_owned(), KEYS_BUCKET.to_owned());
    context.update_stream(config).await.map(drop).map_err(|error| server_error(StreamName::User, error))
}

async fn find_stream(context: &jetstream::Context, name: &str) -> Result<Option<stream::Info>, ProvisionError> {
    match context.get_stream(name).await {
        Ok(found) => Ok(Some(found.cached_info().clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(reason) if reason.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(server_error(name, error)),
        },
    }
}

/// Fails if a stream is missing from a complete log, which means data loss.
async fn require_complete(
    context: &jetstream::Context,
    wanted: &[StreamName],
    has_keys: bool,
) -> Result<(), ProvisionError> {
    let keys = has_keys.then(|| bucket::stream(KEYS_BUCKET));
    let names = wanted.iter().map(|stream| stream.on_server()).chain([bucket::stream(ACCOUNTS_BUCKET)]).chain(keys);
    for absent in names {
        if find_stream(context, &absent).await?.is_none() {
            return Err(ProvisionError::Incomplete { present: StreamName::User.on_server(), absent });
        }
    }
    Ok(())
}

fn check_partitions(info: Option<&stream::Info>, options: ProvisionOptions) -> Result<(), ProvisionError> {
    let configured = options.partitions;
    match info.map(|info| info.config.metadata.get(metadata::PARTITIONS).cloned().unwrap_or_default()) {
        Some(existing) if existing != configured.to_string() => {
            Err(ProvisionError::OtherPartitions { existing, configured })
        }
        _ => Ok(()),
    }
}

async fn provision_stream(
    context: &jetstream::Context,
    stream: StreamName,
    options: ProvisionOptions,
) -> Result<(), ProvisionError> {
    let found = find_stream(context, &stream.on_server()).await?;
    check_partitions(found.as_ref(), options)?;
    if found.is_none() {
        context.create_stream(config(stream, options)).await.map_err(|error| server_error(stream, error))?;
    }
    Ok(())
}

async fn provision_rest(context: &jetstream::Context, options: ProvisionOptions) -> Result<(), ProvisionError> {
    let timer = StreamName::Timer.on_server();
    let deadlines = pull::Config {
        durable_name: Some(DEADLINES_CONSUMER.to_owned()),
        filter_subject: subject::ALL_FIRED.to_owned(),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        num_replicas: options.replicas,
        ..Default::default()
    };
    context
        .create_consumer_on_stream(deadlines, timer)
        .await
        .map_err(|error| server_error(DEADLINES_CONSUMER, error))?;
    for stream in
        streams(options.partitions).into_iter().filter(|stream| stream.is_dense() && *stream != StreamName::User)
    {
        provision_bulk(context, stream).await?;
    }
    for layout in layouts(options.replicas) {
        provision_bucket(context, layout).await?;
    }
    Ok(())
}

/// Creates a bucket, or updates one of an earlier version, which could be read from any replica, did not notify of
/// changes, or had no lifetimes of messages.
async fn provision_bucket(context: &jetstream::Context, layout: Config) -> Result<(), ProvisionError> {
    let name = layout.name.clone();
    let Some(found) = find_stream(context, &name).await? else {
        return context.create_stream(layout).await.map(drop).map_err(|error| server_error(name, error));
    };
    let mut config = found.config;
    let is_current = config.allow_message_ttl || !layout.allow_message_ttl;
    if is_current && (config.allow_direct, &config.republish) == (layout.allow_direct, &layout.republish) {
        return Ok(());
    }
    (config.allow_direct, config.republish) = (layout.allow_direct, layout.republish);
    config.allow_message_ttl |= layout.allow_message_ttl;
    config.metadata.retain(|key, _| !key.starts_with(metadata::SERVER_PREFIX));
    context.update_stream(config).await.map(drop).map_err(|error| server_error(name, error))
}

/// Creates the consumer for reading a stream as a whole. It has one replica: without it, a stream is read by other
/// means.
async fn provision_bulk(context: &jetstream::Context, stream: StreamName) -> Result<(), ProvisionError> {
    let bulk = pull::Config {
        durable_name: Some(BULK_CONSUMER.to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::None,
        num_replicas: 1,
        ..Default::default()
    };
    let created = context.create_consumer_on_stream(bulk, stream.on_server()).await;
    created.map(drop).map_err(|error| server_error(BULK_CONSUMER, error))
}

fn server_error(what: impl std::fmt::Display, error: impl Into<async_nats::Error>) -> ProvisionError {
    ProvisionError::Server { what: what.to_string(), source: error.into() }
}

fn config(stream: StreamName, options: ProvisionOptions) -> Config {
    let name = stream.on_server();
    let mut metadata = HashMap::from([
        (metadata::PARTITIONS.to_owned(), options.partitions.to_string()),
        (metadata::SCHEMA.to_owned(), LOG_SCHEMA.to_owned()),
        (metadata::INCARNATION.to_owned(), format!("{:016x}", rand::random::<u64>())),
    ]);
    if stream == StreamName::User {
        metadata.insert(metadata::SEALED.to_owned(), KEYS_BUCKET.to_owned());
    }
    let republish = Republish { source: ">".to_owned(), destination: subject::stored(&name), headers_only: false };
    // Schedules need roll-ups, and roll-ups need purges. Both exclude the policy that rejects new messages.
    let is_timer = stream == StreamName::Timer;
    Config {
        subjects: subject::of_stream(stream),
        metadata,
        retention: RetentionPolicy::Limits,
        discard: if is_timer { DiscardPolicy::Old } else { DiscardPolicy::New },
        storage: StorageType::File,
        num_replicas: options.replicas,
        max_messages: -1,
        max_bytes: -1,
        // A newer marker replaces the older one. Only the newest deadline of a box matters.
        max_messages_per_subject: if stream.is_dense() { -1 } else { 1 },
        max_message_size: MAX_MESSAGE_BYTES,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        deny_delete: !is_timer,
        deny_purge: !is_timer,
        allow_rollup: is_timer,
        allow_atomic_publish: stream == StreamName::User,
        allow_message_schedules: is_timer,
        compression: Some(Compression::S2),
        republish: (!is_timer).then_some(republish),
        name,
        ..Default::default()
    }
}
