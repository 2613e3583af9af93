//! Converts each error to the problem that the client gets.

use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use credentials::AccountError;
use domain::{BoxRefusal, FilterRefusal, ReportRefusal, StoreRefusal, UserRefusal};
use event_store::{AppendError, CommandError, EventStoreError, MarkError};
use sealing::KeyError;
use service_kit::problem::Problem;
use storage::{BucketError, SpaceLimit};

use crate::problems::Code;

/// The `Retry-After` of errors that only an operator can fix, in seconds.
const FULL_RETRY: u32 = 30;
const DAMAGED_RETRY: u32 = 10;

/// The `Retry-After` of nicknames while those of existing users are prepared, in seconds.
const NICKNAMES_RETRY: u32 = 5;

/// The reason why a request was not carried out, as a problem.
#[derive(Debug)]
pub(crate) struct Error(Problem);

impl Error {
    /// Builds a problem with a detail of its own.
    pub(crate) fn detailed(code: Code, detail: impl Into<String>) -> Self {
        Self(code.problem().detail(detail))
    }

    /// Adds the request id, for requests that do not pass through the router.
    pub(crate) fn of_request(self, id: &str) -> Self {
        Self(self.0.of_request(id))
    }

    /// Returns true if it is this problem.
    pub(crate) fn is(&self, code: Code) -> bool {
        self.0.code() == code.as_str()
    }

    /// Returns the problem as it stands in an answer, for requests that do not pass through the router.
    pub(crate) fn into_problem(self) -> Problem {
        self.0
    }

    /// The log did not answer. If the outcome is unknown, a repeat with the same key settles it.
    pub(crate) fn log_unavailable(reason: &str, outcome_unknown: bool) -> Self {
        tracing::warn!(reason, outcome_unknown, "the log cannot be reached");
        let detail = if outcome_unknown {
            "It is not known whether the command took effect: repeat it with the same Idempotency-Key."
        } else {
            "The command took no effect: repeat it."
        };
        Self(Code::LogUnavailable.problem().detail(detail).retry_after(1))
    }

    /// The log has no space left: nothing was stored.
    fn log_full(space_limit: SpaceLimit) -> Self {
        tracing::warn!(%space_limit, "the log has no space left");
        let detail = "The command took no effect: repeat it when the log has space again.";
        Self(Code::LogFull.problem().detail(detail).retry_after(FULL_RETRY))
    }

    /// The log differs from earlier reads of it.
    fn log_damaged(reason: &str) -> Self {
        tracing::warn!(reason, "the log is damaged");
        let detail = "The command took no effect: repeat it when the log is repaired.";
        Self(Code::LogDamaged.problem().detail(detail).retry_after(DAMAGED_RETRY))
    }

    /// A bucket beside the log did not answer. Its writes have no keys and may be repeated unchanged.
    fn bucket_unavailable(reason: &str) -> Self {
        tracing::warn!(reason, "a bucket cannot be reached");
        let detail = "It is not known whether the request took effect: repeat it unchanged.";
        Self(Code::LogUnavailable.problem().detail(detail).retry_after(1))
    }

    /// The member has posted less than the interval of slow mode ago.
    pub(crate) fn slow_mode(wait: TimeDelta) -> Self {
        // Rounded up, so that a command after this time is accepted.
        let seconds = u32::try_from(wait.num_milliseconds().saturating_add(999) / 1000).unwrap_or(u32::MAX);
        let detail = format!("you can post the next message in {seconds} s");
        Self(Code::SlowMode.problem().detail(detail).retry_after(seconds))
    }

    /// Concurrent changes of the same object won every retry.
    pub(crate) fn contended() -> Self {
        Self(Code::Contended.problem().retry_after(1))
    }

    fn internal(cause: &dyn std::error::Error) -> Self {
        let sources = std::iter::successors(cause.source(), |error| error.source());
        let sources: Vec<String> = sources.map(ToString::to_string).collect();
        tracing::error!(%cause, sources = sources.join(": "), "a request failed");
        Self(Code::Internal.problem())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        let problem = code.problem();
        Self(match code {
            Code::Busy => problem.retry_after(1),
            Code::NicknamesNotReady => problem.retry_after(NICKNAMES_RETRY),
            _ => problem,
        })
    }
}

/// A refusal by the rules of an aggregate.
pub(crate) trait Refusal: std::error::Error {
    /// The time in seconds after which the same command may be accepted.
    fn retry_after(&self) -> Option<u32> {
        None
    }
}

impl Refusal for BoxRefusal {
    fn retry_after(&self) -> Option<u32> {
        if let Self::Muted { seconds, .. } = self { Some(*seconds) } else { None }
    }
}

impl Refusal for UserRefusal {}

impl Refusal for StoreRefusal {}

impl Refusal for FilterRefusal {}

impl Refusal for ReportRefusal {}

