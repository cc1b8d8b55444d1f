//! The `hatchery` command.
//!
//! It knows the face, the WASI crate and the script runner, and nothing below them. One verb a file;
//! this one parses the line, calls the verb and turns what it returns into an exit status.

mod args;
mod build;
mod cache;
mod choices;
mod guest;
mod heat_map;
mod init;
mod inspect;
mod invoke;
mod load;
mod output;
mod picture;
mod program;
mod progress;
mod report;
mod run;
mod shown;
mod wast;
mod world;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Run WebAssembly from known-clean instances.
#[derive(Debug, Parser)]
#[command(name = "hatchery", version, max_term_width = 100, after_help = ENVIRONMENT)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// What else there is to be set.
const ENVIRONMENT: &str = "\
Environment:
  HATCHERY_CACHE_DIR  Where `hatchery run` keeps what it compiled
  HATCHERY_LOG        Which events to print to standard error: warn says why the cache is of no use";

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Run),
    Build(build::Build),
    Inspect(inspect::Inspect),
    Cache(cache::CacheVerb),
    Wast(wast::Wast),
}

/// Prints events, if the environment asks for some: a subscriber that nobody needs takes longer than opening an artifact.
fn listen() {
    const VARIABLE: &str = "HATCHERY_LOG";
    if std::env::var_os(VARIABLE).is_some() {
        let filter = tracing_subscriber::EnvFilter::from_env(VARIABLE);
        let colours = report::wants_colours();
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    }
}

fn main() -> ExitCode {
    listen();
    let line = Cli::try_parse().unwrap_or_else(|error| init::with_hint(error, std::env::args_os()).exit());
    let outcome = match line.verb {
        Verb::Run(run) => run.execute(),
        Verb::Build(build) => build.execute(),
        Verb::Inspect(inspect) => inspect.execute(),
        Verb::Cache(cache) => cache.execute(),
        Verb::Wast(wast) => wast.execute(),
    };
    outcome.unwrap_or_else(|error| report::failure(&error))
}
