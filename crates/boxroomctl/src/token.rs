//! `boxroomctl token`: prints an access token.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use chrono::TimeDelta;
use clap::{Args, ValueEnum};
use domain::{BoxId, UserId};
use service_kit::{
    auth::{Grant, Role},
    clock, time_span,
};
use sign_in::KeyFolder;

/// The content of a printed token.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenArgs {
    /// Folder of the signing keys; the last one by file name signs
    #[arg(long, env = "BOXROOM_SIGNING_KEYS", value_name = "FOLDER")]
    pub(crate) signing_keys: PathBuf,

    /// Id of the user, operator, moderator or box
    #[arg(long, value_name = "USER")]
    pub(crate) subject: UserId,

    /// Role of the token
    #[arg(long, default_value = "user")]
    pub(crate) role: RoleName,

    /// Box id, for the role `device`
    #[arg(long = "box", value_name = "BOX", required_if_eq("role", "device"))]
    pub(crate) box_id: Option<BoxId>,

    /// Lifetime of the token
    #[arg(long, default_value = "12h", value_parser = time_span::parse, value_name = "TIME")]
    pub(crate) ttl: TimeDelta,
}

/// A role on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Places orders and chats
    User,
    /// Manages boxes and stores
    Operator,
    /// Acts against abuse
    Moderator,
    /// Delivery box
    Device,
}

/// The final section of `--help`.
pub(crate) const EXAMPLES: &str = "\
Examples:
  boxroomctl token --subject ops --role operator --ttl 12h
  boxroomctl token --subject box-1 --role device --box box-1 --ttl 365d

Exit codes: 0 done, 1 failed, 2 invalid arguments";

/// Prints a token, signed with the newest key of the folder.
pub(crate) fn print(args: &TokenArgs) -> Result<()> {
    let role = match (args.role, args.box_id.clone()) {
        (RoleName::User, None) => Role::User,
        (RoleName::Operator, None) => Role::Operator,
        (RoleName::Moderator, None) => Role::Moderator,
        (RoleName::Device, Some(box_id)) => Role::Device(box_id),
        _ => bail!("--box and --role device require each other"),
    };
    let folder = KeyFolder::open(&args.signing_keys)?;
    let newest = folder.keys().last().context("there is no signing key")?;
    let (user_id, role, at, lifetime) = (&args.subject, &role, clock::now(), args.ttl);
    let grant = Grant { user_id, role, session: None, authenticated_at: None, at, lifetime };
    writeln!(io::stdout(), "{}", newest.sign(grant)?)?;
    Ok(())
}
