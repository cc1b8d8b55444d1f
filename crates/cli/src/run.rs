//! `hatchery run`: runs a program, or one of its exports.

use crate::args::{self, Dir};
use crate::cache::Cache;
use crate::guest::{self, Guest};
use crate::invoke::{self, Call};
use crate::load::{self, Program, Purpose};
use crate::program::Compiled;
use crate::report;
use crate::world;
use anyhow::{Context, anyhow, bail};
use clap::builder::{OsStringValueParser, TypedValueParser};
use hatchery::component::{self, Component};
use hatchery::{
    Artifact, Config, Engine, ErrorKind, Extern, Instance, Interruption, Limits, Linker, Shown, Val, ValType,
};
use hatchery_wasi::{AddressRule, DirPerms, FilePerms, I32Exit, Network, WasiCtx, WasiCtxBuilder};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Run a program
///
/// FILE is a WebAssembly module or component in the binary (.wasm) or the text format (.wat), or an artifact that
/// `hatchery build` made; `-` is standard input.
///
/// The exit status is the program's own: of a module what it exits with, of a component 0 or 1, or what it gives
/// `exit-with-code`. A trap, a deadline that has passed and fuel that is used up are 134, with a backtrace; what cannot be run is 1,
/// and a line that cannot be read 2.
///
/// Of WASI there is preview 1 for modules, and for components the packages cli, io, clocks, random, filesystem and sockets of 0.2:
/// wasi:http is not among them.
#[derive(Debug, clap::Args)]
#[command(override_usage = guest::USAGE)]
pub(crate) struct Run {
    /// Give the program a directory of the host, under another name if there is one
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = OsStringValueParser::new().try_map(args::dir))]
    dirs: Vec<Dir>,

    /// Let a component use these network addresses, such as 127.0.0.1:8080, 10.0.0.0/8 or *:443, and look names up
    #[arg(long, value_name = "ADDRESS")]
    net: Vec<AddressRule>,

    /// Set a variable of the program's environment; without a value, pass on the host's
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = OsStringValueParser::new().try_map(args::env))]
    env: Vec<(String, String)>,

    /// Stop the program after this long, such as 10s, 500ms or 2h; a number alone is seconds
    #[arg(long, value_name = "TIME", value_parser = args::duration)]
    timeout: Option<Duration>,

    /// Stop the program after this many instructions; one that fills or copies much counts once more for each 64 bytes of a
    /// memory, or 8 elements of a table
    #[arg(long, value_name = "UNITS", conflicts_with = "timeout")]
    fuel: Option<u64>,

    /// Refuse the program more memory than this, such as 64MiB; a number alone is bytes, and K, M, G are KiB, MiB, GiB
    #[arg(long, value_name = "BYTES", value_parser = args::bytes)]
    max_memory: Option<u64>,

    /// Let the program hold so many files, sockets, streams and the like at a time
    #[arg(long, value_name = "COUNT", default_value_t = 4096)]
    max_resources: usize,

    /// Call this export instead of the program's start, and print what it returns
    ///
    /// Of a module, NAME with the ARGS as its arguments. Of a component, a call such as 'add(1, 2)' or
    /// 'calc.add({x: 1, y: 2}, "text")', with values as WAVE writes them; a function is named alone where that is enough, and
    /// otherwise behind its interface, in full or in part: 'ns:pkg/iface@1.0.0.func()'.
    #[arg(long, value_name = "NAME|CALL")]
    invoke: Option<String>,

    /// Read all of an artifact and check every hash before it runs, which is trusted otherwise
    #[arg(long)]
    verify: bool,

    /// Compile the program even if the cache has it, and keep nothing
    #[arg(long)]
    no_cache: bool,

    #[command(flatten)]
    guest: Guest,
}

/// A command's `run`, which says whether it succeeded.
type Entry = component::TypedFunc<(), (Result<(), ()>,)>;

impl Run {
    pub(crate) fn execute(self) -> anyhow::Result<ExitCode> {
        let (engine, module) = match self.load()? {
            (engine, Compiled::Module(module)) => (engine, module),
            (engine, Compiled::Component(component)) => return self.component(&engine, &component),
        };
        if !self.net.is_empty() {
            bail!(
                "--net is for components: `{}` is a module, and WASI preview 1 opens no sockets",
                self.guest.file.display()
            );
        }
        let mut linker = Linker::new(&engine);
        hatchery_wasi::p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
        let prepared = linker
            .prepare_with(&module, self.limits())
            .with_context(|| format!("cannot link `{}`", self.guest.file.display()))?;
        // Those of a function are none of the program's.
        let args = if self.invoke.is_none() { &self.guest.args[..] } else { &[] };
        match prepared.instantiate(self.wasi(args)?).and_then(|mut instance| self.start(&mut instance)) {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => self.outcome(error),
        }
    }