/// Maps a refusal by the rules with its text, which is safe to show.
impl<R: Refusal> From<CommandError<R>> for Error
where
    for<'a> Code: From<&'a R>,
{
    fn from(error: CommandError<R>) -> Self {
        match error {
            CommandError::Refused(refusal) => {
                let problem = Code::from(&refusal).problem().detail(refusal.to_string());
                Self(refusal.retry_after().into_iter().fold(problem, Problem::retry_after))
            }
            CommandError::KeyReused => Code::IdempotencyKeyReused.into(),
            CommandError::Erased => Code::UserNotFound.into(),
            CommandError::Suspended => Code::AccountSuspended.into(),
            // The caller of the executor knows the reason, except in a race with another attempt.
            CommandError::NotPrepared | CommandError::Contended => Self::contended(),
            CommandError::Unavailable { outcome_unknown, reason } => Self::log_unavailable(&reason, outcome_unknown),
            CommandError::Full(space_limit) => Self::log_full(space_limit),
            CommandError::Damaged { reason } => Self::log_damaged(&reason),
            error @ CommandError::Corrupt { .. } => Self::internal(&error),
        }
    }
}

impl From<EventStoreError> for Error {
    fn from(error: EventStoreError) -> Self {
        match error {
            EventStoreError::KeyReused => Code::IdempotencyKeyReused.into(),
            EventStoreError::Erased => Code::UserNotFound.into(),
            EventStoreError::Conflict
            | EventStoreError::NameTaken
            | EventStoreError::NotPrepared
            | EventStoreError::Contended => Self::contended(),
            EventStoreError::Unavailable { outcome_unknown, reason } => Self::log_unavailable(&reason, outcome_unknown),
            EventStoreError::Full(space_limit) => Self::log_full(space_limit),
            EventStoreError::Damaged { reason } => Self::log_damaged(&reason),
            error @ EventStoreError::Corrupt { .. } => Self::internal(&error),
        }
    }
}

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        EventStoreError::from(error).into()
    }
}

impl From<MarkError> for Error {
    fn from(error: MarkError) -> Self {
        match error {
            MarkError::Append(error) => error.into(),
            MarkError::KeyReused => Code::IdempotencyKeyReused.into(),
            MarkError::Log(error) => EventStoreError::from(error).into(),
            error @ MarkError::Decode(_) => Self::internal(&error),
        }
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Full(space_limit) => Self::log_full(space_limit),
            KeyError::Unavailable(reason) => Self::log_unavailable(&reason, true),
            error @ (KeyError::Missing(_) | KeyError::UnknownMaster { .. } | KeyError::Corrupt(_)) => {
                Self::internal(&error)
            }
        }
    }
}

impl From<AccountError> for Error {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Conflict => Self::contended(),
            AccountError::Full(space_limit) => Self::log_full(space_limit),
            AccountError::Unavailable(reason) => Self::bucket_unavailable(&format!("accounts: {reason}")),
            error @ AccountError::Corrupt { .. } => Self::internal(&error),
        }
    }
}

impl From<BucketError> for Error {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::Conflict(_) => Self::contended(),
            BucketError::Full(_, space_limit) => Self::log_full(space_limit),
            BucketError::Unavailable(bucket, reason) => Self::bucket_unavailable(&format!("{bucket}: {reason}")),
            error @ BucketError::Corrupt(..) => Self::internal(&error),
        }
    }
}

impl From<&BoxRefusal> for Code {
    fn from(refusal: &BoxRefusal) -> Self {
        match refusal {
            BoxRefusal::BoxExists => Self::BoxExists,
            BoxRefusal::BoxNotFound => Self::BoxNotFound,
            BoxRefusal::BoxInUse => Self::BoxInUse,
            BoxRefusal::BoxOutOfService => Self::BoxOutOfService,
            BoxRefusal::BoxRetired => Self::BoxRetired,
            BoxRefusal::EventNotFound => Self::EventNotFound,
            BoxRefusal::StoreClosed => Self::StoreClosed,
            BoxRefusal::RoomNotFound => Self::RoomNotFound,
            BoxRefusal::RoomClosed => Self::RoomClosed,
            BoxRefusal::RoomFull => Self::RoomFull,
            BoxRefusal::WrongPassword => Self::WrongPassword,
            BoxRefusal::Kicked => Self::Kicked,
            BoxRefusal::AlreadyMember => Self::AlreadyMember,
            BoxRefusal::NotAMember => Self::NotAMember,
            BoxRefusal::NotTheHost | BoxRefusal::NotAModerator => Self::NotTheHost,
            BoxRefusal::IsTheHost => Self::IsTheHost,
            BoxRefusal::TooManyCoHosts => Self::TooManyCoHosts,
            BoxRefusal::TooManyMutes => Self::TooManyMutes,
            BoxRefusal::Muted { .. } => Self::Muted,
            BoxRefusal::OrderPlaced => Self::OrderPlaced,
            BoxRefusal::TooManyMembers(_) => Self::TooManyMembers,
            BoxRefusal::InvalidInvitation => Self::InvalidRoomInvitation,
            BoxRefusal::InvitationNotFound => Self::InvitationNotFound,
            BoxRefusal::TooManyInvitations => Self::TooManyInvitations,
            BoxRefusal::PrivateBox => Self::PrivateBox,
            BoxRefusal::TooManyUsers => Self::TooManyUsers,
            BoxRefusal::MemberNotFound => Self::MemberNotFound,
            BoxRefusal::CannotKickYourself => Self::CannotKickYourself,
            BoxRefusal::TooManyKicks => Self::TooManyKicks,
            BoxRefusal::StepNotForward(_) => Self::StepNotForward,
            BoxRefusal::TooManyExtensions => Self::TooManyExtensions,
            BoxRefusal::MessageNotFound => Self::MessageNotFound,
            BoxRefusal::NotTheAuthor => Self::NotTheAuthor,
            BoxRefusal::MessageDeleted => Self::MessageDeleted,
            BoxRefusal::TooManyReactions | BoxRefusal::TooManyOwnReactions => Self::TooManyReactions,
        }
    }
}

