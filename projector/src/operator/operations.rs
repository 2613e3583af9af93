//! The execution of operators' requests.

use std::{collections::BTreeMap, sync::Arc};

use event_store::Log;
use operator_protocol::{
    Activate, Audit, ChangedGeneration, GetStatus, ListQuarantined, Outcome, Pause, QuarantinedBoxes, Rebuild, Report,
    Request, Resume, Retire, Retired, Retried, RetryQuarantined, Rollback, ShowQuarantined, ShownBox, Switched,
};
use wire::streams;

use super::shared::Shared;
use crate::{
    database::Database,
    generation::{self, ChangeError, Origin},
    notifications::Notifier,
    quarantine,
};

/// The dependencies of the operations. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Operations {
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) notifier: Notifier,
    pub(crate) partitions: u16,
    /// Anything may ask for the status at any rate, and each report needs a connection to the database.
    pub(crate) status: Arc<Shared<Report>>,
}

/// A request that this process can carry out.
pub(crate) trait Operation: Request {
    /// Carries out the request.
    fn perform(self, operations: &Operations) -> impl Future<Output = Result<Self::Answer, ChangeError>> + Send;
}

impl Operations {
    /// Answers a request with JSON.
    pub(crate) async fn answer(&self, verb: &str, payload: &[u8]) -> Vec<u8> {
        match verb {
            GetStatus::VERB => self.perform::<GetStatus>(payload).await,
            Rebuild::VERB => self.perform::<Rebuild>(payload).await,
            Activate::VERB => self.perform::<Activate>(payload).await,
            Rollback::VERB => self.perform::<Rollback>(payload).await,
            Retire::VERB => self.perform::<Retire>(payload).await,
            Pause::VERB => self.perform::<Pause>(payload).await,
            Resume::VERB => self.perform::<Resume>(payload).await,
            ListQuarantined::VERB => self.perform::<ListQuarantined>(payload).await,
            ShowQuarantined::VERB => self.perform::<ShowQuarantined>(payload).await,
            RetryQuarantined::VERB => self.perform::<RetryQuarantined>(payload).await,
            Audit::VERB => self.perform::<Audit>(payload).await,
            unknown => encode(&Outcome::<()>::Refused(format!("unknown request {unknown:?}"))),
        }
    }

    async fn perform<O: Operation>(&self, payload: &[u8]) -> Vec<u8> {
        let outcome = match serde_json::from_slice::<O>(payload) {
            Ok(request) => {
                let asked = String::from_utf8_lossy(payload);
                if O::READ_ONLY {
                    tracing::debug!(verb = O::VERB, request = %asked, "operator request");
                } else {
                    tracing::info!(verb = O::VERB, request = %asked, "operator request");
                }
                match request.perform(self).await {
                    Ok(answer) => Outcome::Done(answer),
                    Err(ChangeError::Refused(reason)) => Outcome::Refused(reason),
                    Err(error @ (ChangeError::Unanswered(_) | ChangeError::Database(_) | ChangeError::Log(_))) => {
                        Outcome::Failed(error.to_string())
                    }
                }
            }
            Err(error) => Outcome::Refused(format!("invalid request {:?}: {error}", O::VERB)),
        };
        encode(&outcome)
    }

    /// Returns the current incarnations of the streams, for a generation to be built from them.
    async fn origins(&self) -> Result<Vec<Origin>, ChangeError> {
        Ok(Origin::of_all(self.log.as_ref(), self.partitions).await?)
    }

    /// Returns the ends of the streams, without those that cannot be read.
    async fn ends(&self) -> BTreeMap<String, u64> {
        let mut ends = BTreeMap::new();
        for stream in streams(self.partitions) {
            if let Ok(state) = self.log.state(stream).await {
                ends.insert(stream.label(), state.last_sequence);
            }
        }
        ends
    }
}

fn encode<T: serde::Serialize>(outcome: &Outcome<T>) -> Vec<u8> {
    serde_json::to_vec(outcome).unwrap_or_else(|error| format!(r#"{{"failed":"{error}"}}"#).into_bytes())
}

impl Operation for GetStatus {
    async fn perform(self, operations: &Operations) -> Result<Report, ChangeError> {
        let report = async { generation::report(&operations.database, &operations.ends().await).await };
        operations.status.get(report).await
    }
}

impl Operation for Rebuild {
    async fn perform(self, operations: &Operations) -> Result<ChangedGeneration, ChangeError> {
        let origins = operations.origins().await?;
        Ok(ChangedGeneration { generation: generation::rebuild(&operations.database, &origins, &self).await? })
    }
}

impl Operation for Activate {
    async fn perform(self, operations: &Operations) -> Result<Switched, ChangeError> {
        let switched = generation::activate(&operations.database, self.generation, self.unverified).await?;
        operations.notifier.notify_activated(switched.generation);
        Ok(switched)
    }
}

impl Operation for Rollback {
    async fn perform(self, operations: &Operations) -> Result<Switched, ChangeError> {
        let switched = generation::roll_back(&operations.database, self.from).await?;
        operations.notifier.notify_activated(switched.generation);
        Ok(switched)
    }
}

impl Operation for Retire {
    async fn perform(self, operations: &Operations) -> Result<Retired, ChangeError> {
        Ok(Retired { generations: generation::retire(&operations.database, &self).await? })
    }
}

impl Operation for Pause {
    async fn perform(self, operations: &Operations) -> Result<ChangedGeneration, ChangeError> {
        Ok(ChangedGeneration { generation: generation::pause(&operations.database, self.generation).await? })
    }
}

impl Operation for Resume {
    async fn perform(self, operations: &Operations) -> Result<ChangedGeneration, ChangeError> {
        Ok(ChangedGeneration { generation: generation::resume(&operations.database, self.generation).await? })
    }
}

impl Operation for ListQuarantined {
    async fn perform(self, operations: &Operations) -> Result<QuarantinedBoxes, ChangeError> {
        Ok(quarantine::limited(quarantine::list(&operations.database).await?))
    }
}

impl Operation for ShowQuarantined {
    async fn perform(self, operations: &Operations) -> Result<Vec<ShownBox>, ChangeError> {
        quarantine::show(&operations.database, operations.log.as_ref(), &self.box_id).await
    }
}

impl Operation for RetryQuarantined {
    async fn perform(self, operations: &Operations) -> Result<Retried, ChangeError> {
        quarantine::retry(&operations.database, self.box_id.as_ref()).await
    }
}