    /// Runs a command that is a component, or calls one of its exports.
    fn component(&self, engine: &Engine, component: &Component) -> anyhow::Result<ExitCode> {
        // Before anything runs.
        let call = self.invoke.as_ref().map(|text| Call::parse(component, text)).transpose();
        let call = call.with_context(|| format!("cannot call a function of `{}`", self.guest.file.display()))?;
        let mut linker = component::Linker::new(engine);
        hatchery_wasi::p2::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
        let prepared = linker.prepare_with(component, self.limits());
        let prepared = prepared.map_err(|error| self.cannot_link(component, error))?;
        let outcome = match call {
            Some(call) => self.invoke(&prepared, &call),
            None => self.command(&prepared, &self.entry(&prepared)?),
        };
        outcome.or_else(|error| match error.downcast() {
            Ok(error) => self.outcome(error),
            Err(error) => Err(error),
        })
    }

    /// What is said of a component that there is no host for.
    fn cannot_link(&self, component: &Component, error: hatchery::Error) -> anyhow::Error {
        let absent = match error.kind() {
            ErrorKind::Link => world::absent(component),
            _ => Vec::new(),
        };
        let hint = if absent.is_empty() { String::new() } else { format!(": this host has no {}", absent.join(", ")) };
        anyhow!(error).context(format!("cannot link `{}`{hint}", self.guest.file.display()))
    }

    /// What `wasi:cli` calls the program's start.
    fn entry(&self, prepared: &component::Prepared<WasiCtx>) -> anyhow::Result<Entry> {
        prepared.func(("wasi:cli/run@0.2.0", "run")).with_context(|| {
            let exports = invoke::export::functions(prepared.component());
            let hint = if exports.is_empty() { "" } else { "; call one of its functions with --invoke" };
            format!("`{}` is no command{hint}", self.guest.file.display())
        })
    }

