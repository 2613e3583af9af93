//! `boxroomctl status`.

use std::{fmt::Write as _, time::Duration};

use indicatif::FormattedDuration;
use operator_protocol::{
    ErasureReport, GenerationReport, GetStatus, OperatorClient, Report, RequestError, State, StreamReport,
};
use tokio::time::{Instant, sleep};

use crate::{arguments::StatusArgs, console, failure::Failure, rates::Rates};

/// The refresh interval.
const INTERVAL: Duration = Duration::from_secs(1);

/// The column titles of the streams table.
const TITLES: &str = "\n  stream         position          end        lag  events/s  progress                 holder";

/// The number of erasures shown; all are counted.
const MAX_SHOWN: usize = 10;

/// The pause between the two reports from which rates are computed.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) async fn show(args: StatusArgs) -> Result<(), Failure> {
    let operator = OperatorClient::connect(&args.operator.operator_url).await?;
    let mut rates = Rates::default();
    let mut report = get_status(&operator, &mut rates).await?;
    if report.has_lag() {
        sleep(SAMPLE_INTERVAL).await;
        report = get_status(&operator, &mut rates).await?;
    }
    let json = args.operator.json;
    if !args.follow {
        return console::result(args.operator.json, &report, &describe(&report, &rates));
    }
    loop {
        if json {
            console::line(&serde_json::to_string(&report).map_err(std::io::Error::other)?)?;
        } else {
            console::redraw(&describe(&report, &rates))?;
        }
        sleep(INTERVAL).await;
        report = loop {
            match get_status(&operator, &mut rates).await {
                Ok(report) => break report,
                Err(error) => console::print_note(json, &format!("{error}; trying again")),
            }
            sleep(INTERVAL).await;
        };
    }
}

async fn get_status(operator: &OperatorClient, rates: &mut Rates) -> Result<Report, RequestError> {
    let mut report = operator.send_request(&GetStatus {}).await?;
    rates.record(&mut report, Instant::now());
    Ok(report)
}

fn describe(report: &Report, rates: &Rates) -> String {
    let Report { model_version, projectors, generations, erasures } = report;
    let mut text = format!("read model {model_version}, {}", counted(*projectors, "projector", "projectors"));
    for generation in generations {
        let _ = write!(text, "\n\n{}", headline(generation, model_version, rates));
        if generation.state == State::Retired {
            continue;
        }
        text.push_str(TITLES);
        for stream in &generation.streams {
            let _ = write!(text, "\n  {}", row(stream));
        }
    }
    if !erasures.is_empty() {
        let _ = write!(text, "\n\nusers being erased: {}", erasures.len());
    }
    for ErasureReport { user_id, since, waits_for } in erasures.iter().take(MAX_SHOWN) {
        let _ = write!(text, "\n  {user_id} since {}: {waits_for}", since.format("%Y-%m-%d %H:%M:%S UTC"));
    }
    text
}

fn headline(generation: &GenerationReport, own_version: &str, rates: &Rates) -> String {
    let GenerationReport { generation: number, state, goal, phase, .. } = generation;
    let mut text = format!("generation {number}: {state}");
    if matches!(state, State::Building | State::Ready) {
        let _ = write!(text, " ({phase}), goal {goal}");
    }
    if generation.paused {
        text.push_str(", paused");
    } else if *state == State::Building
        && let (Some(rate), Some(left)) = (rates.of(*number), rates.left(generation))
    {
        let _ = write!(text, ", {rate:.0} events/s, {} until the log is read", FormattedDuration(left));
    }
    if *state == State::Building {
        if let Some(rate) = generation.max_rate {
            let _ = write!(text, ", at most {rate} events/s");
        }
        if generation.low_priority {
            text.push_str(", low priority");
        }
    }
    if let Some(at) = generation.activated_at.filter(|_| *state == State::Active) {
        let _ = write!(text, " since {}", at.format("%Y-%m-%d %H:%M:%S UTC"));
    }
    if generation.model_version != own_version {
        let _ = write!(text, ", of another read model ({})", generation.model_version);
    }
    if let Some(outcome) = generation.verification.as_ref().and_then(|found| found["outcome"].as_str()) {
        let _ = write!(text, ", verification: {outcome}");
    }
    if let Some(failure) = &generation.failure {
        let _ = write!(text, "\n  blocked: {failure}");
    }
    text
}

fn counted(number: i64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

fn row(stream: &StreamReport) -> String {
    let known = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let mut progress = stream.progress.clone();
    if stream.quarantined_boxes > 0 {
        let _ = write!(progress, ", {} in quarantine", counted(stream.quarantined_boxes, "box", "boxes"));
    }
    format!(
        "{:<10} {:>12} {:>12} {:>10} {:>9.0}  {:<24} {}",
        stream.stream,
        stream.position,
        known(stream.end),
        known(stream.lag),
        stream.events_per_second.unwrap_or_default(),
        progress,
        stream.holder.as_deref().unwrap_or("-")
    )
}
