//! Liveness and readiness: `/healthz` and `/readyz`.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::time::timeout;

/// The timeout of a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The dependencies of a process and their checks.
#[derive(Clone, Default)]
pub struct Health {
    checks: Vec<Dependency>,
}

#[derive(Clone)]
struct Dependency {
    name: &'static str,
    required: bool,
    check: Check,
}

/// The readiness of the process and the result of each check.
#[derive(Debug, Serialize)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    pub(crate) checks: Vec<CheckResult>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CheckResult {
    pub(crate) name: &'static str,
    required: bool,
    pub(crate) ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Health {
    /// Creates health without dependencies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a required dependency. The check returns a description of the failure.
    #[must_use]
    pub fn check<F, Fut>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name, true, Arc::new(move || Box::pin(check())))
    }

    /// Adds a dependency that is reported but not required for readiness.
    #[must_use]
    pub fn watch<F, Fut>(self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name, false, Arc::new(move || Box::pin(check())))
    }

    fn add(mut self, name: &'static str, required: bool, check: Check) -> Self {
        self.checks.push(Dependency { name, required, check });
        self
    }

    /// Serves `/healthz` (200 while the process answers and no supervised task has failed) and `/readyz` (503 while a
    /// required dependency is missing).
    pub fn router(self) -> Router {
        alive().merge(Router::new().route("/readyz", get(readyz)).with_state(self))
    }

    /// Runs all checks.
    pub(crate) async fn check_all(&self) -> Readiness {
        let checks = futures::future::join_all(self.checks.iter().map(async |dependency| {
            let Dependency { name, required, check } = dependency;
            let result = timeout(CHECK_TIMEOUT, check()).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            CheckResult { name, required: *required, ok: result.is_ok(), detail: result.err() }
        }))
        .await;
        let ready = checks.iter().all(|check| check.ok || !check.required);
        Readiness { ready, checks }
    }
}

/// Serves `/healthz` alone: 200 while the process runs, and 503 after a required background task has failed and before
/// the process ends.
pub fn alive() -> Router {
    Router::new().route("/healthz", get(healthz))
}

async fn healthz() -> impl IntoResponse {
    match supervision::failed() {
        None => (StatusCode::OK, Json(serde_json::json!({ "alive": true }))),
        Some(failure) => {
            let failed = serde_json::json!({ "alive": false, "failed": failure.to_string() });
            (StatusCode::SERVICE_UNAVAILABLE, Json(failed))
        }
    }
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    let readiness = health.check_all().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}
