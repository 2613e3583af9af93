//! A single request to the running projectors.

use operator_protocol::{Operator, Request};

use crate::{arguments::OperatorArgs, failure::Failure};

/// Connects and sends one request.
pub(crate) async fn ask<R: Request>(args: &OperatorArgs, request: &R) -> Result<R::Answer, Failure> {
    Ok(Operator::connect(&args.operator_url).await?.ask(request).await?)
}
