//! `hatchery wast`: runs specification scripts.

use crate::load;
use anyhow::Context;
use hatchery::{Allocation, Bounds, Config};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run specification scripts and count their assertions
///
/// Prints each failed assertion with its file and line, and closes with `N passed, N failed, N skipped`.
#[derive(Debug, clap::Args)]
pub(crate) struct Wast {
    /// Check every memory access by comparison instead of by guard pages
    #[arg(long)]
    explicit_bounds: bool,

    /// The scripts; - for standard input
    #[arg(required = true, value_name = "FILES")]
    files: Vec<PathBuf>,
}

impl Wast {
    pub(crate) fn execute(self) -> anyhow::Result<ExitCode> {
        let bounds = if self.explicit_bounds { Bounds::Explicit } else { Bounds::Guard };
        let config = Config::new().allocation(Allocation::Strict).bounds(bounds);
        let mut total = hatchery_wast::Counts::default();
        let mut out = std::io::stdout().lock();
        for path in &self.files {
            let text = load::open(path).and_then(std::io::read_to_string);
            let text = text.with_context(|| format!("cannot read the script `{}`", path.display()))?;
            let report = hatchery_wast::run(&config, &path.display().to_string(), &text);
            for failure in &report.failures {
                writeln!(out, "{failure}")?;
            }
            total += report.counts;
        }
        writeln!(out, "{total}")?;
        Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
