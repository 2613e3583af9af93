//! The server's JetStream API, its durable consumers, and the subjects of answers.

/// The prefix of the JetStream API for the account that owns the log.
pub const OWNER_API_PREFIX: &str = "$JS.API";

/// The prefix under which a service's account reaches the JetStream API of the account that owns streams and buckets.
/// `$JS.API` does not work: every account has an import of that name, which answers that JetStream is disabled.
pub const SERVICE_API_PREFIX: &str = "JS.core.API";

/// The one consumer of fired deadlines, shared by all command-services. Stored; never rename.
pub const DEADLINES_CONSUMER: &str = "deadlines";

/// The consumer of each dense stream for reading all of it, by one reader at a time. Stored; never rename.
pub const BULK_CONSUMER: &str = "bulk";

/// Returns the pattern of the subjects on which messages of a consumer are acknowledged.
pub fn acknowledgements(stream: &str, consumer: &str) -> String {
    format!("$JS.ACK.{stream}.{consumer}.>")
}

/// The pattern of the reply subjects of requests that come from another account.
pub const REPLY_SUBJECTS: &str = "_R_.>";

/// Returns the prefix of the reply subjects of a user's requests.
pub fn inbox(user: &str) -> String {
    format!("_INBOX_{user}")
}
