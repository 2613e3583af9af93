//! The table of all requests of operators, each with its route.

use std::time::Duration;

use axum::routing::{MethodRouter, post};
use operator_protocol::{
    Activate, AddWebhook, Audit, DropDeadPush, GetStatus, ListDeadPushes, ListQuarantined, ListWebhooks, Pause,
    PauseWebhook, Rebuild, RemoveWebhook, ReplayWebhook, Request, Resume, ResumeWebhook, Retire, RetryDeadPush,
    RetryQuarantined, Rollback, Service, ShowDeadPush, ShowQuarantined, ShowWebhook,
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{app::App, handler::carry_out};

/// The time that a request may take besides waiting for the answer: a slow client sends its body.
const MARGIN: Duration = Duration::from_secs(15);

/// A request of operators as an operation over HTTP.
pub(crate) struct Operation {
    pub(crate) service: Service,
    pub(crate) verb: &'static str,
    /// The timeout of the answer over NATS.
    timeout: Duration,
    pub(crate) handler: MethodRouter<App>,
    /// The schemas of request and answer.
    pub(crate) request: RefOr<Schema>,
    pub(crate) answer: RefOr<Schema>,
    /// The schemas that these two refer to, by name.
    pub(crate) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Operation {
    fn of<R>() -> Self
    where
        R: Request + ToSchema,
        R::Answer: ToSchema,
    {
        let mut schemas = Vec::new();
        <R as ToSchema>::schemas(&mut schemas);
        <R::Answer as ToSchema>::schemas(&mut schemas);
        Self {
            service: R::SERVICE,
            verb: R::VERB,
            timeout: R::TIMEOUT,
            handler: post(carry_out::<R>),
            request: R::schema(),
            answer: R::Answer::schema(),
            schemas,
        }
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> String {
        format!("/ops/{}/{}", self.service.as_str(), self.verb)
    }
}

/// Lists the requests by their types.
macro_rules! requests {
    ($($request:ident),* $(,)?) => {
        /// Returns all operations.
        pub(crate) fn all() -> Vec<Operation> {
            vec![$(Operation::of::<$request>()),*]
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($request)),*];
    };
}

requests! {
    GetStatus,
    Rebuild,
    Activate,
    Rollback,
    Retire,
    Pause,
    Resume,
    ListQuarantined,
    ShowQuarantined,
    RetryQuarantined,
    Audit,
    ListWebhooks,
    ShowWebhook,
    AddWebhook,
    PauseWebhook,
    ResumeWebhook,
    RemoveWebhook,
    ReplayWebhook,
    ListDeadPushes,
    ShowDeadPush,
    RetryDeadPush,
    DropDeadPush,
}

/// Returns the timeout of an HTTP request: longer than that of every answer over NATS.
pub(crate) fn timeout(operations: &[Operation]) -> Duration {
    operations.iter().map(|operation| operation.timeout).max().unwrap_or_default() + MARGIN
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_request_of_the_protocol_has_an_operation() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../operator-protocol/src");
        let sources = fs::read_dir(sources).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        let sources: Vec<String> = sources.collect();
        let lines = sources.iter().flat_map(|source| source.lines());
        let found = lines.filter_map(|line| line.strip_prefix("impl Request for ")?.strip_suffix(" {"));
        assert_eq!(found.collect::<BTreeSet<_>>(), NAMES.iter().copied().collect());
    }

    #[test]
    fn every_operation_has_a_path_of_its_own() {
        let operations = all();
        let paths: BTreeSet<_> = operations.iter().map(Operation::path).collect();
        assert_eq!(paths.len(), operations.len());
        assert!(paths.contains("/ops/projector/quarantine_retry") && paths.contains("/ops/notifier/webhook_add"));
    }

    #[test]
    fn a_request_over_http_waits_for_the_slowest_answer() {
        assert!(timeout(&all()) > RetryQuarantined::TIMEOUT);
    }
}
