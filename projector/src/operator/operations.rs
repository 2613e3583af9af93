//! The execution of operators' requests.

use std::{collections::BTreeMap, sync::Arc};

use event_store::Log;
use operator_protocol::{
    Activate, Audit, Concerned, GetStatus, ListParked, Outcome, ParkedBoxes, Pause, Rebuild, Report, Request, Resume,
    Retire, Retired, Retried, RetryParked, Rollback, ShowParked, ShownBox, Switched,
};
use wire::streams;

use crate::{
    database::Database,
    generation::{self, ChangeError, Origin},
    notices::Notices,
    quarantine,
};

/// The dependencies of the operations. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Operations {
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) notices: Notices,
    pub(crate) partitions: u16,
}

/// A request that this process can carry out.
pub(crate) trait Operation: Request {
    /// Carries out the request.
    fn perform(self, within: &Operations) -> impl Future<Output = Result<Self::Answer, ChangeError>> + Send;
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
            ListParked::VERB => self.perform::<ListParked>(payload).await,
            ShowParked::VERB => self.perform::<ShowParked>(payload).await,
            RetryParked::VERB => self.perform::<RetryParked>(payload).await,
            Audit::VERB => self.perform::<Audit>(payload).await,
            unknown => encode(&Outcome::<()>::Refused(format!("unknown request {unknown:?}"))),
        }
    }

    async fn perform<O: Operation>(&self, payload: &[u8]) -> Vec<u8> {
        let outcome = match serde_json::from_slice::<O>(payload) {
            Ok(request) => {
                let asked = String::from_utf8_lossy(payload);
                if O::ONLY_ASKS {
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
    async fn perform(self, within: &Operations) -> Result<Report, ChangeError> {
        generation::report(&within.database, &within.ends().await).await
    }
}

impl Operation for Rebuild {
    async fn perform(self, within: &Operations) -> Result<Concerned, ChangeError> {
        let origins = within.origins().await?;
        Ok(Concerned { generation: generation::rebuild(&within.database, &origins, &self).await? })
    }
}

impl Operation for Activate {
    async fn perform(self, within: &Operations) -> Result<Switched, ChangeError> {
        let switched = generation::activate(&within.database, self.generation, self.unverified).await?;
        within.notices.activated(switched.generation);
        Ok(switched)
    }
}

impl Operation for Rollback {
    async fn perform(self, within: &Operations) -> Result<Switched, ChangeError> {
        let switched = generation::roll_back(&within.database, self.from).await?;
        within.notices.activated(switched.generation);
        Ok(switched)
    }
}

impl Operation for Retire {
    async fn perform(self, within: &Operations) -> Result<Retired, ChangeError> {
        Ok(Retired { generations: generation::retire(&within.database, &self).await? })
    }
}

impl Operation for Pause {
    async fn perform(self, within: &Operations) -> Result<Concerned, ChangeError> {
        Ok(Concerned { generation: generation::pause(&within.database, self.generation).await? })
    }
}

impl Operation for Resume {
    async fn perform(self, within: &Operations) -> Result<Concerned, ChangeError> {
        Ok(Concerned { generation: generation::resume(&within.database, self.generation).await? })
    }
}

impl Operation for ListParked {
    async fn perform(self, within: &Operations) -> Result<ParkedBoxes, ChangeError> {
        Ok(quarantine::limited(quarantine::list(&within.database).await?))
    }
}

impl Operation for ShowParked {
    async fn perform(self, within: &Operations) -> Result<Vec<ShownBox>, ChangeError> {
        quarantine::show(&within.database, within.log.as_ref(), &self.box_id).await
    }
}

impl Operation for RetryParked {
    async fn perform(self, within: &Operations) -> Result<Retried, ChangeError> {
        quarantine::retry(&within.database, self.box_id.as_ref()).await
    }
}
