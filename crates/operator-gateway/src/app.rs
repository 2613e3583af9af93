//! State shared by all requests.

use axum::extract::FromRef;
use operator_protocol::OperatorClient;
use service_kit::auth::Verifier;

/// The shared parts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    /// The connection to projectors and notifiers.
    pub(crate) operators: OperatorClient,
    pub(crate) verifier: Verifier,
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}
