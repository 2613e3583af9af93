//! State shared by all requests: built once at the start.

use std::{ops::Deref, sync::Arc};

use axum::extract::FromRef;
use service_kit::auth::Verifier;

use crate::{
    generation::Generations,
    live::{shared::Live, tickets::Tickets},
    me::export::limiter::ExportLimiter,
    search::limiter::SearchLimiter,
};

/// The shared parts. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

/// The shared state itself.
pub(crate) struct Parts {
    pub(crate) generations: Generations,
    pub(crate) verifier: Verifier,
    pub(crate) live: Arc<Live>,
    pub(crate) tickets: Tickets,
    pub(crate) searches: SearchLimiter,
    pub(crate) exports: ExportLimiter,
    /// True if members are shown how far the others have read.
    pub(crate) share_read_markers: bool,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
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
