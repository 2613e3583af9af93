//! Traces across processes: converts a span to a W3C `traceparent`, and a `traceparent` to the parent of a span.

use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header with the trace context, in HTTP, in the log, and in notifications.
pub const TRACEPARENT: &str = "traceparent";

/// The target of spans that are for traces only and are not logged.
pub const TARGET: &str = "boxroom::trace";

static ON: AtomicBool = AtomicBool::new(false);

pub(crate) fn enable() {
    ON.store(true, Ordering::Relaxed);
}

/// Returns true if this process records traces.
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Returns true if this process records traces and this `traceparent` is sampled.
pub fn is_sampled(traceparent: &str) -> bool {
    is_on() && parse(traceparent).is_some_and(|parent| parent.is_sampled())
}

/// Returns the span as a `traceparent`. None if no traces are recorded.
pub fn traceparent_of(span: &Span) -> Option<String> {
    if !is_on() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let span_context = span.span_context();
    span_context.is_valid().then(|| {
        format!("00-{}-{}-{:02x}", span_context.trace_id(), span_context.span_id(), span_context.trace_flags().to_u8())
    })
}

/// Makes a span part of the trace of this `traceparent`. An invalid one is ignored.
pub fn continue_from(span: &Span, traceparent: &str) {
    if let Some(parent) = parse(traceparent).filter(|_| is_on()) {
        // A span that is filtered out cannot have a parent.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// Creates a span in each of these traces that is sampled. The spans end when dropped.
pub fn child_spans<'a>(traceparents: impl Iterator<Item = &'a str>, span: impl Fn() -> Span) -> Vec<Span> {
    let child_spans = |traceparent: &str| {
        let span = span();
        continue_from(&span, traceparent);
        span
    };
    if is_on() { traceparents.filter(|parent| is_sampled(parent)).map(child_spans).collect() } else { Vec::new() }
}

/// Returns the trace id of a span, if the trace is sampled.
pub fn id_of(span: &Span) -> Option<String> {
    if !is_on() {
        return None;
    }
    let context = span.context();
    let span_context = context.span().span_context().clone();
    span_context.is_sampled().then(|| span_context.trace_id().to_string())
}

/// Returns true if the text is a `traceparent` of version 00.
pub fn is_well_formed(traceparent: &str) -> bool {
    parse(traceparent).is_some()
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let is_hex =
        |text: &str, length| text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if version != "00" || parts.next().is_some() || !is_hex(trace, 32) || !is_hex(span, 16) || !is_hex(flags, 2) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::default())).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_trace_is_continued() {
        let good = parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        assert_eq!(good.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(good.is_sampled() && good.is_remote());
        assert!(!parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00").unwrap().is_sampled());
        for bad in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "",
        ] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn without_a_collector_nothing_is_traced() {
        assert_eq!(traceparent_of(&Span::current()), None);
        assert!(!is_sampled("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    }
}
