//! `hatchery build --init`: initialization at build time.

use crate::args;
use crate::invoke::export;
use crate::program::Compiled;
use crate::shown::lines;
use anyhow::{Context, bail};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use hatchery::component::{self, Component};
use hatchery::{Engine, InitImports, Limits, Linker, Module, SnapshotOptions, SnapshotReport};
use hatchery_wasi::WasiCtx;
use hatchery_wasi::host::{MemoryOutput, SeededEntropy, VirtualClock};
use hatchery_wasi::p1::{self, DependsOn};
use hatchery_wasi::p2;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

/// What is initialized at build time, and what it may ask the host.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Init {
    /// Initialize the program now, as far as it comes without the host, and store where it got to
    ///
    /// Runs what would run before the first call: start functions and `_initialize`; and then EXPORT, or else
    /// `wizer-initialize` or `wizer.initialize` if there is one. A component's EXPORT is a function without parameters and
    /// result, named as for `run --invoke`: alone, or behind its interface as `ns:pkg/iface.func`. What traps, takes too long
    /// or calls an import is undone, with what comes behind it; the report on standard error says what that was. Start
    /// functions and `_initialize` are left for `run` then. No `run` calls EXPORT: where no call of it can be kept, that is an
    /// error, and nothing is written. A `wizer-initialize` that was not asked for by name is left out.
    #[arg(long, value_name = "EXPORT", num_args = 0..=1, require_equals = true)]
    init: Option<Option<String>>,

    /// Let the initialization call an import: the name of a module or an interface, or MODULE/NAME
    ///
    /// An interface's version can be left out. Of WASI, the name of a module or an interface stands for what has the same
    /// answer in every run. What depends on the deployment (arguments, environment, and all that is told a descriptor or a
    /// stream) is allowed by its own name only, and finds no arguments, no directories and empty input. Clocks and
    /// entropy are allowed, by their own names, to programs that export `hatchery-reseed`, which every run calls.
    #[arg(long, value_name = "NAME", requires = "init")]
    init_allow: Vec<String>,

    /// Give up an initialization step after this long, such as 10s (a number alone is seconds); for --interruption deadline
    ///
    /// Copying what the last step left may take as long; when it does not suffice, nothing is built.
    #[arg(long, value_name = "TIME", value_parser = args::duration, requires = "init")]
    pub(crate) init_timeout: Option<Duration>,

    /// Give up an initialization step after this many instructions; for --interruption fuel
    #[arg(long, value_name = "UNITS", requires = "init", conflicts_with = "init_timeout")]
    pub(crate) init_fuel: Option<u64>,
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

