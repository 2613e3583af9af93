//! A single request to the running projectors or notifiers.

use operator_protocol::{OperatorClient, Request};

use crate::{arguments::OperatorArgs, failure::Failure};

/// Connects and sends one request.
pub(crate) async fn send_request<R: Request>(args: &OperatorArgs, request: &R) -> Result<R::Answer, Failure> {
    Ok(OperatorClient::connect(&args.operator_url).await?.send_request(request).await?)
}
