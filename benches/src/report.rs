//! A table for people, or a JSON object a line.

use crate::case::{Case, Row, Unit};
use crate::peer;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where results go.
pub(crate) struct Report {
    json: bool,
    started: bool,
    /// Logarithms of the ratios, by group and name of the ratio.
    ratios: BTreeMap<(String, &'static str), Vec<f64>>,
}

/// Groups whose ratios are worth a mean.
const MEANS: [&str; 5] = ["kernel", "interrupt", "compile", "call", "cycle"];

impl Report {
    pub(crate) fn new(json: bool) -> Report {
        Report { json, started: false, ratios: BTreeMap::new() }
    }

    /// Prints one case.
    pub(crate) fn row(&mut self, case: &Case, row: &Row) {
        let group = case.name.split('/').next().unwrap_or_default();
        let more = row.more.iter().filter(|(name, _)| *name == "on_by_off").copied();
        for (name, ratio) in row.ratio.map(|ratio| ("ratio", ratio)).into_iter().chain(more) {
            if ratio > 0.0 {
                self.ratios.entry((group.to_owned(), name)).or_default().push(ratio.ln());
            }
        }
        if self.json {
            line(&Value::Object(object(case, row)).to_string());
        } else {
            self.start();
            line(&text(case, row));
        }
    }

    /// Prints that a case was left out, and why.
    pub(crate) fn skip(&mut self, case: &Case, why: &str) {
        if self.json {
            line(&json!({ "case": case.name, "skipped": why }).to_string());
        } else {
            self.start();
            line(&format!("{:<32} skipped: {why}", case.name));
        }
    }

    /// Prints the geometric mean of each group that was asked more than one question.
    pub(crate) fn finish(&self) {
        for ((group, of), logarithms) in &self.ratios {
            if logarithms.len() < 2 || !MEANS.contains(&group.as_str()) {
                continue;
            }
            let mean = (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
            let (name, cases) = (format!("{group}/geometric-mean"), logarithms.len());
            line(&if self.json {
                json!({ "case": name, *of: rounded(mean), "cases": cases }).to_string()
            } else {
                format!("{name:<32} {:>47} {mean:>7.3}  of the {cases} of {of}", "")
            });
        }
    }

    /// Prints what stands above a table.
    fn start(&mut self) {
        if !self.started {
            self.started = true;
            line(&format!("Both sides: {}.", peer::BOTH));
            line(&format!(
                "{:<32} {:>11} {:>11} {:>11} {:>11} {:>7}  peer and more",
                "case", "ours", "wasmtime", "floor", "ours p99", "ratio"
            ));
        }
    }
}

/// Prints what there is to choose from.
pub(crate) fn names(cases: &[Case]) {
    cases.iter().for_each(|case| line(&case.name));
}

/// A row for people.
fn text(case: &Case, row: &Row) -> String {
    let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| amount(row.unit, value));
    let p99 = row.more.iter().find(|(name, _)| *name == "ours_p99_ns").map(|(_, value)| *value);
    let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    let mut text = format!(
        "{:<32} {:>11} {:>11} {:>11} {:>11} {ratio:>7}  {}",
        case.name,
        amount(row.unit, row.ours),
        cell(row.peer),
        cell(row.floor),
        cell(p99),
        row.peer_config
    );
    if !row.our_config.is_empty() {
        text += &format!("; ours: {}", row.our_config);
    }
    for (name, value) in row.more.iter().filter(|(name, _)| *name != "ours_p99_ns") {
        text += &match name.strip_suffix("_ns") {
            Some(name) => format!("; {name} {}", amount(Unit::Nanoseconds, *value)),
            None => format!("; {name} {value:.2}"),
        };
    }
    text
}

/// A row for programs.
fn object(case: &Case, row: &Row) -> Map<String, Value> {
    let unit = match row.unit {
        Unit::Nanoseconds => "ns",
        Unit::Bytes => "bytes",
        Unit::Syscalls => "syscalls_per_cycle",
    };
    let mut object = Map::new();
    object.insert("case".to_owned(), json!(case.name));
    object.insert(format!("ours_{unit}"), json!(rounded(row.ours)));
    let mut optional = |name: String, value: Option<f64>| {
        if let Some(value) = value {
            object.insert(name, json!(rounded(value)));
        }
    };
    optional(format!("peer_{unit}"), row.peer);
    optional(format!("floor_{unit}"), row.floor);
    optional("ratio".to_owned(), row.ratio);
    optional("over_floor".to_owned(), row.over_floor);
    for (name, value) in &row.more {
        optional((*name).to_owned(), Some(*value));
    }
    object.insert("peer_config".to_owned(), json!(row.peer_config));
    if !row.our_config.is_empty() {
        object.insert("our_config".to_owned(), json!(row.our_config));
    }
    object.insert("both".to_owned(), json!(peer::BOTH));
    object
}

/// Three decimals.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A number in the unit that reads best.
fn amount(unit: Unit, value: f64) -> String {
    match (unit, value) {
        (Unit::Nanoseconds, ns) if ns < 1e3 => format!("{ns:.1} ns"),
        (Unit::Nanoseconds, ns) if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        (Unit::Nanoseconds, ns) if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        (Unit::Nanoseconds, ns) => format!("{:.2} s", ns / 1e9),
        (Unit::Bytes, bytes) if bytes.abs() < 1024.0 => format!("{bytes:.0} B"),
        (Unit::Bytes, bytes) if bytes.abs() < 1024.0 * 1024.0 => format!("{:.1} KiB", bytes / 1024.0),
        (Unit::Bytes, bytes) => format!("{:.1} MiB", bytes / 1024.0 / 1024.0),
        (Unit::Syscalls, count) => format!("{count:.2}"),
    }
}

#[expect(clippy::print_stdout, reason = "printing is what a report is for")]
fn line(text: &str) {
    println!("{text}");
}