impl From<&UserRefusal> for Code {
    fn from(refusal: &UserRefusal) -> Self {
        match refusal {
            UserRefusal::UserExists => Self::UserExists,
            UserRefusal::NicknameTaken => Self::NicknameTaken,
            UserRefusal::UserNotFound => Self::UserNotFound,
            UserRefusal::DeviceNotFound => Self::DeviceNotFound,
            UserRefusal::TooManyDevices => Self::TooManyDevices,
            UserRefusal::TooManyBlockedUsers => Self::TooManyBlockedUsers,
        }
    }
}

impl From<&StoreRefusal> for Code {
    fn from(refusal: &StoreRefusal) -> Self {
        match refusal {
            StoreRefusal::StoreExists => Self::StoreExists,
            StoreRefusal::StoreNotFound => Self::StoreNotFound,
            StoreRefusal::StoreRetired => Self::StoreRetired,
        }
    }
}

impl From<&FilterRefusal> for Code {
    fn from(refusal: &FilterRefusal) -> Self {
        match refusal {
            FilterRefusal::FilterNotFound => Self::FilterNotFound,
            FilterRefusal::TooManyFilters => Self::TooManyFilters,
        }
    }
}

impl From<&ReportRefusal> for Code {
    fn from(refusal: &ReportRefusal) -> Self {
        match refusal {
            ReportRefusal::AlreadyReported => Self::AlreadyReported,
            ReportRefusal::ReportNotFound => Self::ReportNotFound,
            ReportRefusal::ReportClosed => Self::ReportClosed,
            ReportRefusal::ReportClaimed => Self::ReportClaimed,
            ReportRefusal::ReportNotClaimed => Self::ReportNotClaimed,
            ReportRefusal::ReportHoldsNothing => Self::ReportHoldsNothing,
            ReportRefusal::HeldTooLong => Self::HeldTooLong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: impl Into<Error>) -> (u16, &'static str, String) {
        let Error(problem) = error.into();
        (problem.status().as_u16(), problem.code(), problem.detail_text().to_owned())
    }

    #[test]
    fn a_refusal_keeps_its_own_code_and_detail() {
        let (status, code, detail) = answer(CommandError::Refused(BoxRefusal::BoxInUse));
        assert_eq!((status, code, detail.as_str()), (409, "box-in-use", "the box is in use"));
        let (status, code, detail) =
            answer(CommandError::Refused(BoxRefusal::StepNotForward(domain::values::Step::Ordered)));
        assert_eq!((status, code, detail.as_str()), (409, "step-not-forward", "the order is at step ordered already"));
    }

    #[test]
    fn a_fault_tells_the_client_what_to_do_but_not_its_cause() {
        let unavailable = |outcome_unknown| EventStoreError::Unavailable { outcome_unknown, reason: "secret".into() };
        for (error, words) in [(unavailable(true), "not known"), (unavailable(false), "no effect")] {
            let (status, code, detail) = answer(error);
            assert_eq!((status, code), (503, "log-unavailable"));
            assert!(detail.contains(words) && !detail.contains("secret"), "{detail}");
        }
        let (status, code, detail) = answer(CommandError::<UserRefusal>::Corrupt { reason: "secret".into() });
        assert_eq!((status, code, detail.contains("secret")), (500, "internal", false));
        let full = CommandError::<UserRefusal>::Full(SpaceLimit::Disk);
        let damaged = CommandError::<UserRefusal>::Damaged { reason: "secret".into() };
        for (error, expected) in [(full, "log-full"), (damaged, "log-damaged")] {
            let (status, code, detail) = answer(error);
            assert_eq!((status, code), (503, expected));
            assert!(detail.contains("no effect") && !detail.contains("secret"), "{detail}");
        }
        let response = Error::from(CommandError::<UserRefusal>::Contended).into_response();
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (409, "1"));
    }
}
