//! `wasi:cli`, `clocks` and `random`.

use super::super::poll::Pollable;
use super::super::stream::{Input, Output};
use super::super::{cli, clocks};
use super::{Calling, Get, define, dropping, own};
use hatchery::Error;
use hatchery::component::{Caller, Linker};

/// `terminal-input`.
struct TerminalInput;

/// `terminal-output`.
struct TerminalOutput;

pub(super) fn add<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    environment(linker, get)?;
    standard_streams(linker, get)?;
    terminals(linker, get)?;
    clocks(linker, get)?;
    random(linker, get)
}

fn environment<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut environment = linker.instance("wasi:cli/environment@0.2.12")?;
    define!(environment, get, "get-environment", |host| cli::environment(host));
    define!(environment, get, "get-arguments", |host| cli::arguments(host));
    environment.func("initial-cwd", |_: Caller<'_, T>, (): ()| Ok((None::<String>,)))?;
    let mut exit = linker.instance("wasi:cli/exit@0.2.12")?;
    exit.func("exit", |_: Caller<'_, T>, (status,): (Result<(), ()>,)| Err::<(), _>(cli::exit(status)))?;
    exit.func("exit-with-code", |_: Caller<'_, T>, (code,): (u8,)| Err::<(), _>(cli::exit_with_code(code)))?;
    Ok(())
}

fn standard_streams<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut stdin = linker.instance("wasi:cli/stdin@0.2.12")?;
    define!(stdin, get, "get-stdin", |host| own::<Input>(cli::stdin(host)?));
    let mut stdout = linker.instance("wasi:cli/stdout@0.2.12")?;
    define!(stdout, get, "get-stdout", |host| own::<Output>(cli::output(host, 1)?));
    let mut stderr = linker.instance("wasi:cli/stderr@0.2.12")?;
    define!(stderr, get, "get-stderr", |host| own::<Output>(cli::output(host, 2)?));
    Ok(())
}

fn terminals<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    linker.instance("wasi:cli/terminal-input@0.2.12")?.resource::<TerminalInput>("terminal-input", dropping(get))?;
    linker.instance("wasi:cli/terminal-output@0.2.12")?.resource::<TerminalOutput>("terminal-output", dropping(get))?;
    let mut stdin = linker.instance("wasi:cli/terminal-stdin@0.2.12")?;
    define!(stdin, get, "get-terminal-stdin", |host| cli::terminal(host, 0)?.map(own::<TerminalInput>));
    let mut stdout = linker.instance("wasi:cli/terminal-stdout@0.2.12")?;
    define!(stdout, get, "get-terminal-stdout", |host| cli::terminal(host, 1)?.map(own::<TerminalOutput>));
    let mut stderr = linker.instance("wasi:cli/terminal-stderr@0.2.12")?;
    define!(stderr, get, "get-terminal-stderr", |host| cli::terminal(host, 2)?.map(own::<TerminalOutput>));
    Ok(())
}

fn clocks<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut monotonic = linker.instance("wasi:clocks/monotonic-clock@0.2.12")?;
    define!(monotonic, get, "now", |host| clocks::now(host));
    define!(monotonic, get, "resolution", |host| clocks::resolution(host));
    define!(monotonic, get, "subscribe-instant", |host, when: u64| {
        own::<Pollable>(clocks::subscribe_instant(host, when)?)
    });
    define!(monotonic, get, "subscribe-duration", |host, wait: u64| {
        own::<Pollable>(clocks::subscribe_duration(host, wait)?)
    });
    let mut wall = linker.instance("wasi:clocks/wall-clock@0.2.12")?;
    define!(wall, get, "now", |host| clocks::wall_now(host));
    define!(wall, get, "resolution", |host| clocks::wall_resolution(host));
    Ok(())
}

fn random<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>) -> Result<(), Error> {
    let mut random = linker.instance("wasi:random/random@0.2.12")?;
    define!(random, get, "get-random-bytes", |host, len: u64| clocks::random_bytes(host, len)?);
    define!(random, get, "get-random-u64", |host| clocks::random_u64(host)?);
    let mut insecure = linker.instance("wasi:random/insecure@0.2.12")?;
    define!(insecure, get, "get-insecure-random-bytes", |host, len: u64| clocks::random_bytes(host, len)?);
    define!(insecure, get, "get-insecure-random-u64", |host| clocks::random_u64(host)?);
    let mut seed = linker.instance("wasi:random/insecure-seed@0.2.12")?;
    define!(seed, get, "insecure-seed", |host| clocks::insecure_seed(host)?);
    Ok(())
}
