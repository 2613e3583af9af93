//! Short runs of the most important scenarios. They check what is measured, and the form of reports, not the figures.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use serde_json::Value;

/// Runs a scenario. Returns its results, and the page with plots.
fn run(scenario: &str) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    // Without cargo, which would build the services again.
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args([scenario, "--quick", "--json", "--html"])
        .arg(&page)
        .env_remove("CARGO")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    (report["scenarios"][0].clone(), std::fs::read_to_string(page).unwrap())
}

/// Returns a figure of the only run of a row.
fn figure(results: &Value, case: &str, subject: &str, name: &str) -> f64 {
    let rows = results["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["case"].as_str().unwrap().contains(case) && row["subject"] == subject);
    let figures = row.unwrap_or_else(|| panic!("no {case}, {subject} in {rows:#?}"))["samples"][0]["figures"].clone();
    let figure = figures.as_array().unwrap().iter().find(|figure| figure["name"] == name).cloned();
    figure.unwrap_or_else(|| panic!("no {name} in {figures:#}"))["value"].as_f64().unwrap()
}

#[test]
fn deliveries_are_measured_beside_a_broadcaster() {
    let (results, page) = run("deliver");
    for subject in ["boxroom", "axum"] {
        assert!(figure(&results, "W4", subject, "deliveries/s") > 0.0);
        assert!(figure(&results, "100/s", subject, "last frame p99 ms") > 0.0);
    }
    for part in ["<h2>deliver</h2>", "<circle", "<polyline", "load client"] {
        assert!(page.contains(part), "the page has no {part}");
    }
}

#[test]
fn appends_are_measured_beside_raw_ones_and_after_a_restart() {
    let (results, _) = run("append");
    for subject in ["boxroom", "long history", "raw nats"] {
        assert!(figure(&results, "one hot box", subject, "appends/s") > 0.0);
    }
    assert!(figure(&results, "first reply", "long history", "ms") > 0.0);
}

#[test]
fn a_provider_that_hangs_is_measured_and_all_pushes_arrive() {
    let (results, _) = run("pushes");
    for subject in ["works", "hangs"] {
        assert!(figure(&results, "posts and reads", subject, "post p99 ms") > 0.0);
    }
}
