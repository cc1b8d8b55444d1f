//! `hatchery build --init`: initialization at build time.

use crate::args;
use anyhow::{Context, bail};
use hatchery::{Engine, InitImports, Limits, Linker, Module, SnapshotOptions, SnapshotReport};
use hatchery_wasi::WasiCtx;
use hatchery_wasi::host::{MemoryOutput, SeededEntropy, VirtualClock};
use hatchery_wasi::p1::{self, DependsOn};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

/// What is initialized at build time, and what it may ask the host.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Init {
    /// Initialize the program now, as far as it comes without the host, and store where it got to
    ///
    /// Runs what would run before the first call: start functions and `_initialize`; and then EXPORT, or else
    /// `wizer-initialize` or `wizer.initialize` if there is one. What traps, takes too long or calls an import is undone
    /// and left for `run`; the report on standard error says what that was.
    #[arg(long, value_name = "EXPORT", num_args = 0..=1, require_equals = true)]
    init: Option<Option<String>>,

    /// Let the initialization call an import: a module's name, or MODULE/NAME
    ///
    /// Of WASI, a module's name stands for what has the same answer in every run. What depends on the deployment (arguments,
    /// environment, directories, standard input) is allowed by its own name only, and finds nothing. Clocks and
    /// entropy are allowed, by their own names, to programs that export `hatchery-reseed`, which every run calls.
    #[arg(long, value_name = "NAME", requires = "init")]
    init_allow: Vec<String>,

    /// Give up an initialization step after this long, such as 10s; for --interruption deadline
    #[arg(long, value_name = "TIME", value_parser = args::duration, requires = "init")]
    init_timeout: Option<Duration>,

    /// Give up an initialization step after this many instructions; for --interruption fuel
    #[arg(long, value_name = "UNITS", requires = "init", conflicts_with = "init_timeout")]
    init_fuel: Option<u64>,
}

/// What a program sees at build time: the same whenever it is built.
struct Host {
    wasi: WasiCtx,
    out: MemoryOutput,
    err: MemoryOutput,
}

/// More than anybody should write before the program starts.
const OUTPUT: usize = 1 << 20;

impl Host {
    fn new() -> Host {
        let (out, err) = (MemoryOutput::new(OUTPUT), MemoryOutput::new(OUTPUT));
        let mut builder = WasiCtx::builder();
        builder
            .clock(VirtualClock::new(0, 1_000))
            .entropy(SeededEntropy::new(0))
            .stdout(out.clone())
            .stderr(err.clone());
        Host { wasi: builder.build(), out, err }
    }

    /// Whether nothing is lost when the program goes on with another host.
    fn at_rest(&self) -> Result<(), String> {
        for (name, stream) in [("standard output", &self.out), ("standard error", &self.err)] {
            let bytes = stream.contents().len();
            if bytes > 0 {
                return Err(format!("{bytes} bytes were written to {name}, which no run would write again"));
            }
        }
        self.wasi.at_rest()
    }
}

impl Init {
    pub(crate) fn is_wanted(&self) -> bool {
        self.init.is_some()
    }

    /// The module as its initialization leaves it, if that was asked for; the report goes to standard error.
    pub(crate) fn run(&self, engine: &Engine, module: Module) -> anyhow::Result<Module> {
        let Some(export) = &self.init else { return Ok(module) };
        let mut linker = Linker::new(engine);
        p1::add_to_linker(&mut linker, |host: &mut Host| &mut host.wasi)?;
        let imports = InitImports::Allow(self.allowed(&module)?);
        let options = SnapshotOptions::new().imports(imports).limits(self.limits()).at_rest(Host::at_rest);
        let options = export.iter().fold(options, |options, name| options.export(name.as_str()));
        let (module, report) = module.snapshot(&linker, options, Host::new).context("cannot initialize the program")?;
        print(&report);
        Ok(module)
    }

    fn limits(&self) -> Limits {
        let limits = self.init_fuel.into_iter().fold(Limits::new(), Limits::fuel);
        self.init_timeout.into_iter().fold(limits, Limits::deadline)
    }

    /// The imports that may be called, each by its own name.
    fn allowed(&self, module: &Module) -> anyhow::Result<Vec<String>> {
        let mut allowed = BTreeSet::new();
        for pattern in &self.init_allow {
            let named =
                module.imports().filter_map(|(module, name, _)| Some((module, name, means(pattern, module, name)?)));
            let mut named = named.peekable();
            if named.peek().is_none() {
                bail!("`{pattern}` is no import of the program, nor a module that it imports from");
            }
            for (of, name, scope) in named {
                if permits(module, scope, of, name)? {
                    allowed.insert(format!("{of}/{name}"));
                }
            }
        }
        Ok(allowed.into_iter().collect())
    }
}

/// How an import was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// With all of its module.
    Module,
    /// By itself.
    Import,
}

/// Whether `pattern` means this import.
fn means(pattern: &str, module: &str, name: &str) -> Option<Scope> {
    let rest = pattern.strip_prefix(module)?;
    if rest.is_empty() {
        return Some(Scope::Module);
    }
    (rest.strip_prefix(['/', '.'])? == name).then_some(Scope::Import)
}

/// Whether naming an import like this permits it.
fn permits(program: &Module, scope: Scope, module: &str, name: &str) -> anyhow::Result<bool> {
    if module != p1::MODULE {
        return Ok(true);
    }
    Ok(match (p1::depends_on(name), scope) {
        (DependsOn::Guest, _) | (DependsOn::Deployment, Scope::Import) => true,
        (_, Scope::Module) => false,
        (_, Scope::Import) if program.has_hook(Module::RESEED) => true,
        (_, Scope::Import) => bail!(
            "`{name}` cannot be allowed: every run would start with the same answer. A program that exports `{}`, a \
             function that draws it again, may call it",
            Module::RESEED
        ),
    })
}

fn print(report: &SnapshotReport) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "initialization: {report:#}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_named_alone_or_with_their_module() {
        assert_eq!(means("env", "env", "f"), Some(Scope::Module));
        assert_eq!(means("env/f", "env", "f"), Some(Scope::Import));
        assert_eq!(means("env.f", "env", "f"), Some(Scope::Import));
        assert_eq!(means("a:b/c", "a:b/c", "d"), Some(Scope::Module));
        assert_eq!(means("a:b/c/d", "a:b/c", "d"), Some(Scope::Import));
        assert_eq!(means("env", "environment", "f"), None);
        assert_eq!(means("environment", "env", "f"), None);
        assert_eq!(means("env/é", "env", "f"), None);
        assert_eq!(means("envé", "env", "f"), None);
    }
}