/// Adds to an error of the line how an export is named, where `--init EXPORT` was written: EXPORT counts as the program then.
pub(crate) fn with_hint(mut error: clap::Error, line: impl IntoIterator<Item = OsString>) -> clap::Error {
    let line: Vec<_> = line.into_iter().collect();
    let is_build = line.get(1).is_some_and(|verb| verb == "build");
    let named = line.windows(2).find(|pair| pair[0] == "--init" && !pair[1].as_encoded_bytes().starts_with(b"-"));
    if let (ErrorKind::UnknownArgument, true, Some(pair)) = (error.kind(), is_build, named) {
        let tip = format!("to call the export '{0}', write '--init={0}'", pair[1].display());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

impl Init {
    /// Whether EXPORT is missing, or was taken for the program.
    pub(crate) fn is_nameless(&self) -> bool {
        self.init == Some(None)
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.init.is_some()
    }

    /// The program as its initialization leaves it, if that was asked for; the report goes to standard error.
    pub(crate) fn run(&self, engine: &Engine, program: Compiled) -> anyhow::Result<Compiled> {
        let Some(export) = &self.init else { return Ok(program) };
        let initialized = match &program {
            Compiled::Module(module) => self.module(engine, module, export.as_deref())?,
            Compiled::Component(component) => self.component(engine, component, export.as_deref())?,
        };
        let (program, report) = initialized.context("cannot initialize the program")?;
        print(&report);
        match (export, report.stopped()) {
            // It is the last of all, so that what was given up is it or comes before it.
            (Some(name), Some(_)) => bail!(
                "no call of `{name}` can be kept, so nothing is written; `--init` without a name keeps what there is"
            ),
            _ => Ok(program),
        }
    }

    fn module(&self, engine: &Engine, module: &Module, export: Option<&str>) -> anyhow::Result<Initialized> {
        let mut linker = Linker::new(engine);
        p1::add_to_linker(&mut linker, |host: &mut Host| &mut host.wasi)?;
        let imports = module.imports().map(|(module, name, _)| (Some(module), name));
        let allowed = self.allowed(imports.collect(), module.has_hook(Module::RESEED))?;
        let initialized = module.snapshot(&linker, self.options(allowed, export), Host::new);
        Ok(initialized.map(|(module, report)| (Compiled::Module(module), report)))
    }

    fn component(&self, engine: &Engine, component: &Component, export: Option<&str>) -> anyhow::Result<Initialized> {
        let mut linker = component::Linker::new(engine);
        p2::add_to_linker(&mut linker, |host: &mut Host| &mut host.wasi)?;
        let imports = component.imports().map(|(interface, name, _)| (interface, name));
        let allowed = self.allowed(imports.collect(), component.has_hook(Module::RESEED))?;
        let export = export.map(|name| export::find(component, name)).transpose()?.map(|export| export.joined());
        let initialized = component.snapshot(&linker, self.options(allowed, export.as_deref()), Host::new);
        Ok(initialized.map(|(component, report)| (Compiled::Component(component), report)))
    }

    fn options(&self, allowed: Vec<String>, export: Option<&str>) -> SnapshotOptions<Host> {
        let options = SnapshotOptions::new();
        let options = options.imports(InitImports::Allow(allowed)).limits(self.limits()).at_rest(Host::at_rest);
        export.into_iter().fold(options, |options, name| options.export(name))
    }

    fn limits(&self) -> Limits {
        let limits = self.init_fuel.into_iter().fold(Limits::new(), Limits::fuel);
        self.init_timeout.into_iter().fold(limits, Limits::deadline)
    }

    /// The imports that may be called, each by its own name. `draws` says that every run draws again what differs between
    /// runs.
    fn allowed(&self, imports: Vec<Import<'_>>, draws: bool) -> anyhow::Result<Vec<String>> {
        let mut allowed = BTreeSet::new();
        for pattern in &self.init_allow {
            let named = imports.iter().filter_map(|(of, name)| Some((*of, *name, means(pattern, *of, name)?)));
            let mut named = named.peekable();
            if named.peek().is_none() {
                bail!("`{pattern}` is no import of the program, nor a module or interface that it imports from");
            }
            for (of, name, scope) in named {
                if permits(scope, of, name, draws)? {
                    allowed.insert(of.map_or_else(|| name.to_owned(), |of| format!("{of}/{name}")));
                }
            }
        }
        Ok(allowed.into_iter().collect())
    }
}

/// An import: its module or interface, and its name.
type Import<'a> = (Option<&'a str>, &'a str);

/// A program that is further along, and the report; or why there is none.
type Initialized = Result<(Compiled, SnapshotReport), hatchery::Error>;

/// How an import was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// With all of its module or interface.
    Module,
    /// By itself.
    Import,
}

/// Whether `pattern` means this import.
fn means(pattern: &str, of: Option<&str>, name: &str) -> Option<Scope> {
    let Some(of) = of else { return (pattern == name).then_some(Scope::Import) };
    let unversioned = of.split_once('@').map(|(path, _)| path);
    [Some(of), unversioned].into_iter().flatten().find_map(|of| {
        let rest = pattern.strip_prefix(of)?;
        if rest.is_empty() {
            return Some(Scope::Module);
        }
        (rest.strip_prefix(['/', '.', '#'])? == name).then_some(Scope::Import)
    })
}

/// Whether naming an import like this permits it.
fn permits(scope: Scope, of: Option<&str>, name: &str, draws: bool) -> anyhow::Result<bool> {
    let depends = match of {
        Some(p1::MODULE) => p1::depends_on(name),
        Some(interface) if interface.starts_with("wasi:") => p2::depends_on(interface, name),
        _ => return Ok(true),
    };
    Ok(match (depends, scope) {
        (DependsOn::Guest, _) | (DependsOn::Deployment, Scope::Import) => true,
        (_, Scope::Module) => false,
        (_, Scope::Import) if draws => true,
        (_, Scope::Import) => bail!(
            "`{name}` cannot be allowed: every run would start with the same answer. A program that exports `{}`, a \
             function that draws it again, may call it",
            Module::RESEED
        ),
    })
}

fn print(report: &SnapshotReport) {
    // With standard error closed there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "initialization: {}", lines(&format!("{report:#}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_named_alone_or_with_their_module() {
        let check = |pattern, of, name, expected| assert_eq!(means(pattern, Some(of), name), expected, "{pattern}");
        check("env", "env", "f", Some(Scope::Module));
        check("env/f", "env", "f", Some(Scope::Import));
        check("env.f", "env", "f", Some(Scope::Import));
        check("a:b/c", "a:b/c", "d", Some(Scope::Module));
        check("a:b/c/d", "a:b/c", "d", Some(Scope::Import));
        check("a:b/c#d", "a:b/c", "d", Some(Scope::Import));
        check("a:b/c@1.2.0", "a:b/c@1.2.0", "d", Some(Scope::Module));
        check("a:b/c", "a:b/c@1.2.0", "d", Some(Scope::Module));
        check("a:b/c/d", "a:b/c@1.2.0", "d", Some(Scope::Import));
        check("a:b/c@1.2.0/d", "a:b/c@1.2.0", "d", Some(Scope::Import));
        check("a:b/c@1.3.0", "a:b/c@1.2.0", "d", None);
        check("env", "environment", "f", None);
        check("environment", "env", "f", None);
        check("env/é", "env", "f", None);
        check("envé", "env", "f", None);
        assert_eq!(means("f", None, "f"), Some(Scope::Import));
        assert_eq!(means("f", None, "g"), None);
    }

    #[test]
    fn of_wasi_only_what_every_run_agrees_on_is_allowed_with_its_interface() {
        let with_interface = |of, name| permits(Scope::Module, Some(of), name, false).expect("no error");
        assert!(with_interface("wasi:cli/stdout@0.2.6", "get-stdout"));
        assert!(!with_interface("wasi:cli/environment@0.2.6", "get-environment"));
        assert!(!with_interface("wasi:io/streams@0.2.6", "[method]output-stream.check-write"));
        assert!(!with_interface(p1::MODULE, "fd_close"));
        assert!(with_interface(p1::MODULE, "proc_exit"));
        assert!(!with_interface("wasi:random/random@0.2.6", "get-random-u64"));
        assert!(with_interface("acme:cli/environment@0.2.6", "get-environment"));
        let alone = |name, draws| permits(Scope::Import, Some("wasi:clocks/monotonic-clock@0.2.6"), name, draws);
        assert!(alone("now", false).expect_err("the moment").to_string().contains("hatchery-reseed"));
        assert!(alone("now", true).expect("drawn again"));
    }
}
