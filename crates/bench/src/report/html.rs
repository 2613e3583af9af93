//! A page with plots that needs no other file.

use std::fmt::{self, Write};

use super::{
    Report,
    plot::{self, COLOURS},
    table::number,
};
use crate::results::{Results, Row};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;color:#0f172a;max-width:1000px;margin:2rem auto;padding:0 1rem}\
h2{margin-top:3rem;border-bottom:1px solid #cbd5e1}h3{margin-top:2rem}\
svg{width:100%;max-width:640px;font:12px system-ui,sans-serif;display:block;margin:.5rem 0}\
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.15rem .8rem;text-align:right;border-top:1px solid #e2e8f0}\
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}.remark{color:#b45309}\
.key{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}";

/// Writes the page.
pub(crate) fn page(report: &Report) -> Result<String, fmt::Error> {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Boxroom: benchmarks</title>\
         <style>{STYLE}</style><h1>Benchmarks of Boxroom</h1><p>{}</p><p>{}</p>\
         <p>A bar is the median of the runs that count, and a dot is one run. Only figures of the same page are \
         comparable.</p>",
        escaped(&report.machine),
        escaped(report.settings)
    );
    for results in &report.scenarios {
        scenario(&mut html, results)?;
    }
    Ok(html + "</html>\n")
}

fn scenario(html: &mut String, results: &Results) -> fmt::Result {
    write!(html, "<h2>{}</h2><p>{}</p>", results.scenario, escaped(results.summary))?;
    for rows in results.rows.chunk_by(|one, other| one.case == other.case) {
        let rows: Vec<&Row> = rows.iter().collect();
        let Some(first) = rows.first() else { continue };
        write!(html, "<h3>{}</h3>", escaped(&first.case))?;
        let mut drawn: Vec<&str> = Vec::new();
        for (name, _) in rows.iter().flat_map(|row| row.figures()) {
            if !drawn.contains(&name) {
                drawn.push(name);
                plot::bars(html, name, &rows)?;
            }
        }
        plot_curves(html, &rows)?;
        processors(html, &rows, results.unit)?;
        for row in &rows {
            if let Some(remark) = row.remark() {
                write!(html, "<p class=\"remark\">{}: {}</p>", row.subject, escaped(&remark))?;
            }
        }
    }
    for remark in &results.remarks {
        write!(html, "<p>{}</p>", escaped(remark))?;
    }
    Ok(())
}

fn plot_curves(html: &mut String, rows: &[&Row]) -> fmt::Result {
    if rows.iter().all(|row| row.best().iter().all(|sample| sample.curve.is_empty())) {
        return Ok(());
    }
    html.push_str("<p>Latency by percentile:");
    for (index, row) in rows.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        write!(html, "<span class=\"key\" style=\"background:{colour}\"></span>{}", row.subject)?;
    }
    html.push_str("</p>");
    plot::curves(html, rows)
}

fn processors(html: &mut String, rows: &[&Row], unit: &str) -> fmt::Result {
    if rows.iter().all(|row| row.cpu_micros().is_empty()) {
        return Ok(());
    }
    write!(html, "<table><tr><th>processor time, microseconds for each {unit}<th>system<th>by process</tr>")?;
    for row in rows {
        let processes = row.cpu_micros();
        let parts: Vec<String> =
            processes.iter().map(|(name, spread)| format!("{name} {}", number(spread.median))).collect();
        write!(html, "<tr><td>{}<td>{}<td>{}</tr>", row.subject, number(row.cpu_sum()), parts.join(", "))?;
    }
    html.push_str("</table>");
    Ok(())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Sample;

    #[test]
    fn a_page_has_plots_and_needs_no_other_file() {
        let mut results = Results::new("deliver", "Rooms < members.", "delivery");
        for value in [1.0, 2.0] {
            let curve = vec![(50.0, value), (99.0, 9.0 * value)];
            let sample = Sample { curve, cpu_micros: vec![("nats", 1.0)], ..Sample::default() };
            results.add("W1", "boxroom", sample.figure("p50 ms", value));
        }
        let page =
            page(&Report { machine: "2 cores".to_owned(), settings: "As shipped.", scenarios: vec![results] }).unwrap();
        for part in ["Rooms &lt; members.", "<polyline", "<circle", "nats 1.00"] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        assert!(!page.contains("http"), "the page loads something");
    }
}
