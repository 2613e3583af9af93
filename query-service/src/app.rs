//! The state that every handler can access.

use std::sync::Arc;

use axum::extract::FromRef;
use service_kit::auth::Verifier;

use crate::{
    generation::Generations,
    live::{Live, tickets::Tickets},
    search::turns::Turns,
};

/// The state of the process. Cheap to clone: every request has a clone.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

struct Parts {
    generations: Generations,
    verifier: Verifier,
    live: Arc<Live>,
    tickets: Tickets,
    searches: Turns,
}

impl App {
    /// Bundles these parts.
    pub(crate) fn new(
        generations: Generations,
        verifier: Verifier,
        live: Arc<Live>,
        tickets: Tickets,
        searches: Turns,
    ) -> Self {
        Self(Arc::new(Parts { generations, verifier, live, tickets, searches }))
    }

    /// The read models.
    pub(crate) fn generations(&self) -> &Generations {
        &self.0.generations
    }

    /// The live connections.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.0.live
    }

    /// The tickets for live connections.
    pub(crate) fn tickets(&self) -> &Tickets {
        &self.0.tickets
    }

    /// The turns of searches.
    pub(crate) fn searches(&self) -> &Turns {
        &self.0.searches
    }
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.0.verifier.clone()
    }
}
