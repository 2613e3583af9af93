//! Plots as SVG, without scripts.

use std::fmt::{self, Write};

use super::table::number;
use crate::{load::histogram::float, results::Row};

/// The colours of subjects, in their order.
pub(super) const COLOURS: [&str; 6] = ["#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#475569"];

const WIDTH: f64 = 640.0;
const BAR: f64 = 18.0;
const LABEL: f64 = 120.0;

const CURVE_HEIGHT: f64 = 220.0;
const MARGIN: f64 = 40.0;

/// Draws a bar for the median of each row, with a dot for each run.
pub(super) fn bars(html: &mut String, figure: &str, rows: &[&Row]) -> fmt::Result {
    let values = |row: &Row| -> Vec<f64> {
        let figures = row.best().into_iter().flat_map(|sample| &sample.figures);
        figures.filter(|candidate| candidate.name == figure).map(|figure| figure.value).collect()
    };
    let median =
        |row: &Row| row.figures().into_iter().find(|(name, _)| *name == figure).map(|(_, spread)| spread.median);
    let shown: Vec<_> = rows.iter().enumerate().filter_map(|(index, row)| Some((index, *row, median(row)?))).collect();
    let max = shown.iter().flat_map(|(_, row, _)| values(row)).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LABEL - 80.0) / max;
    let height = count(shown.len()) * (BAR + 4.0) + 20.0;
    write!(html, "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\"><text x=\"0\" y=\"12\">{figure}</text>")?;
    for (line, (index, row, median)) in shown.into_iter().enumerate() {
        let (y, width, colour) = (20.0 + count(line) * (BAR + 4.0), median * scale, COLOURS[index % COLOURS.len()]);
        write!(
            html,
            "<text x=\"0\" y=\"{text}\">{subject}</text>\
             <rect x=\"{LABEL}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\" opacity=\"0.75\"/>\
             <text x=\"{end:.1}\" y=\"{text}\">{median}</text>",
            text = y + 13.0,
            subject = row.subject,
            end = LABEL + values(row).into_iter().fold(median, f64::max) * scale + 8.0,
            median = number(median),
        )?;
        for value in values(row) {
            let x = LABEL + value * scale;
            write!(html, "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"#0f172a\"/>", y + BAR / 2.0)?;
        }
    }
    html.push_str("</svg>");
    Ok(())
}

/// Draws the latencies of each row by percentile, with the tail stretched: as much room for 99 to 99.9 % as for 90 to
/// 99 %. Both axes are logarithmic.
pub(super) fn curves(html: &mut String, rows: &[&Row]) -> fmt::Result {
    let lines: Vec<(usize, Vec<(f64, f64)>)> = rows.iter().map(|row| middle_curve(row)).enumerate().collect();
    let points = || lines.iter().flat_map(|(_, points)| points).copied();
    let (low, high) = points().fold((f64::MAX, f64::MIN_POSITIVE), |(low, high), (_, ms)| (low.min(ms), high.max(ms)));
    if points().next().is_none() || low <= 0.0 {
        return Ok(());
    }
    let far = points().map(|(percent, _)| nines(percent)).fold(1.0, f64::max);
    let x = |percent: f64| MARGIN + nines(percent) / far * (WIDTH - 2.0 * MARGIN);
    let (bottom, top) = (low.log10().floor(), high.log10().ceil().max(low.log10().floor() + 1.0));
    let y = |ms: f64| CURVE_HEIGHT - (ms.log10() - bottom) / (top - bottom) * (CURVE_HEIGHT - 20.0);
    write!(html, "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\">", CURVE_HEIGHT + 20.0)?;
    for (percent, label) in [(50.0, "50 %"), (90.0, "90 %"), (99.0, "99 %"), (99.9, "99.9 %"), (99.99, "99.99 %")] {
        if nines(percent) <= far {
            grid(html, [x(percent), 20.0, x(percent), CURVE_HEIGHT])?;
            write!(html, "<text x=\"{:.1}\" y=\"{}\">{label}</text>", x(percent) - 12.0, CURVE_HEIGHT + 15.0)?;
        }
    }
    let mut exponent = bottom;
    while exponent <= top {
        let ms = 10_f64.powf(exponent);
        grid(html, [MARGIN, y(ms), WIDTH - MARGIN, y(ms)])?;
        write!(html, "<text x=\"0\" y=\"{:.1}\">{ms} ms</text>", y(ms) + 4.0)?;
        exponent += 1.0;
    }
    for (index, points) in &lines {
        let points: Vec<String> =
            points.iter().map(|(percent, ms)| format!("{:.1},{:.1}", x(*percent), y(*ms))).collect();
        let (points, colour) = (points.join(" "), COLOURS[index % COLOURS.len()]);
        write!(html, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>")?;
    }
    html.push_str("</svg>");
    Ok(())
}

/// Returns the curve of the run in the middle of the row.
fn middle_curve(row: &Row) -> Vec<(f64, f64)> {
    let mut curves: Vec<_> = row.best().into_iter().map(|sample| sample.curve.clone()).collect();
    curves.sort_by(|one, other| tail(one).total_cmp(&tail(other)));
    let middle = curves.len() / 2;
    curves.into_iter().nth(middle).unwrap_or_default()
}

fn tail(curve: &[(f64, f64)]) -> f64 {
    curve.iter().find(|(percent, _)| *percent >= 99.0).or(curve.last()).map_or(0.0, |(_, ms)| *ms)
}

fn nines(percent: f64) -> f64 {
    -(1.0 - percent / 100.0).log10()
}

fn grid(html: &mut String, [x1, y1, x2, y2]: [f64; 4]) -> fmt::Result {
    write!(html, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#cbd5e1\"/>")
}

fn count(count: usize) -> f64 {
    float(count as u64)
}
