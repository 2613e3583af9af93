//! Metrics of the state of the process and of the read models, read at each scrape.

use prometheus_client::{
    encoding::DescriptorEncoder,
    registry::{Registry, Unit},
};
use service_kit::{
    clock,
    metrics::{at_scrape, gauges, value},
};

use crate::{
    app::App,
    metrics::labels,
    progress_monitor::{Erasures, ProgressMonitor, StreamProgress},
    status::{Status, Track},
};

/// Registers the metrics of generations, erasures, checkpoints and tracks.
pub(crate) fn register(registry: &mut Registry, app: App) {
    at_scrape(registry, move |encoder| {
        write_generations(encoder, &app.watch)?;
        write_erasures(encoder, app.watch.erasures())?;
        write_progress(encoder, &app.watch.progress())?;
        write_tracks(encoder, &app.status)
    });
}

fn write_generations(encoder: &mut DescriptorEncoder<'_>, watch: &ProgressMonitor) -> std::fmt::Result {
    let generations = watch.generations();
    let number = |number: &i32| ("generation", number.to_string());
    let states = generations.iter().map(|(of, status)| ([number(of), ("state", status.state.clone())], 1.0));
    gauges(encoder, "generation_state", "State of each generation of the read model: 1", None, states)?;
    let phases = generations.iter().map(|(of, status)| ([number(of), ("phase", status.phase.clone())], 1.0));
    gauges(encoder, "generation_phase", "Current phase of each generation: 1", None, phases)?;
    let paused = generations.iter().map(|(of, status)| ([number(of)], f64::from(u8::from(status.paused))));
    gauges(encoder, "generation_paused", "1 if building the generation is paused, else 0", None, paused)
}

fn write_erasures(encoder: &mut DescriptorEncoder<'_>, erasures: Erasures) -> std::fmt::Result {
    let mut write = |name, help, unit: Option<&Unit>, read| {
        let none: [(&'static str, String); 0] = [];
        gauges(encoder, name, help, unit, [(none, read)])
    };
    let help = "Deleted users whose erasure is not complete";
    write("erasures_pending", help, None, value(erasures.pending))?;
    let age = erasures.since.map(|since| (clock::now() - since).to_std().unwrap_or_default().as_secs_f64());
    let help = "Age of the oldest pending erasure";
    write("erasure_oldest", help, Some(&Unit::Seconds), age.unwrap_or_default())
}

fn write_progress(encoder: &mut DescriptorEncoder<'_>, progress: &[(Track, StreamProgress)]) -> std::fmt::Result {
    let mut write = |name, help, unit: Option<&Unit>, read: &dyn Fn(&StreamProgress) -> f64| {
        gauges(encoder, name, help, unit, progress.iter().map(|(track, progress)| (labels(*track), read(progress))))
    };
    let help = "Last projected sequence of each stream in each generation";
    write("projection_position", help, None, &|progress| value(progress.position))?;
    write("projection_end", "Last sequence of each stream in the log", None, &|progress| value(progress.end))?;
    let help = "Commits of the stream that the generation has not projected yet";
    write("projection_lag_commits", help, None, &|progress| value(progress.end.saturating_sub(progress.position)))?;
    let now = clock::now();
    let age = |progress: &StreamProgress| {
        let since = progress.waiting_since?;
        Some((now - since).to_std().unwrap_or_default().as_secs_f64())
    };
    let help = "Age of the oldest commit that the generation has not projected yet";
    write("projection_lag", help, Some(&Unit::Seconds), &|progress| age(progress).unwrap_or_default())?;
    let help = "1 if the stream has commits to project and its checkpoint does not move, else 0";
    write("projection_stalled", help, None, &|progress| f64::from(u8::from(progress.is_stalled())))?;
    let help = "Quarantined boxes";
    write("quarantined_boxes", help, None, &|progress| value(progress.quarantined))?;
    write("parked_commits", "Waiting commits of quarantined boxes", None, &|progress| value(progress.waiting_commits))
}

fn write_tracks(encoder: &mut DescriptorEncoder<'_>, status: &Status) -> std::fmt::Result {
    let tracks = status.tracks();
    let held = tracks.iter().map(|(track, doing)| (labels(*track), f64::from(u8::from(*doing != "standby"))));
    gauges(encoder, "projection_lease_held", "1 if this process holds the lease of the stream, else 0", None, held)?;
    let doing = tracks.iter().map(|(track, doing)| {
        let [generation, stream] = labels(*track);
        ([generation, stream, ("state", (*doing).to_owned())], 1.0)
    });
    gauges(encoder, "projection_state", "State of each stream in this process: 1", None, doing)
}
