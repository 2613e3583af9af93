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
    status::{Status, Track},
    watch::{Erasures, Place, ProgressMonitor},
};

/// Registers the metrics of generations, erasures, checkpoints and tracks.
pub(crate) fn register(registry: &mut Registry, app: App) {
    at_scrape(registry, move |encoder| {
        of_generations(encoder, &app.watch)?;
        of_erasures(encoder, app.watch.erasures())?;
        of_places(encoder, &app.watch.places())?;
        of_tracks(encoder, &app.status)
    });
}

fn of_generations(encoder: &mut DescriptorEncoder<'_>, watch: &ProgressMonitor) -> std::fmt::Result {
    let generations = watch.generations();
    let number = |number: &i32| ("generation", number.to_string());
    let states = generations.iter().map(|(of, life)| ([number(of), ("state", life.state.clone())], 1.0));
    gauges(encoder, "generation_state", "State of each generation of the read model: 1", None, states)?;
    let phases = generations.iter().map(|(of, life)| ([number(of), ("phase", life.phase.clone())], 1.0));
    gauges(encoder, "generation_phase", "Current phase of each generation: 1", None, phases)?;
    let paused = generations.iter().map(|(of, life)| ([number(of)], f64::from(u8::from(life.paused))));
    gauges(encoder, "generation_paused", "1 if building the generation is paused, else 0", None, paused)
}

fn of_erasures(encoder: &mut DescriptorEncoder<'_>, erasures: Erasures) -> std::fmt::Result {
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

fn of_places(encoder: &mut DescriptorEncoder<'_>, places: &[(Track, Place)]) -> std::fmt::Result {
    let mut write = |name, help, unit: Option<&Unit>, read: &dyn Fn(&Place) -> f64| {
        gauges(encoder, name, help, unit, places.iter().map(|(track, place)| (labels(*track), read(place))))
    };
    let help = "Last projected sequence of each stream in each generation";
    write("projection_position", help, None, &|place| value(place.position))?;
    write("projection_end", "Last sequence of each stream in the log", None, &|place| value(place.end))?;
    let help = "Commits of the stream that the generation has not projected yet";
    write("projection_lag_commits", help, None, &|place| value(place.end.saturating_sub(place.position)))?;
    let now = clock::now();
    let age = |place: &Place| {
        let since = place.waiting_since?;
        Some((now - since).to_std().unwrap_or_default().as_secs_f64())
    };
    let help = "Age of the oldest commit that the generation has not projected yet";
    write("projection_lag", help, Some(&Unit::Seconds), &|place| age(place).unwrap_or_default())?;
    let help = "1 if the stream has commits to project and its checkpoint does not move, else 0";
    write("projection_stalled", help, None, &|place| f64::from(u8::from(place.is_stalled())))?;
    let help = "Quarantined boxes";
    write("quarantined_boxes", help, None, &|place| value(place.quarantined))?;
    write("parked_commits", "Waiting commits of quarantined boxes", None, &|place| value(place.parked))
}

fn of_tracks(encoder: &mut DescriptorEncoder<'_>, status: &Status) -> std::fmt::Result {
    let tracks = status.tracks();
    let held = tracks.iter().map(|(track, doing)| (labels(*track), f64::from(u8::from(*doing != "standby"))));
    gauges(encoder, "projection_lease_held", "1 if this process holds the lease of the stream, else 0", None, held)?;
    let doing = tracks.iter().map(|(track, doing)| {
        let [generation, stream] = labels(*track);
        ([generation, stream, ("state", (*doing).to_owned())], 1.0)
    });
    gauges(encoder, "projection_state", "State of each stream in this process: 1", None, doing)
}