    /// What `wasi:cli` asks of an embedder.
    fn command(&self, prepared: &component::Prepared<WasiCtx>, run: &Entry) -> anyhow::Result<ExitCode> {
        let (result,) = run.call(&mut prepared.instantiate(self.wasi(&self.guest.args)?)?, ())?;
        Ok(if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn invoke(&self, prepared: &component::Prepared<WasiCtx>, call: &Call) -> anyhow::Result<ExitCode> {
        let path: Vec<&str> = call.export.path.iter().map(String::as_str).collect();
        let func = prepared.func_dynamic(&path[..])?;
        let result = func.call(&mut prepared.instantiate(self.wasi(&self.guest.args)?)?, &call.params)?;
        println(&invoke::show(result.as_ref())?)?;
        Ok(ExitCode::SUCCESS)
    }

    /// How the options need the program to be stopped.
    fn interruption(&self) -> Interruption {
        match (self.timeout, self.fuel) {
            (Some(_), _) => Interruption::Deadline,
            (_, Some(_)) => Interruption::Fuel,
            _ => Interruption::None,
        }
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::new();
        if let Some(bytes) = self.max_memory {
            limits = limits.max_memory(bytes);
        }
        if let Some(fuel) = self.fuel {
            limits = limits.fuel(fuel);
        }
        if let Some(timeout) = self.timeout {
            limits = limits.deadline(timeout);
        }
        limits
    }

    fn load(&self) -> anyhow::Result<(Engine, Compiled)> {
        let (engine, program) = match load::read(&self.guest.file, Purpose::Run)? {
            Program::Artifact(artifact) => self.take(artifact)?,
            Program::Source(bytes) => {
                let cache = if self.no_cache { None } else { Cache::of_user() };
                let config = Config::new().interruption(self.interruption());
                load::compile(&config, &self.guest.file, &bytes, cache.as_ref())?
            }
        };
        if self.verify {
            load::verify(&self.guest.file, &program)?;
        }
        Ok((engine, program))
    }

    /// An artifact runs as it was built; options that need it otherwise are errors.
    fn take(&self, artifact: Artifact) -> anyhow::Result<(Engine, Compiled)> {
        artifact.notes().for_each(|note| tracing::warn!(path = %self.guest.file.display(), "{note}"));
        let config = artifact.config();
        let needed = match self.interruption() {
            Interruption::Deadline if config.interrupted_by() != Interruption::Deadline => {
                Some(("--timeout", "deadline"))
            }
            Interruption::Fuel if config.interrupted_by() != Interruption::Fuel => Some(("--fuel", "fuel")),
            _ => None,
        };
        if let Some((option, interruption)) = needed {
            let file = self.guest.file.display();
            bail!("{option} cannot stop `{file}`: build it again with `--interruption {interruption}`");
        }
        let engine = Engine::new(&config)?;
        let program = Compiled::of_artifact(artifact, &engine);
        let program = program.with_context(|| format!("cannot run `{}`", self.guest.file.display()))?;
        Ok((engine, program))
    }

    /// What the program is given, with these arguments behind its name.
    fn wasi(&self, args: &[String]) -> anyhow::Result<WasiCtx> {
        let mut builder = WasiCtxBuilder::new();
        builder.inherit_stdio().max_resources(self.max_resources).max_descriptors(self.max_resources);
        builder.arg(self.guest.file.file_name().unwrap_or(self.guest.file.as_os_str()).to_string_lossy());
        builder.args(args);
        for (name, value) in &self.env {
            builder.env(name, value);
        }
        for dir in &self.dirs {
            builder
                .preopened_dir(&dir.host, &dir.guest, DirPerms::all(), FilePerms::all())
                .with_context(|| format!("cannot open the directory `{}`", dir.host.display()))?;
        }
        if !self.net.is_empty() {
            builder.network(Network::rules(self.net.iter().copied()).lookup(true));
        }
        Ok(builder.build())
    }

    /// What preview 1 asks of an embedder: a command has `_start`; a reactor has, perhaps, `_initialize`,
    /// which comes before any other export.
    fn start(&self, instance: &mut Instance<WasiCtx>) -> Result<(), hatchery::Error> {
        let exists =
            |instance: &mut Instance<WasiCtx>, name: &str| matches!(instance.export(name), Some(Extern::Func(_)));
        if exists(instance, "_initialize") && !instance.module().has_run("_initialize") {
            instance.func::<(), ()>("_initialize")?.call(&mut *instance, ())?;
        }
        if let Some(name) = &self.invoke {
            return self.call(instance, name);
        }
        if exists(instance, "_start") {
            return instance.func::<(), ()>("_start")?.call(instance, ());
        }
        if exists(instance, "_initialize") {
            return Ok(());
        }
        Err(hatchery::Error::host(no_start(instance, &self.guest.file)))
    }

    fn call(&self, instance: &mut Instance<WasiCtx>, name: &str) -> Result<(), hatchery::Error> {
        let Some(Extern::Func(func)) = instance.export(name) else {
            let known = exports(instance);
            let hint = if name.contains('(') { " (arguments for a module's function follow the file)" } else { "" };
            let known = if known.is_empty() { "is none".into() } else { format!("are: {}", shortened(&known)) };
            let message = format!("there is no exported function `{name}`{hint}; there {known}");
            return Err(hatchery::Error::host(message));
        };
        let ty = func.ty(&mut *instance)?;
        if ty.params().len() != self.guest.args.len() {
            let (wanted, given) = (ty.params().len(), self.guest.args.len());
            let message = format!("`{name}` has the type {ty}, which takes {wanted} arguments, but {given} were given");
            return Err(hatchery::Error::host(message));
        }
        let parse = |(ty, text): (&ValType, &String)| parse_value(*ty, text);
        let values = ty.params().iter().zip(&self.guest.args).map(parse).collect::<anyhow::Result<Vec<Val>>>();
        let values = values.map_err(|error| hatchery::Error::host(format!("{error:#}")))?;
        for value in func.call_dynamic(&mut *instance, &values)? {
            println(&show_value(&value))?;
        }
        Ok(())
    }

    fn outcome(&self, error: hatchery::Error) -> anyhow::Result<ExitCode> {
        if let Some(exit) = error.downcast_ref::<I32Exit>() {
            return Ok(ExitCode::from(exit.status()));
        }
        let file = self.guest.file.display().to_string();
        match error.kind() {
            ErrorKind::Trap => Ok(report::trap(&file, &error)),
            _ => Err(anyhow!(error)).with_context(|| format!("cannot run `{file}`")),
        }
    }
}

/// Prints a line; a closed standard output is an error of the host, not a panic.
fn println(line: &str) -> Result<(), hatchery::Error> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").map_err(hatchery::Error::host)
}

/// The names of its functions.
fn exports(instance: &mut Instance<WasiCtx>) -> Vec<String> {
    let functions = instance.exports().into_iter().filter(|(_, item)| matches!(item, Extern::Func(_)));
    functions.map(|(name, _)| format!("`{}`", Shown(&name))).collect()
}

/// The first few names, and how many there are besides.
fn shortened(names: &[String]) -> String {
    let (first, more) = names.split_at(names.len().min(10));
    match more.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn no_start(instance: &mut Instance<WasiCtx>, file: &Path) -> String {
    let file = file.display();
    match exports(instance) {
        known if known.is_empty() => format!("`{file}` has no `_start`, and exports no function"),
        known => format!("`{file}` has no `_start`; name one of its functions with --invoke: {}", shortened(&known)),
    }
}

/// A value as it is written on the command line.
fn parse_value(ty: ValType, text: &str) -> anyhow::Result<Val> {
    let wanted = || format!("`{text}` is no {ty}");
    Ok(match ty {
        ValType::I32 => Val::I32(integer(text, 32).with_context(wanted)? as i32),
        ValType::I64 => Val::I64(integer(text, 64).with_context(wanted)? as i64),
        ValType::F32 => Val::from(text.parse::<f32>().with_context(wanted)?),
        ValType::F64 => Val::from(text.parse::<f64>().with_context(wanted)?),
        ValType::V128 => Val::V128(integer(text, 128).with_context(wanted)?),
        _ => bail!("a {ty} cannot be given on the command line"),
    })
}

/// A decimal or `0x` integer of so many bits, signed or unsigned, as two's complement.
fn integer(text: &str, bits: u32) -> anyhow::Result<u128> {
    let (negative, number) = text.strip_prefix('-').map_or((false, text), |number| (true, number));
    let (digits, radix) = number.strip_prefix("0x").map_or((number, 10), |hex| (hex, 16));
    // The parser would take a second sign.
    if let Some(odd) = digits.chars().find(|digit| !digit.is_digit(radix)) {
        bail!("`{odd}` is no digit");
    }
    let magnitude = u128::from_str_radix(digits, radix)?;
    let (least, most) = (1 << (bits - 1), u128::MAX >> (128 - bits));
    match negative {
        true if magnitude <= least => Ok(magnitude.wrapping_neg()),
        false if magnitude <= most => Ok(magnitude),
        _ => bail!("it is outside -{least} to {most}"),
    }
}

fn show_value(value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(bits) => f32::from_bits(*bits).to_string(),
        Val::F64(bits) => f64::from_bits(*bits).to_string(),
        Val::V128(value) => format!("{value:#034x}"),
        Val::FuncRef(None) | Val::ExternRef(None) => "null".into(),
        Val::FuncRef(Some(_)) => "a function".into(),
        Val::ExternRef(Some(_)) => "a host value".into(),
        _ => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_signed_or_unsigned() {
        assert!(matches!(parse_value(ValType::I32, "-1"), Ok(Val::I32(-1))));
        assert!(matches!(parse_value(ValType::I32, "4294967295"), Ok(Val::I32(-1))));
        assert!(matches!(parse_value(ValType::I64, "0x10"), Ok(Val::I64(16))));
        let error = format!("{:#}", parse_value(ValType::I32, "4294967296").unwrap_err());
        assert!(error.contains("`4294967296` is no i32"), "{error}");
        assert!(parse_value(ValType::ExternRef, "1").is_err());
    }

    #[test]
    fn integers_reach_to_both_ends_of_their_types() {
        let value = |ty, text: &str| parse_value(ty, text).map_err(|error| format!("{error:#}"));
        let all = u128::MAX.to_string();
        assert!(matches!(value(ValType::V128, &all), Ok(Val::V128(u128::MAX))));
        assert!(matches!(value(ValType::V128, "-1"), Ok(Val::V128(u128::MAX))));
        let sign = 0x8000_0000_0000_0000_0000_0000_0000_0000;
        assert!(matches!(value(ValType::V128, &format!("{sign:#x}")), Ok(Val::V128(bits)) if bits == sign));
        assert!(matches!(value(ValType::I64, "-9223372036854775808"), Ok(Val::I64(i64::MIN))));
        assert!(matches!(value(ValType::I64, "0xffffffffffffffff"), Ok(Val::I64(-1))));
        assert!(matches!(value(ValType::I32, "-0x80000000"), Ok(Val::I32(i32::MIN))));
        for (ty, text) in [
            (ValType::V128, format!("{all}0")),
            (ValType::I64, "-9223372036854775809".into()),
            (ValType::I32, "-2147483649".into()),
        ] {
            assert!(value(ty, &text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_has_one_sign() {
        for text in ["--5", "-+5", "+5", "0x-5", "0x+5", "-0x-5", "", "-", "0x", "5 "] {
            assert!(parse_value(ValType::I32, text).is_err(), "{text}");
        }
    }
}
