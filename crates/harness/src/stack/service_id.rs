//! The names of the services of a stack.

/// The id of a service in a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceId {
    /// The n-th command-service, from 0.
    Command(usize),
    /// The n-th projector, from 0.
    Projector(usize),
    /// The n-th query-service, from 0.
    Query(usize),
    /// The n-th notifier, from 0.
    Notifier(usize),
    /// The n-th operator-gateway, from 0.
    OperatorGateway(usize),
}

impl std::fmt::Display for ServiceId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, index) = self.parts();
        write!(formatter, "{kind}-{index}")
    }
}

impl ServiceId {
    pub(super) fn parts(self) -> (&'static str, usize) {
        match self {
            Self::Command(index) => ("command", index),
            Self::Projector(index) => ("projector", index),
            Self::Query(index) => ("query", index),
            Self::Notifier(index) => ("notifier", index),
            Self::OperatorGateway(index) => ("operator-gateway", index),
        }
    }
}
