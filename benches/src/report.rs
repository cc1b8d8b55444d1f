//! A table for people, or a JSON object a line.

use crate::Case;
use crate::measure::Outcome;

/// Where results go.
pub(crate) struct Report {
    json: bool,
    started: bool,
}

impl Report {
    pub(crate) fn new(json: bool) -> Report {
        Report { json, started: false }
    }

    /// Prints one case.
    #[expect(clippy::print_stdout, reason = "printing is what a report is for")]
    pub(crate) fn row(&mut self, case: &Case, outcome: Outcome) {
        let Outcome { ours, peer, ratio } = outcome;
        let Case { name, peer_config, .. } = case;
        if self.json {
            println!(
                r#"{{"case":"{name}","ours_ns":{ours:.2},"peer_ns":{peer:.2},"peer_config":"{peer_config}","ratio":{ratio:.3}}}"#
            );
            return;
        }
        if !self.started {
            self.started = true;
            println!("{:<36} {:>12} {:>12} {:>7}  peer", "case", "ours", "wasmtime", "ratio");
        }
        println!("{name:<36} {:>12} {:>12} {ratio:>7.2}  {peer_config}", time(ours), time(peer));
    }
}

/// Nanoseconds in the unit that reads best.
fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}
