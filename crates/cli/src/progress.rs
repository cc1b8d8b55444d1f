//! How far compiling is, for whoever waits.

use hatchery::{Module, ModuleSet};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nobody needs to be told before this has passed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Compiles, with a bar on standard error when it takes long and that is a terminal.
pub(crate) fn compile(set: &ModuleSet) -> Result<Module, hatchery::Error> {
    if !std::io::stderr().is_terminal() {
        return set.compile();
    }
    let (start, bar) = (Instant::now(), OnceLock::new());
    let module = set.compile_with(&|done, total| {
        if start.elapsed() >= PATIENCE {
            bar.get_or_init(|| new_bar(total)).set_position(done);
        }
    });
    bar.get().inspect(|bar| bar.finish_and_clear());
    module
}

fn new_bar(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("   Compiling [{bar:40}] {pos}/{len} functions, {eta} left");
    let bar = ProgressBar::new(total);
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
