//! `boxroomctl log show`: prints the events of a box, a user or a store from the log.

mod line;
mod pages;

use std::{path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use domain::{BoxId, StoreId, UserId};
use event_store::{JetStreamLog, Log, LogError};
use projector::log::open as open_log;
use service_kit::{
    master_key::MasterKeyArgs,
    nats::{self, NatsArgs},
};
use wire::{Source, StreamName};

use crate::{console, failure::Failure};
use line::lines;
use pages::Pages;

/// Commands that read the log.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Show the events of a box, a user or a store, in the order of the log
    #[command(after_help = EXAMPLES)]
    Show(ShowArgs),
}

/// Arguments of `log show`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShowArgs {
    /// Box, with its rooms and messages; read markers are not shown
    #[arg(value_name = "BOX", required_unless_present_any = ["user", "store"], conflicts_with_all = ["user", "store"])]
    pub(crate) box_id: Option<BoxId>,

    /// User, in place of a box
    #[arg(long, value_name = "USER", conflicts_with = "store")]
    pub(crate) user: Option<UserId>,

    /// Store, in place of a box
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<StoreId>,

    /// First sequence to show
    #[arg(long, value_name = "SEQUENCE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) from: u64,

    /// Maximum number of events to show
    #[arg(
        long,
        value_name = "EVENTS",
        default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub(crate) limit: u32,

    /// Show personal text and password hashes, hidden otherwise; needs the master keys
    #[arg(long)]
    pub(crate) values: bool,

    /// Print JSON, one object per line; errors too, on standard error
    #[arg(long)]
    pub(crate) json: bool,

    /// NATS
    #[command(flatten)]
    pub(crate) nats: NatsArgs,

    /// File of master keys, for --values
    #[arg(long, env = "BOXROOM_MASTER_KEY_FILE", value_name = "FILE")]
    pub(crate) master_key_file: Option<PathBuf>,
}

/// The final section of `--help`.
pub(crate) const EXAMPLES: &str = "\
BOXROOM_NATS_URL names a NATS user that may read the log: `projector`, not `operator`.

Examples:
  boxroomctl log show locker-7
  boxroomctl log show locker-7 --from 4711 --limit 20
  boxroomctl log show --user ana --values --master-key-file /etc/boxroom/master-key
  boxroomctl log show locker-7 --json | jq -r 'select(.type == \"room_opened\") | .fields.room_id'

Exit codes: 0 done, 1 failed, 2 invalid arguments, 3 refused: no such box, user or store, or no master keys,
5 no answer: NATS is unreachable, or the log cannot be read";

/// The suffix of an error about a log that does not answer. NATS does not answer requests without permission.
const MAY_READ: &str = "the NATS user of BOXROOM_NATS_URL must be one that may read the log, like `projector`";

/// The suffix of an error about personal text that cannot be decrypted.
const HAS_KEYS: &str =
    "--values needs the master keys of this log, and a NATS user that may read the user keys, like `projector`";

pub(crate) async fn show(args: ShowArgs) -> Result<(), Failure> {
    let (name, sources) = args.subject();
    let log = open(&args).await?;
    let partitions = partitions(log.as_ref()).await?;
    let unreadable = |error: LogError| match error {
        // The log has answered before, so it is the keys that are missing.
        LogError::Unavailable(_) if args.values => Failure::Failed(format!("{error}; {HAS_KEYS}")),
        error => failure(error),
    };
    let mut pages = Pages::new(log.as_ref(), sources, partitions, args.from);
    let (mut shown, mut exists) = (0, false);
    while let Some(page) = pages.next().await.map_err(unreadable)? {
        exists |= !page.is_empty();
        for line in page.iter().flat_map(|recorded| lines(recorded, args.values)) {
            if shown == args.limit {
                console::print_note(args.json, &format!("more events follow: --from {}", line.sequence));
                return Ok(());
            }
            console::result(args.json, &line, &line.to_string())?;
            shown += 1;
        }
    }
    if exists || pages.has_any().await.map_err(unreadable)? {
        return Ok(());
    }
    Err(Failure::Refused(format!("the log has no events of the {name}")))
}

impl ShowArgs {
    /// Returns the name and the sources of the events to show.
    fn subject(&self) -> (String, Vec<Source>) {
        match (&self.box_id, &self.user, &self.store) {
            (Some(box_id), ..) => {
                let [room, talk] = [box_id.clone(), box_id.clone()];
                (format!("box {box_id}"), vec![Source::Room { box_id: room }, Source::Talk { box_id: talk }])
            }
            (None, Some(user_id), _) => (format!("user {user_id}"), vec![Source::User { user_id: user_id.clone() }]),
            (None, None, Some(store_id)) => {
                (format!("store {store_id}"), vec![Source::Store { store_id: store_id.clone() }])
            }
            // Excluded by the parser.
            (None, None, None) => ("given box".to_owned(), Vec::new()),
        }
    }
}

/// Opens the log, with decryption if personal text is to be shown.
async fn open(args: &ShowArgs) -> Result<Arc<dyn Log>, Failure> {
    let connected = nats::connect_now(&args.nats.nats_url, "boxroomctl");
    if !args.values {
        return Ok(Arc::new(JetStreamLog::new(connected.await?)));
    }
    let Some(master_key_file) = args.master_key_file.clone() else {
        let reason = "--values decrypts personal text and needs the master keys: give --master-key-file";
        return Err(Failure::Refused(reason.to_owned()));
    };
    let client = connected.await?;
    let log = open_log(client, &args.nats.nats_url, &MasterKeyArgs { master_key_file });
    log.map_err(|error| Failure::Failed(format!("{:#}", anyhow::Error::from(error))))
}

/// Returns the number of box streams with which the log was created.
async fn partitions(log: &dyn Log) -> Result<u16, Failure> {
    let state = log.state(StreamName::Box(0)).await.map_err(failure)?;
    state.partitions.ok_or_else(|| Failure::Failed("the log does not name its number of partitions".to_owned()))
}

#[expect(clippy::needless_pass_by_value, reason = "a function for `map_err`")]
fn failure(error: LogError) -> Failure {
    match error {
        LogError::Unavailable(_) => Failure::NoAnswer(format!("{error}; {MAY_READ}")),
        LogError::Absent(_) | LogError::Rejected { .. } | LogError::Corrupt { .. } => {
            Failure::Failed(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_the_master_keys_personal_text_is_refused() {
        let args = ShowArgs {
            box_id: "b1".parse().ok(),
            user: None,
            store: None,
            from: 1,
            limit: 100,
            values: true,
            json: false,
            nats: NatsArgs { nats_url: "nats://projector:secret@127.0.0.1:1".to_owned() },
            master_key_file: None,
        };
        let failure = show(args).await.unwrap_err();
        assert!(matches!(&failure, Failure::Refused(reason) if reason.contains("--master-key-file")), "{failure}");
    }
}
