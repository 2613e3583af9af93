//! The page `/metrics`.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    encoding::text,
    metrics::{gauge::ConstGauge, info::Info},
    registry::Registry,
};

use super::{at_scrape, gauges, process};
use crate::{
    health::{Health, Readiness},
    http,
};

/// The content type of the text format for Prometheus.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Creates the metrics that all processes have.
    pub fn of(service: &'static str, version: &'static str) -> Self {
        let mut registry = Registry::default();
        at_scrape(&mut registry, process::read);
        let mut metrics = Self { registry };
        let build = Info::new([("service", service), ("version", version)]);
        metrics.service_registry().register("build", "Service and version of the process", build);
        http::register(metrics.service_registry());
        metrics
    }

    /// The registry for a service's own metrics. Their names get the prefix `boxroom_`.
    pub fn service_registry(&mut self) -> &mut Registry {
        self.registry.sub_registry_with_prefix("boxroom")
    }

    /// Serves `/metrics`: these metrics, and the results of the readiness checks.
    pub fn router(self, health: Health) -> Router {
        Router::new().route("/metrics", get(metrics)).with_state((Arc::new(self.registry), health))
    }
}

async fn metrics(State((registry, health)): State<(Arc<Registry>, Health)>) -> Response {
    let readiness = health.check_all().await;
    let mut page = String::new();
    let written = text::encode_registry(&mut page, &registry)
        .and_then(|()| text::encode_registry(&mut page, &readiness_registry(&readiness)))
        .and_then(|()| text::encode_eof(&mut page));
    match written {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], page).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn readiness_registry(readiness: &Readiness) -> Registry {
    let mut registry = Registry::with_prefix("boxroom");
    let ready = ConstGauge::new(u64::from(readiness.ready));
    registry.register("ready", "1 if the process is ready, as in /readyz, else 0", ready);
    let checks: Vec<_> =
        readiness.checks.iter().map(|check| ([("check", check.name)], f64::from(u8::from(check.ok)))).collect();
    at_scrape(&mut registry, move |encoder| {
        let help = "1 if the readiness check succeeds, else 0, by the names in /readyz";
        gauges(encoder, "check_ok", help, None, checks.clone())
    });
    registry
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use prometheus_client::registry::Unit;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn every_metric_has_a_help_text_and_process_metrics_are_exported() {
        let mut metrics = Metrics::of("test", "1.2.3");
        at_scrape(metrics.service_registry(), |encoder| {
            gauges(encoder, "lag", "How far behind", Some(&Unit::Seconds), [([("stream", "box-0")], 1.5)])
        });
        let health = Health::new().check("log", async || Err("gone".to_owned())).watch("nats", async || Ok(()));
        let request = axum::http::Request::get("/metrics").body(axum::body::Body::empty()).unwrap();
        let response = metrics.router(health).oneshot(request).await.unwrap();
        assert_eq!(response.headers()["content-type"], OPEN_METRICS);
        let page = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let page = std::str::from_utf8(&page).unwrap();
        for line in [
            "# HELP boxroom_lag_seconds How far behind",
            "boxroom_lag_seconds{stream=\"box-0\"} 1.5",
            "boxroom_build_info{service=\"test\",version=\"1.2.3\"} 1",
            "boxroom_ready 0",
            "boxroom_check_ok{check=\"log\"} 0.0",
            "boxroom_check_ok{check=\"nats\"} 1.0",
            "# EOF",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        let resident = page.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        assert!(resident.unwrap().parse::<f64>().unwrap() > 1e6, "{page}");
    }
}
