//! Names of the notices that the projector publishes after a commit and the query-service listens to.
