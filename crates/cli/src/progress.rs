//! How far compiling is, for whoever waits.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nobody needs to be told before this has passed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs a compilation, with a bar on standard error when it takes long and that is a terminal.
pub(crate) fn show<R>(compile: impl FnOnce(&(dyn Fn(u64, u64) + Sync)) -> R) -> R {
    if !std::io::stderr().is_terminal() {
        return compile(&|_, _| ());
    }
    let (start, bar) = (Instant::now(), OnceLock::new());
    let result = compile(&|done, total| {
        if start.elapsed() >= PATIENCE {
            bar.get_or_init(|| new_bar(total)).set_position(done);
        }
    });
    bar.get().inspect(|bar| bar.finish_and_clear());
    result
}

fn new_bar(total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("   Compiling [{bar:40}] {pos}/{len} functions");
    let bar = ProgressBar::new(total);
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
