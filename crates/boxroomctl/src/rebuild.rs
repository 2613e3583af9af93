//! `boxroomctl rebuild`: begins a rebuild and shows its progress.

use std::time::Duration;

use operator_protocol::{GenerationReport, GetStatus, Goal, OperatorClient, Rebuild, RequestError, State};
use tokio::time::{Instant, sleep};

use crate::{
    arguments::{Priority, RebuildArgs},
    console::{self, confirm},
    failure::Failure,
    progress::Progress,
    rates::Rates,
};

/// The polling interval.
const INTERVAL: Duration = Duration::from_millis(250);

pub(crate) async fn rebuild(args: RebuildArgs) -> Result<(), Failure> {
    let end = if args.to == Goal::Active { "and switches to it" } else { "and does not switch to it" };
    confirm(&format!("This builds a new generation from the whole log {end}."), args.yes)?;
    let operator = OperatorClient::connect(&args.operator.operator_url).await?;
    let request = Rebuild { to: args.to, max_rate: args.max_rate, low_priority: args.priority == Priority::Low };
    let begun = operator.send_request(&request).await?;
    let number = begun.generation;
    if args.detach {
        let text = format!("generation {number} is being built: `status --follow` shows it");
        return console::result(args.operator.json, &begun, &text);
    }
    tokio::select! {
        reached = follow(&operator, number, args.to, args.operator.json) => {
            let generation = reached?;
            console::result(args.operator.json, &generation, &conclusion(&generation))
        }
        _ = tokio::signal::ctrl_c() => {
            let text = format!("detached: the rebuild of generation {number} continues; `status --follow` shows it");
            console::print_note(args.operator.json, &text);
            Ok(())
        }
    }
}

/// Shows a generation until it has reached its goal. Keeps polling while NATS or the projectors do not answer.
async fn follow(operator: &OperatorClient, number: i32, goal: Goal, json: bool) -> Result<GenerationReport, Failure> {
    let (mut rates, mut progress) = (Rates::default(), Progress::new(json));
    loop {
        match operator.send_request(&GetStatus {}).await {
            Ok(mut report) => {
                rates.record(&mut report, Instant::now());
                let found = report.generations.into_iter().find(|generation| generation.generation == number);
                let Some(generation) = found.filter(|generation| generation.state != State::Retired) else {
                    return Err(Failure::Failed(format!("generation {number} was retired")));
                };
                progress.show(&generation, &rates)?;
                if has_reached(&generation, goal)? {
                    return Ok(generation);
                }
            }
            Err(RequestError::Refused(reason)) => return Err(Failure::Refused(reason)),
            Err(error @ (RequestError::NoAnswer(..) | RequestError::Failed(_))) => {
                progress.print_error(&format!("{error}; trying again"));
            }
        }
        sleep(INTERVAL).await;
    }
}

fn has_reached(generation: &GenerationReport, goal: Goal) -> Result<bool, Failure> {
    let outcome = generation.verification.as_ref().and_then(|found| found["outcome"].as_str());
    if outcome == Some("different") && generation.state == State::Ready {
        let failure = generation.failure.as_deref().unwrap_or("it differs from the active one");
        return Err(Failure::Different(format!("generation {} is not activated: {failure}", generation.generation)));
    }
    if outcome == Some("refused") && generation.state == State::Ready {
        let failure = generation.failure.as_deref().unwrap_or("it cannot be compared with the active one");
        return Err(Failure::Refused(format!("generation {} is not activated: {failure}", generation.generation)));
    }
    let is_built = generation.state != State::Building;
    Ok(match goal {
        Goal::Ready => is_built,
        Goal::Verified => is_built && outcome.is_some(),
        // It may have been rolled back since.
        Goal::Active => matches!(generation.state, State::Active | State::Standby),
    })
}

fn conclusion(generation: &GenerationReport) -> String {
    let outcome = generation.verification.as_ref().and_then(|found| found["outcome"].as_str());
    let compared = outcome.map(|outcome| format!(", verification: {outcome}")).unwrap_or_default();
    format!("generation {} is {}{compared}", generation.generation, generation.state)
}
