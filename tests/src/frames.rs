//! The description of live frames, against which the test clients check every sent and received frame.

use std::sync::Arc;

use frame_check::FrameCheck;
use tokio::sync::OnceCell;

/// One description for the test process, because all services are of one build.
static CHECK: OnceCell<Arc<FrameCheck>> = OnceCell::const_new();

/// Returns the description of a query-service.
pub(crate) async fn check(query_url: &str) -> Arc<FrameCheck> {
    CHECK.get_or_init(|| testing::live::described_by(query_url)).await.clone()
}
