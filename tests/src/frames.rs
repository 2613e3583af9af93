//! The AsyncAPI description of live frames, against which the test clients check every sent and received frame.

use frame_check::FrameCheck;
use serde_json::Value;
use tokio::sync::OnceCell;

/// One description for the test process, because all services are of one build.
static CHECK: OnceCell<FrameCheck> = OnceCell::const_new();

/// Returns the description of a query-service.
pub(crate) async fn check(query_url: &str) -> &'static FrameCheck {
    let fetch = async || {
        let url = format!("{query_url}/asyncapi.json");
        let answer = reqwest::get(&url).await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        let document: Value = answer.json().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        FrameCheck::new(&document)
    };
    CHECK.get_or_init(fetch).await
}
