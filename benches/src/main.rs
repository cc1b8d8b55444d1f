//! Comparisons with Wasmtime, in one process and one run.
//!
//! `cargo run --release -p hatchery-benches -- [FILTER] [--json] [--quick] [--list]`
//!
//! Machines are noisy: the two sides take turns, and what is printed is the median of each and the median of the ratios
//! of neighbours. `README.md` beside the sources says how to read it.

mod call;
mod case;
mod child;
mod compile;
mod component;
mod cycle;
mod guest;
mod kernel;
mod load;
mod measure;
mod memory;
mod peer;
mod report;
mod start;
mod syscalls;
mod threads;
mod trap;
mod trusted;

use case::{Case, Skip};
use clap::Parser;
use measure::Effort;

/// Compare with Wasmtime.
///
/// Prints a table: a case a line, with the median of each side, the median of the ratios of neighbouring samples, and
/// how the peer was configured. A ratio below one means that Hatchery takes less. `benches/README.md` says more.
#[derive(Debug, Parser)]
struct Args {
    /// Run the cases whose name contains this, such as `cycle/` or `data-16`
    filter: Option<String>,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,

    /// Take fewer samples, for a first look
    #[arg(long)]
    quick: bool,

    /// Print the names of the cases and run none
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((child::ARGUMENT, question)) = words.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return child::answer(question);
    }
    let args = Args::parse();
    let selected = |case: &Case| args.filter.as_deref().is_none_or(|filter| case.name.contains(filter));
    let cases: Vec<Case> = cases().into_iter().filter(selected).collect();
    if args.list {
        report::names(&cases);
        return Ok(());
    }
    let effort = if args.quick { Effort::QUICK } else { Effort::FULL };
    let mut report = report::Report::new(args.json);
    for case in &cases {
        match (case.run)(&effort) {
            Ok(row) => report.row(case, &row),
            Err(error) => match error.downcast_ref::<Skip>() {
                Some(Skip(why)) => report.skip(case, why),
                None => return Err(error.context(format!("in {}", case.name))),
            },
        }
    }
    report.finish();
    Ok(())
}

/// All there are, by group.
fn cases() -> Vec<Case> {
    let groups = [
        call::cases,
        trap::cases,
        kernel::cases,
        kernel::interrupt_cases,
        compile::cases,
        load::cases,
        start::cases,
        cycle::cases,
        threads::cases,
        memory::cases,
        syscalls::cases,
        component::cases,
    ];
    groups.into_iter().flat_map(|cases| cases()).collect()
}
