//! Comparisons with Wasmtime, in one process and one run.
//!
//! `cargo run --release -p hatchery-benches -- [FILTER] [--json]`
//!
//! Both sides compile with the same optimization level, for the same CPU, with the same speculation guards
//! and without interruption unless a case says so. Machines are noisy: the two sides take turns, and what is
//! printed is the median of each and the median of the ratios of neighbours.

mod call;
mod compile;
mod cycle;
mod guest;
mod kernel;
mod measure;
mod peer;
mod report;
mod trap;

use clap::Parser;

/// Compare with Wasmtime
#[derive(Debug, Parser)]
struct Args {
    /// Run the cases whose name contains this
    filter: Option<String>,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

/// One question, asked of both sides.
struct Case {
    /// Group and name, such as `call/nop`.
    name: &'static str,
    /// How the peer was configured.
    peer_config: &'static str,
    /// Makes both sides; each runs its operation as often as it is told.
    make: fn() -> anyhow::Result<measure::Pair>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut report = report::Report::new(args.json);
    for case in
        [call::CASES, trap::CASES, kernel::CASES, guest::CASES, compile::CASES, cycle::CASES].into_iter().flatten()
    {
        if args.filter.as_deref().is_some_and(|filter| !case.name.contains(filter)) {
            continue;
        }
        let mut pair = (case.make)()?;
        report.row(case, measure::compare(&mut pair));
    }
    Ok(())
}
